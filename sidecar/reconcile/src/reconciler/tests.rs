//! The reconciler in a cluster of values: what it is told on the left, what it wants done on the right.

use std::sync::Arc;
use std::time::{Duration, Instant};

use credential_plan::CredentialEvent;
use credential_plan::plan::Held;
use distribution::observed::{Placed, SeenNamespace};
use distribution::{Account, Change, Labels, SeenSecret, TargetKind, Uid, Version};
use expect_test::{Expect, expect};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};
use tcr::names::{FINALIZER, derived_secret_name};
use tcr::rules::RuleContext;
use tcr::verdict::Verdict;

use super::*;
use crate::effect::Regarding;
use crate::input::{LinkEvent, Refused};
use crate::object::Object;
use distribution::job::{Ended, FailedWrite, Job, Report, Written};

mod any_input;
mod credentials;
mod jobs;
mod objects;
mod refusals;
mod statuses;

/// A reconciler, and the time.
struct World {
    reconciler: Reconciler,
    now: Now,
    started: Instant,
    wake: Option<Instant>,
    versions: u64,
    /// Of the last requests for private links.
    link_requests: u64,
}

fn key() -> InstallationKey {
    InstallationKey::parse("a".repeat(64).as_bytes()).unwrap()
}

fn config(asks_registries: bool) -> Config {
    Config {
        region: Some("ap-guangzhou".to_owned()),
        allowed_roots: vec!["example.com".to_owned(), "tencentcloudcr.com".to_owned()],
        verdict_timeout: asks_registries.then(|| SignedDuration::from_mins(15)),
    }
}

fn object(name: &str, metadata: &Value, spec: &Value) -> Box<Object> {
    let mut whole = json!({
        "name": name, "uid": format!("uid-of-{name}"), "resourceVersion": "1", "generation": 1, "finalizers": [FINALIZER],
    });
    whole.as_object_mut().unwrap().extend(metadata.as_object().unwrap().clone());
    let metadata: ObjectMeta = serde_json::from_value(whole).unwrap();
    let allowed_roots = &config(false).allowed_roots;
    let rules = RuleContext { allowed_roots, cluster_id: Some("cls-12345678"), ..RuleContext::default() };
    let object = Object::read(metadata, json!({"spec": spec}), &rules);
    assert_eq!(object.spec.as_ref().err(), None);
    Box::new(object)
}

/// One that gives its own login.
fn docker(name: &str, password: &str) -> Box<Object> {
    docker_with(name, password, &json!({}))
}

fn docker_with(name: &str, password: &str, metadata: &Value) -> Box<Object> {
    let docker = json!({"server": "registry.example.com", "username": "robot", "password": password});
    object(name, metadata, &json!({"namespaces": "*", "serviceAccounts": "*", "docker": docker}))
}

/// One that wants the credential of an instance.
fn instance(name: &str, metadata: &Value) -> Box<Object> {
    let network = json!({"resolve": true, "vpcId": "vpc-12345678"});
    let tcr = json!({"instanceId": "tcr-demo0001", "region": "ap-guangzhou", "privateNetwork": network});
    object(name, metadata, &json!({"namespaces": "*", "serviceAccounts": "*", "tcr": tcr}))
}

fn held(token: &str) -> Held {
    Held {
        username: "100".to_owned(),
        token: tcr::sensitive::Sensitive::new(token),
        token_id: Some(format!("id-of-{token}")),
        issued_at: Timestamp::UNIX_EPOCH,
        extended_at: None,
        expires_at: None,
        public_domain: "demo.tencentcloudcr.com".parse().unwrap(),
    }
}

fn namespace(name: &str) -> Input {
    let seen = SeenNamespace { name: name.into(), terminating: false, labels: Labels::default() };
    Input::Watch(WatchEvent::Namespace(Watched::Applied(seen)))
}

fn applied(object: Box<Object>) -> Input {
    Input::Watch(WatchEvent::ImagePullSecret(Watched::Applied(object)))
}

/// The ends of the first lists.
fn lists() -> [Input; 5] {
    [
        WatchEvent::ImagePullSecret(Watched::ListEnded),
        WatchEvent::Namespace(Watched::ListEnded),
        WatchEvent::Account(Watched::ListEnded),
        WatchEvent::Secret(Watched::ListEnded),
        WatchEvent::Password(Watched::ListEnded),
    ]
    .map(Input::Watch)
}

fn shown(effect: &Effect) -> String {
    match effect {
        Effect::RunJob(Job { namespace, look, unmet: _, changes }) => {
            let look = look.iter().map(|(secret, _)| format!("read {secret}"));
            let changes = changes.iter().map(|(change, _)| match change {
                Change::CreateSecret { name, .. } => format!("create {}", derived_secret_name(name)),
                Change::UpdateSecret { name, .. } => format!("update {}", derived_secret_name(name)),
                Change::ReplaceSecret { name, .. } => format!("replace {}", derived_secret_name(name)),
                Change::MarkSecret { name, .. } => format!("mark {}", derived_secret_name(name)),
                Change::DeleteSecret { secret, .. } => format!("delete {secret}"),
                Change::EditReferences { account, .. } => format!("edit {account}"),
            });
            format!("in {namespace}: {}", look.chain(changes).collect::<Vec<_>>().join(", "))
        }
        Effect::WriteStatus { name, status } => {
            let ready = &status.conditions[0];
            format!("status of {name}: {} {} {}", ready.type_, ready.status, ready.reason)
        }
        Effect::WriteFinalizers { name, finalizers, .. } => format!("finalizers of {name}: {finalizers:?}"),
        Effect::CheckLogin { name, .. } => format!("ask the registry about {name}"),
        Effect::FindRival(target) => format!("find the rival at {}/{}", target.namespace, target.name),
        Effect::ListInstances { name, region, .. } => format!("list instances for {name} in {region:?}"),
        Effect::ListStoredCredentials => "list stored credentials".to_owned(),
        Effect::StartKeeper { key, order } => {
            format!("start keeper of {}, over: {}", key.instance_id, order.is_over)
        }
        Effect::OrderKeeper { key, order } => {
            format!(
                "order keeper of {}, rolled out: {}, over: {}",
                key.instance_id,
                order.rolled_out.is_some(),
                order.is_over
            )
        }
        Effect::ResolveLinks(requests) => {
            let names = requests.links.iter().map(|it| it.name.as_str());
            let kept: String =
                requests.kept.iter().map(|it| format!(", keep {:?} of {}", it.hosts, it.name)).collect();
            format!("resolve links of {:?}{kept}", names.collect::<Vec<_>>())
        }
        Effect::WatchOthers(names) => format!("watch others: {names:?}"),
        Effect::WatchPods => "watch Pods".to_owned(),
        Effect::BecomeReady { .. } => "become ready".to_owned(),
        Effect::LogRefusal { text, is_new } => format!("log {text}, new: {is_new}"),
        Effect::PublishEvent(event) => {
            let regarding = match &event.regarding {
                Regarding::ImagePullSecret { name, .. } => name.clone(),
                Regarding::Pod { namespace, name, .. } => format!("{namespace}/{name}"),
            };
            format!("Event on {regarding}: {} {}", event.reason.as_str(), event.message)
        }
    }
}

impl World {
    fn new(asks_registries: bool) -> Self {
        let started = Instant::now();
        let now = Now { monotonic: started, wall: Timestamp::UNIX_EPOCH, random: u64::MAX / 2 };
        let reconciler = Reconciler::new(config(asks_registries), key());
        Self { reconciler, now, started, wake: None, versions: 100, link_requests: 0 }
    }

    /// With this object and the namespace shop, after the first lists.
    fn ready(asks_registries: bool, object: Box<Object>) -> Self {
        let mut world = Self::new(asks_registries);
        world.step([applied(object), namespace("shop")]);
        world.step(lists());
        world
    }

    fn effects(&mut self, inputs: impl IntoIterator<Item = Input>) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.wake = self.reconciler.step(inputs, self.now, &mut effects);
        for effect in &effects {
            if let Effect::ResolveLinks(requests) = effect {
                self.link_requests = requests.number;
            }
        }
        effects
    }

    /// The poller of private links has written the list for the last requests, and these may be in it.
    fn links(&self, applied: &[&str]) -> Input {
        let applied = Some(applied.iter().map(|it| (*it).to_owned()).collect());
        Input::Links(LinkEvent::Links { number: self.link_requests, links: Vec::new(), applied })
    }

    fn step(&mut self, inputs: impl IntoIterator<Item = Input>) -> Vec<String> {
        self.effects(inputs).iter().map(shown).collect()
    }

    #[track_caller]
    fn check(&mut self, inputs: impl IntoIterator<Item = Input>, expected: Expect) {
        expected.assert_eq(&self.step(inputs).join("\n"));
    }

    fn pass(&mut self, time: Duration) {
        self.now.monotonic += time;
        self.now.wall = self.now.wall.checked_add(SignedDuration::try_from(time).unwrap()).unwrap();
    }

    /// What the object's Secret is once this job wrote it.
    fn secret(&mut self, name: &str) -> Written {
        self.versions += 1;
        let content = self.reconciler.items[name].content.clone().unwrap();
        let seen = SeenSecret::Ours {
            uid: "u1".into(),
            version: Version(self.versions),
            digest: Some(content.digest()),
            labelled: true,
            mendable: true,
            marked: true,
            unread: false,
        };
        Written::Secret { name: derived_secret_name(name), seen: Some(seen) }
    }
}

fn report(namespace: &str, written: Vec<Written>, ended: Ended) -> Input {
    let (looked, failed, took) = (Vec::new(), Vec::new(), Duration::ZERO);
    Input::JobEnded(Report { namespace: namespace.into(), looked, written, failed, ended, took })
}

fn foreign() -> Written {
    let seen = SeenSecret::Foreign { uid: "theirs".into(), same_registry: false, mendable: true };
    Written::Secret { name: "tcr.ipsdemo".to_owned(), seen: Some(seen) }
}

fn account(references: &[&str], version: u64) -> Input {
    let references: Vec<Arc<str>> = references.iter().map(|it| (*it).into()).collect();
    let seen = Account {
        resource_version: version.to_string().as_str().into(),
        has_list: !references.is_empty(),
        references: references.into(),
    };
    let placed = Placed { namespace: "shop".into(), name: "default".into(), seen };
    Input::Watch(WatchEvent::Account(Watched::Applied(placed)))
}

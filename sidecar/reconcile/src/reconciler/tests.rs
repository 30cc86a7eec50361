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
use proptest::prelude::*;
use serde_json::{Value, json};
use tcr::names::{FINALIZER, derived_secret_name};
use tcr::rules::RuleContext;
use tcr::verdict::Verdict;

use super::*;
use crate::effect::Regarding;
use crate::input::{LinkEvent, Refused};
use distribution::job::{Ended, FailedWrite, Job, Report, Written};

mod refusals;

/// A reconciler, and the time.
struct World {
    reconciler: Reconciler,
    now: Now,
    started: Instant,
    wake: Option<Instant>,
    versions: u64,
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
    let rules = RuleContext { allowed_roots, cluster_id: Some("cls-12345678"), description_required: true };
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
        Effect::RunJob(Job { namespace, look, changes }) => {
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
            format!("resolve links of {:?}", requests.iter().map(|it| it.name.as_str()).collect::<Vec<_>>())
        }
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
        Self { reconciler, now, started, wake: None, versions: 100 }
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
        effects
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

#[test]
fn nothing_is_written_before_every_first_list_is_complete() {
    let mut world = World::new(false);
    world.check([applied(docker("demo", "a")), namespace("shop")], expect![""]);
    for (index, end) in lists().into_iter().enumerate() {
        let effects = world.step([end]);
        assert_eq!(effects.is_empty(), index < 4, "{effects:?}");
        if index == 4 {
            expect![[r#"
                resolve links of []
                watch Pods
                become ready
                in shop: create tcr.ipsdemo
                status of demo: Ready False Progressing"#]]
            .assert_eq(&effects.join("\n"));
        }
    }
}

#[test]
fn a_finalizer_is_put_on_before_anything_is_distributed_and_once() {
    let mut world = World::new(false);
    world.step([applied(docker_with("demo", "a", &json!({"finalizers": []}))), namespace("shop")]);
    world.step(lists());
    assert_eq!(world.step([]), Vec::<String>::new(), "it is under way");
    let (name, resource_version) = ("demo".to_owned(), "1".to_owned());
    world.step([Input::FinalizersWritten { name, resource_version, result: Ok(()) }]);
    let metadata = json!({"resourceVersion": "2"});
    world.check([applied(docker_with("demo", "a", &metadata))], expect!["in shop: create tcr.ipsdemo"]);
}

#[test]
fn finalizers_that_could_not_be_written_are_written_again_after_a_while() {
    let mut world = World::new(false);
    world.step([applied(docker_with("demo", "a", &json!({"finalizers": []})))]);
    world.step(lists());
    let (name, resource_version) = ("demo".to_owned(), "1".to_owned());
    let failed = Input::FinalizersWritten { name, resource_version, result: Err(Refused::Failed) };
    assert!(!world.step([failed]).iter().any(|it| it.starts_with("finalizers")));
    world.pass(Duration::from_secs(5));
    assert!(world.wake.is_some_and(|at| at <= world.now.monotonic), "nobody would come back to it");
    let effects = world.step([]);
    assert!(effects.contains(&format!("finalizers of demo: [{FINALIZER:?}]")), "{effects:?}");
}

#[test]
fn a_foreign_secret_in_the_way_is_told_of_once_and_looked_at_again() {
    let mut world = World::ready(false, docker("demo", "a"));
    world.check(
        [report("shop", vec![foreign()], Ended::Overtaken)],
        expect![[r#"
            Event on demo: Conflict the Secret shop/tcr.ipsdemo is somebody else's and is left alone; delete it, or set spec.conflictPolicy to adopt or overwrite
            list stored credentials"#]],
    );
    world.pass(Duration::from_secs(300));
    let effects = world.step([]);
    assert!(effects.contains(&"in shop: read tcr.ipsdemo".to_owned()), "{effects:?}");
}

#[test]
fn a_foreign_secret_whose_image_pull_secret_is_gone_keeps_nobody_busy() {
    let mut world = World::ready(false, docker("demo", "a"));
    world.step([report("shop", vec![foreign()], Ended::Overtaken)]);
    world.step([Input::Watch(WatchEvent::ImagePullSecret(Watched::Deleted(docker("demo", "a"))))]);
    world.pass(Duration::from_secs(301));
    world.check([], expect![""]);
    assert!(world.wake.is_none_or(|at| at > world.now.monotonic), "it would never sleep");
}

#[test]
fn a_status_is_written_at_most_once_a_second_while_there_is_work() {
    let mut world = World::new(false);
    let names: Vec<String> = (0..40).map(|index| format!("ns-{index:02}")).collect();
    world.step(names.iter().map(|name| namespace(name)).chain([applied(docker("demo", "a"))]));
    let (mut written, mut effects) = (Vec::new(), world.effects(lists()));
    while let Some(next) = effects.pop() {
        world.pass(Duration::from_millis(100));
        let input = match next {
            Effect::RunJob(job) => {
                let secret = world.secret("demo");
                report(&job.namespace, vec![secret], Ended::Done)
            }
            Effect::WriteStatus { name, status } => {
                written.push(world.now.monotonic - world.started);
                Input::StatusWritten { name, status, result: Ok(()) }
            }
            _ => continue,
        };
        let more = world.effects([input]);
        effects.extend(more);
    }
    // The last one tells that all is done, and waits for nothing.
    written.pop();
    let is_often = written.windows(2).any(|pair| pair[1] - pair[0] < Duration::from_millis(900));
    assert!(written.len() > 1 && !is_often, "{written:?}");
}

#[test]
fn a_status_that_failed_is_written_again_later_and_not_at_once() {
    for refused in [Refused::Failed, Refused::NotFound, Refused::Conflict] {
        let mut world = World::ready(false, docker("demo", "a"));
        let secret = world.secret("demo");
        world.step([report("shop", vec![secret], Ended::Done)]);
        let status = Box::default();
        let failed = Input::StatusWritten { name: "demo".to_owned(), status, result: Err(refused) };
        assert_eq!(world.step([failed]), Vec::<String>::new());
        world.pass(Duration::from_secs(5));
        assert!(world.wake.is_some_and(|at| at <= world.now.monotonic));
        assert_eq!(world.step([]), ["status of demo: Ready True Ready"]);
    }
}

#[test]
fn stored_credentials_that_cannot_be_listed_are_listed_again_later_and_not_at_once() {
    let mut world = World::ready(false, docker("demo", "a"));
    let secret = world.secret("demo");
    world.step([report("shop", vec![secret], Ended::Done)]);
    assert_eq!(world.step([Input::StoredCredentials(None)]), Vec::<String>::new());
    world.pass(Duration::from_secs(5));
    assert!(world.wake.is_some_and(|at| at <= world.now.monotonic));
    assert_eq!(world.step([]), ["list stored credentials"]);
    assert_eq!(world.step([Input::StoredCredentials(Some(Vec::new()))]), Vec::<String>::new());
    world.pass(Duration::from_secs(500));
    assert_eq!(world.step([]), Vec::<String>::new(), "once is enough");
}

#[test]
fn a_deleted_object_goes_after_its_secrets_its_credential_and_its_hosts_entries() {
    let mut world = World::ready(false, instance("demo", &json!({})));
    let key = world.reconciler.items["demo"].object.key().unwrap();
    let event = |event| Input::Credential(key.clone(), event);
    let available = CredentialEvent::Available { held: held("a"), why: None };
    world.check(
        [event(available)],
        expect![[r#"
            resolve links of ["demo"]
            in shop: create tcr.ipsdemo"#]],
    );
    let secret = world.secret("demo");
    let links = |applied: &[&str]| {
        let applied = applied.iter().map(|it| (*it).to_owned()).collect();
        Input::Links(LinkEvent::Links { links: Vec::new(), applied })
    };
    world.check(
        [report("shop", vec![secret], Ended::Done), links(&["demo"])],
        expect![[r#"
            list stored credentials
            order keeper of tcr-demo0001, rolled out: true, over: false"#]],
    );
    let deleting =
        instance("demo", &json!({"resourceVersion": "2", "deletionTimestamp": "2026-01-01T00:00:00Z"}));
    world.check([applied(deleting)], expect!["in shop: delete tcr.ipsdemo"]);
    let gone = Written::Secret { name: "tcr.ipsdemo".to_owned(), seen: None };
    world.check(
        [report("shop", vec![gone], Ended::Done)],
        expect![[r#"
            order keeper of tcr-demo0001, rolled out: true, over: true
            resolve links of []"#]],
    );
    world.check([event(CredentialEvent::Ended)], expect![""]);
    world.check([links(&[])], expect!["finalizers of demo: []"]);
}

#[test]
fn a_credential_is_rolled_out_once_no_namespace_has_the_one_before() {
    let mut world = World::ready(false, instance("demo", &json!({})));
    let key = world.reconciler.items["demo"].object.key().unwrap();
    let available = |token: &str| {
        Input::Credential(key.clone(), CredentialEvent::Available { held: held(token), why: None })
    };
    world.step([available("a")]);
    let secret = world.secret("demo");
    let effects = world.step([report("shop", vec![secret], Ended::Done)]);
    assert!(effects.iter().any(|it| it.contains("rolled out: true")), "{effects:?}");
    world.check(
        [available("b")],
        expect![[r#"
            order keeper of tcr-demo0001, rolled out: false, over: false
            in shop: update tcr.ipsdemo"#]],
    );
    let secret = world.secret("demo");
    let effects = world.step([report("shop", vec![secret], Ended::Done)]);
    assert!(effects.iter().any(|it| it.contains("rolled out: true")), "{effects:?}");
}

#[test]
fn a_spec_that_moves_to_another_instance_needs_the_credential_before_until_there_is_the_next() {
    let mut world = World::ready(false, instance("demo", &json!({})));
    let available = |object: &Object| {
        Input::Credential(object.key().unwrap(), CredentialEvent::Available { held: held("a"), why: None })
    };
    let first = instance("demo", &json!({}));
    world.step([available(&first)]);
    let secret = world.secret("demo");
    world.step([report("shop", vec![secret], Ended::Done)]);
    let mut second = instance("demo", &json!({"generation": 2}));
    if let Ok(spec) = &mut second.spec {
        spec.tcr.as_mut().unwrap().instance_id = "tcr-other001".to_owned();
    }
    let moved = available(&second);
    let effects = world.step([applied(second)]);
    assert!(effects.iter().any(|it| it.starts_with("start keeper of tcr-other001")), "{effects:?}");
    assert!(!effects.iter().any(|it| it.contains("over: true")), "namespaces have it: {effects:?}");
    let effects = world.step([moved]);
    let over = "order keeper of tcr-demo0001, rolled out: true, over: true";
    assert!(effects.contains(&over.to_owned()), "{effects:?}");
}

#[test]
fn who_changes_something_back_again_and_again_is_searched_and_named() {
    let mut world = World::ready(false, docker("demo", "a"));
    let secret = world.secret("demo");
    world.step([report("shop", vec![secret], Ended::Done), account(&["tcr.ipsdemo"], 1)]);
    let mut effects = Vec::new();
    for round in 1..=4 {
        effects = world.step([account(&[], round * 10)]);
        world.step([account(&["tcr.ipsdemo"], round * 10 + 1), report("shop", Vec::new(), Ended::Done)]);
    }
    assert!(effects.contains(&"find the rival at shop/default".to_owned()), "{effects:?}");
    let target = distribution::Target {
        namespace: "shop".into(),
        kind: distribution::TargetKind::ServiceAccount,
        name: "default".into(),
    };
    let effects = world.step([Input::RivalFound { target, rival: Some("argocd".to_owned()) }]);
    let event = "Event on demo: Contested argocd keeps changing ServiceAccount shop/default back";
    assert!(effects.iter().any(|it| it.starts_with(event)), "{effects:?}");
}

#[test]
fn registries_are_asked_by_a_few_questions_at_a_time() {
    let mut world = World::new(true);
    world.step((0..40).map(|index| applied(docker(&format!("demo-{index}"), "a"))));
    let asks = |effects: &[Effect]| -> Vec<(String, distribution::Digest)> {
        let check = |effect: &Effect| match effect {
            Effect::CheckLogin { name, digest, .. } => Some((name.clone(), *digest)),
            _ => None,
        };
        effects.iter().filter_map(check).collect()
    };
    let effects = world.effects(lists());
    let first = asks(&effects);
    assert_eq!(first.len(), 32);
    let (name, digest) = first[0].clone();
    let verdict = Verdict::Refused { reason: "HTTP 401".to_owned() };
    let effects = world.effects([Input::LoginChecked { name: name.clone(), digest, verdict }]);
    assert_eq!(asks(&effects).len(), 1, "the next one's turn");
    let event = format!("Event on {name}: CredentialRefused HTTP 401");
    assert!(effects.iter().map(shown).any(|it| it.starts_with(&event)));
}

#[test]
fn bulk_work_leaves_room_for_what_somebody_waits_for() {
    let mut world = World::new(false);
    let names: Vec<String> = (0..100).map(|index| format!("ns-{index:02}")).collect();
    world.step([applied(docker("demo", "a"))]);
    world.step(names.iter().map(|name| namespace(name)).chain(lists()));
    let jobs = |effects: Vec<String>| effects.into_iter().filter(|it| it.starts_with("in ")).count();
    // A password that changes is bulk work for every namespace.
    world.pass(Duration::from_secs(60));
    let mut running = 0;
    for name in &names {
        let secret = world.secret("demo");
        running = jobs(world.step([report(name, vec![secret], Ended::Done)]));
    }
    assert_eq!(running, 0, "everything is as it shall be");
    let changed = docker_with("demo", "b", &json!({"generation": 2}));
    assert_eq!(jobs(world.step([applied(changed)])), 28);
    world.step([namespace("new")]);
    world.pass(Duration::from_millis(10));
    assert_eq!(world.step([]), ["in new: create tcr.ipsdemo"]);
}

#[test]
fn work_that_may_wait_has_its_turn_without_another_event() {
    let mut world = World::new(false);
    // Of a release that made no marks: it is read, but nobody waits for that.
    let seen = SeenSecret::Ours {
        uid: "u1".into(),
        version: Version(1),
        digest: None,
        labelled: true,
        mendable: true,
        marked: false,
        unread: true,
    };
    let places: Vec<String> = (0..10).map(|index| format!("ns-{index}")).collect();
    let secret = |place: &String| {
        let placed = Placed { namespace: (**place).into(), name: "tcr.ipsdemo".into(), seen: seen.clone() };
        Input::Watch(WatchEvent::Secret(Watched::Listed(Some(placed))))
    };
    let namespaces = places.iter().map(|place| namespace(place));
    world.step(namespaces.chain(places.iter().map(secret)).chain([applied(docker("demo", "a"))]));
    let reads = |effects: Vec<String>| effects.iter().filter(|it| it.contains(": read ")).count();
    assert_eq!(reads(world.step(lists())), 8, "some at once");
    let wake = world.wake.unwrap();
    assert!(wake > world.now.monotonic);
    world.pass(wake - world.now.monotonic);
    assert_eq!(reads(world.step([])), 2, "and then the rest");
}

#[test]
fn a_namespace_is_worked_on_by_one_job_at_a_time() {
    let mut world = World::ready(false, docker("demo", "a"));
    assert_eq!(world.step([account(&[], 1), account(&["other"], 2)]), Vec::<String>::new());
    let secret = world.secret("demo");
    let effects = world.step([report("shop", vec![secret], Ended::Done)]);
    assert!(effects.contains(&"in shop: edit default".to_owned()), "{effects:?}");
}

#[test]
fn a_failed_write_is_in_the_status_until_one_succeeds() {
    let mut world = World::ready(false, docker("demo", "a"));
    let failed = FailedWrite {
        kind: TargetKind::Secret,
        name: "tcr.ipsdemo".to_owned(),
        image_pull_secrets: vec!["demo".to_owned()],
        message: "exceeded quota".to_owned(),
        is_quota: true,
    };
    let (looked, written, took) = (Vec::new(), Vec::new(), Duration::ZERO);
    let (namespace, failed, ended) = ("shop".into(), vec![failed], Ended::Done);
    world.check(
        [Input::JobEnded(Report { namespace, looked, written, failed, ended, took })],
        expect![[r#"
            log Secret shop/tcr.ipsdemo: exceeded quota, new: true
            Event on demo: WritesFailed cannot write Secret shop/tcr.ipsdemo: exceeded quota; trying again, everything else goes on
            list stored credentials"#]],
    );
    world.pass(Duration::from_secs(2));
    let status = Box::default();
    let effects = world.effects([Input::StatusWritten { name: "demo".to_owned(), status, result: Ok(()) }]);
    let failures = effects.iter().find_map(|effect| match effect {
        Effect::WriteStatus { status, .. } => Some(status.failures.clone()),
        _ => None,
    });
    assert_eq!(failures.unwrap()[0].namespaced_name, "shop/tcr.ipsdemo");
}

fn any_input() -> impl Strategy<Value = u64> {
    any::<u64>()
}

/// An input out of a number: what anybody may tell, in any order, also what answers nothing that was asked.
fn input(number: u64) -> Input {
    let name = ["demo", "other"][(number >> 8) as usize % 2];
    let place = ["shop", "team"][(number >> 9) as usize % 2];
    let version = number >> 16 & 0xff;
    let secret = || SeenSecret::Ours {
        uid: Uid::of(["u1", "u2"][(number >> 10) as usize % 2]),
        version: Version(version),
        digest: None,
        labelled: number >> 11 & 1 == 0,
        mendable: true,
        marked: number >> 12 & 1 == 0,
        unread: number >> 13 & 1 == 0,
    };
    let placed = |seen| Placed { namespace: place.into(), name: derived_secret_name(name).into(), seen };
    match number % 20 {
        0..3 => applied(docker(name, "a")),
        3 => applied(docker_with(
            name,
            "b",
            &json!({"deletionTimestamp": "2026-01-01T00:00:00Z", "generation": 2}),
        )),
        4 => applied(instance(name, &json!({"generation": 3}))),
        5 => Input::Watch(WatchEvent::ImagePullSecret(Watched::Deleted(docker(name, "a")))),
        6 | 7 => namespace(place),
        8 => {
            let seen = SeenNamespace { name: place.into(), terminating: true, labels: Labels::default() };
            Input::Watch(WatchEvent::Namespace(Watched::Deleted(seen)))
        }
        9 => account(&["tcr.ipsdemo"][..version as usize % 2], version),
        10 => Input::Watch(WatchEvent::Secret(Watched::Applied(Some(placed(secret()))))),
        11 => Input::Watch(WatchEvent::Secret(Watched::Deleted(Some(placed(secret()))))),
        12 => {
            let written = Written::Secret { name: derived_secret_name(name), seen: Some(secret()) };
            report(place, vec![written], Ended::Done)
        }
        13 => report(place, vec![foreign()], Ended::Overtaken),
        14 => {
            report(place, vec![Written::Secret { name: derived_secret_name(name), seen: None }], Ended::Done)
        }
        15 => Input::Watch(WatchEvent::Secret(Watched::ListBegan)),
        16 => Input::StatusWritten {
            name: name.to_owned(),
            status: Box::default(),
            result: Err(Refused::Failed),
        },
        17 => {
            let key = instance(name, &json!({})).key().unwrap();
            let event = match version % 3 {
                0 => CredentialEvent::Available { held: held("a"), why: None },
                1 => CredentialEvent::Failing {
                    reason: ConditionReason::CloudFailed,
                    message: "no".to_owned(),
                },
                _ => CredentialEvent::Ended,
            };
            Input::Credential(key, event)
        }
        _ => {
            let [objects, namespaces, accounts, secrets, passwords] = lists();
            match version % 5 {
                0 => objects,
                1 => namespaces,
                2 => accounts,
                3 => secrets,
                _ => passwords,
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_same_inputs_give_the_same_effects_and_none_makes_it_panic_or_stay_awake(
        numbers in prop::collection::vec((any_input(), 0..400_u64), 1..120),
    ) {
        let mut worlds = [World::new(true), World::new(true)];
        worlds[1].started = worlds[0].started;
        worlds[1].now = worlds[0].now;
        for (number, seconds) in numbers {
            let [one, two] = &mut worlds;
            for world in [&mut *one, &mut *two] {
                world.pass(Duration::from_secs(seconds));
            }
            let effects = one.step([input(number)]);
            prop_assert_eq!(&effects, &two.step([input(number)]));
            prop_assert_eq!(one.wake, two.wake);
            // Nothing that was begun has ended, so that a second step has nothing to do.
            let again = one.step([]);
            prop_assert_eq!(&again, &two.step([]));
            prop_assert_eq!(again, Vec::<String>::new());
            prop_assert!(one.wake.is_none_or(|at| at > one.now.monotonic), "it would not sleep after {number}");
        }
    }
}

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};
use tcr::rules::RuleContext;

use super::writes::RETRY;
use super::*;
use crate::input::Refused;
use distribution::{Labels, Placed, SeenNamespace, SeenSecret, Version};
use tcr::verdict::Verdict;

fn read(mut object: Value) -> Object {
    let metadata = serde_json::from_value(object["metadata"].take()).unwrap();
    let allowed_roots = &["example.com".to_owned()];
    let rules = RuleContext { allowed_roots, description_required: true, ..RuleContext::default() };
    Object::read(metadata, object, &rules)
}

fn at(version: &str) -> Object {
    read(json!({"metadata": {"name": "demo", "resourceVersion": version, "generation": 1}}))
}

#[test]
fn finalizers_are_written_by_one_at_a_time() {
    let (mut item, now) = (Item::new(at("1")), Instant::now());
    assert!(item.begin_finalizing(now));
    assert!(!item.begin_finalizing(now));
    item.end_finalizing("1".to_owned(), Err(Refused::Failed), now);
    assert!(!item.begin_finalizing(now), "they have just failed");
    assert_eq!(item.retry_finalizing(now), Some(now + RETRY));
    item.needs_report = false;
    assert_eq!(item.retry_finalizing(now + RETRY), None);
    assert!(item.needs_report && item.begin_finalizing(now + RETRY));
}

#[test]
fn refused_finalizers_wait_for_a_newer_version() {
    let (mut item, now) = (Item::new(at("1")), Instant::now());
    assert!(item.begin_finalizing(now));
    item.end_finalizing("1".to_owned(), Err(Refused::Conflict), now);
    assert!(!item.begin_finalizing(now), "it would be refused again");
    item.see(at("2"));
    assert!(item.begin_finalizing(now));
}

#[test]
fn a_newer_version_that_was_seen_before_the_refusal_is_not_forgotten() {
    let (mut item, now) = (Item::new(at("1")), Instant::now());
    assert!(item.begin_finalizing(now));
    item.see(at("2"));
    item.needs_report = false;
    item.end_finalizing("1".to_owned(), Err(Refused::Conflict), now);
    assert!(item.needs_report, "nobody would look at it again");
    assert!(item.begin_finalizing(now));
}

/// An ImagePullSecret whose password is in a Secret, in a cluster.
struct World {
    item: Item,
    passwords: Passwords,
    state: State,
    now: Timestamp,
}

fn object(generation: i64, status: Value) -> Object {
    let docker = json!({
        "server": "registry.example.com",
        "username": "robot",
        "passwordSecretRef": {"name": "robot", "key": "password"},
    });
    read(json!({
        "metadata": {"name": "demo", "resourceVersion": "1", "generation": generation},
        "spec": {"namespaces": "*", "serviceAccounts": "*", "docker": docker},
        "status": status,
    }))
}

impl World {
    fn new() -> Self {
        let mut state = State::default();
        let (name, labels) = ("shop".into(), Labels::default());
        state.see_namespace(SeenNamespace { name, terminating: false, labels });
        let item = Item::new(object(1, json!({})));
        assert_eq!(item.object.spec.as_ref().err(), None);
        Self { item, passwords: Passwords::default(), state, now: Timestamp::UNIX_EPOCH }
    }

    fn password(&mut self, password: &str) {
        let secret: Secret = serde_json::from_value(json!({
            "metadata": {"name": "robot", "resourceVersion": format!("of {password}")},
            "data": {"password": k8s_openapi::ByteString(password.into())},
        }))
        .unwrap();
        self.passwords.set(crate::password::Password::of(secret));
        self.fill();
    }

    fn fill(&mut self) {
        let checks = Checks { is_all_listed: true, timeout: SignedDuration::from_mins(15), now: self.now };
        self.item.fill(&self.passwords, None, &[], &mut self.state, Some(&checks));
    }

    /// What would be distributed.
    fn distributed(&self) -> Option<String> {
        let logins = tcr::docker_config::DockerConfig::logins(self.item.content.as_ref()?.bytes()).unwrap();
        Some(logins["registry.example.com"].password.expose().to_owned())
    }

    /// Asks about everything that is due; how much that was.
    fn answer(&mut self, verdict: &Verdict) -> usize {
        let due = self.item.rollout.due(self.now);
        for digest in &due {
            self.item.rollout.ask(*digest);
            assert!(self.item.content_of(*digest).is_some(), "there is nothing to show to the registry");
            self.item.rollout.answer(*digest, verdict.clone(), self.now);
        }
        self.fill();
        due.len()
    }

    fn passes(&mut self, seconds: i64) {
        self.now = self.now.checked_add(SignedDuration::from_secs(seconds)).unwrap();
    }

    fn reason(&self) -> Option<&'static str> {
        self.item
            .standing()
            .map(|it| it.reason)
            .or(self.item.not_ready.as_ref().map(|it| it.reason))
            .map(ConditionReason::as_str)
    }

    /// Namespaces have what is to be distributed, and the next process reads it.
    fn restart(&mut self) {
        if let Some(content) = &self.item.content {
            let seen = SeenSecret::Ours {
                uid: "u1".into(),
                version: Version(self.item.object.generation.unsigned_abs()),
                digest: Some(content.digest()),
                labelled: true,
                mendable: true,
                marked: true,
                unread: false,
            };
            self.state.see_secret(Placed { namespace: "shop".into(), name: "tcr.ipsdemo".into(), seen });
        }
        let status = custom_resource::ImagePullSecretStatus {
            hosts: self.item.hosts.clone(),
            pending_credential: self.item.rollout.pending(),
            ..Default::default()
        };
        self.item = Item::new(object(1, serde_json::to_value(status).unwrap()));
        self.fill();
    }
}

const LET_IN: Verdict = Verdict::Accepted { can_push: false };

#[test]
fn a_password_secret_that_is_away_when_its_check_falls_due_and_comes_back_unchanged_is_checked_again() {
    let mut world = World::new();
    world.fill();
    assert_eq!((world.distributed(), world.reason()), (None, Some("NoPassword")));
    world.password("a");
    assert_eq!(world.answer(&LET_IN), 1);
    assert_eq!(world.reason(), Some("Valid"));

    // The one in use is checked also while its Secret is away: it is distributed.
    world.passwords.remove("robot");
    world.fill();
    world.passes(601);
    assert_eq!((world.answer(&LET_IN), world.reason()), (1, Some("NoPassword")));

    // One that waits is checked as soon as it is back.
    world.password("b");
    assert_eq!((world.distributed().as_deref(), world.reason()), (Some("a"), Some("AwaitingVerdict")));
    world.passwords.remove("robot");
    world.fill();
    assert_eq!(world.answer(&LET_IN), 0);
    world.passes(100);
    world.password("b");
    assert_eq!(world.answer(&LET_IN), 1);
    assert_eq!((world.distributed().as_deref(), world.reason()), (Some("b"), Some("Valid")));
}

#[test]
fn what_is_found_distributed_after_a_restart_stays_until_a_verdict_and_its_hosts_stay_in_the_status() {
    let mut world = World::new();
    world.password("a");
    world.answer(&LET_IN);
    world.restart();
    assert_eq!(world.distributed().as_deref(), Some("a"), "it is what namespaces have");
    world.password("b");
    let unknown = Verdict::Unknown { reason: "it is away".to_owned() };
    world.answer(&unknown);
    let until = world.item.rollout.pending().unwrap().until;
    world.passes(100);
    world.restart();
    assert_eq!((world.distributed(), world.reason()), (None, Some("AwaitingVerdict")));
    assert_eq!(world.item.hosts, ["registry.example.com"], "discovery reads them there");
    assert_eq!(world.item.rollout.pending().unwrap().until, until);
    world.passes(800);
    world.answer(&unknown);
    assert_eq!(world.distributed().as_deref(), Some("b"), "nothing waits for ever");
}

#[test]
fn a_secret_that_somebody_broke_while_no_controller_ran_is_no_other_password() {
    let mut world = World::new();
    let seen = SeenSecret::Ours {
        uid: "u1".into(),
        version: Version(1),
        digest: None,
        labelled: true,
        mendable: true,
        marked: true,
        unread: false,
    };
    world.state.see_secret(Placed { namespace: "shop".into(), name: "tcr.ipsdemo".into(), seen });
    world.password("a");
    assert_eq!(world.distributed().as_deref(), Some("a"));
    assert_eq!(world.item.content_key, None);
    assert_eq!(BTreeMap::from([("demo", world.reason())])["demo"], Some("Unverified"));
}

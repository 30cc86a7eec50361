use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tcr::docker_config::Login;
use tcr::sensitive::Sensitive;

use super::decide::findings;
use super::facts::*;
use super::findings::Verdict;
use super::text::text;
use crate::reader::{Controller, Right, Seen};
use registry_client::PullAnswer;

const IMAGE: &str = "demo.tencentcloudcr.com/team/app:v1";
const PASSWORD: &str = "p-secret";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap() + SignedDuration::from_secs(seconds)
}

fn logins(keys: &[&str]) -> Content {
    let login =
        || Login { username: "100".to_owned(), password: Sensitive::new(PASSWORD), ..Login::default() };
    Content::Logins(keys.iter().map(|key| ((*key).to_owned(), login())).collect())
}

fn secret(is_ours: bool, content: Content) -> Seen<Option<SecretFacts>> {
    Seen::Known(Some(SecretFacts { is_ours, edited_by: None, content }))
}

fn used(image: &str) -> ImageUse {
    ImageUse { image: image.to_owned(), user: "container app".to_owned(), ..ImageUse::default() }
}

fn asked(name: &str, spec: Value, hosts: &[&str]) -> AskedFor {
    AskedFor {
        name: name.to_owned(),
        created: Some(at(0)),
        spec: serde_json::from_value(spec).unwrap(),
        hosts: hosts.iter().map(|it| (*it).to_owned()).collect(),
        ..AskedFor::default()
    }
}

fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": "2026-11-26T00:00:00Z"})
}

/// Everything in order: the Pod was made after everything else, and the registry lets its credential pull.
fn well() -> Facts {
    let hosts = ["demo.tencentcloudcr.com", "demo-vpc.tencentcloudcr.com"];
    let spec =
        json!({"namespaces": "shop,team", "tcr": {"instanceId": "tcr-demo0001", "region": "ap-guangzhou"}});
    let credential = Some(("tcr.ipsdemo".to_owned(), "demo.tencentcloudcr.com".to_owned()));
    Facts {
        pod: PodFacts {
            namespace: "shop".to_owned(),
            name: "web-1".to_owned(),
            created: Some(at(60)),
            phase: "Pending".to_owned(),
            node: Some("node-a".to_owned()),
            account: "default".to_owned(),
            owner: Some("ReplicaSet web".to_owned()),
            references: vec!["tcr.ipsdemo".to_owned()],
            images: vec![used(IMAGE)],
            ..PodFacts::default()
        },
        labels: Seen::Known(BTreeMap::new()),
        unreviewed: false,
        account: Seen::Known(Some(AccountFacts {
            references: vec!["tcr.ipsdemo".to_owned()],
            enforces: false,
        })),
        asked: Seen::Known(vec![asked("demo", spec, &hosts)]),
        secrets: [("tcr.ipsdemo".to_owned(), secret(true, logins(&hosts)))].into(),
        events: Seen::Known(Vec::new()),
        controller: Seen::Known(Controller::Leads { holder: "controller-1".to_owned(), write_limits: None }),
        answers: [(Question { image: IMAGE.to_owned(), credential }, PullAnswer::Pulls)].into(),
        target: None,
        ways: BTreeMap::new(),
        other_accounts: Seen::Known(Vec::new()),
    }
}

impl Facts {
    fn answer(&mut self, secret: &str, answer: PullAnswer) {
        let credential = Some((secret.to_owned(), "demo.tencentcloudcr.com".to_owned()));
        self.answers.insert(Question { image: IMAGE.to_owned(), credential }, answer);
    }

    fn answer_nobody(&mut self, image: &str, answer: PullAnswer) {
        self.answers.insert(Question { image: image.to_owned(), credential: None }, answer);
    }

    fn demo(&mut self) -> &mut AskedFor {
        match &mut self.asked {
            Seen::Known(all) => &mut all[0],
            _ => panic!("it is known"),
        }
    }

    /// Nodes shall resolve the registry to its private link, of which this is told.
    fn link(&mut self, status: &str, reason: &str, message: &str) {
        self.demo().spec.tcr.as_mut().unwrap().private_network.resolve = true;
        self.conditions(json!([condition("PrivateLink", status, reason, message)]));
    }

    fn conditions(&mut self, conditions: Value) {
        self.demo().conditions = serde_json::from_value(conditions).unwrap();
    }

    fn spec(&mut self, changed: Value) {
        let mut spec = serde_json::to_value(&self.demo().spec).unwrap();
        spec.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
        self.demo().spec = serde_json::from_value(spec).unwrap();
    }

    /// The kubelet waits after a pull that failed with these words.
    fn pull_failed(&mut self, message: &str) {
        self.pod.images[0].waiting = Some(("ErrImagePull".to_owned(), message.to_owned()));
    }

    /// The image's host is another one.
    fn image(&mut self, image: &str) {
        self.pod.images = vec![used(image)];
    }

    /// Without a reference to our Secret.
    fn lacking(&mut self) {
        self.pod.references.clear();
        self.answer_nobody(IMAGE, PullAnswer::NotAllowed("demo asks for a credential".to_owned()));
    }
}

fn refused() -> PullAnswer {
    PullAnswer::Refused("demo refuses it with HTTP 401".to_owned())
}

/// The first image's conclusion and the one thing to do.
#[track_caller]
fn check(change: impl FnOnce(&mut Facts), expected: Expect) {
    let mut facts = well();
    change(&mut facts);
    let found = findings(&facts);
    let image = &found.images[0];
    let mut told = format!("{:?}", image.verdict);
    if let Some(problem) = &image.problem {
        told += &format!(" {}: {}", problem.reason, problem.message);
    }
    for note in &image.notes {
        told += &format!("\nnote: {note}");
    }
    told += &format!("\nto do: {}", found.to_do);
    expected.assert_eq(&told);
    let all = text(&found, at(100)) + &serde_json::to_string(&found).unwrap();
    assert!(!all.contains(PASSWORD), "a password is shown");
}

mod conditions;
mod credentials;
mod field;
mod references;
mod registries;
mod reports;
mod targets;
mod tenants;

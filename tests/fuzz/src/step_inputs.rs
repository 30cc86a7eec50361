//! Bytes as a script of what the reconciler is told: a byte with the kind of a record, and then what that kind needs. A
//! text is a byte with its length and so many bytes, or, from 240 on, one of [`NAMES`]. What is missing at the end is
//! zero or empty, so that each beginning of a script is one too.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use credential_plan::plan::Held;
use credential_plan::{CredentialEvent, Key};
use custom_resource::condition::{ConditionReason, EventReason};
use custom_resource::link::Link;
use distribution::job::{Ended, FailedWrite, Job, Report, Written};
use distribution::stuck::WaitingPod;
use distribution::{
    Account, Change, Digest, Labels, Placed, ResourceVersion, SeenNamespace, SeenSecret, Target, TargetKind,
    Uid, Version,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use reconcile::input::SeenPod;
use reconcile::input::{LinkEvent, Refused, StoredCredential, WatchEvent, Watched};
use reconcile::nodes::Nodes;
use reconcile::object::Object;
use reconcile::password::Password;
use reconcile::{Effect, Input};
use serde_json::{Value, json};
use tcr::image_pull_secret::{OnDelete, Tcr};
use tcr::names::{FINALIZER, REQUEST_ANNOTATION};
use tcr::rules::RuleContext;
use tcr::sensitive::Sensitive;
use tcr::verdict::Verdict;

/// Where registries may be.
pub(crate) const ALLOWED_ROOTS: &str = "tencentcloudcr.com";
/// What nobody may be shown.
pub(crate) const PASSWORD: &str = "password-of-the-script";

/// Which request of a person it is.
const REQUEST: &str = "2027-01-15T08:00:00Z/0123456789abcdef";

/// Names that texts often are.
const NAMES: [&str; 16] = [
    "demo",
    "shop",
    "default",
    "tcr.ipsdemo",
    "plain",
    "team",
    "robot",
    "tcr.ipsplain",
    "",
    "1",
    "2",
    "registry-password",
    "password",
    "tcr-demo0001",
    "demo.tencentcloudcr.com/a",
    "tcr.ips",
];

/// What a record says.
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
pub(crate) enum Record {
    /// The reconciler is told this in its next step.
    Tell(Input),
    /// A step after so many milliseconds.
    Step(u32),
}

/// The rest of a script.
pub(crate) struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    /// All of it, but for its first byte, which is about the controller's own options.
    pub(crate) fn new(input: &'a [u8]) -> Self {
        Self(input.get(1..).unwrap_or_default())
    }

    /// The next record; none at the end. An answer takes its question out of `pending`.
    pub(crate) fn next(&mut self, pending: &mut Vec<Effect>) -> Option<Record> {
        let kind = if self.0.is_empty() { return None } else { self.byte() };
        Some(Record::Tell(match kind % 16 {
            0 => return Some(Record::Step(self.number())),
            1 => return Some(Record::Step([0, 10, 1_000, 60_000][usize::from(self.byte()) % 4])),
            2 => Input::Watch(WatchEvent::ImagePullSecret(self.watched(Self::arbitrary_object))),
            3 | 4 => Input::Watch(WatchEvent::ImagePullSecret(self.watched(Self::object))),
            5 => Input::Watch(WatchEvent::Namespace(self.watched(Self::namespace))),
            6 => Input::Watch(WatchEvent::Account(self.watched(Self::account))),
            7 => Input::Watch(WatchEvent::Secret(self.watched(|it| match it.flag() {
                true => Some(it.secret()),
                false => None,
            }))),
            8 => Input::Watch(WatchEvent::Password(self.watched(Self::password))),
            9 => Input::Watch(match self.flag() {
                true => WatchEvent::Pod(self.watched(Self::pod)),
                false => WatchEvent::Other(self.text(), self.watched(Self::other)),
            }),
            10 => self.end_of_a_list(),
            11 | 12 => match pending.is_empty() {
                true => self.unasked(pending),
                false => {
                    let index = usize::from(self.byte()) % pending.len();
                    self.answer(pending.remove(index))
                }
            },
            13 => self.credential(),
            14 => self.links(),
            _ => self.unasked(pending),
        }))
    }

    fn byte(&mut self) -> u8 {
        let Some((byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *byte
    }

    fn flag(&mut self) -> bool {
        !self.byte().is_multiple_of(4)
    }

    fn number(&mut self) -> u32 {
        u32::from_le_bytes([self.byte(), self.byte(), self.byte(), 0])
    }

    fn bytes(&mut self, length: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    fn text(&mut self) -> String {
        let length = usize::from(self.byte());
        match length.checked_sub(240) {
            Some(number) => NAMES[number].to_owned(),
            None => String::from_utf8_lossy(self.bytes(length)).into_owned(),
        }
    }

    fn texts(&mut self) -> Vec<String> {
        (0..self.byte() % 6).map(|_| self.text()).collect()
    }

    fn watched<T>(&mut self, object: impl FnOnce(&mut Self) -> T) -> Watched<T> {
        match self.byte() % 8 {
            0 => Watched::ListBegan,
            1 => Watched::ListEnded,
            2 => Watched::Deleted(object(self)),
            3 | 4 => Watched::Listed(object(self)),
            _ => Watched::Applied(object(self)),
        }
    }

    fn end_of_a_list(&mut self) -> Input {
        Input::Watch(match self.byte() % 6 {
            0 => WatchEvent::ImagePullSecret(Watched::ListEnded),
            1 => WatchEvent::Namespace(Watched::ListEnded),
            2 => WatchEvent::Account(Watched::ListEnded),
            3 => WatchEvent::Secret(Watched::ListEnded),
            4 => WatchEvent::Password(Watched::ListEnded),
            _ => WatchEvent::Pod(Watched::ListEnded),
        })
    }

    /// Whatever JSON somebody got past the API server.
    fn arbitrary_object(&mut self) -> Box<Object> {
        let length = usize::from(self.byte()) * 8;
        let mut whole: Value = serde_json::from_slice(self.bytes(length)).unwrap_or_default();
        let metadata = whole.get_mut("metadata").map(Value::take).unwrap_or_default();
        let metadata: ObjectMeta = serde_json::from_value(metadata).unwrap_or_default();
        let data = if whole.is_object() { whole } else { json!({}) };
        self.read(metadata, data)
    }

    /// One that says something sensible, more or less.
    fn object(&mut self) -> Box<Object> {
        let (name, shape, request) = (self.text(), self.byte(), self.byte());
        let request = match request % 8 {
            5 => Some(format!("rotate {REQUEST}")),
            6 => Some(format!("revoke {REQUEST} {}", self.text())),
            7 => Some(format!("instances {REQUEST} *")),
            _ => None,
        };
        let metadata = ObjectMeta {
            annotations: request.map(|it| BTreeMap::from([(REQUEST_ANNOTATION.to_owned(), it)])),
            name: Some(name),
            uid: Some(format!("u{}", self.byte() % 3)),
            generation: Some(i64::from(self.byte())),
            resource_version: Some(self.byte().to_string()),
            finalizers: self.flag().then(|| vec![FINALIZER.to_owned()]),
            deletion_timestamp: serde_json::from_value(match shape >> 6 {
                0 => json!("2027-01-15T08:00:00Z"),
                _ => Value::Null,
            })
            .unwrap_or_default(),
            ..ObjectMeta::default()
        };
        let mut spec = json!({});
        spec["namespaces"] = ["*", "shop", "!shop", "s*"][usize::from(shape) % 4].into();
        spec["serviceAccounts"] = ["*", "default"][usize::from(shape >> 2) % 2].into();
        spec["conflictPolicy"] = ["never", "adopt", "overwrite"][usize::from(shape >> 3) % 3].into();
        let login = self.byte();
        match login % 4 {
            0 => {
                spec["docker"] =
                    json!({"server": "demo.tencentcloudcr.com", "username": "robot", "password": PASSWORD})
            }
            1 => {
                let reference = json!({"name": "registry-password", "key": "password"});
                spec["docker"] = json!({"server": "demo.tencentcloudcr.com", "username": "robot", "passwordSecretRef": reference});
            }
            kind => {
                let kind = ["longterm", "temp"][usize::from(kind) % 2];
                let instance = ["tcr-demo0001", "tcr-demo0002"][usize::from(login >> 2) % 2];
                spec["tcr"] = json!({
                    "instanceId": instance,
                    "region": "ap-guangzhou",
                    "credential": {"type": kind},
                    "privateNetwork": {"resolve": login >> 3 & 1 == 1, "vpcId": "vpc-12345678"},
                });
            }
        }
        self.read(metadata, json!({"spec": spec}))
    }

    fn read(&mut self, metadata: ObjectMeta, data: Value) -> Box<Object> {
        let roots = [ALLOWED_ROOTS.to_owned()];
        let rules =
            RuleContext { allowed_roots: &roots, cluster_id: Some("cls-12345678"), ..RuleContext::default() };
        Box::new(Object::read(metadata, data, &rules))
    }

    fn namespace(&mut self) -> SeenNamespace {
        let name = self.text();
        let labels: Vec<(String, String)> = self.texts().into_iter().map(|it| (it, String::new())).collect();
        let labels = Labels::of(&name, labels);
        SeenNamespace { name: name.into(), terminating: !self.flag(), labels }
    }

    fn account(&mut self) -> Placed<Account> {
        let (namespace, name) = (self.text(), self.text());
        let seen = Account {
            resource_version: ResourceVersion::of(&self.text()),
            references: self.texts().into_iter().map(Arc::from).collect(),
            has_list: self.flag(),
        };
        Placed { namespace: namespace.into(), name: name.into(), seen }
    }

    fn secret(&mut self) -> Placed<SeenSecret> {
        let (namespace, name) = (self.text(), self.text());
        Placed { namespace: namespace.into(), name: name.into(), seen: self.seen_secret() }
    }

    fn other(&mut self) -> Placed<Uid> {
        let (namespace, name) = (self.text(), self.text());
        Placed { namespace: namespace.into(), name: name.into(), seen: Uid::of(&self.text()) }
    }

    fn seen_secret(&mut self) -> SeenSecret {
        let (uid, shape) = (Uid::of(&self.text()), self.byte());
        if shape.is_multiple_of(8) {
            return SeenSecret::Foreign { uid, same_registry: shape & 8 == 0, mendable: shape & 16 == 0 };
        }
        SeenSecret::Ours {
            uid,
            version: Version(self.byte().into()),
            digest: (shape & 8 == 0).then(|| Digest::of(&[self.byte()])),
            labelled: shape & 16 == 0,
            mendable: shape & 32 == 0,
            marked: shape & 64 == 0,
            unread: shape & 128 == 0,
        }
    }

    fn password(&mut self) -> Password {
        let values = self.texts().into_iter().map(|key| (key, Sensitive::new(PASSWORD)));
        let values: BTreeMap<String, Sensitive> = values.collect();
        Password { name: self.text(), version: self.text(), values }
    }

    fn pod(&mut self) -> SeenPod {
        let uid = Uid::of(&self.text());
        let waiting = self.flag().then(|| WaitingPod {
            uid: uid.clone(),
            namespace: self.text().into(),
            name: self.text().into(),
            account: self.text().into(),
            references: self.texts().into_iter().map(String::into_boxed_str).collect(),
            images: self.texts().into_iter().map(String::into_boxed_str).collect(),
        });
        SeenPod { uid, waiting }
    }

    /// What becomes of something that was to be done.
    fn answer(&mut self, question: Effect) -> Input {
        match question {
            Effect::RunJob(job) => Input::JobEnded(self.report(job)),
            Effect::WriteStatus { name, status } => {
                Input::StatusWritten { name, status, result: self.refused() }
            }
            Effect::WriteFinalizers { name, resource_version, .. } => {
                Input::FinalizersWritten { name, resource_version, result: self.refused() }
            }
            Effect::CheckLogin { name, digest, .. } => {
                Input::LoginChecked { name, digest, verdict: self.verdict() }
            }
            Effect::FindRival(target) => {
                Input::RivalFound { target, rival: self.flag().then(|| self.text()) }
            }
            Effect::ListInstances { name, id, .. } => {
                let result = if self.flag() { Ok(Vec::new()) } else { Err(self.text()) };
                Input::InstancesListed { name, id, result }
            }
            _ => Input::StoredCredentials(self.flag().then(|| {
                let stored = |key| StoredCredential { key, on_delete: OnDelete::Revoke };
                (0..self.byte() % 3).map(|_| stored(self.key())).collect()
            })),
        }
    }

    fn report(&mut self, job: Job) -> Report {
        let Job { namespace, look, unmet: _, changes } = job;
        let looked = look.into_iter().map(|(name, _)| {
            let seen = self.flag().then(|| self.seen_secret());
            Written::Secret { name, seen }
        });
        let (looked, mut written, mut failed) = (looked.collect(), Vec::new(), Vec::new());
        for (change, _) in changes {
            let (kind, name) = change.target();
            match self.byte() % 4 {
                0 => failed.push(FailedWrite {
                    kind,
                    name: name.into_owned(),
                    image_pull_secrets: change.image_pull_secrets().into_iter().map(str::to_owned).collect(),
                    message: self.text(),
                    is_quota: self.flag(),
                }),
                1 => {}
                _ => written.push(match change {
                    Change::EditReferences { account, .. } => {
                        let seen = self.account().seen;
                        Written::Account(Placed {
                            namespace: (*namespace).into(),
                            name: account.into(),
                            seen,
                        })
                    }
                    Change::DeleteSecret { secret, .. } => Written::Secret { name: secret, seen: None },
                    change => Written::Secret {
                        name: change.target().1.into_owned(),
                        seen: Some(self.seen_secret()),
                    },
                }),
            }
        }
        Report { namespace, looked, written, failed, ended: self.ended(), took: Duration::ZERO }
    }

    fn ended(&mut self) -> Ended {
        match self.byte() % 8 {
            0 => Ended::NamespaceGoing,
            1 => Ended::Overtaken,
            2 => Ended::Unanswered,
            3 => Ended::OutOfTime,
            _ => Ended::Done,
        }
    }

    fn refused(&mut self) -> Result<(), Refused> {
        match self.byte() % 8 {
            0 => Err(Refused::NotFound),
            1 => Err(Refused::Conflict),
            2 => Err(Refused::Failed),
            _ => Ok(()),
        }
    }

    fn verdict(&mut self) -> Verdict {
        match self.byte() % 4 {
            0 => Verdict::Refused { reason: self.text() },
            1 => Verdict::Unknown { reason: self.text() },
            rights => Verdict::Accepted { can_push: rights == 2 },
        }
    }

    /// An answer that has nothing to do with the question, where there is one.
    fn unasked(&mut self, pending: &mut Vec<Effect>) -> Input {
        let (name, kind) = (self.text(), self.byte() % 6);
        // Each question has one answer.
        pending.retain(|effect| match (kind, effect) {
            (0, Effect::RunJob(job)) => *job.namespace != *name,
            (1, Effect::WriteStatus { name: of, .. }) | (2, Effect::WriteFinalizers { name: of, .. }) => {
                *of != name
            }
            (5, Effect::ListStoredCredentials) => false,
            _ => true,
        });
        match kind {
            0 => {
                let (look, unmet, changes) = (Vec::new(), Vec::new(), Vec::new());
                let job = Job { namespace: name.into(), look, unmet, changes };
                let mut report = self.report(job);
                report.written.push(Written::Secret { name: self.text(), seen: Some(self.seen_secret()) });
                Input::JobEnded(report)
            }
            1 => Input::StatusWritten { name, status: Arc::default(), result: self.refused() },
            2 => Input::FinalizersWritten { name, resource_version: self.text(), result: self.refused() },
            3 => Input::LoginChecked { name, digest: Digest::of(&[self.byte()]), verdict: self.verdict() },
            4 => {
                let target =
                    Target { namespace: name.into(), kind: TargetKind::Secret, name: self.text().into() };
                Input::RivalFound { target, rival: self.flag().then(|| self.text()) }
            }
            _ => Input::StoredCredentials(None),
        }
    }

    fn key(&mut self) -> Key {
        let tcr = Tcr {
            instance_id: ["tcr-demo0001", "tcr-demo0002"][usize::from(self.byte()) % 2].to_owned(),
            region: "ap-guangzhou".to_owned(),
            ..Tcr::default()
        };
        Key::of("demo", &tcr)
    }

    fn credential(&mut self) -> Input {
        let key = self.key();
        let event = match self.byte() % 8 {
            0 => CredentialEvent::LetIn { can_push: self.flag() },
            1 => CredentialEvent::Failing { reason: ConditionReason::CloudFailed, message: self.text() },
            2 => CredentialEvent::Recovered,
            3 => CredentialEvent::Happened { reason: EventReason::CredentialCreated, message: self.text() },
            4 => CredentialEvent::Ended,
            _ => {
                let issued_at = Timestamp::constant(1_800_000_000, 0);
                let held = Held {
                    username: self.text(),
                    token: Sensitive::new(format!("{PASSWORD}-{}", self.byte())),
                    token_id: self.flag().then(|| self.text()),
                    issued_at,
                    extended_at: None,
                    expires_at: self.flag().then_some(issued_at),
                    public_domain: "demo.tencentcloudcr.com".parse().expect("a host"),
                };
                CredentialEvent::Available { held, why: self.flag().then(|| self.text()) }
            }
        };
        Input::Credential(key, event)
    }

    fn links(&mut self) -> Input {
        Input::Links(match self.flag() {
            false => LinkEvent::Nodes(Nodes {
                generation: self.text(),
                desired: self.byte().into(),
                current: self.byte().into(),
                ..Nodes::default()
            }),
            true => LinkEvent::Links {
                number: self.byte().into(),
                links: self.texts().into_iter().map(|name| (name, self.link())).collect(),
                applied: self.flag().then(|| self.texts().into_iter().collect()),
            },
        })
    }

    fn link(&mut self) -> Option<Link> {
        self.flag().then(|| Link {
            resolves: self.flag(),
            is_up: self.flag().then(|| self.flag()),
            reason: ConditionReason::Pending,
            message: self.text(),
            vpc_id: self.flag().then(|| self.text()),
            address: self.flag().then(|| [10, 0, 0, self.byte()].into()),
            hosts: Vec::new(),
            links: Vec::new(),
        })
    }
}

//! The plan equals what then happens, write for write: the reconciler itself runs on generated clusters until it has
//! nothing to do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::LocalObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use proptest::prelude::*;
use serde_json::{Value, json};
use tcr::image_pull_secret::OnDelete;
use tcr::names::{FINALIZER, derived_secret_name};
use tcr::sensitive::Sensitive;
use tcr::verdict::Verdict;

use controller::observed;
use controller::partial_objects::{AccountObject, NamespaceObject, SecretObject};
use credential::store::Document;
use credential_plan::plan::{Held, Stored};
use credential_plan::{CredentialEvent, Key, Order};
use distribution::job::{Ended, Job, Report, Unmet, Written};
use distribution::mark::InstallationKey;
use distribution::order::Stopped;
use distribution::{Change, Content, Observed, SeenSecret, Uid, secret};
use reconcile::input::{StoredCredential, WatchEvent, Watched};
use reconcile::object::Object;
use reconcile::password::{Password, Passwords};
use reconcile::{Config, Effect, Input, Now, Reconciler};

use crate::plan::forecast::Forecast;
use crate::plan::known::{Known, Settings};
use crate::plan::report::{CredentialAction, Plan, Write, WriteAction};
use crate::reader::Seen;

const NAMESPACES: [&str; 4] = ["edge", "going", "shop", "team"];
const OBJECTS: [&str; 3] = ["a", "b", "c"];
const SECRETS: [&str; 4] = ["tcr.ipsa", "tcr.ipsb", "tcr.ipsc", "tcr.ipsgone"];
const ACCOUNTS: [&str; 2] = ["default", "robot"];
const REFERENCES: [&str; 5] = ["tcr.ipsa", "partner", "tcr.ipsb", "tcr.ipsc", "tcr.ipsgone"];
/// Longer than anything takes but looking again at what is somebody else's.
const LONG: Duration = Duration::from_secs(200);

/// What there is of a Secret's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    Right,
    Old,
    Unmarked,
    WithoutLabels,
    OldWithoutLabels,
    WrongLabel,
    Immutable,
    Tampered,
    Foreign,
    ForeignOfRegistry,
    ForeignImmutable,
}

const FOUND: [Found; 12] = [
    Found::Nothing,
    Found::Right,
    Found::Old,
    Found::Unmarked,
    Found::WithoutLabels,
    Found::OldWithoutLabels,
    Found::WrongLabel,
    Found::Immutable,
    Found::Tampered,
    Found::Foreign,
    Found::ForeignOfRegistry,
    Found::ForeignImmutable,
];

/// Where an ImagePullSecret's login comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Login {
    Password,
    Reference,
    MissingReference,
    StoredCredential,
    NewCredential,
    Impossible,
}

const LOGINS: [Login; 6] = [
    Login::Password,
    Login::Reference,
    Login::MissingReference,
    Login::StoredCredential,
    Login::NewCredential,
    Login::Impossible,
];

#[derive(Clone, Debug)]
struct ObjectCase {
    namespaces: &'static str,
    accounts: &'static str,
    has_selector: bool,
    conflict_policy: &'static str,
    login: Login,
    revoke: bool,
    deleting: bool,
    secured: bool,
}

#[derive(Clone, Debug)]
struct NamespaceCase {
    is_labelled: bool,
    is_terminating: bool,
    found: Vec<Found>,
    accounts: Vec<Option<Vec<usize>>>,
}

#[derive(Clone, Debug)]
struct Case {
    namespaces: Vec<Option<NamespaceCase>>,
    objects: Vec<Option<ObjectCase>>,
    /// A stored credential that nobody uses: whether it is to be revoked.
    remnant: Option<bool>,
}

fn object_case() -> impl Strategy<Value = ObjectCase> {
    (
        prop::sample::select(vec!["*", "shop", "shop,team", "*,!team", "e*"]),
        prop::sample::select(vec!["*", "default", "*,!robot"]),
        any::<bool>(),
        prop::sample::select(vec!["never", "adopt", "overwrite"]),
        prop::sample::select(LOGINS.to_vec()),
        any::<bool>(),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.8),
    )
        .prop_map(
            |(namespaces, accounts, has_selector, conflict_policy, login, revoke, deleting, secured)| {
                ObjectCase {
                    namespaces,
                    accounts,
                    has_selector,
                    // Whether a Secret is for the registry of an instance without a credential, nobody knows yet.
                    conflict_policy: match (login, conflict_policy) {
                        (Login::NewCredential, "adopt") => "never",
                        _ => conflict_policy,
                    },
                    login,
                    revoke,
                    // What has no finalizer goes at once.
                    deleting: deleting && secured,
                    secured,
                }
            },
        )
}

fn namespace_case() -> impl Strategy<Value = NamespaceCase> {
    let account = prop::option::weighted(0.8, prop::sample::subsequence(vec![0, 1, 2, 3, 4], 0..=5));
    (
        any::<bool>(),
        prop::bool::weighted(0.1),
        prop::collection::vec(prop::sample::select(FOUND.to_vec()), SECRETS.len()),
        prop::collection::vec(account, ACCOUNTS.len()),
    )
        .prop_map(|(is_labelled, is_terminating, found, accounts)| NamespaceCase {
            is_labelled,
            is_terminating,
            found,
            accounts,
        })
}

fn case() -> impl Strategy<Value = Case> {
    (
        prop::collection::vec(prop::option::weighted(0.8, namespace_case()), NAMESPACES.len()),
        prop::collection::vec(prop::option::weighted(0.8, object_case()), OBJECTS.len()),
        prop::option::of(any::<bool>()),
    )
        .prop_map(|(namespaces, mut objects, remnant)| {
            // Of several that are deleted, the last one decides what becomes of the credential; which is the last one,
            // depends on when a Secret without labels is found.
            let is_found_late =
                |found: &Found| matches!(found, Found::WithoutLabels | Found::OldWithoutLabels);
            if namespaces.iter().flatten().any(|namespace| namespace.found.iter().any(is_found_late)) {
                let mut deleted = objects.iter_mut().flatten().filter(|object| object.deleting);
                let revoke = deleted.next().is_some_and(|first| first.revoke);
                deleted.for_each(|object| object.revoke = revoke);
            }
            Case { namespaces, objects, remnant }
        })
}

fn key() -> InstallationKey {
    InstallationKey::parse("a".repeat(64).as_bytes()).unwrap()
}

fn settings() -> Settings {
    let allowed_roots = vec!["example.com".to_owned(), "tencentcloudcr.com".to_owned()];
    let cluster_id = Some("cls-12345678".to_owned());
    Settings { allowed_roots, cluster_id, is_cluster_id_known: true, ..Settings::default() }
}

fn held(token: &str) -> Held {
    Held {
        username: "100".to_owned(),
        token: Sensitive::new(token),
        token_id: Some(format!("id-of-{token}")),
        issued_at: Timestamp::UNIX_EPOCH,
        extended_at: None,
        expires_at: None,
        public_domain: "demo.tencentcloudcr.com".parse().unwrap(),
    }
}

fn instance(id: &str) -> Key {
    let tcr = tcr::image_pull_secret::Tcr {
        instance_id: id.to_owned(),
        region: "ap-guangzhou".to_owned(),
        ..tcr::image_pull_secret::Tcr::default()
    };
    Key::of("demo", &tcr)
}

fn document(id: &str, on_delete: OnDelete) -> Document {
    let stored = Stored { marker: "m".to_owned(), current: Some(held(id)), ..Stored::default() };
    Document { key: instance(id), on_delete, stored }
}

/// A cluster of values, as the controller and a plan read it.
struct Cluster {
    key: InstallationKey,
    version: u64,
    namespaces: Vec<NamespaceObject>,
    accounts: BTreeMap<(String, String), AccountObject>,
    secrets: BTreeMap<(String, String), SecretObject>,
    objects: BTreeMap<String, (ObjectMeta, Value)>,
    stored: BTreeMap<String, Document>,
    passwords: Vec<Password>,
}

/// Namespace, kind and name of an object.
type Place = (String, &'static str, String);
/// What is done to it, and references that are added and removed.
type Done = (Vec<WriteAction>, BTreeSet<String>, BTreeSet<String>);

/// What came about.
#[derive(Debug, Default, PartialEq, Eq)]
struct Happened {
    /// By namespace, kind and name: actions, and references that were added and removed.
    writes: BTreeMap<Place, Done>,
    made: BTreeSet<String>,
    revoked: BTreeSet<String>,
}

impl Happened {
    fn take(&mut self, write: Write) {
        let place = (write.namespace, write.kind, write.name);
        let (actions, adds, removes) = self.writes.entry(place).or_default();
        if !(write.action == WriteAction::EditReferences && actions.contains(&write.action)) {
            actions.push(write.action);
        }
        adds.extend(write.adds);
        removes.extend(write.removes);
    }

    fn of(plan: Plan) -> Self {
        let mut all = Self::default();
        for credential in plan.credentials {
            let id = credential.instance_id;
            match credential.action {
                CredentialAction::Create | CredentialAction::Renew => drop(all.made.insert(id)),
                CredentialAction::Revoke => drop(all.revoked.insert(id)),
                CredentialAction::Retain => {}
            }
        }
        plan.writes.into_iter().for_each(|write| all.take(write));
        all
    }
}

impl Cluster {
    fn new(case: &Case) -> Self {
        let mut cluster = Self {
            key: key(),
            version: 100,
            namespaces: Vec::new(),
            accounts: BTreeMap::new(),
            secrets: BTreeMap::new(),
            objects: BTreeMap::new(),
            stored: BTreeMap::new(),
            passwords: vec![Password {
                name: "login".to_owned(),
                version: "1".to_owned(),
                values: BTreeMap::from([("password".to_owned(), Sensitive::new("referred"))]),
            }],
        };
        let stored = document("tcr-demo0001", OnDelete::Retain);
        cluster.stored.insert(stored.key.secret_name(), stored);
        if let Some(revoke) = case.remnant {
            let on_delete = if revoke { OnDelete::Revoke } else { OnDelete::Retain };
            let remnant = document("tcr-demo0003", on_delete);
            cluster.stored.insert(remnant.key.secret_name(), remnant);
        }
        for (name, object) in OBJECTS.iter().zip(&case.objects) {
            if let Some(object) = object {
                cluster.objects.insert((*name).to_owned(), made(name, object));
            }
        }
        for (name, namespace) in NAMESPACES.iter().zip(&case.namespaces) {
            if let Some(namespace) = namespace {
                cluster.put_namespace(name, namespace);
            }
        }
        cluster
    }

    fn tick(&mut self) -> String {
        self.version += 1;
        self.version.to_string()
    }

    fn put_namespace(&mut self, name: &str, case: &NamespaceCase) {
        let mut metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
        if case.is_labelled {
            metadata.labels = Some([("team".to_owned(), "web".to_owned())].into());
        }
        if case.is_terminating {
            metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        }
        self.namespaces.push(NamespaceObject { metadata });
        for (account, references) in ACCOUNTS.iter().zip(&case.accounts) {
            let Some(references) = references else { continue };
            let names = references.iter().map(|it| REFERENCES[*it]);
            let list = names.map(|name| LocalObjectReference { name: name.to_owned() });
            let metadata = ObjectMeta {
                name: Some((*account).to_owned()),
                namespace: Some(name.to_owned()),
                resource_version: Some(self.tick()),
                ..ObjectMeta::default()
            };
            let list = Some(list.collect()).filter(|list: &Vec<_>| !list.is_empty());
            let object = AccountObject { metadata, image_pull_secrets: list };
            self.accounts.insert((name.to_owned(), (*account).to_owned()), object);
        }
        for (secret, found) in SECRETS.iter().zip(&case.found) {
            if let Some(object) = self.secret(name, secret, *found) {
                self.secrets.insert((name.to_owned(), (*secret).to_owned()), object);
            }
        }
    }

    /// What an object's Secrets hold when it is filled from what is stored.
    fn content(&self, name: &str) -> Content {
        let filled = self.objects.contains_key(name).then(|| {
            let held = held("tcr-demo0001");
            self.object(name).fill(&self.passwords(), Some(&held), &settings().allowed_roots, false).ok()
        });
        filled.flatten().map_or_else(|| old("of-nobody"), |filled| Content::new(filled.bytes))
    }

    fn secret(&mut self, namespace: &str, name: &str, found: Found) -> Option<SecretObject> {
        let ips = name.strip_prefix("tcr.ips").unwrap();
        let content = self.content(ips);
        let marked =
            |content: &Content| SecretObject::from(secret::marked(ips, namespace, content, &self.key));
        let mut object = match found {
            Found::Nothing => return None,
            Found::Right | Found::Unmarked | Found::WithoutLabels | Found::WrongLabel | Found::Immutable => {
                marked(&content)
            }
            Found::Old | Found::OldWithoutLabels => marked(&old("old")),
            Found::Tampered => {
                let mut object = marked(&content);
                object.data = SecretObject::from(secret::of_bytes(ips, namespace, b"{}")).data;
                object
            }
            Found::Foreign | Found::ForeignImmutable => {
                SecretObject::from(secret::of_bytes(ips, namespace, elsewhere().bytes()))
            }
            Found::ForeignOfRegistry => {
                SecretObject::from(secret::of_bytes(ips, namespace, old("theirs").bytes()))
            }
        };
        match found {
            Found::Unmarked => object.metadata.annotations = None,
            Found::WithoutLabels | Found::OldWithoutLabels => object.metadata.labels = None,
            Found::WrongLabel => {
                let labels = object.metadata.labels.as_mut().unwrap();
                labels.insert("tcr.tencentcloudcr.com/image-pull-secret".to_owned(), "x".to_owned());
            }
            Found::Immutable => object.immutable = Some(true),
            Found::Foreign | Found::ForeignOfRegistry | Found::ForeignImmutable => {
                object.metadata.labels = None
            }
            _ => {}
        }
        if found == Found::ForeignImmutable {
            object.immutable = Some(true);
        }
        let version = self.tick();
        object.metadata.uid = Some(format!("uid-{version}"));
        object.metadata.resource_version = Some(version);
        Some(object)
    }

    fn object(&self, name: &str) -> Object {
        let (metadata, data) = &self.objects[name];
        Object::read(metadata.clone(), data.clone(), &settings().rules())
    }

    fn passwords(&self) -> Passwords {
        let mut passwords = Passwords::default();
        self.passwords.iter().for_each(|password| passwords.set(password.clone()));
        passwords
    }

    fn is_listed(object: &SecretObject) -> bool {
        let labels = object.metadata.labels.as_ref();
        labels.is_some_and(|all| all.contains_key("tcr.tencentcloudcr.com/image-pull-secret"))
    }

    /// The plan, from what a command reads.
    fn plan(&self) -> Plan {
        let mut observed = Observed::default();
        for object in &self.namespaces {
            let found = observed::namespace(object.clone());
            let namespace = observed.entry(&found.name);
            (namespace.exists, namespace.terminating, namespace.labels) =
                (true, found.terminating, found.labels);
        }
        for object in self.accounts.values() {
            let found = observed::account(object.clone());
            observed.entry(&found.namespace).accounts.insert(found.name, found.seen);
        }
        for ((namespace, name), object) in self.secrets.iter().filter(|(_, it)| Self::is_listed(it)) {
            let found = observed::ours(object, &self.key).unwrap();
            observed.entry(namespace).secrets.insert(name.as_str(), found);
        }
        let objects: Vec<Object> = self.objects.keys().map(|name| self.object(name)).collect();
        let known = Known {
            now: Timestamp::UNIX_EPOCH,
            settings: settings(),
            before: objects.clone(),
            after: objects,
            passwords: Seen::Known(self.passwords()),
            stored: Seen::Known(self.stored.values().cloned().collect()),
            entries: Seen::Known(Some(Vec::new())),
            nodes: Vec::new(),
            nodes_without: Vec::new(),
            key: Seen::Known(Some(self.key.clone())),
            are_secrets_known: true,
            refused: Vec::new(),
            notes: Vec::new(),
            not_known: Vec::new(),
        };
        let mut forecast = Forecast::new(known, observed);
        for (name, content) in forecast.to_look_for() {
            let secret = derived_secret_name(&name);
            for ((namespace, found), object) in &self.secrets {
                if *found == secret {
                    let found = observed::in_the_way(object, None, content.as_ref(), &self.key);
                    forecast.take_in_the_way(&name, namespace, found);
                }
            }
        }
        forecast.plan()
    }

    /// What the reconciler does until it has nothing to do.
    fn run(&mut self) -> Happened {
        let config = Config {
            region: None,
            allowed_roots: settings().allowed_roots,
            verdict_timeout: Some(SignedDuration::from_mins(15)),
        };
        let mut reconciler = Reconciler::new(config, self.key.clone());
        let (mut happened, mut told) = (Happened::default(), BTreeSet::new());
        let started = Instant::now();
        let mut now = Now { monotonic: started, wall: Timestamp::UNIX_EPOCH, random: u64::MAX / 2 };
        let mut inputs = self.lists();
        for _ in 0..10_000 {
            let mut effects = Vec::new();
            let wake = reconciler.step(inputs.drain(..), now, &mut effects);
            for effect in effects {
                self.carry_out(effect, &mut happened, &mut told, &mut inputs);
            }
            if inputs.is_empty() {
                let Some(at) = wake.filter(|at| *at < started + LONG) else { return happened };
                let passed = at.saturating_duration_since(now.monotonic).max(Duration::from_millis(1));
                now.monotonic += passed;
                now.wall = now.wall.checked_add(SignedDuration::try_from(passed).unwrap()).unwrap();
            }
        }
        panic!("it does not come to rest: {happened:?}")
    }

    fn lists(&self) -> Vec<Input> {
        fn list<T>(all: impl IntoIterator<Item = T>, event: impl Fn(Watched<T>) -> WatchEvent) -> Vec<Input> {
            let listed = all.into_iter().map(|one| event(Watched::Listed(one))).collect::<Vec<_>>();
            let whole = std::iter::once(event(Watched::ListBegan)).chain(listed);
            whole.chain([event(Watched::ListEnded)]).map(Input::Watch).collect()
        }
        let objects = self.objects.keys().map(|name| Box::new(self.object(name)));
        let secrets = self.secrets.values().filter(|object| Self::is_listed(object));
        [
            list(objects, WatchEvent::ImagePullSecret),
            list(self.namespaces.iter().cloned().map(observed::namespace), WatchEvent::Namespace),
            list(self.accounts.values().cloned().map(observed::account), WatchEvent::Account),
            list(secrets.map(|object| observed::secret(&object.metadata, &self.key)), WatchEvent::Secret),
            list(self.passwords.clone(), WatchEvent::Password),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn carry_out(
        &mut self,
        effect: Effect,
        happened: &mut Happened,
        told: &mut BTreeSet<String>,
        inputs: &mut Vec<Input>,
    ) {
        match effect {
            Effect::RunJob(job) => inputs.push(Input::JobEnded(self.job(job, happened))),
            Effect::WriteStatus { name, status } => {
                inputs.push(Input::StatusWritten { name, status, result: Ok(()) });
            }
            Effect::WriteFinalizers { name, resource_version, finalizers } => {
                let version = self.tick();
                let (metadata, _) = self.objects.get_mut(&name).unwrap();
                metadata.resource_version = Some(version);
                let is_over = metadata.deletion_timestamp.is_some() && finalizers.is_empty();
                metadata.finalizers = Some(finalizers);
                let object = Box::new(self.object(&name));
                inputs.push(Input::FinalizersWritten {
                    name: name.clone(),
                    resource_version,
                    result: Ok(()),
                });
                inputs.push(Input::Watch(WatchEvent::ImagePullSecret(match is_over {
                    true => Watched::Deleted(object),
                    false => Watched::Applied(object),
                })));
                if is_over {
                    self.objects.remove(&name);
                }
            }
            Effect::CheckLogin { name, digest, .. } => {
                let verdict = Verdict::Accepted { can_push: false };
                inputs.push(Input::LoginChecked { name, digest, verdict });
            }
            Effect::FindRival(target) => inputs.push(Input::RivalFound { target, rival: None }),
            Effect::ListStoredCredentials => {
                let stored = self.stored.values();
                let stored =
                    stored.map(|it| StoredCredential { key: it.key.clone(), on_delete: it.on_delete });
                inputs.push(Input::StoredCredentials(Some(stored.collect())));
            }
            Effect::StartKeeper { key, order } | Effect::OrderKeeper { key, order } => {
                self.keep(key, order, happened, told, inputs);
            }
            _ => {}
        }
    }

    fn keep(
        &mut self,
        key: Key,
        order: Order,
        happened: &mut Happened,
        told: &mut BTreeSet<String>,
        inputs: &mut Vec<Input>,
    ) {
        let name = key.secret_name();
        if order.is_over {
            let is_made = happened.made.remove(&key.instance_id);
            if self.stored.remove(&name).is_some() && order.on_delete == OnDelete::Revoke && !is_made {
                happened.revoked.insert(key.instance_id.clone());
            }
            inputs.push(Input::Credential(key, CredentialEvent::Ended));
            return;
        }
        let is_made = order.is_needed || self.stored.contains_key(&name);
        if !is_made || !told.insert(name.clone()) {
            return;
        }
        let document = self.stored.entry(name).or_insert_with(|| {
            happened.made.insert(key.instance_id.clone());
            document(&key.instance_id, order.on_delete)
        });
        let held = document.stored.current.clone().unwrap();
        inputs.push(Input::Credential(key, CredentialEvent::Available { held, why: None }));
    }

    fn job(&mut self, job: Job, happened: &mut Happened) -> Report {
        let Job { namespace, look, unmet, changes } = job;
        let (mut written, mut stopped, mut ended) = (Vec::new(), Stopped::default(), Ended::Done);
        let looked = look.into_iter();
        let mut looked: Vec<Written> =
            looked.map(|(name, content)| self.look(&namespace, name, None, content.as_ref())).collect();
        for (change, known) in changes {
            let Some(change) = stopped.admit(change) else { continue };
            if self.meet(&namespace, &change, &unmet, &mut looked) {
                stopped.stop(&change);
                ended = Ended::Overtaken;
                continue;
            }
            match self.write(&namespace, &change, known.as_ref()) {
                Ok(one) => {
                    written.push(one);
                    happened.take(Write::of(&namespace, &change));
                }
                Err(one) => {
                    written.push(one);
                    stopped.stop(&change);
                    ended = Ended::Overtaken;
                }
            }
        }
        Report { namespace, looked, written, failed: Vec::new(), ended, took: Duration::ZERO }
    }

    /// Reads the Secrets that were never seen and to which the change would remove a reference; whether one of them is
    /// somebody's own.
    fn meet(&self, namespace: &str, change: &Change, unmet: &[Unmet], looked: &mut Vec<Written>) -> bool {
        let Change::EditReferences { edit, .. } = change else { return false };
        let removed = unmet.iter().filter(|it| edit.removed().any(|removed| removed == it.secret));
        let met: Vec<Written> = removed
            .map(|Unmet { secret, known, content }| {
                self.look(namespace, secret.clone(), known.as_ref(), content.as_ref())
            })
            .collect();
        let is_another =
            |one: &Written| matches!(one, Written::Secret { seen: Some(SeenSecret::Foreign { .. }), .. });
        let has_another = met.iter().any(is_another);
        looked.extend(met);
        has_another
    }

    fn look(&self, namespace: &str, name: String, known: Option<&Uid>, content: Option<&Content>) -> Written {
        let object = self.secrets.get(&(namespace.to_owned(), name.clone()));
        let seen = object.map(|object| observed::in_the_way(object, known, content, &self.key));
        Written::Secret { name, seen }
    }

    /// Carries out one write, as an API server does; else what there is instead.
    fn write(
        &mut self,
        namespace: &Arc<str>,
        change: &Change,
        known: Option<&Uid>,
    ) -> Result<Written, Written> {
        let name = change.target().1.into_owned();
        let place = (namespace.to_string(), name.clone());
        let is_this = |found: Option<&SecretObject>, uid: &Uid| {
            found.is_some_and(|it| it.metadata.uid.as_deref() == Some(uid.to_string().as_str()))
        };
        match change {
            Change::CreateSecret { content, .. } if self.secrets.contains_key(&place) => {
                Err(self.look(namespace, name, known, Some(content)))
            }
            Change::CreateSecret { name: ips, content } => Ok(self.put(namespace, ips, content, None)),
            Change::UpdateSecret { name: ips, uid, content, .. } => {
                let found = self.secrets.get(&place);
                if !is_this(found, uid) || found.is_some_and(|it| it.immutable == Some(true)) {
                    return Err(self.look(namespace, name, Some(uid), Some(content)));
                }
                Ok(self.put(namespace, ips, content, Some(uid)))
            }
            Change::ReplaceSecret { name: ips, uid, content } => {
                assert!(is_this(self.secrets.get(&place), uid));
                Ok(self.put(namespace, ips, content, None))
            }
            Change::MarkSecret { name: ips, uid, content } => {
                assert!(is_this(self.secrets.get(&place), uid));
                Ok(self.put(namespace, ips, content, Some(uid)))
            }
            Change::DeleteSecret { secret, uid } => {
                if is_this(self.secrets.get(&place), uid) {
                    self.secrets.remove(&place);
                }
                Ok(Written::Secret { name: secret.clone(), seen: None })
            }
            Change::EditReferences { edit, .. } => {
                let version = self.tick();
                let account = self.accounts.get_mut(&place).unwrap();
                let mut whole =
                    json!({"metadata": account.metadata, "imagePullSecrets": account.image_pull_secrets});
                if account.image_pull_secrets.is_none() {
                    whole.as_object_mut().unwrap().remove("imagePullSecrets");
                }
                let patch: json_patch::Patch = serde_json::from_value(Value::Array(edit.patch())).unwrap();
                json_patch::patch(&mut whole, &patch).unwrap();
                *account = serde_json::from_value(whole).unwrap();
                account.metadata.resource_version = Some(version);
                Ok(Written::Account(observed::account(account.clone())))
            }
        }
    }

    fn put(&mut self, namespace: &str, ips: &str, content: &Content, uid: Option<&Uid>) -> Written {
        let version = self.tick();
        let mut object = SecretObject::from(secret::marked(ips, namespace, content, &self.key));
        object.metadata.uid = Some(uid.map_or_else(|| format!("uid-{version}"), ToString::to_string));
        object.metadata.resource_version = Some(version);
        let (name, seen) = (derived_secret_name(ips), observed::ours(&object, &self.key));
        self.secrets.insert((namespace.to_owned(), name.clone()), object);
        Written::Secret { name, seen }
    }
}

fn made(name: &str, case: &ObjectCase) -> (ObjectMeta, Value) {
    let docker = |field: &str, value: Value| json!({"docker": {"server": "demo.tencentcloudcr.com", "username": "robot", field: value}});
    let on_delete = if case.revoke { "Revoke" } else { "Retain" };
    let tcr = |id: &str| json!({"tcr": {"instanceId": id, "region": "ap-guangzhou", "credential": {"onDelete": on_delete}}});
    let mut spec = match case.login {
        Login::Password => docker("password", json!("given")),
        Login::Reference => docker("passwordSecretRef", json!({"name": "login", "key": "password"})),
        Login::MissingReference => docker("passwordSecretRef", json!({"name": "none", "key": "password"})),
        Login::StoredCredential => tcr("tcr-demo0001"),
        Login::NewCredential => tcr("tcr-demo0002"),
        Login::Impossible => json!({}),
    };
    spec["namespaces"] = json!(case.namespaces);
    spec["serviceAccounts"] = json!(case.accounts);
    spec["conflictPolicy"] = json!(case.conflict_policy);
    if case.has_selector {
        spec["namespaceSelector"] = json!({"matchLabels": {"team": "web"}});
    }
    let metadata = ObjectMeta {
        name: Some(name.to_owned()),
        uid: Some(format!("uid-of-{name}")),
        generation: Some(1),
        resource_version: Some("1".to_owned()),
        finalizers: case.secured.then(|| vec![FINALIZER.to_owned()]),
        deletion_timestamp: case.deleting.then_some(Time(Timestamp::UNIX_EPOCH)),
        ..ObjectMeta::default()
    };
    (metadata, json!({"spec": spec}))
}

fn of_host(host: &str, password: &str) -> Content {
    let hosts = [host.parse().unwrap()];
    Content::new(tcr::docker_config::DockerConfig::new(hosts, "robot", &Sensitive::new(password)).to_bytes())
}

fn old(password: &str) -> Content {
    of_host("demo.tencentcloudcr.com", password)
}

fn elsewhere() -> Content {
    of_host("other.example.com", "theirs")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_is_what_then_happens_write_for_write(case in case()) {
        let mut cluster = Cluster::new(&case);
        let planned = Happened::of(cluster.plan());
        let happened = cluster.run();
        prop_assert_eq!(planned, happened);
        let left = cluster.plan();
        prop_assert!(left.writes.is_empty(), "planned again: {:?}", left.writes);
    }
}

#[test]
fn each_way_in_which_a_secret_is_found_leads_to_a_write_that_is_planned() {
    let object = ObjectCase {
        namespaces: "*",
        accounts: "*",
        has_selector: false,
        conflict_policy: "adopt",
        login: Login::Password,
        revoke: false,
        deleting: false,
        secured: true,
    };
    let mut actions = BTreeSet::new();
    for found in FOUND {
        let namespace = NamespaceCase {
            is_labelled: false,
            is_terminating: false,
            found: vec![found, Found::Nothing, Found::Nothing, Found::Right],
            accounts: vec![Some(Vec::new()), None],
        };
        let case = Case {
            namespaces: vec![None, None, Some(namespace), None],
            objects: vec![Some(object.clone()), None, None],
            remnant: None,
        };
        let mut cluster = Cluster::new(&case);
        let planned = Happened::of(cluster.plan());
        assert_eq!(planned, cluster.run(), "{found:?}");
        actions.extend(planned.writes.into_values().flat_map(|(actions, _, _)| actions));
    }
    assert_eq!(actions.len(), 7, "all kinds of writes: {actions:?}");
}

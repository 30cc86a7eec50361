//! The controller's writes, from what is known: calls its own planner for each namespace, with what each
//! ImagePullSecret asks for by its own reading. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tcr::docker_config::DockerConfig;
use tcr::image_pull_secret::{ConflictPolicy, ImagePullSecretSpec};
use tcr::names::{FINALIZER, derived_secret_name};
use tcr::registry_host::RegistryHost;
use tcr::sensitive::Sensitive;

use super::credentials::{Credentials, Source, credentials};
use super::hosts;
use super::known::Known;
use super::report::{Conflict, Note, ObjectChange, ObjectPlan, Plan, Write};
use crate::reader::Seen;
use distribution::{
    Content, Desired, Digest, Distribution, Namespace, Observed, SeenSecret, Tally, plan, tally_one,
};
use reconcile::object::{Filled, NotReady, Object};
use reconcile::overlap::overlapping;
use reconcile::password::Passwords;

/// The expected state.
#[derive(Debug)]
pub struct Forecast {
    known: Known,
    observed: Observed,
    desired: Desired,
    credentials: Credentials,
    /// The default domain of each ImagePullSecret's instance, where its credential tells it.
    public_domains: BTreeMap<String, RegistryHost>,
    /// ImagePullSecrets whose registry's hosts are not known yet.
    without_hosts: BTreeSet<String>,
    /// ImagePullSecrets whose Secrets a Pod may refer to together with another one for the same registry.
    overlapping: BTreeSet<String>,
    /// Namespaces and names of Secrets without our labels, which no list by labels contains.
    unlisted: BTreeSet<(String, String)>,
    notes: Vec<Note>,
}

/// The content of an ImagePullSecret's Secrets.
enum Filling {
    Known(Filled),
    /// Content that differs from the present one.
    New,
    /// The content that most of its Secrets hold: the credential itself may not be read.
    AsDistributed,
    NotReady(NotReady),
}

impl Forecast {
    /// The expected state, from what is known and the observed namespaces.
    pub fn new(known: Known, observed: Observed) -> Self {
        let credentials = credentials(&known);
        let (desired, public_domains, notes) = (Desired::default(), BTreeMap::new(), Vec::new());
        let overlapping = overlapping(&known.after);
        let mut forecast = Self {
            known,
            observed,
            desired,
            credentials,
            public_domains,
            without_hosts: BTreeSet::new(),
            overlapping,
            unlisted: BTreeSet::new(),
            notes,
        };
        for index in 0..forecast.known.after.len() {
            forecast.ask(index);
        }
        forecast
    }

    /// Takes in what an ImagePullSecret asks for.
    fn ask(&mut self, index: usize) {
        let mut object = self.known.after[index].clone();
        let name = object.name.clone();
        if object.deleting && !object.is_secured() {
            // It has no finalizer, so it is gone at once.
            return;
        }
        if !object.is_secured() {
            object.finalizers.push(FINALIZER.to_owned());
        }
        let region = self.known.settings.region.as_deref();
        if let Some(message) = region.and_then(|region| object.crosses_regions(region)) {
            self.notes.push(Note::new(&name, message));
        }
        if let Err(problem) = &object.spec {
            let message =
                format!("what it led to before stays as it is, until it is mended or deleted: {problem}");
            self.notes.push(Note::new(&name, message));
        }
        let content = match self.filling(&object) {
            _ if object.deleting || object.spec.is_err() || !object.has_credential() => None,
            Filling::Known(Filled { bytes, .. }) => Some(Content::new(bytes)),
            Filling::New => {
                if known_hosts(&object).next().is_none() {
                    self.without_hosts.insert(name.clone());
                }
                Some(placeholder(&object))
            }
            Filling::AsDistributed => {
                let content = placeholder(&object);
                self.presume(&derived_secret_name(&name), content.digest());
                Some(content)
            }
            Filling::NotReady(NotReady { reason, message }) => {
                let message = format!("{reason}: {message}; until then no Secret of it is written");
                self.notes.push(Note::new(&name, message));
                None
            }
        };
        if let Some(Source::Held(held)) = object.key().as_ref().map(|key| self.credentials.source(key)) {
            self.public_domains.insert(name.clone(), held.public_domain.clone());
        }
        self.desired.set(&name, object.distribution(content));
    }

    fn filling(&self, object: &Object) -> Filling {
        let Ok(spec) = &object.spec else { return Filling::New };
        let unread = || match self.known.before(&object.name).is_some_and(|before| same_login(before, spec)) {
            true => Filling::AsDistributed,
            false => Filling::New,
        };
        let none = Passwords::default();
        let has_reference = spec.docker.as_ref().is_some_and(|docker| docker.password_secret_ref.is_some());
        let passwords = match &self.known.passwords {
            Seen::Known(passwords) => passwords,
            Seen::Denied(_) | Seen::Failed(_) if has_reference => return unread(),
            Seen::Denied(_) | Seen::Failed(_) => &none,
        };
        let held = match object.key().as_ref().map(|key| self.credentials.source(key)) {
            None => None,
            Some(Source::Held(held)) => Some(&**held),
            Some(Source::New) => return Filling::New,
            Some(Source::Unread) => return unread(),
        };
        let is_beside_others = self.overlapping.contains(&object.name);
        match object.fill(passwords, held, &self.known.settings.allowed_roots, is_beside_others) {
            Ok(filled) => Filling::Known(filled),
            Err(not_ready) => Filling::NotReady(not_ready),
        }
    }

    /// Assumes that the content of most Secrets of this name is the desired one.
    fn presume(&mut self, secret: &str, digest: Digest) {
        let mut counts: HashMap<Digest, usize> = HashMap::new();
        for (_, namespace) in self.observed.iter() {
            if let Some(SeenSecret::Ours { digest: Some(digest), .. }) = namespace.secrets.get(secret) {
                *counts.entry(*digest).or_default() += 1;
            }
        }
        let most = counts.into_iter().max_by_key(|(digest, count)| (*count, digest.as_bytes().to_vec()));
        let Some((most, _)) = most else { return };
        for (_, namespace) in self.observed.iter_mut() {
            if let Some(SeenSecret::Ours { digest: Some(found), .. }) = namespace.secrets.get_mut(secret)
                && *found == most
            {
                *found = digest;
            }
        }
    }

    /// ImagePullSecrets for which a Secret would be created, or to whose Secret a reference would be removed,
    /// in some namespace, with the content that it would hold, where that is known. A Secret of that name
    /// without our labels may exist.
    pub fn to_look_for(&self) -> Vec<(String, Option<Content>)> {
        let mut names = BTreeSet::new();
        for (namespace, seen) in self.observed.iter() {
            for (name, distribution) in self.desired.iter() {
                if !names.contains(name) && is_looked_for(name, distribution, namespace, seen) {
                    names.insert(name.to_owned());
                }
            }
        }
        let content = |name: &String| self.desired.get(name).and_then(|it| it.content.clone());
        names.into_iter().map(|name| (name.clone(), content(&name))).collect()
    }

    /// There is a Secret of that name without our labels. The controller finds it only where it would create
    /// its own or remove a reference.
    pub fn take_in_the_way(&mut self, name: &str, namespace: &str, found: SeenSecret) {
        let secret = derived_secret_name(name);
        let Some(distribution) = self.desired.get(name) else { return };
        let Some(seen) = self.observed.get_mut(namespace) else { return };
        if is_looked_for(name, distribution, namespace, seen) {
            let is_open = !found.is_ours()
                && distribution.wants(namespace, seen)
                && distribution.conflict_policy == ConflictPolicy::Adopt
                && self.without_hosts.remove(name);
            if is_open {
                let message = "spec.conflictPolicy is adopt, and the domain of the instance is known once it has a \
                               credential: Secrets of somebody else that are for this domain are taken over then";
                self.notes.push(Note::new(name, message));
            }
            self.unlisted.insert((namespace.to_owned(), secret.clone()));
            seen.secrets.insert(secret, found);
        }
    }

    /// The plan.
    pub fn plan(self) -> Plan {
        let Self { known, observed, desired, credentials, public_domains, unlisted, notes, .. } = self;
        let mut sums: BTreeMap<&str, Tally> = BTreeMap::new();
        let (mut writes, mut conflicts) = (Vec::new(), Vec::new());
        for (namespace, seen) in observed.iter() {
            // If the Secrets are not known, all would seem to be missing, and none would seem to be another
            // owner's.
            if known.are_secrets_known {
                writes.extend(plan(namespace, seen, &desired).iter().map(|it| Write::of(namespace, it)));
            }
            for (name, distribution) in desired.iter() {
                let secret = derived_secret_name(name);
                let tally = tally_one(namespace, seen, &secret, distribution);
                if tally.conflicts > 0 {
                    conflicts.push(Conflict {
                        namespace: namespace.to_string(),
                        secret,
                        image_pull_secret: name.to_owned(),
                    });
                }
                *sums.entry(name).or_default() += tally;
            }
        }
        let image_pull_secrets: Vec<ObjectPlan> = objects(&known)
            .map(|(name, change)| {
                let sum = sums.get(name.as_str()).copied().unwrap_or_default();
                ObjectPlan {
                    name,
                    change,
                    namespaces: sum.secrets_desired,
                    service_accounts: sum.accounts_desired,
                }
            })
            .collect();
        let is_everything_filled = desired.iter().all(|(_, it)| it.withdrawn || it.content.is_some());
        // The controller decides by the lists that it receives when it starts.
        let has_copies = |name: &str| {
            let secret = derived_secret_name(name);
            let is_ours = |seen: &Namespace| seen.secrets.get(&secret).is_some_and(SeenSecret::is_ours);
            observed.iter().any(|(namespace, seen)| {
                let is_listed = || !unlisted.contains(&(namespace.to_string(), secret.clone()));
                seen.is_live() && is_ours(seen) && is_listed()
            })
        };
        let mut unfilled = desired.iter().filter(|(_, it)| !it.withdrawn && it.content.is_none());
        let has_unknown_copies = unfilled.any(|(name, _)| has_copies(name));
        let credentials = credentials.into_plans(is_everything_filled, has_unknown_copies);
        let (hosts, problem) = hosts::hosts(&known, &public_domains);
        let is_changed = |object: &ObjectPlan| object.change != ObjectChange::Unchanged;
        let changes = !writes.is_empty()
            || !credentials.is_empty()
            || !hosts.entries.is_empty()
            || !hosts.pending.is_empty()
            || image_pull_secrets.iter().any(is_changed);
        let Known { refused, notes: mut all_notes, not_known, .. } = known;
        all_notes.extend(notes.into_iter().chain(problem));
        Plan {
            changes,
            image_pull_secrets,
            credentials,
            writes,
            hosts,
            conflicts,
            refused,
            notes: all_notes,
            not_known,
        }
    }
}

/// Each ImagePullSecret and its change, by name.
fn objects(known: &Known) -> impl Iterator<Item = (String, ObjectChange)> {
    let mut all: BTreeMap<String, ObjectChange> = BTreeMap::new();
    for object in &known.before {
        all.insert(object.name.clone(), ObjectChange::Deleted);
    }
    for object in &known.after {
        let change = match known.before(&object.name) {
            _ if object.deleting => ObjectChange::Deleted,
            None => ObjectChange::Created,
            Some(before) if before.spec != object.spec => ObjectChange::Changed,
            Some(_) if !object.is_secured() => ObjectChange::Secured,
            Some(_) => ObjectChange::Unchanged,
        };
        all.insert(object.name.clone(), change);
    }
    all.into_iter()
}

/// Whether the object had the same login before.
fn same_login(before: &Object, spec: &ImagePullSecretSpec) -> bool {
    let Ok(old) = &before.spec else { return false };
    let domains =
        |spec: &ImagePullSecretSpec| spec.tcr.as_ref().map(|tcr| (tcr.domains.clone(), tcr.aliases.clone()));
    let key =
        |spec: &ImagePullSecretSpec| spec.tcr.as_ref().map(|tcr| credential_plan::Key::of(&before.name, tcr));
    old.docker == spec.docker && key(old) == key(spec) && domains(old) == domains(spec)
}

/// Whether the controller looks for a Secret that it does not know: where it would create its own, or remove
/// a reference.
fn is_looked_for(name: &str, distribution: &Distribution, namespace: &str, seen: &Namespace) -> bool {
    let secret = derived_secret_name(name);
    if !seen.is_live() || distribution.is_on_hold() || seen.secrets.contains_key(&secret) {
        return false;
    }
    match distribution.wants(namespace, seen) {
        true => distribution.content.is_some(),
        false => seen.accounts.values().any(|account| account.refers_to(&secret)),
    }
}

/// Stands for content that is not known yet: it has the known hosts, and differs from all present content.
fn placeholder(object: &Object) -> Content {
    let password = Sensitive::new(format!("of {}, which is not known yet", object.name));
    Content::new(DockerConfig::new(known_hosts(object), "", &password).to_bytes())
}

/// Hosts that the object names, or that its credential was for so far.
fn known_hosts(object: &Object) -> impl Iterator<Item = RegistryHost> {
    let named = object.spec.iter().flat_map(ImagePullSecretSpec::hosts);
    object.status.hosts.iter().filter_map(|host| host.parse().ok()).chain(named)
}

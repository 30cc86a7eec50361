//! What the controller would do, from what is known: its own planner is asked for each namespace, with what its own
//! reading of each ImagePullSecret asks for. Pure.

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

/// What would come about.
#[derive(Debug)]
pub struct Forecast {
    known: Known,
    observed: Observed,
    desired: Desired,
    credentials: Credentials,
    /// The default domain of each ImagePullSecret's instance, where its credential tells it.
    public_domains: BTreeMap<String, RegistryHost>,
    /// ImagePullSecrets whose registry has no host that is known yet.
    without_hosts: BTreeSet<String>,
    /// Those whose Secrets may stand beside another one for the same registry.
    overlapping: BTreeSet<String>,
    notes: Vec<Note>,
}

/// What an ImagePullSecret is filled with.
enum Filling {
    Known(Filled),
    /// Something that is not what there is.
    New,
    /// What most of its Secrets hold: it may not be read.
    AsDistributed,
    NotReady(NotReady),
}

impl Forecast {
    /// What comes about from what is known and what namespaces have.
    pub fn new(known: Known, observed: Observed) -> Self {
        let credentials = credentials(&known);
        let (desired, public_domains, notes) = (Desired::default(), BTreeMap::new(), Vec::new());
        let (without_hosts, overlapping) = (BTreeSet::new(), overlapping(&known.after));
        let mut forecast =
            Self { known, observed, desired, credentials, public_domains, without_hosts, overlapping, notes };
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
            // It goes at once.
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

    /// What most Secrets of this name hold is what they shall hold.
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

    /// ImagePullSecrets of which a Secret would be made, or a reference to none removed, somewhere, and what the Secret
    /// would hold, where that is known: there may be one of its name that does not carry our labels.
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

    /// There is a Secret of that name without our labels. The controller finds it where it would make its own or remove a
    /// reference, and nowhere else.
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
            seen.secrets.insert(secret, found);
        }
    }

    /// What would change.
    pub fn plan(self) -> Plan {
        let Self { known, observed, desired, credentials, public_domains, notes, .. } = self;
        let mut sums: BTreeMap<&str, Tally> = BTreeMap::new();
        let (mut writes, mut conflicts) = (Vec::new(), Vec::new());
        for (namespace, seen) in observed.iter() {
            // Without knowing the Secrets, all of them seem to be missing, and nobody else's to be there.
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
        let has_copies = |name: &str| {
            let secret = derived_secret_name(name);
            let is_ours = |seen: &Namespace| seen.secrets.get(&secret).is_some_and(SeenSecret::is_ours);
            observed.iter().any(|(_, seen)| seen.is_live() && is_ours(seen))
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

/// Each ImagePullSecret, and what becomes of it, by name.
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

/// Whether the object gave the same login before.
fn same_login(before: &Object, spec: &ImagePullSecretSpec) -> bool {
    let Ok(old) = &before.spec else { return false };
    let domains =
        |spec: &ImagePullSecretSpec| spec.tcr.as_ref().map(|tcr| (tcr.domains.clone(), tcr.aliases.clone()));
    let key =
        |spec: &ImagePullSecretSpec| spec.tcr.as_ref().map(|tcr| credential_plan::Key::of(&before.name, tcr));
    old.docker == spec.docker && key(old) == key(spec) && domains(old) == domains(spec)
}

/// Whether the controller looks for a Secret that it does not know: where it would make its own, or remove a reference.
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

/// Stands for content that nobody knows yet: with the hosts that are known, and unlike all that there is.
fn placeholder(object: &Object) -> Content {
    let password = Sensitive::new(format!("of {}, which is not known yet", object.name));
    Content::new(DockerConfig::new(known_hosts(object), "", &password).to_bytes())
}

/// Hosts that the object names, or that its credential was for so far.
fn known_hosts(object: &Object) -> impl Iterator<Item = RegistryHost> {
    let named = object.spec.iter().flat_map(ImagePullSecretSpec::hosts);
    object.status.hosts.iter().filter_map(|host| host.parse().ok()).chain(named)
}

//! The observed and the desired state, and the progress between them. One task owns it, so there is no lock
//! and no I/O.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use tcr::names::derived_secret_name;

use distribution::mark::InstallationKey;
use distribution::{
    Account, Content, Desired, Distribution, Namespace, Observed, Placed, SeenNamespace, SeenSecret, Tally,
    Uid, tally_one,
};
use shared_names::SharedNames;
use words::Words;

mod answers;
mod shared_names;
mod words;

/// The observed state, the desired state and a tally of each ImagePullSecret.
#[derive(Debug, Default)]
pub(crate) struct State {
    observed: Observed,
    desired: Desired,
    sums: BTreeMap<String, Tally>,
    /// ImagePullSecrets whose tallies changed since [`State::moved`] was last called.
    moved: BTreeSet<String>,
    /// Uids of Secrets of ours that left the watch: deleted, or without our label. Kept until a Secret of the
    /// name is written again, because only the uid tells the two cases apart.
    lost: HashMap<(Arc<str>, Arc<str>), Uid>,
    shared: SharedNames,
    words: Words,
}

/// What an observed object changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Observation {
    /// Whether anything known changes.
    pub(crate) is_change: bool,
    /// The ImagePullSecret whose object another client changed back.
    pub(crate) undone: Option<String>,
}

/// A kind that is listed again after a watch broke off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// ServiceAccounts.
    Accounts,
    /// Secrets of ours.
    Secrets,
}

impl State {
    /// An empty one, whose marks are made with this key.
    pub(crate) fn new(key: Arc<InstallationKey>) -> Self {
        Self { words: Words::new(key), ..Self::default() }
    }

    /// The observed state.
    pub(crate) fn observed(&self) -> &Observed {
        &self.observed
    }

    /// The desired state.
    pub(crate) fn desired(&self) -> &Desired {
        &self.desired
    }

    /// The tally of the ImagePullSecret.
    pub(crate) fn sum(&self, name: &str) -> Tally {
        self.sums.get(name).copied().unwrap_or_default()
    }

    /// ImagePullSecrets whose tallies changed since the last call, also without a write, for example when a
    /// namespace is deleted.
    pub(crate) fn moved(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.moved)
    }

    /// The uid of the Secret of ours that was last seen under this name and has left the watch.
    pub(crate) fn lost(&self, namespace: &Arc<str>, secret: &str) -> Option<&Uid> {
        self.lost.get(&(namespace.clone(), Arc::from(secret)))
    }

    /// Takes in a namespace; returns whether anything changes.
    pub(crate) fn see_namespace(&mut self, seen: SeenNamespace) -> bool {
        let SeenNamespace { name, terminating, labels } = seen;
        self.observed.add(&name);
        self.change(&name, |namespace| {
            let is_change =
                !namespace.exists || namespace.terminating != terminating || namespace.labels != labels;
            namespace.exists = true;
            namespace.terminating = terminating;
            namespace.labels = labels;
            is_change
        })
        .is_change
    }

    /// A namespace was deleted. Its objects are kept until their own watches report their deletion: they may
    /// belong to the next namespace of that name, which this watch has yet to report.
    pub(crate) fn lose_namespace(&mut self, name: &str) {
        self.change(name, |namespace| {
            let secrets = std::mem::take(&mut namespace.secrets);
            // No watch reports that Secrets of other owners, and ours without their labels, are gone.
            *namespace = Namespace {
                secrets: secrets.into_iter().filter(|(_, seen)| seen.is_labelled()).collect(),
                accounts: std::mem::take(&mut namespace.accounts),
                ..Namespace::default()
            };
            true
        });
        self.forget_if_nothing(name);
        self.lost.retain(|(namespace, _), _| &**namespace != name);
    }

    /// Takes in a ServiceAccount.
    pub(crate) fn see_account(&mut self, placed: Placed<Account>) -> Observation {
        let Placed { namespace, name, mut seen } = placed;
        let name = self.share(&name);
        seen.references = self.shared.list(seen.references);
        self.observed.add(&namespace);
        self.change(&namespace, |namespace| {
            match namespace.accounts.get(&name) {
                Some(known) if known.version() > seen.version() => {
                    namespace.accounts.unmark(&name);
                    return false;
                }
                _ => {}
            }
            namespace.accounts.insert(name, seen.clone()).as_ref() != Some(&seen)
        })
    }

    /// A ServiceAccount was deleted.
    pub(crate) fn lose_account(&mut self, namespace: &str, name: &str) {
        self.change(namespace, |namespace| namespace.accounts.remove(name).is_some());
        self.forget_if_nothing(namespace);
    }

    /// Takes in a Secret of ours.
    pub(crate) fn see_secret(&mut self, placed: Placed<SeenSecret>) -> Observation {
        let Placed { namespace, name, mut seen } = placed;
        if let SeenSecret::Ours { digest: Some(digest), unread: true, .. } = &mut seen {
            *digest = self.words.content(*digest);
        }
        let name = self.share(&name);
        self.observed.add(&namespace);
        self.change(&namespace, |namespace| {
            match namespace.secrets.get(&name) {
                // Our own write, or a version that was read before.
                Some(known) if known.version() == seen.version() && known.is_ours() && seen.is_unread() => {
                    namespace.secrets.unmark(&name);
                    return false;
                }
                Some(known) if known.version() > seen.version() => {
                    namespace.secrets.unmark(&name);
                    return false;
                }
                _ => {}
            }
            namespace.secrets.insert(name, seen.clone()).as_ref() != Some(&seen)
        })
    }

    /// A Secret of ours was deleted, or lost our label. Nothing changes when a newer one of the name is
    /// known.
    pub(crate) fn lose_secret(&mut self, namespace: &str, name: &str, uid: &Uid) -> Observation {
        let is_it = |found: &SeenSecret| matches!(found, SeenSecret::Ours { uid: known, .. } if known == uid);
        let lost = self.change(namespace, |namespace| {
            let there = namespace.secrets.get(name).is_some_and(is_it);
            there && namespace.secrets.remove(name).is_some()
        });
        let wanted = self.desired.of_secret(name).is_some();
        if lost.is_change && wanted && self.observed.get(namespace).is_some_and(Namespace::is_live) {
            let key = (self.name_of(namespace), self.share(name));
            self.lost.insert(key, uid.clone());
        }
        self.forget_if_nothing(namespace);
        lost
    }

    /// Namespaces in which another owner has a Secret of this name, and its uid.
    pub(crate) fn others<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a Arc<str>, &'a Uid)> {
        self.observed.iter().filter_map(move |(namespace, seen)| match seen.secrets.get(name)? {
            SeenSecret::Foreign { uid, .. } => Some((namespace, uid)),
            SeenSecret::Ours { .. } => None,
        })
    }

    /// Another owner's Secret was deleted; returns whether it was known.
    pub(crate) fn lose_other(&mut self, namespace: &str, name: &str, uid: &Uid) -> bool {
        let is_it =
            |found: &SeenSecret| matches!(found, SeenSecret::Foreign { uid: known, .. } if known == uid);
        let lost = self.change(namespace, |namespace| {
            namespace.secrets.get(name).is_some_and(is_it) && namespace.secrets.remove(name).is_some()
        });
        lost.is_change
    }

    /// A list of all objects of a kind begins.
    pub(crate) fn begin_listing(&mut self, kind: Kind) {
        for (_, namespace) in self.observed.iter_mut() {
            match kind {
                Kind::Accounts => namespace.accounts.mark(),
                Kind::Secrets => namespace.secrets.mark(),
            }
        }
    }

    /// The list is complete: objects that it did not contain are gone. Returns the namespaces that this
    /// changes.
    pub(crate) fn end_listing(&mut self, kind: Kind) -> Vec<Arc<str>> {
        let names: Vec<Arc<str>> = self.observed.names().cloned().collect();
        let sweep = |namespace: &mut Namespace| match kind {
            Kind::Accounts => namespace.accounts.sweep(|_| true),
            // The list contains only Secrets of ours.
            Kind::Secrets => namespace.secrets.sweep(SeenSecret::is_ours),
        };
        names.into_iter().filter(|name| self.change(name, sweep).is_change).collect()
    }

    /// Adds a content that marks may stand for.
    pub(crate) fn know(&mut self, content: &Content) {
        let digest = content.digest();
        let Some(word) = self.words.learn(digest) else { return };
        for (_, namespace) in self.observed.iter_mut() {
            namespace.secrets.values_mut().for_each(|secret| match secret {
                SeenSecret::Ours { digest: Some(known), .. } if *known == word => *known = digest,
                _ => {}
            });
        }
    }

    /// Sets what an ImagePullSecret asks for. Returns whether plans change.
    pub(crate) fn ask(&mut self, name: &str, distribution: Distribution) -> bool {
        if self.desired.get(name).is_some_and(|known| known.plans_like(&distribution)) {
            return false;
        }
        if let Some(content) = &distribution.content {
            self.know(content);
        }
        self.desired.set(name, distribution);
        self.sum_up(name);
        true
    }

    /// An ImagePullSecret was deleted.
    pub(crate) fn forget(&mut self, name: &str) {
        self.desired.remove(name);
        self.sums.remove(name);
    }

    fn sum_up(&mut self, name: &str) {
        let Some(distribution) = self.desired.get(name) else { return };
        let (mut sum, secret) = (Tally::default(), derived_secret_name(name));
        for (namespace, seen) in self.observed.iter() {
            sum += tally_one(namespace, seen, &secret, distribution);
        }
        self.sums.insert(name.to_owned(), sum);
    }

    /// Changes a known namespace and updates the tallies. It counts as a change when `change` returns true.
    fn change(&mut self, name: &str, change: impl FnOnce(&mut Namespace) -> bool) -> Observation {
        let Some(namespace) = self.observed.get_mut(name) else { return Observation::default() };
        let tallies = |namespace: &Namespace, desired: &Desired| -> Vec<Tally> {
            desired.secrets().map(|(secret, it)| tally_one(name, namespace, secret, it)).collect()
        };
        let before = tallies(namespace, &self.desired);
        if !change(namespace) {
            return Observation::default();
        }
        let mut undone = None;
        let after = tallies(namespace, &self.desired);
        for ((ips, _), (before, after)) in self.desired.iter().zip(before.into_iter().zip(after)) {
            if before != after
                && let Some(sum) = self.sums.get_mut(ips)
            {
                *sum -= before;
                *sum += after;
                if !self.moved.contains(ips) {
                    self.moved.insert(ips.to_owned());
                }
                if after.is_undone_from(&before) {
                    undone.get_or_insert_with(|| ips.to_owned());
                }
            }
        }
        Observation { is_change: true, undone }
    }

    /// Drops a namespace that was deleted and has no objects left.
    fn forget_if_nothing(&mut self, name: &str) {
        if self
            .observed
            .get(name)
            .is_some_and(|it| !it.exists && it.accounts.is_empty() && it.secrets.is_empty())
        {
            self.observed.remove(name);
        }
    }

    /// The shared name of a namespace of which something is observed; remembered if it is new.
    pub(crate) fn place(&mut self, namespace: &str) -> Arc<str> {
        self.observed.add(namespace)
    }

    /// The shared name of a namespace if it is known, else a new one.
    pub(crate) fn name_of(&self, namespace: &str) -> Arc<str> {
        self.observed.name(namespace).cloned().unwrap_or_else(|| namespace.into())
    }

    /// The name, shared where many objects have it in common.
    pub(crate) fn share(&mut self, name: &str) -> Arc<str> {
        self.shared.name(name)
    }
}

#[cfg(test)]
mod interleaving;
#[cfg(test)]
mod tests;

//! What the events of the watches change, and which namespaces they queue.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Distributor;
use crate::effect::Effect;
use crate::input::Watched;
use crate::queue::Lane;
use crate::state::{Kind, Observation};
use distribution::{Account, Placed, SeenNamespace, SeenSecret, Target, TargetKind};

/// The API server delays a creation in a namespace that its own cache does not know yet by 50 ms
/// (`missingNamespaceWait` in k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle), and our watch may
/// be faster than that cache. The namespace's first ServiceAccount shows that the cache knows it, and ends
/// this wait.
const NEW_NAMESPACE_WAIT: Duration = Duration::from_millis(10);

impl Distributor {
    /// Takes in an event from the watch of namespaces.
    pub(crate) fn take_namespace(&mut self, event: Watched<SeenNamespace>, now: Instant) {
        match event {
            Watched::Applied(seen) => {
                let is_new = !self.state.observed().get(&seen.name).is_some_and(|namespace| namespace.exists);
                let name = self.state.place(&seen.name);
                match self.state.see_namespace(seen) {
                    true if is_new => self.queue.push_at(&name, now + NEW_NAMESPACE_WAIT),
                    true => self.queue.push(&name, Lane::Urgent, now),
                    false => {}
                }
            }
            Watched::Listed(seen) => {
                let name = self.state.place(&seen.name);
                self.relist.saw(&name);
                if self.state.see_namespace(seen) {
                    self.queue.push(&name, Lane::Urgent, now);
                }
            }
            Watched::Deleted(seen) => self.lose_namespace(&seen.name),
            Watched::ListBegan => {
                // The other namespaces are known from their objects, and are queued too.
                let seen = self.state.observed().iter().filter(|(_, it)| it.exists);
                self.relist.begin(seen.map(|(name, _)| name.clone()));
            }
            Watched::ListEnded => {
                self.relist.end().for_each(|name| self.lose_namespace(&name));
                self.look_at_others(now);
            }
        }
    }

    /// Takes in an event from the watch of ServiceAccounts.
    pub(crate) fn take_account(
        &mut self,
        event: Watched<Placed<Account>>,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        match event {
            Watched::Applied(placed) | Watched::Listed(placed) => {
                let namespace = self.state.place(&placed.namespace);
                let name = placed.name.clone();
                let observation = self.state.see_account(placed);
                if self.take_drift(&namespace, TargetKind::ServiceAccount, &name, observation, now, effects) {
                    self.queue.push(&namespace, Lane::Urgent, now);
                }
            }
            Watched::Deleted(placed) => {
                self.running.lost(&placed.namespace, TargetKind::ServiceAccount, &placed.name);
                self.state.lose_account(&placed.namespace, &placed.name);
            }
            Watched::ListBegan => self.state.begin_listing(Kind::Accounts),
            Watched::ListEnded => {
                self.running.listed();
                drop(self.state.end_listing(Kind::Accounts));
            }
        }
    }

    /// Takes in an event from the watch of Secrets.
    pub(crate) fn take_secret(
        &mut self,
        event: Watched<Option<Placed<SeenSecret>>>,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        match event {
            Watched::Applied(Some(placed)) => {
                let (namespace, name) = (self.state.place(&placed.namespace), placed.name.clone());
                if self.see_secret(&namespace, placed, now, effects) {
                    let changed = self.changed.entry(namespace).or_default();
                    if !changed.contains(&name) {
                        changed.push(name);
                    }
                }
            }
            Watched::Listed(Some(placed)) => {
                let namespace = self.state.place(&placed.namespace);
                self.see_secret(&namespace, placed, now, effects);
            }
            Watched::Deleted(Some(placed)) => {
                let SeenSecret::Ours { uid, .. } = &placed.seen else { return };
                let namespace = self.state.name_of(&placed.namespace);
                let observation = self.state.lose_secret(&placed.namespace, &placed.name, uid);
                self.running.lost(&namespace, TargetKind::Secret, &placed.name);
                if self.take_drift(&namespace, TargetKind::Secret, &placed.name, observation, now, effects) {
                    self.queue.push(&namespace, Lane::Urgent, now);
                }
            }
            Watched::Applied(None) | Watched::Listed(None) | Watched::Deleted(None) => {}
            Watched::ListBegan => self.state.begin_listing(Kind::Secrets),
            Watched::ListEnded => {
                let changed = self.state.end_listing(Kind::Secrets);
                self.running.listed();
                changed.iter().for_each(|name| self.queue.push(name, Lane::Urgent, now));
            }
        }
    }

    /// Takes in an observation; returns whether it makes work.
    pub(super) fn take_drift(
        &mut self,
        namespace: &Arc<str>,
        kind: TargetKind,
        name: &Arc<str>,
        observation: Observation,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) -> bool {
        if let Some(image_pull_secret) = observation.undone {
            self.counters.undone();
            let target = Target { namespace: namespace.clone(), kind, name: name.clone() };
            if self.contests.undone(target.clone(), &image_pull_secret, now) {
                effects.push(Effect::FindRival(target));
            }
        }
        observation.is_change
    }

    /// Takes in a Secret; returns whether that changes anything.
    fn see_secret(
        &mut self,
        namespace: &Arc<str>,
        placed: Placed<SeenSecret>,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let name = placed.name.clone();
        let known = self.state.observed().get(namespace).and_then(|seen| seen.secrets.get(&name));
        if known.map(SeenSecret::uid) != Some(placed.seen.uid()) {
            self.running.appeared(namespace, &name);
        }
        let observation = self.state.see_secret(placed);
        let is_change = self.take_drift(namespace, TargetKind::Secret, &name, observation, now, effects);
        if is_change {
            self.queue.push(namespace, Lane::Urgent, now);
        }
        is_change
    }

    /// Namespaces were listed: one may have been deleted and created again unseen, and with it a Secret of
    /// another owner.
    fn look_at_others(&mut self, now: Instant) {
        for (namespace, at) in &mut self.look_at {
            *at = now;
            self.queue.push(namespace, Lane::Bulk, now);
        }
    }

    fn lose_namespace(&mut self, name: &str) {
        self.state.lose_namespace(name);
        self.queue.forget(name);
        self.backlog.forget(name);
        self.failures.forget(name);
        self.changed.remove(name);
        self.look_at.remove(name);
        self.contests.forget(name);
    }
}

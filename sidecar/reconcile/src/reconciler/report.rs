//! The status and the finalizer of each ImagePullSecret, and, once after a start, the removal of credentials
//! that no ImagePullSecret uses any more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tcr::names::{FINALIZER, derived_secret_name};

use super::Reconciler;
use crate::distributed;
use crate::effect::Effect;
use crate::input::{Now, StoredCredential};
use crate::item::{CredentialName, Item};
use crate::status::{self, Facts};
use credential_plan::Key;
use custom_resource::ImagePullSecretStatus;

/// The wait before stored credentials are listed again.
const RETRY: Duration = Duration::from_secs(5);

/// How far the search is for credentials whose last ImagePullSecret was deleted while no controller ran. It
/// runs once, when all ImagePullSecrets are settled: until then one of them may still use such a credential.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Remnants {
    #[default]
    Due,
    DueAt(Instant),
    InFlight,
    Done,
}

impl Reconciler {
    /// Writes the statuses and finalizers that are due; returns when the next ones are.
    pub(super) fn report(&mut self, now: Now, effects: &mut Vec<Effect>) -> Option<Instant> {
        if !self.listings.are_complete() {
            return None;
        }
        if self.distributor.take_forgotten_failures() {
            self.report_all();
        }
        let moved = self.distributor.state_mut().moved();
        for name in &moved {
            if let Some(item) = self.items.get_mut(name) {
                item.needs_report = true;
            }
        }
        if !moved.is_empty() {
            self.distributor.watch_others(self.items.keys(), effects);
        }
        let is_settled = self.is_ready && self.distributor.is_settled();
        let mut next = None;
        if is_settled {
            next = self.look_for_remnants(now.monotonic, effects);
            self.look_for_old_copies(effects);
        }
        let retries = self.items.values_mut().filter_map(|item| item.retry_finalizing(now.monotonic));
        next = retries.chain(next).min();
        let mut due = Vec::new();
        for (name, item) in self.items.iter().filter(|(_, item)| item.needs_report) {
            let later = item.status_not_before(is_settled).filter(|at| *at > now.monotonic);
            let is_due = item.awaits_status() && later.is_none();
            if item.awaits_status() {
                next = [next, later].into_iter().flatten().min();
            }
            if is_due || item.object.is_secured() == item.object.deleting {
                due.push((name.clone(), is_due));
            }
        }
        for (name, is_due) in due {
            self.finalize(&name, now.monotonic, effects);
            if is_due {
                self.report_status(&name, now, effects);
            }
        }
        next
    }

    /// Writes the status if it differs from the stored one.
    fn report_status(&mut self, name: &str, now: Now, effects: &mut Vec<Effect>) {
        let Some(status) = self.status_of(name, now) else { return };
        let Some(item) = self.items.get_mut(name) else { return };
        if item.begin_writing_status(&status, now.monotonic) {
            effects.push(Effect::WriteStatus { name: name.to_owned(), status: Arc::new(status) });
        }
    }

    fn status_of(&self, name: &str, now: Now) -> Option<ImagePullSecretStatus> {
        let item = self.items.get(name)?;
        let secret = derived_secret_name(name);
        let state = self.distributor.state();
        let sum = state.sum(name);
        let conflict = match sum.conflicts {
            0 => None,
            _ => {
                let foreign = state.observed().iter().filter(|(_, seen)| {
                    seen.is_live() && seen.secrets.get(&secret).is_some_and(|found| !found.is_ours())
                });
                foreign.map(|(namespace, _)| &**namespace).min()
            }
        };
        let not_ready = item.problem.as_ref().or(item.not_ready.as_ref());
        let mut namespaces = Vec::new();
        if not_ready.is_some() {
            let ours = state.observed().iter().filter(|(_, seen)| {
                seen.is_live() && seen.secrets.get(&secret).is_some_and(|found| found.is_ours())
            });
            namespaces.extend(ours.map(|(namespace, _)| &**namespace));
            namespaces.sort_unstable();
        }
        Some(status::status(&Facts {
            name,
            generation: item.object.generation,
            deleting: item.object.deleting,
            invalid: item.object.spec.as_ref().err().map(String::as_str),
            sum,
            hosts: &item.hosts,
            has_credential: item.object.has_credential(),
            has_content: item.content.is_some(),
            can_push: item.can_push,
            replaced: item.replaced.as_deref(),
            not_ready,
            namespaces,
            standing: item.standing(),
            pending: item.rollout.pending(),
            token_id: item.held.as_ref().and_then(|held| held.token_id.as_deref()),
            expires_at: item.held.as_ref().and_then(|held| held.expires_at),
            identity: item.identity(),
            conflict,
            contested: self.distributor.contested(name),
            resolves: item.object.resolves(),
            link: item.link.as_ref(),
            nodes: self.links.nodes(),
            request: item.answer.as_ref(),
            failures: self.distributor.failures().of(name),
            before: &item.written,
            now: now.wall,
        }))
    }

    /// Adds our finalizer, or removes it when nothing is left.
    fn finalize(&mut self, name: &str, now: Instant, effects: &mut Vec<Effect>) {
        let Some(item) = self.items.get(name) else { return };
        let has_to_go = item.object.deleting;
        if item.object.is_secured() != has_to_go || (has_to_go && !self.is_cleaned(name, effects)) {
            return;
        }
        let Some(item) = self.items.get_mut(name) else { return };
        if !item.begin_finalizing(now) {
            return;
        }
        let mut finalizers = item.object.finalizers.clone();
        match has_to_go {
            true => finalizers.retain(|finalizer| finalizer != FINALIZER),
            false => finalizers.push(FINALIZER.to_owned()),
        }
        let (name, resource_version) = (name.to_owned(), item.object.resource_version.clone());
        effects.push(Effect::WriteFinalizers { name, resource_version, finalizers });
    }

    /// Whether a deleted object has left nothing: references and Secrets first, then its use of the
    /// credential, then its hosts entries.
    fn is_cleaned(&mut self, name: &str, effects: &mut Vec<Effect>) -> bool {
        let state = self.distributor.state();
        let is_left = state.sum(name).leftovers > 0
            || distributed::is_anywhere(state, name)
            // A running job may still write.
            || self.distributor.is_writing_for(name);
        if is_left {
            return false;
        }
        let Some(item) = self.items.get_mut(name) else { return false };
        let asked = item.asks_for.clone();
        item.released = true;
        self.keepers.settle(&self.items, effects);
        self.settle_links(effects);
        let shared = |key: &Key| {
            self.items.values().any(|other| other.object.name != name && !other.released && other.uses(key))
        };
        let released =
            asked.is_none_or(|CredentialName { key, secret }| shared(&key) || !self.keepers.is_kept(&secret));
        released && self.links.is_withdrawn(name)
    }

    /// When stored credentials are to be listed again; none where only an event can lead to that.
    fn look_for_remnants(&mut self, now: Instant, effects: &mut Vec<Effect>) -> Option<Instant> {
        match self.remnants {
            Remnants::InFlight | Remnants::Done => return None,
            Remnants::DueAt(at) if at > now => return Some(at),
            Remnants::Due | Remnants::DueAt(_) => {}
        }
        let state = self.distributor.state();
        let has_copies = |item: &Item| {
            item.content.as_ref().is_some_and(|it| distributed::has_another(state, &item.object.name, it))
        };
        let is_left =
            |item: &Item| !item.object.has_credential() && distributed::is_anywhere(state, &item.object.name);
        let is_sure = self.items.values().all(|item| {
            let is_settled = item.not_ready.is_none() && !has_copies(item) && !is_left(item);
            item.object.spec.is_ok() && (item.object.deleting || is_settled)
        });
        if is_sure {
            self.remnants = Remnants::InFlight;
            effects.push(Effect::ListStoredCredentials);
        }
        None
    }

    pub(super) fn take_stored(
        &mut self,
        stored: Option<Vec<StoredCredential>>,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let Some(stored) = stored else {
            self.remnants = Remnants::DueAt(now + RETRY);
            return;
        };
        self.remnants = Remnants::Done;
        stored.into_iter().for_each(|one| self.keepers.retire(one, effects));
        // Credentials that turn out to be in use are kept.
        self.keepers.settle(&self.items, effects);
    }
}

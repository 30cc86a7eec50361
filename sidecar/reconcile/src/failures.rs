//! Refused writes, by object: when each is tried again, and what the status of its ImagePullSecret says.
//! Pure: time is an argument.
//!
//! # Guarantees
//! A refused object has its own back-off, which doubles each time, and delays no other object. A write that a
//! ResourceQuota refused is tried soon after an object of the namespace was deleted: the quota is counted
//! again a little later. A failure is reported as long as its object is still to be written. Memory is
//! bounded however many are refused: at most [`MOST`] objects are remembered, in 48 bytes each, and
//! [`MOST_REASONS`] reasons, which most objects share, with their text. With more objects than that the whole
//! namespace waits, by the queue's back-off.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::queue::backoff;
use custom_resource::{MOST_FAILURES, WriteFailure};
use distribution::TargetKind;
use distribution::job::FailedWrite;

/// Objects that are remembered.
pub(crate) const MOST: usize = 50_000;
/// Reasons that are remembered with their text.
const MOST_REASONS: usize = 500;
/// Events on one ImagePullSecret, until none of its writes is refused any more.
const MOST_EVENTS: u8 = 10;
/// The longest wait between two tries of one object.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Retries per second, on average, when very many objects are refused: their waits become longer than
/// [`LONGEST_WAIT`].
const TRIES_PER_SECOND: usize = 100;
/// The wait for a write that a quota refused, after a deletion.
const AFTER_DELETION: Duration = Duration::from_millis(250);
/// The time between two looks at an object that is due and was not tried.
const STILL_DUE: Duration = Duration::from_secs(1);

/// The objects whose last write was refused.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    /// By namespace; each list is sorted by kind and name.
    by_namespace: BTreeMap<Arc<str>, Vec<Failure>>,
    /// The number of objects.
    count: usize,
    reasons: BTreeSet<Arc<Reason>>,
    owners: BTreeMap<String, Owner>,
    /// Whether failures were dropped since [`Failures::take_forgotten`] was last called.
    has_forgotten: bool,
}

#[derive(Debug)]
struct Failure {
    name: Arc<str>,
    reason: Arc<Reason>,
    /// When it is tried again.
    until: Instant,
    /// Tries in a row.
    tries: u32,
}

/// The parts that failures share.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Reason {
    kind: TargetKind,
    image_pull_secrets: Vec<String>,
    message: String,
    is_quota: bool,
}

/// An ImagePullSecret with refused writes.
#[derive(Debug, Default)]
struct Owner {
    count: usize,
    events: u8,
    is_deleting: bool,
}

/// How a failure was recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Remembered {
    /// The object has its own back-off; else the whole namespace waits.
    pub(crate) is_remembered: bool,
    /// The ImagePullSecrets for which this object had not been refused before.
    pub(crate) new_for: Vec<String>,
}

impl Failure {
    fn key(&self) -> (TargetKind, &str) {
        (self.reason.kind, &self.name)
    }

    fn is_of(&self, image_pull_secret: &str) -> bool {
        self.reason.image_pull_secrets.iter().any(|it| it == image_pull_secret)
    }
}

impl Failures {
    /// A write failed. `name` is the object's, shared where there is one; `random` spreads the waits of many.
    pub(crate) fn fail(
        &mut self,
        namespace: &Arc<str>,
        name: Arc<str>,
        failed: FailedWrite,
        now: Instant,
        random: u64,
    ) -> Remembered {
        let longest = self.longest_wait();
        let list = self.by_namespace.get(namespace).map(Vec::as_slice).unwrap_or_default();
        let place = list.binary_search_by(|it| it.key().cmp(&(failed.kind, &failed.name)));
        if place.is_err() && self.count >= MOST {
            return Remembered::default();
        }
        let Some(reason) = self.reason(failed) else { return Remembered::default() };
        let list = self.by_namespace.entry(namespace.clone()).or_default();
        let (before, tries) = match place {
            Ok(index) => {
                let failure = &mut list[index];
                failure.tries = failure.tries.saturating_add(1);
                (Some(std::mem::replace(&mut failure.reason, reason.clone())), failure.tries)
            }
            Err(index) => {
                // No spare capacity: most lists never grow again.
                list.reserve_exact(1);
                list.insert(index, Failure { name, reason: reason.clone(), until: now, tries: 0 });
                self.count += 1;
                (None, 0)
            }
        };
        let index = place.unwrap_or_else(|index| index);
        list[index].until = now + backoff(tries, longest, random);
        let is_new = |owner: &&String| {
            before.as_ref().is_none_or(|before| !before.image_pull_secrets.contains(*owner))
        };
        let new_for = reason.image_pull_secrets.iter().filter(is_new).cloned().collect();
        reason.image_pull_secrets.iter().for_each(|owner| self.own(owner));
        if let Some(before) = before {
            self.disown(&before);
        }
        Remembered { is_remembered: true, new_for }
    }

    /// The object was written.
    pub(crate) fn succeed(&mut self, namespace: &str, kind: TargetKind, name: &str) {
        let Some(list) = self.by_namespace.get_mut(namespace) else { return };
        let Ok(index) = list.binary_search_by(|it| it.key().cmp(&(kind, name))) else { return };
        let Failure { reason, .. } = list.remove(index);
        if list.is_empty() {
            self.by_namespace.remove(namespace);
        }
        self.count -= 1;
        self.disown(&reason);
        self.has_forgotten = true;
    }

    /// Drops failures of objects that are no longer to be written in the namespace. `is_wanted_for` tells of
    /// an object whether it is still to be written for this ImagePullSecret.
    pub(crate) fn retain(
        &mut self,
        namespace: &str,
        is_wanted_for: impl Fn((TargetKind, &str), &str) -> bool,
    ) {
        let Some(list) = self.by_namespace.get_mut(namespace) else { return };
        let mut forgotten = Vec::new();
        list.retain_mut(|failure| {
            let is_left_for = |owner: &&String| is_wanted_for(failure.key(), owner);
            let owners = &failure.reason.image_pull_secrets;
            let count = owners.iter().filter(is_left_for).count();
            let is_left = count > 0;
            if is_left && count == owners.len() {
                return true;
            }
            let Reason { kind, message, is_quota, .. } = &*failure.reason;
            let reason = Arc::new(Reason {
                kind: *kind,
                image_pull_secrets: owners.iter().filter(is_left_for).cloned().collect(),
                message: message.clone(),
                is_quota: *is_quota,
            });
            forgotten.push((std::mem::replace(&mut failure.reason, reason.clone()), reason, is_left));
            is_left
        });
        if list.is_empty() {
            self.by_namespace.remove(namespace);
        }
        self.count -= forgotten.iter().filter(|(_, _, is_left)| !is_left).count();
        for (reason, left, _) in forgotten {
            left.image_pull_secrets.iter().for_each(|name| self.own(name));
            self.disown(&reason);
            self.has_forgotten = true;
        }
    }

    /// Whether failures were dropped since the last call, so that statuses have to be written again.
    pub(crate) fn take_forgotten(&mut self) -> bool {
        std::mem::take(&mut self.has_forgotten)
    }

    /// Forgets a namespace that is gone.
    pub(crate) fn forget(&mut self, namespace: &str) {
        self.retain(namespace, |_, _| false);
    }

    /// An object of the namespace was deleted: writes that a quota refused are tried soon.
    pub(crate) fn make_room(&mut self, namespace: &str, now: Instant) {
        for failure in self.by_namespace.get_mut(namespace).into_iter().flatten() {
            if failure.reason.is_quota {
                (failure.until, failure.tries) = (now + AFTER_DELETION, 0);
            }
        }
    }

    /// Whether any object of the namespace is remembered.
    pub(crate) fn is_any_in(&self, namespace: &str) -> bool {
        self.by_namespace.contains_key(namespace)
    }

    /// When an object that was refused is tried again.
    pub(crate) fn until(&self, namespace: &str, kind: TargetKind, name: &str) -> Option<Instant> {
        let list = self.by_namespace.get(namespace)?;
        let place = list.binary_search_by(|it| it.key().cmp(&(kind, name)));
        place.ok().map(|index| list[index].until)
    }

    /// Whether the object is left as it is for now.
    pub(crate) fn holds(&self, namespace: &str, kind: TargetKind, name: &str, now: Instant) -> bool {
        self.until(namespace, kind, name).is_some_and(|until| until > now)
    }

    /// When the next object of the namespace is tried.
    pub(crate) fn next_in(&self, namespace: &str, now: Instant) -> Option<Instant> {
        // An object that is due and waits for something else, such as its turn, is not looked at all the
        // time.
        let next = |failure: &Failure| if failure.until > now { failure.until } else { now + STILL_DUE };
        self.by_namespace.get(namespace)?.iter().map(next).min()
    }

    /// Whether an Event reports this failure: at most [`MOST_EVENTS`] new ones, and as many of all once the
    /// ImagePullSecret is being deleted.
    pub(crate) fn may_tell(&mut self, image_pull_secret: &str, is_new: bool, is_deleting: bool) -> bool {
        let Some(owner) = self.owners.get_mut(image_pull_secret) else { return false };
        let is_news = is_new || owner.is_deleting != is_deleting;
        if owner.is_deleting != is_deleting {
            (owner.is_deleting, owner.events) = (is_deleting, 0);
        }
        if !is_news || owner.events >= MOST_EVENTS {
            return false;
        }
        owner.events += 1;
        true
    }

    /// Some of the failures of an ImagePullSecret, in the order of namespaces, for its status.
    pub(crate) fn of(&self, image_pull_secret: &str) -> Vec<WriteFailure> {
        if !self.owners.contains_key(image_pull_secret) {
            return Vec::new();
        }
        let all =
            self.by_namespace.iter().flat_map(|(namespace, list)| list.iter().map(move |it| (namespace, it)));
        let told = all.filter(|(_, failure)| failure.is_of(image_pull_secret)).take(MOST_FAILURES);
        told.map(|(namespace, Failure { name, reason, .. })| WriteFailure {
            kind: reason.kind.as_str().to_owned(),
            namespaced_name: format!("{namespace}/{name}"),
            message: reason.message.clone(),
        })
        .collect()
    }

    fn longest_wait(&self) -> Duration {
        let seconds = u64::try_from(self.count / TRIES_PER_SECOND).unwrap_or(u64::MAX);
        LONGEST_WAIT.max(Duration::from_secs(seconds))
    }

    /// The shared reason. With too many reasons the message is replaced by a common one; none where even that
    /// has no room.
    fn reason(&mut self, failed: FailedWrite) -> Option<Arc<Reason>> {
        let FailedWrite { kind, image_pull_secrets, message, is_quota, .. } = failed;
        let mut reason = Reason { kind, image_pull_secrets, message, is_quota };
        if let Some(known) = self.reasons.get(&reason) {
            return Some(known.clone());
        }
        if self.reasons.len() >= MOST_REASONS {
            self.reasons.retain(|reason| Arc::strong_count(reason) > 1);
        }
        if self.reasons.len() >= MOST_REASONS {
            reason.message = "refused; the controller's log has the reason".to_owned();
            if let Some(known) = self.reasons.get(&reason) {
                return Some(known.clone());
            }
            if self.reasons.len() >= 2 * MOST_REASONS {
                return None;
            }
        }
        let reason = Arc::new(reason);
        self.reasons.insert(reason.clone());
        Some(reason)
    }

    fn own(&mut self, image_pull_secret: &str) {
        self.owners.entry(image_pull_secret.to_owned()).or_default().count += 1;
    }

    fn disown(&mut self, reason: &Reason) {
        for name in &reason.image_pull_secrets {
            if let Some(owner) = self.owners.get_mut(name) {
                owner.count -= 1;
                if owner.count == 0 {
                    self.owners.remove(name);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;

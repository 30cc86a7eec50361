//! The queue of namespaces. Pure: time is an argument.
//!
//! # Guarantees
//! A namespace is in the queue once, and only one job at a time runs in it: what is pushed meanwhile queues
//! it again afterwards. Urgent work, which a user waits for, goes before bulk work, which a changed
//! ImagePullSecret makes for every namespace. After a failure a namespace waits, twice as long each time;
//! nothing but time ends that wait.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tcr::backoff::Backoff;

/// The wait after the first failure.
const SHORTEST_WAIT: Duration = Duration::from_millis(500);
/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The priority of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// After all urgent work.
    Bulk,
    /// Next.
    Urgent,
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// As planned.
    Done,
    /// An object had a newer version. The watch tells it; if it does not, the job is tried again.
    Overtaken,
    /// It failed as a whole, not only for some objects: see [`crate::failures`].
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Waiting(Lane),
    /// `firm`: nothing but time ends the wait.
    Later {
        at: Instant,
        firm: bool,
    },
    Running {
        again: Option<Lane>,
    },
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    place: Place,
    /// When it was queued.
    since: Instant,
    /// Failed tries in a row.
    tries: u32,
}

/// Namespaces with work.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    urgent: VecDeque<Arc<str>>,
    bulk: VecDeque<Arc<str>>,
    later: BTreeSet<(Instant, Arc<str>)>,
    slots: BTreeMap<Arc<str>, Slot>,
}

impl Queue {
    /// Queues the namespace.
    pub(crate) fn push(&mut self, name: &Arc<str>, lane: Lane, now: Instant) {
        let slot = self.slots.entry(name.clone()).or_insert(Slot {
            place: Place::Later { at: now, firm: false },
            since: now,
            tries: 0,
        });
        match slot.place {
            Place::Waiting(before) if before >= lane => return,
            Place::Later { firm: true, .. } => return,
            Place::Running { again } => {
                slot.place = Place::Running { again: again.max(Some(lane)) };
                return;
            }
            Place::Waiting(_) => {}
            Place::Later { at, .. } => drop(self.later.remove(&(at, name.clone()))),
        }
        slot.place = Place::Waiting(lane);
        // A name that moves up stays in the other lane too; `pop` passes over it there.
        match lane {
            Lane::Urgent => self.urgent.push_back(name.clone()),
            Lane::Bulk => self.bulk.push_back(name.clone()),
        }
    }

    /// Queues the namespace for a later time, for example to read an object again.
    pub(crate) fn push_at(&mut self, name: &Arc<str>, at: Instant) {
        if !self.slots.contains_key(name) {
            let slot = Slot { place: Place::Later { at, firm: false }, since: at, tries: 0 };
            self.slots.insert(name.clone(), slot);
            self.later.insert((at, name.clone()));
        }
    }

    /// The next namespace to work on, which runs until [`Queue::finish`]; bulk work only when `bulk`.
    pub(crate) fn pop(&mut self, now: Instant, bulk: bool) -> Option<Arc<str>> {
        while self.later.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, name)) = self.later.pop_first() else { break };
            if let Some(slot) = self.slots.get_mut(&name) {
                slot.place = Place::Waiting(Lane::Urgent);
                self.urgent.push_back(name);
            }
        }
        let lanes = [(Lane::Urgent, &mut self.urgent), (Lane::Bulk, &mut self.bulk)];
        for (lane, names) in lanes.into_iter().filter(|(lane, _)| bulk || *lane == Lane::Urgent) {
            while let Some(name) = names.pop_front() {
                if let Some(slot) = self.slots.get_mut(&name)
                    && slot.place == Place::Waiting(lane)
                {
                    slot.place = Place::Running { again: None };
                    return Some(name);
                }
            }
        }
        None
    }

    /// The job in the namespace ended. `random` spreads retries over time.
    pub(crate) fn finish(&mut self, name: &Arc<str>, end: End, now: Instant, random: u64) {
        let Some(Slot { place: Place::Running { again }, since, tries }) = self.slots.get(name).copied()
        else {
            return;
        };
        if end == End::Done {
            self.slots.remove(name);
        } else {
            let at = now + backoff(tries, LONGEST_WAIT, random);
            let firm = end == End::Failed;
            self.slots.insert(
                name.clone(),
                Slot { place: Place::Later { at, firm }, since, tries: tries.saturating_add(1) },
            );
            self.later.insert((at, name.clone()));
        }
        if let Some(lane) = again {
            self.push(name, lane, now);
        }
    }

    /// Forgets a namespace that is gone; a running job ends by itself.
    pub(crate) fn forget(&mut self, name: &str) {
        if let Some(slot) = self.slots.get(name)
            && !matches!(slot.place, Place::Running { .. })
            && let Some((name, Slot { place: Place::Later { at, .. }, .. })) = self.slots.remove_entry(name)
        {
            self.later.remove(&(at, name));
        }
    }

    /// When [`Queue::pop`] will next return something.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.later.first().map(|(at, _)| *at)
    }

    /// Whether no work is due now. Namespaces that wait after a failure do not count.
    pub(crate) fn is_idle(&self) -> bool {
        self.slots.len() == self.later.len()
    }

    /// How long the oldest namespace has been queued.
    pub(crate) fn oldest(&self, now: Instant) -> Duration {
        let ages = self.slots.values().map(|slot| now.saturating_duration_since(slot.since));
        ages.max().unwrap_or_default()
    }

    /// Namespaces with work now or later.
    pub(crate) fn depth(&self) -> usize {
        self.slots.len()
    }
}

/// The wait before the next try: between half and all of the doubled wait, which is at most `longest`.
pub(crate) fn backoff(tries: u32, longest: Duration, random: u64) -> Duration {
    Backoff::new(SHORTEST_WAIT, longest).jittered(tries, random)
}

#[cfg(test)]
mod tests;

//! Which namespace is worked on next. Pure: time is an argument.
//!
//! # Guarantees
//! A namespace is in the queue once, and is never worked on by two at a time: what comes for it
//! meanwhile makes it come again afterwards. Urgent work, which somebody waits for, goes before bulk
//! work, which a changed ImagePullSecret makes for every namespace. After a failure a namespace waits,
//! twice as long each time; nothing but time ends that wait.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tcr::backoff::Backoff;

/// The wait after the first failure.
const SHORTEST_WAIT: Duration = Duration::from_millis(500);
/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How soon work is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// After all that is urgent.
    Bulk,
    /// Now.
    Urgent,
}

/// How a piece of work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// As planned.
    Done,
    /// Somebody else was faster. The watch tells what there is now; if it does not, try again.
    Overtaken,
    /// It failed, and not only for one object: see [`crate::failures`].
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
    /// When it came.
    since: Instant,
    /// Tries in a row that did not end well.
    tries: u32,
}

/// Namespaces with work to do.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    urgent: VecDeque<Arc<str>>,
    bulk: VecDeque<Arc<str>>,
    later: BTreeSet<(Instant, Arc<str>)>,
    slots: BTreeMap<Arc<str>, Slot>,
}

impl Queue {
    /// There is work in the namespace.
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

    /// There will be work in the namespace, such as a second look at something.
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

    /// The work on the namespace ended. `random` spreads the waits of many.
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

    /// Forgets a namespace that is gone; what runs in it, runs out.
    pub(crate) fn forget(&mut self, name: &str) {
        if let Some(slot) = self.slots.get(name)
            && !matches!(slot.place, Place::Running { .. })
            && let Some((name, Slot { place: Place::Later { at, .. }, .. })) = self.slots.remove_entry(name)
        {
            self.later.remove(&(at, name));
        }
    }

    /// When [`Queue::pop`] has something that it does not have yet.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.later.first().map(|(at, _)| *at)
    }

    /// Whether nothing is to be done now. What waits after a failure does not count.
    pub(crate) fn is_idle(&self) -> bool {
        self.slots.len() == self.later.len()
    }

    /// How long the namespace that came first has been here.
    pub(crate) fn oldest(&self, now: Instant) -> Duration {
        let ages = self.slots.values().map(|slot| now.saturating_duration_since(slot.since));
        ages.max().unwrap_or_default()
    }

    /// Namespaces with work to do now or later.
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

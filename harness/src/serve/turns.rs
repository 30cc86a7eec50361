//! Workers, and the reviews that wait for them.
//!
//! *Guarantees:* a review keeps others from a worker for at most one slice of time; one that takes longer
//! goes on beside them, and counts only against its own policy and namespace, which have a limited number
//! each.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::fair_queue::{FairQueue, Lane, Pushed, Ticket, turns};

#[cfg(test)]
mod tests;

/// Reviews that wait for a worker; more than a worker answers in a second.
const MOST_WAITING: usize = 1024;
/// Reviews at a time whatever there is of policies and workers: each has a thread and an instance.
const MOST_AT_ONCE: usize = 256;
/// How long a review has a worker to itself: many times what an ordinary one takes.
const SLICE: Duration = Duration::from_millis(10);

/// How many reviews there may be at a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Workers {
    /// Reviews of all policies within their slices.
    quick: usize,
    /// Reviews of one policy, including slow ones. One more than of a namespace, so that one namespace cannot
    /// take all of it.
    of_policy: usize,
    of_namespace: usize,
    all: usize,
}

impl Workers {
    pub(super) fn new(workers: usize, policies: usize) -> Self {
        let workers = workers.max(1);
        let all = (workers + 1).saturating_mul(policies).min(MOST_AT_ONCE).max(workers);
        Self { quick: workers, of_policy: workers + 1, of_namespace: workers, all }
    }
}

/// The most reviews that so many workers have in hand at a time, slow ones too.
pub fn most_reviews(workers: usize, policies: usize) -> usize {
    Workers::new(workers, policies).all
}

/// So many workers. Cloning shares them.
#[derive(Clone)]
pub(super) struct Turns(Arc<Mutex<State>>);

struct State {
    under_way: UnderWay,
    queue: FairQueue<oneshot::Sender<Turn>>,
}

/// The reviews that have a worker.
struct UnderWay {
    workers: Workers,
    all: usize,
    of_policy: BTreeMap<usize, usize>,
    of_lane: BTreeMap<Lane, usize>,
    next: u64,
    /// Reviews that have a worker to themselves.
    within_slice: BTreeSet<u64>,
}

/// A worker's time; giving it up lets the next review in.
pub(super) struct Turn {
    turns: Turns,
    lane: Lane,
    number: u64,
    /// Whether it has been given up already.
    is_over: bool,
}

/// The time for which a review has a worker to itself. Dropping it ends that, and not the review.
pub(super) struct Slice {
    turns: Turns,
    number: u64,
}

/// Why there was no turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoTurn {
    /// Too many wait.
    Full,
    /// No turn came in time.
    Late,
}

impl Turns {
    pub(super) fn new(workers: Workers) -> Self {
        let under_way = UnderWay {
            workers,
            all: 0,
            of_policy: BTreeMap::new(),
            of_lane: BTreeMap::new(),
            next: 0,
            within_slice: BTreeSet::new(),
        };
        Self(Arc::new(Mutex::new(State { under_way, queue: FairQueue::new(MOST_WAITING) })))
    }

    /// Sets the number of workers; reviews in progress go on.
    pub(super) fn set_workers(&self, workers: Workers) {
        self.state().under_way.workers = workers;
        self.hand_out();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn until then, for a review of that many bytes.
    pub(super) async fn wait(&self, lane: Lane, bytes: usize, until: Instant) -> Result<Turn, NoTurn> {
        let (turn, mut waits) = {
            let mut state = self.state();
            // A review that waits while a worker is free may not have one now.
            if state.under_way.has_worker() && state.under_way.may_have_one(lane) {
                let number = state.under_way.begin(lane);
                return Ok(Turn { turns: self.clone(), lane, number, is_over: false });
            }
            let (give, turn) = oneshot::channel();
            let ticket = match state.queue.push(lane, turns(bytes), give) {
                Pushed::Full(_) => return Err(NoTurn::Full),
                // The other one hears of it by the end of its channel.
                Pushed::Waits(ticket) | Pushed::InsteadOf(ticket, _) => ticket,
            };
            (turn, Waits { turns: self, ticket: Some(ticket) })
        };
        let turn = tokio::time::timeout_at(until.into(), turn).await;
        match turn {
            Ok(turn) => {
                waits.ticket = None;
                turn.map_err(|_| NoTurn::Full)
            }
            Err(_) => Err(NoTurn::Late),
        }
    }

    /// Gives free workers to those who are next.
    fn hand_out(&self) {
        loop {
            let (give, turn) = {
                let State { under_way, queue } = &mut *self.state();
                if !under_way.has_worker() {
                    return;
                }
                let Some((lane, give)) = queue.pop(|lane| under_way.may_have_one(lane)) else { return };
                let number = under_way.begin(lane);
                (give, Turn { turns: self.clone(), lane, number, is_over: false })
            };
            // It may wait no longer. Its turn is not given up by its own end, which would hand out again from here.
            if let Err(mut turn) = give.send(turn) {
                turn.is_over = true;
                self.state().under_way.end(turn.lane, turn.number);
            }
        }
    }
}

impl UnderWay {
    fn has_worker(&self) -> bool {
        self.within_slice.len() < self.workers.quick && self.all < self.workers.all
    }

    /// Whether its policy and its namespace have fewer than they may.
    fn may_have_one(&self, lane: Lane) -> bool {
        let Workers { of_policy, of_namespace, .. } = self.workers;
        self.of_policy.get(&lane.policy).is_none_or(|count| *count < of_policy)
            && self.of_lane.get(&lane).is_none_or(|count| *count < of_namespace)
    }

    fn begin(&mut self, lane: Lane) -> u64 {
        self.all += 1;
        *self.of_policy.entry(lane.policy).or_default() += 1;
        *self.of_lane.entry(lane).or_default() += 1;
        self.next += 1;
        self.within_slice.insert(self.next);
        self.next
    }

    fn end(&mut self, lane: Lane, number: u64) {
        self.within_slice.remove(&number);
        self.all -= 1;
        one_less(&mut self.of_policy, lane.policy);
        one_less(&mut self.of_lane, lane);
    }
}

fn one_less<K: Ord>(counts: &mut BTreeMap<K, usize>, key: K) {
    if let Entry::Occupied(mut entry) = counts.entry(key) {
        match entry.get_mut() {
            0 | 1 => drop(entry.remove()),
            count => *count -= 1,
        }
    }
}

impl Turn {
    /// The time for which the review has its worker to itself, ended by another task.
    pub(super) fn slice(&self) -> Slice {
        Slice { turns: self.turns.clone(), number: self.number }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.is_over {
            self.turns.state().under_way.end(self.lane, self.number);
            self.turns.hand_out();
        }
    }
}

impl Slice {
    /// Ends the slice when its time is up, and waits for the result of the review. A caller that no longer waits ends
    /// it too.
    pub(super) async fn or_longer<F: Future + Unpin>(self, mut review: F) -> F::Output {
        match tokio::time::timeout(SLICE, &mut review).await {
            Ok(result) => result,
            Err(_) => {
                drop(self);
                review.await
            }
        }
    }
}

impl Drop for Slice {
    fn drop(&mut self) {
        let was_within = self.turns.state().under_way.within_slice.remove(&self.number);
        if was_within {
            self.turns.hand_out();
        }
    }
}

/// One that waits; where it gives up, it is taken out of the queue.
struct Waits<'t> {
    turns: &'t Turns,
    ticket: Option<Ticket>,
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.turns.state().queue.remove(ticket);
        }
    }
}

//! Which namespaces need work, and which. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tcr::names::derived_secret_name;

use crate::backlog::Backlog;
use crate::effect::Effect;
use crate::failures::Failures;
use crate::input::Now;
use crate::metrics::Counters;
use crate::queue::{End, Lane, Queue};
use crate::relist::Relist;
use crate::state::State;
use distribution::mark::InstallationKey;
use distribution::{Contest, Contests, Target, Uid};
use running::RunningJobs;

mod job;
mod others;
mod report;
mod running;
mod watches;

/// Jobs at the same time.
const MOST_JOBS: usize = 32;
/// How many of them may be bulk work; the rest is kept for work that users wait for.
const MOST_BULK_JOBS: usize = 28;
/// How often another owner's Secret that blocks ours is read again.
const RECHECK_INTERVAL: Duration = Duration::from_secs(300);

/// The observed and the desired state of all namespaces, and the jobs between them.
#[derive(Debug)]
pub(crate) struct Distributor {
    state: State,
    queue: Queue,
    backlog: Backlog,
    contests: Contests,
    failures: Failures,
    /// Secrets that another client changed while they are watched, by namespace: they are read at once.
    changed: BTreeMap<Arc<str>, Vec<Arc<str>>>,
    /// When the blocking Secrets of other owners in a namespace are read again.
    look_at: BTreeMap<Arc<str>, Instant>,
    /// Names whose Secrets of other owners are watched.
    watched_others: BTreeSet<String>,
    /// While a list of such a name is being received: the namespaces whose Secret it has not contained yet,
    /// with its uid.
    missing_others: BTreeMap<String, BTreeMap<Arc<str>, Uid>>,
    relist: Relist<Arc<str>>,
    /// Jobs that have not ended, by namespace.
    running: RunningJobs,
    counters: Counters,
}

impl Distributor {
    /// An empty one, whose marks are made with this key.
    pub(crate) fn new(key: InstallationKey) -> Self {
        Self {
            state: State::new(Arc::new(key)),
            queue: Queue::default(),
            backlog: Backlog::default(),
            contests: Contests::default(),
            failures: Failures::default(),
            changed: BTreeMap::new(),
            look_at: BTreeMap::new(),
            watched_others: BTreeSet::new(),
            missing_others: BTreeMap::new(),
            relist: Relist::default(),
            running: RunningJobs::default(),
            counters: Counters::default(),
        }
    }

    /// The observed and the desired state.
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// The state, to change what is desired.
    pub(crate) fn state_mut(&mut self) -> &mut State {
        &mut self.state
    }

    /// Objects that another client keeps changing back.
    pub(crate) fn contests(&mut self) -> &mut Contests {
        &mut self.contests
    }

    /// Refused writes.
    pub(crate) fn failures(&self) -> &Failures {
        &self.failures
    }

    /// Whether failures were forgotten since this was last asked.
    pub(crate) fn take_forgotten_failures(&mut self) -> bool {
        self.failures.take_forgotten()
    }

    /// The counters for the metrics.
    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Namespaces that have work, now or later.
    pub(crate) fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Namespaces whose work is not urgent.
    pub(crate) fn backlog(&self) -> &Backlog {
        &self.backlog
    }

    /// Whether nothing is left to write now.
    pub(crate) fn is_settled(&self) -> bool {
        self.queue.is_idle() && self.running.len() == 0
    }

    /// Whether a running job may write for the ImagePullSecret.
    pub(crate) fn is_writing_for(&self, image_pull_secret: &str) -> bool {
        self.running.is_any_for(image_pull_secret)
    }

    /// Queues every namespace as bulk work; returns how many there are.
    pub(crate) fn push_all(&mut self, now: Instant) -> usize {
        let names = self.state.observed().names();
        names.map(|name| self.queue.push(name, Lane::Bulk, now)).count()
    }

    /// Queues the namespaces that still hold something of an ImagePullSecret that is gone.
    pub(crate) fn push_holding(&mut self, image_pull_secret: &str, now: Instant) {
        let holding = self.state.observed().holding(&derived_secret_name(image_pull_secret));
        let names = holding.into_iter().map(|name| self.state.name_of(name));
        names.for_each(|name| self.queue.push(&name, Lane::Bulk, now));
    }

    /// Starts the jobs that are due; returns when the next one is.
    pub(crate) fn start_jobs(&mut self, now: Now, effects: &mut Vec<Effect>) -> Option<Instant> {
        let Now { monotonic, .. } = now;
        loop {
            self.start_queued_jobs(now, effects);
            // After the queue's own: only a plan tells which work may wait.
            let let_in = self.backlog.let_in(monotonic);
            if let_in.is_empty() {
                break;
            }
            let_in.iter().for_each(|namespace| self.queue.push(namespace, Lane::Bulk, monotonic));
        }
        // With the maximum of jobs running, the end of one of them starts the next.
        let queued_at = self.queue.next().filter(|_| self.running.len() < MOST_JOBS);
        [queued_at, self.backlog.next()].into_iter().flatten().min()
    }

    fn start_queued_jobs(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let Now { monotonic, .. } = now;
        while self.running.len() < MOST_JOBS {
            let Some(namespace) = self.queue.pop(monotonic, self.running.len() < MOST_BULK_JOBS) else {
                return;
            };
            match self.job(&namespace, monotonic) {
                Some(job) => {
                    let image_pull_secrets = self.wanted_in(&namespace);
                    self.running.begin(namespace, image_pull_secrets);
                    effects.push(Effect::RunJob(job));
                }
                None => self.finish(&namespace, End::Done, now),
            }
        }
    }

    /// How many objects of the ImagePullSecret are contested, with an example.
    pub(crate) fn contested(&self, image_pull_secret: &str) -> Option<(usize, String)> {
        let mut all: Vec<(&Target, &Contest)> = self
            .contests
            .contested()
            .filter(|(_, contest)| contest.image_pull_secret == image_pull_secret)
            .collect();
        all.sort_by_key(|(target, _)| *target);
        let (target, contest) = all.first()?;
        let who = contest.rival.as_deref().unwrap_or("somebody");
        let kind = target.kind.as_str();
        Some((all.len(), format!("{kind} {}/{} by {who}", target.namespace, target.name)))
    }

    fn finish(&mut self, namespace: &Arc<str>, end: End, now: Now) {
        let Now { monotonic, random, .. } = now;
        self.queue.finish(namespace, end, monotonic, random);
        let next = [self.contests.next_in(namespace, monotonic), self.failures.next_in(namespace, monotonic)];
        if let Some(at) = next.into_iter().flatten().min() {
            self.queue.push_at(namespace, at);
        }
        let Some(at) = self.look_at.get(namespace).copied() else { return };
        let seen = self.state.observed().get(namespace);
        match seen.is_some_and(|seen| seen.secrets.values().any(|secret| !secret.is_ours())) {
            true => self.queue.push_at(namespace, at),
            false => drop(self.look_at.remove(namespace)),
        }
    }

    /// ImagePullSecrets that select the namespace.
    fn wanted_in(&self, namespace: &Arc<str>) -> Vec<String> {
        let Some(seen) = self.state.observed().get(namespace) else { return Vec::new() };
        let wanted = self.state.desired().iter().filter(|(_, it)| it.wants(namespace, seen));
        wanted.map(|(name, _)| name.to_owned()).collect()
    }
}

//! Many histories, one after the other or on several threads, and what they were like.

use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::action;
use crate::fault;
use crate::history;
use crate::invariants::Broken;
use crate::view::Views;

/// What histories were like.
#[derive(Clone, Debug)]
pub struct Summary {
    /// How many there were.
    pub histories: u64,
    /// Inputs of each.
    inputs: Vec<u32>,
    /// Of each kind of fault, how many histories had it.
    faults: Vec<u64>,
    /// Seeds of histories in which a rule was broken.
    pub failed: Vec<(u64, Broken)>,
    /// The same where the same seeds came to the same: inputs, faults, writes and what was broken.
    pub digest: u64,
}

impl Default for Summary {
    fn default() -> Self {
        Self {
            histories: 0,
            inputs: Vec::new(),
            faults: vec![0; fault::KINDS],
            failed: Vec::new(),
            digest: 0,
        }
    }
}

impl Summary {
    /// The inputs that half of the histories have at least.
    pub fn median_inputs(&self) -> u32 {
        let mut inputs = self.inputs.clone();
        inputs.sort_unstable();
        inputs.get(inputs.len() / 2).copied().unwrap_or_default()
    }

    /// Each kind of fault, with the share of histories that had it, the rarest first.
    pub fn faults(&self) -> Vec<(String, f64)> {
        let share = |count: u64| count as f64 / self.histories.max(1) as f64;
        let mut faults: Vec<(String, f64)> =
            self.faults.iter().enumerate().map(|(kind, count)| (fault::name(kind), share(*count))).collect();
        faults.sort_by(|a, b| a.1.total_cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
        faults
    }

    fn join(&mut self, other: Self) {
        self.histories += other.histories;
        self.inputs.extend(other.inputs);
        self.faults.iter_mut().zip(other.faults).for_each(|(sum, count)| *sum += count);
        self.failed.extend(other.failed);
        self.digest = self.digest.wrapping_add(other.digest);
    }
}

/// How far a campaign is, and whether it is to end.
#[derive(Debug, Default)]
pub struct Progress {
    /// Histories so far.
    pub done: AtomicU64,
    /// No new history begins.
    pub stop: AtomicBool,
}

/// Runs the histories of these seeds on one thread, until so many have failed.
pub fn run(seeds: impl Iterator<Item = u64>, most_failures: usize, progress: &Progress) -> Summary {
    let views = Rc::new(Views::new());
    let mut summary = Summary::default();
    for seed in seeds {
        if progress.stop.load(Ordering::Relaxed) {
            break;
        }
        let outcome = history::run(seed, &action::draw(seed), &views, None);
        summary.histories += 1;
        // A sum: on how many threads they ran makes no difference.
        summary.digest = summary.digest.wrapping_add(outcome.digest(seed));
        summary.inputs.push(u32::try_from(outcome.inputs).unwrap_or(u32::MAX));
        for (kind, count) in summary.faults.iter_mut().enumerate() {
            *count += u64::from(outcome.faults.has(kind));
        }
        if let Some(broken) = outcome.broken {
            summary.failed.push((seed, broken));
            if summary.failed.len() >= most_failures {
                progress.stop.store(true, Ordering::Relaxed);
            }
        }
        progress.done.fetch_add(1, Ordering::Relaxed);
    }
    summary
}

/// The same on so many threads.
pub fn run_on(
    threads: usize,
    first: u64,
    histories: u64,
    most_failures: usize,
    progress: &Progress,
) -> Summary {
    let mut whole = Summary::default();
    std::thread::scope(|scope| {
        let one = |thread: usize| {
            scope.spawn(move || {
                let seeds = (first..first.saturating_add(histories)).skip(thread).step_by(threads);
                run(seeds, most_failures, progress)
            })
        };
        let handles: Vec<_> = (0..threads).map(one).collect();
        for handle in handles {
            match handle.join() {
                Ok(summary) => whole.join(summary),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    whole.failed.sort_by_key(|(seed, _)| *seed);
    whole
}

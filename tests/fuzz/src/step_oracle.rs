//! What holds for every step of the reconciler, whatever it is told: it does not panic, a step has nothing to do once the
//! one before it at the same moment is done, it is awake no longer than that, and no two jobs of a namespace or writes
//! of an object are under way at a time. The fuzzer looks for inputs for which it does not hold; the tests of
//! `reconcile` put the committed corpus to it, and inputs drawn at random.
//!
//! An input is a script of records, see [`crate::step_inputs`].

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use distribution::Change;
use distribution::mark::InstallationKey;
use jiff::{SignedDuration, Timestamp};
use reconcile::{Config, Effect, Input, Now, Reconciler};
use tcr::names::SECRET_PREFIX;

use crate::step_inputs::{ALLOWED_ROOTS, PASSWORD, Record, Script};

/// Wakes without an input, after the last record.
const MOST_WAKES: usize = 50;

/// Panics where a rule does not hold.
pub(crate) fn check(input: &[u8]) {
    let mut subject = Subject::new(input);
    let mut script = Script::new(input);
    while let Some(record) = script.next(&mut subject.pending) {
        match record {
            Record::Tell(input) => subject.batch.push(input),
            Record::Step(milliseconds) => subject.step(milliseconds.into()),
        }
    }
    subject.step(0);
    for _ in 0..MOST_WAKES {
        let Some(at) = subject.wake else { break };
        let wait = at.saturating_duration_since(subject.now.monotonic);
        subject.step(u64::try_from(wait.as_millis()).expect("a wait is short") + 1);
    }
    assert!(subject.reconciler.metrics(subject.now.monotonic).ends_with('\n'));
}

struct Subject {
    reconciler: Reconciler,
    now: Now,
    wake: Option<Instant>,
    batch: Vec<Input>,
    /// Effects that wait for an answer.
    pending: Vec<Effect>,
    /// The password is nowhere in the script, so that it may be nowhere but where it belongs.
    is_secret: bool,
}

impl Subject {
    fn new(input: &[u8]) -> Self {
        let config = Config {
            region: Some("ap-guangzhou".to_owned()),
            allowed_roots: vec![ALLOWED_ROOTS.to_owned()],
            verdict_timeout: (input.first() != Some(&0)).then(|| SignedDuration::from_mins(15)),
        };
        let key = InstallationKey::parse("a".repeat(64).as_bytes()).expect("a key's form");
        let wall = Timestamp::constant(1_800_000_000, 0);
        Self {
            reconciler: Reconciler::new(config, key),
            now: Now { monotonic: Instant::now(), wall, random: u64::MAX / 3 },
            wake: None,
            batch: Vec::new(),
            pending: Vec::new(),
            is_secret: !input.windows(PASSWORD.len()).any(|bytes| bytes == PASSWORD.as_bytes()),
        }
    }

    fn step(&mut self, milliseconds: u64) {
        self.now.monotonic += Duration::from_millis(milliseconds);
        let wait = SignedDuration::from_millis(i64::try_from(milliseconds).expect("a wait is short"));
        self.now.wall = self.now.wall.checked_add(wait).expect("a history ends before time does");
        self.now.random = self.now.random.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(17);
        let mut effects = Vec::new();
        self.reconciler.step(self.batch.drain(..), self.now, &mut effects);
        self.take(effects);
        let mut more = Vec::new();
        self.wake = self.reconciler.step([], self.now, &mut more);
        assert!(more.is_empty(), "nothing was told, and there is something to do: {more:?}");
        let is_awake = self.wake.is_some_and(|at| at <= self.now.monotonic);
        assert!(!is_awake, "nothing is to be done now, and it does not sleep");
    }

    fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            if self.is_secret {
                assert!(!format!("{effect:?}").contains(PASSWORD), "a password is shown");
            }
            if let Effect::RunJob(job) = &effect {
                job.changes.iter().for_each(|(change, _)| assert_ours(change));
                assert!(job.look.is_empty() || job.changes.is_empty(), "what is planned comes after reading");
            }
            if is_answered(&effect) {
                self.pending.push(effect);
            }
        }
        let mut under_way = BTreeSet::new();
        for effect in &self.pending {
            let of = match effect {
                Effect::RunJob(job) => format!("a job in {}", job.namespace),
                Effect::WriteStatus { name, .. } => format!("a status of {name}"),
                Effect::WriteFinalizers { name, .. } => format!("finalizers of {name}"),
                Effect::ListStoredCredentials => "the list of stored credentials".to_owned(),
                _ => continue,
            };
            assert!(under_way.insert(of.clone()), "two at a time: {of}");
        }
    }
}

fn is_answered(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::RunJob(_)
            | Effect::WriteStatus { .. }
            | Effect::WriteFinalizers { .. }
            | Effect::CheckLogin { .. }
            | Effect::FindRival(_)
            | Effect::ListInstances { .. }
            | Effect::ListStoredCredentials
    )
}

/// Nothing but Secrets of our names, and references to them, is written.
fn assert_ours(change: &Change) {
    let is_ours = |secret: &str| secret.starts_with(SECRET_PREFIX);
    match change {
        Change::EditReferences { edit, .. } => {
            assert!(edit.added().chain(edit.removed()).all(is_ours), "somebody's own reference: {change:?}");
        }
        _ => assert!(is_ours(&change.target().1), "somebody's own Secret: {change:?}"),
    }
}

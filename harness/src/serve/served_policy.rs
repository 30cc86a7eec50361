//! A policy with its place in the policies file: what of it the file says, and what makes it answer, which comes later
//! and may be replaced by something better.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::Evaluator;
use crate::policies_file::{Mode, Served};

/// The evaluator of a policy or a group, or the reason why there is none, with which each of its reviews is
/// answered.
pub(super) type Answerer = Result<Evaluator, String>;

/// A policy, or a group, that is served.
pub(super) struct ServedPolicy {
    /// Tells it from the others in the queue. One that takes another one's place under the same id has its number.
    pub(super) number: usize,
    /// The effect of its verdict.
    pub(super) mode: Mode,
    /// Whether it may change objects.
    pub(super) allowed_to_mutate: bool,
    /// The message for users in place of its own reason.
    pub(super) message: Option<String>,
    /// How long one review may take, from its arrival.
    pub(super) timeout: Duration,
    /// Kinds beyond Kubernetes' own that it has to do with, which the metrics may name.
    pub(super) kinds: BTreeSet<String>,
    /// None while it is being prepared.
    answerer: watch::Sender<Option<(Stage, Answerer)>>,
    /// Reviews that wait for it to be prepared.
    waiting: AtomicUsize,
}

/// The stage of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Nothing answers for it yet.
    Preparing,
    /// It answers; whether it can be made to answer faster is being tried.
    Ready,
    /// It answers as fast as it can.
    Optimized,
    /// It cannot be had.
    Failed,
}

impl Stage {
    /// The word in the metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Preparing => "preparing",
            Self::Ready => "ready",
            Self::Optimized => "optimized",
            Self::Failed => "failed",
        }
    }
}

impl ServedPolicy {
    /// A policy of the file, without an evaluator yet. `timeout` applies where the file has none.
    pub(super) fn new(number: usize, served: &Served, timeout: Duration) -> Self {
        let kinds = served.sources().into_iter().flat_map(|source| source.grants.kinds.keys());
        Self {
            number,
            mode: served.mode,
            allowed_to_mutate: served.allowed_to_mutate,
            message: served.message.clone(),
            timeout: served.timeout.unwrap_or(timeout),
            kinds: kinds.map(|granted| granted.kind.clone()).collect(),
            answerer: watch::Sender::new(None),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Sets the evaluator. Reviews in progress end with the one that they began with.
    pub(super) fn answers_by(&self, stage: Stage, answerer: Answerer) {
        self.answerer.send_replace(Some((stage, answerer)));
    }

    /// The present evaluator.
    pub(super) fn answerer(&self) -> Option<Answerer> {
        self.answerer.borrow().as_ref().map(|(_, answerer)| answerer.clone())
    }

    /// Waits until something answers for it; none where nothing does by then.
    pub(super) async fn answerer_by(&self, until: Instant) -> Option<Answerer> {
        let _waits = Waits::new(&self.waiting);
        let mut answerer = self.answerer.subscribe();
        let is_there = tokio::time::timeout_at(until.into(), answerer.wait_for(Option::is_some)).await;
        is_there.ok()?.ok()?.as_ref().map(|(_, answerer)| answerer.clone())
    }

    /// How many reviews wait for it to be prepared.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(super) fn stage(&self) -> Stage {
        self.answerer.borrow().as_ref().map_or(Stage::Preparing, |(stage, _)| *stage)
    }
}

/// One that waits, as long as it lives.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served() -> Served {
        let mut all =
            crate::policies_file::parse("p: {module: 'file:///p.wasm', timeoutEvalSeconds: 3}").unwrap();
        all.remove("p").unwrap()
    }

    #[tokio::test]
    async fn who_waits_is_counted_until_something_answers() {
        let policy = ServedPolicy::new(0, &served(), Duration::from_secs(2));
        assert_eq!((policy.timeout, policy.stage()), (Duration::from_secs(3), Stage::Preparing));
        assert!(policy.answerer_by(Instant::now()).await.is_none());
        let waits = policy.answerer_by(Instant::now() + Duration::from_secs(60));
        let answers = async {
            while policy.waiting() == 0 {
                tokio::task::yield_now().await;
            }
            policy.answers_by(Stage::Failed, Err("no".to_owned()));
        };
        let (answerer, ()) = tokio::join!(waits, answers);
        assert_eq!(answerer.unwrap().err(), Some("no".to_owned()));
        assert_eq!((policy.waiting(), policy.stage()), (0, Stage::Failed));
    }
}

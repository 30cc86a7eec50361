//! A login, and when it is tried at its registry.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tcr::backoff::Backoff;
use tcr::verdict::Verdict;

use super::answer::Answer;
use crate::later::later;
use distribution::Digest;

/// How often an accepted login is tried.
pub const ASK_EVERY: SignedDuration = SignedDuration::from_mins(10);
/// How often a refused login is tried.
pub const ASK_REFUSED: SignedDuration = SignedDuration::from_secs(60);
/// The back-off while a registry gives no verdict.
const RETRY: Backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(60));

/// A login and the registry's answer to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Checked {
    /// None where another process distributed it, so that this one has no bytes to try.
    pub(super) digest: Option<Digest>,
    pub(super) answer: Answer,
    /// When it is to be tried.
    pub(super) due: Timestamp,
    /// Its login check is running.
    pub(super) in_flight: bool,
    /// Answers in a row without a verdict.
    pub(super) failures: u32,
}

impl Checked {
    pub(super) fn new(digest: Digest, answer: Answer, now: Timestamp) -> Self {
        Self { digest: Some(digest), answer, due: now, in_flight: false, failures: 0 }
    }

    pub(super) fn is(&self, digest: Digest) -> bool {
        self.digest == Some(digest)
    }

    pub(super) fn can_be_asked(&self) -> bool {
        self.digest.is_some() && !self.in_flight
    }

    pub(super) fn take(&mut self, verdict: Verdict, now: Timestamp) {
        self.failures = if matches!(verdict, Verdict::Unknown { .. }) { self.failures + 1 } else { 0 };
        self.in_flight = false;
        self.due = match verdict {
            Verdict::Accepted { .. } => later(now, ASK_EVERY),
            Verdict::Refused { .. } => later(now, ASK_REFUSED),
            Verdict::Unknown { .. } => later(now, RETRY.wait(self.failures - 1)),
        };
        self.answer = self.answer.after(verdict);
    }
}

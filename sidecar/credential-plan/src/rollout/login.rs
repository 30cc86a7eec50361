//! A login, and when its registry is asked about it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tcr::backoff::Backoff;
use tcr::verdict::Verdict;

use super::answer::Answer;
use crate::later::later;
use distribution::Digest;

/// How often a registry is asked about a login that it let in.
pub const ASK_EVERY: SignedDuration = SignedDuration::from_mins(10);
/// How often it is asked about one that it refused.
pub const ASK_REFUSED: SignedDuration = SignedDuration::from_secs(60);
/// The back-off while a registry gives no verdict.
const RETRY: Backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(60));

/// A login and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Checked {
    /// None where another process distributed it, so that it cannot be shown to the registry.
    pub(super) digest: Option<Digest>,
    pub(super) answer: Answer,
    /// When the registry is to be asked.
    pub(super) due: Timestamp,
    /// It is being asked.
    pub(super) in_flight: bool,
    /// Times in a row that it gave no verdict.
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

//! How far a job is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use distribution::job::{Ended, FailedWrite, LONGEST_MESSAGE, Report, Written};
use distribution::order::Stopped;
use distribution::{Change, SeenSecret, Stage, TargetKind};
use kubernetes::api_error::ApiError;
use tcr::names::SECRET_PREFIX;
use tcr::shortened::shortened;

/// After so long a job begins no further write of a stage: where each is refused after seconds, as by a webhook that
/// does not answer, a namespace with many ServiceAccounts would wait for hours until Secrets go and it is planned anew.
const TURN: Duration = Duration::from_secs(60);

/// What came of a job so far.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) looked: Vec<Written>,
    pub(crate) written: Vec<Written>,
    failed: Vec<FailedWrite>,
    stopped: Stopped,
    ended: Ended,
    /// Nothing more is tried.
    pub(crate) is_over: bool,
    /// The stage that is worked on, and until when.
    turn: Option<(Stage, Instant)>,
}

impl Progress {
    /// As much of the write as is to be tried now.
    pub(crate) fn admit(&mut self, change: Change, now: Instant) -> Option<Change> {
        if self.is_over {
            return None;
        }
        let stage = change.stage();
        let until = match self.turn {
            Some((known, until)) if known == stage => until,
            _ => now + TURN,
        };
        self.turn = Some((stage, until));
        if now > until {
            self.ended = Ended::OutOfTime;
            self.stopped.stop(&change);
            return None;
        }
        self.stopped.admit(change)
    }

    /// Whether it became known in this job what there is of the Secret.
    pub(crate) fn has_met(&self, secret: &str) -> bool {
        self.met(secret).is_some()
    }

    /// Whether that is somebody's own.
    pub(crate) fn has_met_another(&self, secret: &str) -> bool {
        self.met(secret).flatten().is_some_and(|seen| !seen.is_ours())
    }

    fn met(&self, secret: &str) -> Option<Option<&SeenSecret>> {
        self.written.iter().chain(&self.looked).find_map(|one| match one {
            Written::Secret { name, seen } if name == secret => Some(seen.as_ref()),
            _ => None,
        })
    }

    fn end(&mut self, ended: Ended) {
        (self.ended, self.is_over) = (ended, true);
    }

    /// A write did not do what it should.
    pub(crate) fn fail(&mut self, change: &Change, error: &ApiError) {
        self.stopped.stop(change);
        let (kind, name) = change.target();
        let owners = change.image_pull_secrets().into_iter().map(str::to_owned).collect();
        self.take(error, kind, name.into_owned(), owners);
    }

    /// A Secret could not be read.
    pub(crate) fn fail_to_read(&mut self, secret: String, error: &ApiError) {
        let owner = secret.strip_prefix(SECRET_PREFIX).map(str::to_owned);
        self.take(error, TargetKind::Secret, secret, owner.into_iter().collect());
    }

    /// What is reported when nothing more is to be done.
    pub(crate) fn into_report(self, namespace: Arc<str>, took: Duration) -> Report {
        let Self { looked, written, failed, ended, .. } = self;
        Report { namespace, looked, written, failed, ended, took }
    }

    fn take(&mut self, error: &ApiError, kind: TargetKind, name: String, image_pull_secrets: Vec<String>) {
        if self.is_over {
            return;
        }
        if matches!(error, ApiError::Overtaken) || error.is_conflict() {
            if self.ended == Ended::Done {
                self.ended = Ended::Overtaken;
            }
            return;
        }
        if error.is_namespace_going() {
            self.failed.clear();
            return self.end(Ended::NamespaceGoing);
        }
        let is_quota = error.is_quota_exceeded();
        let message = shortened(error.to_string(), LONGEST_MESSAGE);
        self.failed.push(FailedWrite { kind, name, image_pull_secrets, message, is_quota });
        if !error.is_of_object() {
            self.end(Ended::Unanswered);
        }
    }
}

#[cfg(test)]
mod tests;

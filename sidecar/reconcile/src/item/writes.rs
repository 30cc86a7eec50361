//! When the status and the finalizers of an ImagePullSecret are written.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Item;
use crate::input::Refused;
use custom_resource::ImagePullSecretStatus;

/// The time between two status writes of one object while work is left.
const PAUSE: Duration = Duration::from_secs(1);
/// The wait after a failed write of a status or of finalizers.
pub(super) const RETRY: Duration = Duration::from_secs(5);

/// Unanswered writes to an ImagePullSecret that is gone, perhaps with a new object of its name in its place.
/// Their answers say nothing of the new object, and nothing else is written under the name until they come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct InFlight {
    pub(crate) status: bool,
    pub(crate) finalizers: bool,
}

impl InFlight {
    /// Whether an answer is outstanding.
    pub(crate) fn is_any(self) -> bool {
        self.status || self.finalizers
    }
}

/// Whether the status of an object is being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StatusWrite {
    No,
    InFlight,
    /// The status of an earlier object of its name is being written.
    InFlightBefore,
}

/// Whether the finalizers of an object are being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finalizing {
    No,
    InFlight,
    /// The finalizers of an earlier object of its name are being written.
    InFlightBefore,
    /// The last write failed; it is tried again at this time.
    NotBefore(Instant),
}

impl Item {
    /// Unanswered writes to it, or to an earlier object of its name.
    pub(crate) fn in_flight(&self) -> InFlight {
        InFlight {
            status: self.status_write != StatusWrite::No,
            finalizers: matches!(self.finalizing, Finalizing::InFlight | Finalizing::InFlightBefore),
        }
    }

    /// These writes to an earlier object of its name are unanswered.
    pub(crate) fn wait_for(&mut self, before: InFlight) {
        if before.status {
            self.status_write = StatusWrite::InFlightBefore;
        }
        if before.finalizers {
            self.finalizing = Finalizing::InFlightBefore;
        }
    }

    /// Whether a status is to be made. None is while a write is unanswered: the answer leads to another look.
    pub(crate) fn awaits_status(&self) -> bool {
        self.needs_report && self.status_write == StatusWrite::No
    }

    /// No status is written before this time.
    pub(crate) fn status_not_before(&self, is_settled: bool) -> Option<Instant> {
        let pause = self.written_at.map(|at| at + PAUSE).filter(|_| !is_settled);
        pause.max(self.not_before)
    }

    /// Begins to write the status if it differs from the stored one.
    pub(crate) fn begin_writing_status(&mut self, status: &ImagePullSecretStatus, now: Instant) -> bool {
        self.needs_report = false;
        if *status == *self.written {
            return false;
        }
        self.status_write = StatusWrite::InFlight;
        self.written_at = Some(now);
        true
    }

    /// The answer to a status write.
    pub(crate) fn end_writing_status(
        &mut self,
        status: Arc<ImagePullSecretStatus>,
        result: Result<(), Refused>,
        now: Instant,
    ) {
        if std::mem::replace(&mut self.status_write, StatusWrite::No) == StatusWrite::InFlightBefore {
            return;
        }
        match result {
            // Changes since then have asked for another status.
            Ok(()) => (self.written, self.not_before) = (status, None),
            // Also where the object is gone: the watch tells that.
            Err(_) => (self.needs_report, self.not_before) = (true, Some(now + RETRY)),
        }
    }

    /// Begins to write the finalizers, unless a write is unanswered or the object's next version has to
    /// arrive first.
    pub(crate) fn begin_finalizing(&mut self, now: Instant) -> bool {
        let may_begin = match self.finalizing {
            Finalizing::No => true,
            Finalizing::InFlight | Finalizing::InFlightBefore => false,
            Finalizing::NotBefore(at) => at <= now,
        };
        let begins = may_begin && self.overtaken.as_deref() != Some(self.object.resource_version.as_str());
        if begins {
            self.finalizing = Finalizing::InFlight;
        }
        begins
    }

    /// The answer to a write of finalizers over this version. The newest version may have been observed
    /// before the answer came, so the object is looked at again.
    pub(crate) fn end_finalizing(&mut self, version: String, result: Result<(), Refused>, now: Instant) {
        if self.finalizing == Finalizing::InFlightBefore {
            (self.finalizing, self.needs_report) = (Finalizing::No, true);
            return;
        }
        match result {
            Ok(()) | Err(Refused::NotFound | Refused::Conflict) => {
                self.finalizing = Finalizing::No;
                self.overtaken = Some(version);
                self.needs_report = true;
            }
            Err(Refused::Failed) => self.finalizing = Finalizing::NotBefore(now + RETRY),
        }
    }

    /// When a failed write of finalizers is tried again; if that is now, the object is looked at.
    pub(crate) fn retry_finalizing(&mut self, now: Instant) -> Option<Instant> {
        let Finalizing::NotBefore(at) = self.finalizing else { return None };
        if at > now {
            return Some(at);
        }
        self.finalizing = Finalizing::No;
        self.overtaken = None;
        self.needs_report = true;
        None
    }
}

//! When the status and the finalizers of an ImagePullSecret are written.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Item;
use crate::input::Refused;
use custom_resource::ImagePullSecretStatus;

/// The time between two statuses of one object while there is still work.
const PAUSE: Duration = Duration::from_secs(1);
/// The wait before a status or finalizers that could not be written are tried again.
pub(super) const RETRY: Duration = Duration::from_secs(5);

/// Whether the finalizers of an object are being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finalizing {
    No,
    InFlight,
    /// They could not be, and are again then.
    NotBefore(Instant),
}

impl Item {
    /// Whether a status is to be made. While one is being written none is: its end makes it be looked at again.
    pub(crate) fn awaits_status(&self) -> bool {
        self.needs_report && !self.is_writing_status
    }

    /// Before when no status is written.
    pub(crate) fn status_not_before(&self, is_settled: bool) -> Option<Instant> {
        let pause = self.written_at.map(|at| at + PAUSE).filter(|_| !is_settled);
        pause.max(self.not_before)
    }

    /// Begins to write the status, unless it is what there is.
    pub(crate) fn begin_writing_status(&mut self, status: &ImagePullSecretStatus, now: Instant) -> bool {
        self.needs_report = false;
        if *status == *self.written {
            return false;
        }
        self.is_writing_status = true;
        self.written_at = Some(now);
        true
    }

    /// The status was written, or not.
    pub(crate) fn end_writing_status(
        &mut self,
        status: Arc<ImagePullSecretStatus>,
        result: Result<(), Refused>,
        now: Instant,
    ) {
        self.is_writing_status = false;
        match result {
            // What was told meanwhile has asked for another one.
            Ok(()) => (self.written, self.not_before) = (status, None),
            // Also where it is gone: the watch tells that, or of another one of the name.
            Err(_) => (self.needs_report, self.not_before) = (true, Some(now + RETRY)),
        }
    }

    /// Begins to write the finalizers, unless that is under way, or has to wait for the object as it is
    /// now.
    pub(crate) fn begin_finalizing(&mut self, now: Instant) -> bool {
        let may_begin = match self.finalizing {
            Finalizing::No => true,
            Finalizing::InFlight => false,
            Finalizing::NotBefore(at) => at <= now,
        };
        let begins = may_begin && self.overtaken.as_deref() != Some(self.object.resource_version.as_str());
        if begins {
            self.finalizing = Finalizing::InFlight;
        }
        begins
    }

    /// The finalizers were written over this version, or not. The newest version may have been seen before this answer
    /// came, so the object is looked at again.
    pub(crate) fn end_finalizing(&mut self, version: String, result: Result<(), Refused>, now: Instant) {
        match result {
            Ok(()) | Err(Refused::NotFound | Refused::Conflict) => {
                self.finalizing = Finalizing::No;
                self.overtaken = Some(version);
                self.needs_report = true;
            }
            Err(Refused::Failed) => self.finalizing = Finalizing::NotBefore(now + RETRY),
        }
    }

    /// When finalizers that could not be written are tried again; where that is now, they are looked at.
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

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

/// Writes that are under way of an object that is gone, perhaps with another one of its name in its place. What they are
/// answered says nothing of that one, and until then nothing else is written of the name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct InFlight {
    pub(crate) status: bool,
    pub(crate) finalizers: bool,
}

impl InFlight {
    /// Whether there is any.
    pub(crate) fn is_any(self) -> bool {
        self.status || self.finalizers
    }
}

/// Whether the status of an object is being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StatusWrite {
    No,
    InFlight,
    /// That of the object before it of its name is.
    InFlightBefore,
}

/// Whether the finalizers of an object are being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finalizing {
    No,
    InFlight,
    /// Those of the object before it of its name are.
    InFlightBefore,
    /// They could not be, and are again then.
    NotBefore(Instant),
}

impl Item {
    /// What is being written of it, or of one before it of its name.
    pub(crate) fn in_flight(&self) -> InFlight {
        InFlight {
            status: self.status_write != StatusWrite::No,
            finalizers: matches!(self.finalizing, Finalizing::InFlight | Finalizing::InFlightBefore),
        }
    }

    /// Of the object before it of its name this is still being written.
    pub(crate) fn wait_for(&mut self, before: InFlight) {
        if before.status {
            self.status_write = StatusWrite::InFlightBefore;
        }
        if before.finalizers {
            self.finalizing = Finalizing::InFlightBefore;
        }
    }

    /// Whether a status is to be made. While one is being written none is: its end makes it be looked at again.
    pub(crate) fn awaits_status(&self) -> bool {
        self.needs_report && self.status_write == StatusWrite::No
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
        self.status_write = StatusWrite::InFlight;
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
        if std::mem::replace(&mut self.status_write, StatusWrite::No) == StatusWrite::InFlightBefore {
            return;
        }
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
            Finalizing::InFlight | Finalizing::InFlightBefore => false,
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

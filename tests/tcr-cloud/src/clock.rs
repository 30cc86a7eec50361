//! The double's own clock, which tests move.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp, Zoned, tz};

/// The time of day, or a time that stands still, and an offset.
pub(crate) struct Clock {
    standing: Option<Timestamp>,
    offset: SignedDuration,
}

impl Clock {
    pub(crate) fn new(standing: Option<Timestamp>) -> Self {
        Self { standing, offset: SignedDuration::ZERO }
    }

    pub(crate) fn now(&self) -> Timestamp {
        let base = self.standing.unwrap_or_else(Timestamp::now);
        base.checked_add(self.offset).unwrap_or(Timestamp::MAX)
    }

    pub(crate) fn advance(&mut self, by: Duration) {
        let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
        self.offset = self.offset.saturating_add(by);
    }
}

/// `2025-01-03T12:09:57+08:00`: the API tells times of day as they are in Beijing.
pub(crate) fn beijing(time: Timestamp) -> String {
    Zoned::new(time, tz::TimeZone::fixed(tz::offset(8))).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// The form of HTTP's Date header.
pub(crate) fn http_date(time: Timestamp) -> String {
    Zoned::new(time, tz::TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// `2019-02-25`, the UTC day that a credential's scope names.
pub(crate) fn utc_day(time: Timestamp) -> String {
    Zoned::new(time, tz::TimeZone::UTC).strftime("%Y-%m-%d").to_string()
}

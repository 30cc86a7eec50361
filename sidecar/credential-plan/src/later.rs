//! Times that no addition carries past the end of time.

use jiff::{Timestamp, TimestampArithmetic};

/// The time after that, or the end of time.
pub fn later(time: Timestamp, by: impl Into<TimestampArithmetic>) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

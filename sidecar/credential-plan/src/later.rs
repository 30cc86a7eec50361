//! Additions to a time that end at the latest time instead of overflowing.

use jiff::{Timestamp, TimestampArithmetic};

/// The time this much later, or the latest that can be expressed.
pub fn later(time: Timestamp, by: impl Into<TimestampArithmetic>) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

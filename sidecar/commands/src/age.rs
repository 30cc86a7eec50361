//! A time span as kubectl prints it.

use jiff::Timestamp;

/// The age of `at` at the time `now`.
pub fn age(at: Timestamp, now: Timestamp) -> String {
    match now.duration_since(at).as_secs().max(0) {
        it @ 0..=119 => format!("{it}s"),
        it @ 120..=7199 => format!("{}m", it / 60),
        it @ 7200..=172_799 => format!("{}h", it / 3600),
        it => format!("{}d", it / 86_400),
    }
}

//! Waits between two tries, which double with each failure.

use std::time::Duration;

/// The first wait, and the longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    /// Waits from `first` to `longest`.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// The wait after a failure that `before` others preceded: the first wait, doubled by each of them.
    pub fn wait(self, before: u32) -> Duration {
        self.first.saturating_mul(2_u32.saturating_pow(before)).min(self.longest)
    }

    /// Between half and all of [`Backoff::wait`], so that callers that failed together do not retry together.
    /// `random` is uniform over all values.
    pub fn jittered(self, before: u32, random: u64) -> Duration {
        self.wait(before).mul_f64(0.5 + random as f64 / u64::MAX as f64 / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(250));

    #[test]
    fn each_failure_doubles_the_wait_up_to_the_longest() {
        let ms = |before| BACKOFF.wait(before).as_millis();
        assert_eq!([ms(0), ms(1), ms(2), ms(3), ms(u32::MAX)], [100, 200, 250, 250, 250]);
        let long = Backoff::new(Duration::from_secs(600), Duration::MAX);
        assert_eq!(long.wait(u32::MAX), Duration::from_secs(600).saturating_mul(u32::MAX));
    }

    #[test]
    fn chance_takes_at_most_half_of_the_wait() {
        let ms = |random| BACKOFF.jittered(1, random).as_millis();
        assert_eq!([ms(0), ms(u64::MAX / 2), ms(u64::MAX)], [100, 150, 200]);
    }
}

//! The client's own limit of calls per second for each action, from the documented ones: a call that would be
//! refused for its rate waits instead.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::action::Action;

/// When each action may be called again.
///
/// A bucket that holds a quarter of a second's calls and fills at four fifths of the documented rate: the
/// account has other callers too, and the cloud's seconds begin at other times.
#[derive(Debug, Default)]
pub struct RateLimit {
    /// When the bucket of an action is full again.
    full_at: HashMap<Action, Instant>,
}

impl RateLimit {
    /// Takes one call out of the action's bucket; returns how long to wait before it is sent.
    pub fn take(&mut self, action: Action, now: Instant) -> Duration {
        let per_second = f64::from(action.per_second());
        let one = Duration::from_secs_f64(1.0 / (per_second * 0.8));
        let holds = one.mul_f64((per_second / 4.0).max(1.0));
        let full_at = self.full_at.entry(action).or_insert(now);
        *full_at = (*full_at).max(now) + one;
        (*full_at - now).saturating_sub(holds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_sent_at_once_and_the_rest_at_the_rate() {
        let (mut limit, start) = (RateLimit::default(), Instant::now());
        let waits: Vec<u128> =
            (0..9).map(|_| limit.take(Action::DescribeInstanceToken, start).as_millis()).collect();
        // 20 a second: five at once, then one each 62.5 ms.
        assert_eq!(waits, [0, 0, 0, 0, 0, 62, 125, 187, 250]);
    }

    #[test]
    fn a_pause_fills_the_bucket_again_and_actions_do_not_share_one() {
        let (mut limit, start) = (RateLimit::default(), Instant::now());
        for _ in 0..9 {
            limit.take(Action::DescribeInstanceToken, start);
        }
        assert_eq!(limit.take(Action::DeleteInstanceToken, start), Duration::ZERO);
        assert_eq!(limit.take(Action::DescribeInstanceToken, start + Duration::from_secs(2)), Duration::ZERO);
    }

    #[test]
    fn in_any_second_there_are_fewer_calls_than_the_cloud_takes() {
        let (mut limit, start) = (RateLimit::default(), Instant::now());
        let sent: Vec<Instant> =
            (0..200).map(|_| start + limit.take(Action::DescribeInternalEndpoints, start)).collect();
        for first in &sent {
            let within = |at: &&Instant| **at >= *first && **at < *first + Duration::from_secs(1);
            assert!(sent.iter().filter(within).count() <= 20);
        }
    }
}

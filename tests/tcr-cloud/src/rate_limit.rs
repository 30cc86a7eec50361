//! Token buckets, one for each action and account: the documented calls per second.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::envelope::ApiError;

/// How much of every bucket is left.
#[derive(Default)]
pub(crate) struct RateLimit {
    buckets: HashMap<(&'static str, String), Bucket>,
}

struct Bucket {
    left: f64,
    filled_at: Timestamp,
}

impl RateLimit {
    /// Takes one call of `action` by `uin` out of its bucket, which holds `per_second` and gains as much
    /// each second.
    pub(crate) fn take(
        &mut self,
        action: &'static str,
        uin: &str,
        per_second: u32,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let full = f64::from(per_second);
        let bucket =
            self.buckets.entry((action, uin.to_owned())).or_insert(Bucket { left: full, filled_at: now });
        let passed = now.duration_since(bucket.filled_at).as_secs_f64().max(0.0);
        bucket.left = (bucket.left + passed * full).min(full);
        bucket.filled_at = now;
        if bucket.left < 1.0 {
            return Err(ApiError::new(
                "RequestLimitExceeded",
                format!(
                    "Your current request times equals to `{}` in a second, which exceeds the frequency limit \
                     `{per_second}` for a second. Please reduce the frequency of calls.",
                    per_second.saturating_add(1)
                ),
            ));
        }
        bucket.left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn spend(limit: &mut RateLimit, uin: &str, now: Timestamp) -> usize {
        (0..100).take_while(|_| limit.take("DescribeInstanceToken", uin, 20, now).is_ok()).count()
    }

    #[test]
    fn a_bucket_holds_a_second_of_calls_and_refills_evenly() {
        let mut limit = RateLimit::default();
        let start = Timestamp::UNIX_EPOCH;
        assert_eq!(spend(&mut limit, "1", start), 20);
        assert_eq!(spend(&mut limit, "1", start + Duration::from_millis(500)), 10);
        assert_eq!(spend(&mut limit, "1", start + Duration::from_secs(3600)), 20, "no more than a second's");
    }

    #[test]
    fn accounts_do_not_share_a_bucket() {
        let mut limit = RateLimit::default();
        assert_eq!(spend(&mut limit, "1", Timestamp::UNIX_EPOCH), 20);
        assert_eq!(spend(&mut limit, "2", Timestamp::UNIX_EPOCH), 20);
    }

    #[test]
    fn refusals_cost_nothing() {
        let mut limit = RateLimit::default();
        let start = Timestamp::UNIX_EPOCH;
        assert_eq!(spend(&mut limit, "1", start), 20);
        assert_eq!(spend(&mut limit, "1", start), 0);
        assert_eq!(spend(&mut limit, "1", start + Duration::from_millis(50)), 1);
    }
}

//! Until when a review is answered: within the policy's own time, and within the API server's.

use std::time::{Duration, Instant};

/// The part of the API server's timeout that is kept for the way back: a tenth, and no more than this.
const MARGIN: Duration = Duration::from_millis(500);
/// The longest duration that is read; Go writes none of its own that is longer.
const LONGEST: usize = 32;

/// A `timeout` in the query that is no time. A caller that is not told would believe it was heard: like
/// Kubernetes' own servers, this one answers 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the query's timeout {0:?} is no positive duration such as 10s or 1m30s; leave it out for the policy's own time"
)]
pub(super) struct BadTimeout(String);

/// The time that the API server's timeout leaves for the answer, from the query of its request: it sends the
/// webhook's `timeoutSeconds` as `timeout=10s`. `None` where the query has no timeout.
pub(super) fn of_query(query: Option<&str>) -> Result<Option<Duration>, BadTimeout> {
    let mut pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let Some((_, text)) = pairs.find(|(key, _)| key == "timeout") else { return Ok(None) };
    match duration(&text) {
        Some(timeout) if !timeout.is_zero() => Ok(Some(timeout - MARGIN.min(timeout / 10))),
        _ => Err(BadTimeout(text.chars().take(LONGEST).collect())),
    }
}

/// When a review that arrived then must be answered.
pub(super) fn deadline(arrived: Instant, own: Duration, callers: Option<Duration>) -> Instant {
    arrived + callers.map_or(own, |callers| own.min(callers))
}

/// Reads what Go's `time.Duration` prints and parses: numbers with units, such as `1m30.5s`.
fn duration(text: &str) -> Option<Duration> {
    if text.is_empty() || text.len() > LONGEST {
        return None;
    }
    let mut sum = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit() && c != '.')?);
        let (unit, after) = after.split_at(after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len()));
        let unit = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        let seconds = number.parse::<f64>().ok()? * unit;
        sum = sum.checked_add(Duration::try_from_secs_f64(seconds).ok()?)?;
        rest = after;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(query: &str, expected: Expect) {
        expected.assert_eq(&match of_query(Some(query)) {
            Ok(left) => format!("{left:?}"),
            Err(error) => error.to_string(),
        });
    }

    #[test]
    fn the_api_servers_time_is_read_and_leaves_a_margin() {
        check("", expect!["None"]);
        check("other=1s", expect!["None"]);
        check("timeout=10s", expect!["Some(9.5s)"]);
        check("timeout=1s", expect!["Some(900ms)"]);
        check("a=b&timeout=1m0s&timeout=x", expect!["Some(59.5s)"]);
        check("timeout=1.5s", expect!["Some(1.35s)"]);
        check("timeout=250ms", expect!["Some(225ms)"]);
        check("timeout=1h0m0.000000001s", expect!["Some(3599.500000001s)"]);
    }

    #[test]
    fn what_is_no_time_is_named_and_not_repeated_at_length() {
        check(
            "timeout=",
            expect![[
                r#"the query's timeout "" is no positive duration such as 10s or 1m30s; leave it out for the policy's own time"#
            ]],
        );
        for bad in ["0s", "-1s", "10", "s", "1.2.3s", "1sx", "1 s", "999999999999999999999h", "%00", "1e3s"] {
            assert!(of_query(Some(&format!("timeout={bad}"))).is_err(), "{bad}");
        }
        let error = of_query(Some(&format!("timeout={}", "9".repeat(1 << 20)))).unwrap_err().to_string();
        assert!(error.len() < 200, "{error}");
    }

    #[test]
    fn the_shorter_time_counts() {
        let arrived = Instant::now();
        let seconds = Duration::from_secs;
        assert_eq!(deadline(arrived, seconds(2), None), arrived + seconds(2));
        assert_eq!(deadline(arrived, seconds(2), Some(seconds(9))), arrived + seconds(2));
        assert_eq!(deadline(arrived, seconds(2), Some(seconds(1))), arrived + seconds(1));
    }
}

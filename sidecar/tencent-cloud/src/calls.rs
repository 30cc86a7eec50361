//! Counts calls of the cloud by action and outcome.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tcr::exposition::{Exposition, Metric};

/// Codes of one action that are counted separately; the cloud defines them, so their number is unknown.
const MOST_CODES: usize = 50;

/// Calls by action and outcome.
pub const CALLS: Metric = Metric::counter(
    "tcr_assistant_cloud_calls_total",
    "Calls of Tencent Cloud's API, repeats included; code is ok, the cloud's error code, or what else became of it.",
);

/// The counters of calls to the cloud.
#[derive(Debug, Default)]
pub struct Calls {
    counts: Mutex<BTreeMap<&'static str, BTreeMap<String, u64>>>,
}

impl Calls {
    /// Counts one exchange: with `ok`, the cloud's code, or the kind of failure.
    pub(crate) fn count(&self, action: &'static str, code: &str) {
        // The counters are valid even after a panic elsewhere.
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let codes = counts.entry(action).or_default();
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let is_new = !codes.contains_key(code);
        let code =
            match code.is_empty() || !code.chars().all(is_word) || (is_new && codes.len() >= MOST_CODES) {
                true => "other",
                false => code,
            };
        *codes.entry(code.to_owned()).or_default() += 1;
    }

    /// Adds the counters to `text`.
    pub fn expose(&self, text: &mut Exposition) {
        let mut samples = text.metric(&CALLS);
        for (action, codes) in &*self.counts.lock().unwrap_or_else(PoisonError::into_inner) {
            for (code, count) in codes {
                samples.sample(&[("action", action), ("code", code)], count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn text(calls: &Calls) -> String {
        let mut text = Exposition::default();
        calls.expose(&mut text);
        text.into_text()
    }

    #[test]
    fn what_the_cloud_says_cannot_break_the_text_or_fill_the_memory() {
        let calls = Calls::default();
        for code in ["ok", "ok", "AuthFailure.SignatureFailure", "a\"} 1\nb", ""] {
            calls.count("DescribeInstances", code);
        }
        expect![[r#"
            # HELP tcr_assistant_cloud_calls_total Calls of Tencent Cloud's API, repeats included; code is ok, the cloud's error code, or what else became of it.
            # TYPE tcr_assistant_cloud_calls_total counter
            tcr_assistant_cloud_calls_total{action="DescribeInstances",code="AuthFailure.SignatureFailure"} 1
            tcr_assistant_cloud_calls_total{action="DescribeInstances",code="ok"} 2
            tcr_assistant_cloud_calls_total{action="DescribeInstances",code="other"} 2
        "#]]
        .assert_eq(&text(&calls));
        (0..10 * MOST_CODES).for_each(|number| calls.count("DescribeInstances", &format!("code-{number}")));
        assert!(text(&calls).lines().count() <= MOST_CODES + 3);
    }
}

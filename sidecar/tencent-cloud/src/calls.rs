//! Counts calls of the cloud by action and outcome.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

/// Codes of one action that are told apart; the cloud makes them, so their number is not ours to know.
const MOST_CODES: usize = 50;

/// The counters.
#[derive(Debug, Default)]
pub struct Calls {
    counts: Mutex<BTreeMap<&'static str, BTreeMap<String, u64>>>,
}

impl Calls {
    /// One exchange has ended: with `ok`, the cloud's code, or a word for what became of it.
    pub(crate) fn count(&self, action: &'static str, code: &str) {
        // Counters stay right after a panic elsewhere.
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

    /// In Prometheus' text format.
    pub fn text(&self) -> String {
        let mut text = "# HELP tcr_assistant_cloud_calls_total Calls of Tencent Cloud's API, repeats included; code is ok, the \
                        cloud's error code, or what else became of it.\n\
                        # TYPE tcr_assistant_cloud_calls_total counter\n"
            .to_owned();
        for (action, codes) in &*self.counts.lock().unwrap_or_else(PoisonError::into_inner) {
            for (code, count) in codes {
                // Writing to a String does not fail.
                let _ = writeln!(
                    text,
                    "tcr_assistant_cloud_calls_total{{action=\"{action}\",code=\"{code}\"}} {count}"
                );
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

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
        .assert_eq(&calls.text());
        (0..10 * MOST_CODES).for_each(|number| calls.count("DescribeInstances", &format!("code-{number}")));
        assert!(calls.text().lines().count() <= MOST_CODES + 3);
    }
}

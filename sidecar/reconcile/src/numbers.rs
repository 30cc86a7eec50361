//! Numbers for `/metrics` that only the reconciler knows, in Prometheus' text format.

use std::fmt::Write as _;
use std::time::Duration;

/// Upper bounds of the latency's buckets, in seconds.
const BUCKETS: [f64; 8] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5, 10.0];

/// Counters.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    buckets: [u64; BUCKETS.len()],
    jobs: u64,
    seconds: f64,
    writes: u64,
    failures: u64,
    repairs: u64,
    overtaken: u64,
}

/// What is true of one ImagePullSecret now.
#[derive(Debug)]
pub(crate) struct Gauges<'a> {
    pub(crate) name: &'a str,
    pub(crate) sum: distribution::Tally,
    /// Pods that wait for an image without a reference to the Secret.
    pub(crate) stuck: usize,
    /// Objects that somebody else keeps changing back.
    pub(crate) contested: usize,
    /// Seconds since 1970 when its credential ends.
    pub(crate) expires: Option<i64>,
}

impl Counters {
    /// A namespace's job took so long.
    pub(crate) fn took(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        self.jobs += 1;
        self.seconds += seconds;
        for (bucket, bound) in self.buckets.iter_mut().zip(BUCKETS) {
            *bucket += u64::from(seconds <= bound);
        }
    }

    pub(crate) fn wrote(&mut self, count: usize) {
        self.writes += count as u64;
    }

    /// Somebody else changed what is ours.
    pub(crate) fn undone(&mut self) {
        self.repairs += 1;
    }

    /// Somebody else was faster.
    pub(crate) fn overtaken(&mut self) {
        self.overtaken += 1;
    }

    pub(crate) fn failed(&mut self) {
        self.failures += 1;
    }

    /// The text; `depth` is the queue's, and `oldest` how long its oldest has been in it.
    pub(crate) fn text(
        &self,
        depth: usize,
        oldest: Duration,
        namespaces: usize,
        lines: &[Gauges<'_>],
    ) -> String {
        let mut text = String::new();
        let mut put = |name: &str, help: &str, kind: &str, samples: &[(String, f64)]| {
            // Writing to a String does not fail.
            let _ = writeln!(text, "# HELP tcr_assistant_{name} {help}\n# TYPE tcr_assistant_{name} {kind}");
            for (rest, value) in samples {
                let _ = writeln!(text, "tcr_assistant_{name}{rest} {value}");
            }
        };
        let one = |value: f64| [(String::new(), value)];
        put("queue_depth", "Namespaces with work to do, now or later.", "gauge", &one(depth as f64));
        put(
            "queue_age_seconds",
            "How long the namespace that waits longest has been waiting.",
            "gauge",
            &one(oldest.as_secs_f64()),
        );
        put("namespaces", "Namespaces that are known.", "gauge", &one(namespaces as f64));
        put("writes_total", "Objects written in namespaces.", "counter", &one(self.writes as f64));
        put(
            "write_failures_total",
            "Writes in namespaces that failed.",
            "counter",
            &one(self.failures as f64),
        );
        put(
            "drift_total",
            "Changes by others to Secrets of ours and to references to them, each of which is repaired.",
            "counter",
            &one(self.repairs as f64),
        );
        put(
            "write_conflicts_total",
            "Writes that somebody else was faster than.",
            "counter",
            &one(self.overtaken as f64),
        );
        let gauge = |value: fn(&Gauges<'_>) -> Option<f64>| -> Vec<(String, f64)> {
            let sample =
                |line: &Gauges<'_>| Some((format!("{{image_pull_secret=\"{}\"}}", line.name), value(line)?));
            lines.iter().filter_map(sample).collect()
        };
        put(
            "secrets_desired",
            "Namespaces that shall have the Secret.",
            "gauge",
            &gauge(|it| Some(it.sum.secrets_desired as f64)),
        );
        put(
            "secrets",
            "Namespaces that have the Secret.",
            "gauge",
            &gauge(|it| Some(it.sum.secrets_success as f64)),
        );
        put(
            "service_accounts_desired",
            "ServiceAccounts that shall refer to the Secret.",
            "gauge",
            &gauge(|it| Some(it.sum.accounts_desired as f64)),
        );
        put(
            "service_accounts",
            "ServiceAccounts that refer to the Secret.",
            "gauge",
            &gauge(|it| Some(it.sum.accounts_success as f64)),
        );
        put(
            "conflicts",
            "Namespaces with somebody else's Secret in the way.",
            "gauge",
            &gauge(|it| Some(it.sum.conflicts as f64)),
        );
        put(
            "contested",
            "Objects that somebody else keeps changing back.",
            "gauge",
            &gauge(|it| Some(it.contested as f64)),
        );
        put(
            "pods_without_reference",
            "Pods that wait for an image of the registry and do not refer to the Secret.",
            "gauge",
            &gauge(|it| Some(it.stuck as f64)),
        );
        put(
            "credential_expiry_seconds",
            "When the credential ends, in seconds since 1970.",
            "gauge",
            &gauge(|it| it.expires.map(|at| at as f64)),
        );
        let mut samples: Vec<(String, f64)> = BUCKETS
            .iter()
            .zip(self.buckets)
            .map(|(bound, count)| (format!("_bucket{{le=\"{bound}\"}}"), count as f64))
            .collect();
        samples.push(("_bucket{le=\"+Inf\"}".to_owned(), self.jobs as f64));
        samples.push(("_sum".to_owned(), self.seconds));
        samples.push(("_count".to_owned(), self.jobs as f64));
        put("job_seconds", "Time to bring a namespace up to date.", "histogram", &samples);
        text
    }
}

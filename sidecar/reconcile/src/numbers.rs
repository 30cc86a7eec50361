//! Numbers for `/metrics` that only the reconciler knows, in Prometheus' text format.

use std::time::Duration;

use tcr::exposition::{Exposition, Metric};

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
        gauges: &[Gauges<'_>],
    ) -> String {
        let mut text = Exposition::default();
        text.value(&QUEUE_DEPTH, depth);
        text.value(&QUEUE_AGE, oldest.as_secs_f64());
        text.value(&NAMESPACES, namespaces);
        text.value(&WRITES, self.writes);
        text.value(&WRITE_FAILURES, self.failures);
        text.value(&DRIFT, self.repairs);
        text.value(&WRITE_CONFLICTS, self.overtaken);
        let mut by_object = |metric: &Metric, value: fn(&Gauges<'_>) -> Option<f64>| {
            let mut samples = text.metric(metric);
            for gauges in gauges {
                if let Some(value) = value(gauges) {
                    samples.sample(&[("image_pull_secret", gauges.name)], value);
                }
            }
        };
        by_object(&SECRETS_DESIRED, |it| Some(it.sum.secrets_desired as f64));
        by_object(&SECRETS, |it| Some(it.sum.secrets_success as f64));
        by_object(&ACCOUNTS_DESIRED, |it| Some(it.sum.accounts_desired as f64));
        by_object(&ACCOUNTS, |it| Some(it.sum.accounts_success as f64));
        by_object(&CONFLICTS, |it| Some(it.sum.conflicts as f64));
        by_object(&CONTESTED, |it| Some(it.contested as f64));
        by_object(&PODS_WITHOUT_REFERENCE, |it| Some(it.stuck as f64));
        by_object(&CREDENTIAL_EXPIRY, |it| it.expires.map(|at| at as f64));
        let buckets = BUCKETS.into_iter().zip(self.buckets);
        text.metric(&JOB_SECONDS).buckets(&[], buckets, self.seconds, self.jobs);
        text.into_text()
    }
}

const QUEUE_DEPTH: Metric =
    Metric::gauge("tcr_assistant_queue_depth", "Namespaces with work to do, now or later.");
const QUEUE_AGE: Metric = Metric::gauge(
    "tcr_assistant_queue_age_seconds",
    "How long the namespace that waits longest has been waiting.",
);
const NAMESPACES: Metric = Metric::gauge("tcr_assistant_namespaces", "Namespaces that are known.");
const WRITES: Metric = Metric::counter("tcr_assistant_writes_total", "Objects written in namespaces.");
const WRITE_FAILURES: Metric =
    Metric::counter("tcr_assistant_write_failures_total", "Writes in namespaces that failed.");
const DRIFT: Metric = Metric::counter(
    "tcr_assistant_drift_total",
    "Changes by others to Secrets of ours and to references to them, each of which is repaired.",
);
const WRITE_CONFLICTS: Metric =
    Metric::counter("tcr_assistant_write_conflicts_total", "Writes that somebody else was faster than.");
const SECRETS_DESIRED: Metric =
    Metric::gauge("tcr_assistant_secrets_desired", "Namespaces that shall have the Secret.");
const SECRETS: Metric = Metric::gauge("tcr_assistant_secrets", "Namespaces that have the Secret.");
const ACCOUNTS_DESIRED: Metric = Metric::gauge(
    "tcr_assistant_service_accounts_desired",
    "ServiceAccounts that shall refer to the Secret.",
);
const ACCOUNTS: Metric =
    Metric::gauge("tcr_assistant_service_accounts", "ServiceAccounts that refer to the Secret.");
const CONFLICTS: Metric =
    Metric::gauge("tcr_assistant_conflicts", "Namespaces with somebody else's Secret in the way.");
const CONTESTED: Metric =
    Metric::gauge("tcr_assistant_contested", "Objects that somebody else keeps changing back.");
const PODS_WITHOUT_REFERENCE: Metric = Metric::gauge(
    "tcr_assistant_pods_without_reference",
    "Pods that wait for an image of the registry and do not refer to the Secret.",
);
const CREDENTIAL_EXPIRY: Metric = Metric::gauge(
    "tcr_assistant_credential_expiry_seconds",
    "When the credential ends, in seconds since 1970.",
);
const JOB_SECONDS: Metric =
    Metric::histogram("tcr_assistant_job_seconds", "Time to bring a namespace up to date.");

/// What the reconciler counts, in the order of the text.
pub const METRICS: &[Metric] = &[
    QUEUE_DEPTH,
    QUEUE_AGE,
    NAMESPACES,
    WRITES,
    WRITE_FAILURES,
    DRIFT,
    WRITE_CONFLICTS,
    SECRETS_DESIRED,
    SECRETS,
    ACCOUNTS_DESIRED,
    ACCOUNTS,
    CONFLICTS,
    CONTESTED,
    PODS_WITHOUT_REFERENCE,
    CREDENTIAL_EXPIRY,
    JOB_SECONDS,
];

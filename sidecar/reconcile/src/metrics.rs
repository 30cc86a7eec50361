//! Metrics of the reconciler.

use std::time::Duration;

use tcr::exposition::{Exposition, Metric};

use custom_resource::ImagePullSecretStatus;
use distribution::Tally;

/// Upper bounds of the latency's buckets, in seconds.
const BUCKETS: [f64; 8] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5, 10.0];

const QUEUE_DEPTH: Metric =
    Metric::gauge("tcr_assistant_queue_depth", "Namespaces with work to do, now or later.");
const QUEUE_AGE: Metric = Metric::gauge(
    "tcr_assistant_queue_age_seconds",
    "How long the namespace that waits longest has been waiting.",
);
const BACKLOG: Metric = Metric::gauge(
    "tcr_assistant_backlog_depth",
    "Namespaces with work that nobody waits for: after a start the Secrets of 80 namespaces a second are read again.",
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
const PODS: Metric = Metric::gauge(
    "tcr_assistant_pods_without_reference",
    "Pods that wait for an image of the registry and do not refer to the Secret.",
);
const EXPIRY: Metric = Metric::gauge(
    "tcr_assistant_credential_expiry_seconds",
    "When the credential ends, in seconds since 1970.",
);
const ISSUED: Metric = Metric::gauge(
    "tcr_assistant_credential_issued_seconds",
    "When the credential was made, in seconds since 1970.",
);
const CONDITION: Metric = Metric::gauge(
    "tcr_assistant_condition",
    "1 for each condition of an ImagePullSecret's status, with its status and reason.",
);
const JOB_SECONDS: Metric =
    Metric::histogram("tcr_assistant_job_seconds", "Time to bring a namespace up to date.");

/// All metrics of the reconciler.
pub const ALL: &[Metric] = &[
    QUEUE_DEPTH,
    QUEUE_AGE,
    BACKLOG,
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
    PODS,
    EXPIRY,
    ISSUED,
    CONDITION,
    JOB_SECONDS,
];

/// Counters since the process began.
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

/// Values at the moment of a scrape.
#[derive(Debug)]
pub(crate) struct Gauges<'a> {
    /// Namespaces in the queue.
    pub(crate) depth: usize,
    /// How long the oldest of them has been queued.
    pub(crate) oldest: Duration,
    /// Namespaces in the backlog.
    pub(crate) backlog: usize,
    /// Known namespaces.
    pub(crate) namespaces: usize,
    /// The values of each ImagePullSecret.
    pub(crate) objects: Vec<ObjectGauges<'a>>,
}

/// The values of one ImagePullSecret.
#[derive(Debug)]
pub(crate) struct ObjectGauges<'a> {
    pub(crate) name: &'a str,
    pub(crate) sum: Tally,
    /// Pods that wait for an image without a reference to the Secret.
    pub(crate) stuck: usize,
    /// Objects that another client keeps changing back.
    pub(crate) contested: usize,
    /// When its credential ends, in seconds since 1970.
    pub(crate) expires: Option<i64>,
    /// When its credential was made, in seconds since 1970.
    pub(crate) issued: Option<i64>,
    /// Its status.
    pub(crate) status: &'a ImagePullSecretStatus,
}

impl Counters {
    /// A namespace's job took this long.
    pub(crate) fn took(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        self.jobs += 1;
        self.seconds += seconds;
        for (bucket, bound) in self.buckets.iter_mut().zip(BUCKETS) {
            *bucket += u64::from(seconds <= bound);
        }
    }

    /// A job wrote this many objects.
    pub(crate) fn wrote(&mut self, count: usize) {
        self.writes += count as u64;
    }

    /// Another client changed an object of ours back.
    pub(crate) fn undone(&mut self) {
        self.repairs += 1;
    }

    /// A write met a newer version of its object.
    pub(crate) fn overtaken(&mut self) {
        self.overtaken += 1;
    }

    /// A write failed.
    pub(crate) fn failed(&mut self) {
        self.failures += 1;
    }

    /// All metrics in Prometheus' text format.
    pub(crate) fn text(&self, gauges: &Gauges<'_>) -> String {
        let Gauges { depth, oldest, backlog, namespaces, objects } = gauges;
        let mut text = Exposition::default();
        text.value(&QUEUE_DEPTH, depth);
        text.value(&QUEUE_AGE, oldest.as_secs_f64());
        text.value(&BACKLOG, backlog);
        text.value(&NAMESPACES, namespaces);
        text.value(&WRITES, self.writes);
        text.value(&WRITE_FAILURES, self.failures);
        text.value(&DRIFT, self.repairs);
        text.value(&WRITE_CONFLICTS, self.overtaken);
        let mut gauge = |metric: &Metric, value: fn(&ObjectGauges<'_>) -> Option<i64>| {
            let mut samples = text.metric(metric);
            for object in objects {
                if let Some(value) = value(object) {
                    samples.sample(&[("image_pull_secret", object.name)], value);
                }
            }
        };
        gauge(&SECRETS_DESIRED, |it| Some(it.sum.secrets_desired));
        gauge(&SECRETS, |it| Some(it.sum.secrets_success));
        gauge(&ACCOUNTS_DESIRED, |it| Some(it.sum.accounts_desired));
        gauge(&ACCOUNTS, |it| Some(it.sum.accounts_success));
        gauge(&CONFLICTS, |it| Some(it.sum.conflicts));
        gauge(&CONTESTED, |it| i64::try_from(it.contested).ok());
        gauge(&PODS, |it| i64::try_from(it.stuck).ok());
        gauge(&EXPIRY, |it| it.expires);
        gauge(&ISSUED, |it| it.issued);
        let mut conditions = text.metric(&CONDITION);
        for object in objects {
            for it in &object.status.conditions {
                let labels = [
                    ("image_pull_secret", object.name),
                    ("type", &it.type_),
                    ("status", &it.status),
                    ("reason", &it.reason),
                ];
                conditions.sample(&labels, 1);
            }
        }
        let buckets = BUCKETS.into_iter().zip(self.buckets);
        text.metric(&JOB_SECONDS).buckets(&[], buckets, self.seconds, self.jobs);
        text.into_text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_that_is_declared_is_in_the_text_with_its_samples() {
        let mut counters = Counters::default();
        counters.took(Duration::from_millis(20));
        counters.wrote(3);
        let status: ImagePullSecretStatus = serde_json::from_value(serde_json::json!({"conditions": [{
            "type": "CredentialValid", "status": "False", "reason": "CredentialRefused", "message": "no",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }]}))
        .unwrap();
        let object = ObjectGauges {
            name: "demo",
            sum: Tally { secrets_desired: 2, ..Tally::default() },
            stuck: 1,
            contested: 0,
            expires: None,
            issued: Some(7),
            status: &status,
        };
        let gauges = Gauges {
            depth: 1,
            oldest: Duration::from_millis(1500),
            backlog: 2,
            namespaces: 4,
            objects: vec![object],
        };
        let text = counters.text(&gauges);
        let declared: Vec<String> = ALL.iter().map(|metric| format!("# HELP {} ", metric.name)).collect();
        let told: Vec<&str> = text.lines().filter(|line| line.starts_with("# HELP")).collect();
        assert_eq!(told.len(), declared.len());
        assert!(told.iter().zip(&declared).all(|(line, start)| line.starts_with(start)), "{text}");
        for sample in [
            "tcr_assistant_queue_age_seconds 1.5",
            "tcr_assistant_writes_total 3",
            "tcr_assistant_secrets_desired{image_pull_secret=\"demo\"} 2",
            "tcr_assistant_pods_without_reference{image_pull_secret=\"demo\"} 1",
            "tcr_assistant_credential_issued_seconds{image_pull_secret=\"demo\"} 7",
            "tcr_assistant_condition{image_pull_secret=\"demo\",type=\"CredentialValid\",status=\"False\",reason=\"CredentialRefused\"} 1",
            "tcr_assistant_job_seconds_bucket{le=\"0.01\"} 0",
            "tcr_assistant_job_seconds_bucket{le=\"0.025\"} 1",
            "tcr_assistant_job_seconds_sum 0.02",
        ] {
            assert!(text.lines().any(|line| line == sample), "{sample} is missing in\n{text}");
        }
        assert!(!text.contains("expiry_seconds{"), "nothing is said of what has no end");
    }
}

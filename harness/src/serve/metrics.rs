//! Counters and histograms for `/metrics`, in Prometheus' text format, under policy-server's names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tcr::exposition::{self, Exposition, Metric};

/// Reviews by result.
const EVALUATIONS: Metric =
    Metric::counter("kubewarden_policy_evaluations_total", "Evaluations, by the policy's own verdict.");
/// How long they took.
const LATENCY: Metric = Metric::histogram(
    "kubewarden_policy_evaluation_latency_milliseconds",
    "From a review's arrival to its answer.",
);

/// Policies by stage.
const POLICIES: Metric = Metric::gauge(
    "harness_policies",
    "Policies that are served, by stage: preparing, ready (is being made to answer faster), optimized, failed.",
);
/// Reloads of the policies file and of its modules, by result.
const RELOADS: Metric = Metric::counter(
    "harness_policies_reloads_total",
    "Changes of the policies file or of modules, by result.",
);
/// Whether the served policies are those of the file.
const RELOAD_SUCCESSFUL: Metric = Metric::gauge(
    "harness_policies_last_reload_successful",
    "1 where the policies file and its modules as they are now are served, 0 where those of before are.",
);
/// When the served policies began to be served.
const RELOAD_SUCCESS_TIME: Metric = Metric::gauge(
    "harness_policies_last_reload_success_timestamp_seconds",
    "When the policies that are served now were read.",
);

/// Every metric of the webhook, in the order in which it prints them.
pub const ALL: &[Metric] = &[EVALUATIONS, LATENCY, POLICIES, RELOADS, RELOAD_SUCCESSFUL, RELOAD_SUCCESS_TIME];

/// Upper bounds of the latency's buckets, in milliseconds. An evaluation takes well under one.
const BUCKETS: [f64; 12] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 50.0, 250.0, 1000.0, 5000.0];
/// Sets of labels that are counted: more than known words make.
const MOST_SERIES: usize = 2000;
/// The label value for texts of a caller's own.
const OTHER: &str = "other";
/// Kubernetes' own kinds that can be admitted or not.
const KINDS: [&str; 59] = [
    "APIService",
    "Binding",
    "CSIDriver",
    "CSINode",
    "CSIStorageCapacity",
    "CertificateSigningRequest",
    "ClusterRole",
    "ClusterRoleBinding",
    "ClusterTrustBundle",
    "ConfigMap",
    "ControllerRevision",
    "CronJob",
    "CustomResourceDefinition",
    "DaemonSet",
    "Deployment",
    "DeviceClass",
    "EndpointSlice",
    "Endpoints",
    "Event",
    "Eviction",
    "FlowSchema",
    "HorizontalPodAutoscaler",
    "IPAddress",
    "Ingress",
    "IngressClass",
    "Job",
    "Lease",
    "LimitRange",
    "Namespace",
    "NetworkPolicy",
    "Node",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Pod",
    "PodAttachOptions",
    "PodDisruptionBudget",
    "PodExecOptions",
    "PodPortForwardOptions",
    "PodProxyOptions",
    "PodTemplate",
    "PriorityClass",
    "PriorityLevelConfiguration",
    "ReplicaSet",
    "ReplicationController",
    "ResourceClaim",
    "ResourceClaimTemplate",
    "ResourceQuota",
    "ResourceSlice",
    "Role",
    "RoleBinding",
    "RuntimeClass",
    "Scale",
    "Secret",
    "Service",
    "ServiceAccount",
    "ServiceCIDR",
    "StatefulSet",
    "StorageClass",
    "VolumeAttachment",
];
const OPERATIONS: [&str; 4] = ["CONNECT", "CREATE", "DELETE", "UPDATE"];

/// A kind as the metrics name it: one of Kubernetes' own or of those that the policy has to do with; none for
/// a raw request.
pub(super) fn kind<'a>(kind: &'a str, of_policy: &BTreeSet<String>) -> &'a str {
    match kind.is_empty() || KINDS.binary_search(&kind).is_ok() || of_policy.contains(kind) {
        true => kind,
        false => OTHER,
    }
}

/// An operation as the metrics name it.
pub(super) fn operation(operation: &str) -> &str {
    match operation.is_empty() || OPERATIONS.contains(&operation) {
        true => operation,
        false => OTHER,
    }
}

/// The labels of a review. The namespace is not one: a cluster has too many.
#[derive(Debug)]
pub(super) struct Labels<'a> {
    pub(super) policy: &'a str,
    pub(super) mode: &'static str,
    pub(super) kind: &'a str,
    pub(super) operation: &'a str,
    pub(super) origin: &'static str,
    pub(super) accepted: bool,
    pub(super) mutated: bool,
    pub(super) error_code: Option<u16>,
}

/// Counters and histograms.
#[derive(Debug, Default)]
pub(super) struct Metrics(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    evaluations: BTreeMap<String, u64>,
    latencies: BTreeMap<String, Latency>,
    reloads: Reloads,
}

#[derive(Debug, Default)]
struct Reloads {
    applied: u64,
    failed: u64,
    has_failed: bool,
    /// Seconds of Unix' time.
    success: u64,
}

#[derive(Debug, Default)]
struct Latency {
    buckets: [u64; BUCKETS.len()],
    count: u64,
    sum: f64,
}

impl Metrics {
    /// One evaluation, from the review's arrival to its answer.
    pub(super) fn evaluated(&self, labels: &Labels<'_>, took: Duration) {
        let code = labels.error_code.map(|code| code.to_string());
        let pairs = [
            ("policy_name", labels.policy),
            ("policy_mode", labels.mode),
            ("resource_kind", labels.kind),
            ("resource_request_operation", labels.operation),
            ("request_origin", labels.origin),
            ("accepted", if labels.accepted { "true" } else { "false" }),
            ("mutated", if labels.mutated { "true" } else { "false" }),
            ("error_code", code.as_deref().unwrap_or_default()),
        ];
        let series = exposition::series(if code.is_some() { &pairs } else { &pairs[..pairs.len() - 1] });
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.evaluations.len() < MOST_SERIES || counts.evaluations.contains_key(&series) {
            *counts.evaluations.entry(series).or_default() += 1;
        }
        let latency = counts.latencies.entry(labels.policy.to_owned()).or_default();
        let milliseconds = took.as_secs_f64() * 1000.0;
        latency.count += 1;
        latency.sum += milliseconds;
        for (bucket, bound) in latency.buckets.iter_mut().zip(BUCKETS) {
            *bucket += u64::from(milliseconds <= bound);
        }
    }

    /// The policies file was read; `has_failed`: a part of it cannot be served.
    pub(super) fn policies_read(&self, is_reload: bool, has_failed: bool) {
        let reloads = &mut self.0.lock().unwrap_or_else(PoisonError::into_inner).reloads;
        reloads.has_failed = has_failed;
        if has_failed {
            reloads.failed += u64::from(is_reload);
            return;
        }
        reloads.applied += u64::from(is_reload);
        reloads.success = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    }

    /// The policies file matches the served policies again.
    pub(super) fn policies_recovered(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).reloads.has_failed = false;
    }

    /// The text; `stages` says how many policies are in each stage.
    pub(super) fn text(&self, stages: &BTreeMap<&'static str, usize>) -> String {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = Exposition::default();
        let mut evaluations = text.metric(&EVALUATIONS);
        for (series, count) in &counts.evaluations {
            evaluations.series(series, count);
        }
        let mut latencies = text.metric(&LATENCY);
        for (policy, latency) in &counts.latencies {
            let at_most = BUCKETS.into_iter().zip(latency.buckets);
            latencies.buckets(&[("policy_name", policy)], at_most, latency.sum, latency.count);
        }
        let mut policies = text.metric(&POLICIES);
        for (stage, count) in stages {
            policies.sample(&[("stage", stage)], count);
        }
        let Reloads { applied, failed, has_failed, success } = counts.reloads;
        let mut reloads = text.metric(&RELOADS);
        reloads.sample(&[("result", "applied")], applied);
        reloads.sample(&[("result", "failed")], failed);
        text.value(&RELOAD_SUCCESSFUL, u8::from(!has_failed));
        text.value(&RELOAD_SUCCESS_TIME, success);
        text.into_text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evaluations_are_counted_by_what_came_of_them() {
        let metrics = Metrics::default();
        let labels = Labels {
            policy: "tcr",
            mode: "protect",
            kind: "a\"b",
            operation: "CREATE",
            origin: "validate",
            accepted: true,
            mutated: true,
            error_code: None,
        };
        metrics.evaluated(&labels, Duration::from_micros(200));
        metrics.evaluated(&labels, Duration::from_millis(3));
        metrics.evaluated(&Labels { accepted: false, error_code: Some(500), ..labels }, Duration::ZERO);
        let text = metrics.text(&BTreeMap::new());
        let has = |line: &str| assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        has(
            "kubewarden_policy_evaluations_total{policy_name=\"tcr\",policy_mode=\"protect\",resource_kind=\"a\\\"b\",resource_request_operation=\"CREATE\",request_origin=\"validate\",accepted=\"true\",mutated=\"true\"} 2",
        );
        has("kubewarden_policy_evaluation_latency_milliseconds_bucket{policy_name=\"tcr\",le=\"0.25\"} 2");
        has("kubewarden_policy_evaluation_latency_milliseconds_bucket{policy_name=\"tcr\",le=\"+Inf\"} 3");
        has("kubewarden_policy_evaluation_latency_milliseconds_count{policy_name=\"tcr\"} 3");
    }

    #[test]
    fn a_reload_that_failed_is_told_until_what_the_file_says_is_served() {
        let metrics = Metrics::default();
        let told = || {
            let text = metrics.text(&BTreeMap::from([("optimized", 3)]));
            let lines = text.lines().filter(|line| line.starts_with("harness_") && !line.contains("seconds"));
            lines.map(|line| line.trim_start_matches("harness_").to_owned() + "\n").collect::<String>()
        };
        metrics.policies_read(false, false);
        metrics.policies_read(true, true);
        expect_test::expect![[r#"
            policies{stage="optimized"} 3
            policies_reloads_total{result="applied"} 0
            policies_reloads_total{result="failed"} 1
            policies_last_reload_successful 0
        "#]]
        .assert_eq(&told());
        metrics.policies_read(true, false);
        expect_test::expect![[r#"
            policies{stage="optimized"} 3
            policies_reloads_total{result="applied"} 1
            policies_reloads_total{result="failed"} 1
            policies_last_reload_successful 1
        "#]]
        .assert_eq(&told());
    }

    #[test]
    fn words_of_callers_are_named_only_when_they_are_known() {
        assert!(KINDS.is_sorted());
        let of_policy = BTreeSet::from(["ImagePullSecret".to_owned()]);
        for known in ["Pod", "ImagePullSecret", ""] {
            assert_eq!(kind(known, &of_policy), known);
        }
        assert_eq!(
            (kind("pod", &of_policy), operation("CREATE"), operation("x")),
            ("other", "CREATE", "other")
        );
    }

    #[test]
    fn kinds_that_a_caller_made_up_do_not_fill_the_memory() {
        let metrics = Metrics::default();
        for number in 0..MOST_SERIES + 10 {
            let labels = Labels {
                policy: "tcr",
                mode: "protect",
                kind: &number.to_string(),
                operation: "CREATE",
                origin: "validate",
                accepted: true,
                mutated: false,
                error_code: None,
            };
            metrics.evaluated(&labels, Duration::ZERO);
        }
        assert_eq!(metrics.0.lock().unwrap().evaluations.len(), MOST_SERIES);
    }
}

//! The policy's evaluation through the harness's in-process path, as a webhook runs it: from the
//! bytes of an AdmissionReview to the bytes of its answer, patch included, in a fresh instance.
//!
//! The baseline is what any host pays that parses the request at all: `serde_json` to a `Value` and
//! back, natively, of the same bytes. Both are sampled in turn, so that a slow spell of the machine
//! meets both, and each figure is the ratio of the medians.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use figure::{Figure, Limit, median};
use harness::host_capabilities::{ContextAwareResource, Grants, HostCall, HostCapabilities};
use harness::{Host, HostOptions, Policy, Settings};
use serde_json::{Value, json};

use crate::review;

const WASM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/policy.wasm");

/// Measures every figure of the policy.
pub(crate) fn measure(smoke: bool) -> anyhow::Result<Vec<Figure>> {
    let calls = if smoke { 50 } else { 4000 };
    let wasm =
        std::fs::read(Path::new(WASM)).with_context(|| format!("cannot read {WASM}: run ./justw policy"))?;
    let host = Host::new(HostOptions::default())?;
    let policy = Policy::load(&host, &wasm)?;
    let one = Settings::parse(&review::settings(1))?;
    let thousand = Settings::parse(&review::settings(1000))?;
    let discover = Settings::parse(r#"{"discover": true}"#)?;
    let discovering = policy.with_capabilities(grants()?, Arc::new(ImagePullSecrets::new(50)));
    // As the webhook does it: settings are read once.
    let sending = policy.clone();
    let policy_of_thousand = policy.prepared(&wasm, &thousand);
    let policy = policy.prepared(&wasm, &one);
    let discovering = discovering.prepared(&wasm, &discover);

    let ratio = |metric, limit, bytes: Vec<u8>, patched: bool, policy: &Policy, settings: &Settings| {
        let (policy, native) = compare(policy, settings, &bytes, patched, calls)?;
        anyhow::Ok([
            Figure { name: "policy", metric, value: policy / native, unit: "ratio", limit },
            Figure { name: "policy_p50", metric, value: policy, unit: "us", limit: None },
        ])
    };
    let mut figures = Vec::new();
    figures.extend(ratio("matched_2k_vs_native", None, review::pod(2 << 10, true), true, &policy, &one)?);
    figures.extend(ratio(
        "matched_5k_vs_native",
        Some(Limit::AtMost(1.25)),
        review::pod(5 << 10, true),
        true,
        &policy,
        &one,
    )?);
    figures.extend(ratio(
        "unmatched_5k_vs_native",
        Some(Limit::AtMost(0.9)),
        review::pod(5 << 10, false),
        false,
        &policy,
        &one,
    )?);
    figures.extend(ratio("matched_20k_vs_native", None, review::pod(20 << 10, true), true, &policy, &one)?);
    figures.extend(ratio(
        "matched_200k_vs_native",
        Some(Limit::AtMost(1.0)),
        review::pod(200 << 10, true),
        true,
        &policy,
        &one,
    )?);
    figures.extend(ratio(
        "deployment_20k_vs_native",
        None,
        review::deployment(20 << 10),
        false,
        &policy,
        &one,
    )?);
    figures.extend(ratio(
        "custom_resource_20k_vs_native",
        None,
        review::custom_resource(20 << 10),
        false,
        &policy,
        &one,
    )?);
    figures.extend(ratio(
        "discover_50_vs_native",
        Some(Limit::AtMost(2.0)),
        review::pod(5 << 10, true),
        true,
        &discovering,
        &discover,
    )?);

    let pod = review::pod(5 << 10, true);
    let (with_thousand, with_one) =
        alternate(calls, || run(&policy_of_thousand, &thousand, &pod), || run(&policy, &one, &pod))?;
    figures.push(Figure {
        name: "policy",
        metric: "registries_1000_vs_1",
        value: with_thousand / with_one,
        unit: "ratio",
        limit: Some(Limit::AtMost(1.2)),
    });
    // As a host does it that sends the settings with each request.
    let (with_thousand, with_one) =
        alternate(calls, || run(&sending, &thousand, &pod), || run(&sending, &one, &pod))?;
    figures.push(Figure {
        name: "policy",
        metric: "registries_1000_vs_1_sent",
        value: with_thousand / with_one,
        unit: "ratio",
        limit: None,
    });
    let size = std::fs::metadata(WASM)?.len() as f64;
    figures.push(Figure {
        name: "policy",
        metric: "wasm_bytes",
        value: size,
        unit: "bytes",
        limit: Some(Limit::AtMost(262_144.0)),
    });
    Ok(figures)
}

/// Measures Pods of a megabyte: an ordinary one, and one that has a registry of its own for each of many small containers.
pub(crate) fn measure_large(smoke: bool) -> anyhow::Result<Vec<Figure>> {
    let calls = if smoke { 1 } else { 50 };
    let wasm =
        std::fs::read(Path::new(WASM)).with_context(|| format!("cannot read {WASM}: run ./justw policy"))?;
    // How slow is too slow says the figure.
    let host = Host::new(HostOptions { timeout: Duration::from_secs(600), ..HostOptions::default() })?;
    let one = Settings::parse(&review::settings(1))?;
    let policy = Policy::load(&host, &wasm)?.prepared(&wasm, &one);
    let mut figures = Vec::new();
    for (metric, review) in [
        ("pod_1mb_vs_native", review::pod(1 << 20, true)),
        ("pod_1mb_of_registries_vs_native", review::pod_of_registries(1 << 20)),
    ] {
        let answer: Value = serde_json::from_slice(&policy.review(&review, &one)?)?;
        ensure!(
            answer["response"]["allowed"] == true,
            "the policy refused the benchmark's request: {answer}"
        );
        let (policy, native) = alternate(calls, || run(&policy, &one, &review), || native(&review))?;
        figures.push(Figure {
            name: "serve",
            metric,
            value: policy / native,
            unit: "ratio",
            limit: Some(Limit::AtMost(1.5)),
        });
    }
    Ok(figures)
}

/// Medians in microseconds: the policy's answer to the review, and the native round trip of it.
fn compare(
    policy: &Policy,
    settings: &Settings,
    review: &[u8],
    patched: bool,
    calls: usize,
) -> anyhow::Result<(f64, f64)> {
    let answer: Value = serde_json::from_slice(&policy.review(review, settings)?)?;
    ensure!(answer["response"]["allowed"] == true, "the policy refused the benchmark's request: {answer}");
    ensure!(answer["response"]["patch"].is_string() == patched, "patched is not {patched}: {answer}");
    alternate(calls, || run(policy, settings, review), || native(review))
}

/// What any host pays that parses the request at all.
fn native(review: &[u8]) -> anyhow::Result<()> {
    let value: Value = serde_json::from_slice(black_box(review))?;
    black_box(serde_json::to_vec(&value)?);
    Ok(())
}

fn run(policy: &Policy, settings: &Settings, review: &[u8]) -> anyhow::Result<()> {
    black_box(policy.review(black_box(review), settings)?);
    Ok(())
}

/// Medians in microseconds of two things done in turn.
fn alternate(
    calls: usize,
    mut first: impl FnMut() -> anyhow::Result<()>,
    mut second: impl FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<(f64, f64)> {
    let mut samples = (Vec::with_capacity(calls), Vec::with_capacity(calls));
    for call in 0..calls + calls / 10 {
        let started = Instant::now();
        first()?;
        let between = Instant::now();
        second()?;
        let ended = Instant::now();
        // The first tenth warms caches up.
        if call >= calls / 10 {
            samples.0.push((between - started).as_secs_f64() * 1e6);
            samples.1.push((ended - between).as_secs_f64() * 1e6);
        }
    }
    Ok((median(samples.0), median(samples.1)))
}

fn grants() -> anyhow::Result<Grants> {
    let image_pull_secret = ContextAwareResource {
        api_version: "tcr.tencentcloudcr.com/v1".to_owned(),
        kind: "ImagePullSecret".to_owned(),
    };
    Ok(Grants::of_whole_objects(vec!["kubernetes/*".parse()?], [image_pull_secret]))
}

/// A cluster with some ImagePullSecrets, as a host that caches them answers.
struct ImagePullSecrets(Vec<u8>);

impl ImagePullSecrets {
    fn new(count: usize) -> Self {
        let items: Vec<Value> = (0..count)
            .map(|index| {
                let name = if index == 0 { "demo".to_owned() } else { format!("team-{index}") };
                json!({"metadata": {"name": name}, "spec": {"namespaces": "*", "serviceAccounts": "*",
                    "docker": {"server": format!("{name}-vpc.tencentcloudcr.com")}}})
            })
            .collect();
        let list = json!({"apiVersion": "v1", "kind": "ImagePullSecretList", "metadata": {}, "items": items});
        Self(list.to_string().into_bytes())
    }
}

impl HostCapabilities for ImagePullSecrets {
    fn call(&self, call: &HostCall<'_>) -> Result<Vec<u8>, String> {
        match call.operation {
            "list_resources_all" => Ok(self.0.clone()),
            other => Err(format!("{other} is not part of this benchmark")),
        }
    }
}

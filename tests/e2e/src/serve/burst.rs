//! Many Pods at once, through the API server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::PostParams;
use tokio::task::JoinSet;

use crate::installed::{Installed, has_reference};
use crate::review;

/// What most Pods have.
const SIZE: usize = 5 << 10;

/// What came of a burst.
#[derive(Default)]
pub(super) struct Burst {
    /// Pods that were not created.
    pub(super) refused: usize,
    /// Pods that were created without the reference.
    pub(super) uninjected: usize,
    /// Milliseconds that each creation took.
    pub(super) took: Vec<f64>,
    /// How long all of them took together.
    pub(super) all: Duration,
}

/// Creates so many Pods in the namespace, as fast as the API server takes them from so many clients.
pub(super) async fn create(
    installed: &Installed<'_>,
    namespace: &str,
    pods: usize,
    clients: usize,
) -> Result<Burst> {
    let api: Api<Pod> = Api::namespaced(installed.client.clone(), namespace);
    let next = Arc::new(AtomicUsize::new(0));
    let mut all = Vec::new();
    for number in 0..pods {
        all.push(serde_json::from_value::<Pod>(review::pod(namespace, &format!("web-{number}"), SIZE))?);
    }
    let all = Arc::new(all);
    let start = Instant::now();
    let mut creating = JoinSet::new();
    for _ in 0..clients {
        let (api, next, all) = (api.clone(), next.clone(), all.clone());
        creating.spawn(async move {
            let mut burst = Burst::default();
            while let Some(pod) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                let start = Instant::now();
                let made = api.create(&PostParams::default(), pod).await;
                burst.took.push(start.elapsed().as_secs_f64() * 1e3);
                let made = match made {
                    // Made by a try before, whose answer was not waited for.
                    Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => {
                        api.get(pod.metadata.name.as_deref().unwrap_or_default()).await
                    }
                    made => made,
                };
                match made {
                    Ok(made) => burst.uninjected += usize::from(!has_reference(&made)),
                    Err(error) => {
                        eprintln!("not created: {error}");
                        burst.refused += 1;
                    }
                }
            }
            burst
        });
    }
    let mut sum = Burst::default();
    for burst in creating.join_all().await {
        sum.refused += burst.refused;
        sum.uninjected += burst.uninjected;
        sum.took.extend(burst.took);
    }
    sum.all = start.elapsed();
    Ok(sum)
}

/// Reviews that the API server has gone on without, by its own count.
pub(super) async fn failed_open(installed: &Installed<'_>) -> Result<f64> {
    let metrics = installed.plane.kubectl(&["get", "--raw", "/metrics"]).await?.checked()?;
    let counts = metrics.lines().filter(|it| it.starts_with("apiserver_admission_webhook_fail_open_count{"));
    Ok(counts.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
}

//! Tenants of one instance, each with an ImagePullSecret and a service account of its own: how long until all of them pull,
//! what the cloud is asked, and what it costs in memory. The raw writer makes the same accounts by the same client, which
//! keeps to the cloud's calls per second.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use custom_resource::ImagePullSecret;
use figure::{Figure, median};
use futures::{StreamExt as _, TryStreamExt as _};
use kube::api::{DeleteParams, ListParams, PostParams};
use serde_json::json;
use support::eventually;
use tcr_cloud::{Account, Call, Cloud, Config};
use tencent_cloud::api_credential::Chain;
use tencent_cloud::client::{Client, Settings};
use tencent_cloud::service_account::ServiceAccountSpec;

use crate::cluster::{CONCURRENCY, Cluster, PATIENCE};
use crate::fill::figure;
use crate::progress::say;
use crate::raw;
use crate::sizes::Sizes;
use crate::subject::Subject;

const INSTANCE: &str = "tcr-demo0001";
const REGION: &str = "ap-guangzhou";
/// Calls of one action that the cloud takes in a second.
const CALLS: f64 = 20.0;

/// What the controller of one round took.
struct Round {
    seconds: f64,
    memory: f64,
    calls: Vec<Call>,
}

/// Fills the namespaces of as many tenants, in turn with the raw writer.
pub(crate) async fn measure(cluster: &Cluster, sizes: &Sizes) -> Result<Vec<Figure>> {
    let (mut ours, mut raw, mut peak, mut most, mut refused) = (Vec::new(), Vec::new(), 0.0_f64, 0, 0);
    for round in 0..sizes.runs {
        say(&format!("{} tenants, {} of {}", sizes.tenants, round + 1, sizes.runs));
        let Round { seconds, memory, calls } = fill(cluster, sizes.tenants).await?;
        ours.push(seconds);
        peak = peak.max(memory);
        most = most.max(most_in_a_second(&calls));
        refused += calls.iter().filter(|it| it.code.as_deref() == Some("RequestLimitExceeded")).count();
        // Behind those of the other fills.
        raw.push(raw_fill(cluster, sizes.tenants, 2 * sizes.runs + round).await?);
    }
    let (ours, raw) = (median(ours), median(raw));
    Ok(vec![
        figure("tenants_fill_vs_raw", ours / raw, "ratio", Some(1.25)),
        figure("tenants_fill", ours, "s", None),
        figure("tenants_calls_per_second_max", most as f64, "calls", Some(CALLS)),
        figure("tenants_calls_refused", refused as f64, "calls", None),
        figure("tenants_rss_mib", peak, "MiB", Some(30.0)),
    ])
}

fn registry_namespace(index: usize) -> String {
    format!("team-{index:04}")
}

fn object_name(index: usize) -> String {
    format!("tenant-{index:04}")
}

/// A cloud with a registry namespace for each tenant, and room for their accounts.
fn cloud(tenants: usize) -> Result<Cloud> {
    let mut config = Config::demo();
    let instance = config.instances.first_mut().context("the demo has no instance")?;
    instance.namespaces = (0..tenants).map(registry_namespace).collect();
    instance.service_account_quota = u32::try_from(tenants * 2)?;
    Ok(Cloud::start(config)?)
}

/// From the first ImagePullSecret until each namespace has its Secret and each ServiceAccount refers to it.
async fn fill(cluster: &Cluster, tenants: usize) -> Result<Round> {
    let cloud = cloud(tenants)?;
    let controller = cluster.controller_of(&cloud).await?;
    let before = controller.metrics().await?.writes();
    let started = Instant::now();
    let ask = |index: usize| {
        let credential = json!({"type": "serviceAccount", "registryNamespaces": [registry_namespace(index)]});
        let object = json!({
            "metadata": {"name": object_name(index)},
            "spec": {
                "namespaces": Cluster::name(index), "serviceAccounts": "default",
                "tcr": {"instanceId": INSTANCE, "region": REGION, "credential": credential},
            },
        });
        async move {
            let object: ImagePullSecret = serde_json::from_value(object)?;
            cluster.objects().create(&PostParams::default(), &object).await?;
            anyhow::Ok(())
        }
    };
    futures::stream::iter((0..tenants).map(ask)).buffer_unordered(CONCURRENCY).try_collect::<()>().await?;
    let all = before + 2.0 * tenants as f64;
    controller.until("a fill of tenants", |metrics| metrics.writes() >= all).await?;
    let seconds = started.elapsed().as_secs_f64();
    controller.quiet().await?;
    let memory = controller.memory()?.1;
    let calls = cloud.calls();
    let live = cloud.live_service_accounts().len();
    ensure!(live == tenants, "{live} accounts live, of {tenants} tenants");
    clean_up(cluster, &cloud, controller).await?;
    Ok(Round { seconds, memory, calls })
}

async fn clean_up(cluster: &Cluster, cloud: &Cloud, controller: Subject) -> Result<()> {
    cluster.objects().delete_collection(&DeleteParams::default(), &ListParams::default()).await?;
    eventually("the tenants to be gone", PATIENCE, async || {
        let left = cluster.objects().list_metadata(&ListParams::default()).await?.items.len();
        ensure!(left == 0, "{left} are left");
        let live = cloud.live_service_accounts().len();
        ensure!(live == 0, "{live} accounts live");
        Ok(())
    })
    .await?;
    controller.kill();
    Ok(())
}

/// An account, a Secret and a reference for each tenant.
async fn raw_fill(cluster: &Cluster, tenants: usize, round: usize) -> Result<f64> {
    let cloud = cloud(tenants)?;
    let account = Account::demo();
    let settings = Settings { endpoint: Some(cloud.url().parse()?), ..Settings::default() };
    let client = Client::new(settings, Chain::over(move |name| account.variable(name)))?;
    let started = Instant::now();
    let one = |index: usize| {
        let client = &client;
        async move {
            let account = ServiceAccountSpec {
                name: object_name(index),
                description: "raw".to_owned(),
                registry_namespaces: vec![registry_namespace(index)],
                expires_at: jiff::Timestamp::now() + Duration::from_secs(90 * 24 * 3600),
            };
            client.create_service_account(REGION, INSTANCE, &account).await?;
            let namespace = Cluster::name(index);
            raw::create(&cluster.client, &namespace, &raw::secret_name(round)).await?;
            raw::refer(&cluster.client, &namespace, "default", round).await
        }
    };
    futures::stream::iter((0..tenants).map(one)).buffer_unordered(CONCURRENCY).try_collect::<()>().await?;
    Ok(started.elapsed().as_secs_f64())
}

/// The most calls about service accounts, of one action, in any second.
fn most_in_a_second(calls: &[Call]) -> usize {
    let mut times: BTreeMap<&str, Vec<jiff::Timestamp>> = BTreeMap::new();
    for call in calls.iter().filter(|it| it.action.contains("ServiceAccount")) {
        times.entry(&call.action).or_default().push(call.at);
    }
    let most = |times: &Vec<jiff::Timestamp>| {
        let within = |from: &jiff::Timestamp| {
            times.iter().filter(|at| *at >= from && **at < *from + Duration::from_secs(1)).count()
        };
        times.iter().map(within).max().unwrap_or_default()
    };
    times.values().map(most).max().unwrap_or_default()
}

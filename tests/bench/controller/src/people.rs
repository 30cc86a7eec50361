//! What people ask of a large cluster: `./justw bench people`.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use figure::{Figure, Limit, median};
use k8s_openapi::api::core::v1::{Namespace, Secret, ServiceAccount};
use kube::api::ListParams;
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::progress::say;
use crate::sizes::Sizes;

/// The ImagePullSecret that is everywhere already.
const THERE: &str = "there";
/// Objects in a page of a list.
const PAGE: u32 = 500;

/// What a run took.
struct Run {
    seconds: f64,
    mib: f64,
    stdout: String,
}

/// Plans, and what is asked beside them, in a cluster of which each namespace has a Secret and three ServiceAccounts.
pub(crate) async fn measure(cluster: &mut Cluster, sizes: &Sizes) -> Result<Vec<Figure>> {
    let size = sizes.namespaces;
    say(&format!("making {size} namespaces with three ServiceAccounts each"));
    cluster.grow(size, 3).await?;
    let controller = cluster.controller().await?;
    cluster.ask(THERE).await?;
    controller.until("the Secret to be everywhere", |now| now.is_at(THERE, size, size * 3)).await?;
    controller.quiet().await?;
    controller.kill();

    let asked = cluster.plane.run().folder().join("asked.json");
    let docker = json!({"server": "new.tencentcloudcr.com", "username": "100", "password": "new"});
    let manifest = json!({
        "apiVersion": "tcr.tencentcloudcr.com/v1", "kind": "ImagePullSecret", "metadata": {"name": "asked"},
        "spec": {"namespaces": "ns-*", "docker": docker},
    });
    std::fs::write(&asked, manifest.to_string())?;
    let asked = asked.to_str().context("the path is no text")?;
    let (mut lists, mut nothing, mut plans, mut secrets) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut peak = 0.0_f64;
    for round in 1..=sizes.runs {
        say(&format!("run {round} of {}", sizes.runs));
        lists.push(list(&cluster.client).await?);
        let run = command(cluster, &["plan", "-o", "json"], 0)?;
        ensure!(counted(&run.stdout, "Secret")? == 0, "a plan of what is as it shall be has writes");
        nothing.push(run.seconds);
        peak = peak.max(run.mib);
        let run = command(cluster, &["plan", "-f", asked, "-o", "json"], 2)?;
        let (secrets_planned, edits) =
            (counted(&run.stdout, "Secret")?, counted(&run.stdout, "ServiceAccount")?);
        ensure!(
            (secrets_planned, edits) == (size, size * 3),
            "planned {secrets_planned} Secrets and {edits} ServiceAccounts"
        );
        plans.push(run.seconds);
        peak = peak.max(run.mib);
        let run = command(cluster, &["secrets", THERE], 0)?;
        secrets.push(run.seconds);
        peak = peak.max(run.mib);
    }
    let figure = |metric, value, unit, limit: Option<f64>| {
        let limit = limit.map(Limit::AtMost);
        Figure { name: "people", metric, value, unit, limit }
    };
    let (lists, plan) = (median(lists), median(plans));
    Ok(vec![
        figure("plan_10k", plan, "s", Some(5.0)),
        figure("plan_nothing_10k", median(nothing), "s", Some(5.0)),
        figure("plan_vs_lists", plan / lists, "ratio", None),
        figure("secrets_10k", median(secrets), "s", Some(5.0)),
        figure("rss_10k_mib", peak, "MiB", Some(100.0)),
    ])
}

/// Runs the program as the cluster's administrator; what it took until it ended with this code.
fn command(cluster: &Cluster, arguments: &[&str], code: i32) -> Result<Run> {
    let output = cluster.plane.run().folder().join("told");
    let started = Instant::now();
    let mut child = Command::new(cluster.program())
        .args(arguments)
        .env("KUBECONFIG", cluster.plane.kubeconfig())
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(&output)?)
        .spawn()?;
    let (mut mib, id) = (0.0_f64, child.id());
    let status = loop {
        // What Linux says last before it ends is the most that it ever took.
        mib = mib.max(peak(id).unwrap_or_default());
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let seconds = started.elapsed().as_secs_f64();
    ensure!(status.code() == Some(code), "{arguments:?} ended with {status}");
    Ok(Run { seconds, mib, stdout: std::fs::read_to_string(output)? })
}

fn peak(id: u32) -> Option<f64> {
    let status = std::fs::read_to_string(Path::new("/proc").join(id.to_string()).join("status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024.0)
}

fn counted(plan: &str, kind: &str) -> Result<usize> {
    let plan: Value = serde_json::from_str(plan)?;
    let writes = plan["writes"].as_array().context("the plan has no writes")?;
    Ok(writes.iter().filter(|write| write["kind"] == kind).count())
}

/// Seconds that a client without logic takes for the same lists.
async fn list(client: &Client) -> Result<f64> {
    async fn all<K>(api: Api<K>, params: ListParams) -> Result<()>
    where
        K: Clone + serde::de::DeserializeOwned + std::fmt::Debug,
    {
        let mut params = params.limit(PAGE);
        loop {
            let page = api.list(&params).await?;
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => return Ok(()),
            }
        }
    }
    let ours = ListParams::default().labels("app.kubernetes.io/managed-by=tcr-assistant");
    let started = Instant::now();
    tokio::try_join!(
        all(Api::<Namespace>::all(client.clone()), ListParams::default()),
        all(Api::<ServiceAccount>::all(client.clone()), ListParams::default()),
        all(Api::<Secret>::all(client.clone()), ours),
    )?;
    Ok(started.elapsed().as_secs_f64())
}

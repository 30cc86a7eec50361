//! What the controller does, and takes, while there is nothing to do.

use anyhow::{Result, ensure};
use figure::Figure;
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::cluster::{CONCURRENCY, Cluster, RAW_PREFIX};
use crate::fill::{LAST, figure};
use crate::progress::say;
use crate::raw;
use crate::sizes::Sizes;

/// Objects in one page of a list, as the controller asks for them.
const PAGE: usize = 100;

/// Writes of a controller that starts, is told of changes that are none, and idles.
pub(crate) async fn measure(cluster: &mut Cluster, sizes: &Sizes) -> Result<Vec<Figure>> {
    say("starting again with nothing to do");
    let controller = cluster.controller().await?;
    controller.quiet().await?;
    let started = controller.metrics().await?;
    let restart = started.object_writes();
    let (size, accounts) = (cluster.size, cluster.size * cluster.accounts);
    // Namespaces and ServiceAccounts that the control plane brings along fit into one page more; so do passwords, and
    // stored credentials. Behind the last Secret of ours the API server looks for another one.
    for (kind, count) in [("namespaces", size), ("serviceaccounts", accounts), ("secrets", size * sizes.runs)]
    {
        let pages = started.calls(&["list"], Some(kind));
        let most = count.div_ceil(PAGE) + 3;
        ensure!(pages <= most as f64, "{pages} pages of {kind} were listed where {most} hold them all");
    }

    say("changes that are none");
    let touch = Patch::Merge(json!({"metadata": {"annotations": {"bench": "touched"}}}));
    cluster.objects().patch(LAST, &PatchParams::default(), &touch).await?;
    for index in 0..sizes.samples.min(cluster.size) {
        let api = Api::<ServiceAccount>::namespaced(cluster.client.clone(), &Cluster::name(index));
        api.patch("default", &PatchParams::default(), &touch).await?;
    }
    controller.quiet().await?;
    let repeated = controller.metrics().await?.object_writes() - restart;

    say("reading every Secret once");
    controller.idle().await?;
    say("idling");
    let before = controller.cpu()?;
    tokio::time::sleep(sizes.idle).await;
    let cpu = (controller.cpu()? - before) / sizes.idle.as_secs_f64() * 100.0;
    let peak = controller.memory()?.1;
    controller.kill();
    Ok(vec![
        figure("restart_writes", restart, "writes", Some(0.0)),
        figure("repeated_writes", repeated, "writes", Some(0.0)),
        figure("idle_cpu_percent", cpu, "%", Some(1.0)),
        figure("rss_restart_mib", peak, "MiB", Some(30.0)),
    ])
}

/// What Secrets of others cost.
pub(crate) async fn foreign(cluster: &mut Cluster, sizes: &Sizes) -> Result<Vec<Figure>> {
    say(&format!("{} Secrets of others", sizes.foreign));
    let controller = cluster.controller().await?;
    controller.idle().await?;
    let before = controller.memory()?;
    let one = |index: usize| {
        let (client, namespace) = (&cluster.client, Cluster::name(index % cluster.size));
        async move { raw::create(client, &namespace, &format!("{RAW_PREFIX}foreign-{index}")).await }
    };
    let made = futures::stream::iter((0..sizes.foreign).map(one)).buffer_unordered(CONCURRENCY);
    made.try_collect::<()>().await?;
    controller.quiet().await?;
    let after = controller.memory()?;
    controller.kill();
    // What was resident grew, or the most that ever was.
    let growth = (after.0 - before.0).max(after.1 - before.1);
    Ok(vec![figure("rss_foreign_mib", growth, "MiB", Some(2.0))])
}

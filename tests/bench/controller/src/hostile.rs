//! What objects cost that anybody may make, as large as the API server lets them be: none of them is ours.

use anyhow::{Result, ensure};
use figure::Figure;
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::{Namespace, Pod, Secret, ServiceAccount};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;

use crate::cluster::Cluster;
use crate::fill::figure;
use crate::progress::say;
use crate::sizes::Sizes;

/// Large objects that are made at a time.
const AT_A_TIME: usize = 8;
/// Bytes of a Secret's value, and of a Pod: near the most that the API server takes.
const LARGE: usize = 1_000_000;
/// Bytes of annotations; the API server takes 256 KiB.
const ANNOTATIONS: usize = 200_000;

/// The most memory of a controller before which they are made, and of one that starts with them.
pub(crate) async fn measure(cluster: &mut Cluster, sizes: &Sizes) -> Result<Vec<Figure>> {
    let (count, pods) = (sizes.hostile, sizes.hostile.div_ceil(10));
    cluster.grow(count, 1).await?;
    cluster.ask("demo").await?;
    let is_everywhere = |metrics: &crate::subject::Metrics| metrics.is_at("demo", count, count);
    let controller = cluster.controller().await?;
    controller.until("the first Secrets", is_everywhere).await?;
    say(&format!("{count} look-alike Secrets and {pods} pending Pods of a megabyte, annotations everywhere"));
    let made = futures::stream::iter((0..count).map(|index| attack(cluster, index, index < pods)));
    made.buffer_unordered(AT_A_TIME).try_collect::<()>().await?;
    controller.quiet().await?;
    let during = controller.memory()?.1;
    ensure!(is_everywhere(&controller.metrics().await?), "what is ours is not as it was");
    controller.kill();

    say("starting again");
    let controller = cluster.controller().await?;
    // What somebody does to one of ours is read and mended meanwhile.
    let edit = Patch::Merge(json!({"data": {".dockerconfigjson": "e30="}}));
    cluster.secrets(&Cluster::name(0)).patch("tcr.ipsdemo", &PatchParams::default(), &edit).await?;
    controller.until("a repair", |metrics| metrics.writes() >= 1.0).await?;
    controller.quiet().await?;
    let after = controller.memory()?.1;
    ensure!(is_everywhere(&controller.metrics().await?), "what is ours is not as it was");
    controller.kill();
    say(&format!("at most {during:.1} MiB while they were made, {after:.1} MiB after a start"));
    Ok(vec![figure("rss_hostile_mib", during.max(after), "MiB", Some(30.0))])
}

/// What the owner of a namespace can do in it.
async fn attack(cluster: &Cluster, index: usize, has_pod: bool) -> Result<()> {
    let namespace = Cluster::name(index);
    let params = PostParams::default();
    let labels = distribution::secret::labels("demo");
    let look_alike: Secret = serde_json::from_value(json!({
        "metadata": {"name": "look-alike", "labels": labels}, "stringData": {"a": "x".repeat(LARGE)},
    }))?;
    cluster.secrets(&namespace).create(&params, &look_alike).await?;
    if has_pod {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "large"},
            "spec": {"containers": [{
                "name": "a", "image": "a.invalid/a", "env": [{"name": "A", "value": "x".repeat(LARGE)}],
            }]},
        }))?;
        Api::<Pod>::namespaced(cluster.client.clone(), &namespace).create(&params, &pod).await?;
    }
    let annotate = Patch::Merge(json!({"metadata": {"annotations": {"a": "x".repeat(ANNOTATIONS)}}}));
    let patched = PatchParams::default();
    let accounts = Api::<ServiceAccount>::namespaced(cluster.client.clone(), &namespace);
    accounts.patch("default", &patched, &annotate).await?;
    Api::<Namespace>::all(cluster.client.clone()).patch(&namespace, &patched, &annotate).await?;
    Ok(())
}

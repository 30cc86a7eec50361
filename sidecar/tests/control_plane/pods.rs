//! Pods that wait for an image and were never told of our Secret.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::json;
use support::eventually;

use crate::cluster::{Cluster, SOON, docker};

#[tokio::test]
async fn a_pod_that_cannot_pull_for_want_of_a_reference_is_told_what_to_do() -> Result<()> {
    let cluster = Cluster::with_controller().await?;
    cluster.namespace("shop", &[]).await?;
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), "shop");
    let image = "demo.tencentcloudcr.com/team/app:v1";
    let make = async |name: &str, image: &str, secrets: serde_json::Value| -> Result<()> {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": name},
            "spec": {"containers": [{"name": "app", "image": image}], "imagePullSecrets": secrets},
        }))?;
        eventually("the Pod to be let in", SOON, async || {
            Ok(pods.create(&PostParams::default(), &pod).await?)
        })
        .await?;
        // What a kubelet says.
        let status = json!({"status": {"phase": "Pending", "containerStatuses": [{
            "name": "app", "image": image, "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}},
        }]}});
        pods.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await?;
        Ok(())
    };
    // Before anything is asked for, so that its ServiceAccount refers to nothing.
    make("early", image, json!([{"name": "partner"}])).await?;
    make("public", "docker.io/library/nginx", json!([{"name": "partner"}])).await?;
    make("right", image, json!([{"name": "tcr.ipsdemo"}])).await?;
    cluster.ask("demo", json!({"namespaces": "shop", "docker": docker("p-1")})).await?;
    cluster.expect_in("demo", &["shop"]).await?;
    make("late", image, json!([{"name": "partner"}])).await?;
    let events: Api<Event> = Api::namespaced(cluster.client.clone(), "shop");
    eventually("an Event on each of the two", SOON, async || {
        let told = events.list(&ListParams::default()).await?;
        let mut told: Vec<String> = told
            .iter()
            .filter(|it| it.reason.as_deref() == Some("PullSecretMissing"))
            .filter(|it| it.note.as_deref().is_some_and(|note| note.contains("delete the Pod")))
            .filter_map(|it| it.regarding.as_ref()?.name.clone())
            .collect();
        told.sort();
        ensure!(told == ["early", "late"], "told: {told:?}");
        Ok(())
    })
    .await?;
    let counts = async |wanted: f64| {
        eventually(&format!("{wanted} such Pods to be counted"), SOON, async || {
            let sample = "tcr_assistant_pods_without_reference{image_pull_secret=\"demo\"}";
            let now = cluster.metric(sample).await?;
            ensure!(now == Some(wanted), "there are {now:?}");
            Ok(())
        })
        .await
    };
    counts(2.0).await?;
    let now = DeleteParams::default().grace_period(0);
    pods.delete("early", &now).await?;
    counts(1.0).await?;
    cluster.finish(&["p-1"]).await
}

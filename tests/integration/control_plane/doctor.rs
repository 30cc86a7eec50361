//! `tcr-assistant doctor` and a webhook that API servers reach, or do not: what tells it is a Pod that nobody keeps.

use anyhow::{Context as _, Result, ensure};
use integration::program;
use serde_json::{Value, json};
use support::eventually;
use tcr::names::MUTATING_WEBHOOK;

use crate::webhook::{Cluster, SOON};

/// What the check `trial-pod` says; none where it finds nothing.
async fn trial(cluster: &Cluster) -> Result<Option<String>> {
    let mut command = tokio::process::Command::from(program("tcr-assistant"));
    let output =
        command.args(["doctor", "-o", "json"]).env("KUBECONFIG", cluster.plane.kubeconfig()).output().await?;
    let report: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("doctor: {}", String::from_utf8_lossy(&output.stderr)))?;
    let unknown = report["notKnown"].to_string();
    ensure!(!unknown.contains("whether Pods are patched"), "{unknown}");
    let found =
        report["findings"].as_array().context("no findings")?.iter().find(|it| it["check"] == "trial-pod");
    Ok(found.map(|it| format!("{}: {}; {}", it["place"], it["message"], it["toDo"])))
}

async fn expect(cluster: &Cluster, words: Option<&str>) -> Result<()> {
    eventually(&format!("the trial to say {words:?}"), SOON, async || {
        let said = trial(cluster).await?;
        let is_it = match (&said, words) {
            (None, None) => true,
            (Some(said), Some(words)) => said.contains(words),
            _ => false,
        };
        ensure!(is_it, "{said:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_dry_run_of_a_pod_tells_whether_the_webhook_is_reached() -> Result<()> {
    let cluster = Cluster::start(&json!({"discover": true, "clusterId": "cls-12345678"})).await?;
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
    let object = json!({"apiVersion": "tcr.tencentcloudcr.com/v1", "kind": "ImagePullSecret", "metadata": {"name": "demo"},
        "spec": {"namespaces": "shop", "tcr": {"instanceId": "tcr-demo0001", "region": "ap-guangzhou"}}});
    cluster.plane.apply(&namespace.to_string()).await?;
    cluster.plane.apply(&object.to_string()).await?;
    let status = json!({"status": {"hosts": ["demo.tencentcloudcr.com"]}}).to_string();
    let patch = ["patch", "imagepullsecret", "demo", "--subresource=status", "--type=merge", "-p", &status];
    cluster.kubectl(&patch).await?.checked()?;
    // Under the name that the chart gives it.
    let before =
        cluster.kubectl(&["get", "mutatingwebhookconfiguration", "policy", "-o", "json"]).await?.checked()?;
    let mut configuration: Value = serde_json::from_str(&before)?;
    configuration["metadata"] = json!({"name": MUTATING_WEBHOOK});
    configuration["webhooks"][0]["name"] = "pods.mutating.tcr.tencentcloudcr.com".into();
    cluster.plane.apply(&configuration.to_string()).await?;
    cluster.kubectl(&["delete", "mutatingwebhookconfiguration", "policy"]).await?.checked()?;
    expect(&cluster, None).await?;
    let pods = cluster.kubectl(&["get", "pods", "-A", "-o", "name"]).await?.checked()?;
    ensure!(pods.is_empty(), "it left {pods}");

    // Nobody is there any more.
    configuration["webhooks"][0]["clientConfig"]["url"] = "https://127.0.0.1:1/validate/tcr-assistant".into();
    cluster.plane.apply(&configuration.to_string()).await?;
    expect(&cluster, Some("Pods are refused: ")).await?;
    configuration["webhooks"][0]["failurePolicy"] = "Ignore".into();
    cluster.plane.apply(&configuration.to_string()).await?;
    expect(&cluster, Some("comes back without the reference")).await
}

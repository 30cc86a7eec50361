//! Somebody else who keeps changing what is ours back.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;
use support::eventually;

use crate::cluster::{Cluster, SOON, docker, references};

/// How often the other writer is faster than any person.
const ROUNDS: usize = 400;

/// The list of a deployment tool, which knows nothing of ours.
fn declared() -> serde_json::Value {
    json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "shop"},
        "imagePullSecrets": [{"name": "partner"}],
    })
}

#[tokio::test]
async fn who_applies_the_whole_list_by_force_gets_no_hot_loop_and_is_named() -> Result<()> {
    let cluster = Cluster::with_controller().await?;
    cluster.namespace("shop", &[]).await?;
    cluster.ask("demo", json!({"namespaces": "shop", "docker": docker("p-1")})).await?;
    cluster.expect_in("demo", &["shop"]).await?;
    let accounts = cluster.accounts("shop");
    let forced = PatchParams::apply("argocd-controller").force();
    let before = cluster.writes().await?;
    let mut changed_back = 0;
    for _ in 0..ROUNDS {
        // Only what was repaired is changed back: somebody who watches does the same.
        if references(&accounts.get("default").await?) != ["partner"] {
            accounts.patch("default", &forced, &Patch::Apply(declared())).await?;
            changed_back += 1;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let repairs = cluster.writes().await? - before;
    ensure!(changed_back >= 4, "only {changed_back} repairs were seen: nothing is proven");
    // Three at once, then after 1, 2, 4 and more seconds.
    ensure!(repairs <= 10.0, "{repairs} writes to one ServiceAccount");
    let object = cluster.expect_condition("demo", "Conflicts", "True", "Contested").await?;
    let conditions = object.status.unwrap_or_default().conditions;
    let conflicts = conditions.iter().find(|it| it.type_ == "Conflicts").context("it was just there")?;
    ensure!(conflicts.message.contains("ServiceAccount shop/default"), "{}", conflicts.message);
    eventually("an Event that names who does it", SOON, async || {
        let events = Api::<Event>::namespaced(cluster.client.clone(), "default");
        let events = events.list(&ListParams::default()).await?;
        let told: Vec<&Event> =
            events.iter().filter(|it| it.reason.as_deref() == Some("Contested")).collect();
        ensure!(told.len() == 1, "there are {}", told.len());
        let note = told[0].note.as_deref().unwrap_or_default();
        ensure!(note.contains("argocd-controller"), "{note}");
        Ok(())
    })
    .await?;

    // Who is not contested is served at once meanwhile, in the same namespace too.
    let robot: ServiceAccount = serde_json::from_value(json!({"metadata": {"name": "robot"}}))?;
    accounts.create(&kube::api::PostParams::default(), &robot).await?;
    eventually("the reference of another ServiceAccount", SOON, async || {
        ensure!(references(&accounts.get("robot").await?) == ["tcr.ipsdemo"], "it is not there");
        Ok(())
    })
    .await?;
    // The other one gives up; the last repair stays.
    eventually("the last repair", SOON * 2, async || {
        ensure!(references(&accounts.get("default").await?).contains(&"tcr.ipsdemo".to_owned()), "not yet");
        Ok(())
    })
    .await?;
    cluster.finish(&["p-1"]).await
}

#[tokio::test]
async fn who_applies_the_whole_list_without_force_is_told_of_the_conflict_by_the_api_server() -> Result<()> {
    let cluster = Cluster::with_controller().await?;
    cluster.namespace("shop", &[]).await?;
    let accounts = cluster.accounts("shop");
    let apply = PatchParams::apply("flux");
    eventually("the first apply", SOON, async || {
        Ok(accounts.patch("default", &apply, &Patch::Apply(declared())).await?)
    })
    .await?;
    cluster.ask("demo", json!({"namespaces": "shop", "docker": docker("p-1")})).await?;
    cluster.expect_in("demo", &["shop"]).await?;
    let before = cluster.writes().await?;
    for _ in 0..20 {
        let refused = accounts.patch("default", &apply, &Patch::Apply(declared())).await;
        let status = match refused {
            Err(kube::Error::Api(status)) => status,
            other => anyhow::bail!("the API server let it pass: {other:?}"),
        };
        ensure!(status.code == 409 && status.message.contains("tcr-assistant"), "{}", status.message);
    }
    let repairs = cluster.writes().await? - before;
    ensure!(repairs == 0.0, "{repairs} writes, and there was nothing to repair");
    ensure!(references(&accounts.get("default").await?) == ["partner", "tcr.ipsdemo"], "the list differs");
    cluster.finish(&["p-1"]).await
}

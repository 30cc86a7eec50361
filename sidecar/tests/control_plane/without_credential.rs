//! Private resolution without a credential, and the way there and back.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};
use support::eventually;
use tcr::names::SYSTEM_NAMESPACE;

use crate::cluster::{Cluster, SOON};

fn spec(credential: Value) -> Value {
    json!({"namespaces": "shop", "tcr": {
        "instanceId": "tcr-demo0001",
        "region": "ap-guangzhou",
        "credential": credential,
        "privateNetwork": {"resolve": true},
    }})
}

async fn hosts(cluster: &Cluster) -> Result<String> {
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client.clone(), SYSTEM_NAMESPACE);
    let map = maps.get_opt("updater-config").await?;
    let data = map.and_then(|map| map.data).unwrap_or_default();
    Ok(data.get("hosts.yaml").cloned().unwrap_or_default())
}

fn has_asked_for_a_credential(cluster: &Cluster) -> bool {
    cluster.cloud.calls().iter().any(|call| call.action.contains("InstanceToken"))
}

async fn stored(cluster: &Cluster) -> Result<usize> {
    let label = ListParams::default().labels("tcr.tencentcloudcr.com/credential");
    Ok(cluster.secrets(SYSTEM_NAMESPACE).list(&label).await?.items.len())
}

#[tokio::test]
async fn nodes_resolve_to_a_link_of_an_instance_whose_credential_nobody_wants() -> Result<()> {
    let cluster = Cluster::with_controller().await?;
    cluster.namespace("shop", &[]).await?;
    cluster.ask("demo", spec(json!({"type": "none"}))).await?;
    let object = cluster.expect_condition("demo", "PrivateLink", "True", "Running").await?;
    cluster.expect_condition("demo", "Ready", "True", "Ready").await?;
    ensure!(
        hosts(&cluster).await?.contains("domain: demo-vpc.tencentcloudcr.com\n  ip: 10.0.0.2"),
        "no entries"
    );
    let status = object.status.context("no status")?;
    ensure!(status.hosts.is_empty() && status.token_id.is_none(), "{status:?}");
    ensure!(!status.conditions.iter().any(|it| it.type_ == "CredentialValid"), "{:?}", status.conditions);
    ensure!(!has_asked_for_a_credential(&cluster), "it asks for credentials");
    cluster.expect_in("demo", &[]).await?;
    let told = cluster.command(&["status"]).await?.stdout;
    ensure!(told.contains(" none ") && told.contains("Running 10.0.0.2"), "{told}");
    cluster.delete("demo").await?;
    ensure!(hosts(&cluster).await? == "[]\n", "entries are left");
    cluster.finish(&[]).await
}

#[tokio::test]
async fn a_credential_that_is_given_up_is_taken_out_of_the_cluster_and_made_again_when_asked_for()
-> Result<()> {
    let mut cluster = Cluster::with_controller().await?;
    cluster.namespace("shop", &[]).await?;
    cluster.ask("demo", spec(json!({"onDelete": "Revoke"}))).await?;
    cluster.expect_in("demo", &["shop"]).await?;
    cluster.expect_condition("demo", "Ready", "True", "Ready").await?;
    let before = hosts(&cluster).await?;

    cluster.change("demo", json!({"tcr": {"credential": {"type": "none", "onDelete": null}}})).await?;
    cluster.expect_in("demo", &[]).await?;
    cluster.expect_condition("demo", "Distributed", "True", "NotRequested").await?;
    cluster.expect_condition("demo", "Ready", "True", "Ready").await?;
    eventually("the credential to be revoked", SOON, async || {
        ensure!(cluster.cloud.live_tokens().is_empty() && stored(&cluster).await? == 0, "not yet");
        Ok(())
    })
    .await?;
    ensure!(hosts(&cluster).await? == before, "the entries have changed");

    cluster
        .change("demo", json!({"tcr": {"credential": {"type": "longterm", "onDelete": "Revoke"}}}))
        .await?;
    cluster.expect_in("demo", &["shop"]).await?;
    cluster.expect_condition("demo", "Ready", "True", "Ready").await?;

    // Given up while no controller runs: the next one finds what was distributed, and the credential.
    cluster.kill();
    cluster.change("demo", json!({"tcr": {"credential": {"type": "none", "onDelete": null}}})).await?;
    cluster.run().await?;
    cluster.expect_in("demo", &[]).await?;
    eventually("the credential to be revoked", SOON, async || {
        ensure!(cluster.cloud.live_tokens().is_empty() && stored(&cluster).await? == 0, "not yet");
        Ok(())
    })
    .await?;
    cluster.delete("demo").await?;
    cluster.finish(&[]).await
}

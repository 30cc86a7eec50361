//! The credential of an instance: one, whatever happens.

use anyhow::{Result, ensure};
use kube::Api;
use kube::api::ListParams;
use serde_json::json;
use support::eventually;
use tcr_cloud::Fault;

use crate::cluster::{Cluster, SOON};

fn demo(credential: serde_json::Value) -> serde_json::Value {
    json!({"namespaces": "shop", "tcr": {"instanceId": "tcr-demo0001", "region": "ap-guangzhou", "credential": credential}})
}

fn created(cluster: &Cluster) -> usize {
    cluster.cloud.calls().iter().filter(|call| call.action == "CreateInstanceToken").count()
}

#[tokio::test]
async fn a_credential_is_made_once_shared_and_used_again_after_a_restart() -> Result<()> {
    let mut cluster = Cluster::with_controller().await?;
    cluster.namespace("shop", &[]).await?;
    cluster.ask("demo", demo(json!({}))).await?;
    cluster.ask("twin", demo(json!({"onDelete": "Revoke"}))).await?;
    cluster.expect_in("demo", &["shop"]).await?;
    cluster.expect_in("twin", &["shop"]).await?;
    let object = cluster.expect_condition("demo", "Ready", "True", "Ready").await?;
    let live = cluster.cloud.live_tokens();
    assert_eq!(live.len(), 1);
    assert!(
        live[0].description.starts_with("TKE cluster (cls-test0001) dedicated access credential ["),
        "{:?}",
        live[0]
    );
    let status = object.status.unwrap_or_default();
    assert_eq!(status.token_id.as_ref(), Some(&live[0].id));
    assert_eq!(status.hosts, ["demo-vpc.tencentcloudcr.com", "demo.tencentcloudcr.com"]);

    cluster.kill();
    cluster.run().await?;
    cluster.namespace("later", &[]).await?;
    cluster.change("demo", json!({"namespaces": "shop,later"})).await?;
    cluster.expect_in("demo", &["later", "shop"]).await?;
    assert_eq!(created(&cluster), 1);

    // The first user leaves, the last one revokes.
    cluster.delete("demo").await?;
    assert_eq!(cluster.cloud.live_tokens().len(), 1);
    cluster.delete("twin").await?;
    assert_eq!(cluster.cloud.live_tokens().len(), 0);
    let stored = cluster
        .secrets("tcr-assistant-system")
        .list(&ListParams::default().labels("tcr.tencentcloudcr.com/credential"))
        .await?;
    assert!(stored.items.is_empty(), "{stored:?}");
    let secret = live[0].secret.expose().to_owned();
    cluster.finish(&[&secret]).await
}

/// The policy decides by the object's spec and `status.hosts`, which have the same hosts as the Secret has keys.
#[tokio::test]
async fn aliases_get_the_credential_where_the_operator_allows_them_and_nowhere_else() -> Result<()> {
    let mut cluster = Cluster::start().await?;
    cluster.run_with("--allowed-alias=example.org").await?;
    cluster.namespace("shop", &[]).await?;
    let spec = |aliases: &[&str]| json!({"namespaces": "shop", "tcr": {"instanceId": "tcr-demo0001", "region": "ap-guangzhou", "domains": ["default"], "aliases": aliases}});
    cluster.ask("demo", spec(&["Cache.example.org:5000", "mirror.tencentcloudcr.com"])).await?;
    cluster.expect_in("demo", &["shop"]).await?;
    let object = cluster.expect_condition("demo", "Ready", "True", "Ready").await?;
    let hosts = ["cache.example.org:5000", "demo.tencentcloudcr.com", "mirror.tencentcloudcr.com"];
    assert_eq!(object.status.unwrap_or_default().hosts, hosts);
    let secret = cluster.secrets("shop").get("tcr.ipsdemo").await?;
    let bytes = secret.data.unwrap_or_default().remove(".dockerconfigjson").unwrap_or_default().0;
    let config: serde_json::Value = serde_json::from_slice(&bytes)?;
    let keys: Vec<&String> = config["auths"].as_object().into_iter().flat_map(|auths| auths.keys()).collect();
    assert_eq!(keys, hosts);

    // What is not allowed is said by field, and what there is stays.
    cluster.change("demo", json!({"tcr": {"aliases": ["cache.example.com"]}})).await?;
    let object = cluster.expect_condition("demo", "Ready", "False", "InvalidSpec").await?;
    let told = serde_json::to_string(&object.status)?;
    ensure!(told.contains("spec.tcr.aliases[0]") && told.contains("allowedAliases"), "{told}");
    let secret = cluster.secrets("shop").get("tcr.ipsdemo").await?;
    ensure!(secret.data.unwrap_or_default()[".dockerconfigjson"].0 == bytes, "the last good one stays");
    let token = cluster.cloud.live_tokens()[0].secret.expose().to_owned();
    cluster.finish(&[&token]).await
}

#[tokio::test]
async fn a_credential_whose_answer_was_lost_is_found_and_removed() -> Result<()> {
    let cluster = Cluster::with_controller().await?;
    cluster.namespace("shop", &[]).await?;
    cluster.cloud.inject(Fault::dropped().on("CreateInstanceToken").after_effect().times(2));
    cluster.cloud.inject(Fault::error("InternalError").on("DescribeInstances").times(1));
    cluster.ask("demo", demo(json!({}))).await?;
    cluster.expect_in("demo", &["shop"]).await?;
    assert_eq!(cluster.cloud.tokens().len(), 3);
    eventually("one live credential", SOON, async || {
        let live = cluster.cloud.live_tokens().len();
        ensure!(live == 1, "there are {live}");
        Ok(())
    })
    .await?;
    calls_are_counted(&cluster).await?;
    cluster.finish(&[]).await
}

/// The metrics say what the cloud saw, by action, and what became of it.
async fn calls_are_counted(cluster: &Cluster) -> Result<()> {
    let counted = async |action: &str, code: &str| {
        let sample = format!("tcr_assistant_cloud_calls_total{{action=\"{action}\",code=\"{code}\"}}");
        anyhow::Ok(cluster.metric(&sample).await?.unwrap_or_default())
    };
    eventually("every call to be counted", SOON, async || {
        for (action, codes) in [
            ("CreateInstanceToken", &["ok", "interrupted"][..]),
            ("DescribeInstances", &["ok", "InternalError"]),
            ("DescribeInstanceToken", &["ok"]),
            ("DeleteInstanceToken", &["ok"]),
        ] {
            let mut sum = 0.0;
            for code in codes {
                let count = counted(action, code).await?;
                ensure!(count > 0.0, "no {action} with {code}");
                sum += count;
            }
            let seen = cluster.cloud.calls().iter().filter(|call| call.action == action).count();
            ensure!(sum == seen as f64, "{sum} of {seen} calls of {action}");
        }
        ensure!(counted("CreateInstanceToken", "interrupted").await? == 2.0, "two answers were lost");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_retained_credential_stays_and_an_event_says_how_to_remove_it() -> Result<()> {
    let cluster = Cluster::with_controller().await?;
    cluster.namespace("shop", &[]).await?;
    cluster.ask("demo", demo(json!({}))).await?;
    cluster.expect_in("demo", &["shop"]).await?;
    let id = cluster.cloud.live_tokens().remove(0).id;
    cluster.delete("demo").await?;
    assert_eq!(cluster.cloud.live_tokens().len(), 1);
    eventually("the Event", SOON, async || {
        let events: Api<k8s_openapi::api::events::v1::Event> =
            Api::namespaced(cluster.client.clone(), "default");
        let events = events.list(&ListParams::default()).await?;
        let note = events
            .iter()
            .filter(|it| it.reason.as_deref() == Some("CredentialRetained"))
            .find_map(|it| it.note.clone());
        ensure!(note.as_ref().is_some_and(|note| note.contains(&format!("--TokenId {id}"))), "{note:?}");
        Ok(())
    })
    .await?;
    cluster.finish(&[]).await
}

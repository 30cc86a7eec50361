//! `tcr-assistant doctor`: faults on a real API server, one after the other, each found with what to do, and healed.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use support::{Identity, eventually};

use crate::cluster::{Cluster, SOON, docker};

/// What doctor finds: the checks and what they say.
async fn found(cluster: &Cluster) -> Result<Vec<(String, String)>> {
    let output = cluster.command(&["doctor", "-o", "json"]).await?;
    let report: Value = serde_json::from_str(&output.stdout)
        .with_context(|| format!("doctor printed {}{}", output.stdout, output.stderr))?;
    let findings = report["findings"].as_array().context("no findings")?;
    ensure!(output.success == findings.is_empty() && report["well"] == output.success, "{report:#}");
    let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
    Ok(findings
        .iter()
        .map(|it| {
            (
                text(&it["check"]),
                format!("{}: {}; {}", text(&it["place"]), text(&it["message"]), text(&it["toDo"])),
            )
        })
        .collect())
}

/// Waits until this check, and no other, finds something with these words.
async fn expect(cluster: &Cluster, check: &str, words: &str) -> Result<()> {
    eventually(&format!("doctor to find {check}: {words:?}"), SOON, async || {
        let found = found(cluster).await?;
        ensure!(found.len() == 1 && found[0].0 == check && found[0].1.contains(words), "{found:#?}");
        Ok(())
    })
    .await
}

async fn expect_nothing(cluster: &Cluster) -> Result<()> {
    eventually("doctor to find nothing", SOON, async || {
        let found = found(cluster).await?;
        ensure!(found.is_empty(), "{found:#?}");
        Ok(())
    })
    .await
}

/// With an ImagePullSecret that is well, in the namespace shop.
async fn healthy() -> Result<Cluster> {
    let cluster = Cluster::with_controller().await?;
    cluster.namespace("shop", &[]).await?;
    let tcr = json!({"instanceId": "tcr-demo0001", "region": "ap-guangzhou"});
    cluster.ask("demo", json!({"namespaces": "shop", "tcr": tcr})).await?;
    cluster.expect_condition("demo", "Ready", "True", "Ready").await?;
    expect_nothing(&cluster).await?;
    Ok(cluster)
}

async fn kubectl(cluster: &Cluster, arguments: &[&str]) -> Result<String> {
    cluster.plane.kubectl(arguments).await?.checked()
}

#[tokio::test]
async fn each_fault_of_what_is_distributed_is_found_alone_and_gone_once_it_is_healed() -> Result<()> {
    let cluster = healthy().await?;
    let told = cluster.command(&["doctor"]).await?.checked()?;
    ensure!(told.starts_with("nothing found\n"), "{told}");

    let password = json!({"namespaces": "shop", "docker": docker("p-secret-1")});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "tcr.ipstaken", "namespace": "shop"}});
    cluster.plane.apply(&secret.to_string()).await?;
    cluster.ask("taken", password).await?;
    expect(&cluster, "foreign-secrets", "tcr.ipstaken").await?;
    cluster.delete("taken").await?;
    kubectl(&cluster, &["-n", "shop", "delete", "secret", "tcr.ipstaken"]).await?;

    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few", "namespace": "full"},
        "spec": {"hard": {"secrets": "0"}}});
    cluster.namespace("full", &[]).await?;
    cluster.plane.apply(&quota.to_string()).await?;
    cluster.ask("own", json!({"namespaces": "full", "docker": docker("p-secret-1")})).await?;
    expect(&cluster, "quota", "ResourceQuota full/few: it allows 0 Secrets").await?;
    cluster.delete("own").await?;
    kubectl(&cluster, &["delete", "namespace", "full", "--wait=false"]).await?;

    cluster.ask("own", json!({"namespaces": "absent", "docker": docker("p-secret-1")})).await?;
    expect(&cluster, "no-namespaces", "selects no namespace").await?;
    cluster.delete("own").await?;
    let absent = json!({"server": "own.tencentcloudcr.com", "username": "1", "passwordSecretRef": {"name": "absent", "key": "p"}});
    cluster.ask("own", json!({"namespaces": "shop", "docker": absent})).await?;
    expect(&cluster, "credential", "NoPassword").await?;
    cluster.delete("own").await?;
    let elsewhere = json!({"instanceId": "tcr-demo0001", "region": "ap-shanghai"});
    cluster.ask("own", json!({"namespaces": "shop", "tcr": elsewhere})).await?;
    expect(&cluster, "credential", "there is no instance tcr-demo0001 in ap-shanghai").await?;
    cluster.delete("own").await?;

    cluster
        .cloud
        .inject(tcr_cloud::Fault::error("UnauthorizedOperation").on("CreateInstanceToken").times(1000));
    let other = json!({"instanceId": "tcr-demo0001", "region": "ap-guangzhou", "credential": {"description": "other"}});
    cluster.ask("own", json!({"namespaces": "shop", "tcr": other})).await?;
    expect(&cluster, "cam-rights", r#"add to its CAM policy: {"action":["tcr:CreateInstanceToken"]"#).await?;
    cluster.cloud.clear_faults();
    cluster.delete("own").await?;

    let patcher = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "patcher", "namespace": "shop"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [{"name": "a", "image": "quay.io/titansoft/imagepullsecret-patcher:v0.14"}]}}}});
    cluster.plane.apply(&patcher.to_string()).await?;
    expect(&cluster, "other-tools", "Deployment shop/patcher: imagepullsecret-patcher runs here").await?;
    kubectl(&cluster, &["-n", "shop", "delete", "deployment", "patcher"]).await?;
    expect_nothing(&cluster).await?;
    // The quota denied on purpose.
    cluster.end();
    Ok(())
}

#[tokio::test]
async fn each_fault_of_the_installation_is_found_alone() -> Result<()> {
    let mut cluster = healthy().await?;
    // Of a definition that helm did not upgrade.
    let definitions: Api<CustomResourceDefinition> = Api::all(cluster.client.clone());
    let name = "imagepullsecrets.tcr.tencentcloudcr.com";
    let before = definitions.get(name).await?;
    let path = "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties/request";
    let older = Patch::Json::<()>(serde_json::from_value(json!([{"op": "remove", "path": path}]))?);
    definitions.patch(name, &PatchParams::default(), &older).await?;
    expect(&cluster, "definition-version", "request differs").await?;
    let newest = Patch::Merge(json!({"spec": before.spec}));
    definitions.patch(name, &PatchParams::default(), &newest).await?;
    expect_nothing(&cluster).await?;

    // Registered, and nobody serves: Pods stay as they are.
    cluster.webhooks().await?;
    let trial = |found: &[(String, String)]| found.iter().any(|(check, _)| check == "trial-pod");
    eventually("doctor to find the webhook unreachable", SOON, async || {
        let found = found(&cluster).await?;
        ensure!(trial(&found) && found.iter().any(|(check, _)| check == "ca-bundle"), "{found:#?}");
        Ok(())
    })
    .await?;
    let configurations: Api<MutatingWebhookConfiguration> = Api::all(cluster.client.clone());
    let name = "tcr-assistant-mutating-webhook-configuration";
    let fail = Patch::Json::<()>(serde_json::from_value(
        json!([{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Fail"}]),
    )?);
    configurations.patch(name, &PatchParams::default(), &fail).await?;
    eventually("doctor to find that Pods are refused", SOON, async || {
        let found = found(&cluster).await?;
        ensure!(found.iter().any(|(_, it)| it.contains("Namespace shop: Pods are refused: ")), "{found:#?}");
        Ok(())
    })
    .await?;
    for kind in ["mutatingwebhookconfiguration", "validatingwebhookconfiguration"] {
        let name =
            format!("tcr-assistant-{}-webhook-configuration", kind.trim_end_matches("webhookconfiguration"));
        kubectl(&cluster, &["delete", kind, &name]).await?;
    }
    expect_nothing(&cluster).await?;

    // Nobody leads.
    cluster.kill();
    let leases: Api<Lease> = Api::namespaced(cluster.client.clone(), "tcr-assistant-system");
    let long_ago = json!({"spec": {"renewTime": "2026-01-01T00:00:00.000000Z"}});
    leases.patch("tcr-assistant-leader", &PatchParams::default(), &Patch::Merge(long_ago)).await?;
    expect(&cluster, "controller", "there is no controller").await?;
    kubectl(&cluster, &["delete", "namespace", "tcr-assistant-system", "--wait=false"]).await?;
    expect(&cluster, "namespace", "kubectl tcr cleanup").await?;
    cluster.finish(&[]).await
}

#[tokio::test]
async fn who_may_read_little_is_told_the_rest_and_which_rights_are_missing() -> Result<()> {
    let cluster = healthy().await?;
    let person = Identity::user("bob", &[]);
    let kubeconfig = cluster.plane.kubeconfig_for(&person).await?;
    let kubeconfig = kubeconfig.to_string_lossy().into_owned();
    let output = cluster.command(&["doctor", "--kubeconfig", &kubeconfig]).await?;
    ensure!(output.success && output.stdout.starts_with("nothing found\n"), "{output:?}");
    for right in [
        "list imagepullsecrets",
        "list nodes in the cluster",
        "get secrets in namespace tcr-assistant-system",
    ] {
        ensure!(output.stdout.contains(right), "no {right:?} in {}", output.stdout);
    }
    ensure!(!output.stdout.contains("nodes/proxy"), "{}", output.stdout);
    cluster.finish(&[]).await
}

#[tokio::test]
async fn an_endpoint_that_never_answers_is_told_within_ten_seconds() -> Result<()> {
    let cluster = Cluster::start().await?;
    // Connections are accepted, and nothing is said to them.
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let kubeconfig = cluster.plane.run().folder().join("dead.yaml");
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "dead",
        "clusters": [{"name": "dead", "cluster": {"server": format!("https://{}", listener.local_addr()?)}}],
        "contexts": [{"name": "dead", "context": {"cluster": "dead", "user": "dead"}}],
        "users": [{"name": "dead", "user": {"token": "t"}}],
    });
    std::fs::write(&kubeconfig, text.to_string())?;
    let kubeconfig = kubeconfig.to_string_lossy().into_owned();
    let began = Instant::now();
    let output = cluster.command(&["doctor", "--kubeconfig", &kubeconfig]).await?;
    let took = began.elapsed();
    ensure!(!output.success && output.stderr.contains("the API server cannot be asked"), "{output:?}");
    ensure!(took < Duration::from_secs(10), "it took {took:?}");
    cluster.finish(&[]).await
}

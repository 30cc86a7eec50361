//! `tcr-assistant cleanup`, where nothing of the add-on runs any more.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::{ConfigMap, Secret, ServiceAccount};
use kube::Api;
use kube::api::{ListParams, PostParams};
use serde_json::{Value, json};
use support::eventually;

use crate::cluster::{Cluster, SOON, docker, references};

#[tokio::test]
async fn everything_of_ours_goes_and_nothing_else() -> Result<()> {
    let mut cluster = Cluster::start().await?;
    cluster.run().await?;
    for name in ["shop", "team", "own"] {
        cluster.namespace(name, &[]).await?;
    }
    let partner: ServiceAccount = serde_json::from_value(json!({
        "metadata": {"name": "robot"}, "imagePullSecrets": [{"name": "partner"}],
    }))?;
    cluster.accounts("shop").create(&PostParams::default(), &partner).await?;
    // Somebody's own Secret of our name, with a reference of their own.
    let own: Secret =
        serde_json::from_value(json!({"metadata": {"name": "tcr.ipsdemo"}, "stringData": {"a": "b"}}))?;
    cluster.secrets("own").create(&PostParams::default(), &own).await?;
    let theirs: ServiceAccount = serde_json::from_value(json!({
        "metadata": {"name": "robot"}, "imagePullSecrets": [{"name": "tcr.ipsdemo"}],
    }))?;
    cluster.accounts("own").create(&PostParams::default(), &theirs).await?;
    let tcr = json!({
        "instanceId": "tcr-demo0001", "region": "ap-guangzhou",
        "privateNetwork": {"resolve": true, "vpcId": "vpc-demo0001"},
    });
    cluster.ask("demo", json!({"namespaces": "shop,team,own", "tcr": tcr})).await?;
    cluster.ask("second", json!({"namespaces": "shop", "docker": docker("p-1")})).await?;
    cluster.expect_in("second", &["shop"]).await?;
    eventually("both Secrets of demo", SOON, async || {
        for name in ["shop", "team"] {
            cluster.secrets(name).get("tcr.ipsdemo").await?;
            let accounts = cluster.accounts(name).get("default").await?;
            ensure!(references(&accounts).contains(&"tcr.ipsdemo".to_owned()), "no reference in {name}");
        }
        Ok(())
    })
    .await?;

    let refused = cluster.command(&["cleanup"]).await?;
    ensure!(!refused.success && refused.stderr.contains("a controller is running"), "{refused:?}");
    cluster.kill();

    let told = cluster.command(&["cleanup", "--dry-run"]).await?.checked()?;
    for line in ["secret/team/tcr.ipsdemo deleted (dry run)", "imagepullsecret/second deleted (dry run)"] {
        ensure!(told.lines().any(|it| it == line), "no {line:?} in\n{told}");
    }
    let told = cluster.command(&["cleanup", "--dry-run", "-o", "json"]).await?.checked()?;
    let lines: Vec<Value> = told.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let secret = json!({
        "kind": "secret", "namespace": "team", "name": "tcr.ipsdemo", "action": "deleted", "dryRun": true,
    });
    ensure!(lines.contains(&secret), "no {secret} in\n{told}");
    let kept = lines.iter().find(|line| line["action"] == "kept");
    ensure!(
        kept.is_some_and(|line| line["message"].as_str().is_some_and(|it| it.starts_with("tccli tcr"))),
        "what is left at the registry is not in\n{told}"
    );
    ensure!(
        cluster.objects().list(&ListParams::default()).await?.items.len() == 2,
        "the dry run did something"
    );

    // Their webhooks are served by nobody now, and refuse what they are asked about.
    cluster.webhooks().await?;
    let told = cluster.command(&["cleanup"]).await?.checked()?;
    for stays in [
        "tccli tcr DeleteInstanceToken",
        "stays; to remove it: kubectl delete crd imagepullsecrets.tcr.tencentcloudcr.com",
        // There are no agents here.
        "hostsentries/* stays; to remove it: on each node that has them",
    ] {
        ensure!(told.contains(stays), "it does not say that {stays:?}:\n{told}");
    }
    let ours = ListParams::default().labels("app.kubernetes.io/managed-by=tcr-assistant");
    let left = Api::<Secret>::all(cluster.client.clone()).list(&ours).await?;
    let left: Vec<_> = left.iter().map(|it| it.metadata.name.clone()).collect();
    ensure!(left.is_empty(), "left: {left:?}");
    ensure!(
        cluster.objects().list(&ListParams::default()).await?.items.is_empty(),
        "ImagePullSecrets are left"
    );
    for namespace in ["shop", "team"] {
        ensure!(
            references(&cluster.accounts(namespace).get("default").await?).is_empty(),
            "a reference is left"
        );
    }
    ensure!(
        references(&cluster.accounts("shop").get("robot").await?) == ["partner"],
        "the list of others differs"
    );
    ensure!(references(&cluster.accounts("own").get("robot").await?) == ["tcr.ipsdemo"], "it was not ours");
    cluster.secrets("own").get("tcr.ipsdemo").await?;
    let webhooks = cluster
        .plane
        .kubectl(&["get", "validatingwebhookconfigurations,mutatingwebhookconfigurations", "-o", "name"])
        .await?
        .checked()?;
    ensure!(!webhooks.contains("tcr-assistant"), "left: {webhooks}");
    let hosts = cluster
        .plane
        .kubectl(&[
            "-n",
            "tcr-assistant-system",
            "get",
            "configmap",
            "updater-config",
            "-o",
            "jsonpath={.data}",
        ])
        .await?
        .checked()?;
    ensure!(!hosts.contains("10.0.0.2"), "nodes keep their entries: {hosts}");

    let again = cluster.command(&["cleanup"]).await?.checked()?;
    let mut deleted = again.lines().filter(|line| line.ends_with(" deleted"));
    ensure!(deleted.all(|line| line.starts_with("lease/")), "again: {again}");
    cluster.finish(&["p-1"]).await
}

#[tokio::test]
async fn after_the_namespace_was_deleted_status_says_so_and_cleanup_takes_the_rest() -> Result<()> {
    let mut cluster = Cluster::with_controller().await?;
    cluster.namespace("shop", &[]).await?;
    cluster.ask("demo", json!({"namespaces": "shop", "docker": docker("p-1")})).await?;
    cluster.expect_in("demo", &["shop"]).await?;
    cluster.webhooks().await?;
    cluster.kill();
    // Something in it that does not go at once, as Pods do not.
    let waits: ConfigMap =
        serde_json::from_value(json!({"metadata": {"name": "waits", "finalizers": ["example.com/wait"]}}))?;
    let maps = Api::<ConfigMap>::namespaced(cluster.client.clone(), "tcr-assistant-system");
    maps.create(&PostParams::default(), &waits).await?;
    let delete = ["delete", "namespace", "tcr-assistant-system", "--wait=false"];
    cluster.plane.kubectl(&delete).await?.checked()?;

    let status = cluster.command(&["status"]).await?;
    let said = "this namespace is being deleted, and with it all that runs of the add-on";
    ensure!(!status.success && status.stdout.contains(said), "{}", status.stdout);
    ensure!(!status.stdout.contains("none leads"), "it says what follows from that:\n{}", status.stdout);

    let told = cluster.command(&["cleanup"]).await?.checked()?;
    for line in [
        "secret/shop/tcr.ipsdemo deleted",
        "imagepullsecret/demo deleted",
        "validatingwebhookconfiguration/tcr-assistant-validating-webhook-configuration deleted",
    ] {
        ensure!(told.lines().any(|it| it == line), "no {line:?} in\n{told}");
    }
    for stays in
        ["hostsentries/* stays; ", "customresourcedefinition/imagepullsecrets.tcr.tencentcloudcr.com stays; "]
    {
        ensure!(told.lines().any(|it| it.starts_with(stays)), "no {stays:?} in\n{told}");
    }
    ensure!(references(&cluster.accounts("shop").get("default").await?).is_empty(), "a reference is left");
    cluster.end();
    Ok(())
}

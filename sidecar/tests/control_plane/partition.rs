//! A controller that cannot reach the API server for long.

use anyhow::{Context, Result, ensure};
use kube::api::{Patch, PatchParams};
use serde_json::json;
use support::{Part, eventually};

use crate::cluster::{Cluster, SOON, docker, references};
use crate::gate::{Gate, LastWrite};

const TOO_OLD: &str = "too old resource version";

#[tokio::test]
async fn watches_that_are_too_old_are_listed_anew_and_nothing_is_written_twice() -> Result<()> {
    let mut cluster = Cluster::start().await?;
    let gate = Gate::start(&cluster.plane).await?;
    gate.open(usize::MAX, LastWrite::Lost);
    for name in ["shop", "team"] {
        cluster.namespace(name, &[]).await?;
    }
    cluster.ask("demo", json!({"docker": docker("p-1")})).await?;
    let kubeconfig = gate.kubeconfig(&cluster.plane).await?;
    cluster.start_one(&kubeconfig, &["--leader-elect=false", "--webhook-service="])?;
    cluster.expect_in("demo", &["shop", "team"]).await?;
    let before = cluster.expect_condition("demo", "Ready", "True", "Ready").await?;
    let written = cluster.writes().await?;

    gate.cut();
    cluster.namespace("later", &[]).await?;
    let list = Patch::Merge(json!({"imagePullSecrets": [{"name": "partner"}]}));
    cluster.accounts("shop").patch("default", &PatchParams::default(), &list).await?;
    // An API server that starts knows nothing of what was before, and refuses to go on from there.
    cluster.restart(Part::ApiServer).await?;
    gate.heal();

    eventually("every watch to be refused for its age", SOON * 2, async || {
        let refused = cluster.log()?.lines().filter(|line| line.contains(TOO_OLD)).count();
        ensure!(refused >= 5, "{refused} were");
        Ok(())
    })
    .await?;
    cluster.expect_in("demo", &["later", "shop", "team"]).await?;
    assert_eq!(references(&cluster.accounts("shop").get("default").await?), ["partner", "tcr.ipsdemo"]);
    // A Secret and a ServiceAccount of the new namespace, and the ServiceAccount that was changed.
    eventually("the writes to be told", SOON, async || {
        let now = cluster.writes().await?;
        ensure!(now == written + 3.0, "there were {written}, and then {now}");
        Ok(())
    })
    .await?;
    let after = cluster.expect_condition("demo", "Ready", "True", "Ready").await?;
    let since = |object: &custom_resource::ImagePullSecret| {
        let conditions = object.status.iter().flat_map(|status| &status.conditions);
        let valid = conditions.into_iter().find(|it| it.type_ == "CredentialValid");
        valid.map(|it| it.last_transition_time.clone()).context("it has no such condition")
    };
    assert_eq!(since(&before)?, since(&after)?, "the credential seemed invalid meanwhile");
    cluster.finish(&["p-1"]).await
}

#[tokio::test]
async fn a_leader_that_is_cut_off_gives_way_and_does_nothing_more() -> Result<()> {
    let mut cluster = Cluster::start().await?;
    let gate = Gate::start(&cluster.plane).await?;
    gate.open(usize::MAX, LastWrite::Lost);
    cluster.namespace("shop", &[]).await?;
    let tcr = json!({"instanceId": "tcr-demo0001", "region": "ap-guangzhou"});
    // Not the many accounts of the system, with which a leader may be busy when it is cut off.
    cluster.ask("demo", json!({"namespaces": "shop,later,last", "tcr": tcr})).await?;
    let kubeconfig = gate.kubeconfig(&cluster.plane).await?;
    cluster.start_one(&kubeconfig, &["--leader-elect", "--webhook-service="])?;
    cluster.lead().await?;
    cluster.expect_in("demo", &["shop"]).await?;
    cluster.stand_by().await?;

    gate.cut();
    cluster.namespace("later", &[]).await?;
    // It ends by itself before anybody else may lead.
    cluster.leader_ends().await?;
    cluster.lead().await?;
    cluster.expect_in("demo", &["later", "shop"]).await?;

    // What it had sent on its way arrives now, and the kubelet starts it again.
    gate.heal();
    cluster.start_one(&kubeconfig, &["--leader-elect", "--webhook-service="])?;
    cluster.namespace("last", &[]).await?;
    cluster.expect_in("demo", &["last", "later", "shop"]).await?;
    eventually(
        "a Secret and a reference in two namespaces, and nothing else, to be told",
        SOON,
        async || {
            let now = cluster.writes().await?;
            ensure!(now == 4.0, "there were {now} writes");
            Ok(())
        },
    )
    .await?;
    assert_eq!(cluster.cloud.tokens().len(), 1, "the credential was made again");
    let secret = cluster.cloud.live_tokens()[0].secret.expose().to_owned();
    cluster.finish(&[&secret]).await
}

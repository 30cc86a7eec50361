//! Whatever ends, and whenever: what was asked for comes about, once.

use anyhow::{Context, Result, ensure};
use kube::api::{DeleteParams, ListParams};
use serde_json::json;
use support::{Part, eventually};

use crate::cluster::{Cluster, SOON};
use crate::gate::{Gate, LastWrite};

/// More lives than any of these stories takes.
const MOST_LIVES: usize = 200;

#[tokio::test]
async fn a_controller_killed_between_any_two_writes_leaves_one_credential_and_later_none() -> Result<()> {
    let mut cluster = Cluster::start().await?;
    let gate = Gate::start(&cluster.plane).await?;
    // Enough to write for more lives than are asked for below.
    let namespaces = ["blue", "green", "shop", "team"];
    for name in namespaces {
        cluster.namespace(name, &[]).await?;
    }
    let tcr = json!({
        "instanceId": "tcr-demo0001", "region": "ap-guangzhou", "credential": {"onDelete": "Revoke"},
        "privateNetwork": {"resolve": true, "vpcId": "vpc-demo0001"},
    });
    cluster.ask("demo", json!({"namespaces": namespaces.join(","), "tcr": tcr})).await?;
    let is_ready = |it: &custom_resource::ImagePullSecret| {
        let conditions = it.status.iter().flat_map(|status| &status.conditions);
        conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
    };
    let lives = live_until(&mut cluster, &gate, async |cluster| {
        Ok(cluster.objects().get("demo").await.is_ok_and(|it| is_ready(&it)))
    })
    .await?;
    ensure!(lives > 5, "only {lives} lives: the door closes too late to prove anything");
    let kubeconfig = gate.kubeconfig(&cluster.plane).await?;
    gate.open(usize::MAX, LastWrite::Lost);
    cluster.start_one(&kubeconfig, &["--leader-elect=false", "--webhook-service="])?;
    cluster.expect_in("demo", &namespaces).await?;
    eventually("one live credential, the one that is distributed", SOON, async || {
        let live = cluster.cloud.live_tokens();
        ensure!(live.len() == 1, "there are {}", live.len());
        let secret = cluster.secrets("shop").get("tcr.ipsdemo").await?;
        let bytes = secret.data.context("the Secret is empty")?.remove(".dockerconfigjson");
        let text = String::from_utf8(bytes.context("the Secret has no configuration")?.0)?;
        ensure!(text.contains(live[0].secret.expose()), "the Secret holds another one");
        Ok(())
    })
    .await?;
    cluster.kill();

    cluster.objects().delete("demo", &DeleteParams::default()).await?;
    let lives = live_until(&mut cluster, &gate, async |cluster| {
        Ok(cluster.objects().get_opt("demo").await?.is_none())
    })
    .await?;
    ensure!(lives > 3, "only {lives} lives: the door closes too late to prove anything");
    let kubeconfig = gate.kubeconfig(&cluster.plane).await?;
    gate.open(usize::MAX, LastWrite::Lost);
    cluster.start_one(&kubeconfig, &["--leader-elect=false", "--webhook-service="])?;
    cluster.expect_in("demo", &[]).await?;
    eventually("nothing to be left", SOON, async || {
        let live = cluster.cloud.live_tokens().len();
        ensure!(live == 0, "{live} credentials live");
        let label = ListParams::default().labels("tcr.tencentcloudcr.com/credential");
        let stored = cluster.secrets("tcr-assistant-system").list(&label).await?.items.len();
        ensure!(stored == 0, "{stored} credentials are stored");
        Ok(())
    })
    .await?;
    let tokens: Vec<String> = cluster.cloud.tokens().iter().map(|it| it.secret.expose().to_owned()).collect();
    cluster.finish(&tokens.iter().map(String::as_str).collect::<Vec<_>>()).await
}

#[tokio::test]
async fn a_controller_killed_while_it_replaces_a_credential_leaves_the_new_one_everywhere() -> Result<()> {
    let mut cluster = Cluster::start().await?;
    let gate = Gate::start(&cluster.plane).await?;
    cluster.namespace("shop", &[]).await?;
    let kubeconfig = gate.kubeconfig(&cluster.plane).await?;
    gate.open(usize::MAX, LastWrite::Lost);
    let tcr = json!({"instanceId": "tcr-demo0001", "region": "ap-guangzhou"});
    cluster.ask("demo", json!({"namespaces": "shop", "tcr": tcr})).await?;
    cluster.start_one(&kubeconfig, &["--leader-elect=false", "--webhook-service="])?;
    cluster.expect_in("demo", &["shop"]).await?;
    cluster.kill();

    let old = cluster.cloud.live_tokens().remove(0).id;
    cluster.cloud.update_token(&old, |token| token.enabled = false);
    let holds_a_live_one = async |cluster: &Cluster| {
        let secret = cluster.secrets("shop").get("tcr.ipsdemo").await?;
        let bytes = secret.data.context("the Secret is empty")?.remove(".dockerconfigjson");
        let text = String::from_utf8(bytes.context("the Secret has no configuration")?.0)?;
        let live = cluster.cloud.live_tokens();
        Ok(live.len() == 1 && text.contains(live[0].secret.expose()))
    };
    let lives = live_until(&mut cluster, &gate, holds_a_live_one).await?;
    ensure!(lives > 2, "only {lives} lives: the door closes too late to prove anything");
    gate.open(usize::MAX, LastWrite::Lost);
    cluster.start_one(&kubeconfig, &["--leader-elect=false", "--webhook-service="])?;
    cluster.expect_condition("demo", "CredentialValid", "True", "Valid").await?;
    eventually("one live credential, the one that is distributed", SOON, async || {
        ensure!(holds_a_live_one(&cluster).await?, "there are more, or another one is distributed");
        Ok(())
    })
    .await?;
    let tokens: Vec<String> = cluster.cloud.tokens().iter().map(|it| it.secret.expose().to_owned()).collect();
    cluster.finish(&tokens.iter().map(String::as_str).collect::<Vec<_>>()).await
}

/// Starts a controller, lets it write a little, kills it, and so on until `done`. How many it took.
async fn live_until(
    cluster: &mut Cluster,
    gate: &Gate,
    done: impl AsyncFn(&Cluster) -> Result<bool>,
) -> Result<usize> {
    let kubeconfig = gate.kubeconfig(&cluster.plane).await?;
    for life in 0..MOST_LIVES {
        // Some die before their first write; some get several, so that there is progress whatever
        // the first ones are.
        let last = if life % 2 == 0 { LastWrite::Unanswered } else { LastWrite::Lost };
        gate.open(life % 4, last);
        cluster.start_one(&kubeconfig, &["--leader-elect=false", "--webhook-service="])?;
        let is_done = eventually("the end of a controller, or of the story", SOON, async || {
            if done(cluster).await? {
                return Ok(true);
            }
            let closed = tokio::time::timeout(SOON / 300, gate.closed()).await;
            ensure!(closed.is_ok(), "it still runs, and nothing is done");
            Ok(false)
        })
        .await?;
        cluster.kill();
        if is_done {
            return Ok(life);
        }
    }
    anyhow::bail!("{MOST_LIVES} controllers did not bring it about")
}

#[tokio::test]
async fn when_the_leader_is_killed_the_other_controller_goes_on() -> Result<()> {
    let mut cluster = Cluster::with_controller().await?;
    cluster.stand_by().await?;
    cluster.namespace("shop", &[]).await?;
    let tcr = json!({"instanceId": "tcr-demo0001", "region": "ap-guangzhou"});
    cluster.ask("demo", json!({"namespaces": "*,!default,!kube-*,!tcr-*", "tcr": tcr})).await?;
    cluster.expect_in("demo", &["shop"]).await?;
    cluster.kill();
    cluster.namespace("later", &[]).await?;
    cluster.lead().await?;
    cluster.expect_in("demo", &["later", "shop"]).await?;
    assert_eq!(cluster.cloud.tokens().len(), 1, "the credential was made again");
    let secret = cluster.cloud.live_tokens()[0].secret.expose().to_owned();
    cluster.finish(&[&secret]).await
}

#[tokio::test]
async fn after_the_api_server_was_gone_the_controller_goes_on() -> Result<()> {
    let mut cluster = Cluster::with_controller().await?;
    cluster.namespace("shop", &[]).await?;
    cluster.ask("demo", json!({"docker": crate::cluster::docker("p-1")})).await?;
    cluster.expect_in("demo", &["shop"]).await?;
    cluster.restart(Part::ApiServer).await?;
    cluster.namespace("later", &[]).await?;
    cluster.keep_running().await?;
    cluster.expect_in("demo", &["later", "shop"]).await?;
    cluster.restart(Part::Etcd).await?;
    cluster.namespace("last", &[]).await?;
    cluster.keep_running().await?;
    cluster.expect_in("demo", &["last", "later", "shop"]).await?;
    cluster.finish(&["p-1"]).await
}

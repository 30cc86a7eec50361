//! Where Secrets and references are, and when.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;
use support::{Part, eventually};

use crate::cluster::{Cluster, SOON, docker, references};

#[tokio::test]
async fn namespaces_are_selected_by_name_glob_exclusion_and_label_also_those_made_later() -> Result<()> {
    let cluster = Cluster::with_controller().await?;
    for name in ["shop", "team-a", "team-b"] {
        cluster.namespace(name, &[("tier", if name == "shop" { "front" } else { "back" })]).await?;
    }
    cluster.ask("all", json!({"docker": docker("p-all")})).await?;
    cluster.ask("list", json!({"namespaces": "shop, later", "docker": docker("p-list")})).await?;
    cluster.ask("glob", json!({"namespaces": "team-*,!team-b", "docker": docker("p-glob")})).await?;
    let front = json!({"matchLabels": {"tier": "front"}});
    cluster.ask("label", json!({"namespaceSelector": front, "docker": docker("p-label")})).await?;
    cluster.expect_in("all", &["shop", "team-a", "team-b"]).await?;
    cluster.expect_in("list", &["shop"]).await?;
    cluster.expect_in("glob", &["team-a"]).await?;
    cluster.expect_in("label", &["shop"]).await?;

    cluster.namespace("later", &[("tier", "front")]).await?;
    cluster.namespace("team-c", &[]).await?;
    cluster.expect_in("all", &["later", "shop", "team-a", "team-b", "team-c"]).await?;
    cluster.expect_in("list", &["later", "shop"]).await?;
    cluster.expect_in("glob", &["team-a", "team-c"]).await?;
    cluster.expect_in("label", &["later", "shop"]).await?;

    let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
    let relabel = |tier: &str| Patch::Merge(json!({"metadata": {"labels": {"tier": tier}}}));
    namespaces.patch("shop", &PatchParams::default(), &relabel("back")).await?;
    namespaces.patch("team-b", &PatchParams::default(), &relabel("front")).await?;
    cluster.expect_in("label", &["later", "team-b"]).await?;

    let object = cluster.expect_condition("glob", "Ready", "True", "Ready").await?;
    let status = object.status.unwrap_or_default();
    assert_eq!((status.secrets_desired, status.secrets_success), (Some(2), Some(2)));
    assert_eq!((status.s_as_desired, status.s_as_success), (Some(2), Some(2)));
    assert_eq!(status.hosts, ["demo.tencentcloudcr.com"]);
    cluster.finish(&["p-all", "p-list", "p-glob", "p-label"]).await
}

#[tokio::test]
async fn lists_of_service_accounts_keep_everything_but_our_entry() -> Result<()> {
    let cluster = Cluster::with_controller().await?;
    cluster.namespace("shop", &[]).await?;
    let accounts = cluster.accounts("shop");
    for (name, list) in [
        ("robot", json!([{"name": "zeta"}, {"name": "alpha"}])),
        ("empty", json!([])),
        ("left-out", json!([{"name": "own"}])),
    ] {
        let account: ServiceAccount =
            serde_json::from_value(json!({"metadata": {"name": name}, "imagePullSecrets": list}))?;
        accounts.create(&PostParams::default(), &account).await?;
    }
    cluster.ask("demo", json!({"serviceAccounts": "*,!left-out", "docker": docker("p-1")})).await?;
    let has = async |name: &str, wanted: &[&str]| {
        eventually(&format!("{name} to have {wanted:?}"), SOON, async || {
            let found = references(&accounts.get(name).await?);
            ensure!(found == wanted, "it has {found:?}");
            Ok(())
        })
        .await
    };
    has("robot", &["zeta", "alpha", "tcr.ipsdemo"]).await?;
    has("empty", &["tcr.ipsdemo"]).await?;
    has("default", &["tcr.ipsdemo"]).await?;
    has("left-out", &["own"]).await?;

    // Others write to the same list at the same time; each reads what it changes.
    let writer = async |name: &str| -> Result<()> {
        for round in 0..10 {
            eventually("a write of somebody else", SOON, async || {
                let mut account = accounts.get("robot").await?;
                let entry = serde_json::from_value(json!({"name": format!("{name}-{round}")}))?;
                account.image_pull_secrets.get_or_insert_default().insert(0, entry);
                account
                    .image_pull_secrets
                    .get_or_insert_default()
                    .retain(|it| it.name != "tcr.ipsdemo" || round % 3 != 0);
                Ok(accounts.replace("robot", &PostParams::default(), &account).await?)
            })
            .await?;
        }
        Ok(())
    };
    tokio::try_join!(writer("one"), writer("two"))?;
    eventually("every entry of everybody", SOON, async || {
        let found = references(&accounts.get("robot").await?);
        ensure!(
            found.len() == 23 && found.iter().filter(|it| *it == "tcr.ipsdemo").count() == 1,
            "it has {found:?}"
        );
        Ok(())
    })
    .await?;
    cluster.finish(&["p-1"]).await
}

#[tokio::test]
async fn what_is_narrowed_or_deleted_is_cleaned_up_in_order() -> Result<()> {
    let mut cluster = Cluster::with_controller().await?;
    for name in ["shop", "team", "other"] {
        cluster.namespace(name, &[]).await?;
    }
    cluster.ask("demo", json!({"namespaces": "shop,team,other", "docker": docker("p-1")})).await?;
    cluster.expect_in("demo", &["other", "shop", "team"]).await?;
    cluster.change("demo", json!({"namespaces": "shop"})).await?;
    cluster.expect_in("demo", &["shop"]).await?;

    // Nobody works while the selection changes and a namespace comes.
    cluster.kill();
    cluster.change("demo", json!({"namespaces": "t*"})).await?;
    cluster.namespace("toys", &[]).await?;
    cluster.run().await?;
    cluster.expect_in("demo", &["team", "toys"]).await?;

    cluster.delete("demo").await?;
    cluster.expect_in("demo", &[]).await?;
    cluster.finish(&["p-1"]).await
}

#[tokio::test]
async fn a_namespace_that_is_going_is_left_alone() -> Result<()> {
    let cluster = Cluster::with_controller().await?;
    for name in ["shop", "going"] {
        cluster.namespace(name, &[]).await?;
    }
    cluster.ask("demo", json!({"namespaces": "shop,going", "docker": docker("p-1")})).await?;
    cluster.expect_in("demo", &["going", "shop"]).await?;
    cluster.expect_condition("demo", "Ready", "True", "Ready").await?;
    let written = cluster.writes().await?;

    // Without the controller manager it stays as it is, like one whose volumes take their time.
    cluster.plane.kill(Part::ControllerManager);
    let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
    namespaces.delete("going", &DeleteParams::default()).await?;
    eventually("the namespace not to be counted", SOON, async || {
        let status = cluster.objects().get("demo").await?.status.unwrap_or_default();
        ensure!(status.secrets_desired == Some(1) && status.secrets_success == Some(1), "{status:?}");
        Ok(())
    })
    .await?;
    let edit = Patch::Merge(json!({"data": {".dockerconfigjson": "e30="}}));
    cluster.secrets("going").patch("tcr.ipsdemo", &PatchParams::default(), &edit).await?;
    cluster.ask("more", json!({"namespaces": "shop,going", "docker": docker("p-2")})).await?;
    cluster.expect_in("more", &["shop"]).await?;
    cluster.expect_condition("more", "Ready", "True", "Ready").await?;
    // That Secret and that reference, and no try elsewhere: it would be a call that was denied.
    assert_eq!(cluster.writes().await?, written + 2.0);
    let left = cluster.secrets("going").get("tcr.ipsdemo").await?.data.unwrap_or_default();
    assert_eq!(left[".dockerconfigjson"].0, b"{}");

    cluster.plane.bring_back(Part::ControllerManager).await?;
    eventually("the namespace to be gone", SOON, async || {
        ensure!(namespaces.get_opt("going").await?.is_none(), "it is still there");
        Ok(())
    })
    .await?;
    cluster.namespace("going", &[]).await?;
    cluster.expect_in("demo", &["going", "shop"]).await?;
    cluster.finish(&["p-1", "p-2"]).await
}

//! What is ours is mended; what is somebody else's is left alone.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::json;
use support::eventually;
use tcr_cloud::CustomDomain;

use crate::cluster::{Cluster, SOON, docker, references};

const NAME: &str = "tcr.ipsdemo";
const MARK: &str = "tcr.tencentcloudcr.com/mark";
const KEY: &str = "tcr-assistant-installation-key";

/// Uid and mark of the Secret in each namespace.
async fn marks(cluster: &Cluster, namespaces: &[&str]) -> Result<Vec<(Option<String>, Option<String>)>> {
    let mut marks = Vec::new();
    for namespace in namespaces {
        let found = cluster.secrets(namespace).get(NAME).await?;
        marks.push((found.uid(), found.annotations().get(MARK).cloned()));
    }
    Ok(marks)
}

#[tokio::test]
async fn a_secret_of_ours_comes_back_whatever_is_done_to_it() -> Result<()> {
    let cluster = Cluster::with_controller().await?;
    cluster.namespace("shop", &[]).await?;
    cluster.ask("demo", json!({"namespaces": "shop", "docker": docker("p-1")})).await?;
    cluster.expect_in("demo", &["shop"]).await?;
    let secrets = cluster.secrets("shop");
    let good = secrets.get(NAME).await?;
    let mended = async |what: &str, same_uid: bool| {
        eventually(&format!("the Secret to be mended after it was {what}"), SOON, async || {
            let now = secrets.get(NAME).await?;
            ensure!(now.data == good.data && now.type_ == good.type_, "its content differs");
            ensure!(now.immutable != Some(true), "it is immutable");
            ensure!(now.metadata.labels == good.metadata.labels, "labels: {:?}", now.metadata.labels);
            ensure!(now.uid() == good.uid() || !same_uid, "it was made anew");
            Ok(())
        })
        .await
    };
    let merge = async |patch: serde_json::Value| {
        secrets.patch(NAME, &PatchParams::default(), &Patch::Merge(patch)).await
    };
    merge(json!({"data": {".dockerconfigjson": "e30="}})).await?;
    mended("edited", true).await?;
    merge(json!({"data": {"extra": "eA=="}})).await?;
    mended("given another key", true).await?;
    merge(json!({"metadata": {"labels": {"tcr.tencentcloudcr.com/image-pull-secret": "other"}}})).await?;
    mended("relabelled", true).await?;
    merge(json!({"metadata": {"labels": null}, "data": {".dockerconfigjson": "e30="}})).await?;
    mended("stripped of its labels and edited", true).await?;
    secrets.delete(NAME, &DeleteParams::default()).await?;
    mended("deleted", false).await?;
    merge(json!({"immutable": true})).await?;
    mended("made immutable", false).await?;
    cluster.finish(&["p-1"]).await
}

#[tokio::test]
async fn a_secret_that_lost_labels_and_bytes_while_no_controller_ran_is_known_by_its_mark() -> Result<()> {
    let mut cluster = Cluster::with_controller().await?;
    cluster.namespace("shop", &[]).await?;
    cluster.ask("demo", json!({"namespaces": "shop,team", "docker": docker("p-1")})).await?;
    cluster.expect_in("demo", &["shop"]).await?;
    let secrets = cluster.secrets("shop");
    let good = secrets.get(NAME).await?;
    cluster.kill();

    let edit = json!({"metadata": {"labels": null}, "data": {".dockerconfigjson": "e30="}});
    secrets.patch(NAME, &PatchParams::default(), &Patch::Merge(edit)).await?;
    // Somebody copies all of it to another namespace, mark included.
    cluster.namespace("team", &[]).await?;
    let copy: Secret = serde_json::from_value(json!({
        "metadata": {"name": NAME, "annotations": good.metadata.annotations}, "stringData": {"a": "b"},
    }))?;
    let theirs = cluster.secrets("team").create(&PostParams::default(), &copy).await?;
    cluster.run().await?;
    eventually("the Secret to be mended", SOON, async || {
        let now = secrets.get(NAME).await?;
        ensure!(now.data == good.data, "its content differs");
        ensure!(now.metadata.labels == good.metadata.labels, "labels: {:?}", now.metadata.labels);
        ensure!(now.metadata.annotations == good.metadata.annotations, "its mark differs");
        ensure!(now.uid() == good.uid(), "it was made anew");
        Ok(())
    })
    .await?;
    cluster.expect_condition("demo", "Conflicts", "True", "ForeignSecret").await?;
    assert_eq!(cluster.secrets("team").get(NAME).await?, theirs, "a copied mark is worth nothing");
    cluster.finish(&["p-1"]).await
}

#[tokio::test]
async fn after_a_start_each_secret_of_ours_is_read_once_and_no_look_alike_is() -> Result<()> {
    let mut cluster = Cluster::with_controller().await?;
    for name in ["shop", "team"] {
        cluster.namespace(name, &[]).await?;
    }
    cluster.ask("demo", json!({"namespaces": "shop,team", "docker": docker("p-1")})).await?;
    cluster.expect_in("demo", &["shop", "team"]).await?;
    let secrets = cluster.secrets("shop");
    let good = secrets.get(NAME).await?;
    cluster.kill();

    // Labels and mark stay as they are: only who reads the Secret sees it.
    let edit = Patch::Merge(json!({"data": {".dockerconfigjson": "e30="}}));
    secrets.patch(NAME, &PatchParams::default(), &edit).await?;
    let look_alike: Secret = serde_json::from_value(json!({
        "metadata": {"name": "look-alike", "labels": good.metadata.labels, "annotations": good.metadata.annotations},
        "stringData": {"a": "b"},
    }))?;
    let look_alike = secrets.create(&PostParams::default(), &look_alike).await?;
    cluster.run().await?;
    let reads = "tcr_assistant_api_calls_total{verb=\"get\",kind=\"secrets\",code=\"200\"}";
    eventually("the Secret to be mended, and every one to be read", SOON, async || {
        ensure!(secrets.get(NAME).await?.data == good.data, "its content differs");
        // The installation's key is the third.
        let reads = cluster.metric(reads).await?;
        ensure!(reads == Some(3.0), "{reads:?} reads");
        Ok(())
    })
    .await?;
    assert_eq!(cluster.writes().await?, 1.0, "one was to be mended");
    assert_eq!(secrets.get("look-alike").await?, look_alike);
    cluster.finish(&["p-1"]).await
}

#[tokio::test]
async fn secrets_without_a_mark_get_one_by_a_new_key_too_and_then_nothing_is_written() -> Result<()> {
    let mut cluster = Cluster::with_controller().await?;
    let namespaces = ["blue", "green", "shop"];
    for name in namespaces {
        cluster.namespace(name, &[]).await?;
    }
    cluster.ask("demo", json!({"namespaces": namespaces.join(","), "docker": docker("p-1")})).await?;
    cluster.expect_in("demo", &namespaces).await?;
    let before = marks(&cluster, &namespaces).await?;
    let different: BTreeSet<_> = before.iter().filter_map(|(_, mark)| mark.as_ref()).collect();
    assert_eq!(different.len(), namespaces.len());
    let system = cluster.secrets("tcr-assistant-system");
    let old_key = system.get(KEY).await?;
    cluster.kill();

    // A release that knew no marks wrote the one, and the key is lost for the others.
    let none = Patch::Merge(json!({"metadata": {"annotations": null}}));
    cluster.secrets("blue").patch(NAME, &PatchParams::default(), &none).await?;
    system.delete(KEY, &DeleteParams::default()).await?;
    cluster.run().await?;
    let key = system.get(KEY).await?;
    assert_ne!(key.data, old_key.data);
    eventually("new marks", SOON, async || {
        for ((uid, mark), (uid_before, mark_before)) in
            marks(&cluster, &namespaces).await?.iter().zip(&before)
        {
            ensure!(uid == uid_before, "it was made anew");
            ensure!(mark.is_some() && mark != mark_before, "not yet");
        }
        Ok(())
    })
    .await?;
    cluster.kill();
    cluster.run().await?;
    cluster.expect_condition("demo", "Ready", "True", "Ready").await?;
    assert_eq!(cluster.writes().await?, 0.0, "what is marked is left alone");
    let text =
        |key: Secret| String::from_utf8(key.data.unwrap_or_default().remove("key").unwrap_or_default().0);
    let keys = [text(old_key)?, text(key)?];
    cluster.finish(&["p-1", &keys[0], &keys[1]]).await
}

#[tokio::test]
async fn a_users_own_secret_of_the_name_survives_until_the_policy_says_otherwise() -> Result<()> {
    let cluster = Cluster::with_controller().await?;
    for name in ["shop", "team", "web"] {
        cluster.namespace(name, &[]).await?;
    }
    let theirs: Secret = serde_json::from_value(json!({
        "metadata": {"name": NAME, "labels": {"owner": "somebody"}}, "type": "Opaque", "stringData": {"a": "b"},
    }))?;
    let secrets = cluster.secrets("shop");
    let made = secrets.create(&PostParams::default(), &theirs).await?;
    cluster.secrets("web").create(&PostParams::default(), &theirs).await?;
    cluster.ask("demo", json!({"namespaces": "shop,team,web", "docker": docker("p-1")})).await?;
    cluster.expect_condition("demo", "Conflicts", "True", "ForeignSecret").await?;
    eventually("the Secret in the third namespace", SOON, async || {
        let status = cluster.objects().get("demo").await?.status.unwrap_or_default();
        let counts = (status.secrets_desired, status.secrets_success);
        ensure!(counts == (Some(3), Some(1)), "the status counts {counts:?}");
        Ok(())
    })
    .await?;
    assert_eq!(secrets.get(NAME).await?, made);
    eventually("the namespace's ServiceAccount without a reference", SOON, async || {
        ensure!(references(&cluster.accounts("shop").get("default").await?).is_empty(), "it has one");
        Ok(())
    })
    .await?;
    eventually("an Event about the conflict", SOON, async || {
        let events: Api<k8s_openapi::api::events::v1::Event> =
            Api::namespaced(cluster.client.clone(), "default");
        let events = events.list(&ListParams::default()).await?;
        let about = |it: &&k8s_openapi::api::events::v1::Event| it.reason.as_deref() == Some("Conflict");
        ensure!(events.iter().filter(about).count() == 1, "there is none, or too many");
        Ok(())
    })
    .await?;

    // No label of ours selects it: that it is gone is told by the watch of its name.
    cluster.secrets("web").delete(NAME, &DeleteParams::default()).await?;
    eventually("ours in its place", SOON, async || {
        let now = cluster.secrets("web").get(NAME).await?;
        ensure!(now.type_.as_deref() == Some("kubernetes.io/dockerconfigjson"), "it is {:?}", now.type_);
        Ok(())
    })
    .await?;
    assert_eq!(secrets.get(NAME).await?, made);
    cluster.change("demo", json!({"conflictPolicy": "overwrite"})).await?;
    cluster.expect_in("demo", &["shop", "team", "web"]).await?;
    cluster.expect_condition("demo", "Ready", "True", "Ready").await?;
    cluster.finish(&["p-1"]).await
}

#[tokio::test]
async fn a_password_is_read_from_labelled_secrets_only_and_followed() -> Result<()> {
    let cluster = Cluster::with_controller().await?;
    cluster.namespace("shop", &[]).await?;
    let store = cluster.secrets("tcr-assistant-system");
    let password: Secret =
        serde_json::from_value(json!({"metadata": {"name": "robot"}, "stringData": {"password": "p-old"}}))?;
    store.create(&PostParams::default(), &password).await?;
    let by_reference = json!({
        "server": "demo.tencentcloudcr.com", "username": "100", "passwordSecretRef": {"name": "robot", "key": "password"},
    });
    cluster.ask("demo", json!({"namespaces": "shop", "docker": by_reference})).await?;
    cluster.expect_condition("demo", "CredentialValid", "False", "NoPassword").await?;
    let label = json!({"metadata": {"labels": {"tcr.tencentcloudcr.com/password": "true"}}});
    store.patch("robot", &PatchParams::default(), &Patch::Merge(label)).await?;
    cluster.expect_in("demo", &["shop"]).await?;
    let uid = cluster.secrets("shop").get(NAME).await?.uid();

    store
        .patch("robot", &PatchParams::default(), &Patch::Merge(json!({"stringData": {"password": "p-new"}})))
        .await?;
    eventually("the new password in the Secret", SOON, async || {
        let now = cluster.secrets("shop").get(NAME).await?;
        let bytes =
            now.data.unwrap_or_default().remove(".dockerconfigjson").map(|it| it.0).unwrap_or_default();
        ensure!(String::from_utf8(bytes)?.contains("p-new"), "it has the old one");
        ensure!(now.metadata.uid == uid, "it was made anew");
        Ok(())
    })
    .await?;
    cluster.finish(&["p-old", "p-new"]).await
}

/// What Tencent's own add-on leaves behind: for one instance an ImagePullSecret, a Secret and a reference for
/// each of its domains.
#[tokio::test]
async fn the_original_add_ons_objects_are_taken_over_in_place_and_then_merged_into_one() -> Result<()> {
    let cluster = Cluster::with_controller().await?;
    cluster.namespace("shop", &[]).await?;
    let layout = [
        ("tcr-demo0001-public", "demo.tencentcloudcr.com"),
        ("tcr-demo0001-vpc", "demo-vpc.tencentcloudcr.com"),
        ("tcr-demo0001-custom", "images.tencentcloudcr.com"),
    ];
    let secrets = cluster.secrets("shop");
    let mut uids = Vec::new();
    for (name, host) in layout {
        let config =
            json!({"auths": {host: {"username": "100", "password": "p-old", "auth": "MTAwOnAtb2xk"}}});
        let theirs: Secret = serde_json::from_value(json!({
            "metadata": {"name": format!("tcr.ips{name}")}, "type": "kubernetes.io/dockerconfigjson",
            "stringData": {".dockerconfigjson": config.to_string()},
        }))?;
        uids.push(secrets.create(&PostParams::default(), &theirs).await?.uid());
    }
    let list: Vec<_> = layout.iter().map(|(name, _)| json!({"name": format!("tcr.ips{name}")})).collect();
    let own = [&[json!({"name": "own"})], &list[..]].concat();
    let account = cluster.accounts("shop");
    let patch = Patch::Merge(json!({"imagePullSecrets": own}));
    eventually("the namespace's ServiceAccount", SOON, async || {
        Ok(account.patch("default", &PatchParams::default(), &patch).await?)
    })
    .await?;
    let listed = references(&account.get("default").await?);

    let spec = |host: &str| {
        let docker = json!({"server": host, "username": "100", "password": "p-new"});
        json!({"namespaces": "shop", "serviceAccounts": "*", "conflictPolicy": "adopt", "docker": docker})
    };
    for (name, host) in layout {
        cluster.ask(name, spec(host)).await?;
    }
    for ((name, host), uid) in layout.iter().zip(&uids) {
        cluster.expect_condition(name, "Ready", "True", "Ready").await?;
        let secret = format!("tcr.ips{name}");
        cluster.ours("shop", &secret).await?;
        let now = secrets.get(&secret).await?;
        assert_eq!(now.uid(), *uid, "{secret} was made anew");
        let bytes = now.data.unwrap_or_default().remove(".dockerconfigjson").unwrap_or_default().0;
        let text = String::from_utf8(bytes)?;
        ensure!(text.contains("p-new") && text.contains(host) && !text.contains("p-old"), "{secret}: {host}");
    }
    assert_eq!(references(&account.get("default").await?), listed, "the list was touched");

    cluster.cloud.update_instance("tcr-demo0001", |instance| {
        instance.custom_domains = vec![CustomDomain {
            name: "images.tencentcloudcr.com".to_owned(),
            status: "SUCCESS".to_owned(),
            cert_id: String::new(),
        }];
    });
    // One object for the instance takes the place of all three.
    let tcr = json!({
        "instanceId": "tcr-demo0001", "region": "ap-guangzhou", "domains": ["default", "vpc", "images.tencentcloudcr.com"],
    });
    cluster.ask("demo", json!({"namespaces": "shop", "tcr": tcr})).await?;
    cluster.expect_condition("demo", "Ready", "True", "Ready").await?;
    for (name, _) in layout {
        cluster.delete(name).await?;
    }
    cluster.expect_in("demo", &["shop"]).await?;
    assert_eq!(references(&account.get("default").await?), ["own", NAME]);
    let text = serde_json::to_string(&secrets.list(&ListParams::default()).await?.items)?;
    ensure!(!text.contains("tcr.ipstcr-demo0001"), "a Secret of the old layout is left");
    let token = cluster.cloud.live_tokens()[0].secret.expose().to_owned();
    cluster.finish(&["p-old", "p-new", &token]).await
}

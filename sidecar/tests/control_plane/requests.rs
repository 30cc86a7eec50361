//! What people ask of the controller once: `rotate`, `revoke`, `instances`.

use anyhow::{Context as _, Result, ensure};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use support::{Identity, Output, eventually};
use tcr_cloud::Fault;

use crate::chart;
use crate::cluster::{Cluster, SOON, docker};

const ANNOTATION: &str = "tcr.tencentcloudcr.com/request";

fn demo(credential: Value) -> Value {
    json!({"namespaces": "shop,web", "tcr": {"instanceId": "tcr-demo0001", "region": "ap-guangzhou", "credential": credential}})
}

/// With the instance's credential in two namespaces; its id.
async fn distributed() -> Result<(Cluster, String)> {
    let cluster = Cluster::with_controller().await?;
    cluster.namespace("shop", &[]).await?;
    cluster.namespace("web", &[]).await?;
    cluster.ask("demo", demo(json!({}))).await?;
    cluster.expect_in("demo", &["shop", "web"]).await?;
    cluster.expect_condition("demo", "Ready", "True", "Ready").await?;
    let id = live(&cluster);
    Ok((cluster, id))
}

/// The ids of all credentials that live, joined.
fn live(cluster: &Cluster) -> String {
    cluster.cloud.live_tokens().into_iter().map(|it| it.id).collect::<Vec<_>>().join(" ")
}

fn created(cluster: &Cluster) -> usize {
    cluster.cloud.calls().iter().filter(|call| call.action == "CreateInstanceToken").count()
}

fn answer(output: &Output) -> Result<Value> {
    serde_json::from_str(&output.stdout)
        .with_context(|| format!("{} printed {}{}", output.command, output.stdout, output.stderr))
}

async fn annotate(cluster: &Cluster, name: &str, annotation: Option<&str>) -> Result<()> {
    let patch = Patch::Merge(json!({"metadata": {"annotations": {ANNOTATION: annotation}}}));
    cluster.objects().patch(name, &PatchParams::default(), &patch).await?;
    Ok(())
}

/// Waits until the status says this of the request, in these words; its message.
async fn expect_state(cluster: &Cluster, name: &str, state: &str, words: &str) -> Result<String> {
    eventually(&format!("the request on {name} to be {state}: {words:?}"), SOON, async || {
        let status = cluster.objects().get(name).await?.status.unwrap_or_default();
        let request = status.request.context("nothing is said of it")?;
        ensure!(request.state == state && request.message.contains(words), "{request:?}");
        Ok(request.message)
    })
    .await
}

fn id(seconds_ago: i64) -> String {
    let at = jiff::Timestamp::now().as_second() - seconds_ago;
    format!("{}/0123456789abcdef", jiff::Timestamp::from_second(at).unwrap_or_default())
}

#[tokio::test]
async fn rotate_ends_when_the_credential_before_is_deleted_and_no_copy_of_it_is_left() -> Result<()> {
    let (cluster, before) = distributed().await?;
    let secret = cluster.cloud.live_tokens().remove(0).secret.expose().to_owned();
    let output = cluster.command(&["rotate", "demo", "-o", "json"]).await?;
    ensure!(output.success, "{}{}", output.stdout, output.stderr);
    let told = answer(&output)?;
    let after = live(&cluster);
    ensure!(after != before && !after.contains(' '), "{after} live, and {before} did before");
    let message = format!(
        "credential {after} has taken the place of every copy of credential {before}, which is deleted"
    );
    assert_eq!((told["state"].as_str(), told["message"].as_str()), (Some("Done"), Some(message.as_str())));
    assert_eq!(cluster.objects().get("demo").await?.status.unwrap_or_default().token_id, Some(after));
    let new = cluster.cloud.live_tokens().remove(0).secret.expose().to_owned();
    for namespace in ["shop", "web"] {
        let data = cluster.secrets(namespace).get("tcr.ipsdemo").await?.data.unwrap_or_default();
        let text = String::from_utf8(data[".dockerconfigjson"].0.clone())?;
        ensure!(text.contains(&new), "{namespace} has another one");
    }
    ensure!(created(&cluster) == 2);
    ensure!(!output.stdout.contains(&new) && !output.stderr.contains(&new), "a password is printed");
    cluster.finish(&[&secret, &new]).await
}

#[tokio::test]
async fn a_request_is_carried_out_once_also_when_it_is_put_back_and_after_a_restart() -> Result<()> {
    let (mut cluster, _) = distributed().await?;
    let first = format!("rotate {}", id(1));
    annotate(&cluster, "demo", Some(&first)).await?;
    expect_state(&cluster, "demo", "Done", "has taken the place").await?;
    cluster.kill();
    cluster.run().await?;
    cluster.expect_condition("demo", "Ready", "True", "Ready").await?;
    expect_state(&cluster, "demo", "Done", "has taken the place").await?;
    assert_eq!(created(&cluster), 2);

    // Taken off, and put back by a tool: the Secret knows it.
    annotate(&cluster, "demo", None).await?;
    eventually("nothing to be said any more", SOON, async || {
        let status = cluster.objects().get("demo").await?.status.unwrap_or_default();
        ensure!(status.request.is_none(), "{:?}", status.request);
        Ok(())
    })
    .await?;
    annotate(&cluster, "demo", Some(&first)).await?;
    expect_state(&cluster, "demo", "Done", "has taken the place").await?;
    annotate(&cluster, "demo", Some(&format!("rotate {}", id(3000)))).await?;
    expect_state(&cluster, "demo", "Refused", "ask again").await?;
    annotate(&cluster, "demo", Some("explode now")).await?;
    expect_state(&cluster, "demo", "Refused", "none of \"rotate ID\"").await?;
    assert_eq!(created(&cluster), 2);
    cluster.finish(&[]).await
}

#[tokio::test]
async fn a_rotation_whose_controller_dies_at_each_call_of_the_cloud_makes_one_credential() -> Result<()> {
    let (mut cluster, before) = distributed().await?;
    // The answer is lost, and with it the process that waited for it.
    cluster.cloud.inject(Fault::dropped().on("CreateInstanceToken").after_effect().times(1));
    annotate(&cluster, "demo", Some(&format!("rotate {}", id(1)))).await?;
    eventually("another credential to be made", SOON, async || {
        ensure!(created(&cluster) >= 2, "none was made");
        Ok(())
    })
    .await?;
    cluster.kill();
    cluster.cloud.inject(Fault::error("InternalError").on("DeleteInstanceToken").times(1));
    cluster.run().await?;
    let message = expect_state(&cluster, "demo", "Done", "has taken the place").await?;
    let after = live(&cluster);
    ensure!(!after.contains(' ') && after != before, "{after} live, and {before} did before");
    ensure!(message.contains(&after) && message.contains(&before), "{message}");
    cluster.finish(&[]).await
}

#[tokio::test]
async fn rotate_says_what_stands_in_the_way_and_gives_up_nothing() -> Result<()> {
    let (cluster, before) = distributed().await?;
    cluster.cloud.inject(Fault::error("UnauthorizedOperation").on("CreateInstanceToken").times(1000));
    let output = cluster.command(&["rotate", "demo", "--timeout", "5s"]).await?;
    ensure!(!output.success && output.stdout.is_empty(), "{}", output.stdout);
    ensure!(output.stderr.contains("allow the CAM action tcr:CreateInstanceToken"), "{}", output.stderr);
    ensure!(live(&cluster) == before);
    // The same command waits for the same rotation.
    cluster.cloud.clear_faults();
    let output = cluster.command(&["rotate", "demo"]).await?;
    ensure!(output.success, "{}{}", output.stdout, output.stderr);
    ensure!(live(&cluster) != before && !live(&cluster).contains(' '), "{}", live(&cluster));
    for (name, spec, words) in [
        ("absent", None, "there is no ImagePullSecret absent"),
        (
            "static",
            Some(json!({"namespaces": "shop", "docker": docker("secret-of-static")})),
            "given by spec.docker",
        ),
    ] {
        if let Some(spec) = spec {
            cluster.ask(name, spec).await?;
        }
        let output = cluster.command(&["rotate", name]).await?;
        ensure!(!output.success, "{name} was rotated");
        ensure!(
            format!("{}{}", output.stdout, output.stderr).contains(words),
            "{}{}",
            output.stdout,
            output.stderr
        );
    }
    cluster.finish(&["secret-of-static"]).await
}

#[tokio::test]
async fn revoke_says_which_namespaces_stop_and_another_one_is_made_at_once() -> Result<()> {
    let (cluster, before) = distributed().await?;
    let output = cluster.command(&["revoke", "demo"]).await?;
    ensure!(!output.success && output.stderr.contains("2 namespaces: shop, web"), "{}", output.stderr);
    ensure!(output.stderr.contains("--yes") && live(&cluster) == before, "{}", output.stderr);
    let output = cluster.command(&["revoke", "demo", "--yes", "-o", "json"]).await?;
    ensure!(output.success, "{}{}", output.stdout, output.stderr);
    assert_eq!(answer(&output)?["message"], format!("credential {before} was deleted"));
    ensure!(!live(&cluster).contains(&before), "it lives");
    let after = eventually("another one in every namespace", SOON, async || {
        let after = live(&cluster);
        ensure!(!after.is_empty() && !after.contains(' '), "{after:?} live");
        let status = cluster.objects().get("demo").await?.status.unwrap_or_default();
        ensure!(status.token_id.as_ref() == Some(&after), "{:?} is in use", status.token_id);
        Ok(after)
    })
    .await?;
    cluster.expect_condition("demo", "Ready", "True", "Ready").await?;
    ensure!(after != before);
    cluster.finish(&[]).await
}

#[tokio::test]
async fn revoke_takes_what_was_made_for_this_cluster_and_nothing_else() -> Result<()> {
    let (cluster, in_use) = distributed().await?;
    // Another installation's: by its description it is not demo's, and it was left behind.
    let mut other = demo(json!({"description": "of another cluster"}));
    other["namespaces"] = "shop".into();
    cluster.ask("other", other).await?;
    cluster.expect_condition("other", "Ready", "True", "Ready").await?;
    cluster.delete("other").await?;
    let lives = cluster.cloud.live_tokens();
    let foreign = lives.iter().find(|it| it.id != in_use).context("it was not left behind")?.id.clone();
    let output = cluster.command(&["revoke", &foreign, "--of", "demo"]).await?;
    ensure!(!output.success, "{}", output.stdout);
    ensure!(
        output.stdout.contains("was not made for this ImagePullSecret"),
        "{}{}",
        output.stdout,
        output.stderr
    );
    let output = cluster.command(&["revoke", "nothere0nothere0", "--of", "demo"]).await?;
    ensure!(
        !output.success && output.stdout.contains("has no credential"),
        "{}{}",
        output.stdout,
        output.stderr
    );
    let output = cluster.command(&["revoke", "nothere0nothere0"]).await?;
    ensure!(!output.success && output.stderr.contains("--of"), "{}", output.stderr);
    let mut both = [in_use, foreign];
    both.sort();
    let mut lives: Vec<String> = cluster.cloud.live_tokens().into_iter().map(|it| it.id).collect();
    lives.sort();
    assert_eq!(lives, both);
    cluster.finish(&[]).await
}

#[tokio::test]
async fn instances_tells_what_the_api_credential_sees_and_whose_region_is_wrong() -> Result<()> {
    let (cluster, _) = distributed().await?;
    let mut elsewhere = demo(json!({}));
    elsewhere["tcr"]["region"] = "ap-shanghai".into();
    cluster.ask("elsewhere", elsewhere).await?;
    let output = cluster.command(&["instances", "-o", "json"]).await?;
    ensure!(!output.success, "one does not fit: {}", output.stdout);
    let told = answer(&output)?;
    let first = told["instances"].as_array().and_then(|it| it.iter().find(|it| it["id"] == "tcr-demo0001"));
    let first = first.context("the instance is not listed")?;
    assert_eq!(
        (&first["region"], &first["imagePullSecrets"]),
        (&json!("ap-guangzhou"), &json!(["demo", "elsewhere"]))
    );
    let problems = told["problems"].to_string();
    ensure!(
        problems.contains("elsewhere: spec.tcr.region is ap-shanghai, and tcr-demo0001 is in ap-guangzhou"),
        "{problems}"
    );
    let object = cluster.objects().get("demo").await?;
    ensure!(
        !object.metadata.annotations.unwrap_or_default().contains_key(ANNOTATION),
        "the annotation stays"
    );
    cluster.cloud.inject(Fault::error("UnauthorizedOperation").on("DescribeInstances").times(4));
    let output = cluster.command(&["instances", "--region", "ap-guangzhou"]).await?;
    ensure!(!output.success && output.stderr.contains("tcr:DescribeInstances"), "{}", output.stderr);
    cluster.finish(&[]).await
}

#[tokio::test]
async fn the_charts_role_is_enough_and_without_it_the_right_is_named() -> Result<()> {
    let (cluster, before) = distributed().await?;
    let person = Identity::user("ann", &[]);
    let kubeconfig = cluster.plane.kubeconfig_for(&person).await?;
    let kubeconfig = kubeconfig.to_string_lossy().into_owned();
    let role = chart::render(&["credential-requests-role.yaml"], &json!({})).await?;
    let name = role[0]["metadata"]["name"].as_str().context("the role has no name")?.to_owned();
    let view = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "see"},
        "rules": [{"apiGroups": ["tcr.tencentcloudcr.com"], "resources": ["imagepullsecrets"], "verbs": ["get", "list"]}]});
    let bind = |role: &str| {
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": format!("ann-{role}")}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "ann"}]})
    };
    cluster.plane.apply(&chart::list([view, bind("see")])).await?;
    let rotate = ["rotate", "demo", "--kubeconfig", &kubeconfig];
    eventually("the missing right to be named", SOON, async || {
        let output = cluster.command(&rotate).await?;
        ensure!(!output.success && output.stderr.contains(&name), "{}", output.stderr);
        Ok(())
    })
    .await?;
    cluster.plane.apply(&chart::list(role.into_iter().chain([bind(&name)]))).await?;
    eventually("the rotation", SOON * 2, async || {
        let output = cluster.command(&rotate).await?;
        ensure!(output.success, "{}", output.stderr);
        Ok(())
    })
    .await?;
    ensure!(live(&cluster) != before);
    cluster.finish(&[]).await
}

/// Each command of the page about a leaked credential, in its order.
#[tokio::test]
async fn every_command_of_the_page_about_leaks_does_what_it_says() -> Result<()> {
    const TOKEN_OF_THE_PAGE: &str = "ctrm3g86h7cp1kb7el2g";
    let (cluster, in_use) = distributed().await?;
    cluster
        .plane
        .apply(&chart::list(chart::render(&["credential-requests-role.yaml"], &json!({})).await?))
        .await?;
    // One that was made for demo and lost.
    let marker = cluster.cloud.live_tokens().remove(0).description;
    let mut other = demo(json!({"description": "other"}));
    other["namespaces"] = "shop".into();
    cluster.ask("other", other).await?;
    cluster.expect_condition("other", "Ready", "True", "Ready").await?;
    cluster.delete("other").await?;
    let lost =
        cluster.cloud.live_tokens().into_iter().find(|it| it.id != in_use).context("none was left")?.id;

    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/credential-leaked.md"))?;
    let commands: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("$ kubectl ")).collect();
    ensure!(commands.len() >= 7, "the page has {commands:?}");
    for command in commands {
        if command.contains(TOKEN_OF_THE_PAGE) {
            ensure!(
                cluster.cloud.update_token(&lost, |it| it.description.clone_from(&marker)),
                "there is no {lost}"
            );
        }
        let command = command.replace(TOKEN_OF_THE_PAGE, &lost);
        let words: Vec<&str> = command.split(' ').collect();
        let output = match words.strip_prefix(&["tcr"]) {
            Some(words) => cluster.command(words).await?,
            None => cluster.plane.kubectl(&words).await?,
        };
        ensure!(output.success, "{}: {}{}", output.command, output.stdout, output.stderr);
        cluster.expect_condition("demo", "Ready", "True", "Ready").await?;
    }
    eventually("one credential to live, that none of the commands ended", SOON, async || {
        let live = live(&cluster);
        ensure!(!live.is_empty() && !live.contains(' ') && live != in_use && live != lost, "{live:?} live");
        Ok(())
    })
    .await?;
    cluster.finish(&[]).await
}

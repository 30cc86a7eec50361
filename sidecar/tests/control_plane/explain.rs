//! `tcr-assistant explain` on clusters that are broken, each in its own way, with a real registry to ask.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};
use support::eventually;

use crate::cluster::SOON;
use crate::world::{APP, HOST, INSTANCE, SECRET, UNAUTHORIZED, WRONG, World, auths};

#[tokio::test]
async fn each_broken_cluster_has_its_own_answer() -> Result<()> {
    let mut world = World::start().await?;
    explain(&mut world).await?;
    world.finish().await
}

async fn explain(world: &mut World) -> Result<()> {
    for name in ["good", "late", "conflict", "outside"] {
        world.cluster.namespace(name, &[]).await?;
    }
    world.pull_secret("conflict", SECRET, auths("other.example.com", json!({"auth": "dTpw"}))).await?;
    let robot: ServiceAccount = serde_json::from_value(json!({"metadata": {"name": "robot"}}))?;
    world.cluster.accounts("good").create(&PostParams::default(), &robot).await?;
    let none = || json!({});
    world.pod("late", "web", APP, none(), UNAUTHORIZED).await?;
    // Creation times are in whole seconds.
    let since = jiff::Timestamp::now().as_second();
    eventually("the next second", SOON, async || {
        ensure!(jiff::Timestamp::now().as_second() > since + 1, "not yet");
        Ok(())
    })
    .await?;

    world.run_controller().await?;
    let spec = json!({
        "namespaces": "good,late,conflict",
        "serviceAccounts": "*,!robot",
        "tcr": {"instanceId": INSTANCE, "region": "ap-guangzhou", "domains": ["default"]},
    });
    world.cluster.ask("demo", spec).await?;
    world.is_distributed("good").await?;
    world.cluster.expect_condition("demo", "Conflicts", "True", "ForeignSecret").await?;
    targets(world).await?;
    selection(world).await?;
    credentials(world).await?;
    rights(world).await?;
    around(world).await
}

/// What a Pod would get, before there is one.
async fn targets(world: &mut World) -> Result<()> {
    let container = json!({"name": "app", "image": APP});
    let deployment: Deployment = serde_json::from_value(json!({
        "metadata": {"name": "web"},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]},
        }},
    }))?;
    let deployments: Api<Deployment> = Api::namespaced(world.cluster.client.clone(), "good");
    deployments.create(&PostParams::default(), &deployment).await?;
    let found = world.expect_of("good/deploy/web", &[], "pulls", "", "nothing").await?;
    ensure!(found["target"] == "Deployment/web" && found["secrets"][0]["name"] == SECRET, "{found:#}");
    ensure!(found["secrets"][0]["way"] == "its ServiceAccount refers to it", "{found:#}");
    world.expect("good/sa/robot", "fails", "ServiceAccountExcluded", "another ServiceAccount").await?;
    let found =
        world.expect_of("good/ns/good", &[], "likely", "the registry was not asked", "nothing").await?;
    ensure!(found["otherAccounts"].to_string().contains("robot: "), "{found:#}");
    world
        .expect("good/ns/outside", "fails", "NamespaceNotSelected", "add outside to spec.namespaces")
        .await?;
    for absent in ["deploy/absent", "sa/absent", "ns/absent"] {
        let output = world.ask(&format!("good/{absent}"), &[]).await?;
        let told = String::from_utf8(output.stderr)?;
        ensure!(output.status.code() == Some(1) && told.contains("there is no"), "{absent}: {told}");
    }
    Ok(())
}

/// Who is selected, and what the Pod refers to.
async fn selection(world: &mut World) -> Result<()> {
    let listing = |names: &[&str]| {
        let list: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
        json!({"spec": {"imagePullSecrets": list}})
    };
    world.pod("good", "web", APP, json!({}), UNAUTHORIZED).await?;
    world.expect("good/web", "pulls", "tries again within five minutes", "nothing").await?;
    world.expect("late/web", "fails", "ReferenceMissing", "kubectl -n late delete pod web").await?;

    world.pod("outside", "web", APP, json!({}), UNAUTHORIZED).await?;
    world.expect("outside/web", "fails", "NamespaceNotSelected", "add outside to spec.namespaces").await?;

    let robot = json!({"spec": {"serviceAccountName": "robot"}});
    world.pod("good", "robot", APP, robot, UNAUTHORIZED).await?;
    world.expect("good/robot", "fails", "ServiceAccountExcluded", "another ServiceAccount").await?;

    let mut own = listing(&["elsewhere"]);
    own["metadata"] = json!({"annotations": {"tcr.tencentcloudcr.com/inject": "false"}});
    world.pull_secret("good", "elsewhere", auths("other.example.com", json!({"auth": "dTpw"}))).await?;
    world.pod("good", "opted-out", APP, own, UNAUTHORIZED).await?;
    world.expect("good/opted-out", "fails", "OptedOut", "take the annotation").await?;

    world.pod("conflict", "web", APP, listing(&[SECRET]), UNAUTHORIZED).await?;
    world.expect("conflict/web", "fails", "SecretForeign", "spec.conflictPolicy").await?;

    let typo = "dmeo.tencentcloudcr.com/team/app:v1";
    world
        .pod("good", "typo", typo, json!({}), "dial tcp: lookup dmeo.tencentcloudcr.com: no such host")
        .await?;
    world.expect("good/typo", "fails", "RegistryUnknown", "host to demo.tencentcloudcr.com").await?;

    let private = "demo-vpc.tencentcloudcr.com/team/app:v1";
    world.pod("good", "private", private, json!({}), UNAUTHORIZED).await?;
    world.expect("good/private", "fails", "DomainNotListed", "add vpc to spec.tcr.domains").await?;

    let tag = "demo.tencentcloudcr.com/team/app:v2";
    let not_found = format!("failed to resolve reference \"{tag}\": {tag}: not found");
    world.pod("good", "tag", tag, json!({}), &not_found).await?;
    world.expect("good/tag", "fails", "ImageNotFound", "name or tag").await
}

/// What credentials are worth at the registry.
async fn credentials(world: &mut World) -> Result<()> {
    let listing = |names: &[&str]| {
        let list: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
        json!({"spec": {"imagePullSecrets": list}})
    };
    let mistyped = || auths(HOST, json!({"username": "100012345678", "password": WRONG}));
    world.pull_secret("good", "partner", mistyped()).await?;
    world.pod("good", "partner", APP, listing(&["partner", SECRET]), UNAUTHORIZED).await?;
    world
        .expect("good/partner", "pulls", "the credential of Secret partner in vain first", "nothing")
        .await?;

    world.pull_secret("outside", "partner", mistyped()).await?;
    world.pod("outside", "partner", APP, listing(&["partner"]), UNAUTHORIZED).await?;
    world
        .expect("outside/partner", "fails", "CredentialRefused", "correct the credential in Secret partner")
        .await?;

    // The API server takes it, and every kubelet stumbles over it.
    world.pull_secret("good", "broken", auths(HOST, json!({"auth": "%%%"}))).await?;
    world.pod("good", "broken", APP, listing(&["broken", SECRET]), "illegal base64 data").await?;
    world.expect("good/broken", "fails", "SecretBroken", "correct the Secret broken").await?;

    // Nobody has given it a password yet.
    let docker = json!({"server": "own.tencentcloudcr.com", "username": "100",
        "passwordSecretRef": {"name": "absent", "key": "password"}});
    world.cluster.ask("own", json!({"namespaces": "good", "docker": docker})).await?;
    world.cluster.expect_condition("own", "CredentialValid", "False", "NoPassword").await?;
    world.pod("good", "own", "own.tencentcloudcr.com/a:v1", json!({}), UNAUTHORIZED).await?;
    world.expect("good/own", "fails", "CredentialInvalid", "absent").await
}

/// What may not be read is named, and the rest is told.
async fn rights(world: &mut World) -> Result<()> {
    let role: Role = serde_json::from_value(json!({
        "metadata": {"name": "pods"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
    }))?;
    let binding: RoleBinding = serde_json::from_value(json!({
        "metadata": {"name": "pods"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "pods"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "ann"}],
    }))?;
    let client = &world.cluster.client;
    Api::<Role>::namespaced(client.clone(), "good").create(&PostParams::default(), &role).await?;
    Api::<RoleBinding>::namespaced(client.clone(), "good").create(&PostParams::default(), &binding).await?;
    eventually("the role to count", SOON, async || {
        let output = world.ask("good/web", &["--as=ann"]).await?;
        ensure!(output.status.code() == Some(0), "{output:?}");
        Ok(())
    })
    .await?;
    // The kubelet was refused: without any of the Secrets there is nothing more to be had of it.
    let found = world.expect_of("good/own", &["--as=ann"], "unknown", "", "may not").await?;
    let missing = found["notKnown"].to_string();
    for right in [
        "list imagepullsecrets.tcr.tencentcloudcr.com in the cluster",
        "get serviceaccounts in namespace good",
        "list events in namespace good",
        "get secrets in namespace good",
        "get leases.coordination.k8s.io in namespace tcr-assistant-system",
    ] {
        ensure!(missing.contains(right), "{right} is not named: {missing}");
    }
    let output = world.ask("good/absent", &[]).await?;
    let told = String::from_utf8(output.stderr)?;
    ensure!(
        output.status.code() == Some(1) && told.contains("there is no Pod absent in namespace good"),
        "{told}"
    );
    let output = world.ask("outside/web", &["--as=ann"]).await?;
    let told = String::from_utf8(output.stderr)?;
    ensure!(output.status.code() == Some(1) && told.contains("cannot read Pod outside/web"), "{told}");
    Ok(())
}

/// What is wrong around the Pod: the private link, the credential at the registry, the controller.
async fn around(world: &mut World) -> Result<()> {
    let timeout = "failed to do request: dial tcp 10.0.0.9:443: i/o timeout";
    let private = json!({"tcr": {"privateNetwork": {"resolve": true, "vpcId": "vpc-absent01"}}});
    world.cluster.change("demo", private).await?;
    world.cluster.expect_condition("demo", "PrivateLink", "False", "NoLink").await?;
    world.pod("good", "far", APP, json!({}), timeout).await?;
    world.expect("good/far", "fails", "PrivateLinkDown", "Private Network Access").await?;

    // The cloud's double answers by its token's state; the controller asks again within ten minutes.
    let live = world.cluster.cloud.live_tokens();
    let distributed = live.iter().find(|it| it.uin == "100012345678").context("none is distributed")?;
    world.cluster.cloud.update_token(&distributed.id, |token| token.enabled = false);
    world.expect("good/web", "fails", "CredentialRefused", "the controller asks the registry").await?;
    world.cluster.cloud.update_token(&distributed.id, |token| token.enabled = true);
    world.expect("good/web", "pulls", "", "nothing").await?;

    // Somebody edits the Secret; the controller is killed, and its Lease still counts.
    world.cluster.kill();
    let patch = [
        "-n",
        "good",
        "patch",
        "secret",
        SECRET,
        "--type=merge",
        "-p",
        r#"{"data":{".dockerconfigjson":"e30="}}"#,
    ];
    world.cluster.plane.kubectl(&patch).await?.checked()?;
    world.expect("good/web", "fails", "SecretEdited", "stop kubectl-patch from changing it").await?;
    world.lease_runs_out().await?;
    world.expect("good/web", "fails", "ControllerAway", "kubectl -n tcr-assistant-system get pods").await?;
    world.cluster.secrets("good").delete(SECRET, &kube::api::DeleteParams::default()).await?;
    world.expect("good/web", "fails", "ControllerAway", "kubectl -n tcr-assistant-system get pods").await
}

//! Instances of other accounts, by roles.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use tcr_cloud::{Config, Instance, Role};

use crate::cluster::Cluster;

const ROLE: &str = "qcs::cam::uin/100000000002:roleName/reader";
const SESSION: &str = "4611686000000000002";

/// A cloud where the instance `tcr-other001` is another account's, and its role `reader` trusts nobody yet.
fn two_accounts() -> Config {
    let mut config = Config::demo();
    let mut other = Instance::new("tcr-other001", "other", "ap-guangzhou");
    other.owner_uin = Some("100000000002".to_owned());
    other.namespaces = vec!["team-a".to_owned()];
    config.instances.push(other);
    let mut role = Role::new("reader", "100000000002", SESSION);
    role.external_id = Some("cluster-1".to_owned());
    config.roles = vec![role];
    config.accounts[0].allow.push("sts:AssumeRole".to_owned());
    config
}

fn theirs() -> Value {
    json!({"namespaces": "shop", "tcr": {
        "instanceId": "tcr-other001", "region": "ap-guangzhou", "roleArn": ROLE, "credential": {"type": "temp"},
    }})
}

#[tokio::test]
async fn a_role_that_cannot_be_taken_on_says_what_it_must_trust_and_holds_up_nobody_else() -> Result<()> {
    let mut cluster = Cluster::at(two_accounts()).await?;
    cluster.run_with(&format!("--allowed-role={ROLE};external-id=cluster-1")).await?;
    cluster.namespace("shop", &[]).await?;
    cluster.ask("theirs", theirs()).await?;
    cluster
        .ask(
            "own",
            json!({"namespaces": "shop", "tcr": {"instanceId": "tcr-demo0001", "region": "ap-guangzhou"}}),
        )
        .await?;
    let object = cluster.expect_condition("theirs", "CredentialValid", "False", "RoleRefused").await?;
    cluster.expect_condition("own", "Ready", "True", "Ready").await?;
    let status = object.status.unwrap_or_default();
    let told =
        &status.conditions.iter().find(|it| it.type_ == "CredentialValid").expect("it was expected").message;
    for part in [
        "UnauthorizedOperation",
        r#""condition":{"string_equal":{"sts:external_id":"cluster-1"}}"#,
        r#""principal":{"qcs":["qcs::cam::uin/100000000001:root"]}"#,
    ] {
        ensure!(told.contains(part), "there is no {part} in {told}");
    }

    // Whoever owns the role pastes the statement.
    cluster.cloud.update_role("reader", |role| role.trusts = vec!["100000000001".to_owned()]);
    cluster.expect_in("theirs", &["shop"]).await?;
    let object = cluster.expect_condition("theirs", "Ready", "True", "Ready").await?;
    assert_eq!(
        object.status.unwrap_or_default().hosts,
        ["other-vpc.tencentcloudcr.com", "other.tencentcloudcr.com"]
    );
    let object = cluster.objects().get("theirs").await?;
    let identity = object.status.unwrap_or_default().identity.context("nobody pulls")?;
    assert_eq!((identity.username.as_str(), identity.role_arn.as_deref()), (SESSION, Some(ROLE)));
    let tokens = cluster.cloud.tokens();
    let token = tokens.iter().find(|token| token.registry_id == "tcr-other001").expect("it was distributed");
    assert_eq!(token.uin, SESSION);

    // A service account is made, and deleted, in the role.
    cluster.namespace("web", &[]).await?;
    let mut robot = theirs();
    robot["namespaces"] = json!("web");
    robot["tcr"]["credential"] = json!({"type": "serviceAccount", "registryNamespaces": ["team-a"]});
    cluster.ask("robot", robot).await?;
    cluster.expect_in("robot", &["web"]).await?;
    let [account] = &cluster.cloud.live_service_accounts()[..] else { bail!("not one lives") };
    let of_account = account.secret.expose().to_owned();
    cluster.delete("robot").await?;
    ensure!(cluster.cloud.live_service_accounts().is_empty(), "it was left at the cloud");
    let taken_on = |done: bool| {
        let calls = cluster.cloud.calls();
        calls.iter().filter(|call| call.action == "AssumeRole" && call.done == done).count()
    };
    assert_eq!(taken_on(true), 1, "its key is kept");
    let secrets: Vec<String> = tokens.iter().map(|token| token.secret.expose().to_owned()).collect();
    let secrets: Vec<&str> = secrets.iter().chain([&of_account]).map(String::as_str).collect();
    cluster.finish(&secrets).await
}

#[tokio::test]
async fn a_role_that_the_operator_does_not_allow_is_never_asked_for() -> Result<()> {
    let mut cluster = Cluster::at(two_accounts()).await?;
    cluster.run_with("--allowed-role=qcs::cam::uin/100000000002:roleName/other").await?;
    cluster.namespace("shop", &[]).await?;
    cluster.ask("theirs", theirs()).await?;
    let object = cluster.expect_condition("theirs", "Ready", "False", "InvalidSpec").await?;
    let told = serde_json::to_string(&object.status)?;
    ensure!(told.contains("spec.tcr.roleArn") && told.contains("allowedRoles"), "{told}");
    let calls = cluster.cloud.calls();
    ensure!(!calls.iter().any(|call| call.action == "AssumeRole"), "it was asked for");
    cluster.finish(&[]).await
}

/// The definition says it too, where no admission policy runs.
#[tokio::test]
async fn no_longterm_credential_is_made_in_a_role() -> Result<()> {
    let cluster = Cluster::at(two_accounts()).await?;
    for credential in [json!({"type": "longterm"}), json!({})] {
        let mut spec = theirs();
        spec["tcr"]["credential"] = credential;
        let refused = format!("{:#}", cluster.ask("theirs", spec).await.expect_err("it is refused"));
        ensure!(refused.contains("roleArn is not for longterm credentials"), "{refused}");
    }
    cluster.finish(&[]).await
}

//! Service accounts: who pulls what with them, and what becomes of them.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use support::registry::{Credential, Options};
use support::{Image, Registry, eventually};
use tcr::docker_config::DockerConfig;
use tcr_cloud::{Account, Config, Fault, Permission, ServiceAccountRecord};
use tencent_cloud::api_credential::Chain;
use tencent_cloud::client::{Client, Settings};

use crate::cluster::{Cluster, SOON};

const HOST: &str = "demo.tencentcloudcr.com";
const INSTANCE: &str = "tcr-demo0001";

fn spec(namespaces: &str, credential: Value) -> Value {
    let mut account = json!({"type": "serviceAccount", "registryNamespaces": ["team-a", "base"]});
    for (name, value) in credential.as_object().into_iter().flatten() {
        account[name] = value.clone();
    }
    if let Some(fields) = account.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    json!({"namespaces": namespaces, "tcr": {"instanceId": INSTANCE, "region": "ap-guangzhou", "credential": account}})
}

fn calls(cluster: &Cluster, action: &str) -> usize {
    cluster.cloud.calls().iter().filter(|call| call.action == action).count()
}

/// The only account that lives, but for others'.
fn only(cluster: &Cluster) -> Result<ServiceAccountRecord> {
    let live = cluster.cloud.live_service_accounts();
    let mut ours = live.into_iter().filter(|account| account.name.contains("tcr-assistant"));
    let first = ours.next().context("none lives")?;
    ensure!(ours.next().is_none(), "another one lives beside {}", first.name);
    Ok(first)
}

async fn login(cluster: &Cluster, namespace: &str, name: &str) -> Result<Credential> {
    let secret = cluster.secrets(namespace).get(&format!("tcr.ips{name}")).await?;
    let bytes = secret.data.and_then(|mut data| data.remove(".dockerconfigjson")).context("it is empty")?;
    let login = DockerConfig::logins(&bytes.0)?.remove(HOST).context("it is for another host")?;
    Ok(Credential { username: login.username, password: login.password.expose().to_owned() })
}

/// Moves the cloud's time on and has the controller see it, by a call that is refused for its clock.
async fn advance(cluster: &Cluster, by: Duration) -> Result<()> {
    cluster.cloud.advance(by);
    let vpc = format!("vpc-test{}", cluster.cloud.now().as_second());
    cluster.change("demo", json!({"tcr": {"privateNetwork": {"resolve": true, "vpcId": vpc}}})).await
}

/// Waits until this account is what is distributed.
async fn is_distributed(cluster: &Cluster, account: &ServiceAccountRecord) -> Result<()> {
    eventually(&format!("{} to be distributed", account.name), SOON * 2, async || {
        let found = login(cluster, "shop", "demo").await?;
        ensure!(found.username == account.name, "{} is", found.username);
        ensure!(found.password == account.secret.expose(), "it has another password");
        Ok(())
    })
    .await
}

/// Waits until another account than these is there.
async fn another(cluster: &Cluster, before: &[&str]) -> Result<ServiceAccountRecord> {
    eventually("another account", SOON * 2, async || {
        let live = cluster.cloud.live_service_accounts();
        let another = live.into_iter().find(|account| !before.contains(&account.name.as_str()));
        another.context("there is none")
    })
    .await
}

async fn message(cluster: &Cluster, condition: &str, status: &str, reason: &str) -> Result<String> {
    let object = cluster.expect_condition("demo", condition, status, reason).await?;
    let conditions = object.status.unwrap_or_default().conditions;
    let found = conditions.into_iter().find(|it| it.type_ == condition).context("there is none")?;
    Ok(found.message)
}

async fn finish(cluster: Cluster) -> Result<()> {
    let accounts = cluster.cloud.service_accounts();
    let secrets: Vec<&str> = accounts.iter().map(|account| account.secret.expose()).collect();
    cluster.finish(&secrets).await
}

async fn with_an_account(config: Config) -> Result<(Cluster, ServiceAccountRecord)> {
    let mut cluster = Cluster::at(config).await?;
    cluster.run().await?;
    cluster.namespace("shop", &[]).await?;
    cluster.ask("demo", spec("shop", json!({"validity": "24h"}))).await?;
    cluster.expect_in("demo", &["shop"]).await?;
    let account = only(&cluster)?;
    is_distributed(&cluster, &account).await?;
    Ok((cluster, account))
}

#[tokio::test]
async fn two_tenants_pull_their_own_repositories_and_are_refused_each_others() -> Result<()> {
    let mut config = Config::demo();
    let pusher = Account::demo_pusher();
    config.accounts.push(pusher.clone());
    let mut cluster = Cluster::at(config).await?;
    let auth = cluster.cloud.token_service(INSTANCE)?;
    let registry = Registry::start(cluster.plane.run(), Options::new(&[HOST], auth)).await?;
    let ca = cluster.plane.run().folder().join("registry-ca.crt");
    std::fs::write(&ca, registry.ca())?;
    let client = Client::new(
        Settings { endpoint: Some(cluster.cloud.url().parse()?), ..Settings::default() },
        Chain::over(move |name| pusher.variable(name)),
    )?;
    let made = client
        .create_instance_token("ap-guangzhou", INSTANCE, tcr::image_pull_secret::CredentialKind::Temp, "")
        .await?;
    let pusher = Credential { username: made.username, password: made.token.expose().to_owned() };
    let image = Image::of_program(&cluster.plane.run().folder().join("image.tar"), b"a program")?;
    for name in ["team-a/app:v1", "team-b/app:v1", "base/os:v1"] {
        registry.push_image(cluster.plane.run(), name, &image, &pusher).await?;
    }
    let kubeconfig = cluster.kubeconfig().await?;
    let arguments = [
        "--leader-elect=false".to_owned(),
        "--webhook-service=".to_owned(),
        "--check-registry".to_owned(),
        format!("--registry-ca={}", ca.display()),
        format!("--registry-address={HOST}={}", registry.address()),
        format!("--registry-realm={}", cluster.cloud.url()),
    ];
    cluster.start_one(&kubeconfig, &arguments.each_ref().map(String::as_str))?;
    for namespace in ["shop", "web"] {
        cluster.namespace(namespace, &[]).await?;
    }
    cluster.ask("demo", spec("shop", json!({}))).await?;
    cluster.ask("other", spec("web", json!({"registryNamespaces": ["team-b"]}))).await?;
    cluster.expect_in("demo", &["shop"]).await?;
    cluster.expect_in("other", &["web"]).await?;
    cluster.expect_condition("demo", "CanPush", "False", "PullOnly").await?;
    cluster.expect_condition("other", "CanPush", "False", "PullOnly").await?;
    for (namespace, name, may, may_not) in [
        ("shop", "demo", &["team-a/app:v1", "base/os:v1"][..], &["team-b/app:v1"][..]),
        ("web", "other", &["team-b/app:v1"], &["team-a/app:v1", "base/os:v1"]),
    ] {
        let login = login(&cluster, namespace, name).await?;
        for image in may {
            registry.inspect_image(cluster.plane.run(), image, Some(&login)).await?.checked()?;
        }
        for image in may_not {
            let refused = registry.inspect_image(cluster.plane.run(), image, Some(&login)).await?;
            ensure!(!refused.success, "{name} pulls {image}");
        }
        let pushed = registry.push_image(cluster.plane.run(), may[0], &image, &login).await;
        ensure!(pushed.is_err(), "{name} pushes");
        let status = cluster.objects().get(name).await?.status.unwrap_or_default();
        let identity = status.identity.context("nobody pulls")?;
        assert_eq!(identity.username, login.username);
        let namespaces: Vec<&str> = may.iter().filter_map(|image| image.split('/').next()).collect();
        let mut found = identity.registry_namespaces.clone();
        found.sort_by_key(|name| namespaces.iter().position(|it| it == name));
        assert_eq!(found, namespaces);
        assert_eq!(status.token_id, Some(identity.username));
        ensure!(status.expires_at.is_some(), "nothing is said of its end");
    }
    assert_eq!(calls(&cluster, "CreateServiceAccount"), 2);
    assert_eq!(calls(&cluster, "CreateInstanceToken"), 1, "that of who pushes");

    // The person behind the API key goes, and pulls go on.
    cluster.cloud.update_account(&Account::demo().secret_id, |account| account.allow.clear());
    let login = login(&cluster, "shop", "demo").await?;
    registry.inspect_image(cluster.plane.run(), "team-a/app:v1", Some(&login)).await?.checked()?;
    finish(cluster).await
}

#[tokio::test]
async fn an_account_is_shared_by_those_who_may_pull_the_same_and_goes_with_the_last_of_them() -> Result<()> {
    let mut cluster = Cluster::with_controller().await?;
    cluster.namespace("shop", &[]).await?;
    cluster.ask("demo", spec("shop", json!({}))).await?;
    cluster
        .ask("twin", spec("shop", json!({"registryNamespaces": ["base", "team-a"], "validity": "48h"})))
        .await?;
    cluster.expect_in("twin", &["shop"]).await?;
    cluster.expect_in("demo", &["shop"]).await?;
    cluster.expect_condition("demo", "Ready", "True", "Ready").await?;
    let shared = only(&cluster)?;
    ensure!(shared.name.starts_with("tcr$tcr-assistant-"), "{}", shared.name);
    ensure!(
        shared
            .description
            .starts_with("TKE cluster (cls-test0001) dedicated access credential [tcr-assistant "),
        "{}",
        shared.description
    );
    let pull = |resource: &str| Permission {
        resource: resource.to_owned(),
        actions: vec!["tcr:PullRepository".to_owned()],
    };
    assert_eq!(shared.permissions, [pull("base"), pull("team-a")]);

    cluster.ask("own", spec("shop", json!({"shared": false}))).await?;
    cluster.expect_in("own", &["shop"]).await?;
    let own = another(&cluster, &[&shared.name]).await?;
    assert_eq!(own.permissions, shared.permissions);

    // What is stored is used again.
    cluster.kill();
    cluster.run().await?;
    cluster.namespace("later", &[]).await?;
    cluster.change("demo", json!({"namespaces": "shop,later"})).await?;
    cluster.expect_in("demo", &["later", "shop"]).await?;
    assert_eq!(calls(&cluster, "CreateServiceAccount"), 2);

    cluster.delete("demo").await?;
    assert_eq!(cluster.cloud.live_service_accounts().len(), 2);
    cluster.delete("twin").await?;
    assert_eq!(only(&cluster)?.name, own.name);
    cluster.delete("own").await?;
    assert_eq!(cluster.cloud.live_service_accounts().len(), 0);
    finish(cluster).await
}

#[tokio::test]
async fn an_account_is_renewed_at_half_its_life_and_the_one_before_goes_with_its_grace() -> Result<()> {
    let (cluster, first) = with_an_account(Config::demo()).await?;
    advance(&cluster, Duration::from_secs(13 * 3600)).await?;
    let second = another(&cluster, &[&first.name]).await?;
    is_distributed(&cluster, &second).await?;
    let both = cluster.cloud.accepts_login(INSTANCE, &first.name, first.secret.expose());
    ensure!(both, "the first one ended without its grace");
    advance(&cluster, Duration::from_secs(3700)).await?;
    eventually("the first account to be deleted", SOON, async || {
        let left = only(&cluster)?;
        ensure!(left.name == second.name, "{} is left", left.name);
        Ok(())
    })
    .await?;
    assert_eq!(calls(&cluster, "ModifyServiceAccountPassword"), 0);
    finish(cluster).await
}

#[tokio::test]
async fn what_somebody_does_to_an_account_is_mended() -> Result<()> {
    let (cluster, first) = with_an_account(Config::demo()).await?;
    let push = Permission { resource: "base".to_owned(), actions: vec!["tcr:PushRepository".to_owned()] };
    cluster.cloud.update_service_account(&first.name, |account| account.permissions.push(push));
    advance(&cluster, Duration::from_secs(660)).await?;
    eventually("the rights to be put right", SOON, async || {
        let now = only(&cluster)?;
        ensure!(now.permissions == first.permissions, "{:?}", now.permissions);
        Ok(())
    })
    .await?;
    assert_eq!(only(&cluster)?.name, first.name);

    cluster.cloud.update_service_account(&first.name, |account| account.disabled = true);
    advance(&cluster, Duration::from_secs(660)).await?;
    let second = another(&cluster, &[&first.name]).await?;
    is_distributed(&cluster, &second).await?;
    let now = cluster.cloud.now();
    cluster.cloud.update_service_account(&second.name, |account| account.deleted_at = Some(now));
    advance(&cluster, Duration::from_secs(660)).await?;
    // One list without it is not believed.
    eventually("a second look", SOON * 3, async || {
        advance(&cluster, Duration::from_secs(61)).await?;
        ensure!(only(&cluster).is_ok(), "there is none");
        Ok(())
    })
    .await?;
    let third = only(&cluster)?;
    is_distributed(&cluster, &third).await?;
    let said = message(&cluster, "CredentialValid", "True", "Valid").await?;
    ensure!(said.contains("it is no longer in the instance's list"), "{said}");
    finish(cluster).await
}

#[tokio::test]
async fn where_the_instance_is_full_the_end_is_put_off_and_the_condition_says_what_to_ask_for() -> Result<()>
{
    let mut config = Config::demo();
    config.instances[0].service_account_quota = 1;
    let (cluster, first) = with_an_account(config).await?;
    advance(&cluster, Duration::from_secs(13 * 3600)).await?;
    let said = message(&cluster, "CredentialValid", "True", "QuotaExceeded").await?;
    eventually("the end to be put off", SOON, async || {
        let now = only(&cluster)?;
        ensure!(now.expires_at > first.expires_at, "it ends at {}", now.expires_at);
        ensure!(now.permissions == first.permissions && now.name == first.name, "{now:?}");
        Ok(())
    })
    .await?;
    ensure!(said.contains("larger quota"), "{said}");
    eventually("the condition to name the new end", SOON, async || {
        let said = message(&cluster, "CredentialValid", "True", "QuotaExceeded").await?;
        ensure!(said.contains("was put off to"), "{said}");
        Ok(())
    })
    .await?;
    is_distributed(&cluster, &first).await?;

    cluster.cloud.update_instance(INSTANCE, |instance| instance.service_account_quota = 2);
    advance(&cluster, Duration::from_secs(13 * 3600)).await?;
    let second = another(&cluster, &[&first.name]).await?;
    is_distributed(&cluster, &second).await?;
    message(&cluster, "CredentialValid", "True", "Valid").await?;
    finish(cluster).await
}

#[tokio::test]
async fn an_instance_without_service_accounts_or_without_the_namespace_says_what_to_do() -> Result<()> {
    let mut config = Config::demo();
    config.instances[0].service_accounts = false;
    config.instances[0].namespaces = vec!["team-a".to_owned(), "base-images".to_owned()];
    let mut cluster = Cluster::at(config).await?;
    cluster.run().await?;
    cluster.namespace("shop", &[]).await?;
    cluster.ask("demo", spec("shop", json!({}))).await?;
    let said = message(&cluster, "CredentialValid", "False", "NoRegistryNamespace").await?;
    assert_eq!(
        said,
        "spec.tcr.credential.registryNamespaces: instance tcr-demo0001 has no namespace base: make it there, or correct \
         the name"
    );
    assert_eq!(calls(&cluster, "CreateServiceAccount"), 0);

    cluster.change("demo", json!({"tcr": {"credential": {"registryNamespaces": ["team-a"]}}})).await?;
    let said = message(&cluster, "CredentialValid", "False", "ServiceAccountsUnavailable").await?;
    ensure!(
        said.contains(
            "ask Tencent Cloud by a ticket to switch service accounts on for instance tcr-demo0001"
        ),
        "{said}"
    );
    cluster.cloud.update_instance(INSTANCE, |instance| instance.service_accounts = true);
    cluster.expect_in("demo", &["shop"]).await?;
    message(&cluster, "CredentialValid", "True", "Valid").await?;
    finish(cluster).await
}

#[tokio::test]
async fn an_account_whose_answer_was_lost_is_found_and_removed_and_others_are_left_alone() -> Result<()> {
    let mut cluster = Cluster::start().await?;
    let account = Account::demo();
    let client = Client::new(
        Settings { endpoint: Some(cluster.cloud.url().parse()?), ..Settings::default() },
        Chain::over(move |name| account.variable(name)),
    )?;
    let foreign = tencent_cloud::service_account::ServiceAccountSpec {
        // As another cluster on this instance would have it.
        name: "tcr-assistant-00000000-0123456789ab".to_owned(),
        description: "TKE cluster (cls-other) dedicated access credential [tcr-assistant 0123456789ab]"
            .to_owned(),
        registry_namespaces: vec!["team-a".to_owned()],
        expires_at: jiff::Timestamp::now() + Duration::from_secs(3_000_000),
    };
    let foreign = client.create_service_account("ap-guangzhou", INSTANCE, &foreign).await?;
    cluster.cloud.inject(Fault::dropped().on("CreateServiceAccount").after_effect().times(2));
    cluster.run().await?;
    cluster.namespace("shop", &[]).await?;
    cluster.ask("demo", spec("shop", json!({}))).await?;
    cluster.expect_in("demo", &["shop"]).await?;
    eventually("one account of ours", SOON, async || {
        let live = cluster.cloud.live_service_accounts();
        ensure!(live.len() == 2, "there are {}", live.len());
        Ok(())
    })
    .await?;
    let live = cluster.cloud.live_service_accounts();
    assert!(
        live.iter().any(|account| Some(&account.name) == foreign.token_id.as_ref()),
        "the other cluster's is gone"
    );
    assert_eq!(calls(&cluster, "ModifyServiceAccount"), 0);
    finish(cluster).await
}

#[tokio::test]
async fn a_stored_credential_of_another_identity_is_used_for_nobody() -> Result<()> {
    let (mut cluster, account) = with_an_account(Config::demo()).await?;
    cluster.kill();
    // As if somebody had found a description whose hash is that of another object's.
    let secrets = cluster.secrets("tcr-assistant-system");
    let list = secrets.list(&ListParams::default().labels("tcr.tencentcloudcr.com/credential")).await?;
    let [secret] = list.items.as_slice() else { bail!("there are {} stored credentials", list.items.len()) };
    let stored = secret.data.as_ref().and_then(|data| data.get("credential.json")).context("it is empty")?;
    let mut document: Value = serde_json::from_slice(&stored.0)?;
    document["key"]["registryNamespaces"] = json!(["kept-from-you"]);
    let patch = json!({"stringData": {"credential.json": document.to_string()}});
    let name = secret.metadata.name.clone().unwrap_or_default();
    secrets.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await?;

    cluster.namespace("web", &[]).await?;
    cluster.run().await?;
    cluster.change("demo", json!({"namespaces": "shop,web"})).await?;
    eventually("the status to name the Secret", SOON, async || {
        let status = cluster.objects().get("demo").await?.status.unwrap_or_default();
        let said: Vec<String> = status.conditions.into_iter().map(|condition| condition.message).collect();
        let expected = format!("tcr-assistant-system/{name} keeps the credential of another instance");
        ensure!(said.iter().any(|message| message.contains(&expected)), "{said:?}");
        Ok(())
    })
    .await?;
    assert!(login(&cluster, "web", "demo").await.is_err(), "another one's credential was distributed");
    assert_eq!(calls(&cluster, "CreateServiceAccount"), 1);
    is_distributed(&cluster, &account).await?;

    secrets.delete(&name, &DeleteParams::default()).await?;
    cluster.expect_in("demo", &["shop", "web"]).await?;
    finish(cluster).await
}

#[tokio::test]
async fn what_a_service_account_cannot_have_is_refused_by_field() -> Result<()> {
    let cluster = Cluster::start().await?;
    for (credential, field) in [
        (json!({"registryNamespaces": []}), "registryNamespaces is needed"),
        (json!({"registryNamespaces": ["*"]}), "spec.tcr.credential.registryNamespaces[0]"),
        (json!({"registryNamespaces": ["team-a:push"]}), "spec.tcr.credential.registryNamespaces[0]"),
        (json!({"registryNamespaces": ["a".repeat(31)]}), "spec.tcr.credential.registryNamespaces[0]"),
        (json!({"validity": "23h"}), "validity must be at least 24h"),
        (json!({"type": "longterm"}), "registryNamespaces is needed"),
        (json!({"type": "temp", "registryNamespaces": null, "shared": false}), "validity and shared"),
        (json!({"rotateAfter": "100h"}), "rotateAfter is for longterm"),
    ] {
        let refused = cluster.ask("demo", spec("shop", credential.clone())).await;
        let refused = refused.err().with_context(|| format!("{credential} is taken"))?.to_string();
        ensure!(refused.contains(field), "{credential}: {refused}");
    }
    cluster.end();
    Ok(())
}

//! Credentials at a real registry: tried before they replace others, replaced when it refuses them.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use support::registry::Options;
use support::{Registry, eventually};
use tcr::docker_config::{DockerConfig, Login};
use tcr::image_pull_secret::CredentialKind;
use tcr_cloud::{Account, Config, Fault};
use tencent_cloud::api_credential::Chain;
use tencent_cloud::client::{Client, Settings};
use tencent_cloud::instance_token::IssuedToken;

use crate::cluster::{Cluster, SOON};

const HOST: &str = "demo.tencentcloudcr.com";
const INSTANCE: &str = "tcr-demo0001";

/// A cluster whose controller asks a registry that asks the cloud.
struct World {
    cluster: Cluster,
    registry: Registry,
    links: usize,
    verdict_timeout: &'static str,
}

impl World {
    async fn start(config: Config) -> Result<Self> {
        Self::start_with(config, "15m").await
    }

    async fn start_with(config: Config, verdict_timeout: &'static str) -> Result<Self> {
        let cluster = Cluster::at(config).await?;
        let auth = cluster.cloud.token_service(INSTANCE)?;
        let registry = Registry::start(cluster.plane.run(), Options::new(&[HOST], auth)).await?;
        cluster.namespace("shop", &[]).await?;
        let mut world = Self { cluster, registry, links: 0, verdict_timeout };
        world.run().await?;
        Ok(world)
    }

    async fn run(&mut self) -> Result<()> {
        let ca = self.cluster.plane.run().folder().join("registry-ca.crt");
        std::fs::write(&ca, self.registry.ca())?;
        let kubeconfig = self.cluster.kubeconfig().await?;
        let arguments = [
            "--leader-elect=false".to_owned(),
            "--webhook-service=".to_owned(),
            "--check-registry".to_owned(),
            format!("--registry-ca={}", ca.display()),
            format!("--registry-address={HOST}={}", self.registry.address()),
            format!("--registry-realm={}", self.cluster.cloud.url()),
            format!("--verdict-timeout={}", self.verdict_timeout),
        ];
        self.cluster.start_one(&kubeconfig, &arguments.each_ref().map(String::as_str))
    }

    async fn ask(&self, credential: Value) -> Result<()> {
        let tcr = json!({"instanceId": INSTANCE, "region": "ap-guangzhou", "credential": credential});
        self.cluster.ask("demo", json!({"namespaces": "shop", "tcr": tcr})).await?;
        self.cluster.expect_in("demo", &["shop"]).await
    }

    /// Moves the cloud's time on and has the controller see it, by a call that is refused for its clock.
    async fn advance(&mut self, by: Duration) -> Result<()> {
        self.cluster.cloud.advance(by);
        self.links += 1;
        let vpc = format!("vpc-test{}", self.links);
        self.cluster.change("demo", json!({"tcr": {"privateNetwork": {"resolve": true, "vpcId": vpc}}})).await
    }

    /// The credential that is distributed.
    async fn login(&self) -> Result<Login> {
        let secret = self.cluster.secrets("shop").get("tcr.ipsdemo").await?;
        let bytes =
            secret.data.and_then(|mut data| data.remove(".dockerconfigjson")).context("it is empty")?;
        DockerConfig::logins(&bytes.0)?.remove(HOST).context("it is for another host")
    }

    async fn is_distributed(&self, password: &str) -> Result<()> {
        eventually("the credential to be distributed", SOON * 2, async || {
            ensure!(self.login().await?.password.expose() == password, "it is another one");
            Ok(())
        })
        .await
    }

    /// Waits until the condition CredentialValid is true and says this.
    async fn says(&self, text: &str) -> Result<()> {
        eventually(&format!("the condition to say {text:?}"), SOON, async || {
            let object = self.cluster.expect_condition("demo", "CredentialValid", "True", "Valid").await?;
            let conditions = object.status.unwrap_or_default().conditions;
            let valid =
                conditions.iter().find(|it| it.type_ == "CredentialValid").context("there is none")?;
            ensure!(valid.message.contains(text), "{}", valid.message);
            Ok(())
        })
        .await
    }

    fn only_live(&self) -> Result<(String, String)> {
        let live = self.cluster.cloud.live_tokens();
        ensure!(live.len() == 1, "{} credentials live", live.len());
        Ok((live[0].id.clone(), live[0].secret.expose().to_owned()))
    }

    async fn finish(self) -> Result<()> {
        let tokens = self.cluster.cloud.tokens();
        let secrets: Vec<&str> = tokens.iter().map(|token| token.secret.expose()).collect();
        self.cluster.finish(&secrets).await
    }
}

#[tokio::test]
async fn a_new_credential_that_the_registry_refuses_replaces_nothing_and_a_good_one_does() -> Result<()> {
    let mut world = World::start(Config::demo()).await?;
    world.ask(json!({"rotateAfter": "1h"})).await?;
    world.cluster.expect_condition("demo", "CanPush", "False", "PullOnly").await?;
    let (old_id, old) = world.only_live()?;
    world.is_distributed(&old).await?;

    // What the cloud tells is not what it made.
    let lie = Fault::lie("Token", "e30.e30.bm8".into()).on("CreateInstanceToken").times(1);
    world.cluster.cloud.inject(lie);
    world.advance(Duration::from_secs(3700)).await?;
    world.cluster.expect_condition("demo", "CredentialValid", "True", "SuccessorRefused").await?;
    ensure!(world.login().await?.password.expose() == old, "it was replaced by one that is refused");
    ensure!(world.only_live()?.0 == old_id, "the refused one was left at the cloud");

    world.advance(Duration::from_secs(660)).await?;
    let new = eventually("another credential to be made", SOON, async || {
        let live = world.cluster.cloud.live_tokens();
        let new = live.iter().find(|token| token.id != old_id).context("there is none")?;
        Ok(new.clone())
    })
    .await?;
    world.is_distributed(new.secret.expose()).await?;
    world.says("the one before was replaced: it is due for renewal").await?;
    ensure!(
        world.cluster.cloud.accepts_login(INSTANCE, &new.uin, &old),
        "the old one ended without its grace"
    );

    // Not rotated again before its time; the old one ends with its grace.
    world.cluster.change("demo", json!({"tcr": {"credential": {"rotateAfter": "100h"}}})).await?;
    world.advance(Duration::from_secs(3700)).await?;
    eventually("the old credential to be revoked", SOON, async || {
        let (id, _) = world.only_live()?;
        ensure!(id == new.id, "{id} lives");
        Ok(())
    })
    .await?;
    world.finish().await
}

#[tokio::test]
async fn a_credential_that_somebody_switches_off_is_replaced_and_the_condition_says_why() -> Result<()> {
    let mut world = World::start(Config::demo()).await?;
    world.ask(json!({})).await?;
    let (old_id, _) = world.only_live()?;
    world.cluster.expect_condition("demo", "CanPush", "False", "PullOnly").await?;
    world.cluster.cloud.update_token(&old_id, |token| token.enabled = false);
    world.advance(Duration::from_secs(660)).await?;
    let (_, new) = eventually("another credential", SOON, async || world.only_live()).await?;
    world.is_distributed(&new).await?;
    world.says("the one before was replaced: it is switched off in the instance's list").await?;
    world.finish().await
}

/// Waits until a condition CredentialValid, so and for that reason, says all of this.
async fn valid_says(cluster: &Cluster, name: &str, status: &str, reason: &str, texts: &[&str]) -> Result<()> {
    let what = format!("CredentialValid of {name} to be {status} for {reason} and to say {texts:?}");
    eventually(&what, SOON, async || {
        let object = cluster.expect_condition(name, "CredentialValid", status, reason).await?;
        let conditions = object.status.unwrap_or_default().conditions;
        let valid = conditions.iter().find(|it| it.type_ == "CredentialValid").context("there is none")?;
        let missing: Vec<_> = texts.iter().filter(|text| !valid.message.contains(**text)).collect();
        ensure!(missing.is_empty(), "{missing:?} is not in {}", valid.message);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn where_the_cam_user_is_deleted_service_accounts_pull_on_and_others_say_what_happened() -> Result<()> {
    let config = Config::demo();
    let user = config.accounts[0].uin.clone();
    let mut world = World::start(config).await?;
    world.ask(json!({})).await?;
    world.cluster.namespace("web", &[]).await?;
    let account = json!({"type": "serviceAccount", "registryNamespaces": ["team-a"]});
    let tcr = json!({"instanceId": INSTANCE, "region": "ap-guangzhou", "credential": account});
    world.cluster.ask("robot", json!({"namespaces": "web", "tcr": tcr})).await?;
    world.cluster.expect_in("robot", &["web"]).await?;
    world.cluster.expect_condition("demo", "CanPush", "False", "PullOnly").await?;
    let Login { username, password, .. } = world.login().await?;

    ensure!(world.cluster.cloud.delete_user(&user), "there is no such user");
    ensure!(!world.cluster.cloud.accepts_login(INSTANCE, &username, password.expose()), "it pulls on");
    world.advance(Duration::from_secs(660)).await?;
    let way = "set credential.type to serviceAccount";
    let unknown = ["AuthFailure.SecretIdNotFound", way, "It pulls for the namespaces shop"];
    valid_says(&world.cluster, "demo", "True", "ApiKeyUnknown", &unknown).await?;
    // The registry is asked twice before it is believed; a step of less than five minutes would not be seen.
    world.advance(Duration::from_secs(360)).await?;
    let gone = ["its CAM user was deleted or disabled", "HTTP 401", way, "It pulls for the namespaces shop"];
    valid_says(&world.cluster, "demo", "False", "CamUserGone", &gone).await?;
    let goes_on = ["the service account in use goes on pulling", "It pulls for the namespaces web"];
    valid_says(&world.cluster, "robot", "True", "ApiKeyUnknown", &goes_on).await?;
    let [account] = &world.cluster.cloud.live_service_accounts()[..] else { anyhow::bail!("not one lives") };
    let secret = account.secret.expose();
    ensure!(world.cluster.cloud.accepts_login(INSTANCE, &account.name, secret), "its account is refused");
    let bytes = world.cluster.secrets("web").get("tcr.ipsrobot").await?.data;
    let bytes = bytes.and_then(|mut data| data.remove(".dockerconfigjson")).context("it is empty")?;
    let distributed = DockerConfig::logins(&bytes.0)?.remove(HOST).context("it is for another host")?;
    ensure!(distributed.password.expose() == secret, "another password is distributed");
    let secret = secret.to_owned();
    let tokens = world.cluster.cloud.tokens();
    let secrets = tokens.iter().map(|token| token.secret.expose()).chain([secret.as_str()]);
    world.cluster.finish(&secrets.collect::<Vec<_>>()).await
}

#[tokio::test]
async fn a_temporary_credential_is_renewed_before_it_ends_and_what_is_distributed_always_pulls() -> Result<()>
{
    let mut config = Config::demo();
    config.instances[0].temporary_token_seconds = 20;
    let world = World::start(config).await?;
    world.ask(json!({"type": "temp"})).await?;
    let mut seen: Vec<String> = Vec::new();
    let started = tokio::time::Instant::now();
    while seen.len() < 3 {
        ensure!(started.elapsed() < SOON * 3, "{} credentials were distributed", seen.len());
        let Login { username, password, .. } = world.login().await?;
        let pulls = world.cluster.cloud.accepts_login(INSTANCE, &username, password.expose());
        ensure!(pulls, "what is distributed has ended");
        if seen.last().map(String::as_str) != Some(password.expose()) {
            seen.push(password.expose().to_owned());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    world.finish().await
}

#[tokio::test]
async fn a_credential_that_may_push_is_told() -> Result<()> {
    let mut config = Config::demo();
    config.accounts[0].push = true;
    let world = World::start(config).await?;
    world.ask(json!({})).await?;
    world.cluster.expect_condition("demo", "CanPush", "True", "PushGranted").await?;
    world.finish().await
}

/// The spec of somebody's own credential.
fn docker(credential: &IssuedToken) -> Value {
    let IssuedToken { username, token, .. } = credential;
    json!({"docker": {"server": HOST, "username": username, "password": token.expose()}})
}

impl World {
    /// A credential that the registry lets in, and that somebody writes into a spec.
    async fn own_credential(&self) -> Result<IssuedToken> {
        let account = Account::demo();
        let chain = Chain::over(move |name| account.variable(name));
        let settings = Settings { endpoint: Some(self.cluster.cloud.url().parse()?), ..Settings::default() };
        let client = Client::new(settings, chain)?;
        Ok(client.create_instance_token("ap-guangzhou", INSTANCE, CredentialKind::Longterm, "docker").await?)
    }

    /// An ImagePullSecret with a credential that was distributed and let in.
    async fn with_own_credential(&self) -> Result<IssuedToken> {
        let first = self.own_credential().await?;
        let mut spec = docker(&first);
        spec["namespaces"] = "shop".into();
        self.cluster.ask("demo", spec).await?;
        self.is_distributed(first.token.expose()).await?;
        self.cluster.expect_condition("demo", "CanPush", "False", "PullOnly").await?;
        Ok(first)
    }

    /// Waits until the registry was asked once more, in vain.
    async fn is_asked_in_vain(&self) -> Result<()> {
        let count = || anyhow::Ok(self.cluster.log()?.matches("verdict=Unknown").count());
        let before = count()?;
        eventually("the registry to be asked in vain", SOON * 2, async || {
            ensure!(count()? > before, "it was not asked");
            Ok(())
        })
        .await
    }

    /// Until when the changed password waits.
    async fn waits_until(&self) -> Result<jiff::Timestamp> {
        let object =
            self.cluster.expect_condition("demo", "CredentialValid", "True", "AwaitingVerdict").await?;
        let status = object.status.unwrap_or_default();
        let until = status.pending_credential.context("nothing waits")?.until.0;
        let said = status.conditions.iter().find(|it| it.type_ == "CredentialValid").context("none")?;
        ensure!(said.message.contains(&format!("until {until} at the latest")), "{}", said.message);
        Ok(until)
    }
}

#[tokio::test]
async fn a_password_that_the_registry_refuses_does_not_replace_one_that_works() -> Result<()> {
    let world = World::start(Config::demo()).await?;
    let first = world.with_own_credential().await?;
    let second = world.own_credential().await?;

    let wrong =
        json!({"docker": {"server": HOST, "username": first.username, "password": "a-wrong-password"}});
    world.cluster.change("demo", wrong).await?;
    world.cluster.expect_condition("demo", "CredentialValid", "True", "SuccessorRefused").await?;
    ensure!(world.login().await?.password == first.token, "it was replaced by one that is refused");

    world.cluster.change("demo", docker(&second)).await?;
    world.is_distributed(second.token.expose()).await?;
    world.cluster.expect_condition("demo", "CredentialValid", "True", "Valid").await?;
    world.finish().await
}

#[tokio::test]
async fn a_changed_password_waits_while_its_registry_is_away_also_across_a_restart() -> Result<()> {
    let mut world = World::start(Config::demo()).await?;
    let first = world.with_own_credential().await?;
    let second = world.own_credential().await?;

    world.registry.process().suspend();
    world.cluster.change("demo", docker(&second)).await?;
    let until = world.waits_until().await?;
    let wait = until.duration_since(jiff::Timestamp::now());
    ensure!((60..=900).contains(&wait.as_secs()), "it waits for {wait}");
    world.is_asked_in_vain().await?;
    ensure!(world.login().await?.password == first.token, "it was replaced by one in doubt");

    world.cluster.kill_one(0);
    world.run().await?;
    world.is_asked_in_vain().await?;
    ensure!(world.waits_until().await? == until, "the restart made it wait anew");
    ensure!(world.login().await?.password == first.token, "the restart replaced it by one in doubt");

    world.registry.process().resume();
    world.is_distributed(second.token.expose()).await?;
    world.cluster.expect_condition("demo", "CredentialValid", "True", "Valid").await?;

    // The same, and the registry refuses it when it is back.
    world.registry.process().suspend();
    let wrong =
        json!({"docker": {"server": HOST, "username": first.username, "password": "a-wrong-password"}});
    world.cluster.change("demo", wrong).await?;
    world.waits_until().await?;
    world.registry.process().resume();
    world.cluster.expect_condition("demo", "CredentialValid", "True", "SuccessorRefused").await?;
    ensure!(world.login().await?.password == second.token, "it was replaced by one that is refused");
    world.finish().await
}

#[tokio::test]
async fn a_changed_password_whose_registry_stays_away_is_distributed_after_the_time_out_and_unverified()
-> Result<()> {
    let world = World::start_with(Config::demo(), "1s").await?;
    world.with_own_credential().await?;
    let second = world.own_credential().await?;
    world.registry.process().suspend();
    world.cluster.change("demo", docker(&second)).await?;
    world.is_distributed(second.token.expose()).await?;
    world.cluster.expect_condition("demo", "CredentialValid", "Unknown", "Unverified").await?;
    world.cluster.expect_condition("demo", "Ready", "True", "Ready").await?;
    world.registry.process().resume();
    world.cluster.expect_condition("demo", "CredentialValid", "True", "Valid").await?;
    world.finish().await
}

//! Clusters broken in the ways of `docs/pull-failures.md`: explain names the one thing to do, the test does that and
//! nothing else, and explain sees that the image can be pulled.
//!
//! `CLUSTERS=all` breaks all of them (`./justw test long`), a name that one, and nothing a few.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use broken_clusters::{BrokenCluster, TestedOn};
use serde_json::{Value, json};
use support::eventually;

use crate::cluster::SOON;
use crate::world::{APP, INSTANCE, SECRET, World};

#[path = "broken/credential.rs"]
mod credential;
#[path = "broken/own_secret.rs"]
mod own_secret;
#[path = "broken/place.rs"]
mod place;
#[path = "broken/written.rs"]
mod written;

/// Until the controller has tried again what was refused.
const AFTER_RETRIES: Duration = Duration::from_secs(360);
const NOT_FOUND: &str = "failed to pull and unpack image \"{image}\": failed to resolve reference \"{image}\": {image}: not found";
const DENIED: &str = "failed to pull and unpack image \"{image}\": failed to resolve reference \"{image}\": pull access denied, \
                      repository does not exist or may require authorization: authorization failed: no basic auth credentials";
const UNAUTHORIZED: &str = "failed to pull and unpack image \"{image}\": failed to resolve reference \"{image}\": failed to \
                            authorize: failed to fetch anonymous token: unexpected status from GET request to \
                            https://{host}/service/token?scope=repository%3Ateam%2Fapp%3Apull&service=harbor-registry: 401 \
                            Unauthorized";
const OTHER: &str = "registry.example.com/team/app:v1";

/// One of them on the way.
struct Broken<'a> {
    world: &'a mut World,
    way: &'static BrokenCluster,
}

#[tokio::test]
async fn what_explain_says_to_do_heals_each_broken_cluster() -> Result<()> {
    let asked = std::env::var("CLUSTERS").unwrap_or_default();
    let is_asked = |it: &&BrokenCluster| match asked.as_str() {
        "" => it.tested_on == TestedOn::ControlPlane,
        "all" => true,
        name => it.name == name,
    };
    let ways: Vec<_> = broken_clusters::tested(|on| on != TestedOn::Nodes).filter(is_asked).collect();
    ensure!(!ways.is_empty(), "there is no {asked:?} in tests/broken-clusters/src/list.rs");
    let mut world = World::start().await?;
    world.run_controller().await?;
    world.cluster.ask("demo", usual()).await?;
    world.cluster.expect_condition("demo", "CredentialValid", "True", "Valid").await?;
    let mut wrong = Vec::new();
    for way in ways.iter().copied() {
        let mut broken = Broken { world: &mut world, way };
        if let Err(error) = broken.told().await {
            wrong.push(format!("{}: {error:#}", way.name));
        }
        world.cluster.change("demo", as_usual()).await?;
    }
    ensure!(wrong.is_empty(), "{} of {} are wrong:\n{}", wrong.len(), ways.len(), wrong.join("\n"));
    world.finish_with_refusals().await
}

/// What the ImagePullSecret demo usually says.
fn usual() -> Value {
    let tcr = json!({"instanceId": INSTANCE, "region": "ap-guangzhou", "domains": ["default"]});
    json!({"namespaces": "*", "serviceAccounts": "*", "tcr": tcr})
}

/// The same, as a change of whatever it says.
fn as_usual() -> Value {
    let mut spec = usual();
    spec["namespaceSelector"] = Value::Null;
    spec["tcr"]["privateNetwork"] = Value::Null;
    spec
}

impl Broken<'_> {
    /// Breaks it, has it explained, and heals it.
    async fn told(&mut self) -> Result<()> {
        match self.way.name {
            "tag-mistyped" => self.image("demo.tencentcloudcr.com/team/app:v2", NOT_FOUND).await,
            "never-pushed" => self.never_pushed().await,
            "repository-with-capitals" => {
                let words = "InvalidImageName: Failed to apply default image tag \"{image}\": couldn't parse image name \
                             \"{image}\": invalid reference format: repository name (Team/app) must be lowercase";
                self.image("demo.tencentcloudcr.com/Team/app:v1", words).await
            }
            "host-mistyped" => {
                let words = "failed to pull and unpack image \"{image}\": failed to resolve reference \"{image}\": failed to \
                             do request: Head \"https://{host}/v2/team/app/manifests/v1\": dial tcp: lookup {host}: no such \
                             host";
                self.image("dmeo.tencentcloudcr.com/team/app:v1", words).await
            }
            "host-with-capitals" => self.image("Demo.TencentCloudCR.com/team/app:v1", DENIED).await,
            "host-with-port" => self.image("demo.tencentcloudcr.com:443/team/app:v1", DENIED).await,

            "namespace-not-listed" => {
                self.not_listed(json!({"namespaces": "team"}), &["namespace-not-listed"]).await
            }
            "namespace-excluded" => {
                self.not_listed(json!({"namespaces": "*,!namespace-excluded"}), &["*"]).await
            }
            "namespace-without-label" => self.without_label().await,
            "serviceaccount-not-listed" => self.account("default", "default,robot").await,
            "serviceaccount-excluded" => self.account("*,!robot", "").await,
            "vpc-domain-not-listed" => self.domain_not_listed().await,
            "instance-not-asked-for" => self.not_asked_for().await,
            "imagepullsecret-being-deleted" => self.being_deleted().await,
            "pod-made-before" => self.made_before().await,
            "static-pod" => self.static_pod().await,

            "secret-of-somebody-else" => self.of_somebody_else().await,
            "secret-changed-back" => self.changed_back().await,
            "secret-over-quota" => self.over_quota().await,
            "reference-refused-by-policy" => self.refused_by_policy().await,
            "controller-away" => self.controller_away().await,

            "own-secret-not-base64" => self.own_entry(json!({"auth": "%%%"})).await,
            "own-secret-with-blanks" => {
                let auth = format!(" {}", self.world.right_auth());
                self.own_entry(json!({"auth": auth})).await
            }
            "own-secret-with-identity-token" => {
                self.own_entry(json!({"auth": "ZGVtbzo=", "identitytoken": "a-token"})).await
            }
            "own-secret-of-credential-store" => self.own_entry(json!({})).await,
            "own-password-mistyped" => {
                let wrong = json!({"username": "100087654321", "password": crate::world::WRONG});
                self.own_entry(wrong).await
            }
            "own-secret-of-wrong-type" => self.own_type().await,
            "own-secret-missing" => self.own_missing().await,
            "own-secret-for-mistyped-host" => self.own_host().await,
            "no-secret-for-registry" => self.own_none().await,

            "password-not-given" => self.password_not_given().await,
            "password-mistyped" => self.password_mistyped().await,
            "cloud-rights-missing" => self.cloud_rights().await,
            "instance-id-mistyped" => {
                self.instance(json!({"instanceId": "tcr-demo0002"}), json!({"instanceId": INSTANCE})).await
            }
            "region-mistyped" => {
                self.instance(json!({"region": "ap-shanghai"}), json!({"region": "ap-guangzhou"})).await
            }
            "instance-isolated" => self.isolated().await,
            "identity-may-not-pull" => self.may_not_pull().await,
            "credential-switched-off" => self.switched_off().await,
            "private-link-missing" => self.link_missing().await,
            name => bail!("nobody knows how {name} is broken"),
        }
    }

    fn name(&self) -> &'static str {
        self.way.name
    }

    /// A namespace of its own, with the Secret and the reference.
    async fn namespace(&self) -> Result<()> {
        self.world.cluster.namespace(self.name(), &[]).await?;
        self.world.is_distributed(self.name()).await
    }

    /// A Pod for which the kubelet has these words; `{image}` and `{host}` are the image's.
    async fn pod(&self, image: &str, rest: Value, words: &str) -> Result<()> {
        let host = image.split('/').next().unwrap_or_default();
        let words = words.replace("{image}", image).replace("{host}", host);
        self.world.pod(self.name(), "web", image, rest, &words).await
    }

    /// The Pod is made again, which no kubelet has looked at yet.
    async fn again(&self, image: &str, rest: Value) -> Result<()> {
        self.world.delete_pod(self.name(), "web").await?;
        self.world.new_pod(self.name(), "web", image, rest).await
    }

    /// Waits until explain says what is wrong and the one thing to do, in JSON and to people.
    async fn fails(&self) -> Result<()> {
        let pod = format!("{}/web", self.name());
        eventually("explain to say what is wrong", SOON, async || {
            let (found, code) = self.world.explained(&pod).await?;
            let problem = &found["images"][0]["problem"];
            let to_do = found["toDo"].as_str().context("it says nothing to do")?;
            ensure!(
                found["verdict"] == "fails" && code == Some(1) && problem["reason"] == self.way.reason,
                "exit {code:?}: {found:#}"
            );
            ensure!(to_do.contains(self.way.to_do), "to do: {to_do}");
            Ok(())
        })
        .await?;
        let told = String::from_utf8(self.world.ask(&pod, &[]).await?.stdout)?;
        let last = told.lines().last().unwrap_or_default();
        ensure!(last.starts_with("To do: ") && last.contains(self.way.to_do), "it ends with {last:?}");
        Ok(())
    }

    /// Waits until explain says that the image can be pulled.
    async fn pulls(&self) -> Result<()> {
        eventually("explain to say that it can be pulled", AFTER_RETRIES, async || {
            let (found, code) = self.world.explained(&format!("{}/web", self.name())).await?;
            ensure!(found["verdict"] == "pulls" && code == Some(0), "exit {code:?}: {found:#}");
            Ok(())
        })
        .await
    }

    async fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.world.cluster.plane.kubectl(arguments).await?.checked()
    }
}

/// A Pod that lists these Secrets.
fn listing(names: &[&str]) -> Value {
    let list: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
    json!({"spec": {"imagePullSecrets": list}})
}

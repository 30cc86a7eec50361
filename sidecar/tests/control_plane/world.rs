//! A cluster with a real registry, and `explain` as a process that is asked about it.

use std::path::PathBuf;
use std::process::Output;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use support::registry::{Credential, Options};
use support::{Image, Registry, eventually};
use tcr::image_pull_secret::CredentialKind;
use tcr_cloud::{Account, Config, TokenRecord};
use tencent_cloud::api_credential::Chain;
use tencent_cloud::client::{Client, Settings};

use crate::cluster::{Cluster, SOON, references};

pub(crate) const HOST: &str = "demo.tencentcloudcr.com";
pub(crate) const INSTANCE: &str = "tcr-demo0001";
pub(crate) const APP: &str = "demo.tencentcloudcr.com/team/app:v1";
pub(crate) const SECRET: &str = "tcr.ipsdemo";
/// A password of somebody's own, which no registry knows.
pub(crate) const WRONG: &str = "p-wrong-0001";
/// Other names of the registry: the instance's in its VPC, another instance's, and one outside of TCR.
const OTHER_HOSTS: [&str; 3] =
    ["demo-vpc.tencentcloudcr.com", "warehouse.tencentcloudcr.com", "registry.example.com"];

/// A cluster with a registry that has one image, `team/app:v1`.
pub(crate) struct World {
    pub(crate) cluster: Cluster,
    registry: Registry,
    ca: PathBuf,
    /// Answers that were not the right ones.
    wrong: Vec<String>,
    asked: usize,
    /// A credential that may push too.
    pub(crate) pusher: Credential,
}

impl World {
    pub(crate) async fn start() -> Result<Self> {
        Self::on(Cluster::at).await
    }

    /// The same, on another cluster.
    pub(crate) async fn on(make: impl AsyncFnOnce(Config) -> Result<Cluster>) -> Result<Self> {
        let mut config = Config::demo();
        let pusher = Account::demo_pusher();
        config.accounts.push(pusher.clone());
        let cluster = make(config).await?;
        let auth = cluster.cloud.token_service(INSTANCE)?;
        let hosts: Vec<&str> = OTHER_HOSTS.into_iter().chain([HOST]).collect();
        let registry = Registry::start(cluster.plane.run(), Options::new(&hosts, auth)).await?;
        let ca = cluster.plane.run().folder().join("registry-ca.crt");
        std::fs::write(&ca, registry.ca())?;
        let pusher = mint(&cluster, pusher).await?;
        let world = Self { cluster, registry, ca, wrong: Vec::new(), asked: 0, pusher };
        world.push("team/app:v1").await?;
        Ok(world)
    }

    /// Pushes an image.
    pub(crate) async fn push(&self, name: &str) -> Result<()> {
        let run = self.cluster.plane.run();
        let image = Image::of_program(&run.folder().join("image.tar"), b"a program")?;
        self.registry.push_image(run, name, &image, &self.pusher).await
    }

    /// Where registries are, for the controller and for the commands.
    fn registry_arguments(&self) -> Vec<String> {
        let hosts = OTHER_HOSTS.into_iter().chain([HOST]);
        let addresses = hosts.map(|host| format!("--registry-address={host}={}", self.registry.address()));
        let others = [
            "--check-registry".to_owned(),
            format!("--registry-ca={}", self.ca.display()),
            format!("--registry-realm={}", self.cluster.cloud.url()),
        ];
        others.into_iter().chain(addresses).collect()
    }

    /// The same for a program that is told by its environment.
    pub(crate) fn registry_variables(&self) -> Vec<(String, String)> {
        let hosts = OTHER_HOSTS.into_iter().chain([HOST]);
        let addresses: Vec<String> =
            hosts.map(|host| format!("{host}={}", self.registry.address())).collect();
        let variable = |name: &str, value: String| (format!("TCR_ASSISTANT_REGISTRY_{name}"), value);
        vec![
            variable("CA", self.ca.display().to_string()),
            variable("REALM", self.cluster.cloud.url()),
            variable("ADDRESS", addresses.join(",")),
        ]
    }

    pub(crate) async fn run_controller(&mut self) -> Result<()> {
        let kubeconfig = self.cluster.kubeconfig().await?;
        let mut arguments = vec!["--webhook-service=".to_owned()];
        arguments.extend(self.registry_arguments());
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.cluster.start_one(&kubeconfig, &arguments)?;
        self.cluster.lead().await
    }

    /// A Pod whose first pull failed by these words, as a kubelet reports it.
    pub(crate) async fn pod(
        &self,
        namespace: &str,
        name: &str,
        image: &str,
        rest: Value,
        failed: &str,
    ) -> Result<()> {
        self.new_pod(namespace, name, image, rest).await?;
        let pods: Api<Pod> = Api::namespaced(self.cluster.client.clone(), namespace);
        let status = json!({"status": {"phase": "Pending", "containerStatuses": [{
            "name": "app", "image": image, "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": "ErrImagePull", "message": failed}},
        }]}});
        pods.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await?;
        Ok(())
    }

    /// A Pod that no kubelet has looked at yet; `rest` has more of its metadata and spec.
    pub(crate) async fn new_pod(&self, namespace: &str, name: &str, image: &str, rest: Value) -> Result<()> {
        let pods: Api<Pod> = Api::namespaced(self.cluster.client.clone(), namespace);
        let mut pod =
            json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "app", "image": image}]}});
        for (part, fields) in rest.as_object().into_iter().flatten() {
            for (key, value) in fields.as_object().into_iter().flatten() {
                pod[part][key] = value.clone();
            }
        }
        let pod: Pod = serde_json::from_value(pod)?;
        eventually("the Pod to be let in", SOON, async || {
            Ok(pods.create(&PostParams::default(), &pod).await?)
        })
        .await?;
        Ok(())
    }

    /// Deletes a Pod at once, for there is no kubelet that would end it.
    pub(crate) async fn delete_pod(&self, namespace: &str, name: &str) -> Result<()> {
        let pods: Api<Pod> = Api::namespaced(self.cluster.client.clone(), namespace);
        pods.delete(name, &DeleteParams::default().grace_period(0)).await?;
        eventually("the Pod to be gone", SOON, async || {
            ensure!(pods.get_opt(name).await?.is_none(), "it is there");
            Ok(())
        })
        .await
    }

    /// What explain says, whatever that is, with its exit code.
    pub(crate) async fn explained(&self, pod: &str) -> Result<(Value, Option<i32>)> {
        let output = self.ask(pod, &["-o", "json"]).await?;
        let (stdout, stderr) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
        self.no_secret_in(&(stdout.clone() + &stderr))?;
        let found = serde_json::from_str(&stdout).with_context(|| format!("{pod}: {stdout}\n{stderr}"))?;
        Ok((found, output.status.code()))
    }

    pub(crate) async fn pull_secret(&self, namespace: &str, name: &str, config: Value) -> Result<()> {
        let secret: Secret = serde_json::from_value(json!({
            "metadata": {"name": name}, "type": "kubernetes.io/dockerconfigjson",
            "stringData": {".dockerconfigjson": config.to_string()},
        }))?;
        self.cluster.secrets(namespace).create(&PostParams::default(), &secret).await?;
        Ok(())
    }

    pub(crate) async fn ask(&self, pod: &str, more: &[&str]) -> Result<Output> {
        let (namespace, pod) = pod.split_once('/').context("NAMESPACE/NAME")?;
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_tcr-assistant"));
        command.args(["explain", pod, "-n", namespace, "--request-timeout=60s"]);
        command.arg("--kubeconfig").arg(self.cluster.plane.kubeconfig());
        command.args(self.registry_arguments()).args(more).env_clear();
        Ok(command.output().await?)
    }

    /// Notes where the answer about the Pod is not this one: the verdict, a word of the problem or of the note, and a
    /// part of what to do.
    pub(crate) async fn expect(&mut self, pod: &str, verdict: &str, reason: &str, to_do: &str) -> Result<()> {
        self.expect_of(pod, &[], verdict, reason, to_do).await.map(drop)
    }

    pub(crate) async fn expect_of(
        &mut self,
        pod: &str,
        more: &[&str],
        verdict: &str,
        reason: &str,
        to_do: &str,
    ) -> Result<Value> {
        self.asked += 1;
        let output = self.ask(pod, &[&["-o", "json"], more].concat()).await?;
        let (stdout, stderr) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
        self.no_secret_in(&(stdout.clone() + &stderr))?;
        let found: Value =
            serde_json::from_str(&stdout).with_context(|| format!("{pod}: {stdout}\n{stderr}"))?;
        let image = &found["images"][0];
        let code = if verdict == "fails" { 1 } else { 0 };
        let says = match verdict {
            "fails" => image["problem"]["reason"] == reason,
            _ => reason.is_empty() || image["notes"].to_string().contains(reason),
        };
        let is_right = found["verdict"] == verdict
            && says
            && found["toDo"].as_str().is_some_and(|it| it.contains(to_do))
            && output.status.code() == Some(code);
        if !is_right {
            self.wrong.push(format!("{pod}, exit {:?}: {found:#}", output.status.code()));
        }
        Ok(found)
    }

    fn no_secret_in(&self, text: &str) -> Result<()> {
        let tokens = self.cluster.cloud.tokens();
        let mut secrets = tokens.iter().map(|token| token.secret.expose()).chain([WRONG]);
        ensure!(!secrets.any(|secret| text.contains(secret)), "a secret is shown");
        Ok(())
    }

    /// Waits until new Pods of the namespace get the reference.
    pub(crate) async fn is_distributed(&self, namespace: &str) -> Result<()> {
        self.is_referred_to(namespace, "default").await
    }

    /// Waits until the ServiceAccount refers to our Secret, and the Secret is there.
    pub(crate) async fn is_referred_to(&self, namespace: &str, account: &str) -> Result<()> {
        self.refers_to(namespace, account, SECRET).await
    }

    /// The same of another Secret.
    pub(crate) async fn refers_to(&self, namespace: &str, account: &str, secret: &str) -> Result<()> {
        eventually(&format!("{secret} in {namespace}"), SOON * 2, async || {
            self.cluster.ours(namespace, secret).await?;
            let found = self.cluster.accounts(namespace).get(account).await?;
            ensure!(references(&found).iter().any(|it| it == secret), "{account} does not refer to it");
            Ok(())
        })
        .await
    }

    /// Waits until a Secret is gone.
    pub(crate) async fn secret_is_gone(&self, namespace: &str, secret: &str) -> Result<()> {
        eventually(&format!("{secret} in {namespace} to be gone"), SOON * 2, async || {
            ensure!(self.cluster.secrets(namespace).get_opt(secret).await?.is_none(), "it is there");
            Ok(())
        })
        .await
    }

    /// The Lease is as it is long after its holder was killed.
    pub(crate) async fn lease_runs_out(&self) -> Result<()> {
        let leases: Api<Lease> = Api::namespaced(self.cluster.client.clone(), "tcr-assistant-system");
        let long_ago = json!({"spec": {"renewTime": "2026-01-01T00:00:00.000000Z"}});
        leases.patch("tcr-assistant-leader", &PatchParams::default(), &Patch::Merge(long_ago)).await?;
        Ok(())
    }

    /// A user name and a password that the registry lets in, as an entry of `auths`.
    pub(crate) fn right_login(&self) -> Value {
        json!({"username": self.pusher.username, "password": self.pusher.password})
    }

    /// The same in one word.
    pub(crate) fn right_auth(&self) -> String {
        STANDARD.encode(format!("{}:{}", self.pusher.username, self.pusher.password))
    }

    /// `spec.docker` with which the registry lets in under this name.
    pub(crate) fn docker(&self, server: &str) -> Value {
        json!({"server": server, "username": self.pusher.username, "password": self.pusher.password})
    }

    pub(crate) async fn finish(self) -> Result<()> {
        ensure!(
            self.wrong.is_empty(),
            "{} of {} answers are wrong:\n{}",
            self.wrong.len(),
            self.asked,
            self.wrong.join("\n")
        );
        let tokens = self.cluster.cloud.tokens();
        self.cluster.finish(&secrets(&tokens)).await
    }

    /// The same where calls of the controller were refused on purpose.
    pub(crate) async fn finish_with_refusals(self) -> Result<()> {
        let tokens = self.cluster.cloud.tokens();
        self.cluster.finish_with_refusals(&secrets(&tokens)).await
    }
}

/// What must be shown nowhere.
fn secrets(tokens: &[TokenRecord]) -> Vec<&str> {
    tokens.iter().map(|token| token.secret.expose()).chain([WRONG]).collect()
}

async fn mint(cluster: &Cluster, account: Account) -> Result<Credential> {
    let chain = Chain::over(move |name| account.variable(name));
    let settings = Settings { endpoint: Some(cluster.cloud.url().parse()?), ..Settings::default() };
    let client = Client::new(settings, chain)?;
    let made =
        client.create_instance_token("ap-guangzhou", INSTANCE, CredentialKind::Longterm, "push").await?;
    Ok(Credential { username: made.username, password: made.token.expose().to_owned() })
}

/// `auths` with one user's password for a host.
pub(crate) fn auths(host: &str, auth: Value) -> Value {
    json!({"auths": {host: auth}})
}

pub(crate) const UNAUTHORIZED: &str =
    "failed to pull and unpack image: failed to authorize: 401 Unauthorized";

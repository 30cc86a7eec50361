//! `tcr-assistant explain` on clusters that are broken, each in its own way, with a real registry to ask.

use std::path::PathBuf;
use std::process::Output;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Pod, Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use support::registry::{Credential, Options};
use support::{Image, Registry, eventually};
use tcr::image_pull_secret::CredentialKind;
use tcr_cloud::{Account, Config};
use tencent_cloud::api_credential::Chain;
use tencent_cloud::client::{Client, Settings};

use crate::cluster::{Cluster, SOON, references};

const HOST: &str = "demo.tencentcloudcr.com";
const INSTANCE: &str = "tcr-demo0001";
const APP: &str = "demo.tencentcloudcr.com/team/app:v1";
const SECRET: &str = "tcr.ipsdemo";
/// A password of somebody's own, which no registry knows.
const WRONG: &str = "p-wrong-0001";

/// A cluster with a registry that has one image, `team/app:v1`.
struct World {
    cluster: Cluster,
    registry: Registry,
    ca: PathBuf,
    /// Answers that were not the right ones.
    wrong: Vec<String>,
    asked: usize,
}

impl World {
    async fn start() -> Result<Self> {
        let mut config = Config::demo();
        let pusher = Account::demo_pusher();
        config.accounts.push(pusher.clone());
        let cluster = Cluster::at(config).await?;
        let auth = cluster.cloud.token_service(INSTANCE)?;
        let registry = Registry::start(cluster.plane.run(), Options::new(&[HOST], auth)).await?;
        let ca = cluster.plane.run().folder().join("registry-ca.crt");
        std::fs::write(&ca, registry.ca())?;
        let world = Self { cluster, registry, ca, wrong: Vec::new(), asked: 0 };
        world.push(&pusher).await?;
        Ok(world)
    }

    async fn push(&self, pusher: &Account) -> Result<()> {
        let pusher = pusher.clone();
        let chain = Chain::over(move |name| pusher.variable(name));
        let settings = Settings { endpoint: Some(self.cluster.cloud.url().parse()?), ..Settings::default() };
        let client = Client::new(settings, chain)?;
        let made =
            client.create_instance_token("ap-guangzhou", INSTANCE, CredentialKind::Longterm, "push").await?;
        let credential = Credential { username: made.username, password: made.token.expose().to_owned() };
        let run = self.cluster.plane.run();
        let image = Image::of_program(&run.folder().join("image.tar"), b"a program")?;
        self.registry.push_image(run, "team/app:v1", &image, &credential).await
    }

    /// Where registries are, for the controller and for whoever asks.
    fn registry_arguments(&self) -> Vec<String> {
        vec![
            "--check-registry".to_owned(),
            format!("--registry-ca={}", self.ca.display()),
            format!("--registry-address={HOST}={}", self.registry.address()),
            format!("--registry-realm={}", self.cluster.cloud.url()),
        ]
    }

    async fn run_controller(&mut self) -> Result<()> {
        let kubeconfig = self.cluster.kubeconfig().await?;
        let mut arguments = vec!["--webhook-service=".to_owned()];
        arguments.extend(self.registry_arguments());
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.cluster.start_one(&kubeconfig, &arguments)?;
        self.cluster.lead().await
    }

    /// A Pod whose first pull failed by these words, as a kubelet reports it.
    async fn pod(&self, namespace: &str, name: &str, image: &str, rest: Value, failed: &str) -> Result<()> {
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
        let status = json!({"status": {"phase": "Pending", "containerStatuses": [{
            "name": "app", "image": image, "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": "ErrImagePull", "message": failed}},
        }]}});
        pods.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await?;
        Ok(())
    }

    async fn pull_secret(&self, namespace: &str, name: &str, config: Value) -> Result<()> {
        let secret: Secret = serde_json::from_value(json!({
            "metadata": {"name": name}, "type": "kubernetes.io/dockerconfigjson",
            "stringData": {".dockerconfigjson": config.to_string()},
        }))?;
        self.cluster.secrets(namespace).create(&PostParams::default(), &secret).await?;
        Ok(())
    }

    async fn ask(&self, pod: &str, more: &[&str]) -> Result<Output> {
        let (namespace, pod) = pod.split_once('/').context("NAMESPACE/NAME")?;
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_tcr-assistant"));
        command.args(["explain", pod, "-n", namespace, "--request-timeout=60s"]);
        command.arg("--kubeconfig").arg(self.cluster.plane.kubeconfig());
        command.args(self.registry_arguments()).args(more).env_clear();
        Ok(command.output().await?)
    }

    /// Notes where the answer about the Pod is not this one: the verdict, a word of the problem or of the note, and a
    /// part of what to do.
    async fn expect(&mut self, pod: &str, verdict: &str, reason: &str, to_do: &str) -> Result<()> {
        self.expect_of(pod, &[], verdict, reason, to_do).await.map(drop)
    }

    async fn expect_of(
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
    async fn is_distributed(&self, namespace: &str) -> Result<()> {
        eventually(&format!("the Secret in {namespace}"), SOON * 2, async || {
            self.cluster.ours(namespace, SECRET).await?;
            let account = self.cluster.accounts(namespace).get("default").await?;
            ensure!(references(&account).iter().any(|it| it == SECRET), "no reference");
            Ok(())
        })
        .await
    }

    async fn finish(self) -> Result<()> {
        ensure!(
            self.wrong.is_empty(),
            "{} of {} answers are wrong:\n{}",
            self.wrong.len(),
            self.asked,
            self.wrong.join("\n")
        );
        let tokens = self.cluster.cloud.tokens();
        let secrets: Vec<&str> = tokens.iter().map(|token| token.secret.expose()).chain([WRONG]).collect();
        self.cluster.finish(&secrets).await
    }
}

/// `auths` with one user's password for a host.
fn auths(host: &str, auth: Value) -> Value {
    json!({"auths": {host: auth}})
}

const UNAUTHORIZED: &str = "failed to pull and unpack image: failed to authorize: 401 Unauthorized";

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
    let leases: Api<Lease> = Api::namespaced(world.cluster.client.clone(), "tcr-assistant-system");
    let long_ago = json!({"spec": {"renewTime": "2026-01-01T00:00:00.000000Z"}});
    leases.patch("tcr-assistant-leader", &PatchParams::default(), &Patch::Merge(long_ago)).await?;
    world.expect("good/web", "fails", "ControllerAway", "kubectl -n tcr-assistant-system get pods").await?;
    world.cluster.secrets("good").delete(SECRET, &kube::api::DeleteParams::default()).await?;
    world.expect("good/web", "fails", "ControllerAway", "kubectl -n tcr-assistant-system get pods").await
}

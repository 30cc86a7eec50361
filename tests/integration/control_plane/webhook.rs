//! A control plane that asks `harness serve` with the built policy about everything in its metadata.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use integration::{policy_wasm, program, root};
use serde_json::{Value, json};
use support::{ControlPlane, Identity, Options, Output, Process, eventually};
use tcr::names::{SYSTEM_NAMESPACE, WEBHOOK_DEPLOYMENT};

/// Longer than anything here takes on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(60);
/// What the policy may read is what the manifests allow the webhook.
const ROLES: [&str; 4] = ["Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding"];

/// A control plane whose webhooks are registered.
pub(crate) struct Cluster {
    pub(crate) plane: ControlPlane,
    _webhook: Process,
}

impl Cluster {
    /// Starts it with these settings of the policy. Every request that the policy's metadata names is put to
    /// it, without the conditions that the chart's webhooks save calls with: what is decided is the
    /// policy's decision. A webhook that fails is a refusal.
    pub(crate) async fn start(settings: &Value) -> Result<Self> {
        let plane = ControlPlane::start(Options::default()).await?;
        plane.apply(&custom_resource::yaml()?).await?;
        plane.apply(&manifests(&ROLES)?).await?;
        let (webhook, configuration) = serve(&plane, settings).await?;
        plane.apply(&configuration).await?;
        let cluster = Self { plane, _webhook: webhook };
        // The API server learns of its webhooks by a watch.
        eventually("the API server to ask the policy", SOON, async || {
            let bad = json!({
                "apiVersion": "tcr.tencentcloudcr.com/v1", "kind": "ImagePullSecret", "metadata": {"name": "bad"},
                "spec": {"namespaces": "Not_A_Name", "tcr": {"instanceId": "tcr-demo0001", "region": "ap-guangzhou"}},
            });
            let output = cluster.kubectl_with(&["apply", "--dry-run=server", "-f", "-"], &bad.to_string()).await?;
            ensure!(output.stderr.contains("denied the request"), "{output:?}");
            Ok(())
        })
        .await?;
        Ok(cluster)
    }

    pub(crate) async fn kubectl(&self, arguments: &[&str]) -> Result<Output> {
        self.plane.kubectl(arguments).await
    }

    pub(crate) async fn kubectl_with(&self, arguments: &[&str], stdin: &str) -> Result<Output> {
        self.plane.kubectl_with(self.plane.kubeconfig(), arguments, stdin).await
    }

    /// What a user sees who applies this: it must succeed.
    pub(crate) async fn apply(&self, manifest: &str) -> Result<Seen> {
        Seen::of(self.kubectl_with(&["apply", "-f", "-"], manifest).await?)
    }

    /// The same where nothing is kept.
    pub(crate) async fn try_out(&self, manifest: &str) -> Result<Output> {
        self.kubectl_with(&["apply", "--dry-run=server", "-f", "-"], manifest).await
    }

    /// What a user sees of a command that must succeed.
    pub(crate) async fn sees(&self, arguments: &[&str]) -> Result<Seen> {
        Seen::of(self.kubectl(arguments).await?)
    }

    /// The names in an object's list of pull secrets.
    pub(crate) async fn listed(&self, object: &str, namespace: &str) -> Result<String> {
        let path = match object.starts_with("pod/") {
            true => "jsonpath={.spec.imagePullSecrets[*].name}",
            false => "jsonpath={.imagePullSecrets[*].name}",
        };
        self.kubectl(&["-n", namespace, "get", object, "-o", path]).await?.checked()
    }
}

/// What somebody sees besides that it was done.
#[derive(Debug)]
pub(crate) struct Seen(String);

impl Seen {
    fn of(output: Output) -> Result<Self> {
        let warnings = output.stderr.clone();
        output.checked()?;
        Ok(Self(warnings))
    }

    /// One warning, with these words.
    #[track_caller]
    pub(crate) fn warned(&self, words: &str) {
        let count = self.0.lines().filter(|line| line.starts_with("Warning: ")).count();
        assert!(
            count == 1 && self.0.contains(words),
            "no (or not one) warning with {words:?} in {:?}",
            self.0
        );
    }

    #[track_caller]
    pub(crate) fn silent(&self) {
        assert!(!self.0.contains("Warning: "), "warned: {:?}", self.0);
    }
}

/// The message of a refusal by the policy, with these words.
#[track_caller]
pub(crate) fn refused(output: &Output, words: &str) {
    assert!(!output.success, "it was accepted: {output:?}");
    assert!(
        output.stderr.contains("denied the request") && output.stderr.contains(words),
        "no refusal with {words:?} in {:?}",
        output.stderr
    );
}

/// A file of the repository.
pub(crate) fn file(path: &str) -> Result<String> {
    std::fs::read_to_string(root().join(path)).with_context(|| format!("cannot read {path}"))
}

/// The chart's objects of these kinds.
fn manifests(kinds: &[&str]) -> Result<String> {
    let all = file("artifacts/manifests/tcr-assistant.yaml")?;
    let is_wanted = |document: &&str| {
        let kind = document.lines().find_map(|line| line.strip_prefix("kind: "));
        kind.is_some_and(|kind| kinds.contains(&kind))
    };
    let wanted: Vec<&str> = all.split("\n---\n").filter(is_wanted).collect();
    ensure!(wanted.len() >= kinds.len(), "the manifests lack some of {kinds:?}");
    Ok(wanted.join("\n---\n"))
}

/// Serves the policy, and the webhook's configuration for it.
async fn serve(plane: &ControlPlane, settings: &Value) -> Result<(Process, String)> {
    let folder = plane.run().folder();
    let write = |name: &str, text: &str| -> Result<String> {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path.to_string_lossy().into_owned())
    };
    let certified = rcgen::generate_simple_self_signed([Ipv4Addr::LOCALHOST.to_string()])?;
    let certificate = certified.cert.pem();
    let wasm = std::fs::read(policy_wasm())?;
    let metadata = harness::metadata::Metadata::of_module(&wasm)?.context("the policy is not annotated")?;
    let policies = json!({"tcr-assistant": {
        "module": format!("file://{}", policy_wasm().display()),
        "allowedToMutate": true,
        "settings": settings,
        "hostCapabilities": metadata.host_capabilities,
        "contextAwareResources": metadata.context_aware_resources,
    }});
    let identity = Identity::service_account(SYSTEM_NAMESPACE, WEBHOOK_DEPLOYMENT);
    let kubeconfig = plane.kubeconfig_for(&identity).await?;
    let [reviews, readiness] = free_ports()?;
    let mut command = program("harness");
    command
        .args(["serve", "--addr", "127.0.0.1", "--policies", &write("policies.yml", &policies.to_string())?])
        .args(["--cert-file", &write("tls.crt", &certificate)?])
        .args(["--key-file", &write("tls.key", &certified.signing_key.serialize_pem())?])
        .args(["--port", &reviews.to_string(), "--readiness-probe-port", &readiness.to_string()])
        .env("KUBECONFIG", kubeconfig);
    let webhook = plane.run().start("webhook", command)?;
    eventually("the webhook to be ready", SOON, async || {
        webhook.check()?;
        let url = format!("http://127.0.0.1:{readiness}/readiness");
        ensure!(reqwest::get(url).await?.status().is_success(), "not ready");
        Ok(())
    })
    .await?;
    let hook = |name: &str, operations: Value| {
        json!({
            "name": name, "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": "Fail",
            "timeoutSeconds": 10,
            "clientConfig": {
                "url": format!("https://127.0.0.1:{reviews}/validate/tcr-assistant"),
                "caBundle": STANDARD.encode(&certificate),
            },
            "rules": operations,
            "namespaceSelector": {"matchExpressions": [
                {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": [SYSTEM_NAMESPACE]},
            ]},
        })
    };
    let kind = "MutatingWebhookConfiguration";
    let configuration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": "policy"},
        "webhooks": [hook("all.policy.tcr.tencentcloudcr.com", serde_json::to_value(&metadata.rules)?)],
    });
    Ok((webhook, configuration.to_string()))
}

/// Two ports that were free a moment ago.
fn free_ports() -> Result<[u16; 2]> {
    let listeners = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
    Ok([listeners[0].local_addr()?.port(), listeners[1].local_addr()?.port()])
}

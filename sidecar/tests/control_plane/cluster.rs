//! A control plane with the add-on's roles, and the controller as a process in it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use custom_resource::ImagePullSecret;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Secret, ServiceAccount};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use support::{ControlPlane, Identity, Options, Output, Part, Process, eventually};
use tcr_cloud::{Cloud, Config};

use crate::chart;

/// Longer than anything here takes on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(30);
/// Objects of the manifests that the controller needs.
const NEEDED: [&str; 8] = [
    "Namespace",
    "ServiceAccount",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
];

pub(crate) struct Cluster {
    pub(crate) plane: ControlPlane,
    pub(crate) client: Client,
    pub(crate) cloud: Cloud,
    /// The one that leads, then those that wait.
    controllers: Vec<Controller>,
    /// Logs of all that ever ran.
    logs: Vec<std::path::PathBuf>,
    /// The API server was started anew.
    restarted: bool,
    /// The test came to its end, and all was right.
    finished: bool,
}

struct Controller {
    process: Process,
    /// It stands still until it is resumed.
    is_suspended: bool,
}

impl Controller {
    async fn get(&self, path: &str) -> Result<String> {
        let url = format!("http://{}{path}", self.process.address_behind("listening on ")?);
        Ok(reqwest::get(url).await?.error_for_status()?.text().await?)
    }

    async fn leads(&self) -> Result<()> {
        eventually("the controller to lead with everything listed", SOON * 2, async || {
            ensure!(self.get("/readyz").await? == "ok", "not ready");
            let metrics = self.get("/metrics").await?;
            ensure!(metrics.contains("tcr_assistant_leading 1"), "it does not lead");
            Ok(())
        })
        .await
    }
}

impl Drop for Cluster {
    /// A test that returns an error does not panic, and its logs are wanted as much.
    fn drop(&mut self) {
        if !self.finished {
            self.plane.run().failed();
        }
    }
}

impl Cluster {
    /// A control plane with the custom resource and the roles; no controller yet.
    pub(crate) async fn start() -> Result<Self> {
        Self::at(Config::demo()).await
    }

    /// The same, with another cloud.
    pub(crate) async fn at(config: Config) -> Result<Self> {
        let plane = ControlPlane::start(Options { audit: true, ..Options::default() }).await?;
        plane.apply(&custom_resource::yaml()?).await?;
        let manifests = concat!(env!("CARGO_MANIFEST_DIR"), "/../artifacts/manifests/tcr-assistant.yaml");
        let manifests = std::fs::read_to_string(manifests).context("cannot read the manifests")?;
        let kind =
            |document: &str| document.lines().find_map(|line| line.strip_prefix("kind: ").map(str::to_owned));
        let needed: Vec<&str> = manifests
            .split("\n---\n")
            .filter(|document| kind(document).is_some_and(|kind| NEEDED.contains(&kind.as_str())))
            .collect();
        ensure!(needed.len() >= NEEDED.len(), "the manifests lack some of {NEEDED:?}");
        plane.apply(&needed.join("\n---\n")).await?;
        Self::of(plane, config).await
    }

    /// The same, where helm has installed the chart with these values, and its Pods run nowhere.
    pub(crate) async fn by_chart(config: Config, values: &Value) -> Result<Self> {
        let plane = ControlPlane::start(Options { audit: true, ..Options::default() }).await?;
        plane.kubectl(&["create", "namespace", "tcr-assistant-system"]).await?.checked()?;
        chart::install(&plane, values).await?;
        let none = ["-n", "tcr-assistant-system", "scale", "deployment", "--all", "--replicas=0"];
        plane.kubectl(&none).await?.checked()?;
        Self::of(plane, config).await
    }

    async fn of(plane: ControlPlane, config: Config) -> Result<Self> {
        let client = plane.client().await?;
        let cloud = Cloud::start(config)?;
        let cluster = Self {
            plane,
            client,
            cloud,
            controllers: Vec::new(),
            logs: Vec::new(),
            restarted: false,
            finished: false,
        };
        cluster.wait_for_resource().await?;
        Ok(cluster)
    }

    /// The same, with a controller that is ready.
    pub(crate) async fn with_controller() -> Result<Self> {
        let mut cluster = Self::start().await?;
        cluster.run().await?;
        Ok(cluster)
    }

    async fn wait_for_resource(&self) -> Result<()> {
        let objects: Api<ImagePullSecret> = Api::all(self.client.clone());
        eventually("the custom resource", SOON, async || Ok(objects.list(&ListParams::default()).await?))
            .await?;
        Ok(())
    }

    /// Applies the webhook configurations, which nobody serves: they are for ServiceAccounts and Pods
    /// to pass by.
    pub(crate) async fn webhooks(&self) -> Result<()> {
        let manifests = concat!(env!("CARGO_MANIFEST_DIR"), "/../artifacts/manifests/tcr-assistant.yaml");
        let manifests = std::fs::read_to_string(manifests).context("cannot read the manifests")?;
        let wanted: Vec<&str> = manifests
            .split("\n---\n")
            .filter(|document| {
                document.contains("\nkind: ValidatingWebhook") || document.contains("\nkind: MutatingWebhook")
            })
            .collect();
        ensure!(wanted.len() == 2, "the manifests have {} webhook configurations", wanted.len());
        self.plane.apply(&wanted.join("\n---\n")).await?;
        Ok(())
    }

    /// Starts a controller, and waits until it leads.
    pub(crate) async fn run(&mut self) -> Result<()> {
        self.run_with("--webhook-service=").await
    }

    /// The same, with another argument.
    pub(crate) async fn run_with(&mut self, argument: &str) -> Result<()> {
        self.add(argument).await?;
        self.lead().await
    }

    /// Waits until the first controller leads.
    pub(crate) async fn lead(&self) -> Result<()> {
        self.leader()?.leads().await
    }

    /// Starts a controller that waits for the lease, and waits until it is ready to.
    pub(crate) async fn stand_by(&mut self) -> Result<()> {
        self.add("--webhook-service=").await?;
        let standby = self.controllers.last().context("it was just started")?;
        eventually("the second controller to be ready", SOON, async || {
            ensure!(standby.get("/readyz").await? == "ok", "not ready");
            ensure!(standby.get("/metrics").await?.contains("tcr_assistant_leading 0"), "it leads");
            Ok(())
        })
        .await
    }

    pub(crate) async fn kubeconfig(&self) -> Result<std::path::PathBuf> {
        self.plane.kubeconfig_for(&identity()).await
    }

    /// Who the uninstall's Job is: what helm makes for it before it starts.
    pub(crate) async fn withdrawal(&self) -> Result<Identity> {
        let objects = chart::render(&["uninstall.yaml"], &json!({})).await?;
        let rights = objects.into_iter().filter(|object| object["kind"] != "Job");
        self.plane.apply(&chart::list(rights)).await?;
        Ok(Identity::service_account("tcr-assistant-system", "tcr-assistant-withdraw-hosts"))
    }

    async fn add(&mut self, argument: &str) -> Result<()> {
        let kubeconfig = self.kubeconfig().await?;
        self.start_one(&kubeconfig, &["--leader-elect", argument])
    }

    /// Starts a controller that need not wait for a lease, and does not wait for it.
    pub(crate) fn start_one(&mut self, kubeconfig: &Path, arguments: &[&str]) -> Result<()> {
        let account = &Config::demo().accounts[0];
        let mut command = self.plane.run().command(env!("CARGO_BIN_EXE_tcr-assistant"));
        command
            .args(["run", "--cluster-id=cls-test0001", "--region=ap-guangzhou", "--address=127.0.0.1:0"])
            .args(arguments)
            .arg(format!("--tcr-endpoint={}", self.cloud.url()))
            .env("KUBECONFIG", kubeconfig)
            .env("RUST_LOG", "info,controller=debug,credential=debug,tencent_cloud=debug,commands=debug")
            .envs(account.variables())
            // Most of these tests have no registry; --check-registry says otherwise.
            .env("TCR_ASSISTANT_CHECK_REGISTRY", "false")
            .env("TCR_ASSISTANT_STS_ENDPOINT", self.cloud.url())
            .env("TCR_ASSISTANT_METADATA_ENDPOINT", self.cloud.url());
        let process = self.plane.run().start(&format!("controller-{}", self.logs.len() + 1), command)?;
        self.logs.push(process.log_path().to_owned());
        self.controllers.push(Controller { process, is_suspended: false });
        Ok(())
    }

    /// A sample of the leader's metrics.
    pub(crate) async fn metric(&self, sample: &str) -> Result<Option<f64>> {
        let metrics = self.leader()?.get("/metrics").await?;
        let line = metrics.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        Ok(line.and_then(|value| value.parse().ok()))
    }

    /// Secrets and ServiceAccounts that the leader has written.
    pub(crate) async fn writes(&self) -> Result<f64> {
        self.metric("tcr_assistant_writes_total").await?.context("it does not count its writes")
    }

    /// Runs the program as the cluster's administrator.
    pub(crate) async fn command(&self, arguments: &[&str]) -> Result<Output> {
        let program = env!("CARGO_BIN_EXE_tcr-assistant");
        let mut command = tokio::process::Command::new(program);
        let output = command.args(arguments).env("KUBECONFIG", self.plane.kubeconfig()).output().await?;
        Ok(Output {
            command: format!("tcr-assistant {}", arguments.join(" ")),
            success: output.status.success(),
            stdout: String::from_utf8(output.stdout)?,
            stderr: String::from_utf8(output.stderr)?,
        })
    }

    /// Ends the controller that leads as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        if !self.controllers.is_empty() {
            self.controllers.remove(0).process.kill();
        }
    }

    /// Waits until the controller that leads has ended by itself; the next one takes its place.
    pub(crate) async fn leader_ends(&mut self) -> Result<()> {
        eventually("the leader to end", SOON, async || {
            ensure!(self.leader()?.process.ended().is_some(), "it runs");
            Ok(())
        })
        .await?;
        self.controllers.remove(0);
        Ok(())
    }

    /// What the controllers have logged.
    pub(crate) fn log(&self) -> Result<String> {
        self.logs.iter().map(|log| Ok(std::fs::read_to_string(log)?)).collect()
    }

    /// What a kubelet does, after the API server was gone: starts the controller again when it ended
    /// because it could not renew the lease.
    pub(crate) async fn keep_running(&mut self) -> Result<()> {
        let since = jiff::Timestamp::now();
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), "tcr-assistant-system");
        let has_ended = eventually("the lease to be renewed, or the controller to end", SOON, async || {
            if self.leader()?.process.ended().is_some() {
                return Ok(true);
            }
            let lease = leases.get("tcr-assistant-leader").await?;
            let renewed = lease.spec.and_then(|it| it.renew_time).context("it was never renewed")?;
            ensure!(renewed.0 > since, "it was renewed at {}", renewed.0);
            Ok(false)
        })
        .await?;
        if has_ended {
            self.controllers.remove(0);
            self.run().await?;
        }
        Ok(())
    }

    /// Sees to it that so many controllers run, as a Deployment does, and waits for none of them.
    pub(crate) async fn replicas(&mut self, count: usize) -> Result<()> {
        self.replicas_with(count, "--webhook-service=").await
    }

    /// The same, with another argument.
    pub(crate) async fn replicas_with(&mut self, count: usize, argument: &str) -> Result<()> {
        self.controllers.retain(|it| it.process.ended().is_none());
        while self.controllers.len() < count {
            self.add(argument).await?;
        }
        Ok(())
    }

    /// Ends one of the controllers as `kill -9` does.
    pub(crate) fn kill_one(&mut self, which: usize) {
        if which < self.controllers.len() {
            self.controllers.remove(which).process.kill();
        }
    }

    /// Stops one of the controllers where it stands, as a machine that hangs or a network that is gone does.
    pub(crate) fn suspend_one(&mut self, which: usize) {
        if let Some(controller) = self.controllers.get_mut(which) {
            controller.process.suspend();
            controller.is_suspended = true;
        }
    }

    /// Lets every controller go on that was stopped.
    pub(crate) fn resume_all(&mut self) {
        self.resume_but(0);
    }

    /// Lets all go on but one of those that were stopped, if there are any.
    pub(crate) fn resume_all_but_one(&mut self) {
        self.resume_but(1);
    }

    fn resume_but(&mut self, stay: usize) {
        for controller in self.controllers.iter_mut().filter(|it| it.is_suspended).skip(stay) {
            controller.process.resume();
            controller.is_suspended = false;
        }
    }

    /// Kills a part of the control plane and starts it again.
    pub(crate) async fn restart(&mut self, part: Part) -> Result<()> {
        self.nothing_denied()?;
        // Until it has read the roles, an API server that just started refuses what they allow.
        self.restarted = true;
        self.plane.restart(part).await
    }

    fn nothing_denied(&self) -> Result<()> {
        if self.restarted {
            return Ok(());
        }
        let denied = self.plane.denied(&identity())?;
        // A new binding counts a moment after it was made.
        let denied: Vec<_> = denied
            .into_iter()
            .filter(|it| !it.message.contains("clusterrole.rbac.authorization.k8s.io"))
            .collect();
        ensure!(denied.is_empty(), "denied: {denied:?}");
        Ok(())
    }

    fn leader(&self) -> Result<&Controller> {
        self.controllers.first().context("no controller was started")
    }

    /// Calls that RBAC did not allow, and secrets where they must not be: a test ends with this.
    pub(crate) async fn finish(self, secrets: &[&str]) -> Result<()> {
        self.nothing_denied()?;
        self.finish_with_refusals(secrets).await
    }

    /// The same where calls of the controller were refused on purpose.
    pub(crate) async fn finish_with_refusals(self, secrets: &[&str]) -> Result<()> {
        let mut places = Vec::new();
        for log in &self.logs {
            places.push((log.display().to_string(), std::fs::read_to_string(log)?));
        }
        let events = self.plane.kubectl(&["get", "events", "-A", "-o", "json"]).await?.checked()?;
        places.push(("an Event".to_owned(), events));
        let maps = self.plane.kubectl(&["get", "configmaps", "-A", "-o", "json"]).await?.checked()?;
        places.push(("a ConfigMap".to_owned(), maps));
        for object in self.objects().list(&ListParams::default()).await? {
            places.push(("a status".to_owned(), serde_json::to_string(&object.status)?));
        }
        if let Ok(controller) = self.leader() {
            places.push(("the metrics".to_owned(), controller.get("/metrics").await?));
        }
        let account = &Config::demo().accounts[0];
        for secret in secrets.iter().copied().chain([account.secret_key.expose()]) {
            for (place, text) in &places {
                ensure!(!text.contains(secret), "a secret is in {place}");
            }
        }
        self.end();
        Ok(())
    }

    /// Ends a test in which calls were denied on purpose.
    pub(crate) fn end(mut self) {
        self.finished = true;
    }

    pub(crate) fn secrets(&self, namespace: &str) -> Api<Secret> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Fails where the Secret is not there, or somebody else's.
    pub(crate) async fn ours(&self, namespace: &str, name: &str) -> Result<()> {
        let found = self.secrets(namespace).get(name).await?;
        let label = "tcr.tencentcloudcr.com/image-pull-secret";
        ensure!(found.labels().contains_key(label), "{namespace}/{name} is somebody else's");
        Ok(())
    }

    pub(crate) fn accounts(&self, namespace: &str) -> Api<ServiceAccount> {
        Api::namespaced(self.client.clone(), namespace)
    }

    pub(crate) fn objects(&self) -> Api<ImagePullSecret> {
        Api::all(self.client.clone())
    }

    /// Makes a namespace with labels, and waits for the ServiceAccount that Kubernetes puts there a moment
    /// later: what is counted before it is there differs from what is counted after.
    pub(crate) async fn namespace(&self, name: &str, labels: &[(&str, &str)]) -> Result<()> {
        let mut namespace = Namespace::default();
        namespace.metadata.name = Some(name.to_owned());
        namespace.metadata.labels =
            Some(labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect());
        Api::<Namespace>::all(self.client.clone()).create(&PostParams::default(), &namespace).await?;
        eventually("the ServiceAccount", SOON, async || Ok(self.accounts(name).get("default").await?))
            .await?;
        Ok(())
    }

    pub(crate) async fn ask(&self, name: &str, spec: Value) -> Result<()> {
        let object: ImagePullSecret =
            serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec}))?;
        self.objects().create(&PostParams::default(), &object).await?;
        Ok(())
    }

    /// Changes the spec of one.
    pub(crate) async fn change(&self, name: &str, spec: Value) -> Result<()> {
        let patch = Patch::Merge(json!({"spec": spec}));
        self.objects().patch(name, &PatchParams::default(), &patch).await?;
        Ok(())
    }

    /// Deletes one and waits until it is gone.
    pub(crate) async fn delete(&self, name: &str) -> Result<()> {
        self.objects().delete(name, &DeleteParams::default()).await?;
        eventually(&format!("ImagePullSecret {name} to be gone"), SOON, async || {
            ensure!(self.objects().get_opt(name).await?.is_none(), "it is still there");
            Ok(())
        })
        .await
    }

    /// Waits until exactly these namespaces, of those made by tests, have the Secret and refer to it.
    pub(crate) async fn expect_in(&self, name: &str, namespaces: &[&str]) -> Result<()> {
        let secret = format!("tcr.ips{name}");
        let wanted: BTreeSet<String> = namespaces.iter().map(|name| (*name).to_owned()).collect();
        eventually(&format!("{secret} to be in exactly {namespaces:?}"), SOON, async || {
            let field = ListParams::default().fields(&format!("metadata.name={secret}"));
            let found = Api::<Secret>::all(self.client.clone()).list(&field).await?;
            let found: BTreeSet<String> =
                found.iter().filter_map(ResourceExt::namespace).filter(|it| !is_system(it)).collect();
            ensure!(found == wanted, "the Secret is in {found:?}");
            let accounts =
                Api::<ServiceAccount>::all(self.client.clone()).list(&ListParams::default()).await?;
            let refers = |account: &&ServiceAccount| references(account).contains(&secret);
            let referring: BTreeSet<String> = accounts
                .iter()
                .filter(refers)
                .filter_map(ResourceExt::namespace)
                .filter(|it| !is_system(it))
                .collect();
            ensure!(referring == wanted, "ServiceAccounts refer to it in {referring:?}");
            Ok(())
        })
        .await
    }

    /// Waits until the status says that the condition has this status and reason.
    pub(crate) async fn expect_condition(
        &self,
        name: &str,
        kind: &str,
        status: &str,
        reason: &str,
    ) -> Result<ImagePullSecret> {
        eventually(&format!("{kind}={status} ({reason}) of {name}"), SOON, async || {
            let object = self.objects().get(name).await?;
            let told = object.status.clone().unwrap_or_default();
            ensure!(told.observed_generation == object.metadata.generation, "it is about another generation");
            let condition = told.conditions.iter().find(|it| it.type_ == kind).context("there is none")?;
            ensure!(condition.status == status && condition.reason == reason, "{condition:?}");
            Ok(object)
        })
        .await
    }
}

/// Who the controller is.
pub(crate) fn identity() -> Identity {
    Identity::service_account("tcr-assistant-system", "tcr-assistant-manager")
}

/// Namespaces that the control plane brings along.
fn is_system(namespace: &str) -> bool {
    namespace == "default" || namespace.starts_with("kube-") || namespace == "tcr-assistant-system"
}

/// Names in the list of a ServiceAccount.
pub(crate) fn references(account: &ServiceAccount) -> Vec<String> {
    account.image_pull_secrets.iter().flatten().map(|it| it.name.clone()).collect()
}

/// `spec.docker` with this password.
pub(crate) fn docker(password: &str) -> Value {
    json!({"server": "demo.tencentcloudcr.com", "username": "100012345678", "password": password})
}

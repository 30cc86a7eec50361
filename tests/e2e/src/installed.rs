//! The add-on as its chart installs it on a control plane, its containers held to the limits that the chart ships.
//!
//! Nothing of it is written down again: arguments, environment, ports, ServiceAccounts, limits and the number of webhooks
//! are those of the installed objects. The API server finds the webhooks as in any cluster, by the Service's
//! EndpointSlices, and takes one of them for each connection.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, DeploymentSpec};
use k8s_openapi::api::core::v1::{Namespace, Pod, Secret, ServiceAccount};
use kube::api::{ListParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use support::hostile::{Method, Target, Tls};
use support::{ControlPlane, Options, Program, eventually, network};
use tcr::names::{IMAGE_PULL_SECRET_LABEL, SYSTEM_NAMESPACE, WEBHOOK_CERTIFICATE};
use tcr_cloud::Config;

use crate::caller::Caller;
use crate::chart::{self, root};
use crate::control_plane::{POD_ADDRESS, SERVICE, endpoint};
use crate::replica::{Image, Replica};
use crate::review::{HOST, pod};

/// Longer than anything here takes on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(120);
/// The Secret that Pods need.
pub(crate) const SECRET: &str = "tcr.ipsdemo";
/// The label of namespaces that the webhook is not asked about: a baseline of the same run.
pub(crate) const LEFT_OUT: &str = "example.com/left-out";
/// What the hosts file leads [`HOST`] to.
const ADDRESS: &str = "10.1.2.3";

/// Which programs run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Programs {
    /// Those that ship, held to their limits.
    Shipped,
    /// Those that the tests have built. They need more than ships does, and nothing holds them.
    Built,
}

/// A container that runs.
pub(crate) struct Running {
    pub(crate) container: &'static str,
    pub(crate) replica: Replica,
}

/// The add-on, each of its containers once, and the webhook as often as the chart says.
pub(crate) struct Installed<'a> {
    pub(crate) plane: &'a ControlPlane,
    pub(crate) client: Client,
    pub(crate) programs: Programs,
    pub(crate) controller: Running,
    pub(crate) agent: Running,
    pub(crate) webhooks: Vec<Running>,
    webhook: Deployment,
    image: Image,
    tls: Tls,
    authority: Vec<u8>,
}

/// Starts a control plane with the add-on for `story`, in a network of its own.
///
/// # Errors
/// What did not hold.
pub(crate) fn on_control_plane(
    programs: Programs,
    mut story: impl AsyncFnMut(&ControlPlane, &Path) -> Result<()>,
) -> Result<()> {
    on_control_planes(programs, 1, async |_, plane, helm| story(plane, helm).await)
}

/// The same, `count` times, one after the other.
///
/// # Errors
/// What did not hold.
pub(crate) fn on_control_planes(
    programs: Programs,
    count: usize,
    mut story: impl AsyncFnMut(usize, &ControlPlane, &Path) -> Result<()>,
) -> Result<()> {
    ensure!(
        programs == Programs::Built || rustix::process::geteuid().is_root(),
        "cannot hold containers to their limits: only root can (cgroups); use sudo"
    );
    // Before the network is gone.
    let helm = Program::Helm.path()?;
    for program in Program::CONTROL_PLANE {
        program.path()?;
    }
    network::enter()?;
    network::add_address(POD_ADDRESS)?;
    let runtime = tokio::runtime::Runtime::new()?;
    for number in 0..count {
        let options = Options {
            // It calls a Service's endpoints itself: there is no kube-proxy.
            apiserver_flags: vec!["--enable-aggregator-routing=true".to_owned()],
            ..Options::default()
        };
        let plane = ControlPlane::with(options, async |plane| story(number, plane, &helm).await);
        runtime.block_on(plane)?;
    }
    Ok(())
}

impl<'a> Installed<'a> {
    /// Installs the chart, starts what it says, and waits until a Pod gets its reference.
    pub(crate) async fn on(plane: &'a ControlPlane, helm: &Path, programs: Programs) -> Result<Self> {
        let client = plane.client().await?;
        let left_out = json!([{"key": LEFT_OUT, "operator": "DoesNotExist"}]);
        let values = json!({
            "global": {"hosts": [{"domain": HOST, "ip": ADDRESS, "disabled": false}]},
            "controller": {"replicas": 2},
            // There is none.
            "registry": {"check": false},
            "webhook": {"namespaceSelector": {"matchExpressions": left_out}},
        });
        chart::install(plane, helm, &Config::demo().accounts[0], &[&values]).await?;
        let (controller, webhook, agent) = workloads(&client).await?;
        let image = image(plane, programs)?;
        write_hosts_file(plane)?;
        let start = async |container: &'static str, workload: &Deployment, number: i32| {
            let mut replica = Replica::of(workload, number)?;
            if programs == Programs::Shipped {
                replica = replica.limited();
            }
            replica.start(container, plane, workload, &image).await?;
            anyhow::Ok(Running { container, replica })
        };
        let agent = start("hosts-updater", &agent, 0).await?;
        let controller = start("manager", &controller, 0).await?;
        let mut webhooks = Vec::new();
        for number in 0..webhook.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1) {
            webhooks.push(start("webhook", &webhook, number).await?);
        }
        controller.ready().await?;
        for webhook in &webhooks {
            webhook.ready().await?;
            endpoint(plane, &webhook.replica, true).await?;
        }
        ask(plane).await?;
        let secrets: Api<Secret> = Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
        let mut certificate = secrets.get(WEBHOOK_CERTIFICATE).await?.data.unwrap_or_default();
        let authority = certificate.remove("ca.crt").context("the webhook's certificate has no authority")?.0;
        let tls = Tls::trusting(&authority, &server_name())?;
        let installed =
            Self { plane, client, programs, controller, agent, webhooks, webhook, image, tls, authority };
        installed.answers().await?;
        installed.has_entry().await?;
        Ok(installed)
    }

    /// One more webhook, that nothing holds to a limit and the API server does not know.
    pub(crate) async fn unlimited_webhook(&self) -> Result<Running> {
        let mut replica = Replica::of(&self.webhook, i32::try_from(self.webhooks.len())?)?;
        replica.start("webhook", self.plane, &self.webhook, &self.image).await?;
        let running = Running { container: "webhook", replica };
        running.ready().await?;
        Ok(running)
    }

    /// Where a webhook takes reviews.
    pub(crate) fn reviews(&self, webhook: &Running) -> Result<Target> {
        let target = webhook.target("webhook", "/validate/tcr-assistant")?;
        Ok(Target { tls: Some(self.tls.clone()), method: Method::Post, ..target })
    }

    /// Somebody who puts reviews to a webhook.
    pub(crate) fn reviewer(&self, webhook: &Running) -> Result<Caller> {
        Ok(Caller::stranger(self.reviews(webhook)?, Some((server_name(), self.authority.clone()))))
    }

    /// Makes a namespace, and waits until it takes Pods.
    pub(crate) async fn namespace(&self, name: &str, labels: Value) -> Result<()> {
        let metadata = json!({"metadata": {"name": name, "labels": labels}});
        let namespace: Namespace = serde_json::from_value(metadata)?;
        Api::all(self.client.clone()).create(&PostParams::default(), &namespace).await?;
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), name);
        eventually("the namespace's ServiceAccount", SOON, async || Ok(accounts.get("default").await?))
            .await?;
        Ok(())
    }

    /// What no attack may change: the data of the Secrets that are distributed, and the hosts file.
    pub(crate) async fn state(&self) -> Result<BTreeMap<String, String>> {
        let ours = ListParams::default().labels(IMAGE_PULL_SECRET_LABEL);
        let mut state = BTreeMap::new();
        for secret in Api::<Secret>::all(self.client.clone()).list(&ours).await? {
            let namespace = secret.metadata.namespace.unwrap_or_default();
            state.insert(format!("the Secret in {namespace}"), serde_json::to_string(&secret.data)?);
        }
        let hosts = std::fs::read_to_string(hosts_file(self.plane))?;
        state.insert("the hosts file".to_owned(), hosts);
        Ok(state)
    }

    /// Waits until the API server's Pods get the reference from the webhook.
    async fn answers(&self) -> Result<()> {
        self.namespace("first", json!({})).await?;
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), "first");
        let pod: Pod = serde_json::from_value(pod("first", "web", 0))?;
        let dry = PostParams { dry_run: true, ..PostParams::default() };
        eventually("a Pod to get its reference", SOON, async || {
            let made = pods.create(&dry, &pod).await?;
            ensure!(has_reference(&made), "it has none");
            Ok(())
        })
        .await
    }

    async fn has_entry(&self) -> Result<()> {
        eventually("the entry in the hosts file", SOON, async || {
            self.agent.replica.process(self.agent.container)?.check()?;
            let text = std::fs::read_to_string(hosts_file(self.plane))?;
            ensure!(text.contains(ADDRESS), "it has {text:?}");
            Ok(())
        })
        .await
    }
}

impl Running {
    /// The first replica of a workload, of which this container runs, with nothing that holds it to its limits.
    pub(crate) async fn start(
        container: &'static str,
        workload: &Deployment,
        plane: &ControlPlane,
        image: &Image,
    ) -> Result<Self> {
        let mut replica = Replica::of(workload, 0)?;
        replica.start(container, plane, workload, image).await?;
        Ok(Self { container, replica })
    }

    /// Where it listens: a port by its name, and what may be read there.
    pub(crate) fn target(&self, port: &str, path: &str) -> Result<Target> {
        let port = u16::try_from(self.replica.port(self.container, port)?)?;
        let address = (POD_ADDRESS.parse::<IpAddr>()?, port).into();
        Ok(Target { address, tls: None, method: Method::Get, path: path.to_owned() })
    }

    /// Waits until its readiness probe succeeds.
    pub(crate) async fn ready(&self) -> Result<()> {
        let process = self.replica.process(self.container)?;
        let what = format!("{} to be ready", self.container);
        let ready = eventually(&what, SOON, async || {
            // A process that ended is an answer too, and no reason to wait on.
            if let Err(ended) = process.check() {
                return Ok(Err(ended));
            }
            self.is_ready().await.map(Ok)
        });
        ready.await?
    }

    /// The same, and starts it again, as a kubelet does, whenever it has ended.
    pub(crate) async fn recover(&self) -> Result<()> {
        let process = self.replica.process(self.container)?;
        eventually(&format!("{} to be ready again", self.container), SOON, async || {
            if process.ended().is_some() {
                process.start()?;
            }
            self.is_ready().await
        })
        .await
    }

    async fn is_ready(&self) -> Result<()> {
        match self.container {
            // Its probe is a program in its container; it listens before it is ready.
            "hosts-updater" => self.replica.process(self.container)?.check(),
            _ => self.replica.is_ready(self.container).await,
        }
    }
}

/// Whether a Pod names the Secret.
pub(crate) fn has_reference(pod: &Pod) -> bool {
    let names = pod.spec.iter().flat_map(|spec| spec.image_pull_secrets.iter().flatten());
    names.into_iter().any(|it| it.name == SECRET)
}

/// What the chart has installed: who has the container `manager`, who `webhook`, and the DaemonSet, whose Pods are made
/// as a Deployment's are.
pub(crate) async fn workloads(client: &Client) -> Result<(Deployment, Deployment, Deployment)> {
    let all = ListParams::default();
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
    let deployments = deployments.list(&all).await?.items;
    let with = |container: &str| {
        let has = |it: &&Deployment| {
            let pod = it.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
            pod.is_some_and(|pod| pod.containers.iter().any(|it| it.name == container))
        };
        let found = deployments.iter().find(has).cloned();
        found.with_context(|| format!("no Deployment has the container {container}"))
    };
    let daemon_sets: Api<DaemonSet> = Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
    let agent = daemon_sets.list(&all).await?.items.pop().context("there is no DaemonSet")?;
    let template = agent.spec.context("the DaemonSet has no spec")?.template;
    let agent = Deployment {
        metadata: agent.metadata,
        spec: Some(DeploymentSpec { template, ..DeploymentSpec::default() }),
        status: None,
    };
    Ok((with("manager")?, with("webhook")?, agent))
}

/// The programs of both images in one folder.
pub(crate) fn image(plane: &ControlPlane, programs: Programs) -> Result<Image> {
    let folder = plane.run().folder().join("image");
    std::fs::create_dir_all(&folder)?;
    let target = root().join("target");
    for (name, profile) in [("tcr-assistant", "image"), ("harness", "image"), ("hosts-updater", "small")] {
        let place: PathBuf = match programs {
            Programs::Built => target.join("debug").join(name),
            Programs::Shipped => {
                target.join(format!("{}-unknown-linux-gnu", std::env::consts::ARCH)).join(profile).join(name)
            }
        };
        let missing =
            || format!("{} is missing: run ./justw e2e hostile, or ./justw bench serve", place.display());
        let place = std::fs::canonicalize(&place).with_context(missing)?;
        symlink(place, folder.join(name))?;
    }
    let policy = root().join("target/policy.wasm");
    ensure!(policy.is_file(), "{} is missing: run ./justw policy", policy.display());
    Ok(Image { programs: folder, policy })
}

/// Asks for the Secret, everywhere.
async fn ask(plane: &ControlPlane) -> Result<()> {
    let object = json!({
        "apiVersion": "tcr.tencentcloudcr.com/v1", "kind": "ImagePullSecret", "metadata": {"name": "demo"},
        "spec": {
            "namespaces": "*", "serviceAccounts": "*",
            "docker": {"server": HOST, "username": "somebody", "password": "a-password-of-the-story"},
        },
    });
    eventually("the ImagePullSecret", SOON, async || plane.apply(&object.to_string()).await.map(drop))
        .await?;
    let wait = ["wait", "--for=condition=Ready", "--timeout=100s", "imagepullsecret/demo"];
    plane.kubectl(&wait).await?.checked().map(drop)
}

/// What the API server calls the webhook.
pub(crate) fn server_name() -> String {
    format!("{SERVICE}.{SYSTEM_NAMESPACE}.svc")
}

/// The node's, where the DaemonSet's volume of it is.
fn hosts_file(plane: &ControlPlane) -> PathBuf {
    plane.run().folder().join("replica-0-hosts-updater/etc/hosts")
}

pub(crate) fn write_hosts_file(plane: &ControlPlane) -> Result<()> {
    let file = hosts_file(plane);
    std::fs::create_dir_all(file.parent().context("a file has a folder")?)?;
    Ok(std::fs::write(file, "127.0.0.1 localhost\n")?)
}

//! Real nodes on this machine: kubelet, containerd and runc, each in namespaces of its own.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1 as core;
use kube::Api;
use rustix::process::{Pid, Signal, kill_process};

use crate::nameserver::NameServer;
use crate::{ControlPlane, Identity, Image, Options as PlaneOptions, Output, Process, Program, eventually};

mod bridge;
pub(crate) mod cgroup;
mod evidence;
mod files;
mod memory;
mod requirements;

pub use bridge::{add_address, bridge};
pub use memory::ContainerMemory;

/// Where the control plane is, and whatever else a test serves to the nodes.
pub const HUB: Ipv4Addr = Ipv4Addr::new(10, 200, 0, 1);
const SETUP: &str = include_str!("nodes/setup.sh");
/// Node numbers are the third byte of an address, and what their own addresses count from.
const NUMBERS: std::ops::RangeInclusive<u8> = 1..=200;
const FIRST: u8 = 10;

/// What differs from the ordinary.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many nodes there are at first: `node-1` and so on.
    pub nodes: u8,
    /// What the first of them differ in.
    pub joining: Vec<Joining>,
    /// The control plane. Its address is ours to choose.
    pub plane: PlaneOptions,
    /// What every node has before its first Pod, as if it had been pulled.
    pub images: Vec<Image>,
    /// Files that every node has, by their path under `/etc` or `/var`.
    pub files: Vec<(String, String)>,
    /// Whether Pods have a network from the start. Nodes are not ready without: see [`Nodes::connect_pods`].
    pub pod_network: bool,
    /// How often kubelets look at each Pod and its volumes anew, where nothing tells them to; their own default is a minute.
    pub sync_frequency: &'static str,
    /// Names that the nodes' name server knows; every other name does not exist.
    pub names: BTreeMap<String, Ipv4Addr>,
    /// How long a node may take until it is ready. Building programs does not count.
    pub timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            nodes: 2,
            joining: Vec::new(),
            plane: PlaneOptions::default(),
            images: Vec::new(),
            files: Vec::new(),
            pod_network: true,
            sync_frequency: "5s",
            names: BTreeMap::new(),
            timeout: Duration::from_secs(180),
        }
    }
}

/// What differs from node to node, before its first program runs.
#[derive(Clone, Debug, Default)]
pub struct Joining {
    /// What it registers with.
    pub taints: Vec<core::Taint>,
    /// Who answers for instance metadata there. Without it nobody does.
    pub metadata: Option<SocketAddr>,
    /// Addresses that are not to be reached from there, as those of another VPC are not.
    pub unreachable: Vec<Ipv4Addr>,
}

/// A control plane with nodes; all of it ends when this is dropped, or when its process ends.
///
/// # Guarantees
/// A node is a network, mount, process, IPC and host name namespace: it has an `/etc`, a `/var` and a `/run` of its own, and
/// a hostPath of a Pod is in there. Nodes, Pods and the control plane ([`HUB`]) reach each other, and the Service network
/// works in all of them; nobody else is reachable. The machine's own files, network, sysctls and processes are not touched.
/// Limits of containers are real. What a node leaves behind is what a [`Run`](crate::Run) leaves behind: nothing.
///
/// # Caveats
/// One at a time in a process, and only after [`network::enter`](crate::network::enter).
#[derive(Debug)]
pub struct Nodes {
    // Dropped in order: nodes before what they talk to.
    nodes: Vec<Node>,
    proxy: Option<Process>,
    scheduler: Process,
    _names: NameServer,
    plane: ControlPlane,
    options: Options,
    kubelet: PathBuf,
    kube_proxy: PathBuf,
}

#[derive(Debug)]
pub struct Node {
    // Its end ends all the others, so it is the first to be dropped.
    init: Process,
    pid: u32,
    place: Place,
    folder: PathBuf,
    containerd: Process,
    /// How often that was started again.
    starts: u32,
    programs: Vec<Process>,
}

/// What is a node's own.
#[derive(Clone, Debug)]
struct Place {
    name: String,
    number: u8,
    address: Ipv4Addr,
    pods: String,
    /// The cgroup of its containers, below that of the run.
    cgroup: String,
    joining: Joining,
}

impl Nodes {
    /// Starts a control plane and nodes, and waits until they are ready. Builds the programs first when they are not in
    /// the cache, which takes minutes and says so.
    ///
    /// # Errors
    /// We are not root, or a package is missing (all of them are named), or [`network::enter`](crate::network::enter) was not called, or
    /// something did not become ready in time: with the end of its log.
    pub async fn start(options: Options) -> Result<Self> {
        requirements::check()?;
        let [scheduler, kubelet, kube_proxy, app] = Program::NODES;
        let programs = move || {
            Ok::<_, anyhow::Error>([scheduler.path()?, kubelet.path()?, kube_proxy.path()?, app.path()?])
        };
        let [scheduler, kubelet, kube_proxy, app] = tokio::task::spawn_blocking(programs).await??;
        bridge()?;
        let names = NameServer::start(SocketAddr::from((HUB, 53)), options.names.clone()).await?;
        let mut options = options;
        options.plane.address = IpAddr::V4(HUB);
        // Nobody knows the nodes' names: for `kubectl logs` and `exec` the API server takes their addresses.
        options.plane.apiserver_flags.push("--kubelet-preferred-address-types=InternalIP".to_owned());
        let plane = ControlPlane::start(options.plane.clone()).await?;
        let pause = plane.run().folder().join("pause.tar");
        let program = std::fs::read(&app).with_context(|| format!("cannot read {}", app.display()))?;
        options.images.push(Image::named(&pause, &program, &["/app", "pause"], files::PAUSE)?);

        let kubeconfig = plane.kubeconfig_for(&Identity::user("system:kube-scheduler", &[])).await?;
        let mut command = plane.run().command(scheduler);
        command.arg("--kubeconfig").arg(kubeconfig).args(["--leader-elect=false", "--secure-port=0"]);
        let scheduler = plane.run().start("kube-scheduler", command)?;
        let mut nodes = Self {
            nodes: Vec::new(),
            proxy: None,
            scheduler,
            _names: names,
            plane,
            options,
            kubelet,
            kube_proxy,
        };
        let started = nodes.start_all().await;
        if started.is_err() {
            nodes.keep_evidence().await;
        }
        started.map(|()| nodes)
    }

    async fn start_all(&mut self) -> Result<()> {
        let mut joining = std::mem::take(&mut self.options.joining).into_iter();
        for _ in 0..self.options.nodes {
            self.launch(joining.next().unwrap_or_default()).await?;
        }
        for node in &self.nodes {
            match self.options.pod_network {
                true => self.wait_until_ready(node).await?,
                false => self.wait_until_there(node).await.map(drop)?,
            }
        }
        if let Some(first) = self.nodes.first() {
            let run = self.plane.run();
            let kubeconfig = self.plane.kubeconfig_for(&Identity::user("system:kube-proxy", &[])).await?;
            // It asks for the addresses of the node that it is on, so it is on one.
            let config = run.folder().join("kube-proxy.json");
            std::fs::write(&config, files::proxy(&first.place.name, &kubeconfig).to_string())?;
            let mut command = run.command(&self.kube_proxy);
            command.arg("--config").arg(config);
            self.proxy = Some(run.start("kube-proxy", command)?);
        }
        Ok(())
    }

    /// Adds a node, and waits until it is ready.
    ///
    /// # Errors
    /// As [`Nodes::start`].
    pub async fn join(&mut self) -> Result<&Node> {
        self.join_with(Joining::default()).await
    }

    /// Adds a node that is as `joining` says, and waits until it is ready.
    ///
    /// # Errors
    /// As [`Nodes::start`].
    pub async fn join_with(&mut self, joining: Joining) -> Result<&Node> {
        self.launch(joining).await?;
        let node = self.nodes.last().context("there is no node")?;
        self.wait_until_ready(node).await?;
        Ok(node)
    }

    /// Gives the nodes the Pod network that they have started without, and waits until they are ready.
    ///
    /// # Errors
    /// It cannot be written, or a node does not become ready in time.
    pub async fn connect_pods(&mut self) -> Result<()> {
        self.options.pod_network = true;
        for node in &self.nodes {
            node.write(files::POD_NETWORK, files::pod_network(&node.place).as_bytes())?;
        }
        for node in &self.nodes {
            self.wait_until_ready(node).await?;
        }
        Ok(())
    }

    /// Starts the container runtime of the `index`-th node again, with more in its environment. Pods there stay.
    ///
    /// # Errors
    /// There is no such node, or the runtime does not answer in time.
    pub async fn restart_runtime(&mut self, index: usize, environment: &[(&str, &str)]) -> Result<()> {
        let run = self.plane.run();
        let node = self.nodes.get_mut(index).context("there is no such node")?;
        // The program is a child of what has entered the namespaces for it.
        let program = child_of(&node.containerd)?;
        if let Some(program) = Pid::from_raw(program.cast_signed()) {
            kill_process(program, Signal::KILL).context("cannot end containerd")?;
        }
        node.containerd.kill();
        node.starts += 1;
        let mut command = in_node(run, node.pid, "containerd");
        command.arg("--config=/etc/containerd/config.toml").envs(environment.iter().copied());
        node.containerd = run.start(&format!("{}-containerd-{}", node.place.name, node.starts), command)?;
        let node = self.nodes.get(index).context("there is no such node")?;
        eventually("containerd", self.options.timeout, async || {
            self.ctr(node, &["version"]).await?.checked().map(drop)
        })
        .await
    }

    /// Starts a node's programs.
    async fn launch(&mut self, joining: Joining) -> Result<()> {
        let number = u8::try_from(self.nodes.len() + 1).ok().filter(|number| NUMBERS.contains(number));
        let number = number.context("cannot start another node: there are 200")?;
        let run = self.plane.run();
        let run_name = run.folder().file_name().unwrap_or_default().to_string_lossy().into_owned();
        let name = format!("node-{number}");
        let place = Place {
            address: Ipv4Addr::new(HUB.octets()[0], HUB.octets()[1], 0, FIRST + number),
            pods: format!("10.244.{number}.0/24"),
            cgroup: format!("/{run_name}/{name}"),
            joining,
            name,
            number,
        };
        let started = self.launch_at(&place).await;
        let node = started.with_context(|| format!("cannot start {}", place.name))?;
        self.nodes.push(node);
        Ok(())
    }

    async fn launch_at(&self, place: &Place) -> Result<Node> {
        let run = self.plane.run();
        let folder = run.folder().join(&place.name);
        files::write(&folder, place, &self.options)?;
        cgroup::make(&place.cgroup)?;
        let mut command = run.command("unshare");
        command
            .args(["--net", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child"])
            .args(["sh", "-c", SETUP, "node", &place.name])
            .arg(&folder);
        let init = run.start(&format!("{}-init", place.name), command)?;
        let pid = eventually("the node's namespaces", self.options.timeout, async || {
            // A process that ended is an answer too, and no reason to wait on.
            if let Err(ended) = init.check() {
                return Ok(Err(ended));
            }
            ensure!(folder.join("ready").exists(), "they are being made");
            child_of(&init).map(Ok)
        });
        let pid = pid.await??;
        bridge::connect(place, pid)?;

        let mut command = in_node(run, pid, "containerd");
        command.arg("--config=/etc/containerd/config.toml");
        let containerd = run.start(&format!("{}-containerd", place.name), command)?;
        let mut node =
            Node { init, pid, place: place.clone(), folder, containerd, starts: 0, programs: Vec::new() };
        eventually("containerd", self.options.timeout, async || {
            if let Err(ended) = node.containerd.check() {
                return Ok(Err(ended));
            }
            self.ctr(&node, &["version"]).await?.checked().map(Ok)
        })
        .await??;
        for image in &self.options.images {
            let archive = image.path().to_str().context("an image's path is not UTF-8")?;
            self.ctr(&node, &["-n", "k8s.io", "images", "import", archive]).await?.checked()?;
        }

        let identity = Identity::user(&format!("system:node:{}", place.name), &["system:nodes"]);
        self.kubeconfig(&node, "kubelet", &identity).await?;
        let mut kubelet = in_node(run, pid, &self.kubelet);
        kubelet.args(["--config=/etc/kubernetes/kubelet.json", "--kubeconfig=/run/node/kubelet.kubeconfig"]);
        kubelet.args(["--root-dir=/run/node/kubelet", "--cert-dir=/run/node/pki"]);
        kubelet.args([format!("--hostname-override={}", place.name), format!("--node-ip={}", place.address)]);
        node.programs.push(run.start(&format!("{}-kubelet", place.name), kubelet)?);

        self.kubeconfig(&node, "kube-proxy", &Identity::user("system:kube-proxy", &[])).await?;
        let mut proxy = in_node(run, pid, &self.kube_proxy);
        proxy.arg("--config=/etc/kubernetes/kube-proxy.json");
        node.programs.push(run.start(&format!("{}-kube-proxy", place.name), proxy)?);
        Ok(node)
    }

    /// Writes `/run/node/PROGRAM.kubeconfig`.
    async fn kubeconfig(&self, node: &Node, program: &str, identity: &Identity) -> Result<()> {
        let from = self.plane.kubeconfig_for(identity).await?;
        let to = node.folder.join(format!("{program}.kubeconfig"));
        std::fs::copy(&from, &to).with_context(|| format!("cannot write {}", to.display()))?;
        Ok(())
    }

    async fn wait_until_ready(&self, node: &Node) -> Result<()> {
        let ready = self.wait_until(node, |found| {
            let conditions = found.status.and_then(|status| status.conditions).unwrap_or_default();
            let ready =
                conditions.iter().find(|it| it.type_ == "Ready").context("it has no condition Ready")?;
            ensure!(ready.status == "True", "{}", ready.message.as_deref().unwrap_or("it is not Ready"));
            Ok(())
        });
        ready.await.with_context(|| format!("{} does not become ready", node.place.name))
    }

    async fn wait_until_there(&self, node: &Node) -> Result<()> {
        self.wait_until(node, |_| Ok(())).await.with_context(|| format!("{} does not join", node.place.name))
    }

    /// Waits for what the API server has of a node, while its programs run.
    async fn wait_until(&self, node: &Node, check: impl Fn(core::Node) -> Result<()>) -> Result<()> {
        let nodes: Api<core::Node> = Api::all(self.plane.client().await?);
        let waited = eventually(&node.place.name, self.options.timeout, async || {
            for process in node.processes().chain([&self.scheduler]) {
                if let Err(ended) = process.check() {
                    return Ok(Err(ended));
                }
            }
            check(nodes.get(&node.place.name).await?).map(Ok)
        });
        waited.await?
    }

    /// The control plane, and the run that everything belongs to.
    pub fn plane(&self) -> &ControlPlane {
        &self.plane
    }

    /// The nodes, oldest first.
    pub fn list(&self) -> &[Node] {
        &self.nodes
    }

    /// Where the hosts file of a node is for us, also before the node is there.
    pub fn hosts_file_of(&self, name: &str) -> PathBuf {
        self.plane.run().folder().join(name).join("etc/upper/hosts")
    }

    /// Runs a program inside a node.
    ///
    /// # Errors
    /// It cannot be started. That it failed is an [`Output`].
    pub async fn exec(&self, node: &Node, program: &str, args: &[&str]) -> Result<Output> {
        let mut command = in_node(self.plane.run(), node.pid, program);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let name = format!("{} {} (on {})", program, args.join(" "), node.place.name);
        let output = tokio::process::Command::from(command).kill_on_drop(true).output().await;
        let output = output.with_context(|| format!("cannot run `{name}`"))?;
        Ok(Output {
            command: name,
            success: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Runs containerd's own client on a node.
    ///
    /// # Errors
    /// As [`Nodes::exec`].
    pub async fn ctr(&self, node: &Node, args: &[&str]) -> Result<Output> {
        let all: Vec<&str> = ["--address", files::CONTAINERD].iter().chain(args).copied().collect();
        self.exec(node, "ctr", &all).await
    }
}

impl Node {
    /// Its name, by which Kubernetes knows it too.
    pub fn name(&self) -> &str {
        &self.place.name
    }

    pub fn address(&self) -> Ipv4Addr {
        self.place.address
    }

    /// Process 1 of its namespaces, as `nsenter --target` takes it.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// A file of the node's, as processes on it see it.
    ///
    /// # Errors
    /// There is no such file, or it cannot be read.
    pub fn read(&self, path: &str) -> Result<Vec<u8>> {
        std::fs::read(self.seen(path)).with_context(|| format!("cannot read {path} of {}", self.place.name))
    }

    /// Writes a file of the node's, its directories too.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let seen = self.seen(path);
        let made = seen.parent().map_or(Ok(()), std::fs::create_dir_all);
        let written = made.and_then(|()| std::fs::write(&seen, bytes));
        written.with_context(|| format!("cannot write {path} of {}", self.place.name))
    }

    /// Where a path of the node's is for us.
    pub fn seen(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.pid))
    }

    /// All its processes that are ours.
    fn processes(&self) -> impl Iterator<Item = &Process> {
        [&self.init, &self.containerd].into_iter().chain(&self.programs)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // The namespaces' process 1, with which everything in them ends: at once, and before somebody counts what is left.
        if self.init.id().is_some()
            && let Some(pid) = Pid::from_raw(self.pid.cast_signed())
        {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// A command inside the namespaces of process `pid`.
fn in_node(run: &crate::Run, pid: u32, program: impl AsRef<OsStr>) -> Command {
    let mut command = run.command("nsenter");
    command
        .args(["--target", &pid.to_string(), "--net", "--mount", "--pid", "--ipc", "--uts", "--"])
        .arg(program)
        .current_dir("/");
    command
}

/// The process that `unshare --fork` started.
fn child_of(process: &Process) -> Result<u32> {
    let parent = process.id().context("it has ended")?;
    let path = format!("/proc/{parent}/task/{parent}/children");
    let children = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    children.split_whitespace().next().and_then(|pid| pid.parse().ok()).context("it has no child")
}

//! etcd, kube-apiserver and kube-controller-manager on this machine.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::{Api, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};

use crate::identity::Identity;
use crate::{Process, Program, ReservedPort, Run, eventually};

mod files;
mod flags;

use files::Files;
pub(crate) use files::{SERVICE_NETWORK, write_secret};

/// What differs from the ordinary.
#[derive(Clone, Debug)]
pub struct Options {
    /// Given to kube-apiserver after our own, so that they win: `--flag=value`.
    pub apiserver_flags: Vec<String>,
    /// Given to kube-controller-manager after our own.
    pub controller_manager_flags: Vec<String>,
    /// Writes every request to an audit log, for [`ControlPlane::denied`].
    pub audit: bool,
    /// Where the API server listens, and what it advertises. Not loopback when Pods or kubelets are to reach it.
    pub address: IpAddr,
    /// The folder in which the run's folder is made; the machine's temporary folder by default.
    pub parent: PathBuf,
    /// How long a start, and each restart, may take until it is ready. Building programs does not count.
    pub timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            apiserver_flags: Vec::new(),
            controller_manager_flags: Vec::new(),
            audit: false,
            address: Ipv4Addr::LOCALHOST.into(),
            parent: std::env::temp_dir(),
            timeout: Duration::from_secs(120),
        }
    }
}

/// A process of the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The store. Without it the API server answers with errors.
    Etcd,
    /// The API server. Its address stays the same over restarts.
    ApiServer,
    ControllerManager,
}

/// A control plane of its own; it ends when this is dropped, or when its process ends.
///
/// # Guarantees
/// RBAC is on, the usual admission plugins run (webhooks among them; `clientConfig.url` may name a loopback port), and
/// a new namespace gets its `default` ServiceAccount. Any number runs on one machine at a time. See [`Run`] for what
/// is left afterwards: nothing.
///
/// # Caveats
/// There are no nodes, so Pods stay Pending, and no Service network.
#[derive(Debug)]
pub struct ControlPlane {
    etcd: Process,
    apiserver: Process,
    controller_manager: Process,
    port: ReservedPort,
    pub(crate) files: Files,
    pub(crate) kubectl: PathBuf,
    pub(crate) kubeconfigs: AtomicUsize,
    timeout: Duration,
    // Last: fields are dropped in order.
    run: Run,
}

impl ControlPlane {
    /// Starts one and waits until it is ready: the API server's `/readyz`, and the namespace `default` with its
    /// ServiceAccount. Builds the programs first when they are not in the cache, which takes minutes and says so.
    ///
    /// # Errors
    /// A program cannot be built, or ended early (with the end of its log), or was not ready in time.
    pub async fn start(options: Options) -> Result<Self> {
        install_tls();
        let [etcd, apiserver, controller_manager, kubectl] = programs().await?;
        let run = Run::under(&options.parent)?;
        let port = ReservedPort::on(options.address)?;
        let files = Files::write(run.folder(), port.address())?;
        let launch = |program: &Path, flags: Vec<String>, extra: &[String]| {
            let mut command = run.command(program);
            command.args(flags).args(extra).current_dir(run.folder());
            let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
            run.start(&name, command)
        };
        let etcd = launch(&etcd, flags::etcd(&files), &[])?;
        let flags = flags::apiserver(&files, port.address(), options.audit);
        let apiserver = launch(&apiserver, flags, &options.apiserver_flags)?;
        wait_for_apiserver(&files, &etcd, &apiserver, options.timeout).await?;
        // Not earlier: it gives up when the API server is not there.
        let flags = flags::controller_manager(&files);
        let controller_manager = launch(&controller_manager, flags, &options.controller_manager_flags)?;
        let plane = Self {
            etcd,
            apiserver,
            controller_manager,
            port,
            files,
            kubectl,
            kubeconfigs: AtomicUsize::new(0),
            timeout: options.timeout,
            run,
        };
        plane.wait_for_default_service_account("default").await?;
        Ok(plane)
    }

    /// Starts one for `test`; when that returns an error, the end of each log is printed and the logs are kept, as after
    /// a panic.
    ///
    /// ```no_run
    /// # use support::{ControlPlane, Options};
    /// # async fn test() -> anyhow::Result<()> {
    /// ControlPlane::with(Options::default(), async |plane| {
    ///     plane.kubectl(&["create", "namespace", "shop"]).await?.checked()?;
    ///     Ok(())
    /// }).await
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`ControlPlane::start`], and those of `test`.
    pub async fn with<T>(options: Options, test: impl AsyncFnOnce(&Self) -> Result<T>) -> Result<T> {
        let plane = Self::start(options).await?;
        let tested = test(&plane).await;
        if tested.is_err() {
            plane.run.failed();
        }
        tested
    }

    /// The API server's URL.
    pub fn url(&self) -> String {
        format!("https://{}", self.port.address())
    }

    /// The certificate authority, in PEM, that signed the API server's certificate.
    pub fn certificate_authority(&self) -> &str {
        &self.files.ca
    }

    /// The run that the processes belong to. Start what a test needs in it too: a controller, a webhook's server.
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// The path of a kubeconfig that may do everything (group `system:masters`).
    pub fn kubeconfig(&self) -> &Path {
        &self.files.admin_kubeconfig
    }

    /// The path of a kubeconfig that acts as exactly `identity`: what RBAC does not give it, it cannot do.
    /// A ServiceAccount's holds a token from TokenRequest, valid for a day and as long as the ServiceAccount exists.
    ///
    /// # Errors
    /// The ServiceAccount does not exist, or the API server does not answer.
    pub async fn kubeconfig_for(&self, identity: &Identity) -> Result<PathBuf> {
        let text = identity.kubeconfig(self).await.with_context(|| format!("cannot act as {identity}"))?;
        let number = self.kubeconfigs.fetch_add(1, Ordering::Relaxed);
        let path = self.run.folder().join(format!("kubeconfig-{number}"));
        write_secret(&path, &text)?;
        Ok(path)
    }

    /// A client that may do everything. Make one for each test: it lives in the calling runtime.
    ///
    /// # Errors
    /// The kubeconfig cannot be read.
    pub async fn client(&self) -> Result<kube::Client> {
        client(self.kubeconfig()).await
    }

    /// A client that acts as exactly `identity`.
    ///
    /// # Errors
    /// As [`ControlPlane::kubeconfig_for`].
    pub async fn client_for(&self, identity: &Identity) -> Result<kube::Client> {
        client(&self.kubeconfig_for(identity).await?).await
    }

    /// Makes a namespace with a name of its own, `PREFIX-xxxxx`, waits for its `default` ServiceAccount, and returns
    /// the name.
    ///
    /// # Errors
    /// The API server refuses it, or the ServiceAccount does not come in time.
    pub async fn namespace(&self, prefix: &str) -> Result<String> {
        let mut namespace = Namespace::default();
        namespace.metadata.generate_name = Some(format!("{prefix}-"));
        let namespaces: Api<Namespace> = Api::all(self.client().await?);
        let made = namespaces
            .create(&PostParams::default(), &namespace)
            .await
            .with_context(|| format!("cannot create a namespace {prefix}-"))?;
        let name = made.metadata.name.context("the namespace has no name")?;
        self.wait_for_default_service_account(&name).await?;
        Ok(name)
    }

    /// The process itself: its log, its id, whether it runs.
    pub fn process(&self, part: Part) -> &Process {
        match part {
            Part::Etcd => &self.etcd,
            Part::ApiServer => &self.apiserver,
            Part::ControllerManager => &self.controller_manager,
        }
    }

    /// Ends a part as `kill -9` does, and waits until it is gone.
    pub fn kill(&self, part: Part) {
        self.process(part).kill();
    }

    /// Asks a part to end, as a node's shutdown does, and kills it after 10 seconds: kube-apiserver takes up to a
    /// minute while watches are open.
    pub async fn stop(&self, part: Part) {
        self.process(part).stop(Duration::from_secs(10)).await;
    }

    /// Starts a part again that was stopped or killed. For etcd and the API server it waits until requests are
    /// answered, when the other one runs.
    ///
    /// # Errors
    /// The part is running, ended early, or was not ready in time.
    pub async fn bring_back(&self, part: Part) -> Result<()> {
        self.process(part).start()?;
        let runs = |part: Part| self.process(part).id().is_some();
        if part != Part::ControllerManager && runs(Part::Etcd) && runs(Part::ApiServer) {
            wait_for_apiserver(&self.files, &self.etcd, &self.apiserver, self.timeout).await?;
        }
        Ok(())
    }

    /// Kills a part and brings it back.
    ///
    /// # Errors
    /// As [`ControlPlane::bring_back`].
    pub async fn restart(&self, part: Part) -> Result<()> {
        self.kill(part);
        self.bring_back(part).await
    }

    /// Waits until a process of it ends by itself, and says which.
    pub(crate) async fn broken(&self) -> anyhow::Error {
        loop {
            for part in [&self.etcd, &self.apiserver, &self.controller_manager] {
                if let Err(ended) = part.check() {
                    return ended;
                }
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    async fn wait_for_default_service_account(&self, namespace: &str) -> Result<()> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client().await?, namespace);
        let what = format!("the ServiceAccount default of namespace {namespace}");
        eventually(&what, self.timeout, async || {
            self.controller_manager.check()?;
            accounts.get("default").await?;
            Ok(())
        })
        .await
    }
}

/// Waits for `/readyz`, and fails at once with its log when a process ended.
async fn wait_for_apiserver(
    files: &Files,
    etcd: &Process,
    apiserver: &Process,
    timeout: Duration,
) -> Result<()> {
    let client = client(&files.admin_kubeconfig).await?;
    let answer = eventually("kube-apiserver's /readyz", timeout, async || {
        // A process that ended is an answer too, and no reason to wait on.
        if let Err(ended) = etcd.check().and_then(|()| apiserver.check()) {
            return Ok(Err(ended));
        }
        let answer = client.request_text(http::Request::get("/readyz").body(Vec::new())?).await?;
        ensure!(answer == "ok", "it answers {answer:?}");
        Ok(Ok(()))
    });
    answer.await?
}

async fn client(kubeconfig: &Path) -> Result<kube::Client> {
    let read = Kubeconfig::read_from(kubeconfig)
        .with_context(|| format!("cannot read the kubeconfig {}", kubeconfig.display()))?;
    let config = kube::Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await?;
    Ok(kube::Client::try_from(config)?)
}

/// Off the runtime's threads: a build takes minutes.
async fn programs() -> Result<[PathBuf; 4]> {
    let find = || -> Result<[PathBuf; 4]> {
        let [a, b, c, d] = Program::CONTROL_PLANE;
        Ok([a.path()?, b.path()?, c.path()?, d.path()?])
    };
    tokio::task::spawn_blocking(find).await?
}

/// kube's client takes the process's provider; a test's `main` is libtest's.
fn install_tls() {
    // An error says that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

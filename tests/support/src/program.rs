//! The programs of a cluster, built once from the pinned Go modules beside this crate.
//!
//! They are kept in the cache folder, so that no checkout builds them again. `KUBEBUILDER_ASSETS` is used instead for
//! what it has, when it has kube-apiserver and etcd.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::process::tail;
use crate::{Run, cache};

mod module;
#[cfg(test)]
mod tests;

use module::{APP, ARGO_CD, CERT_MANAGER, FLUX, HELM, KUBERNETES, Module, OTHER_KUBERNETES};

/// The environment variable that names the minor version of Kubernetes whose control plane is started, `1.28`; this
/// crate's own by default.
const KUBERNETES_VERSION: &str = "TCR_ASSISTANT_TEST_KUBERNETES";

/// Longer than the slowest of them takes on two busy cores with nothing in Go's own caches.
const BUILD_TIMEOUT: Duration = Duration::from_secs(40 * 60);

/// A program that a cluster, or a test of one, runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Program {
    /// The store behind the API server.
    Etcd,
    KubeApiserver,
    /// ServiceAccounts of new namespaces, garbage collection, Deployments, and so on.
    KubeControllerManager,
    /// Gives Pods their nodes.
    KubeScheduler,
    Kubelet,
    /// The Service network of a node.
    KubeProxy,
    /// What a user types.
    Kubectl,
    /// Installs a chart.
    Helm,
    /// What containers run: it answers HTTP, or, with the argument `pause`, only waits. Linked statically.
    App,
    /// Answers which credentials a kubelet shows for an image: Kubernetes' own packages behind standard input.
    PullCredentials,
    /// cert-manager's: puts authorities into the webhook configurations that ask for them.
    Cainjector,
    /// Argo CD's engine: applies manifests, and compares them with the cluster.
    ArgoCd,
    /// Flux's package for server-side apply: applies manifests, and says what had drifted.
    Flux,
}

impl Program {
    /// What a control plane and its user need.
    pub const CONTROL_PLANE: [Self; 4] =
        [Self::Etcd, Self::KubeApiserver, Self::KubeControllerManager, Self::Kubectl];

    /// What nodes need beside a control plane.
    pub const NODES: [Self; 4] = [Self::KubeScheduler, Self::Kubelet, Self::KubeProxy, Self::App];

    /// Its path; builds it when it was not built yet, saying so on stderr. Processes that want the same wait for
    /// the first. Takes minutes then, so call it where blocking is allowed.
    ///
    /// # Errors
    /// Go is not installed, the build fails (with its last lines), or the cache folder cannot be written.
    pub fn path(self) -> Result<PathBuf> {
        if let Some(path) = self.in_assets(std::env::var_os("KUBEBUILDER_ASSETS")) {
            return Ok(path);
        }
        let module = self.module()?;
        let folder = cache::folder()?.join(module.cached);
        cache::make(&folder)?;
        let built = folder.join(self.name());
        let stamp = folder.join(format!(".{}.built-from", self.name()));
        // A changed go.mod makes another program: Go's own cache makes that a matter of seconds.
        let source = format!("{}\n{}{}\n{}", module.go_mod, module.ldflags, module.tags, self.own_source());
        let is_current = || built.is_file() && fs::read_to_string(&stamp).is_ok_and(|from| from == source);
        if is_current() {
            return Ok(built);
        }
        let waiting = || say(&format!("{self}: another process builds, waiting for it"));
        let _lock = cache::lock(&folder.join(".lock"), BUILD_TIMEOUT * 2, waiting)?.with_context(|| {
            format!("cannot build {self}: another process has been building for too long")
        })?;
        if !is_current() {
            self.build(module, &folder, &built).with_context(|| format!("cannot build {self}"))?;
            fs::write(&stamp, &source).with_context(|| format!("cannot write {}", stamp.display()))?;
        }
        Ok(built)
    }

    /// The folder of a Go module that it is built from, once it was built: what beside the program's source is there.
    ///
    /// # Errors
    /// Go is not installed, or does not know the module.
    pub fn source_of(self, module: &str) -> Result<PathBuf> {
        let mut go = Command::new("go");
        go.args(["list", "-m", "-f", "{{.Dir}}", module])
            .current_dir(self.module()?.folder)
            .env("GOFLAGS", "-mod=readonly")
            .env("GOWORK", "off");
        let output = go.output().with_context(|| format!("cannot look for {module}: is Go installed?"))?;
        let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        if !output.status.success() || !folder.is_dir() {
            bail!("cannot find {module}: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(folder)
    }

    /// The path in `KUBEBUILDER_ASSETS`, the value of the variable, where that has a control plane and this program.
    fn in_assets(self, assets: Option<OsString>) -> Option<PathBuf> {
        let assets = PathBuf::from(assets?);
        let has = |program: Self| assets.join(program.name()).is_file();
        (has(Self::KubeApiserver) && has(Self::Etcd) && has(self)).then(|| assets.join(self.name()))
    }

    fn build(self, module: &Module, folder: &Path, built: &Path) -> Result<()> {
        // In a run of its own: when we are killed, neither the compiler nor half a program is left.
        let run = Run::under(folder)?;
        let output = run.folder().join(self.name());
        let mut go = run.command("go");
        go.args([
            "build",
            "-trimpath",
            "-buildvcs=false",
            "-tags",
            module.tags,
            "-ldflags",
            module.ldflags,
            "-o",
        ])
        .args([output.as_os_str(), self.package().as_ref()])
        .current_dir(module.folder)
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "-mod=readonly")
        .env("GOWORK", "off");
        let mut progress = Progress::start(&format!("building {self} ({} the first time)", self.takes()));
        let build = run.start("go-build", go).map_err(|error| match error.downcast_ref::<std::io::Error>() {
            Some(io) if io.kind() == ErrorKind::NotFound => anyhow!(
                "go is not on PATH: install {}, or set KUBEBUILDER_ASSETS to a folder that has it and kube-apiserver, \
                 etcd, kube-controller-manager and kubectl",
                module.needs
            ),
            _ => error,
        })?;
        let start = Instant::now();
        let status = loop {
            if let Some(status) = build.ended() {
                break status;
            }
            if start.elapsed() > BUILD_TIMEOUT {
                bail!("go build did not end within {BUILD_TIMEOUT:?}");
            }
            progress.tick();
            std::thread::sleep(Duration::from_millis(100));
        };
        progress.end();
        if !status.success() {
            bail!(
                "go build ended with {status} ({} is needed):\n{}",
                module.needs,
                tail(build.log_path(), 20)
            );
        }
        fs::rename(&output, built).with_context(|| format!("cannot put it at {}", built.display()))
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::KubeApiserver => "kube-apiserver",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::KubeScheduler => "kube-scheduler",
            Self::Kubelet => "kubelet",
            Self::KubeProxy => "kube-proxy",
            Self::Kubectl => "kubectl",
            Self::Helm => "helm",
            Self::App => "app",
            Self::PullCredentials => "pull-credentials",
            Self::Cainjector => "cainjector",
            Self::ArgoCd => "argo-cd",
            Self::Flux => "flux",
        }
    }

    /// What of it is written here, beside the modules.
    fn own_source(self) -> &'static str {
        match self {
            Self::PullCredentials => include_str!("../kubernetes/pull-credentials/main.go"),
            _ => "",
        }
    }

    fn package(self) -> String {
        match self {
            Self::Etcd => "go.etcd.io/etcd/server/v3".to_owned(),
            Self::Helm => "helm.sh/helm/v3/cmd/helm".to_owned(),
            Self::App | Self::Cainjector | Self::ArgoCd | Self::Flux => ".".to_owned(),
            Self::PullCredentials => "./pull-credentials".to_owned(),
            kubernetes => format!("k8s.io/kubernetes/cmd/{}", kubernetes.name()),
        }
    }

    fn module(self) -> Result<&'static Module> {
        Ok(match self {
            Self::Helm => &HELM,
            Self::App => &APP,
            Self::Cainjector => &CERT_MANAGER,
            Self::ArgoCd => &ARGO_CD,
            Self::Flux => &FLUX,
            Self::KubeApiserver | Self::KubeControllerManager => {
                control_plane(std::env::var_os(KUBERNETES_VERSION))?
            }
            _ => &KUBERNETES,
        })
    }

    /// On two cores with nothing in Go's cache; the later ones share much with the earlier.
    fn takes(self) -> &'static str {
        match self {
            Self::KubeApiserver => "about 5 minutes",
            Self::Etcd
            | Self::Kubectl
            | Self::Kubelet
            | Self::Helm
            | Self::Cainjector
            | Self::ArgoCd
            | Self::Flux => "about 2 minutes",
            Self::KubeControllerManager | Self::KubeScheduler | Self::KubeProxy | Self::PullCredentials => {
                "about a minute"
            }
            Self::App => "seconds",
        }
    }
}

/// The module of the control plane of this version, the value of [`KUBERNETES_VERSION`].
fn control_plane(version: Option<OsString>) -> Result<&'static Module> {
    let Some(version) = version.filter(|version| !version.is_empty()) else { return Ok(&KUBERNETES) };
    let found = OTHER_KUBERNETES.iter().find(|(minor, _)| *minor == version);
    found.map(|(_, module)| module).with_context(|| {
        let known: Vec<&str> = OTHER_KUBERNETES.iter().map(|(minor, _)| *minor).collect();
        format!("{KUBERNETES_VERSION}={} is not one of {}", version.display(), known.join(", "))
    })
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One line on stderr about something long: with the seconds where a person watches, said once in a pipe.
struct Progress {
    what: String,
    start: Instant,
    shown: Option<u64>,
}

impl Progress {
    fn start(what: &str) -> Self {
        let mut progress = Self { what: what.to_owned(), start: Instant::now(), shown: None };
        if std::io::stderr().is_terminal() {
            progress.tick();
        } else {
            say(what);
        }
        progress
    }

    fn tick(&mut self) {
        let seconds = self.start.elapsed().as_secs();
        if self.shown != Some(seconds) && std::io::stderr().is_terminal() {
            self.shown = Some(seconds);
            // Nobody is there to read that stderr is closed.
            let _ = write!(std::io::stderr(), "\r{} {seconds} s", self.what);
        }
    }

    fn end(&self) {
        if std::io::stderr().is_terminal() {
            let _ = writeln!(std::io::stderr());
        }
    }
}

/// Not `eprintln!`: a test's captured output would hide for minutes why nothing happens.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

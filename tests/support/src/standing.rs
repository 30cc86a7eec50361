//! A control plane that stays until it is taken down, for a developer.
//!
//! A process of its own, the keeper, owns it and holds the lock of the state folder, so that a process that sees the
//! lock free knows that nothing is up. Killing the keeper takes the cluster with it, as for any [`Run`](crate::Run).

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};

use crate::process::tail;
use crate::{ControlPlane, Options, Program, cache, eventually};

/// The folder that holds a cluster's state. One folder, at most one cluster.
#[derive(Clone, Debug)]
pub struct Standing {
    folder: PathBuf,
}

/// What is known of a cluster that is up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cluster {
    /// The keeper's process id.
    pub keeper: u32,
    /// The API server's URL.
    pub url: String,
    pub kubeconfig: PathBuf,
    /// The folder of the kubectl that fits.
    pub programs: PathBuf,
    /// Logs and data.
    pub folder: PathBuf,
}

impl Standing {
    /// The cluster whose state is in `folder`; by default `cluster` in the cache folder.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn new(folder: Option<PathBuf>) -> Result<Self> {
        let folder = match folder {
            Some(folder) => std::path::absolute(folder)?,
            None => cache::folder()?.join("cluster"),
        };
        cache::make(&folder)?;
        Ok(Self { folder })
    }

    /// The cluster, when it is up.
    ///
    /// # Errors
    /// The state folder cannot be read.
    pub fn get(&self) -> Result<Option<Cluster>> {
        if !self.is_kept()? {
            return Ok(None);
        }
        // The keeper is starting while there is no such file.
        let Ok(text) = fs::read_to_string(self.state()) else { return Ok(None) };
        Ok(Some(
            serde_json::from_str(&text)
                .with_context(|| format!("cannot understand {}", self.state().display()))?,
        ))
    }

    /// Brings it up, when it is not, by starting `keeper` (a command that calls [`Standing::keep`]).
    ///
    /// # Errors
    /// The control plane does not start: with the end of the keeper's log.
    pub async fn up(&self, keeper: &mut Command) -> Result<Cluster> {
        if let Some(cluster) = self.get()? {
            return Ok(cluster);
        }
        // Here, where progress is seen.
        tokio::task::spawn_blocking(|| {
            Program::CONTROL_PLANE.into_iter().try_for_each(|program| program.path().map(drop))
        })
        .await??;
        let log = self.folder.join("keeper.log");
        let output = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut child = keeper
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0)
            .current_dir(&self.folder)
            .spawn()
            .context("cannot start the cluster's keeper")?;
        let up = eventually("the cluster", Duration::from_secs(150), async || {
            if let Some(cluster) = self.get()? {
                return Ok(Ok(cluster));
            }
            match child.try_wait()? {
                // Success says that another one keeps it.
                Some(status) if !status.success() => Ok(Err(status)),
                _ => bail!("it is starting"),
            }
        });
        match up.await {
            Ok(Ok(cluster)) => Ok(cluster),
            Ok(Err(status)) => {
                bail!("cannot start the cluster: its keeper ended with {status}:\n{}", tail(&log, 30))
            }
            Err(error) => {
                child.kill()?;
                Err(error).with_context(|| format!("cannot start the cluster; its log is {}", log.display()))
            }
        }
    }

    /// Takes it down and waits until nothing is left. Says whether it was up.
    ///
    /// # Errors
    /// It does not end.
    pub async fn down(&self) -> Result<bool> {
        let Some(cluster) = self.get()? else {
            ensure!(!self.is_kept()?, "the cluster is starting: try again when it is up");
            return Ok(false);
        };
        // The lock is held, so the keeper lives and the id is its own.
        let keeper = Pid::from_raw(cluster.keeper.cast_signed()).context("the state names no process")?;
        kill_process(keeper, Signal::TERM).context("cannot stop the cluster's keeper")?;
        eventually("the cluster to end", Duration::from_secs(60), async || {
            ensure!(!self.is_kept()?, "its keeper, process {}, still runs", cluster.keeper);
            Ok(())
        })
        .await?;
        Ok(true)
    }

    /// Starts the cluster and keeps it until SIGTERM, SIGINT or SIGHUP. Returns at once when another process keeps it.
    ///
    /// # Errors
    /// The control plane does not start, or the state cannot be written.
    pub async fn keep(&self) -> Result<()> {
        let mut ends = [
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
            signal(SignalKind::hangup())?,
        ];
        // A process that asks whether it is up has the lock for a moment.
        let Some(_lock) = cache::lock(&self.lock(), Duration::from_secs(2), || ())? else { return Ok(()) };
        self.forget()?;
        let [term, int, hup] = &mut ends;
        let ended = async {
            tokio::select! { _ = term.recv() => {}, _ = int.recv() => {}, _ = hup.recv() => {} }
        };
        let kept = async {
            let options = Options { parent: self.folder.clone(), ..Options::default() };
            let plane = ControlPlane::start(options).await?;
            self.remember(&plane)?;
            // One that broke would be worse than none.
            let broken = plane.broken().await;
            self.forget()?;
            Err(broken)
        };
        tokio::select! {
            () = ended => self.forget(),
            broken = kept => broken,
        }
    }

    fn remember(&self, plane: &ControlPlane) -> Result<()> {
        let kubeconfig = self.folder.join("kubeconfig");
        replace(&kubeconfig, &fs::read_to_string(plane.kubeconfig())?)?;
        let cluster = Cluster {
            keeper: std::process::id(),
            url: plane.url(),
            kubeconfig,
            programs: plane.kubectl.parent().unwrap_or(Path::new("/")).to_owned(),
            folder: plane.run().folder().to_owned(),
        };
        replace(&self.state(), &serde_json::to_string_pretty(&cluster)?)
    }

    fn forget(&self) -> Result<()> {
        for file in [self.state(), self.folder.join("kubeconfig")] {
            match fs::remove_file(&file) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("cannot remove {}", file.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn is_kept(&self) -> Result<bool> {
        let lock = match File::open(self.lock()) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            opened => opened.with_context(|| format!("cannot open {}", self.lock().display()))?,
        };
        // Shared: those who ask do not disturb each other.
        match lock.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {}", self.lock().display()))
            }
        }
    }

    fn lock(&self) -> PathBuf {
        self.folder.join("lock")
    }

    fn state(&self) -> PathBuf {
        self.folder.join("cluster.json")
    }
}

/// A reader of the file sees all of it or none.
fn replace(path: &Path, text: &str) -> Result<()> {
    let new = path.with_extension("new");
    crate::control_plane::write_secret(&new, text)?;
    fs::rename(&new, path).with_context(|| format!("cannot write {}", path.display()))
}

//! A process that has nodes, and is killed as by `kill -9`.

use std::io::{BufRead as _, BufReader, Write as _, stdout};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use support::{Nodes, eventually, network, nodes};

const SOON: Duration = Duration::from_secs(60);

/// Starts a cluster of one node, says where its files are, and waits for its end.
pub(super) async fn hold() -> Result<()> {
    let nodes = Nodes::start(nodes::Options { nodes: 1, ..nodes::Options::default() }).await?;
    writeln!(stdout(), "{}", nodes.plane().run().folder().display())?;
    std::future::pending().await
}

/// Kills such a process, and waits until no process, file or cgroup is left of it.
pub(super) async fn leaves_nothing() -> Result<()> {
    tokio::task::spawn_blocking(kill_one).await??.gone().await
}

fn kill_one() -> Result<Run> {
    let mut held = Command::new(std::env::current_exe()?)
        .arg("hold")
        // In a network of its own, and not in this one.
        .env_remove(network::INSIDE)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .context("cannot start another cluster")?;
    let mut folder = String::new();
    let said = held.stdout.take().map(|out| BufReader::new(out).read_line(&mut folder)).transpose();
    let run = Run { folder: PathBuf::from(folder.trim()) };
    let found = said.map_err(Into::into).and_then(|_| run.is_there());
    held.kill()?;
    held.wait()?;
    found.map(|()| run)
}

/// What is known by a run's folder.
struct Run {
    folder: PathBuf,
}

impl Run {
    async fn gone(&self) -> Result<()> {
        eventually("nothing to be left of a killed cluster", SOON, async || {
            ensure!(!self.folder.exists(), "its files are left in {}", self.folder.display());
            let processes = self.processes();
            ensure!(processes == 0, "{processes} processes are left");
            let cgroups = self.cgroups();
            ensure!(cgroups.is_empty(), "the cgroups {cgroups:?} are left");
            Ok(())
        })
        .await
    }

    /// Fails where the test would have nothing to look for.
    fn is_there(&self) -> Result<()> {
        ensure!(self.folder.is_absolute() && self.folder.exists(), "the other cluster did not start");
        ensure!(self.processes() > 5, "the other cluster has {} processes", self.processes());
        ensure!(!self.cgroups().is_empty(), "the other cluster has no cgroup");
        Ok(())
    }

    /// Processes that its folder's name stands in the environment of.
    fn processes(&self) -> usize {
        let Some(folder) = self.folder.to_str() else { return 0 };
        let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let environments = all.filter_map(|process| std::fs::read(process.path().join("environ")).ok());
        environments.filter(|it| String::from_utf8_lossy(it).contains(folder)).count()
    }

    fn cgroups(&self) -> Vec<PathBuf> {
        let root = Path::new("/sys/fs/cgroup");
        let below = std::fs::read_dir(root).into_iter().flatten().flatten().map(|it| it.path());
        let name = self.folder.file_name().unwrap_or_default();
        let places = below.chain([root.to_owned()]).map(|it| it.join(name));
        places.filter(|it| it.is_dir()).collect()
    }
}

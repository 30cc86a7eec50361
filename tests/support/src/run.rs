//! One test run's folder and processes, and the promise that nothing of them outlives it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::cache;
use crate::process::{Process, tail};

#[cfg(test)]
mod tests;

/// The variable that marks a process as one of a run; its value is the run's folder.
pub(crate) const MARK: &str = "TCR_ASSISTANT_RUN";
const PREFIX: &str = "tcr-assistant-";
/// In the run's folder: the processes that it has started, for its watchdog.
const STARTED: &str = "started";
const WATCHDOG: &str = include_str!("run/watchdog.sh");
/// How much of each log a failed test shows.
const TAIL_LINES: usize = 25;
/// How many failed runs' logs are kept.
const KEPT: usize = 10;

/// A temporary folder and the processes started in its name.
///
/// # Guarantees
/// When the owner drops it, returns, panics, is interrupted or is killed by `kill -9`, every process of the run is
/// killed, with whatever it started, and the folder is removed. A watchdog process sees to it; should that be killed
/// too, the next run on the machine removes what is left.
///
/// # Caveats
/// Dropped while a test panics, or after [`Run::failed`], it prints the end of each log and keeps the logs in the cache
/// folder.
#[derive(Debug)]
pub struct Run {
    folder: PathBuf,
    watchdog: Child,
    pipe: Option<ChildStdin>,
    failed: AtomicBool,
    /// Held by us and the watchdog: a process that can take it knows that both are gone.
    _lock: File,
}

impl Run {
    /// A run with its folder under the machine's temporary folder.
    ///
    /// # Errors
    /// The folder or the watchdog cannot be made.
    pub fn new() -> Result<Self> {
        Self::under(&std::env::temp_dir())
    }

    /// A run with its folder under `parent`; removes what an earlier one left there.
    ///
    /// # Errors
    /// As [`Run::new`].
    pub fn under(parent: &Path) -> Result<Self> {
        // A folder whose lock is not taken yet would look abandoned to somebody who tidies up.
        let tidying = cache::lock(&cache::folder()?.join("runs.lock"), Duration::from_secs(60), || ())?
            .context("cannot make a run: another process has been tidying up for a minute")?;
        remove_abandoned(parent)?;
        let folder = tempfile::Builder::new()
            .prefix(PREFIX)
            .tempdir_in(parent)
            .with_context(|| format!("cannot make a folder in {}", parent.display()))?;
        cache::make(&folder.path().join("logs"))?;
        File::create(folder.path().join(STARTED))?;
        let lock = cache::lock(&folder.path().join("lock"), Duration::ZERO, || ())?
            .context("a new folder's lock is taken")?;
        let mut watchdog = watch(folder.path(), Stdio::piped(), lock.try_clone()?.into())?;
        drop(tidying);
        let pipe = watchdog.stdin.take();
        Ok(Self { folder: folder.keep(), watchdog, pipe, failed: AtomicBool::new(false), _lock: lock })
    }

    /// The run's folder; only its owner may read it.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A command that ends with the run.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        self.adopt(&mut command);
        command
    }

    /// A process that ends with the run, started, with its output in `logs/NAME.log`.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(&self, name: &str, mut command: Command) -> Result<Process> {
        self.adopt(&mut command);
        let log = self.folder.join("logs").join(format!("{name}.log"));
        let process = Process::new(name, command, &log, &self.folder.join(STARTED))?;
        process.start()?;
        Ok(process)
    }

    /// The last lines of every log of the run, for a person.
    pub fn log_tails(&self) -> String {
        let mut logs = self.logs();
        logs.sort();
        logs.iter().map(|log| format!("--- end of {}\n{}\n", log.display(), tail(log, TAIL_LINES))).collect()
    }

    /// Says that the test which owns this run failed without a panic, so that its logs are shown and kept.
    pub fn failed(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    /// Where the logs go when the test that owns this run fails.
    pub fn kept_logs(&self) -> Result<PathBuf> {
        let name = self.folder.file_name().context("the run's folder has no name")?;
        Ok(cache::folder()?.join("failed").join(name))
    }

    fn adopt(&self, command: &mut Command) {
        // A group of its own: an interrupt from the terminal is for the owner, whose end ends the rest.
        command.env(MARK, &self.folder).process_group(0);
    }

    fn logs(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder.join("logs")).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).filter(|path| path.extension() == Some(OsStr::new("log"))).collect()
    }

    fn keep_logs(&self) -> Result<PathBuf> {
        let kept = self.kept_logs()?;
        cache::make(&kept)?;
        for log in self.logs() {
            if let Some(name) = log.file_name() {
                fs::copy(&log, kept.join(name))?;
            }
        }
        let Some(all) = kept.parent() else { return Ok(kept) };
        let mut runs: Vec<_> = fs::read_dir(all)?
            .flatten()
            .filter_map(|run| Some((run.metadata().ok()?.modified().ok()?, run.path())))
            .collect();
        runs.sort();
        for (_, old) in runs.iter().rev().skip(KEPT) {
            fs::remove_dir_all(old)?;
        }
        Ok(kept)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if std::thread::panicking() || self.failed.load(Ordering::Relaxed) {
            eprint!("{}", self.log_tails());
            match self.keep_logs() {
                Ok(kept) => eprintln!("--- whole logs are in {}", kept.display()),
                Err(error) => eprintln!("--- cannot keep the logs: {error:#}"),
            }
        }
        drop(self.pipe.take());
        let start = Instant::now();
        while matches!(self.watchdog.try_wait(), Ok(None)) {
            if start.elapsed() > Duration::from_secs(30) {
                eprintln!("cannot remove {} within 30 s: its watchdog goes on", self.folder.display());
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Starts the watchdog of `folder`. It holds the folder's lock as its standard output.
fn watch(folder: &Path, stdin: Stdio, lock: Stdio) -> Result<Child> {
    if !Path::new("/proc/self/environ").exists() {
        bail!("cannot watch over the run's processes: /proc is not there (a test cluster needs Linux)");
    }
    Command::new("sh")
        .args(["-c", WATCHDOG, "watchdog"])
        .arg(folder)
        .env_remove(MARK)
        .current_dir("/")
        .stdin(stdin)
        .stdout(lock)
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .context("cannot start the run's watchdog (sh)")
}

/// Removes the runs in `parent` whose owner and watchdog are both gone.
fn remove_abandoned(parent: &Path) -> Result<()> {
    let entries =
        fs::read_dir(parent).with_context(|| format!("cannot read the folder {}", parent.display()))?;
    for entry in entries.flatten() {
        let is_run = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        if !is_run {
            continue;
        }
        // Another user's folder cannot be looked into, and is not ours to remove.
        let Ok(lock) = File::open(entry.path().join("lock")) else { continue };
        if lock.try_lock().is_ok() {
            writeln!(std::io::stderr(), "removing an abandoned run, {}", entry.path().display())?;
            watch(&entry.path(), Stdio::null(), lock.into())?.wait()?;
        }
    }
    Ok(())
}

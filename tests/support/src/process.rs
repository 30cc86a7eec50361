//! A process of a run that can be killed and started again.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// Appends the process and the time of its start, in the kernel's ticks, to `file`. One that has ended already is gone.
fn write_down(file: &Path, id: u32) -> Result<()> {
    let Ok(stat) = fs::read_to_string(format!("/proc/{id}/stat")) else { return Ok(()) };
    // The name, in parentheses, may hold anything.
    let start = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split_ascii_whitespace().nth(19));
    let start = start.with_context(|| format!("cannot read /proc/{id}/stat: {stat}"))?;
    let failed = || format!("cannot write {}", file.display());
    let mut file = File::options().append(true).open(file).with_context(failed)?;
    file.write_all(format!("{id} {start}\n").as_bytes()).with_context(failed)
}

/// A program that runs in the background with its output in a log; killed when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    log: PathBuf,
    /// Where each start of it is written down.
    started: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    command: Command,
    child: Option<Child>,
    /// Bytes that were in the log when it was last started.
    before: usize,
}

impl Process {
    /// Does not start it yet. Output is appended to `log`, and each start of it to `started`.
    pub(crate) fn new(name: &str, mut command: Command, log: &Path, started: &Path) -> Result<Self> {
        let open = || File::options().create(true).append(true).open(log);
        let output = open().with_context(|| format!("cannot write the log {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        Ok(Self {
            name: name.to_owned(),
            log: log.to_owned(),
            started: started.to_owned(),
            state: Mutex::new(State { command, child: None, before: 0 }),
        })
    }

    /// Starts it; also again, with the same arguments, after it ended.
    ///
    /// # Errors
    /// It is running, or the program cannot be started.
    pub fn start(&self) -> Result<()> {
        let mut state = self.state();
        if state.is_running() {
            bail!("cannot start {}: it is running", self.name);
        }
        state.before = self.read_log()?.len();
        let program = state.command.get_program().to_owned();
        let child = state
            .command
            .spawn()
            .with_context(|| format!("cannot start {} ({})", self.name, program.display()))?;
        let id = child.id();
        state.child = Some(child);
        write_down(&self.started, id)
    }

    /// The name it was started under.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process id while it runs.
    pub fn id(&self) -> Option<u32> {
        let mut state = self.state();
        if state.is_running() { state.child.as_ref().map(Child::id) } else { None }
    }

    /// How it ended, when it was started and has ended by itself.
    pub fn ended(&self) -> Option<ExitStatus> {
        self.state().child.as_mut()?.try_wait().ok()?
    }

    /// Ends it as `kill -9` does, and waits until it is gone.
    pub fn kill(&self) {
        if let Some(mut child) = self.state().child.take() {
            // An error says that it ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Asks it to end (SIGTERM), and kills it when it has not within `patience`. Returns how it ended, if by itself.
    pub async fn stop(&self, patience: Duration) -> Option<ExitStatus> {
        self.signal(Signal::TERM);
        let start = Instant::now();
        while start.elapsed() < patience {
            if let Some(status) = self.ended() {
                return Some(status);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.kill();
        None
    }

    /// Stops it where it stands (SIGSTOP), as a machine that hangs does.
    pub fn suspend(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Fails when it has ended by itself.
    ///
    /// # Errors
    /// It has: how, and the end of its log.
    pub fn check(&self) -> Result<()> {
        let Some(status) = self.ended() else { return Ok(()) };
        bail!("{} ended with {status}; its log ends with\n{}", self.name, tail(&self.log, 15))
    }

    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// Everything it has written so far, over all its starts.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn log(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.read_log()?).into_owned())
    }

    /// The address behind `words` in what it has written since it was last started: where a server listens that was
    /// told to take a free port.
    ///
    /// # Errors
    /// It has not said so yet.
    pub fn address_behind(&self, words: &str) -> Result<SocketAddr> {
        let log = self.read_log()?;
        let since = log.get(self.state().before..).unwrap_or_default();
        address_behind(&String::from_utf8_lossy(since), words)
            .with_context(|| format!("{} has no address behind {words:?} in its log", self.name))
    }

    fn read_log(&self) -> Result<Vec<u8>> {
        fs::read(&self.log).with_context(|| format!("cannot read the log {}", self.log.display()))
    }

    fn signal(&self, signal: Signal) {
        // Asked of the unreaped child, so that the id cannot be somebody else's by now.
        let mut state = self.state();
        if state.is_running()
            && let Some(pid) = state.child.as_ref().and_then(|child| Pid::from_raw(child.id().cast_signed()))
        {
            let _ = kill_process(pid, signal);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl State {
    fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }
}

fn address_behind(log: &str, words: &str) -> Option<SocketAddr> {
    let (_, rest) = log.split_once(words)?;
    // Without what comes after it, a line that is being written could still grow.
    let end = rest.find(|c: char| !c.is_ascii_hexdigit() && !".:[]".contains(c))?;
    rest[..end].parse().ok()
}

/// The last `lines` of a file, or why it cannot be read.
pub(crate) fn tail(path: &Path, lines: usize) -> String {
    match fs::read(path) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            let all: Vec<_> = text.lines().collect();
            all[all.len().saturating_sub(lines)..].join("\n")
        }
        Err(error) => format!("(cannot read {}: {error})", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_log_says_where_it_listens() {
        let docker_registry = r#"level=info msg="listening on 127.0.0.1:40001, tls" go.version=go1.19"#;
        let find = |log: &str| address_behind(log, "listening on ").map(|address| address.to_string());
        assert_eq!(find(docker_registry).unwrap(), "127.0.0.1:40001");
        assert_eq!(find("listening on [::1]:443\n").unwrap(), "[::1]:443");
        assert_eq!(find("listening on 127.0.0.1:400"), None, "the line may not be complete");
        assert_eq!(find("redis not configured\n"), None);
        let metrics = "metrics at http://10.0.0.1:80/metrics\n";
        assert_eq!(address_behind(metrics, "http://"), Some(([10, 0, 0, 1], 80).into()));
    }

    #[test]
    fn what_it_said_before_it_was_started_again_is_not_where_it_listens() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        fs::write(&log, "listening on 127.0.0.1:1\n").unwrap();
        fs::write(folder.path().join("started"), "").unwrap();
        let process =
            Process::new("quiet", Command::new("true"), &log, &folder.path().join("started")).unwrap();
        process.start().unwrap();
        let error = process.address_behind("listening on ").unwrap_err();
        assert_eq!(error.to_string(), r#"quiet has no address behind "listening on " in its log"#);
    }
}

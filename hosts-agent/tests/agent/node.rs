//! A node: its directories, the agent on them, and waiting for what the agent does.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub(crate) const LOCAL: &str = "127.0.0.1 localhost\n";
/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Directories of a node. Nothing of the machine itself is touched.
pub(crate) struct Node {
    root: TempDir,
}

/// A running agent, ended with the value.
pub(crate) struct Agent {
    pub(crate) child: Child,
    log: PathBuf,
}

impl Node {
    pub(crate) fn new(hosts: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        for directory in ["etc", "config", "state"] {
            fs::create_dir(root.path().join(directory)).unwrap();
        }
        let node = Self { root };
        fs::write(node.hosts_file(), hosts).unwrap();
        node
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn hosts_file(&self) -> PathBuf {
        self.path("etc/hosts")
    }

    pub(crate) fn hosts(&self) -> String {
        fs::read_to_string(self.hosts_file()).unwrap()
    }

    /// Swaps the list as the kubelet does: a new directory, a link beside, a rename of the link.
    pub(crate) fn mount_list(&self, yaml: &str) {
        self.mount_bytes(yaml.as_bytes());
    }

    pub(crate) fn mount_bytes(&self, yaml: &[u8]) {
        let config = self.path("config");
        let version =
            (0..).map(|number| format!("..v{number}")).find(|name| !config.join(name).exists()).unwrap();
        fs::create_dir(config.join(&version)).unwrap();
        fs::write(config.join(&version).join("hosts.yaml"), yaml).unwrap();
        symlink(&version, config.join("..data_tmp")).unwrap();
        fs::rename(config.join("..data_tmp"), config.join("..data")).unwrap();
        if !config.join("hosts.yaml").exists() {
            symlink("..data/hosts.yaml", config.join("hosts.yaml")).unwrap();
        }
    }

    /// The program with this node's directories; no settings from the environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hosts-updater"));
        command.env_clear().envs(image_environment()).arg("--config-dir").arg(self.path("config"));
        command.arg("--hosts-file").arg(self.hosts_file()).arg("--state-dir").arg(self.path("state"));
        command.args(arguments);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Starts a program whose standard error is the log.
    pub(crate) fn spawn(&self, command: &mut Command) -> Agent {
        let log = self.path("log");
        let child = command.stderr(fs::File::create(&log).unwrap()).stdin(Stdio::null()).spawn().unwrap();
        Agent { child, log }
    }

    /// Starts the agent and waits for its first pass. Until the agent has begun, what an earlier one
    /// left would answer for it.
    pub(crate) fn start(&self, arguments: &[&str]) -> Agent {
        let _ = fs::remove_file(self.path("state/state"));
        let mut agent = self.spawn(&mut self.command(arguments));
        agent.wait("the first pass", || self.run(&["--healthcheck=live"]).status.success().then_some(()));
        agent
    }
}

impl Agent {
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Asks until there is an answer. Fails with the agent's log when there is none for long, or
    /// when the agent has ended.
    pub(crate) fn wait<T>(&mut self, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(answer) = ask() {
                return answer;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && start.elapsed() < PATIENCE,
                "waited for {what}; the agent {}; its log:\n{}",
                ended.map_or("runs".to_owned(), |status| format!("ended with {status}")),
                self.log()
            );
            std::thread::yield_now();
        }
    }

    /// Where it answers with its metrics.
    pub(crate) fn metrics_address(&self) -> SocketAddr {
        let log = self.log();
        let address = log.lines().find_map(|line| line.strip_prefix("metrics at http://"));
        address.expect("the address is in the log").trim_end_matches("/metrics").parse().unwrap()
    }

    /// The process of its keeper.
    pub(crate) fn keeper(&self) -> u32 {
        let id = self.child.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        children.trim().parse().expect("the agent has one child")
    }

    /// The most that each of both processes has had in memory, summed, in KiB.
    pub(crate) fn most_memory(&self) -> u64 {
        let of = |id: u32| {
            let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
            line.split_whitespace().next().unwrap().parse::<u64>().unwrap()
        };
        of(self.child.id()) + of(self.keeper())
    }

    pub(crate) fn terminate(&mut self) -> std::process::ExitStatus {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the image sets for the program.
fn image_environment() -> impl Iterator<Item = (&'static str, &'static str)> {
    let image = include_str!("../../../artifacts/images/hosts-updater.Dockerfile");
    image.lines().filter_map(|line| line.strip_prefix("ENV ")?.split_once('='))
}

pub(crate) fn list(ip: &str) -> String {
    format!("- domain: demo.tencentcloudcr.com\n  ip: {ip}\n  disabled: false\n")
}

/// The body of `GET path`.
pub(crate) fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

pub(crate) fn metric(metrics: &str, name: &str) -> u64 {
    let prefix = format!("hosts_updater_{name} ");
    metrics.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap().parse().unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

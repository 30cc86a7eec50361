//! Servers as processes.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use super::bench::Bench;
use super::client::Caller;
use super::tls::Authority;

/// Longer than anything here takes on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// A server that ends with this.
pub(super) struct Server {
    child: Child,
    pub(super) caller: Caller,
    readiness: u16,
    pub(super) began: Instant,
}

impl Bench {
    /// `harness serve` of this policies file, listening; its modules are kept compiled in `cache`.
    pub(super) fn serve(&self, authority: &Authority, policies: &str, cache: &str) -> anyhow::Result<Server> {
        self.write("policies.yml", policies.as_bytes())?;
        let mut command = Command::new(&self.program);
        command
            .args(["serve", "--addr=127.0.0.1", "--port=0", "--readiness-probe-port=0", "--log-fmt=json"])
            .args(["--cert-file=tls.crt", "--key-file=tls.key", "--policies=policies.yml"])
            .env_clear()
            .env("XDG_CACHE_HOME", self.path(cache));
        Server::start(command, self.folder.path(), authority)
    }

    /// The baseline: a server of the same stack that answers with the same bytes each time.
    pub(super) fn serve_fixed(&self, authority: &Authority) -> anyhow::Result<Server> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("fixed-server").env_clear();
        Server::start(command, self.folder.path(), authority)
    }
}

impl Server {
    fn start(mut command: Command, folder: &Path, authority: &Authority) -> anyhow::Result<Self> {
        authority.issue(folder)?;
        let began = Instant::now();
        let mut child = command
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        let mut log = BufReader::new(child.stderr.take().context("no standard error")?);
        let mut seen = String::new();
        let listening = loop {
            let mut line = String::new();
            if log.read_line(&mut line)? == 0 {
                bail!("{command:?} ended:\n{seen}");
            }
            let said: Value = serde_json::from_str(&line).unwrap_or_default();
            if said["message"] == "listening" {
                break said;
            }
            seen += &line;
        };
        // A process that writes a log must find a reader; what goes wrong is of interest.
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                if line.contains(r#""level":"ERROR""#) || line.contains("panicked") {
                    eprintln!("{line}");
                }
            }
        });
        let port = |field: &str| -> anyhow::Result<u16> {
            let address = listening[field].as_str().unwrap_or_default();
            address.rsplit(':').next().and_then(|port| port.parse().ok()).context("no port is told")
        };
        let caller = Caller { connector: authority.connector()?, port: port("reviews")? };
        Ok(Self { child, caller, readiness: port("readiness").unwrap_or_default(), began })
    }

    /// Waits until all policies are there, and answer as fast as they can.
    pub(super) fn settled(&self) -> anyhow::Result<()> {
        self.until("no policy is made faster any more", |server| {
            let metrics = server.metrics()?;
            let is_waited_for = |line: &str| {
                line.starts_with(r#"harness_policies{stage="ready"}"#)
                    || line.starts_with(r#"harness_policies{stage="preparing"}"#)
            };
            Ok(metrics.contains("harness_policies{") && !metrics.lines().any(is_waited_for))
        })
    }

    pub(super) fn until(
        &self,
        what: &str,
        mut is_so: impl FnMut(&Self) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let began = Instant::now();
        while !is_so(self)? {
            ensure!(began.elapsed() < PATIENCE, "it never comes to this: {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// A number among the metrics, by the beginning of its line.
    pub(super) fn metric(&self, begin: &str) -> anyhow::Result<f64> {
        let metrics = self.metrics()?;
        let line = metrics.lines().find_map(|line| line.strip_prefix(begin));
        line.and_then(|value| value.trim().parse().ok()).with_context(|| format!("no metric {begin}"))
    }

    fn metrics(&self) -> anyhow::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.readiness))?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// MiB that it has resident, its program's pages included.
    pub(super) fn resident(&self) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib / 1024.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

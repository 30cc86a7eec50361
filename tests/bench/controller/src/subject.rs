//! The controller's process: what it counts, and what Linux counts of it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use support::{ControlPlane, Process, eventually};
use tcr_cloud::{Account, Cloud};

use crate::cluster::PATIENCE;

pub(crate) struct Subject {
    process: Process,
    address: SocketAddr,
    http: reqwest::Client,
}

/// What the controller's `/metrics` say.
pub(crate) struct Metrics(String);

impl Subject {
    /// Starts the program and waits until it leads with everything listed.
    pub(crate) async fn start(
        program: &Path,
        plane: &ControlPlane,
        kubeconfig: &Path,
        cloud: Option<&Cloud>,
    ) -> Result<Self> {
        let mut command = plane.run().command(program);
        command
            .args(["run", "--cluster-id=cls-bench001", "--leader-elect=false", "--webhook-service="])
            .arg("--address=127.0.0.1:0")
            // There is no registry, and a rotation is to be written at once.
            .arg("--check-registry=false")
            .env("KUBECONFIG", kubeconfig)
            .env("TENCENTCLOUD_SECRET_ID", "AKIDbench")
            .env("TENCENTCLOUD_SECRET_KEY", "bench");
        if let Some(cloud) = cloud {
            command.arg(format!("--tcr-endpoint={}", cloud.url())).envs(Account::demo().variables());
        }
        let process = plane.run().start("controller", command)?;
        let address = eventually("the controller to say where it listens", PATIENCE, async || {
            process.address_behind("listening on ")
        });
        let address = address.await?;
        let subject = Self { process, address, http: reqwest::Client::builder().no_proxy().build()? };
        eventually("the controller to have listed everything", PATIENCE, async || {
            ensure!(subject.get("/readyz").await? == "ok", "it is not ready");
            let metrics = Metrics(subject.get("/metrics").await?);
            ensure!(metrics.value("tcr_assistant_leading").is_some_and(|it| it > 0.0), "it does not lead");
            Ok(())
        })
        .await?;
        Ok(subject)
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(self) {
        self.process.kill();
    }

    /// What it counts now.
    pub(crate) async fn metrics(&self) -> Result<Metrics> {
        Ok(Metrics(self.get("/metrics").await?))
    }

    /// Waits, looking often, until `is_so` of its metrics.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(&Metrics) -> bool) -> Result<()> {
        let since = Instant::now();
        loop {
            if is_so(&self.metrics().await?) {
                return Ok(());
            }
            ensure!(since.elapsed() < PATIENCE, "{what} did not come about in {} s", PATIENCE.as_secs());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until it has written nothing for a while.
    pub(crate) async fn quiet(&self) -> Result<()> {
        let mut before = self.metrics().await?.object_writes();
        loop {
            tokio::time::sleep(Duration::from_millis(2500)).await;
            let now = self.metrics().await?.object_writes();
            if now == before {
                return Ok(());
            }
            before = now;
        }
    }

    /// Waits until also the work is done that nobody waits for: after a start every Secret is read once.
    pub(crate) async fn idle(&self) -> Result<()> {
        self.quiet().await?;
        while self.metrics().await?.value("tcr_assistant_backlog_depth").is_some_and(|depth| depth > 0.0) {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        self.quiet().await
    }

    /// MiB of memory that are resident, and the most that ever were.
    pub(crate) fn memory(&self) -> Result<(f64, f64)> {
        let status = self.proc("status")?;
        let mib = |key: &str| -> Result<f64> {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            let kib = line.and_then(|rest| rest.split_whitespace().next()).context("Linux does not say")?;
            Ok(kib.parse::<f64>()? / 1024.0)
        };
        Ok((mib("VmRSS:")?, mib("VmHWM:")?))
    }

    /// Seconds of a processor that it took so far.
    pub(crate) fn cpu(&self) -> Result<f64> {
        let stat = self.proc("stat")?;
        // The name in parentheses may hold anything; utime and stime are fields 14 and 15.
        let fields = stat.rsplit_once(')').context("Linux does not say")?.1;
        let ticks: Vec<f64> =
            fields.split_whitespace().skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
        Ok(ticks.iter().sum::<f64>() / rustix::param::clock_ticks_per_second() as f64)
    }

    fn proc(&self, file: &str) -> Result<String> {
        let id = self.process.id().context("the controller has ended")?;
        Ok(std::fs::read_to_string(format!("/proc/{id}/{file}"))?)
    }

    async fn get(&self, path: &str) -> Result<String> {
        let url = format!("http://{}{path}", self.address);
        Ok(self.http.get(url).send().await?.error_for_status()?.text().await?)
    }
}

impl Metrics {
    /// The value of the sample that is written like this, labels included.
    pub(crate) fn value(&self, sample: &str) -> Option<f64> {
        let line = self.0.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok())
    }

    /// Secrets and ServiceAccounts written so far.
    pub(crate) fn writes(&self) -> f64 {
        self.value("tcr_assistant_writes_total").unwrap_or_default()
    }

    /// Whether the ImagePullSecret is everywhere it shall be: in so many namespaces, at so many ServiceAccounts.
    pub(crate) fn is_at(&self, name: &str, secrets: usize, accounts: usize) -> bool {
        let of =
            |metric: &str| self.value(&format!("tcr_assistant_{metric}{{image_pull_secret=\"{name}\"}}"));
        of("secrets") == Some(secrets as f64) && of("service_accounts") == Some(accounts as f64)
    }

    /// Calls of the API server with one of these verbs, whatever came of them.
    pub(crate) fn calls(&self, verbs: &[&str], kind: Option<&str>) -> f64 {
        let fits = |labels: &str| {
            verbs.iter().any(|verb| labels.contains(&format!("verb=\"{verb}\"")))
                && kind.is_none_or(|kind| labels.contains(&format!("kind=\"{kind}\"")))
        };
        let lines = self
            .0
            .lines()
            .filter_map(|line| line.strip_prefix("tcr_assistant_api_calls_total")?.rsplit_once(' '));
        lines.filter(|(labels, _)| fits(labels)).filter_map(|(_, value)| value.parse::<f64>().ok()).sum()
    }

    /// Every write but those of the lease.
    pub(crate) fn object_writes(&self) -> f64 {
        let verbs = ["create", "update", "patch", "delete"];
        self.calls(&verbs, None) - self.calls(&verbs, Some("leases"))
    }
}

/// The program that ships; the short form takes what the tests have built.
pub(crate) fn program(smoke: bool) -> Result<PathBuf> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target");
    let place = match smoke {
        true => "debug/tcr-assistant".to_owned(),
        false => format!("{}-unknown-linux-gnu/image/tcr-assistant", std::env::consts::ARCH),
    };
    let path = target.join(place);
    std::fs::canonicalize(&path)
        .with_context(|| format!("cannot find {}: run ./justw bench controller", path.display()))
}

//! A real Prometheus, which reads the add-on's metrics every second and decides by the chart's rules.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use support::{Process, Run, eventually};

use crate::installed::SOON;

/// Nobody else listens in the story's own network.
const ADDRESS: &str = "127.0.0.1:9090";

/// It ends when this is dropped.
pub(super) struct Prometheus {
    process: Process,
    targets: usize,
}

impl Prometheus {
    /// Starts one that reads `targets` (addresses with ports), and waits until it has the metrics of all.
    ///
    /// # Errors
    /// It is not installed, does not understand the rules, or does not get the metrics.
    pub(super) async fn start(run: &Run, rules: &Value, targets: &[String]) -> Result<Self> {
        let folder = run.folder().join("prometheus");
        fs::create_dir_all(&folder)?;
        let path = |name: &str| folder.join(name).display().to_string();
        // JSON is YAML.
        fs::write(path("rules.yaml"), rules.to_string())?;
        let config = json!({
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [path("rules.yaml")],
            "scrape_configs": [{"job_name": "tcr-assistant", "static_configs": [{"targets": targets}]}],
        });
        fs::write(path("prometheus.yaml"), config.to_string())?;
        let mut command = run.command("prometheus");
        command
            .arg(format!("--config.file={}", path("prometheus.yaml")))
            .arg(format!("--storage.tsdb.path={}", path("data")))
            .arg(format!("--web.listen-address={ADDRESS}"))
            .arg("--log.level=warn");
        let process =
            run.start("prometheus", command).context("is it installed? apt-get install prometheus")?;
        let prometheus = Self { process, targets: targets.len() };
        eventually("Prometheus to have everybody's metrics", SOON, async || {
            // A process that ended is an answer too, and no reason to wait on.
            if let Err(ended) = prometheus.process.check() {
                return Ok(Err(ended));
            }
            prometheus.has_all().await.map(Ok)
        })
        .await??;
        Ok(prometheus)
    }

    async fn has_all(&self) -> Result<()> {
        let found = self.get("targets").await?;
        let found = found["activeTargets"].as_array().context("it tells of no targets")?;
        let failed = found.iter().find(|target| target["health"] != "up");
        ensure!(failed.is_none() && found.len() == self.targets, "not up: {failed:?}");
        Ok(())
    }

    /// Names of the alerts that fire.
    ///
    /// # Errors
    /// It does not answer.
    pub(super) async fn firing(&self) -> Result<BTreeSet<String>> {
        self.process.check()?;
        let found = self.get("alerts").await?;
        let alerts = found["alerts"].as_array().context("it tells of no alerts")?;
        let firing = alerts.iter().filter(|alert| alert["state"] == "firing");
        Ok(firing.filter_map(|alert| alert["labels"]["alertname"].as_str()).map(str::to_owned).collect())
    }

    async fn get(&self, what: &str) -> Result<Value> {
        let answer = reqwest::get(format!("http://{ADDRESS}/api/v1/{what}")).await?.error_for_status()?;
        let mut answer: Value = serde_json::from_str(&answer.text().await?)?;
        Ok(answer["data"].take())
    }
}

//! What `tcr-assistant explain` says of a Pod.

use std::process::Stdio;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::World;
use crate::chart::root;

impl World {
    /// Its findings, and its exit code.
    pub(crate) async fn explained(&self, namespace: &str, pod: &str) -> Result<(Value, Option<i32>)> {
        let mut command = tokio::process::Command::new(root().join("target/debug/tcr-assistant"));
        command.args([
            "explain",
            pod,
            "-n",
            namespace,
            "-o",
            "json",
            "--request-timeout=60s",
            "--kubeconfig",
        ]);
        command.arg(self.nodes.plane().kubeconfig()).args(self.registry_flags()?);
        command.env_clear().stdin(Stdio::null()).kill_on_drop(true);
        let output = command
            .output()
            .await
            .context("cannot run target/debug/tcr-assistant: tests/build tcr-assistant")?;
        let error = || format!("explain says: {}", String::from_utf8_lossy(&output.stderr));
        Ok((serde_json::from_slice(&output.stdout).with_context(error)?, output.status.code()))
    }
}

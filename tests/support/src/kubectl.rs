//! kubectl, as a user types it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::AsyncWriteExt;

use crate::ControlPlane;

/// Longer than any command that a test waits for; `kubectl wait` has a limit of its own.
const TIMEOUT: Duration = Duration::from_secs(120);

/// What a command printed.
#[derive(Clone, Debug)]
pub struct Output {
    /// The command, for messages.
    pub command: String,
    /// Whether it ended with 0.
    pub success: bool,
    /// What it wrote on stdout.
    pub stdout: String,
    /// What it wrote on stderr.
    pub stderr: String,
}

impl Output {
    /// What it wrote on stdout, when it succeeded.
    ///
    /// # Errors
    /// It failed: the message has the command and what it wrote on stderr.
    pub fn checked(self) -> Result<String> {
        if !self.success {
            bail!("`{}` failed: {}", self.command, self.stderr.trim_end());
        }
        Ok(self.stdout)
    }
}

impl ControlPlane {
    /// Runs kubectl as the admin.
    ///
    /// # Errors
    /// It cannot be run, or does not end within two minutes. That it failed is an [`Output`].
    pub async fn kubectl(&self, args: &[&str]) -> Result<Output> {
        self.kubectl_with(self.kubeconfig(), args, "").await
    }

    /// Runs kubectl with another kubeconfig and with `stdin`, for `-f -`.
    ///
    /// # Errors
    /// As [`ControlPlane::kubectl`].
    pub async fn kubectl_with(&self, kubeconfig: &Path, args: &[&str], stdin: &str) -> Result<Output> {
        let name = format!("kubectl {}", args.join(" "));
        let mut command = self.run().command(&self.kubectl);
        command
            .args(args)
            .env("KUBECONFIG", kubeconfig)
            // Not the user's: what is known there of a port is another cluster's.
            .env("KUBECACHEDIR", self.run().folder().join("kubectl-cache"))
            .env("KUBERC", "off")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let run = async {
            let mut child = tokio::process::Command::from(command).kill_on_drop(true).spawn()?;
            let mut pipe = child.stdin.take();
            let write = async {
                if let Some(mut pipe) = pipe.take() {
                    // A command that does not read it closes the pipe; its own words say more.
                    let _ = pipe.write_all(stdin.as_bytes()).await;
                }
            };
            tokio::join!(write, child.wait_with_output()).1
        };
        let output = tokio::time::timeout(TIMEOUT, run)
            .await
            .with_context(|| format!("`{name}` did not end within {TIMEOUT:?}"))?
            .with_context(|| format!("cannot run `{name}`"))?;
        Ok(Output {
            command: name,
            success: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// `kubectl apply -f -` as the admin; returns what it printed.
    ///
    /// # Errors
    /// The manifest is refused: with kubectl's words.
    pub async fn apply(&self, manifest: &str) -> Result<String> {
        self.kubectl_with(self.kubeconfig(), &["apply", "-f", "-"], manifest).await?.checked()
    }
}

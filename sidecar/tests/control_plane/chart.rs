//! Objects of the chart, as helm renders them.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use support::{ControlPlane, Program};

/// What these templates render to with these values.
pub(crate) async fn render(templates: &[&str], values: &Value) -> Result<Vec<Value>> {
    let helm = tokio::task::spawn_blocking(|| Program::Helm.path()).await??;
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("../artifacts/chart");
    let shown = templates.iter().flat_map(|name| ["--show-only".to_owned(), format!("templates/{name}")]);
    let sets = values.as_object().into_iter().flatten();
    let sets = sets.flat_map(|(key, value)| ["--set-json".to_owned(), format!("{key}={value}")]);
    let output = tokio::process::Command::new(helm)
        .args(["template", "tcr-assistant"])
        .arg(chart)
        .args(["--namespace", "tcr-assistant-system", "--kube-version", "1.35.0"])
        .args(shown.chain(sets))
        .kill_on_drop(true)
        .output()
        .await?;
    let text = String::from_utf8(output.stdout)?;
    ensure!(output.status.success(), "helm template failed: {}", String::from_utf8_lossy(&output.stderr));
    let documents = text.split("---\n").filter(|document| document.contains("\nkind: "));
    documents.map(|document| serde_saphyr::from_str(document).context("helm rendered no YAML")).collect()
}

/// Installs the chart as a user does.
pub(crate) async fn install(plane: &ControlPlane, values: &Value) -> Result<()> {
    let helm = tokio::task::spawn_blocking(|| Program::Helm.path()).await??;
    let file = plane.run().folder().join("values.json");
    std::fs::write(&file, values.to_string())?;
    let mut command = plane.run().command(helm);
    command
        .args(["install", "tcr-assistant"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../artifacts/chart"));
    command
        .args(["--namespace", "tcr-assistant-system", "-f"])
        .arg(file)
        .env("KUBECONFIG", plane.kubeconfig());
    let output = tokio::process::Command::from(command).kill_on_drop(true).output().await?;
    ensure!(output.status.success(), "helm install failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Objects as kubectl applies them.
pub(crate) fn list(objects: impl IntoIterator<Item = Value>) -> String {
    let items: Vec<Value> = objects.into_iter().collect();
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}

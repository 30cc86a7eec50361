//! The chart, installed as its README says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use support::ControlPlane;
use tcr::names::SYSTEM_NAMESPACE;
use tcr_cloud::Account;

const RELEASE: &str = "tcr-assistant";
const CREDENTIAL: &str = "tcr-assistant-cloud-credential";

/// Makes the namespace and the API credential, and installs the chart with `values`, of which later ones win.
pub(crate) async fn install(
    plane: &ControlPlane,
    helm: &Path,
    account: &Account,
    values: &[&Value],
) -> Result<()> {
    prepare(plane, account).await?;
    apply(plane, helm, Verb::Install, &ours(), values).await
}

/// Makes the namespace and the API credential.
pub(crate) async fn prepare(plane: &ControlPlane, account: &Account) -> Result<()> {
    plane.kubectl(&["create", "namespace", SYSTEM_NAMESPACE]).await?.checked()?;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": CREDENTIAL, "namespace": SYSTEM_NAMESPACE},
        "stringData": account.variables().collect::<BTreeMap<_, _>>(),
    });
    plane.apply(&secret.to_string()).await.map(drop)
}

/// What helm does with a chart and values.
#[derive(Clone, Copy)]
pub(crate) enum Verb {
    Install,
    Upgrade,
}

/// Installs the chart, or upgrades to it, with `values`, of which later ones win.
pub(crate) async fn apply(
    plane: &ControlPlane,
    helm: &Path,
    verb: Verb,
    chart: &Path,
    values: &[&Value],
) -> Result<()> {
    let mut files = Vec::new();
    for (number, values) in values.iter().enumerate() {
        let file = plane.run().folder().join(format!("values-{number}.json"));
        std::fs::write(&file, values.to_string())?;
        files.push(text(&file)?.to_owned());
    }
    let verb = match verb {
        Verb::Install => "install",
        Verb::Upgrade => "upgrade",
    };
    let arguments = [verb, RELEASE, text(chart)?, "-n", SYSTEM_NAMESPACE];
    let values = files.iter().flat_map(|file| ["-f", file]);
    run(plane, helm, &arguments.into_iter().chain(values).collect::<Vec<_>>()).await.map(drop)
}

/// Goes back to a revision.
pub(crate) async fn roll_back(plane: &ControlPlane, helm: &Path, revision: u8) -> Result<()> {
    run(plane, helm, &["rollback", RELEASE, &revision.to_string(), "-n", SYSTEM_NAMESPACE]).await.map(drop)
}

/// The chart of this checkout.
pub(crate) fn ours() -> PathBuf {
    root().join("artifacts/chart")
}

/// Uninstalls it, with more flags.
pub(crate) async fn uninstall(plane: &ControlPlane, helm: &Path, flags: &[&str]) -> Result<()> {
    run(plane, helm, &[&["uninstall", RELEASE, "-n", SYSTEM_NAMESPACE], flags].concat()).await.map(drop)
}

/// The objects of the chart with `values`, definitions first, as helm renders them without looking at the cluster.
pub(crate) async fn render(plane: &ControlPlane, helm: &Path, values: &Value) -> Result<Vec<Value>> {
    let file = plane.run().folder().join("rendered-values.json");
    std::fs::write(&file, values.to_string())?;
    let (chart, file) = (ours(), text(&file)?.to_owned());
    let version = plane.client().await?.apiserver_version().await?.git_version;
    let arguments =
        ["template", RELEASE, text(&chart)?, "-n", SYSTEM_NAMESPACE, "-f", &file, "--include-crds"];
    let rendered = run(plane, helm, &[&arguments[..], &["--kube-version", &version]].concat()).await?;
    let documents = rendered.split("\n---\n").filter(|document| document.contains("\nkind: "));
    documents.map(|document| serde_saphyr::from_str(document).context("helm rendered no YAML")).collect()
}

/// What helm printed.
async fn run(plane: &ControlPlane, helm: &Path, arguments: &[&str]) -> Result<String> {
    let mut command = plane.run().command(helm);
    command.args(arguments).env("KUBECONFIG", plane.kubeconfig()).stdin(Stdio::null());
    let output = tokio::process::Command::from(command).kill_on_drop(true).output().await?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "helm {} failed: {stderr}", arguments.join(" "));
    Ok(String::from_utf8(output.stdout)?)
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("/")).to_owned()
}

/// A file of artifacts/samples.
pub(crate) fn sample(path: &str) -> Result<String> {
    let path = root().join("artifacts/samples").join(path);
    std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}

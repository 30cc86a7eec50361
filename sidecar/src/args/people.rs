//! What people ask a cluster: `explain` and `status`, by themselves and as `kubectl tcr`.

use std::io::{IsTerminal as _, Write};
use std::process::ExitCode;

use clap::{Args as Group, Parser, Subcommand};

use super::cluster::ClusterArgs;
use super::registry::RegistryArgs;
use commands::output::Output;
use commands::reader::Reader;
use commands::{explain, overview};

/// What people ask a cluster.
#[derive(Debug, Subcommand)]
pub enum PeopleCommand {
    /// Say why a Pod's images can be pulled or cannot, and the one thing to do
    Explain(Box<ExplainArgs>),
    /// Show how the add-on is: instances, credentials, distribution, conflicts, private links, nodes
    Status(Box<StatusArgs>),
}

/// Pull secrets for Tencent Container Registry: why a Pod does not pull, and how the add-on is.
///
/// The program tcr-assistant under the name by which kubectl finds it.
#[derive(Debug, Parser)]
#[command(name = "kubectl-tcr", bin_name = "kubectl tcr", version, about, after_help = PLUGIN_HELP)]
pub struct PluginArgs {
    /// What to log to stderr: error, warn, info, debug, trace, or one of them per module; warn by default
    #[arg(long, global = true, env = "RUST_LOG", value_name = "FILTER", value_parser = super::log_filter)]
    pub log: Option<String>,
    /// What to ask.
    #[command(subcommand)]
    pub command: PeopleCommand,
}

const PLUGIN_HELP: &str = "\
Everything else that the add-on's program does: tcr-assistant --help

Examples:
  kubectl tcr status
  kubectl tcr explain pod/web-5d8f7 -n shop

Exit codes: 0 all is well, 1 it is not, or the cluster cannot be asked, 2 wrong usage.";

const EXPLAIN_HELP: &str = "\
For each image of the Pod: the registry, which ImagePullSecrets are for it and whether they select the
Pod, the credentials that the kubelet shows in its order, and what the registry says to each of them now.
Nothing is pulled, nothing is written, and no password is printed.

The registry is asked from here, which may not be where the node is: that it cannot be reached from here
is no verdict. A password is sent as by the controller: over HTTPS, without redirects, not to loopback,
link-local or metadata addresses, and to a token service on the registry's own host (auth.docker.io for
docker.io); without a password any token service is asked. --registry-realm, --registry-address and
--registry-ca allow more, and --check-registry=false asks nobody.

What you may not read is named, and the rest is told: the Pod itself is needed; Secrets and the
ServiceAccount of its namespace, ImagePullSecrets, the Namespace, Events, and the Lease of
tcr-assistant-system make it complete.

Examples:
  tcr-assistant explain pod/web-5d8f7 -n shop
  tcr-assistant explain web-5d8f7 -n shop -o json | jq -r .toDo
  tcr-assistant explain pod/web-5d8f7 -n shop --check-registry=false

Exit codes: 0 nothing keeps it from pulling, 1 it will not pull, or the Pod cannot be read, 2 wrong usage.";

/// Settings of `explain`.
#[derive(Debug, Group)]
#[command(after_help = EXPLAIN_HELP)]
pub struct ExplainArgs {
    /// The Pod, as pod/NAME or NAME
    #[arg(value_name = "pod/NAME", value_parser = pod)]
    pub pod: String,
    /// Its namespace; by default the one of the kubeconfig's context
    #[arg(short, long, value_name = "NS", value_parser = super::namespace)]
    pub namespace: Option<String>,
    /// Which cluster, as for kubectl.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Output format
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
    /// What registries are asked, and where.
    #[command(flatten)]
    pub registry: RegistryArgs,
}

const STATUS_HELP: &str = "\
Needs the right to list ImagePullSecrets; what else you may not read is named, and the rest is told.

Examples:
  tcr-assistant status
  tcr-assistant status -o json | jq -r '.imagePullSecrets[] | [.name, .expiresAt] | @tsv'

Exit codes: 0 everything is ready, 1 something is not, or the cluster cannot be asked, 2 wrong usage.";

/// Settings of `status`.
#[derive(Debug, Group)]
#[command(after_help = STATUS_HELP)]
pub struct StatusArgs {
    /// Which cluster, as for kubectl.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Output format
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

impl PeopleCommand {
    /// Asks, and tells `out`; the exit code says whether all is well.
    ///
    /// # Errors
    /// The cluster cannot be asked.
    pub async fn run(self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let is_well = match self {
            Self::Explain(args) => args.run(out).await?,
            Self::Status(args) => args.run(out).await?,
        };
        Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

impl ExplainArgs {
    async fn run(self, out: &mut dyn Write) -> anyhow::Result<bool> {
        let Self { pod, namespace, cluster, output, registry } = self;
        let checker = registry.checker()?;
        let (client, namespace) = cluster.connect(namespace).await?;
        let reader = Reader { client, deadline: cluster.request_timeout };
        let watched = std::io::stderr().is_terminal();
        let mut tell = |text: &str| {
            // Nowhere to tell that stderr is closed. What is told takes the line's place, and goes with the answer.
            let _ = watched.then(|| write!(std::io::stderr(), "\r\x1b[K{text}"));
        };
        explain::run(&reader, checker.as_deref(), (&namespace, &pod), output, out, &mut tell).await
    }
}

impl StatusArgs {
    async fn run(self, out: &mut dyn Write) -> anyhow::Result<bool> {
        let Self { cluster, output } = self;
        let (client, _) = cluster.connect(None).await?;
        overview::run(&Reader { client, deadline: cluster.request_timeout }, output, out).await
    }
}

fn pod(text: &str) -> Result<String, String> {
    let name = match text.split_once('/') {
        Some(("pod" | "pods" | "po", name)) => name,
        Some((kind, _)) => return Err(format!("only Pods are explained, not {kind:?}: write pod/NAME")),
        None => text,
    };
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    match !name.is_empty() && name.chars().all(is_name) {
        true => Ok(name.to_owned()),
        false => Err("a Pod's name has lower-case letters, digits, hyphens and dots".to_owned()),
    }
}

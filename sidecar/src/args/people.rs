//! What people ask and do, by `tcr-assistant` and as `kubectl tcr`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args as Group, Command, CommandFactory as _, Parser, Subcommand};

use super::cleanup::CleanupArgs;
use super::cluster::ClusterArgs;
use super::completion::{self, Shell};
use super::doctor::DoctorArgs;
use super::nodes::NodesArgs;
use super::plan::PlanArgs;
use super::progress::progress;
use super::registry::RegistryArgs;
use super::render::RenderArgs;
use super::request::{InstancesArgs, RevokeArgs, RotateArgs};
use super::secrets::{EventsArgs, SecretsArgs};
use commands::explain::target::Target;
use commands::output::Output;
use commands::reader::Reader;
use commands::{explain, overview};

/// What people ask and do.
#[derive(Debug, Subcommand)]
pub enum PeopleCommand {
    /// Say why a Pod's images can be pulled or cannot, or what a Pod would get, and the one thing to do
    Explain(Box<ExplainArgs>),
    /// Show how the add-on is: instances, credentials, distribution, conflicts, private links, nodes
    Status(Box<StatusArgs>),
    /// Look for what is wrong with the installation, and say what to do
    Doctor(Box<DoctorArgs>),
    /// Replace the credential of an instance by another one, without a gap
    Rotate(Box<RotateArgs>),
    /// Delete a credential at the registry, at once
    Revoke(Box<RevokeArgs>),
    /// List the instances that the controller's API credential can see
    Instances(Box<InstancesArgs>),
    /// Say what would change in the cluster, where and why, before anything does
    Plan(Box<PlanArgs>),
    /// Show where the Secrets of an ImagePullSecret are, how old, and whether they hold the same
    Secrets(Box<SecretsArgs>),
    /// Show what happened to ImagePullSecrets and to what the add-on touches, newest last
    Events(Box<EventsArgs>),
    /// Print the nodes' hosts entries as configuration of systems on which none can be written
    Nodes(Box<NodesArgs>),
    /// Take everything of ours out of a cluster, without controller and webhook
    Cleanup(Box<CleanupArgs>),
    /// Print the Secrets that the controller would write for ImagePullSecrets, without a cluster
    Render(Box<RenderArgs>),
    /// Print the CustomResourceDefinition of ImagePullSecret
    Crd,
    /// Print what nodes say when a pull fails, each with its cause and what to do, as Markdown
    PullErrors,
    /// Print what makes a shell, or kubectl, complete commands, flags and names
    Completion {
        /// Whose completion it is
        #[arg(value_enum, value_name = "SHELL")]
        shell: Shell,
    },
    /// Answer such a script
    #[command(skip)]
    Complete {
        /// Words of the command line so far
        words: Vec<String>,
    },
}

/// Pull secrets for Tencent Container Registry: why a Pod does not pull, how the add-on is, and how to leave.
///
/// The program tcr-assistant under the name by which kubectl finds it.
#[derive(Debug, Parser)]
#[command(name = "kubectl-tcr", bin_name = "kubectl tcr", version = version::long(), about, after_help = PLUGIN_HELP)]
pub struct PluginArgs {
    /// What to log to stderr: error, warn, info, debug, trace, or one of them per module; warn by default
    #[arg(long, global = true, env = "RUST_LOG", value_name = "FILTER", value_parser = super::value_parser::log_filter)]
    pub log: Option<String>,
    /// What to ask.
    #[command(subcommand)]
    pub command: PeopleCommand,
}

const PLUGIN_HELP: &str = "\
What runs in the cluster, the controller and the uninstall's Job, is the same program: tcr-assistant --help

Examples:
  kubectl tcr status
  kubectl tcr explain pod/web-5d8f7 -n shop
  kubectl tcr explain deploy/web -n shop
  kubectl tcr doctor
  kubectl tcr rotate demo
  kubectl tcr plan -f demo.yaml
  kubectl tcr cleanup --dry-run

Exit codes: 0 all is well or done, 1 it is not, or the cluster cannot be asked, 2 wrong usage; those of plan are its own.";

const EXPLAIN_HELP: &str = "\
Before there is a Pod, a workload is explained by its Pod template, a ServiceAccount and a namespace (by its
ServiceAccount default) for any image of each registry that ImagePullSecrets are for: what a Pod that is
made now would refer to, and by which way.

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
  tcr-assistant explain deploy/web -n shop
  tcr-assistant explain serviceaccount/robot -n shop
  tcr-assistant explain namespace/shop

Exit codes: 0 nothing keeps it from pulling, 1 it will not pull, or it cannot be read, 2 wrong usage.";

/// Settings of `explain`.
#[derive(Debug, Group)]
#[command(after_help = EXPLAIN_HELP)]
pub struct ExplainArgs {
    /// A Pod (pod/NAME or NAME), a workload (deployment/NAME and so on), serviceaccount/NAME or namespace/NAME
    #[arg(value_name = "TYPE/NAME")]
    pub target: Target,
    /// Its namespace; by default the one of the kubeconfig's context
    #[arg(short, long, value_name = "NS", value_parser = super::value_parser::namespace)]
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
    /// Asks or does, and tells `out`, and `tell` what is no part of the answer; the exit code says whether all is well.
    ///
    /// # Errors
    /// The cluster cannot be asked, or what was to be done could not be.
    pub async fn run(self, out: &mut dyn Write, tell: &mut dyn FnMut(&str)) -> anyhow::Result<ExitCode> {
        let mut print = |text: &str| out.write_all(text.as_bytes()).context("cannot write to stdout");
        let is_well = match self {
            Self::Explain(args) => args.run(out).await?,
            Self::Status(args) => args.run(out).await?,
            Self::Plan(args) => return args.run(out).await,
            Self::Secrets(args) => args.run(out).await?,
            Self::Events(args) => args.run(out, tell).await.map(|()| true)?,
            Self::Nodes(args) => args.run(out).await.map(|()| true)?,
            Self::Doctor(args) => args.run(out).await?,
            Self::Rotate(args) => args.run(out).await?,
            Self::Revoke(args) => args.run(out).await?,
            Self::Instances(args) => args.run(out).await?,
            Self::Cleanup(args) => args.run(out, tell).await.map(|()| true)?,
            Self::Render(args) => commands::render::run(args.request()?, out, tell).await.map(|()| true)?,
            Self::Crd => print(&custom_resource::yaml()?).map(|()| true)?,
            Self::PullErrors => print(&commands::explain::conditions::page()).map(|()| true)?,
            Self::Completion { shell } => print(shell.script()).map(|()| true)?,
            Self::Complete { words } => {
                completion::complete(&command_line(), &words, out).await.map(|()| true)?
            }
        };
        Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Whether this process has the name by which kubectl finds its plugins.
pub(super) fn is_plugin() -> bool {
    let program = std::env::args_os().next().map(PathBuf::from);
    program.as_deref().and_then(Path::file_stem).is_some_and(|name| name == "kubectl-tcr")
}

/// The command line of this process: the one whose words are to be completed.
fn command_line() -> Command {
    match is_plugin() {
        true => PluginArgs::command(),
        false => super::Args::command(),
    }
}

impl ExplainArgs {
    async fn run(self, out: &mut dyn Write) -> anyhow::Result<bool> {
        let Self { target, namespace, cluster, output, registry } = self;
        let checker = registry.checker()?;
        let (client, namespace) = cluster.connect(namespace).await?;
        let reader = Reader { client, deadline: cluster.request_timeout };
        explain::run(&reader, checker.as_deref(), (&namespace, &target), output, out, &mut progress()).await
    }
}

impl StatusArgs {
    async fn run(self, out: &mut dyn Write) -> anyhow::Result<bool> {
        let Self { cluster, output } = self;
        let (client, _) = cluster.connect(None).await?;
        overview::run(&Reader { client, deadline: cluster.request_timeout }, output, out).await
    }
}

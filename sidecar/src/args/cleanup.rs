//! The command line of `cleanup`.

use std::io::{BufRead as _, IsTerminal as _, Write};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args as Group;

use super::cluster::ClusterArgs;
use commands::cleanup::{self, Prompt, nodes};
use commands::output::Output;

const CLEANUP_HELP: &str = "\
Removes, with the rights of the kubeconfig in use: the webhook configurations, every reference and
Secret that ImagePullSecrets led to, the hosts entries, what is stored in tcr-assistant-system, and the
ImagePullSecrets themselves. What stays is named (kept), with the command that removes it: credentials,
which are valid at the registry; the custom resource's definition; and where no hosts-updater is left to
take them off, what nodes' hosts files may carry.

--nodes takes the entries off the nodes' hosts files before anything else is removed, also where nothing of
the add-on runs any more: a DaemonSet of hosts-updater's own image, in the namespace tcr-assistant-cleanup,
runs `hosts-updater --remove` on each node, and goes with its namespace. The image is the one that is installed,
or that the nodes have; --image and --image-pull-secret name another. It asks before, or takes --yes. A node
that is away is named with what to do; where one is well and does not follow within --wait, nothing else is
removed.

A running controller would put everything back, so it is refused while one runs. Where a Kubewarden
policy guards our objects (protect: reject), delete the policy first.

Each object is told of as soon as it is gone; with -o json as one JSON object a line: kind, namespace,
name, action (deleted, edited, emptied, kept, left or failed), dryRun and, for the last three, message.

What is refused (failed) keeps only what has to come after it (left): a Secret while a ServiceAccount
still refers to it, an ImagePullSecret while anything that it led to is there, and at last the Lease.

Examples:
  tcr-assistant cleanup --dry-run
  tcr-assistant cleanup -o json | jq -r 'select(.action == \"kept\") | .message'
  tcr-assistant cleanup --nodes --yes
  tcr-assistant cleanup --nodes --image registry.example.com/hosts-updater:v0.1.0 --image-pull-secret default/regcred
  helm uninstall tcr-assistant -n tcr-assistant-system && tcr-assistant cleanup

Exit codes: 0 everything is gone, 1 something could not be removed, or a controller runs, 2 wrong usage.";

/// Settings of `cleanup`.
#[derive(Debug, Group)]
#[command(after_help = CLEANUP_HELP)]
pub struct CleanupArgs {
    /// Only say what would be removed
    #[arg(long)]
    pub dry_run: bool,
    /// Take the entries off the nodes' hosts files before anything else is removed
    #[arg(long)]
    pub nodes: bool,
    /// The image of hosts-updater that --nodes runs, instead of the one that is installed or that the nodes have
    #[arg(long, value_name = "IMAGE", requires = "nodes")]
    pub image: Option<String>,
    /// Secret with which that image is pulled, copied for as long as it runs (repeatable)
    #[arg(long, value_name = "NS/NAME", requires = "nodes", value_parser = secret)]
    pub image_pull_secret: Vec<(String, String)>,
    /// Longest time that --nodes waits for the nodes, such as 5m
    #[arg(long, value_name = "DURATION", default_value = "3m", value_parser = super::value_parser::timeout)]
    pub wait: Duration,
    /// Do not ask before Pods run on the nodes
    #[arg(long)]
    pub yes: bool,
    /// Which cluster, as for kubectl.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Output format
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

impl CleanupArgs {
    /// Removes, and tells `out`; `tell` gets how far it is.
    ///
    /// # Errors
    /// As of [`cleanup::run`], or no cluster.
    pub async fn run(self, out: &mut dyn Write, tell: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
        let Self { dry_run, nodes, image, image_pull_secret, wait, yes, cluster, output } = self;
        let (client, _) = cluster.connect(None).await?;
        let nodes = nodes.then_some(nodes::Request { image, image_pull_secrets: image_pull_secret, wait });
        let request = cleanup::Request { dry_run, nodes, output };
        let mut confirm = |what: &str| if yes { Ok(()) } else { ask(what) };
        cleanup::run(client, request, Prompt { tell, confirm: &mut confirm }, out).await
    }
}

/// Asks the person at the terminal.
fn ask(what: &str) -> anyhow::Result<()> {
    let (stdin, mut stderr) = (std::io::stdin(), std::io::stderr());
    if !(stdin.is_terminal() && stderr.is_terminal()) {
        bail!("{what}: nobody is there to be asked; if that is wanted, add --yes");
    }
    write!(stderr, "{what}. Go on? [y/N] ").context("cannot write to stderr")?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer).context("cannot read the answer")?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => bail!("nothing was done"),
    }
}

fn secret(text: &str) -> Result<(String, String), String> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok((namespace.to_owned(), name.to_owned()))
        }
        _ => Err("write it as NAMESPACE/NAME".to_owned()),
    }
}

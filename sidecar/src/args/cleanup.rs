//! The command line of `cleanup`.

use std::io::Write;

use clap::Args as Group;

use super::cluster::ClusterArgs;
use commands::cleanup;
use commands::output::Output;

const CLEANUP_HELP: &str = "\
Removes, with the rights of the kubeconfig in use: the webhook configurations, every reference and
Secret that ImagePullSecrets led to, the hosts entries, what is stored in tcr-assistant-system, and the
ImagePullSecrets themselves. What stays is named (kept), with the command that removes it: credentials,
which are valid at the registry; the custom resource's definition; and where no hosts-updater is left to
take them off, what nodes' hosts files may carry.

A running controller would put everything back, so it is refused while one runs. Where a Kubewarden
policy guards our objects (protect: reject), delete the policy first.

Each object is told of as soon as it is gone; with -o json as one JSON object a line: kind, namespace,
name, action (deleted, edited, emptied, kept, left or failed), dryRun and, for the last three, message.

What is refused (failed) keeps only what has to come after it (left): a Secret while a ServiceAccount
still refers to it, an ImagePullSecret while anything that it led to is there, and at last the Lease.

Examples:
  tcr-assistant cleanup --dry-run
  tcr-assistant cleanup -o json | jq -r 'select(.action == \"kept\") | .message'
  helm uninstall tcr-assistant -n tcr-assistant-system && tcr-assistant cleanup

Exit codes: 0 everything is gone, 1 something could not be removed, or a controller runs, 2 wrong usage.";

/// Settings of `cleanup`.
#[derive(Debug, Group)]
#[command(after_help = CLEANUP_HELP)]
pub struct CleanupArgs {
    /// Only say what would be removed
    #[arg(long)]
    pub dry_run: bool,
    /// Which cluster, as for kubectl.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Output format
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

impl CleanupArgs {
    /// Removes, and tells `out`.
    ///
    /// # Errors
    /// As of [`cleanup::run`], or no cluster.
    pub async fn run(self, out: &mut dyn Write) -> anyhow::Result<()> {
        let Self { dry_run, cluster, output } = self;
        let (client, _) = cluster.connect(None).await?;
        cleanup::run(client, dry_run, output, out).await
    }
}

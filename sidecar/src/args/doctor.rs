//! The command line of `doctor`.

use std::io::Write;

use clap::Args as Group;

use super::cluster::ClusterArgs;
use commands::doctor;
use commands::output::Output;
use commands::reader::Reader;

const DOCTOR_HELP: &str = "\
Looks at the installation with your own rights, and writes nothing: what runs of it and in which
version, the custom resource's definition, clocks, the webhook (a Pod that nobody keeps, by
dryRun, must come back with the reference), its certificate, credentials and the rights of the
identity that signs, refused writes, quotas, Secrets and programs of others in the way, private
links, node agents, and super nodes.

One line for each finding: what it is about, what is wrong; what to do. Then what could not be
looked at, and why; it is no finding. \"nothing found\" is all there is to say of an installation
that is well.

Ten seconds at most. Useful rights, none of them needed: list ImagePullSecrets, Deployments,
Nodes, Namespaces and ResourceQuotas, create Pods (for the trial), get the webhook's registration,
the custom resource's definition, and in tcr-assistant-system Deployments, DaemonSets, Pods,
Leases, and the Secret of the webhook's certificate. The right nodes/proxy is never of use.

With -o json: well, findings (check, place, message, toDo) and notKnown.

Examples:
  kubectl tcr doctor
  kubectl tcr doctor -o json | jq -r '.findings[].toDo'

Exit codes: 0 nothing found, 1 something was, or the cluster cannot be asked, 2 wrong usage.";

/// Settings of `doctor`.
#[derive(Debug, Group)]
#[command(after_help = DOCTOR_HELP)]
pub struct DoctorArgs {
    /// Which cluster, as for kubectl.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Output format
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

impl DoctorArgs {
    /// Looks, and tells `out`.
    ///
    /// # Errors
    /// As of [`doctor::run`], or no cluster.
    pub async fn run(self, out: &mut dyn Write) -> anyhow::Result<bool> {
        let Self { cluster, output } = self;
        let (client, _) = cluster.connect(None).await?;
        doctor::run(&Reader { client, deadline: cluster.request_timeout }, output, out).await
    }
}

//! The command line of `nodes`.

use std::io::Write;

use clap::Args as Group;

use super::cluster::ClusterArgs;
use commands::nodes::{self, config::Config};
use commands::reader::Reader;
use tcr::resource_id::vpc_id;

const HELP: &str = "\
For nodes on which hosts-updater cannot run or write: an immutable /etc (Talos, Bottlerocket, Flatcar with
a read-only root), super nodes and Windows. Prints the entries that the other nodes have now, in the
language in which these are configured. Nothing is applied, and what you paste does not follow when a
link's address changes: TCR's private DNS of the VPC does, and is the better way where it can be had.

Needs the right to get ConfigMaps in tcr-assistant-system.

Examples:
  tcr-assistant nodes --config talos > hosts.yaml && talosctl patch machineconfig --nodes 10.0.0.5 --patch @hosts.yaml
  tcr-assistant nodes --config bottlerocket --vpc-id vpc-12345678

Exit codes: 0 it was printed, 1 there are no entries, or they cannot be read, 2 wrong usage.";

/// Settings of `nodes`.
#[derive(Debug, Group)]
#[command(after_help = HELP)]
pub struct NodesArgs {
    /// For which system
    #[arg(long, value_enum, value_name = "SYSTEM")]
    pub config: Config,
    /// The VPC that the nodes are in; needed where entries are by VPC
    #[arg(long, value_name = "VPC", value_parser = vpc_id)]
    pub vpc_id: Option<String>,
    /// Which cluster, as for kubectl.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

impl NodesArgs {
    /// Reads the entries, and prints them to `out`.
    ///
    /// # Errors
    /// As of [`nodes::run`], or no cluster.
    pub async fn run(self, out: &mut dyn Write) -> anyhow::Result<()> {
        let Self { config, vpc_id, cluster } = self;
        let (client, _) = cluster.connect(None).await?;
        let reader = Reader { client, deadline: cluster.request_timeout };
        nodes::run(&reader, config, vpc_id.as_deref(), out).await
    }
}

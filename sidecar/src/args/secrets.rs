//! The command lines of `secrets` and `events`.

use std::io::Write;

use clap::Args as Group;

use super::cluster::ClusterArgs;
use commands::output::Output;
use commands::reader::Reader;
use commands::{events, secrets};

const SECRETS_HELP: &str = "\
Says in which namespaces the Secret tcr.ips<NAME> is, how old it is there, and whether all of them hold
the same: by a digest that is not printed, because that of a short password would tell the password. No
content is printed either. Needs the right to list Secrets in the cluster.

Examples:
  tcr-assistant secrets demo
  tcr-assistant secrets demo -o json | jq -r '.secrets[] | select(.content != 1) | .namespace'

Exit codes: 0 all of them are ours and hold the same, 1 some differ, or they cannot be read, 2 wrong usage.";

/// Settings of `secrets`.
#[derive(Debug, Group)]
#[command(after_help = SECRETS_HELP)]
pub struct SecretsArgs {
    /// The ImagePullSecret
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Which cluster, as for kubectl.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Output format
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

const EVENTS_HELP: &str = "\
Events of ImagePullSecrets, those that the controller wrote about Pods, and those of
tcr-assistant-system, newest last. The API server keeps Events for an hour unless it is told otherwise.
With NAME: those of that ImagePullSecret, and those about Pods that name it or its Secret.

Needs the right to list Events in the namespace default (where those of objects without a namespace are);
in the cluster and in tcr-assistant-system makes it complete. What you may not read is named.

With -o json each Event is one JSON object in a line.

Examples:
  tcr-assistant events
  tcr-assistant events demo --watch
  tcr-assistant events -o json | jq -r 'select(.type == \"Warning\") | .message'

Exit codes: 0 they were told, 1 they cannot be read, 2 wrong usage.";

/// Settings of `events`.
#[derive(Debug, Group)]
#[command(after_help = EVENTS_HELP)]
pub struct EventsArgs {
    /// The ImagePullSecret; all by default
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Go on with Events as they happen, until it is ended
    #[arg(short, long)]
    pub watch: bool,
    /// Which cluster, as for kubectl.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Output format
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

impl SecretsArgs {
    /// Reads, and tells `out`; whether all is well.
    ///
    /// # Errors
    /// As of [`secrets::run`], or no cluster.
    pub async fn run(self, out: &mut dyn Write) -> anyhow::Result<bool> {
        let Self { name, cluster, output } = self;
        let (client, _) = cluster.connect(None).await?;
        secrets::run(&Reader { client, deadline: cluster.request_timeout }, &name, output, out).await
    }
}

impl EventsArgs {
    /// Reads, and tells `out`.
    ///
    /// # Errors
    /// As of [`events::run`], or no cluster.
    pub async fn run(self, out: &mut dyn Write, tell: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
        let Self { name, watch, cluster, output } = self;
        let client = match watch {
            // A watch is silent while nothing happens.
            true => cluster.connect_patiently().await?,
            false => cluster.connect(None).await?.0,
        };
        let reader = Reader { client, deadline: cluster.request_timeout };
        events::run(&reader, name.as_deref(), watch, output, out, tell).await
    }
}

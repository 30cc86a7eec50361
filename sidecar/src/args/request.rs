//! The command lines of what the controller is asked for: `rotate`, `revoke`, `instances`.

use std::io::{self, IsTerminal as _, Write};
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args as Group;

use super::cluster::ClusterArgs;
use commands::output::Output;
use commands::reader::Reader;
use commands::request::{instances, revoke, rotate};

const ROTATE_HELP: &str = "\
The controller makes another credential of the instance, tries it, puts it into every copy of the
Secret, and then deletes the one before at the registry: without a gap, and with one credential at
most beside the one in use. ImagePullSecrets that share the credential get the new one too. A pull
that is under way with the one before, just then, is tried again by the kubelet.

Ends when no copy of the one before is left and it is deleted. What it waits for is told on a
terminal, in the words of status.request and of the conditions. The same command again waits for
the same rotation.

Needs the rights to get and patch ImagePullSecrets (the chart's ClusterRole
tcr-assistant-credential-requests): the controller is asked by the annotation
tcr.tencentcloudcr.com/request and answers in status.request.

With -o json: imagePullSecret, id, action, state (Done, Failed or Refused) and message.

Examples:
  kubectl tcr rotate demo
  kubectl tcr rotate demo --timeout 30m -o json | jq -r .message

Exit codes: 0 rotated, 1 it failed or was refused or is not at its end, 2 wrong usage.";

/// Settings of `rotate`.
#[derive(Debug, Group)]
#[command(after_help = ROTATE_HELP)]
pub struct RotateArgs {
    /// The ImagePullSecret whose credential is to be replaced
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Longest time to wait for the end, such as 30m
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = super::value_parser::timeout)]
    pub timeout: Duration,
    /// Which cluster, as for kubectl.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Output format
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

const REVOKE_HELP: &str = "\
Deletes a credential at the registry at once: from then on nobody pulls with it. That of an
ImagePullSecret is the one in use; another one is made for it and distributed at once, and until
then Pods that start do not pull. It is said which namespaces those are, and asked; --yes agrees
beforehand. Without a gap: kubectl tcr rotate.

A credential by its id need not be in use: one that was replaced, or was lost, is deleted too. One
that was not made for this cluster's ImagePullSecret, by its description, is refused.

Needs the rights to list, get and patch ImagePullSecrets (the chart's ClusterRole
tcr-assistant-credential-requests), and to name the namespaces, to list Secrets.

With -o json: imagePullSecret, id, action, state (Done, Failed or Refused) and message.

Examples:
  kubectl tcr revoke demo
  kubectl tcr revoke ctrm3g86h7cp1kb7el2g --of demo --yes

Exit codes: 0 it is gone, 1 it is not, or nobody agreed, 2 wrong usage.";

/// Settings of `revoke`.
#[derive(Debug, Group)]
#[command(after_help = REVOKE_HELP)]
pub struct RevokeArgs {
    /// An ImagePullSecret, or the id of a credential
    #[arg(value_name = "NAME|TOKEN")]
    pub target: String,
    /// The ImagePullSecret that the credential was made for, where none uses it any more
    #[arg(long, value_name = "NAME")]
    pub of: Option<String>,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Longest time to wait for the end, such as 5m
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = super::value_parser::timeout)]
    pub timeout: Duration,
    /// Which cluster, as for kubectl.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Output format
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

const INSTANCES_HELP: &str = "\
The instances that the controller's API credential can see, in every region, and for each
ImagePullSecret with spec.tcr whether its instance is among them and in the region that it says.

The controller is asked, by an annotation on one ImagePullSecret that is taken off again; needs
the rights to list, get and patch ImagePullSecrets (the chart's ClusterRole
tcr-assistant-credential-requests), and the controller's identity tcr:DescribeInstances: where CAM
allows it for some instances, those are seen.

With -o json: region (null: every region), instances (id, name, region, status, domain,
imagePullSecrets; at most 50), more (how many are not listed) and problems.

Examples:
  kubectl tcr instances
  kubectl tcr instances --region ap-guangzhou -o json | jq -r '.instances[].id'

Exit codes: 0 every ImagePullSecret fits, 1 one does not, or they cannot be listed, 2 wrong usage.";

/// Settings of `instances`.
#[derive(Debug, Group)]
#[command(after_help = INSTANCES_HELP)]
pub struct InstancesArgs {
    /// Only those of this region, such as ap-guangzhou
    #[arg(long, value_name = "REGION", value_parser = region)]
    pub region: Option<String>,
    /// The ImagePullSecret on which the controller is asked; by default one that has no request
    #[arg(long, value_name = "NAME")]
    pub through: Option<String>,
    /// Longest time to wait for the answer, such as 1m
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = super::value_parser::timeout)]
    pub timeout: Duration,
    /// Which cluster, as for kubectl.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Output format
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

impl RotateArgs {
    /// Rotates, and tells `out`.
    ///
    /// # Errors
    /// As of [`rotate::run`], or no cluster.
    pub async fn run(self, out: &mut dyn Write) -> Result<bool> {
        let Self { name, timeout, cluster, output } = self;
        let reader = reader(&cluster).await?;
        rotate::run(&reader, &name, timeout, output, out, &mut progress).await
    }
}

impl RevokeArgs {
    /// Revokes, and tells `out`.
    ///
    /// # Errors
    /// As of [`revoke::run`], or no cluster.
    pub async fn run(self, out: &mut dyn Write) -> Result<bool> {
        let Self { target, of, yes, timeout, cluster, output } = self;
        let reader = reader(&cluster).await?;
        let options = revoke::Options { target, of, yes, timeout };
        revoke::run(&reader, &options, output, out, &mut progress, &mut agree).await
    }
}

impl InstancesArgs {
    /// Lists, and tells `out`.
    ///
    /// # Errors
    /// As of [`instances::run`], or no cluster.
    pub async fn run(self, out: &mut dyn Write) -> Result<bool> {
        let Self { region, through, timeout, cluster, output } = self;
        let reader = reader(&cluster).await?;
        let options = instances::Options { region, through, timeout };
        instances::run(&reader, &options, output, out, &mut progress).await
    }
}

async fn reader(cluster: &ClusterArgs) -> Result<Reader> {
    let (client, _) = cluster.connect(None).await?;
    Ok(Reader { client, deadline: cluster.request_timeout })
}

/// Where somebody watches.
fn progress(text: &str) {
    if io::stderr().is_terminal() {
        // Nowhere to tell that stderr is closed.
        let _ = writeln!(io::stderr(), "{text}");
    }
}

/// Asks the person at the terminal.
fn agree(question: &str) -> Result<bool> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        bail!("{}nobody can be asked here: --yes agrees", question);
    }
    let _ = write!(io::stderr(), "{question}Revoke it? [y/N] ");
    let mut answer = String::new();
    revoke::is_yes(io::stdin().read_line(&mut answer).map(|_| answer))
}

fn region(text: &str) -> Result<String, String> {
    custom_resource::request::region(text).map(|()| text.to_owned()).map_err(str::to_owned)
}

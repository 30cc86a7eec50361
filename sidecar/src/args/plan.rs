//! The command line of `plan`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args as Group;

use super::cluster::ClusterArgs;
use commands::plan::input::Asked;
use commands::plan::{self, Outcome, Output};
use commands::reader::Reader;

const PLAN_HELP: &str = "\
Asks the controller's own planners, with your rights, and writes nothing: credentials to make, renew or
revoke, Secrets and references by namespace, entries of the nodes' hosts files, Secrets of others in the
way, and what admission would refuse. Without a file: what a controller would do now, which is nothing
while one runs and is done.

-f takes ImagePullSecrets as they would be after kubectl apply: each spec in the place of the one there
is. Other kinds are counted and left out, so the output of helm template does as well.
--values takes the chart's values: of them instances and global.imagePullSecretsCrs, which become the
ImagePullSecrets that the chart makes (those of the release that are no longer named would go),
global.hosts, global.cluster and allowedRoots. webhook.excludedNamespaces changes no plan: the controller
delivers there all the same.
Without --values the settings of the controller's Deployment count.

What only the controller can ask is told as such: the address of a private link that no node was told
yet, and what a registry says to a new credential, which is taken to be let in. Webhooks and quotas of
others may refuse what is planned. No password is read that you may not read, and none is printed.

What you may not read is named, and the rest is told: ImagePullSecrets are needed; Namespaces,
ServiceAccounts and Secrets of the cluster, and Secrets, ConfigMaps, Deployments and Pods of
tcr-assistant-system, and Nodes make it complete.

Examples:
  tcr-assistant plan
  tcr-assistant plan -f demo.yaml
  tcr-assistant plan --values values.yaml -o diff
  tcr-assistant plan --delete demo
  tcr-assistant plan -f demo.yaml -o json | jq -r '.writes[].namespace' | sort -u

Exit codes: 0 nothing would change, 1 the cluster or a file cannot be read, something would be refused, or wrong usage, 2 something would change.
Wrong usage is 1 here and not 2 as elsewhere, so that a script may take 2 for changes.";

/// Settings of `plan`.
#[derive(Debug, Group)]
#[command(after_help = PLAN_HELP)]
pub struct PlanArgs {
    /// YAML or JSON with ImagePullSecrets that would be applied, several documents allowed; - is stdin (repeatable)
    #[arg(short, long = "file", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The chart's values that would be installed
    #[arg(long, value_name = "FILE", conflicts_with = "files")]
    pub values: Option<PathBuf>,
    /// An ImagePullSecret that would be deleted (repeatable)
    #[arg(long, value_name = "NAME")]
    pub delete: Vec<String>,
    /// Which cluster, as for kubectl.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Output format
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

impl PlanArgs {
    /// Plans, and tells `out`.
    ///
    /// # Errors
    /// As of [`plan::run`], or no cluster.
    pub async fn run(self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let Self { files, values, delete, cluster, output } = self;
        let (client, _) = cluster.connect(None).await?;
        let reader = Reader { client, deadline: cluster.request_timeout };
        let asked = Asked { files, values, delete };
        let outcome = plan::run(&reader, &asked, output, out, &mut super::progress::progress()).await?;
        Ok(match outcome {
            Outcome::Nothing => ExitCode::SUCCESS,
            Outcome::Refused => ExitCode::FAILURE,
            Outcome::Changes => ExitCode::from(2),
        })
    }
}

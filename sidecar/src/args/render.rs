//! The command line of `render`.

use std::path::PathBuf;

use clap::Args as Group;
use commands::render::{Format, Request};
use tcr::names::TCR_ROOT_DOMAIN;
use tencent_cloud::roles::AllowedRole;

use super::cloud::CloudArgs;

const RENDER_HELP: &str = "\
With spec.tcr a credential is really created in the registry: the Secret holds it, stderr tells its
id and how to delete it, and --revoke deletes it again at once. The API credential that signs comes
from TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY (with TENCENTCLOUD_TOKEN when temporary), or
from the section [default] of ~/.tencentcloud/credentials (TENCENTCLOUD_CREDENTIALS_FILE).

Examples:
  tcr-assistant render -f demo.yaml --cluster-id cls-12345678 --mask --revoke
  tcr-assistant render -f demo.yaml --cluster-id cls-12345678 --namespace shop | kubectl apply -f -
  kubectl get ips demo -o yaml | tcr-assistant render -f - --password-file password.txt --mask";

/// Settings of `render`.
#[derive(Debug, Group)]
#[command(after_help = RENDER_HELP)]
pub struct RenderArgs {
    /// YAML or JSON with ImagePullSecrets, several documents allowed; - is stdin (repeatable)
    #[arg(short, long = "file", value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Print *** instead of passwords
    #[arg(long)]
    pub mask: bool,
    /// Delete the long-term credentials that were created again when done
    #[arg(long)]
    pub revoke: bool,
    /// Render for this namespace (repeatable); by default those that spec.namespaces names, else "default"
    #[arg(long = "namespace", value_name = "NS", value_parser = super::value_parser::namespace)]
    pub namespaces: Vec<String>,
    /// The cluster's id, which the default description of a credential names
    #[arg(long, value_name = "cls-ID", env = "TCR_ASSISTANT_CLUSTER_ID", value_parser = super::value_parser::cluster_id)]
    pub cluster_id: Option<String>,
    /// File with the password for spec.docker.passwordSecretRef
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Root domain that registries may be under (repeatable)
    #[arg(long = "allowed-root", value_name = "DOMAIN", default_value = TCR_ROOT_DOMAIN)]
    pub allowed_roots: Vec<String>,
    /// Root domain that spec.tcr.aliases may be under besides (repeatable)
    #[arg(long = "allowed-alias", value_name = "DOMAIN")]
    pub allowed_aliases: Vec<String>,
    /// Role that spec.tcr.roleArn may name, with the external id that its trust policy demands, or the OIDC provider that its
    /// account knows the cluster as, where the Pod takes it on by its own token (repeatable)
    #[arg(long = "allowed-role", value_name = "ARN[;external-id=ID|;provider-id=ID]")]
    pub allowed_roles: Vec<AllowedRole>,
    /// Output format
    #[arg(short, long, value_enum, default_value_t = Format::Yaml)]
    pub output: Format,
    /// How to reach Tencent Cloud.
    #[command(flatten)]
    pub cloud: CloudArgs,
}

impl RenderArgs {
    /// What is to be rendered; reads the file of certificates.
    pub fn request(self) -> anyhow::Result<Request> {
        let Self { files, mask, revoke, namespaces, cluster_id, password_file, output, cloud, .. } = self;
        let Self { allowed_roots, allowed_aliases, allowed_roles, .. } = self;
        let cloud = cloud.settings()?;
        Ok(Request {
            files,
            mask,
            revoke,
            namespaces,
            cluster_id,
            password_file,
            allowed_roots,
            allowed_aliases,
            allowed_roles,
            output,
            cloud,
        })
    }
}

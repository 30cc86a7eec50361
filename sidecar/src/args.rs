//! The command line of `tcr-assistant`.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args as Group, Parser, Subcommand, ValueEnum};
use tcr::hosts_entry::HostsList;
use tcr::names::TCR_ROOT_DOMAIN;
use tcr::registry_host::RegistryHost;
use tokio::signal::unix::{SignalKind, signal};

use crate::cloud::api_credential::Chain;
use crate::cloud::client;
use crate::cloud::endpoint::Endpoint;
use crate::cloud::metadata;
use crate::{cleanup, controller, crd, registry, render, withdraw};
pub use people::{PeopleCommand, PluginArgs};

pub mod cluster;
pub mod people;

/// Pull secrets for Tencent Container Registry: obtained, kept valid and distributed.
#[derive(Debug, Parser)]
#[command(name = "tcr-assistant", version, about, after_help = EXAMPLES)]
pub struct Args {
    /// What to log to stderr: error, warn, info, debug, trace, or one of them per module; warn by default, info for `run`
    #[arg(long, global = true, env = "RUST_LOG", value_name = "FILTER", value_parser = log_filter)]
    pub log: Option<String>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  See what an ImagePullSecret leads to, without showing the credential:
    tcr-assistant render -f demo.yaml --cluster-id cls-12345678 --mask
  Install the custom resource:
    tcr-assistant crd | kubectl apply -f -
  See how the add-on is in the cluster that KUBECONFIG names, and why a Pod does not get its image:
    tcr-assistant status
    tcr-assistant explain pod/web-5d8f7 -n shop
  Take everything out of the cluster that KUBECONFIG names:
    tcr-assistant cleanup --dry-run
  Be the controller of the cluster that KUBECONFIG names:
    tcr-assistant run --cluster-id cls-12345678

Exit codes: 0 done, 1 bad input, settings, a failed call or a failed check, 2 wrong usage.";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print the Secrets that the controller would write for ImagePullSecrets, without a cluster
    Render(Box<RenderArgs>),
    /// Print the CustomResourceDefinition of ImagePullSecret
    Crd,
    /// Keep a cluster as its ImagePullSecrets say: the controller
    Run(Box<RunArgs>),
    /// What people ask.
    #[command(flatten)]
    People(PeopleCommand),
    /// Take everything of ours out of a cluster, without controller and webhook
    Cleanup(CleanupArgs),
    /// Take our entries off the nodes' hosts files, and wait until they are gone: before the add-on is removed
    WithdrawHosts {
        /// Longest time to wait for the nodes, such as 2m; nodes that do not follow are named then
        #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = timeout)]
        wait: Duration,
    },
}

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
    #[arg(long = "namespace", value_name = "NS", value_parser = namespace)]
    pub namespaces: Vec<String>,
    /// The cluster's id, which the default description of a credential names
    #[arg(long, value_name = "cls-ID", env = "TCR_ASSISTANT_CLUSTER_ID", value_parser = cluster_id)]
    pub cluster_id: Option<String>,
    /// File with the password for spec.docker.passwordSecretRef
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Root domain that registries may be under (repeatable)
    #[arg(long = "allowed-root", value_name = "DOMAIN", default_value = TCR_ROOT_DOMAIN)]
    pub allowed_roots: Vec<String>,
    /// Output format
    #[arg(short, long, value_enum, default_value_t = Format::Yaml)]
    pub output: Format,
    /// How to reach Tencent Cloud.
    #[command(flatten)]
    pub cloud: CloudArgs,
}

const RUN_HELP: &str = "\
The API server is found by KUBECONFIG, ~/.kube/config, or the Pod around. What the controller may do is
what the chart's ClusterRole tcr-assistant-manager-role and Role tcr-assistant-leader-election-role say.

The API credential for spec.tcr is the first of these, and what is there must be usable:
  the Secret at --cloud-credential, read again when it changes
  TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY, with TENCENTCLOUD_TOKEN when temporary
  the role of the Pod: TKE_REGION, TKE_PROVIDER_ID, TKE_WEB_IDENTITY_TOKEN_FILE and TKE_ROLE_ARN, as TKE sets
    them for a ServiceAccount with the annotation tke.cloud.tencent.com/role-arn
  the section [default] of ~/.tencentcloud/credentials, or of TENCENTCLOUD_CREDENTIALS_FILE
  the role that is bound to the machine

A credential takes the place of another one only when its registry lets it in, and is tried again every
ten minutes, as a container runtime asks: over HTTPS, without redirects, not at loopback, link-local or metadata addresses, and with a token
service on the registry's own host. --registry-realm, --registry-address and --registry-ca allow more.

Passwords for spec.docker.passwordSecretRef are read from Secrets of tcr-assistant-system with the label
tcr.tencentcloudcr.com/password=true, and from no other.

SIGTERM ends it: writes that were begun are finished, and the lease is given back.

Examples:
  tcr-assistant run --cluster-id cls-12345678 --region ap-guangzhou
  KUBECONFIG=./kubeconfig tcr-assistant run --leader-elect=false --webhook-service= --address 127.0.0.1:8080";

/// Settings of `run`.
#[derive(Debug, Group)]
#[command(after_help = RUN_HELP)]
pub struct RunArgs {
    /// Lead only while holding the Lease tcr-assistant-leader, so that several may run
    #[arg(long, env = "TCR_ASSISTANT_LEADER_ELECT", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true")]
    pub leader_elect: bool,
    /// Where /healthz, /readyz and /metrics are served, over plain HTTP
    #[arg(long, value_name = "IP:PORT", env = "TCR_ASSISTANT_ADDRESS", default_value = "0.0.0.0:8080")]
    pub address: SocketAddr,
    /// The cluster's id, which the default description of a credential names
    #[arg(long, value_name = "cls-ID", env = "TCR_ASSISTANT_CLUSTER_ID", value_parser = cluster_id)]
    pub cluster_id: Option<String>,
    /// The cluster's region, such as ap-guangzhou
    #[arg(long, value_name = "REGION", env = "TCR_ASSISTANT_REGION")]
    pub region: Option<String>,
    /// API endpoint, https://HOST[:PORT]; by default the public one of each instance's region
    #[arg(long, value_name = "URL", env = "TCR_ASSISTANT_TCR_ENDPOINT")]
    pub tcr_endpoint: Option<Endpoint>,
    /// File with PEM certificates to trust for the endpoint instead of the system's
    #[arg(long, value_name = "FILE", env = "TCR_ASSISTANT_TCR_CA")]
    pub tcr_ca: Option<PathBuf>,
    /// Folder where a Secret with the API credential is mounted: one file for each of TENCENTCLOUD_SECRET_ID, _KEY and, when temporary, TENCENTCLOUD_TOKEN
    #[arg(long, value_name = "FOLDER", env = "TCR_ASSISTANT_CLOUD_CREDENTIAL")]
    pub cloud_credential: Option<PathBuf>,
    /// Endpoint of the security token service, https://HOST[:PORT]; by default the public one of TKE_REGION
    #[arg(long, value_name = "URL", env = "TCR_ASSISTANT_STS_ENDPOINT")]
    pub sts_endpoint: Option<Endpoint>,
    /// Instance metadata, asked for the role that is bound to the machine; empty: none
    #[arg(long, value_name = "URL", env = "TCR_ASSISTANT_METADATA_ENDPOINT", default_value = metadata::DEFAULT)]
    pub metadata_endpoint: String,
    /// What registries are asked about credentials, and where.
    #[command(flatten)]
    pub registry: RegistryArgs,
    /// Root domain that registries may be under (repeatable)
    #[arg(long = "allowed-root", value_name = "DOMAIN", env = "TCR_ASSISTANT_ALLOWED_ROOT", value_delimiter = ',', default_value = TCR_ROOT_DOMAIN)]
    pub allowed_roots: Vec<String>,
    /// YAML file with hosts entries that every node gets: a list of {domain, ip, disabled}
    #[arg(long, value_name = "FILE", env = "TCR_ASSISTANT_STATIC_HOSTS")]
    pub static_hosts: Option<PathBuf>,
    /// How often private links that run are looked at: the longest time until a new address is noticed. A call for each
    /// instance, of the 20 a second that Tencent Cloud answers an account
    #[arg(long, value_name = "DURATION", env = "TCR_ASSISTANT_LINK_INTERVAL", default_value = "60s", value_parser = link_interval)]
    pub link_interval: Duration,
    /// Take the taint tcr.tencentcloudcr.com/agent-not-ready off each node that has its hosts entries
    #[arg(long, env = "TCR_ASSISTANT_REMOVE_STARTUP_TAINT")]
    pub remove_startup_taint: bool,
    /// Service in front of the webhook, whose certificate is made and renewed; empty: none
    #[arg(
        long,
        value_name = "NAME",
        env = "TCR_ASSISTANT_WEBHOOK_SERVICE",
        default_value = "tcr-assistant-webhook-service"
    )]
    pub webhook_service: String,
    /// How log lines look
    #[arg(long, value_enum, env = "TCR_ASSISTANT_LOG_FORMAT", default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// What registries are asked about credentials, and where.
#[derive(Debug, Group)]
pub struct RegistryArgs {
    /// Ask registries whether they let credentials in
    #[arg(long, env = "TCR_ASSISTANT_CHECK_REGISTRY", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", action = clap::ArgAction::Set)]
    pub check_registry: bool,
    /// Token service, https://HOST[:PORT], that passwords may be sent to besides the registry's own host (repeatable)
    #[arg(long, value_name = "URL", env = "TCR_ASSISTANT_REGISTRY_REALM", value_delimiter = ',')]
    pub registry_realm: Vec<Endpoint>,
    /// Where a registry is, instead of where DNS says; allows that address whatever it is (repeatable)
    #[arg(long, value_name = "HOST=IP[:PORT]", env = "TCR_ASSISTANT_REGISTRY_ADDRESS", value_delimiter = ',', value_parser = registry_address)]
    pub registry_address: Vec<(RegistryHost, SocketAddr)>,
    /// File with PEM certificates to trust for registries beside the system's
    #[arg(long, value_name = "FILE", env = "TCR_ASSISTANT_REGISTRY_CA")]
    pub registry_ca: Option<PathBuf>,
}

impl RegistryArgs {
    /// Who asks registries, unless they are not to be asked; reads the file of certificates.
    pub fn checker(&self) -> anyhow::Result<Option<Arc<registry::Checker>>> {
        let Self { check_registry, registry_realm, registry_address, registry_ca } = self;
        if !check_registry {
            return Ok(None);
        }
        let ca = registry_ca.as_ref().map(|path| {
            std::fs::read(path).with_context(|| format!("cannot read --registry-ca {}", path.display()))
        });
        let settings = registry::Settings {
            ca: ca.transpose()?,
            realms: registry_realm.clone(),
            addresses: registry_address.iter().cloned().collect(),
        };
        let checker = registry::Checker::new(settings);
        let checker = checker.map_err(|reason| anyhow::anyhow!("cannot use --registry-ca: {reason}"))?;
        Ok(Some(Arc::new(checker)))
    }
}

const CLEANUP_HELP: &str = "\
Removes, with the rights of the kubeconfig in use: the webhook configurations, every reference and
Secret that ImagePullSecrets led to, the hosts entries, what is stored in tcr-assistant-system, and the
ImagePullSecrets themselves. Credentials stay valid at the registry; their ids are printed. The custom
resource's definition stays: kubectl delete crd imagepullsecrets.tcr.tencentcloudcr.com

A running controller would put everything back, so it is refused while one runs. Where a Kubewarden
policy guards our objects (protect: reject), delete the policy first.

Examples:
  tcr-assistant cleanup --dry-run
  helm uninstall tcr-assistant -n tcr-assistant-system && tcr-assistant cleanup";

/// Settings of `cleanup`.
#[derive(Debug, Group)]
#[command(after_help = CLEANUP_HELP)]
pub struct CleanupArgs {
    /// Only say what would be removed
    #[arg(long)]
    pub dry_run: bool,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

impl RunArgs {
    /// The settings that they stand for; reads the files.
    pub fn settings(&self) -> anyhow::Result<controller::Settings> {
        let Self {
            leader_elect,
            address: _,
            cluster_id,
            region,
            tcr_endpoint,
            tcr_ca,
            cloud_credential,
            sts_endpoint,
            metadata_endpoint,
            registry,
            allowed_roots,
            static_hosts,
            link_interval,
            remove_startup_taint,
            webhook_service,
            log_format: _,
        } = self;
        let cloud = CloudArgs {
            endpoint: tcr_endpoint.clone(),
            sts_endpoint: sts_endpoint.clone(),
            ca: tcr_ca.clone(),
            timeout: Duration::from_secs(30),
        };
        let metadata = Some(metadata_endpoint).filter(|text| !text.is_empty());
        let metadata = metadata.map(|text| text.parse().context("--metadata-endpoint")).transpose()?;
        let cloud = client::Settings { metadata, ..cloud.settings()? };
        let chain = Chain::of_process().after_directory(cloud_credential.clone());
        let static_hosts = match static_hosts {
            None => Vec::new(),
            Some(path) => {
                let shown = path.display();
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read --static-hosts {shown}"))?;
                let list: HostsList = serde_saphyr::from_str(&text)
                    .with_context(|| format!("cannot use --static-hosts {shown}"))?;
                list.entries().to_vec()
            }
        };
        Ok(controller::Settings {
            cloud: Arc::new(client::Client::new(cloud, chain)?),
            registry: registry.checker()?,
            cluster_id: cluster_id.clone(),
            region: region.clone(),
            allowed_roots: allowed_roots.clone(),
            static_hosts,
            link_interval: *link_interval,
            remove_startup_taint: *remove_startup_taint,
            webhook_service: Some(webhook_service.clone()).filter(|name| !name.is_empty()),
            leader_elect: *leader_elect,
        })
    }

    async fn run(self) -> anyhow::Result<()> {
        let settings = self.settings()?;
        let listener = tokio::net::TcpListener::bind(self.address)
            .await
            .with_context(|| format!("cannot listen on --address {}", self.address))?;
        let (client, calls) = controller::client().await?;
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("ending");
            stop.send_replace(true);
            // A sender that is gone would look like an end of its own.
            std::future::pending::<()>().await;
        });
        controller::run(client, calls, settings, listener, stopped).await
    }
}

/// How to print objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// YAML documents
    Yaml,
    /// One JSON object, a List when there are several
    Json,
}

/// How to reach Tencent Cloud.
#[derive(Debug, Group)]
pub struct CloudArgs {
    /// API endpoint, https://HOST[:PORT]; by default the public one of each instance's region
    #[arg(long, value_name = "URL", env = "TCR_ASSISTANT_ENDPOINT")]
    pub endpoint: Option<Endpoint>,
    /// Endpoint of the security token service, https://HOST[:PORT]; by default the public one of TKE_REGION
    #[arg(long, value_name = "URL", env = "TCR_ASSISTANT_STS_ENDPOINT")]
    pub sts_endpoint: Option<Endpoint>,
    /// File with PEM certificates to trust for the endpoint instead of the system's
    #[arg(long, value_name = "FILE", env = "TCR_ASSISTANT_CA")]
    pub ca: Option<PathBuf>,
    /// Longest time that one API call may take, repeats included, such as 30s
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = timeout)]
    pub timeout: Duration,
}

impl CloudArgs {
    /// The client's settings; reads the file of certificates.
    pub fn settings(&self) -> anyhow::Result<client::Settings> {
        let Self { endpoint, sts_endpoint, ca, timeout } = self;
        let ca = ca
            .as_ref()
            .map(|path| std::fs::read(path).with_context(|| format!("cannot read {}", path.display())))
            .transpose()?;
        Ok(client::Settings {
            endpoint: endpoint.clone(),
            sts_endpoint: sts_endpoint.clone(),
            ca,
            deadline: *timeout,
            ..client::Settings::default()
        })
    }
}

impl Args {
    /// What to log.
    pub fn log_filter(&self) -> &str {
        let usual = if matches!(self.command, Command::Run(_)) { "info" } else { "warn" };
        self.log.as_deref().unwrap_or(usual)
    }

    /// How log lines look.
    pub fn log_format(&self) -> LogFormat {
        match &self.command {
            Command::Run(args) => args.log_format,
            Command::Render(_)
            | Command::Crd
            | Command::People(_)
            | Command::Cleanup(_)
            | Command::WithdrawHosts { .. } => LogFormat::Text,
        }
    }

    /// The command line of this process. Under the name `kubectl-tcr`, by which kubectl finds its plugins, there are
    /// only the commands for people.
    pub fn of_process() -> Self {
        let program = std::env::args_os().next().map(PathBuf::from);
        match program.as_deref().and_then(Path::file_stem) {
            Some(name) if name == "kubectl-tcr" => {
                let PluginArgs { log, command } = PluginArgs::parse();
                Self { log, command: Command::People(command) }
            }
            _ => Self::parse(),
        }
    }

    /// Does what was asked: objects go to `out`, words to stderr.
    pub fn run(self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let Self { log: _, command } = self;
        let done = match command {
            Command::People(command) => return command.run(out),
            Command::Crd => out.write_all(crd::yaml()?.as_bytes()).context("cannot write to stdout"),
            Command::Render(args) => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                let mut tell = |line: &str| {
                    // Nowhere to tell that stderr is closed.
                    let _ = writeln!(std::io::stderr().lock(), "{line}");
                };
                runtime.block_on(render::run(*args, out, &mut tell))
            }
            Command::Cleanup(CleanupArgs { dry_run }) => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(async {
                    let (client, _) = controller::client().await?;
                    cleanup::run(client, dry_run, out).await
                })
            }
            Command::WithdrawHosts { wait } => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                let mut tell = |line: &str| {
                    // Nowhere to tell that stderr is closed.
                    let _ = writeln!(std::io::stderr().lock(), "{line}");
                };
                runtime.block_on(async {
                    let (client, _) = controller::client().await?;
                    withdraw::run(client, wait, &mut tell).await
                })
            }
            Command::Run(args) => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                let result = runtime.block_on(args.run());
                // What still waits, waits for nothing.
                runtime.shutdown_background();
                result
            }
        };
        done.map(|()| ExitCode::SUCCESS)
    }
}

fn log_filter(text: &str) -> Result<String, String> {
    tracing_subscriber::EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

fn namespace(text: &str) -> Result<String, String> {
    let letters = text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    match letters && (1..=63).contains(&text.len()) && !text.starts_with('-') && !text.ends_with('-') {
        true => Ok(text.to_owned()),
        false => Err("a namespace is up to 63 lower-case letters, digits and hyphens".to_owned()),
    }
}

fn registry_address(text: &str) -> Result<(RegistryHost, SocketAddr), String> {
    let (host, address) = text.split_once('=').ok_or("write it as HOST=IP or HOST=IP:PORT")?;
    let host = host.parse::<RegistryHost>().map_err(|error| error.to_string())?;
    // Port 0 stands for the registry's own.
    let address = address.parse().or_else(|_| address.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 0)));
    Ok((host, address.map_err(|_| "what follows the = is not an IP address, or one with a port")?))
}

fn cluster_id(text: &str) -> Result<String, String> {
    match text.strip_prefix("cls-") {
        Some(rest) if !rest.is_empty() && rest.chars().all(|c| c.is_ascii_alphanumeric()) => {
            Ok(text.to_owned())
        }
        _ => Err("a cluster's id is cls- and letters or digits".to_owned()),
    }
}

/// More often would take the account's calls away from others.
const SHORTEST_LINK_INTERVAL: Duration = Duration::from_secs(1);

fn link_interval(text: &str) -> Result<Duration, String> {
    let interval = tcr::go_duration::parse(text).map_err(|error| error.to_string())?;
    if interval < SHORTEST_LINK_INTERVAL {
        return Err("it must be 1s or longer".to_owned());
    }
    Ok(interval)
}

fn timeout(text: &str) -> Result<Duration, String> {
    match tcr::go_duration::parse(text) {
        Ok(Duration::ZERO) => Err("it must be longer than nothing".to_owned()),
        other => other.map_err(|error| error.to_string()),
    }
}

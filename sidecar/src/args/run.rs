//! The command line of `run`: the controller.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args as Group, ValueEnum};
use jiff::SignedDuration;
use tcr::hosts_entry::HostsList;
use tcr::names::TCR_ROOT_DOMAIN;
use tokio::signal::unix::{SignalKind, signal};

use super::cloud::CloudArgs;
use super::registry::RegistryArgs;
use controller;
use tencent_cloud::api_credential::Chain;
use tencent_cloud::endpoint::Endpoint;
use tencent_cloud::roles::{AllowedRole, Clients};
use tencent_cloud::{client, metadata};

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
ten minutes. A changed spec.docker password about which the registry gives no verdict is distributed after
--verdict-timeout, unless none was ever given on the one before: then at once. Registries are asked as a
container runtime asks: over HTTPS, without redirects, not at special-purpose or metadata addresses, and
with a token service on the registry's own host (auth.docker.io for docker.io).
--registry-realm, --registry-address and --registry-ca allow more.

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
    #[arg(long, value_name = "cls-ID", env = "TCR_ASSISTANT_CLUSTER_ID", value_parser = super::value_parser::cluster_id)]
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
    /// How long a changed spec.docker password, that takes the place of one that its registry has let in, waits for the
    /// registry's verdict before it is distributed without one; 0s: until the registry could not be asked once
    #[arg(long, value_name = "DURATION", env = "TCR_ASSISTANT_VERDICT_TIMEOUT", default_value = "15m", value_parser = verdict_timeout)]
    pub verdict_timeout: SignedDuration,
    /// Root domain that registries may be under (repeatable)
    #[arg(long = "allowed-root", value_name = "DOMAIN", env = "TCR_ASSISTANT_ALLOWED_ROOT", value_delimiter = ',', default_value = TCR_ROOT_DOMAIN)]
    pub allowed_roots: Vec<String>,
    /// Root domain that spec.tcr.aliases may be under besides: caches and mirrors, to which an instance's credential is sent
    /// (repeatable)
    #[arg(
        long = "allowed-alias",
        value_name = "DOMAIN",
        env = "TCR_ASSISTANT_ALLOWED_ALIAS",
        value_delimiter = ','
    )]
    pub allowed_aliases: Vec<String>,
    /// Role that spec.tcr.roleArn may name, with the external id that its trust policy demands, or the OIDC provider that its
    /// account knows the cluster as, where the Pod takes it on by its own token (repeatable)
    #[arg(
        long = "allowed-role",
        value_name = "ARN[;external-id=ID|;provider-id=ID]",
        env = "TCR_ASSISTANT_ALLOWED_ROLE",
        value_delimiter = ' '
    )]
    pub allowed_roles: Vec<AllowedRole>,
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
            verdict_timeout,
            allowed_roots,
            allowed_aliases,
            allowed_roles,
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
        let cloud = Arc::new(client::Client::new(cloud, chain)?);
        Ok(controller::Settings {
            clouds: Clients::new(cloud, allowed_roles.clone()),
            registry: registry.checker()?,
            verdict_timeout: *verdict_timeout,
            cluster_id: cluster_id.clone(),
            region: region.clone(),
            allowed_roots: allowed_roots.clone(),
            allowed_aliases: allowed_aliases.clone(),
            allowed_roles: allowed_roles.iter().map(|role| role.arn.clone()).collect(),
            static_hosts,
            link_interval: *link_interval,
            remove_startup_taint: *remove_startup_taint,
            webhook_service: Some(webhook_service.clone()).filter(|name| !name.is_empty()),
            leader_elect: *leader_elect,
        })
    }

    /// Runs until a signal comes.
    ///
    /// # Errors
    /// A chart of another release, settings that cannot be used, or no cluster.
    pub async fn run(self) -> anyhow::Result<()> {
        version::check_chart()?;
        if let Err(refused) = undumpable::set() {
            tracing::warn!("{refused}");
        }
        let settings = self.settings()?;
        let listener = listener::bind(self.address)
            .with_context(|| format!("cannot listen on --address {}", self.address))?;
        tracing::info!("listening on {}", listener.local_addr()?);
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

/// More often would take the account's calls away from others.
const SHORTEST_LINK_INTERVAL: Duration = Duration::from_secs(1);

/// The person who changed a password does not expect it to take effect later than this.
const LONGEST_VERDICT_TIMEOUT: SignedDuration = SignedDuration::from_hours(24);

fn verdict_timeout(text: &str) -> Result<SignedDuration, String> {
    let timeout = tcr::go_duration::parse(text).map_err(|error| error.to_string())?;
    match SignedDuration::try_from(timeout) {
        Ok(timeout) if timeout <= LONGEST_VERDICT_TIMEOUT => Ok(timeout),
        _ => Err("it must be 24h or shorter".to_owned()),
    }
}

fn link_interval(text: &str) -> Result<Duration, String> {
    let interval = tcr::go_duration::parse(text).map_err(|error| error.to_string())?;
    if interval < SHORTEST_LINK_INTERVAL {
        return Err("it must be 1s or longer".to_owned());
    }
    Ok(interval)
}

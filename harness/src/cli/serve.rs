//! `harness serve`: the stand-alone admission webhook.

use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use listener::Bodies;
use tracing::level_filters::LevelFilter;

use super::source::RegistryArgs;
use crate::host_capabilities::online::OpenRegistry;
use crate::serve::certificate::Source;
use crate::serve::cluster::{self, ClusterAccess};
use crate::serve::{Modules, OnHostFailure, PoliciesOptions, ServeOptions, most_reviews, serve};
use crate::{DEFAULT_MEMORY_LIMIT_MIB, ModuleCache};

const EXAMPLES: &str = "\
Endpoints: POST /validate/ID, /validate_raw/ID and /audit/ID; on the readiness port, over plain HTTP, GET /readiness
and /metrics. Environment variables are policy-server's, and KUBEWARDEN_ON_HOST_FAILURE.

A review is answered within its policy's time, and within the time that the API server gives it (timeout=10s in the
query, less a tenth and at most half a second). Where there is no verdict by then, because too many wait, the policy
trapped or asked for too much memory, --on-host-failure says what the API server gets: `refuse` is policy-server's way,
a refusal with code 500, so that a webhook that has too much to do refuses what it never looked at; `defer` is HTTP 503,
so that the webhook's failurePolicy decides. A policy in monitor mode admits in both.

The policies file and the modules' files are looked at every two seconds, and on SIGHUP; what is in a registry on SIGHUP,
and with --module-poll-interval. What changed is served when all of it is there, and no review fails meanwhile. What
cannot be served changes nothing: the log says why, /readiness that it is so, and /metrics
(harness_policies_last_reload_successful).

While policies are compiled at the start, reviews of those that are there are answered, and others wait for theirs, which
comes first then; the readiness says yes when all are there, as policy-server's does.

Reading Kubernetes objects (contextAwareResources in the policies file) takes the API server of KUBECONFIG,
~/.kube/config, or the Pod around, with what its ServiceAccount may read.

On SIGTERM the readiness says no at once, reviews are answered for --drain-delay more, each answer being the last of its
connection, what was begun is finished, and the exit code is 0. A second signal ends it at once.

Examples:
  harness serve --policies policies.yml --cert-file tls.crt --key-file tls.key
  harness serve --policies policies.yml --cert-secret tcr-assistant-system/tcr-assistant-webhook-server-cert
  harness serve --policies policies.yml --addr 127.0.0.1 --port 3000        plain HTTP, to try it out";

/// Bytes of reviews at a time, unless the flags say otherwise.
const INFLIGHT: usize = 8 << 20;

/// Serve policies as an admission webhook, with policy-server's files and endpoints
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
#[command(mut_arg("docker_config_json_path", |arg| arg.env("KUBEWARDEN_DOCKER_CONFIG_JSON_PATH")))]
#[command(mut_arg("sources_path", |arg| arg.env("KUBEWARDEN_SOURCES_PATH")))]
pub struct Serve {
    /// The policies.yml: ids, modules, settings
    #[arg(long, value_name = "PATH", env = "KUBEWARDEN_POLICIES", default_value = "policies.yml")]
    policies: PathBuf,

    /// Where to listen
    #[arg(long, value_name = "IP", env = "KUBEWARDEN_BIND_ADDRESS", default_value = "0.0.0.0")]
    addr: IpAddr,

    /// The port of reviews; 0 takes any, which the log tells
    #[arg(long, env = "KUBEWARDEN_PORT", default_value_t = 3000)]
    port: u16,

    /// The port of /readiness and /metrics; 0 takes any
    #[arg(long, env = "KUBEWARDEN_READINESS_PROBE_PORT", default_value_t = 8081)]
    readiness_probe_port: u16,

    /// The certificate in PEM, followed by those that lead to its CA; read again when it changes
    #[arg(long, value_name = "PATH", env = "KUBEWARDEN_CERT_FILE", requires = "key_file")]
    cert_file: Option<PathBuf>,

    /// Its key in PEM
    #[arg(long, value_name = "PATH", env = "KUBEWARDEN_KEY_FILE", requires = "cert_file")]
    key_file: Option<PathBuf>,

    /// The Secret with the certificate (tls.crt, tls.key), read from the API server and followed
    #[arg(long, value_name = "NAMESPACE/NAME", conflicts_with = "cert_file", value_parser = secret)]
    cert_secret: Option<(String, String)>,

    /// Authorities in PEM, joined by commas: callers need a certificate of one of them; read again when they change
    #[arg(long, value_name = "PATHS", env = "KUBEWARDEN_CLIENT_CA_FILE", value_delimiter = ',')]
    client_ca_file: Vec<PathBuf>,

    /// Reviews at a time; one that takes longer than 10 ms goes on beside these, so many and one more of each policy
    /// [default: the number of processors]
    #[arg(long, env = "KUBEWARDEN_WORKERS", value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: Option<u16>,

    /// How long a review may take, in seconds from its arrival; timeoutEvalSeconds of a policy wins
    #[arg(long, value_name = "SECONDS", env = "KUBEWARDEN_POLICY_TIMEOUT", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=300))]
    policy_timeout: u64,

    /// What to answer where there is no verdict
    #[arg(long, value_enum, value_name = "ANSWER", env = "KUBEWARDEN_ON_HOST_FAILURE", default_value_t)]
    on_host_failure: OnHostFailure,

    /// Admit everything in this namespace unasked
    #[arg(long, value_name = "NAMESPACE", env = "KUBEWARDEN_ALWAYS_ACCEPT_ADMISSION_REVIEWS_ON_NAMESPACE")]
    always_accept_admission_reviews_on_namespace: Option<String>,

    /// Start even when no API server is known; policies that ask about the cluster are told so
    #[arg(long, env = "KUBEWARDEN_IGNORE_KUBERNETES_CONNECTION_FAILURE")]
    ignore_kubernetes_connection_failure: bool,

    /// The largest review, in bytes; the API server's own limit of 3 MiB for a request, twice (old and new object)
    #[arg(long, value_name = "BYTES", default_value_t = 6 << 20)]
    max_body_bytes: usize,

    /// The most bytes of reviews at a time, counted before they are read; further ones wait, within their time
    /// [default: 8 MiB, and more where --max-body-bytes needs it]
    #[arg(long, value_name = "BYTES")]
    max_inflight_bytes: Option<usize>,

    /// Connections at a time; where there are more, those that do nothing are closed
    #[arg(long, value_name = "COUNT", default_value_t = 128, value_parser = clap::value_parser!(u16).range(1..))]
    max_connections: u16,

    /// How long reviews are still answered after SIGTERM, in seconds: API servers learn of it with a delay
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    drain_delay: u64,

    /// How much memory each review may use, in MiB; what is not used costs nothing
    #[arg(long, value_name = "MIB", default_value_t = DEFAULT_MEMORY_LIMIT_MIB, value_parser = clap::value_parser!(u64).range(1..=4096))]
    memory_limit_mib: u64,

    /// Serve without the policies that cannot be prepared; their reviews get no verdict
    #[arg(long, env = "KUBEWARDEN_CONTINUE_ON_ERRORS")]
    continue_on_errors: bool,

    /// How often modules of a registry are looked for under their tags, in seconds; without it they stay what they were at
    /// the start, until SIGHUP
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(5..))]
    module_poll_interval: Option<u64>,

    /// policy-server's folder of modules; compiled ones are kept in it where the user has no cache folder
    #[arg(long, value_name = "PATH", env = "KUBEWARDEN_POLICIES_DOWNLOAD_DIR", hide = true)]
    policies_download_dir: Option<PathBuf>,

    /// policy-server's folder of sigstore's data, which is not fetched here
    #[arg(long, value_name = "PATH", env = "KUBEWARDEN_SIGSTORE_CACHE_DIR", hide = true)]
    sigstore_cache_dir: Option<PathBuf>,

    /// What to log
    #[arg(long, value_enum, env = "KUBEWARDEN_LOG_LEVEL", default_value_t = LogLevel::Info)]
    log_level: LogLevel,

    /// How to log
    #[arg(long, value_enum, env = "KUBEWARDEN_LOG_FMT", default_value_t = LogFormat::Text)]
    log_fmt: LogFormat,

    #[command(flatten)]
    registry: RegistryArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

impl Serve {
    pub(super) fn logging(&self) -> (LevelFilter, LogFormat) {
        let level = match self.log_level {
            LogLevel::Trace => LevelFilter::TRACE,
            LogLevel::Debug => LevelFilter::DEBUG,
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Warn => LevelFilter::WARN,
            LogLevel::Error => LevelFilter::ERROR,
        };
        (level, self.log_fmt)
    }

    pub(super) fn execute(self) -> anyhow::Result<()> {
        version::check_chart()?;
        super::compatibility::refuse_variables(|name| std::env::var(name).ok())?;
        let text = super::files::read_text(&self.policies)?;
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = self.workers.map_or(processors, usize::from);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(processors.min(4))
            // Each review has one while a policy is asked; the rest is for files.
            .max_blocking_threads(most_reviews(workers, usize::MAX) + 2)
            .enable_all()
            .build()
            .context("cannot start the runtime")?;
        let result = runtime.block_on(self.run(text, workers));
        // A second signal does not wait for a policy that runs.
        runtime.shutdown_background();
        result
    }

    async fn run(self, text: String, workers: usize) -> anyhow::Result<()> {
        let client = match &self.cert_secret {
            None => None,
            Some(_) => Some(cluster::client().await.context("--cert-secret names a Secret")?),
        };
        let certificate = match (&self.cert_file, &self.key_file, &self.cert_secret, client) {
            (Some(certificate), Some(key), _, _) => {
                Some(Source::Files { certificate: certificate.clone(), key: key.clone() })
            }
            (_, _, Some((namespace, name)), Some(client)) => {
                Some(Source::Secret { client, namespace: namespace.clone(), name: name.clone() })
            }
            _ => None,
        };
        if certificate.is_none() && !self.client_ca_file.is_empty() {
            bail!(
                "--client-ca-file asks callers for certificates, which plain HTTP has not: give --cert-file and --key-file, or --cert-secret"
            );
        }
        let max_inflight_bytes = self.max_inflight_bytes()?;
        let options = ServeOptions {
            address: self.addr,
            port: self.port,
            readiness_port: self.readiness_probe_port,
            certificate,
            client_authorities: self.client_ca_file.clone(),
            max_body_bytes: self.max_body_bytes,
            max_inflight_bytes,
            max_connections: self.max_connections.into(),
            drain_delay: Duration::from_secs(self.drain_delay),
        };
        serve(options, self.policies_options(text, workers)).await
    }

    fn policies_options(self, text: String, workers: usize) -> PoliciesOptions {
        PoliciesOptions {
            file: self.policies,
            text,
            modules: Arc::new(Sources(self.registry)),
            module_poll_interval: self.module_poll_interval.map(Duration::from_secs),
            cluster: ClusterAccess::new(self.ignore_kubernetes_connection_failure),
            timeout: Duration::from_secs(self.policy_timeout),
            memory_limit: usize::try_from(self.memory_limit_mib << 20).unwrap_or(usize::MAX),
            module_cache: module_cache(self.policies_download_dir.as_deref()),
            workers,
            continue_on_errors: self.continue_on_errors,
            always_accept: self.always_accept_admission_reviews_on_namespace,
            on_host_failure: self.on_host_failure,
        }
    }

    fn max_inflight_bytes(&self) -> anyhow::Result<usize> {
        let least = Bodies::least_room(self.max_body_bytes);
        match self.max_inflight_bytes {
            Some(bytes) if bytes < least => bail!(
                "--max-inflight-bytes {bytes} has no room for a review of --max-body-bytes {}: at least {least}",
                self.max_body_bytes
            ),
            bytes => Ok(bytes.unwrap_or(least.max(INFLIGHT))),
        }
    }
}

/// Where compiled modules are kept: in the user's cache, or else in the folder that a PolicyServer's Pod has for modules.
fn module_cache(download_dir: Option<&Path>) -> Option<ModuleCache> {
    ModuleCache::of_user().or_else(|| {
        let folder = download_dir?.join("tcr-assistant-modules");
        ModuleCache::at(&folder)
            .inspect_err(|error| tracing::info!("no module cache in {}: {error}", folder.display()))
            .ok()
    })
}

/// Modules of files and registries.
struct Sources(RegistryArgs);

impl Modules for Sources {
    fn open_registry(&self) -> OpenRegistry {
        self.0.open()
    }

    fn load(&self, module: &str) -> anyhow::Result<Vec<u8>> {
        super::source::load(module, &self.0).map(|(wasm, _)| wasm)
    }

    fn version(&self, module: &str) -> anyhow::Result<String> {
        if module.starts_with("registry://") {
            return Ok(super::source::runtime()?.block_on(self.0.registry()?.digest(module))?);
        }
        let path = module.strip_prefix("file://").unwrap_or(module);
        let file = std::fs::metadata(path).with_context(|| format!("cannot read {path}"))?;
        // A file that takes another one's place has another number, and one that is written over another time.
        let (mtime, ctime) = ((file.mtime(), file.mtime_nsec()), (file.ctime(), file.ctime_nsec()));
        Ok(format!("{}:{} {} {mtime:?} {ctime:?}", file.dev(), file.ino(), file.size()))
    }
}

fn secret(text: &str) -> Result<(String, String), String> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok((namespace.to_owned(), name.to_owned()))
        }
        _ => Err("NAMESPACE/NAME is expected".to_owned()),
    }
}

//! `harness run`: puts requests or manifests to a policy.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};

use super::input::Reading;
use super::report::Report;
use super::source::RegistryArgs;
use crate::host_capabilities::session::Session;
use crate::host_capabilities::{GrantPattern, Grants, HostCapabilities, Unavailable};
use crate::manifest::Operation;
use crate::metadata::{EXECUTION_MODE, Metadata, PolicyType};
use crate::{DEFAULT_MEMORY_LIMIT_MIB, Host, HostOptions, ModuleCache, Policy, Request, Settings};

const EXAMPLES: &str = "\
Examples:
  harness run policy.wasm -r pods.yaml -s settings.yml -o diff    each object: what would happen, and the change
  harness run policy.wasm -r review.json --settings-json '{}'     one AdmissionResponse per request, one per line
  kubectl get pods -A -o yaml | harness run policy.wasm -r - -o diff
  harness run policy.wasm -r pod.yaml --allow-context-aware --replay-host-capabilities-interactions session.yml";

/// Put requests or manifests to a policy and print its answers
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Run {
    /// The policy: a file, file://PATH or registry://HOST/REPOSITORY:TAG
    policy: String,

    /// An AdmissionReview, a bare request, or manifests (YAML or JSON, several documents, Lists); - is
    /// standard input. May be given several times
    #[arg(short, long = "request-path", value_name = "PATH", required = true)]
    request_path: Vec<PathBuf>,

    /// The policy's settings, YAML or JSON
    #[arg(short, long, value_name = "PATH", conflicts_with = "settings_json")]
    settings_path: Option<PathBuf>,

    /// The policy's settings as JSON
    #[arg(long, value_name = "JSON")]
    settings_json: Option<String>,

    /// How to print the answers
    #[arg(short, long, value_enum, default_value_t = Output::Json)]
    output: Output,

    /// What is done to the objects of manifests
    #[arg(long, value_enum, ignore_case = true, default_value_t = OperationArg::Create)]
    operation: OperationArg,

    /// Who does it, for manifests
    #[arg(long, default_value = "kubernetes-admin")]
    username: String,

    /// The requests are any JSON, for a raw policy
    #[arg(long)]
    raw: bool,

    /// The policy's runtime; only kubewarden (waPC) is there
    #[arg(short, long, value_enum)]
    execution_mode: Option<ExecutionMode>,

    /// Let the policy read the Kubernetes objects its metadata asks for
    #[arg(long)]
    allow_context_aware: bool,

    /// The host capabilities the policy may use: *, oci/*, kubernetes/get_resource, ...
    #[arg(long, value_name = "PATTERN", value_delimiter = ',', default_value = "*")]
    allowed_host_capabilities: Vec<GrantPattern>,

    /// Answer the policy's questions to its host from a recorded session (kwctl's YAML)
    #[arg(long, value_name = "PATH")]
    replay_host_capabilities_interactions: Option<PathBuf>,

    /// Compile the policy anew instead of keeping it in ~/.cache/tcr-assistant/modules
    #[arg(long)]
    disable_wasmtime_cache: bool,

    /// How long each call may take, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    timeout_ms: u64,

    /// How much memory each call may use, in MiB
    #[arg(long, value_name = "MIB", default_value_t = DEFAULT_MEMORY_LIMIT_MIB, value_parser = clap::value_parser!(u64).range(1..=4096))]
    memory_limit_mib: u64,

    #[command(flatten)]
    registry: RegistryArgs,
}

/// How answers are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// One AdmissionResponse per request, one per line
    Json,
    /// For people: one line per object, the change, and a summary
    Diff,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ExecutionMode {
    #[value(alias = "kubewarden-wapc")]
    Kubewarden,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OperationArg {
    #[value(name = "CREATE")]
    Create,
    #[value(name = "UPDATE")]
    Update,
    #[value(name = "DELETE")]
    Delete,
}

impl Run {
    /// Checks everything that can be wrong first: the inputs, the policy, its settings.
    pub(super) fn execute(self, colour: bool) -> anyhow::Result<()> {
        let settings = self.settings()?;
        let session = self.session()?;
        let (wasm, name) = super::source::load(&self.policy, &self.registry)?;
        let failed = || format!("cannot run {}", self.policy);
        let host = Host::new(self.host_options())?;
        let policy = Policy::load(&host, &wasm).with_context(failed)?;
        let metadata = Metadata::of_module(&wasm).with_context(failed)?.unwrap_or_default();
        metadata.check_version().with_context(failed)?;
        if !matches!(metadata.execution_mode.as_str(), "" | EXECUTION_MODE) {
            let mode = &metadata.execution_mode;
            bail!(
                "cannot run {}: its executionMode is \"{mode}\", and this host runs {EXECUTION_MODE} only",
                self.policy
            );
        }
        let raw = self.raw || metadata.policy_type == PolicyType::Raw;
        let reading = Reading { raw, operation: self.operation.into(), username: &self.username };
        let mut inputs = Vec::new();
        for path in &self.request_path {
            inputs.extend(reading.read(path)?);
        }
        let policy = policy.named(&name).with_capabilities(self.grants(&metadata), session);
        policy.validate_settings(&settings).with_context(|| self.settings_refused())?;

        let mut report = Report::new(colour);
        for input in &inputs {
            let request = match raw {
                true => Request::raw(input.request.as_bytes())?,
                false => Request::from_request(input.request.as_bytes())?,
            };
            let evaluation = policy.evaluate(&request, &settings);
            super::print(&match self.output {
                Output::Json => serde_json::to_string(&evaluation.response)? + "\n",
                Output::Diff => report.entry(&request, &evaluation, input.is_yaml),
            })?;
        }
        match self.output {
            Output::Json => Ok(()),
            Output::Diff => super::print(&report.summary()),
        }
    }

    fn settings(&self) -> anyhow::Result<Settings> {
        match (&self.settings_path, &self.settings_json) {
            (Some(path), _) => {
                let failed = || format!("cannot read settings {}", path.display());
                Settings::parse(&super::read_text(path)?).with_context(failed)
            }
            (None, Some(json)) => Settings::parse(json).context("cannot read --settings-json"),
            (None, None) => Ok(Settings::default()),
        }
    }

    fn settings_refused(&self) -> String {
        match (&self.settings_path, &self.settings_json) {
            (Some(path), _) => format!("settings {} are not valid", path.display()),
            (None, Some(_)) => "settings of --settings-json are not valid".into(),
            (None, None) => "the policy does not take empty settings (give some with -s)".into(),
        }
    }

    fn session(&self) -> anyhow::Result<Arc<dyn HostCapabilities>> {
        match &self.replay_host_capabilities_interactions {
            None => Ok(Arc::new(Unavailable)),
            Some(path) => {
                let failed = || format!("cannot read session {}", path.display());
                Ok(Arc::new(Session::parse(&super::read_text(path)?).with_context(failed)?))
            }
        }
    }

    fn host_options(&self) -> HostOptions {
        HostOptions {
            timeout: Duration::from_millis(self.timeout_ms),
            memory_limit: usize::try_from(self.memory_limit_mib << 20).unwrap_or(usize::MAX),
            // One call at a time is all that a command makes.
            concurrency: 1,
            module_cache: if self.disable_wasmtime_cache { None } else { ModuleCache::of_user() },
        }
    }

    fn grants(&self, metadata: &Metadata) -> Grants {
        let kinds = match self.allow_context_aware {
            true => metadata.context_aware_resources.clone(),
            false => {
                if !metadata.context_aware_resources.is_empty() {
                    tracing::info!(
                        "the policy's metadata asks for Kubernetes objects; --allow-context-aware grants them"
                    );
                }
                Vec::new()
            }
        };
        Grants::of_whole_objects(self.allowed_host_capabilities.clone(), kinds)
    }
}

impl From<OperationArg> for Operation {
    fn from(operation: OperationArg) -> Self {
        match operation {
            OperationArg::Create => Self::Create,
            OperationArg::Update => Self::Update,
            OperationArg::Delete => Self::Delete,
        }
    }
}

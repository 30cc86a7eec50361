//! The policies that a command evaluates: where they are, their settings, and what they may use.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use clap::{Args, ValueEnum};

use super::host_capabilities::{Answering, HostCapabilityArgs};
use super::source::RegistryArgs;
use crate::host_capabilities::Grants;
use crate::metadata::{Metadata, PolicyType, interface_of};
use crate::policies_file::{
    Mode, PolicyOrGroup, PolicySource, Served, is_custom_resources, parse_custom_resources,
};
use crate::serve::constraint::constrain;
use crate::{
    DEFAULT_MEMORY_LIMIT_MIB, Evaluation, Evaluator, Host, HostOptions, Interface, ModuleCache, Policy,
    PolicyGroup, Request, Settings,
};

#[derive(Debug, Clone, Args)]
pub(super) struct PolicyArgs {
    /// The policy: a file, file://PATH, https://HOST/PATH, registry://HOST/REPOSITORY:TAG, the beginning of a stored
    /// policy's SHA-256, or a YAML file of custom resources (AdmissionPolicy, ClusterAdmissionPolicy and their groups),
    /// each of which is evaluated with its own settings
    pub(super) policy: String,

    /// The policy's settings, YAML or JSON; with --settings-json too, these are taken
    #[arg(short, long, value_name = "PATH")]
    settings_path: Option<PathBuf>,

    /// The policy's settings as JSON
    #[arg(long, value_name = "JSON")]
    settings_json: Option<String>,

    /// The requests are any JSON, for a raw policy
    #[arg(long)]
    raw: bool,

    /// The policy's runtime, where its metadata does not say it
    #[arg(short, long, value_enum)]
    execution_mode: Option<ExecutionMode>,

    #[command(flatten)]
    host_capabilities: HostCapabilityArgs,

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
    pub(super) registry: RegistryArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ExecutionMode {
    #[value(alias = "kubewarden-wapc")]
    Kubewarden,
    Wasi,
    Opa,
    Gatekeeper,
    Ferricel,
}

/// A policy or a group, ready to be asked.
pub(super) struct Definition {
    /// What it is called in messages.
    pub(super) id: String,
    /// Where its module is; a group's first.
    pub(super) module: String,
    /// Asked about its settings already.
    pub(super) evaluator: Evaluator,
    /// Whether its requests are any JSON.
    pub(super) raw: bool,
    mode: Mode,
    allowed_to_mutate: bool,
    message: Option<String>,
    timeout: Duration,
}

/// All that a command evaluates, and who answers their questions.
pub(super) struct Definitions {
    pub(super) definitions: Vec<Definition>,
    pub(super) answering: Answering,
}

/// A loaded policy before it has anybody to ask.
struct Loaded {
    policy: Policy,
    settings: Settings,
    grants: Grants,
    is_raw: bool,
}

impl PolicyArgs {
    /// Loads everything, and asks the policies about their settings. So many calls may be made at a time.
    pub(super) fn definitions(&self, concurrency: usize) -> anyhow::Result<Definitions> {
        let uri = super::source::uri_of(&self.policy)?;
        let are_resources = is_custom_resources(&uri) && !super::source::is_remote(&uri);
        let served = match are_resources {
            true => self.custom_resources(&uri)?,
            false => vec![(uri.clone(), self.of_flags(&uri)?)],
        };
        let host = Host::new(self.host_options(concurrency))?;
        let mut loaded = Vec::new();
        for (id, served) in served {
            let policies = self.load(&host, &served, are_resources)?;
            loaded.push((id, served, policies));
        }
        let granted = loaded.iter().flat_map(|(_, _, policies)| policies.values());
        let reads_cluster = granted.clone().any(|policy| !policy.grants.kinds.is_empty());
        let answering = self.host_capabilities.open(&self.registry, reads_cluster)?;
        let mut definitions = Vec::new();
        for (id, served, policies) in loaded {
            let definition = self.definition(id, served, policies, &answering);
            answering.rewind();
            let refused = definition.evaluator.validate_settings();
            answering.rewind();
            refused.map_err(|refusal| anyhow!("Provided settings are not valid: {refusal}"))?;
            definitions.push(definition);
        }
        Ok(Definitions { definitions, answering })
    }

    fn custom_resources(&self, path: &str) -> anyhow::Result<Vec<(String, Served)>> {
        if self.raw {
            bail!("cannot run {path}: custom resources are no raw policies, so that --raw has no meaning");
        }
        let path = path.strip_prefix("file://").unwrap_or(path);
        let text = super::files::read_text(path.as_ref())?;
        parse_custom_resources(&text).with_context(|| format!("cannot run the policies of {path}"))
    }

    fn of_flags(&self, module: &str) -> anyhow::Result<Served> {
        let source =
            PolicySource { module: module.to_owned(), settings: self.settings()?, grants: Grants::none() };
        Ok(Served {
            what: PolicyOrGroup::Policy(source),
            mode: Mode::Protect,
            allowed_to_mutate: true,
            message: None,
            timeout: None,
            ignored: Vec::new(),
        })
    }

    /// Every policy of an entry, by its name in its group; a policy of its own has none.
    fn load(
        &self,
        host: &Host,
        served: &Served,
        are_resources: bool,
    ) -> anyhow::Result<BTreeMap<String, Loaded>> {
        let named: Vec<(&str, &PolicySource)> = match &served.what {
            PolicyOrGroup::Policy(source) => vec![("", source)],
            PolicyOrGroup::Group { policies, .. } => {
                policies.iter().map(|(name, source)| (name.as_str(), source)).collect()
            }
        };
        let mut loaded = BTreeMap::new();
        for (name, source) in named {
            loaded.insert(name.to_owned(), self.load_one(host, source, are_resources)?);
        }
        Ok(loaded)
    }

    fn load_one(&self, host: &Host, source: &PolicySource, is_resource: bool) -> anyhow::Result<Loaded> {
        let (wasm, name) = super::source::load_stored(&source.module, &self.registry)?;
        let failed = || format!("cannot run {}", source.module);
        // Of what is no module at all, that is what is wrong.
        let is_module = wasm.starts_with(b"\0asm");
        let metadata = if is_module { Metadata::of_module(&wasm).with_context(failed)? } else { None };
        let metadata = metadata.unwrap_or_default();
        metadata.check_version().with_context(failed)?;
        let interface = interface(self.execution_mode, &metadata).with_context(failed)?;
        let policy = Policy::load_as(host, &wasm, interface).with_context(failed)?.named(&name);
        let operations = self.host_capabilities.operations();
        let grants = match is_resource {
            true => Grants { operations, kinds: source.grants.kinds.clone() },
            false => Grants::of_whole_objects(operations, self.host_capabilities.kinds(&metadata)),
        };
        let is_raw = metadata.policy_type == PolicyType::Raw;
        Ok(Loaded { policy, settings: source.settings.clone(), grants, is_raw })
    }

    fn definition(
        &self,
        id: String,
        served: Served,
        policies: BTreeMap<String, Loaded>,
        answering: &Answering,
    ) -> Definition {
        let module = served.sources().first().map(|source| source.module.clone()).unwrap_or_default();
        let Served { what, mode, allowed_to_mutate, message, .. } = served;
        let raw = self.raw || policies.values().any(|policy| policy.is_raw);
        let mut policies: BTreeMap<String, (Policy, Settings)> = policies
            .into_iter()
            .map(|(name, Loaded { policy, settings, grants, .. })| {
                (name, (policy.with_capabilities(grants, answering.capabilities.clone()), settings))
            })
            .collect();
        let evaluator = match (what, policies.pop_first()) {
            (PolicyOrGroup::Policy(_), Some((_, (policy, settings)))) => Evaluator::Policy(policy, settings),
            (PolicyOrGroup::Group { expression, message, .. }, first) => {
                policies.extend(first);
                Evaluator::Group(PolicyGroup { id: id.clone(), policies, expression, message })
            }
            (PolicyOrGroup::Policy(_), None) => unreachable!("load() gives each entry its policy"),
        };
        let timeout = Duration::from_millis(self.timeout_ms);
        Definition { id, module, evaluator, raw, mode, allowed_to_mutate, message, timeout }
    }

    fn settings(&self) -> anyhow::Result<Settings> {
        match (&self.settings_path, &self.settings_json) {
            (Some(path), _) => {
                let failed = || format!("cannot read settings {}", path.display());
                Settings::parse(&super::files::read_text(path)?).with_context(failed)
            }
            (None, Some(json)) => Settings::parse(json).context("cannot read --settings-json"),
            (None, None) => Ok(Settings::default()),
        }
    }

    fn host_options(&self, concurrency: usize) -> HostOptions {
        HostOptions {
            timeout: Duration::from_millis(self.timeout_ms),
            memory_limit: usize::try_from(self.memory_limit_mib << 20).unwrap_or(usize::MAX),
            concurrency,
            module_cache: if self.disable_wasmtime_cache { None } else { ModuleCache::of_user() },
            ..HostOptions::default()
        }
    }
}

impl Definition {
    /// The answer to a request, as the API server would get it.
    pub(super) fn evaluate(&self, request: &Request<'_>) -> Evaluation {
        let evaluation = self.evaluator.evaluate_by(request, Instant::now() + self.timeout);
        let Evaluation { response, mutated_object, failed } = evaluation;
        let message = self.message.as_deref();
        let response = constrain(&self.id, self.mode, self.allowed_to_mutate, message, response);
        let mutated_object = mutated_object.filter(|_| response.patch.is_some());
        Evaluation { response, mutated_object, failed }
    }
}

/// How a policy is spoken to; what a flag says counts more than the metadata.
fn interface(flag: Option<ExecutionMode>, metadata: &Metadata) -> anyhow::Result<Interface> {
    let mode = match flag {
        Some(ExecutionMode::Kubewarden) => "kubewarden-wapc",
        Some(ExecutionMode::Wasi) => "wasi",
        Some(ExecutionMode::Opa) => "opa",
        Some(ExecutionMode::Gatekeeper) => "gatekeeper",
        Some(ExecutionMode::Ferricel) => "ferricel",
        None => metadata.execution_mode.as_str(),
    };
    match (interface_of(mode), mode) {
        (Some(interface), _) => Ok(interface),
        (None, "opa" | "gatekeeper") => bail!(
            "it is written in Rego (execution mode {mode}), which is not run here: kwctl and policy-server run it"
        ),
        (None, other) => bail!("execution mode {other} is not run here: kwctl and policy-server run it"),
    }
}

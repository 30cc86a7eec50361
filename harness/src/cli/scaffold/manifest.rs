//! `harness scaffold manifest`: the custom resource that installs a policy with Kubewarden.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow, bail};
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::Value;

use super::super::source::RegistryArgs;
use crate::Settings;
use crate::metadata::{ContextAwareResource, Metadata, Rule};

const TITLE: &str = "io.kubewarden.policy.title";
/// What else of the metadata's annotations the resource has.
const KEPT: [&str; 2] = ["io.kubewarden.policy.category", "io.kubewarden.policy.severity"];

/// The custom resource that installs a policy with Kubewarden
#[derive(Debug, Args)]
pub(super) struct Manifest {
    /// The policy: a file, file://PATH, https://HOST/PATH, registry://HOST/REPOSITORY:TAG, or the beginning of a stored
    /// policy's SHA-256
    policy: String,

    /// The resource's kind
    #[arg(short = 't', long = "type", value_enum, value_name = "KIND")]
    kind: Kind,

    /// The policy's settings, YAML or JSON
    #[arg(short, long, value_name = "PATH")]
    settings_path: Option<PathBuf>,

    /// The policy's settings as JSON
    #[arg(long, value_name = "JSON")]
    settings_json: Option<String>,

    /// The resource's name [default: the title in the policy's metadata]
    #[arg(long)]
    title: Option<String>,

    /// Grant the Kubernetes objects that the policy's metadata asks for: look at them first
    #[arg(long)]
    allow_context_aware: bool,

    #[command(flatten)]
    registry: RegistryArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
enum Kind {
    #[value(name = "ClusterAdmissionPolicy")]
    ClusterAdmissionPolicy,
    #[value(name = "AdmissionPolicy")]
    AdmissionPolicy,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    api_version: &'static str,
    kind: Kind,
    metadata: ObjectMeta,
    spec: Spec,
}

#[derive(Serialize)]
struct ObjectMeta {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    module: String,
    settings: Value,
    rules: Vec<Rule>,
    mutating: bool,
    #[serde(skip_serializing_if = "is_default")]
    background_audit: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    context_aware_resources: Vec<ContextAwareResource>,
}

fn is_default(background_audit: &bool) -> bool {
    *background_audit
}

impl Manifest {
    pub(super) fn execute(self) -> anyhow::Result<()> {
        let uri = super::super::source::uri_of(&self.policy)?;
        let (wasm, _) = super::super::source::load_stored(&uri, &self.registry)?;
        let metadata =
            Metadata::of_module(&wasm).with_context(|| format!("cannot read the metadata of {uri}"))?;
        let Some(metadata) = metadata else {
            bail!("No Kubewarden metadata found inside of '{uri}': write it with harness annotate");
        };
        metadata.check_fields().with_context(|| format!("cannot use the metadata of {uri}"))?;
        let settings: Value = serde_json::from_str(self.settings()?.json())?;
        let resource = self.resource(module(&uri)?, metadata, settings)?;
        super::super::files::print(&serde_saphyr::to_string(&resource)?)
    }

    fn resource(&self, module: String, metadata: Metadata, settings: Value) -> anyhow::Result<Resource> {
        let annotations = metadata.annotations.unwrap_or_default();
        let name = self.title.clone().or_else(|| annotations.get(TITLE).cloned());
        if let Some(name) = name.as_deref().filter(|name| !tcr::dns::is_subdomain(name)) {
            bail!(
                "Invalid title '{name}'. Must conform to RFC 1123: use lowercase alphanumeric chars, '-' or '.', and start/end with an alphanumeric character."
            );
        }
        let kept = annotations.into_iter().filter(|(name, _)| KEPT.contains(&name.as_str()));
        let asked = metadata.context_aware_resources;
        let context_aware_resources = match (self.kind, self.allow_context_aware) {
            (Kind::AdmissionPolicy, _) => Vec::new(),
            (Kind::ClusterAdmissionPolicy, true) => asked,
            (Kind::ClusterAdmissionPolicy, false) => {
                if !asked.is_empty() {
                    tracing::warn!(
                        "Policy requires access to Kubernetes resources at evaluation time. For safety reasons, the `contextAwareResources` attribute has been left empty; look at them with harness inspect, and use --allow-context-aware."
                    );
                }
                Vec::new()
            }
        };
        Ok(Resource {
            api_version: "policies.kubewarden.io/v1",
            kind: self.kind,
            metadata: ObjectMeta { annotations: kept.collect(), name },
            spec: Spec {
                module,
                settings,
                rules: metadata.rules,
                mutating: metadata.mutating,
                background_audit: metadata.background_audit,
                context_aware_resources,
            },
        })
    }

    fn settings(&self) -> anyhow::Result<Settings> {
        match (&self.settings_path, &self.settings_json) {
            (Some(path), _) => {
                let text = super::super::files::read_text(path)?;
                Settings::parse(&text).with_context(|| format!("cannot read settings {}", path.display()))
            }
            (None, Some(json)) => Settings::parse(json).context("cannot read --settings-json"),
            (None, None) => Ok(Settings::default()),
        }
    }
}

/// A path from the root on, for a file.
fn module(uri: &str) -> anyhow::Result<String> {
    if uri.contains("://") {
        return Ok(uri.to_owned());
    }
    let path =
        std::path::absolute(uri).map_err(|error| anyhow!("cannot find out where {uri} is: {error}"))?;
    Ok(format!("file://{}", path.display()))
}

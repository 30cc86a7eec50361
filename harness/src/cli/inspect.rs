//! `harness inspect`: shows what a policy says about itself, and what its module needs.

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::Value;

use super::source::RegistryArgs;
use crate::metadata::Metadata;
use crate::{Host, HostOptions, ModuleCache, Policy};

/// Show a policy's metadata, imports, exports and size
#[derive(Debug, Args)]
pub struct Inspect {
    /// The policy: a file, file://PATH, https://HOST/PATH, registry://HOST/REPOSITORY:TAG, or the beginning of a stored
    /// policy's SHA-256
    policy: String,

    /// Also the manifest with the policy's sigstore signatures, from its registry; nothing verifies them
    #[arg(long)]
    show_signatures: bool,

    /// How to print it
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,

    #[command(flatten)]
    registry: RegistryArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    Text,
    /// The metadata, as kwctl prints it
    Yaml,
    /// The metadata, imports, exports, digest and size
    Json,
}

/// The metadata, and beside its fields the signatures.
#[derive(Serialize)]
struct Signed<'a> {
    #[serde(flatten)]
    metadata: &'a Metadata,
    #[serde(skip_serializing_if = "Option::is_none")]
    signatures: &'a Option<Value>,
}

#[derive(Debug, Serialize)]
struct Inspection {
    digest: String,
    size: usize,
    metadata: Option<Metadata>,
    imports: Vec<String>,
    exports: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signatures: Option<Value>,
}

impl Inspect {
    pub(super) fn execute(self) -> anyhow::Result<()> {
        let uri = super::source::uri_of(&self.policy)?;
        let (wasm, _) = super::source::load_stored(&uri, &self.registry)?;
        let failed = || format!("cannot inspect {}", self.policy);
        let metadata = Metadata::of_module(&wasm).with_context(failed)?;
        let signatures = if self.show_signatures { self.signatures(&uri)? } else { None };
        if self.output == Output::Yaml {
            // Also of what is not run here.
            return super::files::print(&yaml(metadata.as_ref(), &signatures).with_context(failed)?);
        }
        let options =
            HostOptions { concurrency: 1, module_cache: ModuleCache::of_user(), ..HostOptions::default() };
        let interface = metadata.as_ref().and_then(Metadata::interface).unwrap_or_default();
        let policy = Policy::load_as(&Host::new(options)?, &wasm, interface).with_context(failed)?;
        let inspection = Inspection {
            digest: policy.digest().to_owned(),
            size: wasm.len(),
            metadata,
            imports: policy.imports(),
            exports: policy.exports(),
            signatures,
        };
        super::files::print(&match self.output {
            Output::Text | Output::Yaml => text(&inspection)?,
            Output::Json => serde_json::to_string_pretty(&inspection)? + "\n",
        })
    }
}

impl Inspect {
    fn signatures(&self, uri: &str) -> anyhow::Result<Option<Value>> {
        if !uri.starts_with("registry://") {
            bail!("cannot show the signatures of {uri}: only registries have them");
        }
        Ok(super::source::runtime()?.block_on(self.registry.registry()?.signatures(uri))?)
    }
}

fn yaml(metadata: Option<&Metadata>, signatures: &Option<Value>) -> anyhow::Result<String> {
    let Some(metadata) = metadata else {
        bail!("No Kubewarden metadata found inside of it: write it with harness annotate");
    };
    Ok(serde_saphyr::to_string(&Signed { metadata, signatures })?)
}

fn text(inspection: &Inspection) -> anyhow::Result<String> {
    let Inspection { digest, size, metadata, imports, exports, signatures } = inspection;
    let metadata = match metadata {
        None => "none: harness annotate writes it\n".to_owned(),
        Some(metadata) => {
            let yaml = serde_saphyr::to_string(metadata)?;
            let lines: String = yaml.lines().map(|line| format!("  {line}\n")).collect();
            format!("\n{lines}")
        }
    };
    let list = |names: &[String]| names.iter().map(|name| format!("  {name}\n")).collect::<String>();
    let signatures = match signatures {
        None => String::new(),
        Some(manifest) => format!("signatures\n{}", serde_saphyr::to_string(manifest)?),
    };
    Ok(format!(
        "digest    {digest}\nsize      {size} bytes\nmetadata  {metadata}imports\n{}exports\n{}{signatures}",
        list(imports),
        list(exports)
    ))
}

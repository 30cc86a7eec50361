//! `harness inspect`: shows what a policy says about itself, and what its module needs.

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::source::RegistryArgs;
use crate::metadata::Metadata;
use crate::{Host, HostOptions, ModuleCache, Policy};

/// Show a policy's metadata, imports, exports and size
#[derive(Debug, Args)]
pub struct Inspect {
    /// The policy: a file, file://PATH or registry://HOST/REPOSITORY:TAG
    policy: String,

    /// How to print it
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,

    #[command(flatten)]
    registry: RegistryArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Yaml,
    Json,
}

#[derive(Debug, Serialize)]
struct Inspection {
    digest: String,
    size: usize,
    metadata: Option<Metadata>,
    imports: Vec<String>,
    exports: Vec<String>,
}

impl Inspect {
    pub(super) fn execute(self) -> anyhow::Result<()> {
        let (wasm, _) = super::source::load(&self.policy, &self.registry)?;
        let failed = || format!("cannot inspect {}", self.policy);
        let options =
            HostOptions { concurrency: 1, module_cache: ModuleCache::of_user(), ..HostOptions::default() };
        let policy = Policy::load(&Host::new(options)?, &wasm).with_context(failed)?;
        let inspection = Inspection {
            digest: policy.digest().to_owned(),
            size: wasm.len(),
            metadata: Metadata::of_module(&wasm).with_context(failed)?,
            imports: policy.imports(),
            exports: policy.exports(),
        };
        super::print(&match self.output {
            Output::Text => text(&inspection)?,
            Output::Yaml => serde_saphyr::to_string(&inspection)?,
            Output::Json => serde_json::to_string_pretty(&inspection)? + "\n",
        })
    }
}

fn text(inspection: &Inspection) -> anyhow::Result<String> {
    let Inspection { digest, size, metadata, imports, exports } = inspection;
    let metadata = match metadata {
        None => "none: harness annotate writes it\n".to_owned(),
        Some(metadata) => {
            let yaml = serde_saphyr::to_string(metadata)?;
            let lines: String = yaml.lines().map(|line| format!("  {line}\n")).collect();
            format!("\n{lines}")
        }
    };
    let list = |names: &[String]| names.iter().map(|name| format!("  {name}\n")).collect::<String>();
    Ok(format!(
        "digest    {digest}\nsize      {size} bytes\nmetadata  {metadata}imports\n{}exports\n{}",
        list(imports),
        list(exports)
    ))
}

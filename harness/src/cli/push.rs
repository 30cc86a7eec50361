//! `harness push`: puts a policy into a registry.

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};

use super::source::RegistryArgs;
use crate::metadata::Metadata;

/// Push a policy to a registry, laid out as Kubewarden expects it
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  harness push policy.wasm registry://registry.example.com/policies/tcr:v1\n\n\
    Prints the reference by digest. Sign it with cosign, if it shall be signed."
)]
pub struct Push {
    /// The annotated module: a file, a URI, or the beginning of a stored policy's SHA-256
    policy: String,

    /// Where to: registry://HOST/REPOSITORY:TAG; registry:// may be left out
    uri: String,

    /// Push a module without metadata, which Kubewarden will not run
    #[arg(short, long)]
    force: bool,

    /// How to print the reference
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,

    #[command(flatten)]
    registry: RegistryArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

impl Push {
    pub(super) fn execute(self) -> anyhow::Result<()> {
        let failed = || format!("cannot push {}", self.policy);
        let (wasm, _) = super::source::load_stored(&self.policy, &self.registry)?;
        let metadata = Metadata::of_module(&wasm).with_context(failed)?;
        if metadata.is_none() && !self.force {
            bail!(
                "cannot push {}: it has no metadata; write it with harness annotate, or use --force",
                self.policy
            );
        }
        let annotations = metadata.and_then(|metadata| metadata.annotations).unwrap_or_default();
        let registry = self.registry.registry()?;
        let uri = match self.uri.contains("://") {
            true => self.uri,
            false => format!("registry://{}", self.uri),
        };
        let reference = super::source::runtime()?.block_on(registry.push(&uri, wasm, annotations))?;
        super::files::print(&match self.output {
            Output::Text => format!("{reference}\n"),
            Output::Json => format!("{}\n", serde_json::json!({ "immutable_ref": reference })),
        })
    }
}

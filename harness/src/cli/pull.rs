//! `harness pull`: gets a policy from a registry.

use std::path::PathBuf;

use clap::Args;

use super::source::RegistryArgs;

/// Pull a policy from a registry into a file; its digest is checked
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  harness pull registry://registry.example.com/policies/tcr@sha256:1234... -o policy.wasm"
)]
pub struct Pull {
    /// Where from: registry://HOST/REPOSITORY:TAG or registry://HOST/REPOSITORY@sha256:DIGEST
    uri: String,

    /// Where to write the module
    #[arg(short, long, value_name = "PATH")]
    output_path: PathBuf,

    #[command(flatten)]
    registry: RegistryArgs,
}

impl Pull {
    pub(super) fn execute(self) -> anyhow::Result<()> {
        let pulled = super::source::runtime()?.block_on(self.registry.registry()?.pull(&self.uri))?;
        super::write(&self.output_path, &pulled.wasm)?;
        super::print(&format!("{}\n", pulled.reference))
    }
}

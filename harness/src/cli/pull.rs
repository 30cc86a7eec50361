//! `harness pull`: gets a policy from a registry or a web server.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::Args;

use super::source::RegistryArgs;
use crate::store::{Store, normalized};

/// Pull a policy into a file or into the store; what a registry sends is checked by its digest
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  harness pull registry://registry.example.com/policies/tcr@sha256:1234... -o policy.wasm
  harness pull https://example.com/releases/v1/policy.wasm      into the store, from which run, bench and inspect take it")]
pub struct Pull {
    /// Where from: registry://HOST/REPOSITORY:TAG, registry://HOST/REPOSITORY@sha256:DIGEST, or https://HOST/PATH
    uri: String,

    /// Where to write the module [default: the store, which is kwctl's: ~/.cache/kubewarden/store]
    #[arg(short, long, value_name = "PATH")]
    output_path: Option<PathBuf>,

    #[command(flatten)]
    registry: RegistryArgs,
}

impl Pull {
    pub(super) fn execute(self) -> anyhow::Result<()> {
        let uri = normalized(&self.uri);
        let (wasm, reference) = match uri.starts_with("https://") || uri.starts_with("http://") {
            true => (super::source::load(&uri, &self.registry)?.0, uri.clone()),
            false => {
                let registry = self.registry.registry()?;
                let pulled = super::source::runtime()?.block_on(registry.pull(&uri))?;
                (pulled.wasm, pulled.reference)
            }
        };
        match self.output_path {
            Some(path) => super::files::write(&path, &wasm)?,
            None => {
                let store = Store::of_user()
                    .ok_or_else(|| anyhow!("cannot find the store: give --output-path, or set HOME"))?;
                store.write(&uri, &wasm).with_context(|| format!("cannot keep {uri} in the store"))?;
            }
        }
        super::files::print(&format!("{reference}\n"))
    }
}

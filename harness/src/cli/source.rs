//! Where a policy comes from: a file, or a registry.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;

use crate::registry::{Credentials, Registry, Sources};

/// How registries are reached.
#[derive(Debug, Args)]
pub(super) struct RegistryArgs {
    /// The config.json with registry credentials, or its folder (default: $DOCKER_CONFIG, then ~/.docker)
    #[arg(long, value_name = "PATH")]
    docker_config_json_path: Option<PathBuf>,

    /// A sources.yaml: insecure_sources, and source_authorities with further CA certificates
    #[arg(long, value_name = "PATH")]
    sources_path: Option<PathBuf>,
}

impl RegistryArgs {
    pub(super) fn registry(&self) -> anyhow::Result<Registry> {
        let sources = match &self.sources_path {
            None => Sources::default(),
            Some(path) => {
                let failed = || format!("cannot read sources {}", path.display());
                Sources::parse(&super::read_text(path)?).with_context(failed)?
            }
        };
        let credentials = Credentials::find(self.docker_config_json_path.as_deref())?;
        Ok(Registry::new(sources, credentials))
    }
}

/// A policy's bytes, and a short name for it in logs.
pub(super) fn load(policy: &str, registry: &RegistryArgs) -> anyhow::Result<(Vec<u8>, String)> {
    if policy.starts_with("registry://") {
        let pulled = runtime()?.block_on(registry.registry()?.pull(policy))?;
        return Ok((pulled.wasm, policy.to_owned()));
    }
    if let Some((scheme, _)) = policy.split_once("://").filter(|(scheme, _)| *scheme != "file") {
        bail!("cannot read {policy}: scheme \"{scheme}\" is neither file nor registry");
    }
    let path = Path::new(policy.strip_prefix("file://").unwrap_or(policy));
    let name = path.file_stem().map_or_else(|| policy.to_owned(), |stem| stem.to_string_lossy().into_owned());
    Ok((super::read(path)?, name))
}

/// What the registry client runs on; nothing else here is asynchronous.
pub(super) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime for network calls")
}

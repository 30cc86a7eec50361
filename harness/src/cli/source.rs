//! Where a policy comes from: a file, a web server, a registry, or the store of those that were pulled.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;

use crate::host_capabilities::online::OpenRegistry;
use crate::registry::download::download;
use crate::registry::{Credentials, Registry, Sources};
use crate::store::{Store, normalized};

/// How registries and web servers are reached.
#[derive(Debug, Clone, Args)]
pub(super) struct RegistryArgs {
    /// The config.json with registry credentials, or its folder (default: $DOCKER_CONFIG, then ~/.docker)
    #[arg(long, value_name = "PATH")]
    docker_config_json_path: Option<PathBuf>,

    /// A sources.yaml: insecure_sources, source_authorities with further CA certificates, and proxies
    #[arg(long, value_name = "PATH")]
    sources_path: Option<PathBuf>,
}

impl RegistryArgs {
    pub(super) fn registry(&self) -> anyhow::Result<Registry> {
        let credentials = Credentials::find(self.docker_config_json_path.as_deref())?;
        Ok(Registry::new(self.sources()?, credentials))
    }

    /// Makes the same when it is needed.
    pub(super) fn open(&self) -> OpenRegistry {
        let arguments = self.clone();
        Box::new(move || arguments.registry().map_err(|error| format!("{error:#}")))
    }

    fn sources(&self) -> anyhow::Result<Sources> {
        match &self.sources_path {
            None => Ok(Sources::default()),
            Some(path) => {
                let failed = || format!("cannot read sources {}", path.display());
                Sources::parse(&super::files::read_text(path)?).with_context(failed)
            }
        }
    }
}

/// A policy's bytes, and a short name for it in logs.
pub(super) fn load(policy: &str, registry: &RegistryArgs) -> anyhow::Result<(Vec<u8>, String)> {
    match policy.split_once("://") {
        Some(("registry", _)) => {
            let pulled = runtime()?.block_on(registry.registry()?.pull(policy))?;
            return Ok((pulled.wasm, policy.to_owned()));
        }
        Some(("https" | "http", _)) => {
            let wasm = runtime()?.block_on(download(policy, &registry.sources()?))?;
            return Ok((wasm, policy.to_owned()));
        }
        Some(("file", _)) | None => {}
        Some((scheme, _)) => {
            bail!("cannot read {policy}: scheme \"{scheme}\" is none of file, https and registry");
        }
    }
    let path = Path::new(policy.strip_prefix("file://").unwrap_or(policy));
    let name = path.file_stem().map_or_else(|| policy.to_owned(), |stem| stem.to_string_lossy().into_owned());
    Ok((super::files::read(path)?, name))
}

/// The same for people: what was pulled before is taken from the store, and what is pulled is kept there. The beginning of
/// a stored policy's SHA-256 names it too.
pub(super) fn load_stored(policy: &str, registry: &RegistryArgs) -> anyhow::Result<(Vec<u8>, String)> {
    let uri = uri_of(policy)?;
    let Some(store) = Store::of_user().filter(|_| is_remote(&uri)) else { return load(&uri, registry) };
    if let Some(wasm) = store.read(&uri)? {
        tracing::info!("{uri} is taken from the store; harness pull gets it anew");
        return Ok((wasm, uri));
    }
    let (wasm, name) = load(&uri, registry)?;
    if let Err(error) = store.write(&uri, &wasm) {
        tracing::info!("cannot keep {uri} in the store: {error}");
    }
    Ok((wasm, name))
}

/// The policy that an argument names: a URI or a path as it is, or a stored policy's URI.
pub(super) fn uri_of(policy: &str) -> anyhow::Result<String> {
    if policy.contains("://") {
        return Ok(normalized(policy));
    }
    let is_hex = policy.len() >= 4 && policy.bytes().all(|byte| byte.is_ascii_hexdigit());
    match (is_hex && !Path::new(policy).exists(), Store::of_user()) {
        (true, Some(store)) => Ok(store.by_digest(&policy.to_ascii_lowercase())?),
        _ => Ok(policy.to_owned()),
    }
}

pub(super) fn is_remote(uri: &str) -> bool {
    ["registry://", "https://", "http://"].iter().any(|scheme| uri.starts_with(scheme))
}

/// What the registry client runs on; nothing else here is asynchronous.
pub(super) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime for network calls")
}

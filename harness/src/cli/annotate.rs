//! `harness annotate`: writes a policy's metadata into its module.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::Args;

use crate::metadata::used_capabilities::{Mismatch, mismatch};
use crate::metadata::{Metadata, USAGE_ANNOTATION};
use crate::{Host, HostOptions, Policy};

/// Write metadata into a policy, as `kwctl annotate` does
///
/// The module's other bytes stay as they are, and annotating again replaces what was written before.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  harness annotate raw.wasm -m metadata.yml -u README.md -o policy.wasm")]
pub struct Annotate {
    /// The module
    wasm: PathBuf,

    /// The metadata, YAML
    #[arg(short, long, value_name = "PATH")]
    metadata_path: PathBuf,

    /// Where to write the annotated module
    #[arg(short, long, value_name = "PATH")]
    output_path: PathBuf,

    /// The policy's manual, kept as the annotation io.kubewarden.policy.usage
    #[arg(short, long, value_name = "PATH")]
    usage_path: Option<PathBuf>,
}

impl Annotate {
    pub(super) fn execute(self) -> anyhow::Result<()> {
        let Self { wasm: path, metadata_path, output_path, usage_path } = self;
        let failed = || format!("cannot annotate {}", path.display());
        let wasm = super::files::read(&path)?;
        let bad_metadata = || format!("cannot use metadata {}", metadata_path.display());
        let mut metadata =
            Metadata::parse(&super::files::read_text(&metadata_path)?).with_context(bad_metadata)?;
        if let Some(usage_path) = usage_path {
            let usage = super::files::read_text(&usage_path)?;
            metadata.annotations.get_or_insert_default().insert(USAGE_ANNOTATION.into(), usage);
        }
        metadata.sign();
        let host = Host::new(HostOptions { concurrency: 1, ..HostOptions::default() })?;
        let interface = metadata.interface().unwrap_or_default();
        let policy = Policy::load_as(&host, &wasm, interface).with_context(failed)?;
        let version = policy
            .protocol_version()
            .map_err(|reason| anyhow!("cannot ask the policy for its protocol version: {reason}"))
            .with_context(failed)?;
        metadata.protocol_version = Some(version);
        metadata.check().with_context(bad_metadata)?;
        warn_of(&mismatch(&wasm, &metadata).with_context(failed)?, &metadata);
        super::files::write(&output_path, &metadata.write_into(&wasm).with_context(failed)?)
    }
}

/// In kwctl's words.
fn warn_of(mismatch: &Mismatch, metadata: &Metadata) {
    let Mismatch { undeclared, unused } = mismatch;
    if !undeclared.is_empty() {
        tracing::warn!(
            capabilities = ?undeclared,
            "host capabilities used by the policy but not declared in metadata"
        );
    }
    if metadata.host_capabilities.iter().flatten().any(|pattern| pattern == "*") {
        tracing::warn!(
            "metadata declares all host capabilities (*); consider restricting to only the capabilities actually used by the policy"
        );
    } else if !unused.is_empty() {
        tracing::warn!(
            capabilities = ?unused,
            "host capabilities declared in metadata but not detected in the policy"
        );
    }
}

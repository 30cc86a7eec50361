//! What a policy may ask its host during a command, and who answers.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use clap::Args;
use serde_json::Value;
use tokio::runtime::Runtime;

use super::source::RegistryArgs;
use crate::document;
use crate::host_capabilities::kubernetes::Cluster;
use crate::host_capabilities::objects::Objects;
use crate::host_capabilities::online::Online;
use crate::host_capabilities::recording::Recorder;
use crate::host_capabilities::session::Session;
use crate::host_capabilities::{ContextAwareResource, GrantPattern, HostCapabilities};
use crate::metadata::Metadata;

#[derive(Debug, Clone, Args)]
pub(super) struct HostCapabilityArgs {
    /// Let the policy read the Kubernetes objects its metadata asks for: those of the cluster of KUBECONFIG or
    /// ~/.kube/config, or of --objects, or of a recorded session
    #[arg(long)]
    allow_context_aware: bool,

    /// The host capabilities the policy may use: *, oci/*, kubernetes/get_resource, ...; several may follow
    #[arg(long, value_name = "PATTERN", value_delimiter = ',', num_args = 0.., default_value = "*")]
    allowed_host_capabilities: Vec<GrantPattern>,

    /// Answer the policy's questions to its host from a recorded session (kwctl's YAML)
    #[arg(long, value_name = "PATH", conflicts_with_all = ["objects", "record_host_capabilities_interactions"])]
    replay_host_capabilities_interactions: Option<PathBuf>,

    /// Write the policy's questions to its host and the answers into a file that can be replayed
    #[arg(long, value_name = "PATH")]
    record_host_capabilities_interactions: Option<PathBuf>,

    /// The cluster that the policy reads: a file of manifests, or a folder of such files (*.yaml, *.yml, *.json)
    #[arg(long, value_name = "PATH")]
    objects: Option<PathBuf>,
}

/// Who answers a policy's questions while it lives.
pub(super) struct Answering {
    pub(super) capabilities: Arc<dyn HostCapabilities>,
    session: Option<Arc<Session>>,
    recorder: Option<(Arc<Recorder>, PathBuf)>,
    /// What registries and the cluster are asked on.
    _runtime: Option<Runtime>,
}

impl HostCapabilityArgs {
    /// The operations that are granted.
    pub(super) fn operations(&self) -> Vec<GrantPattern> {
        self.allowed_host_capabilities.clone()
    }

    /// The kinds of objects that are granted to a policy by its metadata.
    pub(super) fn kinds(&self, metadata: &Metadata) -> Vec<ContextAwareResource> {
        if self.allow_context_aware {
            return metadata.context_aware_resources.clone();
        }
        if !metadata.context_aware_resources.is_empty() {
            tracing::info!(
                "the policy's metadata asks for Kubernetes objects; --allow-context-aware grants them"
            );
        }
        Vec::new()
    }

    /// Opens what answers. `reads_cluster` is whether any policy was granted something of a cluster.
    pub(super) fn open(&self, registry: &RegistryArgs, reads_cluster: bool) -> anyhow::Result<Answering> {
        if let Some(path) = &self.replay_host_capabilities_interactions {
            let failed = || format!("cannot read session {}", path.display());
            let session = Arc::new(Session::parse(&super::files::read_text(path)?).with_context(failed)?);
            let capabilities = session.clone();
            return Ok(Answering { capabilities, session: Some(session), recorder: None, _runtime: None });
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("cannot start the runtime for network calls")?;
        let cluster: Option<Arc<dyn HostCapabilities>> = match (&self.objects, reads_cluster) {
            (Some(path), _) => Some(Arc::new(Objects::new(objects(path)?))),
            (None, true) => {
                let client = runtime.block_on(crate::serve::cluster::client());
                let client = client.context(
                    "the policy reads Kubernetes objects; --objects gives them without a cluster, and so does a recorded session",
                )?;
                let _inside = runtime.enter();
                Some(Arc::new(Cluster::new(client)))
            }
            (None, false) => None,
        };
        let online = Online::new(runtime.handle().clone(), registry.open(), cluster);
        let mut capabilities: Arc<dyn HostCapabilities> = Arc::new(online);
        let recorder = self.record_host_capabilities_interactions.clone().map(|path| {
            let recorder = Arc::new(Recorder::new(capabilities.clone()));
            capabilities = recorder.clone();
            (recorder, path)
        });
        Ok(Answering { capabilities, session: None, recorder, _runtime: Some(runtime) })
    }
}

impl Answering {
    /// Whether answers come in an order, so that one evaluation at a time is all there can be.
    pub(super) fn is_in_order(&self) -> bool {
        self.session.is_some()
    }

    /// A session begins again with each evaluation.
    pub(super) fn rewind(&self) {
        if let Some(session) = &self.session {
            session.rewind();
        }
    }

    /// Writes what was recorded.
    pub(super) fn finish(&self) -> anyhow::Result<()> {
        let Some((recorder, path)) = &self.recorder else { return Ok(()) };
        let failed = || format!("cannot record into {}", path.display());
        let session = recorder.to_yaml().map_err(|reason| anyhow!(reason)).with_context(failed)?;
        super::files::write(path, session.as_bytes())
    }
}

/// The objects of a file of manifests, or of a folder of such files; of a `List`, its items.
fn objects(path: &Path) -> anyhow::Result<Vec<Value>> {
    let mut objects = Vec::new();
    for file in super::test::files_of(path)? {
        let failed = || format!("cannot read the objects of {}", file.display());
        for document in document::read(&super::files::read_text(&file)?).with_context(failed)? {
            let mut object: Value = serde_json::from_str(document.json()).with_context(failed)?;
            if !object["apiVersion"].is_string() || !object["kind"].is_string() {
                return Err(anyhow!("an object has no apiVersion or no kind")).with_context(failed);
            }
            let is_list = object["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
            match object.get_mut("items").map(Value::take) {
                Some(Value::Array(items)) if is_list => objects.extend(items),
                _ => objects.push(object),
            }
        }
    }
    Ok(objects)
}

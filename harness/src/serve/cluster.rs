//! The sources of host capabilities: registries, DNS, and the API server, which is found when the first
//! policy needs it.

use std::sync::Arc;

use anyhow::Context as _;
use tokio::runtime::Handle;
use tokio::sync::OnceCell;

use crate::host_capabilities::HostCapabilities;
use crate::host_capabilities::kubernetes::Cluster;
use crate::host_capabilities::online::{Online, OpenRegistry};
use crate::policies_file::Served;

/// Reaches the API server of KUBECONFIG, `~/.kube/config` or the Pod around.
#[derive(Default)]
pub struct ClusterAccess {
    cluster: OnceCell<Arc<dyn HostCapabilities>>,
    /// Whether policies are served too when there is none to be found.
    ignores_failure: bool,
}

impl ClusterAccess {
    /// One that has not been looked for.
    pub fn new(ignores_failure: bool) -> Self {
        Self { cluster: OnceCell::new(), ignores_failure }
    }

    /// The host capabilities of these policies.
    ///
    /// # Errors
    /// One of them reads Kubernetes' objects, and no API server is known.
    pub(super) async fn capabilities(
        &self,
        served: impl Iterator<Item = (&str, &Served)>,
        registry: OpenRegistry,
    ) -> anyhow::Result<Arc<dyn HostCapabilities>> {
        let cluster = self.of(served).await?;
        Ok(Arc::new(Online::new(Handle::current(), registry, cluster)))
    }

    async fn of(
        &self,
        mut served: impl Iterator<Item = (&str, &Served)>,
    ) -> anyhow::Result<Option<Arc<dyn HostCapabilities>>> {
        if let Some(cluster) = self.cluster.get() {
            return Ok(Some(cluster.clone()));
        }
        let reads = |served: &Served| served.sources().iter().any(|source| !source.grants.kinds.is_empty());
        let Some((id, _)) = served.find(|(_, served)| reads(served)) else { return Ok(None) };
        let connect = async || client().await.map(|client| Arc::new(Cluster::new(client)) as _);
        match self.cluster.get_or_try_init(connect).await {
            Ok(cluster) => Ok(Some(cluster.clone())),
            Err(error) if self.ignores_failure => {
                tracing::warn!("serving without the cluster: {error:#}");
                Ok(None)
            }
            Err(error) => Err(error.context(format!("policy {id} reads Kubernetes objects"))),
        }
    }
}

/// A client of that API server.
///
/// # Errors
/// None is known, or its CA or credential cannot be read.
pub async fn client() -> anyhow::Result<kube::Client> {
    let config = kube::Config::infer().await.context("cannot find out how to reach the API server")?;
    kube::Client::try_from(config).context("cannot make a client of the API server")
}

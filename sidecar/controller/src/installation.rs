//! Which installation this is, as the cloud tells them apart.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::{Api, Client};
use tcr::backoff::Backoff;

use super::DEADLINE;
use credential_plan::plan;
use kubernetes::api_error::{ApiError, within};

/// The namespace whose uid is the cluster's own: Kubernetes makes it, and nobody restores it into another cluster.
const NAMESPACE: &str = "kube-system";
/// The wait between two tries.
const RETRY: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(10));

/// The installation. Tried until it is known: without it nobody could tell what at the cloud is ours.
pub(super) async fn obtain(client: &Client) -> Arc<str> {
    let namespaces = Api::<Namespace>::all(client.clone());
    let mut failures = 0;
    loop {
        match once(&namespaces).await {
            Ok(uid) => return plan::installation_of(&uid).into(),
            Err(error) => {
                tracing::warn!(%error, "cannot read the uid of namespace {NAMESPACE}; trying again");
            }
        }
        tokio::time::sleep(RETRY.wait(failures)).await;
        failures = failures.saturating_add(1);
    }
}

async fn once(namespaces: &Api<Namespace>) -> Result<String, ApiError> {
    // Listed, because the controller may list namespaces and not get them.
    let only = ListParams::default().fields(&format!("metadata.name={NAMESPACE}"));
    let found = within(DEADLINE, namespaces.list_metadata(&only)).await?.items.pop();
    let uid = found.and_then(|namespace| namespace.metadata.uid).filter(|uid| !uid.is_empty());
    uid.ok_or_else(|| ApiError::Other(format!("namespace {NAMESPACE} has no uid")))
}

//! Which installation this is, as the cloud tells them apart.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::{Api, Client};

use super::settings::DEADLINE;
use super::until_known::until_known;
use credential_plan::plan;
use kubernetes::api_error::{ApiError, within};

/// The namespace whose uid is the cluster's own: Kubernetes makes it, and nobody restores it into another cluster.
const NAMESPACE: &str = "kube-system";

/// The installation. Tried until it is known: without it nobody could tell what at the cloud is ours.
pub(super) async fn obtain(client: &Client) -> Arc<str> {
    let namespaces = Api::<Namespace>::all(client.clone());
    let what = format!("read the uid of namespace {NAMESPACE}");
    let uid = until_known(&what, async || once(&namespaces).await).await;
    plan::installation_of(&uid).into()
}

async fn once(namespaces: &Api<Namespace>) -> Result<String, ApiError> {
    // Listed, because the controller may list namespaces and not get them.
    let only = ListParams::default().fields(&format!("metadata.name={NAMESPACE}"));
    let found = within(DEADLINE, namespaces.list_metadata(&only)).await?.items.pop();
    let uid = found.and_then(|namespace| namespace.metadata.uid).filter(|uid| !uid.is_empty());
    uid.ok_or_else(|| ApiError::Other(format!("namespace {NAMESPACE} has no uid")))
}

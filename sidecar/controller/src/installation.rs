//! The id of this installation, which distinguishes its credentials at the cloud.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::{Api, Client};

use super::settings::DEADLINE;
use super::until_known::until_known;
use credential_plan::plan;
use kubernetes::api_error::{ApiError, within};

/// The namespace whose uid identifies the cluster: Kubernetes creates it, and no backup tool restores it into
/// another cluster.
const NAMESPACE: &str = "kube-system";

/// The id of the installation, tried until it is known: without it no credential at the cloud could be
/// recognised as ours.
pub(super) async fn obtain(client: &Client) -> Arc<str> {
    let namespaces = Api::<Namespace>::all(client.clone());
    let what = format!("read the uid of namespace {NAMESPACE}");
    let uid = until_known(&what, async || once(&namespaces).await).await;
    plan::installation_of(&uid).into()
}

async fn once(namespaces: &Api<Namespace>) -> Result<String, ApiError> {
    // A list, because the controller may list namespaces and not get them.
    let only = ListParams::default().fields(&format!("metadata.name={NAMESPACE}"));
    let found = within(DEADLINE, namespaces.list_metadata(&only)).await?.items.pop();
    let uid = found.and_then(|namespace| namespace.metadata.uid).filter(|uid| !uid.is_empty());
    uid.ok_or_else(|| ApiError::Other(format!("namespace {NAMESPACE} has no uid")))
}

//! For each kind a dry run of a write that RBAC allows and the kind's policy refuses.

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::{ConfigMap, Node, Pod, Secret, ServiceAccount};
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::core::{NamespaceResourceScope, ObjectMeta, Status};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::json;
use tcr::names::{CONTROLLER_SERVICE_ACCOUNT, HOSTS_UPDATER, SYSTEM_NAMESPACE, VALIDATING_WEBHOOK};
use tcr::write_limits::Kind;

use custom_resource::ImagePullSecret;
use kubernetes::api_error::{ApiError, within};

use super::DEADLINE;

/// The object or annotation that a dry run names, which does not exist.
const DRY_RUN_NAME: &str = "tcr-assistant-write-limits-trial";

/// Makes the dry runs.
pub(super) struct DryRuns {
    client: Client,
}

impl DryRuns {
    pub(super) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Tries to write what the policy of `kind` refuses. Where there is no object for a dry run, the result
    /// is "not found", as from the API server.
    pub(super) async fn forbidden(&self, kind: Kind) -> Result<(), ApiError> {
        match kind {
            Kind::Secrets => {
                let metadata = ObjectMeta { name: Some(DRY_RUN_NAME.to_owned()), ..ObjectMeta::default() };
                let type_ = Some("Opaque".to_owned());
                self.create(&Secret { metadata, type_, ..Secret::default() }).await
            }
            Kind::ConfigMaps => {
                let metadata = ObjectMeta { name: Some(DRY_RUN_NAME.to_owned()), ..ObjectMeta::default() };
                self.create(&ConfigMap { metadata, ..ConfigMap::default() }).await
            }
            Kind::ServiceAccounts => {
                annotate(&self.of_system::<ServiceAccount>(), CONTROLLER_SERVICE_ACCOUNT).await
            }
            Kind::Webhooks => {
                let webhooks: Api<ValidatingWebhookConfiguration> = Api::all(self.client.clone());
                annotate(&webhooks, VALIDATING_WEBHOOK).await
            }
            Kind::Pods => {
                let pods = self.of_system::<Pod>();
                annotate(&pods, &first(&pods).await?).await
            }
            Kind::Nodes => {
                annotate(&Api::<Node>::all(self.client.clone()), &self.node_of_an_agent().await?).await
            }
            Kind::ImagePullSecrets => {
                let objects: Api<ImagePullSecret> = Api::all(self.client.clone());
                annotate(&objects, &first(&objects).await?).await
            }
        }
    }

    /// A node that runs an agent: the controller may not list nodes.
    async fn node_of_an_agent(&self) -> Result<String, ApiError> {
        let agents =
            ListParams::default().labels(&format!("app.kubernetes.io/component={HOSTS_UPDATER}")).limit(5);
        let found = within(DEADLINE, self.of_system::<Pod>().list(&agents)).await?;
        let mut nodes = found.items.into_iter().filter_map(|pod| pod.spec?.node_name);
        nodes.next().ok_or_else(nothing)
    }

    fn of_system<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), SYSTEM_NAMESPACE)
    }

    async fn create<K>(&self, object: &K) -> Result<(), ApiError>
    where
        K: Resource<Scope = NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + DeserializeOwned
            + serde::Serialize,
        K::DynamicType: Default,
    {
        let dry = PostParams { dry_run: true, ..PostParams::default() };
        within(DEADLINE, self.of_system::<K>().create(&dry, object)).await.map(drop)
    }
}

async fn annotate<K>(api: &Api<K>, name: &str) -> Result<(), ApiError>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    let patch = Patch::Merge(json!({"metadata": {"annotations": {DRY_RUN_NAME: "true"}}}));
    let dry = PatchParams { dry_run: true, ..PatchParams::default() };
    within(DEADLINE, api.patch_metadata(name, &dry, &patch)).await.map(drop)
}

/// The name of any object. Only metadata are read: an object of another owner may be large.
async fn first<K>(api: &Api<K>) -> Result<String, ApiError>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    let found = within(DEADLINE, api.list_metadata(&ListParams::default().limit(1))).await?;
    found.items.into_iter().find_map(|object| object.metadata.name).ok_or_else(nothing)
}

/// The error in the API server's form.
fn nothing() -> ApiError {
    let status = Status { code: 404, reason: "NotFound".to_owned(), ..Status::default() };
    ApiError::Refused(status.boxed())
}

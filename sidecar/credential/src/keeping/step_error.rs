//! Why a step did not succeed, and how users are told.

use tcr::image_pull_secret::CredentialKind;
use tcr::registry_host::RegistryHost;
use tcr::resource_id::main_instance_id;

use credential_plan::Key;
use custom_resource::condition::ConditionReason;
use kubernetes::api_error::ApiError;
use tencent_cloud::error::{CloudError, Refusal};
use tencent_cloud::instance::{Instance, Readiness};

/// Why a step did not succeed.
pub(crate) enum StepError {
    Cloud(Box<CloudError>),
    Api(ApiError),
    Instance { reason: ConditionReason, message: String },
}

impl From<CloudError> for StepError {
    fn from(error: CloudError) -> Self {
        Self::Cloud(Box::new(error))
    }
}

impl From<ApiError> for StepError {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl StepError {
    /// Another process wrote meanwhile, which is no failure: what it wrote is read.
    pub(crate) fn is_overtaken(&self) -> bool {
        matches!(self, Self::Api(ApiError::Overtaken))
    }

    /// The Secret could not be read or written.
    pub(crate) fn is_of_store(&self) -> bool {
        matches!(self, Self::Api(_))
    }

    /// Whether the cloud does not know who signs.
    pub(crate) fn is_unknown_key(&self) -> bool {
        matches!(self, Self::Cloud(error) if error.refusal() == Some(Refusal::UnknownKey))
    }

    /// The reason and the message of the condition; none where nothing stands in the way. `refused`: what the registry says
    /// to the credential in use, where it no longer lets it in.
    pub(crate) fn condition(&self, key: &Key, refused: Option<&str>) -> Option<(ConditionReason, String)> {
        match self {
            Self::Api(ApiError::Overtaken) => None,
            Self::Api(error) => {
                Some((ConditionReason::StoreFailed, format!("cannot keep the credential in {key}: {error}")))
            }
            Self::Cloud(error) => {
                let reason = match error.refusal() {
                    Some(Refusal::UnknownKey) => return Some(unknown_key(key, error, refused)),
                    Some(Refusal::Role) => ConditionReason::RoleRefused,
                    Some(Refusal::NoRoom) => ConditionReason::QuotaExceeded,
                    Some(Refusal::NotSwitchedOn) => ConditionReason::ServiceAccountsUnavailable,
                    None => ConditionReason::CloudFailed,
                };
                Some((reason, error.to_string()))
            }
            Self::Instance { reason, message } => Some((*reason, message.clone())),
        }
    }
}

/// What is said where the cloud does not know who signs. A token is its CAM user's and ends with that one, which only the
/// registry shows; a service account is the instance's.
fn unknown_key(key: &Key, error: &CloudError, refused: Option<&str>) -> (ConditionReason, String) {
    const WAY: &str = "give the controller the key of a user that stays, or set credential.type to serviceAccount, whose \
                       accounts are the instance's and outlive people";
    match (key.kind, refused) {
        (CredentialKind::ServiceAccount | CredentialKind::None, _) => {
            let rest = "the service account in use goes on pulling, and is not renewed: give the controller the key of \
                        another user before it ends";
            (ConditionReason::ApiKeyUnknown, format!("{error}; {rest}"))
        }
        (_, Some(refused)) => (
            ConditionReason::CamUserGone,
            format!(
                "its CAM user was deleted or disabled: {refused}, and the key is not known either ({error}); {WAY}"
            ),
        ),
        (_, None) => {
            let rest = "if its CAM user was deleted, the credential in use ends with it";
            (ConditionReason::ApiKeyUnknown, format!("{error}; {rest}: {WAY}"))
        }
    }
}

/// The default domain of an instance that can be used.
pub(crate) fn public_domain(key: &Key, instance: Option<Instance>) -> Result<RegistryHost, StepError> {
    let Key { instance_id, region, .. } = key;
    let Some(instance) = instance else {
        let mut message = format!(
            "there is no instance {instance_id} in {region}: check spec.tcr.instanceId and spec.tcr.region, and that the \
             API credential is of the account that owns it"
        );
        if let Some(main) = main_instance_id(instance_id) {
            let hint = format!("; if it is a replica, name its main instance, {main}, and that one's region");
            message.push_str(&hint);
        }
        return Err(StepError::Instance { reason: ConditionReason::InstanceNotFound, message });
    };
    match instance.readiness() {
        Readiness::Ready => Ok(instance.public_domain),
        Readiness::Later | Readiness::Never => Err(StepError::Instance {
            reason: ConditionReason::InstanceNotRunning,
            message: format!("instance {instance_id} is {} and not Running", instance.status),
        }),
    }
}

/// Whether every registry namespace that a service account shall pull from is in the instance.
pub(crate) fn namespaces(key: &Key, missing: &[String]) -> Result<(), StepError> {
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!(
        "spec.tcr.credential.registryNamespaces: instance {} has no namespace {}: make it there, or correct the name",
        key.instance_id,
        missing.join(", ")
    );
    Err(StepError::Instance { reason: ConditionReason::NoRegistryNamespace, message })
}

/// What a credential is described with at the cloud, before its marker.
pub(crate) fn description(key: &Key, cluster_id: Option<&str>) -> Result<String, StepError> {
    match (&key.description, cluster_id) {
        (Some(own), _) => Ok(own.clone()),
        (None, Some(id)) => Ok(format!("TKE cluster ({id}) dedicated access credential")),
        (None, None) => Err(StepError::Instance {
            reason: ConditionReason::NoDescription,
            message: "spec.tcr.credential.description: set it, or give the controller --cluster-id"
                .to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_that_is_not_found_names_its_main_instance() {
        let told = |id: &str| {
            let key = Key { instance_id: id.to_owned(), region: "ap-hongkong".to_owned(), ..Key::default() };
            public_domain(&key, None).unwrap_err().condition(&key, None).unwrap().1
        };
        for id in ["tcr-06d62e1r-5", "tcr-06d62e1r-5-os5gcu"] {
            let hint = "if it is a replica, name its main instance, tcr-06d62e1r, and that one's region";
            assert!(told(id).ends_with(hint), "{}", told(id));
        }
        assert!(told("tcr-06d62e1r").ends_with("of the account that owns it"));
    }
}

//! Creates a Pod with `dryRun`, which tells whether API servers reach the webhook.

use std::collections::BTreeMap;

use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;
use tcr::label_selector::LabelSelector;
use tcr::names::{SECRET_PREFIX, SYSTEM_NAMESPACE};
use tcr::selection::Selection;

use super::super::facts::DryRun;
use crate::reader::{Reader, Right, Seen};
use custom_resource::ImagePullSecret;
use kubernetes::api_error::{ApiError, within};

/// A pull secret in the Pod itself: the ServiceAccount's list is then not added, so any other reference is
/// from the webhook.
const OWN: &str = "tcr-doctor-trial";

/// Creates a Pod with an image for which it should be patched, in a namespace where it should be.
pub(super) async fn run(
    reader: &Reader,
    objects: &Seen<Vec<ImagePullSecret>>,
    configuration: &Seen<Option<MutatingWebhookConfiguration>>,
    places: &Seen<Vec<(String, BTreeMap<String, String>)>>,
) -> DryRun {
    let (Some(objects), Some(Some(configuration)), Some(places)) =
        (objects.known(), configuration.known(), places.known())
    else {
        return DryRun::NoPlace;
    };
    let Some((namespace, host)) = place(objects, configuration, places) else { return DryRun::NoPlace };
    let api: Api<Pod> = Api::namespaced(reader.client.clone(), &namespace);
    let Ok(pod) = serde_json::from_value::<Pod>(pod(&host)) else { return DryRun::NoPlace };
    let params = PostParams { dry_run: true, ..PostParams::default() };
    match within(reader.deadline, api.create(&params, &pod)).await {
        Ok(pod) => {
            let references = pod.spec.and_then(|it| it.image_pull_secrets).unwrap_or_default();
            match references.iter().any(|it| it.name.starts_with(SECRET_PREFIX)) {
                true => DryRun::Patched,
                false => DryRun::Unpatched { namespace, host },
            }
        }
        Err(error) => failed(namespace, error),
    }
}

fn failed(namespace: String, error: ApiError) -> DryRun {
    let message = error.to_string();
    match error.code() {
        // A refusal by admission has the same code as a missing right.
        Some(403) if message.contains("cannot create resource") => {
            DryRun::Denied(Right { verb: "create", resource: "pods", namespace: Some(namespace) })
        }
        Some(_) => DryRun::Refused { namespace, message },
        None => DryRun::Failed(message),
    }
}

/// A namespace that the webhook reviews, and a registry of an ImagePullSecret that selects it with its
/// ServiceAccount `default`.
fn place(
    objects: &[ImagePullSecret],
    configuration: &MutatingWebhookConfiguration,
    places: &[(String, BTreeMap<String, String>)],
) -> Option<(String, String)> {
    let webhooks = configuration.webhooks.iter().flatten();
    let of_pods = webhooks
        .filter(|it| it.rules.iter().flatten().any(|it| it.resources.iter().flatten().any(|it| it == "pods")))
        .find(|it| it.name.starts_with("pods."));
    let selector = of_pods?.namespace_selector.as_ref();
    let selector: LabelSelector =
        serde_json::from_value(serde_json::to_value(selector).ok()?).unwrap_or_default();
    let offered = objects.iter().filter(|it| it.metadata.deletion_timestamp.is_none()).filter_map(|object| {
        let host = object.status.as_ref()?.hosts.first()?;
        let selection = Selection::of(&object.spec).ok()?;
        let (namespace, _) = places.iter().find(|(name, labels)| {
            selector.matches(labels)
                && name != SYSTEM_NAMESPACE
                && selection.selects_namespace(name, labels)
                && selection.selects_service_account("default")
        })?;
        Some((namespace.clone(), host.clone()))
    });
    offered.min()
}

/// A Pod that fits the strictest Pod security, and the smallest quota.
fn pod(host: &str) -> serde_json::Value {
    json!({
        "metadata": {"generateName": "tcr-doctor-trial-"},
        "spec": {
            "imagePullSecrets": [{"name": OWN}],
            "automountServiceAccountToken": false,
            "restartPolicy": "Never",
            "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "trial",
                "image": format!("{host}/tcr-doctor/trial:none"),
                "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}, "limits": {"cpu": "1m", "memory": "1Mi"}},
                "securityContext": {
                    "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": true,
                },
            }],
        },
    })
}

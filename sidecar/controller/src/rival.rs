//! Finds the client that keeps changing an object of ours back, from its managed fields. They are read only
//! for a contested object, because keeping them would take more memory than everything else.

use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::{Api, Client};
use tcr::names::MANAGED_BY;

use super::settings::DEADLINE;
use distribution::{Target, TargetKind};
use kubernetes::api_error::within;

/// The last client other than us that wrote the object; none where the managed fields do not tell.
pub(super) async fn find(client: Client, target: &Target) -> Option<String> {
    let Target { namespace, kind, name } = target;
    let metadata = match kind {
        TargetKind::Secret => {
            let api = Api::<Secret>::namespaced(client, namespace);
            within(DEADLINE, api.get_metadata_opt(name)).await.ok()??.metadata
        }
        TargetKind::ServiceAccount => {
            let api = Api::<ServiceAccount>::namespaced(client, namespace);
            within(DEADLINE, api.get_metadata_opt(name)).await.ok()??.metadata
        }
    };
    rival(&metadata.managed_fields.unwrap_or_default())
}

/// The last field manager other than ours.
fn rival(fields: &[ManagedFieldsEntry]) -> Option<String> {
    let others = fields.iter().filter(|entry| entry.manager.as_deref().is_some_and(|it| it != MANAGED_BY));
    let last = others.max_by_key(|entry| entry.time.as_ref().map(|time| time.0))?;
    let how = if last.operation.as_deref() == Some("Apply") { " (by server-side apply)" } else { "" };
    Some(format!("{}{how}", last.manager.as_deref().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rival_is_the_last_writer_beside_us() {
        let fields: Vec<ManagedFieldsEntry> = serde_json::from_value(serde_json::json!([
            {"manager": "kube-controller-manager", "operation": "Update", "time": "2026-01-01T00:00:00Z"},
            {"manager": "argocd-controller", "operation": "Apply", "time": "2026-01-03T00:00:00Z"},
            {"manager": "tcr-assistant", "operation": "Update", "time": "2026-01-04T00:00:00Z"},
        ]))
        .unwrap();
        assert_eq!(rival(&fields).as_deref(), Some("argocd-controller (by server-side apply)"));
        assert_eq!(rival(&fields[2..]), None);
    }
}

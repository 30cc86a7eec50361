//! Objects that no cleanup removes, each with the command that does.

use anyhow::Result;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, Client, Resource as _};
use tcr::hosts_entry::HOSTS_KEY;
use tcr::names::{API_GROUP, HOSTS_UPDATER, SYSTEM_NAMESPACE, UPDATER_CONFIG};

use super::system::NO_ENTRIES;
use super::told::{Action, Object, Told};
use custom_resource::ImagePullSecret;

pub(super) const REMOVE_ENTRIES: &str = "on each node that has them, hosts-updater --remove --hosts-file=/etc/hosts, or delete the \
                              lines from \"# BEGIN tcr-assistant hosts-updater\" to \"# END tcr-assistant hosts-updater\"";

/// Whether nodes may have entries that no agent removes any more: the agents are gone, and were not asked to
/// remove them before. Where that cannot be read, the report on the list says so.
pub(super) async fn are_agents_gone(client: &Client) -> bool {
    let look = async || -> kube::Result<bool> {
        let maps = Api::<ConfigMap>::namespaced(client.clone(), SYSTEM_NAMESPACE);
        // Without the ConfigMap the chart was uninstalled, which removes the entries first.
        let Some(map) = maps.get_opt(UPDATER_CONFIG).await? else { return Ok(false) };
        let text = map.data.and_then(|mut data| data.remove(HOSTS_KEY));
        let agents = Api::<DaemonSet>::namespaced(client.clone(), SYSTEM_NAMESPACE);
        let has_agents = agents.get_metadata_opt(HOSTS_UPDATER).await?.is_some();
        Ok(text.is_some_and(|text| text.trim() != NO_ENTRIES) && !has_agents)
    };
    look().await.unwrap_or(false)
}

/// Reports hosts entries on nodes, where `agents_are_gone`, and the custom resource's definition: deleting
/// that would delete every object of it, whoever made it.
pub(super) async fn tell(client: &Client, agents_are_gone: bool, told: &mut Told<'_>) -> Result<()> {
    if agents_are_gone {
        let entries = Object { kind: "hostsentries", namespace: None, name: "*" };
        told.line(entries, Action::Kept, REMOVE_ENTRIES)?;
    }
    let name = format!("{}.{API_GROUP}", ImagePullSecret::plural(&()));
    let definitions = Api::<CustomResourceDefinition>::all(client.clone());
    let object = Object { kind: "customresourcedefinition", namespace: None, name: &name };
    match definitions.get_metadata_opt(&name).await {
        Ok(None) => Ok(()),
        // Users who may not read it are told the command for removing it all the same.
        Ok(Some(_)) | Err(_) => told.line(object, Action::Kept, &format!("kubectl delete crd {name}")),
    }
}

//! The objects in tcr-assistant-system.

use anyhow::Result;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{ListParams, Patch};
use kube::{Api, Client};
use serde_json::json;
use tcr::credential_id::delete_command;
use tcr::hosts_entry::HOSTS_KEY;
use tcr::names::{CREDENTIAL_LABEL, MANAGED_BY, MANAGED_BY_LABEL, SYSTEM_NAMESPACE, UPDATER_CONFIG};

use super::told::{Action, CREDENTIAL, Object, Told};
use super::{params, remove};
use credential::store::{Document, Store};

/// A list without entries.
pub(super) const NO_ENTRIES: &str = "[]";

/// Removes the hosts entries and stored credentials.
pub(super) async fn empty_system(client: &Client, told: &mut Told<'_>) -> Result<()> {
    hosts_entries(client, told).await?;
    match Store::new(client.clone()).all().await {
        Ok(documents) => documents.iter().try_for_each(|document| valid_tokens(document, told))?,
        Err(error) => told.failed(Object::of(SYSTEM_NAMESPACE, "secret", "*"), &error)?,
    }
    let secrets = Api::<Secret>::namespaced(client.clone(), SYSTEM_NAMESPACE);
    let stored = ListParams::default().labels(&format!("{MANAGED_BY_LABEL}={MANAGED_BY},{CREDENTIAL_LABEL}"));
    match secrets.list_metadata(&stored).await {
        Ok(found) => {
            for secret in found {
                remove(&secrets, "secret", &secret.metadata.name.unwrap_or_default(), told).await?;
            }
        }
        Err(error) => told.failed(Object::of(SYSTEM_NAMESPACE, "secret", "*"), &error)?,
    }
    Ok(())
}

async fn hosts_entries(client: &Client, told: &mut Told<'_>) -> Result<()> {
    let maps = Api::<ConfigMap>::namespaced(client.clone(), SYSTEM_NAMESPACE);
    let object = Object::of(SYSTEM_NAMESPACE, "configmap", UPDATER_CONFIG);
    let map = match maps.get_opt(UPDATER_CONFIG).await {
        Ok(map) => map,
        Err(error) => return told.failed(object, &error),
    };
    let text = map.and_then(|map| map.data?.remove(HOSTS_KEY));
    if text.is_none_or(|text| text.trim() == NO_ENTRIES) {
        return Ok(());
    }
    let empty = Patch::Merge(json!({"data": {HOSTS_KEY: NO_ENTRIES}}));
    let written = match told.dry_run {
        true => Ok(()),
        false => maps.patch(UPDATER_CONFIG, &params(), &empty).await.map(|_| ()),
    };
    match written {
        Ok(()) => told.done(object, Action::Emptied),
        Err(error) => told.failed(object, &error),
    }
}

/// Tokens stay valid at the registry, and their ids are lost with the Secret.
fn valid_tokens(document: &Document, told: &mut Told<'_>) -> Result<()> {
    let (instance, region) = (&document.key.instance_id, &document.key.region);
    let held = [&document.stored.current, &document.stored.candidate].into_iter().flatten();
    let current = held.filter_map(|held| held.token_id.as_deref());
    let replaced = document.stored.previous.iter().map(|old| old.token_id.as_str());
    for id in current.chain(replaced) {
        let command = delete_command(region, instance, id);
        let name = format!("{instance}/{id}");
        told.line(Object { kind: CREDENTIAL, namespace: None, name: &name }, Action::Kept, &command)?;
    }
    Ok(())
}

/// Reports a Secret of tcr-assistant-system that stays, if it exists.
pub(super) async fn leave(secrets: &Api<Secret>, name: &str, why: &str, told: &mut Told<'_>) -> Result<()> {
    match secrets.get_metadata_opt(name).await {
        Ok(None) => Ok(()),
        Ok(Some(_)) | Err(_) => told.left(Object::of(SYSTEM_NAMESPACE, "secret", name), why),
    }
}

//! The Secret with the installation's key: created once, read by every later controller.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::{Api, Client};
use tcr::names::{INSTALLATION_KEY, MANAGED_BY, MANAGED_BY_LABEL, SYSTEM_NAMESPACE};

use super::settings::DEADLINE;
use super::until_known::until_known;
use distribution::mark::InstallationKey;
use kubernetes::api_error::{ApiError, within};

const DATA_KEY: &str = "key";

/// The installation's key, created where there is none yet. Tried until it is known: without it no Secret
/// could be recognised as ours.
pub async fn obtain(client: &Client) -> InstallationKey {
    let secrets = Api::<Secret>::namespaced(client.clone(), SYSTEM_NAMESPACE);
    until_known("read or make the installation's key", async || once(&secrets).await).await
}

/// The installation's key; none where there is no valid one.
pub async fn read(client: &Client) -> Result<Option<InstallationKey>, ApiError> {
    let secrets = Api::<Secret>::namespaced(client.clone(), SYSTEM_NAMESPACE);
    Ok(within(DEADLINE, secrets.get_opt(INSTALLATION_KEY)).await?.and_then(|secret| parse(&secret)))
}

async fn once(secrets: &Api<Secret>) -> Result<InstallationKey, ApiError> {
    if let Some(found) = within(DEADLINE, secrets.get_opt(INSTALLATION_KEY)).await? {
        if let Some(key) = parse(&found) {
            return Ok(key);
        }
        // A new key loses nothing: Secrets with our labels are marked again.
        tracing::warn!(
            secret = %format_args!("{SYSTEM_NAMESPACE}/{INSTALLATION_KEY}"),
            "it holds no key; it is replaced, and Secrets with our labels are marked anew"
        );
        let only_this = Preconditions { uid: found.metadata.uid, resource_version: None };
        let params = DeleteParams { preconditions: Some(only_this), ..DeleteParams::default() };
        match within(DEADLINE, secrets.delete(INSTALLATION_KEY, &params)).await {
            Err(error) if !error.is_not_found() => return Err(error),
            _ => {}
        }
    }
    let key = InstallationKey::generate()
        .map_err(|error| ApiError::Other(format!("cannot make the installation's key: {error}")))?;
    within(DEADLINE, secrets.create(&PostParams::default(), &secret(&key))).await?;
    tracing::info!("made the installation's key");
    Ok(key)
}

fn parse(secret: &Secret) -> Option<InstallationKey> {
    let text = secret.data.as_ref()?.get(DATA_KEY)?;
    InstallationKey::parse(&text.0).ok()
}

fn secret(key: &InstallationKey) -> Secret {
    let text = ByteString(key.text().expose().as_bytes().to_vec());
    Secret {
        metadata: ObjectMeta {
            name: Some(INSTALLATION_KEY.to_owned()),
            labels: Some(BTreeMap::from([(MANAGED_BY_LABEL.to_owned(), MANAGED_BY.to_owned())])),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([(DATA_KEY.to_owned(), text)])),
        // Prevents changes by mistake.
        immutable: Some(true),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    }
}

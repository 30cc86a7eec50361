//! The Secret of tcr-assistant-system that keeps a credential.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, ListParams, PostParams, Preconditions};
use kube::{Api, Client};
use serde::{Deserialize, Serialize};
use tcr::image_pull_secret::OnDelete;
use tcr::names::{CREDENTIAL_LABEL, MANAGED_BY, MANAGED_BY_LABEL, SYSTEM_NAMESPACE};
use tcr::sensitive::{SensitiveBytes, wipe};

use credential_plan::Key;
use credential_plan::plan::Stored;
use kubernetes::api_error::{ApiError, within};

const DATA_KEY: &str = "credential.json";
const DEADLINE: Duration = Duration::from_secs(30);

/// What is written, as JSON: what the Secret is for, and what it keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// Which credential this is.
    pub key: Key,
    /// What its last user wanted to become of it.
    #[serde(default)]
    pub on_delete: OnDelete,
    /// What is stored about the credential.
    pub stored: Stored,
}

/// A document as it was read, with what a write has to test.
#[derive(Clone, Debug)]
pub struct Read {
    /// The document that the Secret holds.
    pub document: Document,
    /// The version it was read at.
    pub resource_version: String,
    /// The uid of the Secret.
    pub uid: String,
}

/// Reads and writes these Secrets.
#[derive(Clone, Debug)]
pub struct Store {
    secrets: Api<Secret>,
}

impl Store {
    /// The Secrets of tcr-assistant-system.
    pub fn new(client: Client) -> Self {
        Self { secrets: Api::namespaced(client, SYSTEM_NAMESPACE) }
    }

    /// The document of this key, if there is one.
    pub async fn read(&self, key: &Key) -> Result<Option<Read>, ApiError> {
        let name = key.secret_name();
        let Some(secret) = within(DEADLINE, self.secrets.get_opt(&name)).await? else { return Ok(None) };
        let read = parse(secret)?;
        // The name holds a hash.
        if read.document.key != *key {
            return Err(ApiError::Other(format!(
                "the Secret {SYSTEM_NAMESPACE}/{name} keeps the credential of another instance, region, description, \
                 role or registry namespaces than is asked for; change spec.tcr.credential.description of one of them"
            )));
        }
        Ok(Some(read))
    }

    /// Every document there is; what cannot be read is left out and logged.
    pub async fn all(&self) -> Result<Vec<Document>, ApiError> {
        let ours =
            ListParams::default().labels(&format!("{MANAGED_BY_LABEL}={MANAGED_BY},{CREDENTIAL_LABEL}"));
        let list = within(DEADLINE, self.secrets.list(&ours)).await?;
        let read = |secret| match parse(secret) {
            Ok(read) => Some(read.document),
            Err(error) => {
                tracing::warn!(%error, "a stored credential is left alone");
                None
            }
        };
        Ok(list.items.into_iter().filter_map(read).collect())
    }

    /// Writes the document where `before` was read, or where there was none. [`ApiError::Overtaken`]
    /// when it was written to meanwhile.
    pub async fn write(&self, document: Document, before: Option<&Read>) -> Result<Read, ApiError> {
        let name = document.key.secret_name();
        let json = SensitiveBytes::json(&document)
            .map_err(|_| ApiError::Other("cannot write the credential".to_owned()))?;
        let labels = BTreeMap::from([
            (MANAGED_BY_LABEL.to_owned(), MANAGED_BY.to_owned()),
            (CREDENTIAL_LABEL.to_owned(), document.key.instance_id.clone()),
        ]);
        let mut secret = Secret {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                namespace: Some(SYSTEM_NAMESPACE.to_owned()),
                labels: Some(labels),
                resource_version: before.map(|read| read.resource_version.clone()),
                uid: before.map(|read| read.uid.clone()),
                ..ObjectMeta::default()
            },
            data: Some(BTreeMap::from([(DATA_KEY.to_owned(), ByteString(json.expose().to_vec()))])),
            type_: Some("Opaque".to_owned()),
            ..Secret::default()
        };
        let params = PostParams::default();
        let written = match before {
            None => within(DEADLINE, self.secrets.create(&params, &secret)).await,
            Some(_) => within(DEADLINE, self.secrets.replace(&name, &params, &secret)).await,
        };
        for bytes in secret.data.iter_mut().flat_map(BTreeMap::values_mut) {
            wipe(&mut bytes.0);
        }
        match written {
            Ok(made) => Ok(Read {
                document,
                resource_version: made.metadata.resource_version.unwrap_or_default(),
                uid: made.metadata.uid.unwrap_or_default(),
            }),
            Err(error) if error.is_conflict() || error.is_already_exists() || error.is_not_found() => {
                Err(ApiError::Overtaken)
            }
            Err(error) => Err(error),
        }
    }

    /// Deletes the Secret as it was read.
    pub async fn delete(&self, read: &Read) -> Result<(), ApiError> {
        let this = Preconditions {
            uid: Some(read.uid.clone()),
            resource_version: Some(read.resource_version.clone()),
        };
        let params = DeleteParams { preconditions: Some(this), ..DeleteParams::default() };
        match within(DEADLINE, self.secrets.delete(&read.document.key.secret_name(), &params)).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) if error.is_conflict() => Err(ApiError::Overtaken),
            Err(error) => Err(error),
        }
    }
}

fn parse(secret: Secret) -> Result<Read, ApiError> {
    let name = secret.metadata.name.unwrap_or_default();
    let bytes =
        secret.data.and_then(|mut data| data.remove(DATA_KEY)).map(|bytes| SensitiveBytes::from(bytes.0));
    // serde's own message may repeat a value.
    let unreadable = || {
        ApiError::Other(format!(
            "the Secret {SYSTEM_NAMESPACE}/{name} cannot be read: its {DATA_KEY} is not what was written; delete it to \
             have a new credential made"
        ))
    };
    let document = serde_json::from_slice(bytes.unwrap_or_default().expose()).map_err(|_| unreadable())?;
    Ok(Read {
        document,
        resource_version: secret.metadata.resource_version.unwrap_or_default(),
        uid: secret.metadata.uid.unwrap_or_default(),
    })
}

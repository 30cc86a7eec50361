//! The webhook configurations. A validating and a mutating one are handled alike.

use futures::StreamExt as _;
use futures::stream::BoxStream;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use kube::api::{ApiResource, DynamicObject, PatchParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client};
use serde::Deserialize;
use serde_json::Value;
use tcr::names::{MUTATING_WEBHOOK, VALIDATING_WEBHOOK};

use crate::execute::json_patch;
use crate::settings::DEADLINE;
use kubernetes::api_error::{ApiError, within};

/// A webhook configuration at the API server.
pub(super) struct Configuration {
    pub(super) name: &'static str,
    api: Api<DynamicObject>,
}

/// One of its webhooks.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Webhook {
    pub(super) name: String,
    client_config: ClientConfig,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientConfig {
    ca_bundle: Option<ByteString>,
}

impl Webhook {
    /// The CAs that API servers trust, in PEM.
    pub(super) fn ca(&self) -> Option<&[u8]> {
        self.client_config.ca_bundle.as_ref().map(|bytes| bytes.0.as_slice())
    }
}

impl Configuration {
    /// The configurations of both kinds.
    pub(super) fn both(client: &Client) -> [Self; 2] {
        let of = |name, resource| Self { name, api: Api::all_with(client.clone(), &resource) };
        [
            of(VALIDATING_WEBHOOK, ApiResource::erase::<ValidatingWebhookConfiguration>(&())),
            of(MUTATING_WEBHOOK, ApiResource::erase::<MutatingWebhookConfiguration>(&())),
        ]
    }

    /// The configuration's webhooks; none where it does not exist.
    pub(super) async fn webhooks(&self) -> Result<Option<Vec<Webhook>>, ApiError> {
        let Some(found) = within(DEADLINE, self.api.get_opt(self.name)).await? else { return Ok(None) };
        webhooks(&found)
            .map(Some)
            .map_err(|error| ApiError::Other(format!("cannot read {}: {error}", self.name)))
    }

    /// Patches the configuration. [`ApiError::Overtaken`] where it is no longer as it was read.
    pub(super) async fn patch(&self, operations: Vec<Value>) -> Result<(), ApiError> {
        let patch = json_patch(operations)?;
        match within(DEADLINE, self.api.patch(self.name, &PatchParams::default(), &patch)).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_inapplicable_patch() || error.is_conflict() => Err(ApiError::Overtaken),
            Err(error) => Err(error),
        }
    }

    /// Yields after each change of the configuration.
    pub(super) fn changes(&self) -> BoxStream<'static, ()> {
        watcher::watch_object(self.api.clone(), self.name).default_backoff().map(|_| ()).boxed()
    }
}

fn webhooks(object: &DynamicObject) -> serde_json::Result<Vec<Webhook>> {
    object.data.get("webhooks").map_or(Ok(Vec::new()), Vec::deserialize)
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    /// Webhooks with these names and CAs.
    pub(crate) fn of(webhooks: &[(&str, Option<&str>)]) -> Vec<Webhook> {
        let webhook = |(name, ca): &(&str, Option<&str>)| Webhook {
            name: (*name).to_owned(),
            client_config: ClientConfig { ca_bundle: ca.map(|ca| ByteString(ca.as_bytes().to_vec())) },
        };
        webhooks.iter().map(webhook).collect()
    }

    #[test]
    fn webhooks_are_read_from_either_kind() {
        let object = |webhooks| DynamicObject {
            types: None,
            metadata: Default::default(),
            data: json!({"webhooks": webhooks}),
        };
        let found = webhooks(&object(json!([
            {"name": "a.example.com", "clientConfig": {"service": {"name": "s"}, "caBundle": "Q0E="}, "rules": []},
            {"name": "b.example.com", "clientConfig": {"url": "https://b.example.com"}},
        ])))
        .unwrap();
        let found: Vec<_> = found.iter().map(|it| (it.name.as_str(), it.ca())).collect();
        assert_eq!(found, [("a.example.com", Some(b"CA".as_slice())), ("b.example.com", None)]);
        assert!(webhooks(&object(json!([{"name": "a.example.com"}]))).is_err());
    }
}

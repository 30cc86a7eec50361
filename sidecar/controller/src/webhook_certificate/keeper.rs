//! Keeps the Secret with the certificate, and its CA in both webhook configurations.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use futures::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{PatchParams, PostParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::json;
use tcr::names::{
    MANAGED_BY, MANAGED_BY_LABEL, MUTATING_WEBHOOK, SYSTEM_NAMESPACE, VALIDATING_WEBHOOK, WEBHOOK_CERTIFICATE,
};
use tcr::sensitive::Sensitive;

use super::{Held, Pair, Step, bundle, decide, make, wait};
use crate::DEADLINE;
use crate::execute::json_patch;
use kubernetes::api_error::{ApiError, within};

/// The wait after a failure: from, to.
const AGAIN: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));

/// When the one that waits was put there.
const SINCE: &str = "tcr.tencentcloudcr.com/next-since";

/// A webhook configuration of either kind, as far as it matters here.
pub(super) trait Configuration {
    /// Names of its webhooks, and the CAs that each trusts.
    fn webhooks(&self) -> Vec<(String, Option<Vec<u8>>)>;
}

impl Configuration for ValidatingWebhookConfiguration {
    fn webhooks(&self) -> Vec<(String, Option<Vec<u8>>)> {
        let ca = |ca: &Option<ByteString>| ca.as_ref().map(|bytes| bytes.0.clone());
        self.webhooks.iter().flatten().map(|it| (it.name.clone(), ca(&it.client_config.ca_bundle))).collect()
    }
}

impl Configuration for MutatingWebhookConfiguration {
    fn webhooks(&self) -> Vec<(String, Option<Vec<u8>>)> {
        let ca = |ca: &Option<ByteString>| ca.as_ref().map(|bytes| bytes.0.clone());
        self.webhooks.iter().flatten().map(|it| (it.name.clone(), ca(&it.client_config.ca_bundle))).collect()
    }
}

/// Keeps the certificate of `service` until the task is dropped.
pub async fn keep(client: Client, service: String) {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
    let validating: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
    let mutating: Api<MutatingWebhookConfiguration> = Api::all(client);
    let mut changes = futures::stream::select_all([
        changes(&secrets, WEBHOOK_CERTIFICATE),
        changes(&validating, VALIDATING_WEBHOOK),
        changes(&mutating, MUTATING_WEBHOOK),
    ]);
    let mut again = AGAIN.0;
    loop {
        let pause = match once(&secrets, &validating, &mutating, &service).await {
            Ok(pause) => {
                again = AGAIN.0;
                pause
            }
            Err(ApiError::Overtaken) => Duration::ZERO,
            Err(error) => {
                tracing::warn!(%error, "cannot keep the webhook's certificate; trying again");
                let pause = again;
                again = (again * 2).min(AGAIN.1);
                pause
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            changed = changes.next() => if changed.is_none() { return },
        }
    }
}

/// Something happened to the object.
fn changes<K>(api: &Api<K>, name: &str) -> futures::stream::BoxStream<'static, ()>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    watcher::watch_object(api.clone(), name).default_backoff().map(|_| ()).boxed()
}

/// One step; how long until the next.
async fn once(
    secrets: &Api<Secret>,
    validating: &Api<ValidatingWebhookConfiguration>,
    mutating: &Api<MutatingWebhookConfiguration>,
    service: &str,
) -> Result<Duration, ApiError> {
    let found = within(DEADLINE, secrets.get_opt(WEBHOOK_CERTIFICATE)).await?;
    let held = found.as_ref().and_then(read);
    let (trusted, failed) = match &held {
        Some(held) => both(
            trust(validating, VALIDATING_WEBHOOK, &held.bundle).await,
            trust(mutating, MUTATING_WEBHOOK, &held.bundle).await,
        ),
        None => (false, None),
    };
    let now = Timestamp::now();
    let other = |error: super::MakeError| ApiError::Other(error.to_string());
    let next = match (decide(now, held.as_ref(), service, trusted), held) {
        (Step::Wait(until), _) => return failed.map_or_else(|| Ok(wait(now, until)), Err),
        (Step::Make | Step::Promote | Step::Stage, None) => {
            let (served, ca) = make(service, now).map_err(other)?;
            Held { served, bundle: ca, next: None }
        }
        (Step::Make, Some(before)) => {
            let (served, ca) = make(service, now).map_err(other)?;
            Held { served, bundle: bundle(&ca, &before.bundle), next: None }
        }
        (Step::Stage, Some(before)) => {
            let (pair, ca) = make(service, now).map_err(other)?;
            tracing::info!("a new certificate of the webhook waits until it is trusted");
            Held { bundle: bundle(&ca, &before.bundle), next: Some((pair, now)), ..before }
        }
        (Step::Promote, Some(before)) => {
            tracing::info!("the webhook's new certificate is served from now on");
            let served = before.next.map_or(before.served, |(pair, _)| pair);
            Held { served, bundle: before.bundle, next: None }
        }
    };
    write(secrets, found, next).await?;
    Ok(Duration::ZERO)
}

/// What came of two configurations, neither of which has to wait for the other: whether both have the bundle, and an
/// error, if there was one. A version that somebody else changed meanwhile comes first, because it is tried again at
/// once.
fn both(validating: Result<bool, ApiError>, mutating: Result<bool, ApiError>) -> (bool, Option<ApiError>) {
    match (validating, mutating) {
        (Ok(validating), Ok(mutating)) => (validating && mutating, None),
        (Err(ApiError::Overtaken), _) | (_, Err(ApiError::Overtaken)) => (false, Some(ApiError::Overtaken)),
        (Err(error), _) | (_, Err(error)) => (false, Some(error)),
    }
}

/// Puts the bundle into every webhook of the configuration that lacks it. Whether all have it; where
/// there is no configuration, there is nobody to wait for.
async fn trust<K>(api: &Api<K>, name: &str, bundle: &str) -> Result<bool, ApiError>
where
    K: Configuration + Clone + Debug + DeserializeOwned,
{
    let Some(found) = within(DEADLINE, api.get_opt(name)).await? else { return Ok(true) };
    let mut operations = Vec::new();
    for (index, (webhook, ca)) in found.webhooks().into_iter().enumerate() {
        if ca.as_deref().map(<[u8]>::trim_ascii_end) != Some(bundle.as_bytes().trim_ascii_end()) {
            operations
                .push(json!({"op": "test", "path": format!("/webhooks/{index}/name"), "value": webhook}));
            operations.push(json!({
                "op": "add",
                "path": format!("/webhooks/{index}/clientConfig/caBundle"),
                "value": ByteString(bundle.as_bytes().to_vec()),
            }));
        }
    }
    if operations.is_empty() {
        return Ok(true);
    }
    let patch = json_patch(operations)?;
    match within(DEADLINE, api.patch(name, &PatchParams::default(), &patch)).await {
        Ok(_) => {
            tracing::info!(configuration = name, "put the webhook's CA in");
            Ok(true)
        }
        Err(error) if error.is_inapplicable_patch() || error.is_conflict() => Err(ApiError::Overtaken),
        Err(error) => Err(ApiError::Other(format!("cannot put the webhook's CA into {name}: {error}"))),
    }
}

fn read(secret: &Secret) -> Option<Held> {
    let data = secret.data.as_ref()?;
    let text = |key: &str| data.get(key).and_then(|bytes| String::from_utf8(bytes.0.clone()).ok());
    let pair = |certificate: &str, key: &str| {
        Some(Pair { certificate: text(certificate)?, key: Sensitive::new(text(key)?) })
    };
    let since = secret.metadata.annotations.as_ref().and_then(|all| all.get(SINCE)?.parse().ok());
    Some(Held {
        served: pair("tls.crt", "tls.key")?,
        bundle: text("ca.crt")?,
        next: pair("next.crt", "next.key").zip(since),
    })
}

async fn write(secrets: &Api<Secret>, before: Option<Secret>, held: Held) -> Result<(), ApiError> {
    let mut secret = Secret { type_: Some("kubernetes.io/tls".to_owned()), ..Secret::default() };
    let bytes = |text: &str| ByteString(text.as_bytes().to_vec());
    let mut data = BTreeMap::from([
        ("tls.crt".to_owned(), bytes(&held.served.certificate)),
        ("tls.key".to_owned(), bytes(held.served.key.expose())),
        ("ca.crt".to_owned(), bytes(&held.bundle)),
    ]);
    secret.metadata.name = Some(WEBHOOK_CERTIFICATE.to_owned());
    secret.metadata.labels = Some([(MANAGED_BY_LABEL.to_owned(), MANAGED_BY.to_owned())].into());
    if let Some((next, since)) = &held.next {
        data.insert("next.crt".to_owned(), bytes(&next.certificate));
        data.insert("next.key".to_owned(), bytes(next.key.expose()));
        secret.metadata.annotations = Some([(SINCE.to_owned(), since.to_string())].into());
    }
    secret.data = Some(data);
    let params = PostParams::default();
    let written = match before {
        None => within(DEADLINE, secrets.create(&params, &secret)).await,
        Some(before) => {
            secret.metadata.resource_version = before.metadata.resource_version;
            // A type cannot be changed; servers do not ask for it.
            secret.type_ = before.type_;
            within(DEADLINE, secrets.replace(WEBHOOK_CERTIFICATE, &params, &secret)).await
        }
    };
    match written {
        Ok(_) => Ok(()),
        Err(error) if error.is_conflict() || error.is_already_exists() || error.is_not_found() => {
            Err(ApiError::Overtaken)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_configuration_counts_by_itself() {
        let error = || Err(ApiError::Other("denied".to_owned()));
        assert!(matches!(both(Ok(true), Ok(true)), (true, None)));
        assert!(matches!(both(Ok(true), Ok(false)), (false, None)));
        for (first, second) in [(error(), Ok(true)), (Ok(true), error()), (error(), error())] {
            assert!(matches!(both(first, second), (false, Some(ApiError::Other(_)))));
        }
        // It is tried again at once, and the other one's error is met again then.
        assert!(matches!(both(error(), Err(ApiError::Overtaken)), (false, Some(ApiError::Overtaken))));
    }
}

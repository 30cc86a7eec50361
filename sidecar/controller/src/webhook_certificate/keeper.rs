//! Keeps the Secret with the certificate, and its CA in both webhook configurations: reads them, and carries
//! out what [`super::plan`] decides.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::PostParams;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client};
use serde_json::Value;
use tcr::names::{MANAGED_BY, MANAGED_BY_LABEL, SYSTEM_NAMESPACE, WEBHOOK_CERTIFICATE};
use tcr::sensitive::Sensitive;

use super::configuration::Configuration;
use super::plan::{self, Round};
use super::{Held, Pair, Step, make};
use crate::settings::DEADLINE;
use kubernetes::api_error::{ApiError, within};

/// The annotation with the time since when the next certificate waits.
const SINCE: &str = "tcr.tencentcloudcr.com/next-since";

/// Keeps the certificate of `service` until the future is dropped.
pub async fn keep(client: Client, service: String) {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
    let keeper = Keeper { configurations: Configuration::both(&client), secrets, service };
    let secret = watcher::watch_object(keeper.secrets.clone(), WEBHOOK_CERTIFICATE).default_backoff();
    let mut changes = futures::stream::select_all(
        keeper.configurations.iter().map(Configuration::changes).chain([secret.map(|_| ()).boxed()]),
    );
    let mut failures = 0;
    loop {
        let pause;
        (pause, failures) = keeper.round(failures).await;
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            changed = changes.next() => if changed.is_none() { return },
        }
    }
}

struct Keeper {
    secrets: Api<Secret>,
    configurations: [Configuration; 2],
    service: String,
}

impl Keeper {
    /// One round. Returns how long until the next, and the number of failed rounds in a row.
    async fn round(&self, failures: u32) -> (Duration, u32) {
        let now = Timestamp::now();
        let done = self.observe_and_act(now).await;
        if let Err(error) = &done
            && !matches!(error, ApiError::Overtaken)
        {
            tracing::warn!(%error, "cannot keep the webhook's certificate; trying again");
        }
        plan::pause(now, &done, failures)
    }

    /// One round's reads and writes. Returns until when there is nothing to do; none where something was
    /// written.
    async fn observe_and_act(&self, now: Timestamp) -> Result<Option<Timestamp>, ApiError> {
        let secret = within(DEADLINE, self.secrets.get_opt(WEBHOOK_CERTIFICATE)).await?;
        let held = secret.as_ref().and_then(read);
        let mut configurations = Vec::new();
        if held.is_some() {
            for configuration in &self.configurations {
                configurations.push(configuration.webhooks().await);
            }
        }
        let Round { patches, step } = plan::round(now, &self.service, held.as_ref(), &configurations);
        let is_patched = !patches.is_empty();
        let mut results: Vec<_> = configurations.into_iter().map(|read| read.map(drop)).collect();
        for (place, operations) in patches {
            results.push(self.trust(place, operations).await);
        }
        let made = match step {
            Step::Make | Step::Stage => {
                Some(make(&self.service, now).map_err(|error| ApiError::Other(error.to_string()))?)
            }
            Step::Promote | Step::Wait(_) => None,
        };
        match step {
            Step::Stage => tracing::info!("a new certificate of the webhook waits until it is trusted"),
            Step::Promote => tracing::info!("the webhook's new certificate is served from now on"),
            Step::Make | Step::Wait(_) => {}
        }
        match (plan::after(step, now, held, made), step) {
            (Some(next), _) => write(&self.secrets, secret, next).await.map(|()| None),
            (None, Step::Wait(until)) if !is_patched => plan::combined(results).map(|()| Some(until)),
            (None, _) => plan::combined(results).map(|()| None),
        }
    }

    async fn trust(&self, place: usize, operations: Vec<Value>) -> Result<(), ApiError> {
        let Some(configuration) = self.configurations.get(place) else { return Ok(()) };
        let name = configuration.name;
        match configuration.patch(operations).await {
            Ok(()) => {
                tracing::info!(configuration = name, "put the webhook's CA in");
                Ok(())
            }
            Err(ApiError::Overtaken) => Err(ApiError::Overtaken),
            Err(error) => Err(ApiError::Other(format!("cannot put the webhook's CA into {name}: {error}"))),
        }
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
            // A Secret's type cannot be changed, and servers ignore it.
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

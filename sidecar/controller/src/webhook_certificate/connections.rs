//! Makes API servers leave their connections to a webhook Pod that ends.
//!
//! An API server keeps its connections to a webhook, and sends the next review over the one that it used
//! last, even when the Pod behind it no longer belongs to the Service. A webhook that ends closes its
//! connections, and a review that is just being sent is lost. Our webhook closes its connections one by one
//! before that; those of earlier releases do not, and an upgrade ends them.
//!
//! An API server has separate connections for each `clientConfig`. So when a webhook Pod begins to end, line
//! ends are added after the caBundle, or removed: the same certificates, in other bytes. From then on reviews
//! go over new connections, to Pods that stay.

use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Pod;
use kube::core::PartialObjectMeta;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client};
use serde_json::{Value, json};
use tcr::checksum::fnv1a;
use tcr::names::SYSTEM_NAMESPACE;

use super::configuration::{Configuration, Webhook};
use kubernetes::api_error::ApiError;

/// Until the nodes know that the Pod no longer belongs to the Service; webhooks of every release answer for
/// longer.
const KNOWN: Duration = Duration::from_millis(1500);
/// Pods that are a webhook, or may contain one.
const WEBHOOKS: &str = "app.kubernetes.io/component in (webhook,controller-manager)";
/// The maximum number of line ends.
const MOST: u32 = 7;

/// Makes API servers leave each Pod that ends, until the future is dropped. Every controller does, not only
/// the leader: leadership may change at the same moment, so the leader alone could learn of the Pod too late.
pub async fn renew(client: Client) {
    let pods: Api<PartialObjectMeta<Pod>> = Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
    let configurations = Configuration::both(&client);
    let config = watcher::Config::default().labels(WEBHOOKS);
    let mut ending = watcher(pods, config)
        .default_backoff()
        .applied_objects()
        .try_filter_map(async |pod| Ok(pod.metadata.deletion_timestamp.and(pod.metadata.uid)))
        .boxed();
    // Each ending Pod causes several events, and few Pods end at a time.
    let mut handled: Vec<String> = Vec::new();
    while let Some(uid) = ending.next().await {
        let Ok(uid) = uid else { continue };
        if handled.contains(&uid) {
            continue;
        }
        tokio::time::sleep(KNOWN).await;
        for configuration in &configurations {
            if let Err(error) = renew_one(configuration, &uid).await {
                tracing::warn!(%error, "cannot have API servers leave a webhook that ends");
            }
        }
        handled.truncate(31);
        handled.insert(0, uid);
    }
}

async fn renew_one(configuration: &Configuration, uid: &str) -> Result<(), ApiError> {
    let webhooks = configuration.webhooks().await?.unwrap_or_default();
    let operations = renewals(&webhooks, uid);
    if operations.is_empty() {
        return Ok(());
    }
    match configuration.patch(operations).await {
        // Another controller was faster, or a new certificate was stored: either way the bytes have changed.
        Err(ApiError::Overtaken) => Ok(()),
        result => result,
    }
}

/// The operations that give every webhook the same certificates in other bytes.
fn renewals(webhooks: &[Webhook], uid: &str) -> Vec<Value> {
    let trusting =
        webhooks.iter().enumerate().filter_map(|(index, webhook)| Some((index, webhook, webhook.ca()?)));
    let operations = trusting.flat_map(|(index, webhook, ca)| {
        let path = format!("/webhooks/{index}/clientConfig/caBundle");
        [
            json!({"op": "test", "path": format!("/webhooks/{index}/name"), "value": webhook.name}),
            // The certificate may have been replaced.
            json!({"op": "test", "path": path, "value": ByteString(ca.to_vec())}),
            json!({"op": "replace", "path": path, "value": ByteString(renewed(ca, uid))}),
        ]
    });
    operations.collect()
}

/// The same certificates with another number of line ends after them. The number follows from the Pod's uid
/// where possible, so that two controllers write the same.
fn renewed(ca: &[u8], uid: &str) -> Vec<u8> {
    let bare = ca.trim_ascii_end();
    let before = ca.len() - bare.len();
    let mut ends = 1 + (fnv1a(uid.as_bytes()) % u64::from(MOST)) as usize;
    if ends == before {
        ends = 1 + ends % MOST as usize;
    }
    [bare, &b"\n".repeat(ends)].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn two_controllers_write_the_same() {
        let ca = b"-----END CERTIFICATE-----\n";
        assert_eq!(renewed(ca, "a-uid"), renewed(ca, "a-uid"));
    }

    proptest! {
        #[test]
        fn the_bytes_are_others_and_the_certificates_the_same(ends in 0..20_usize, uid in ".{0,40}") {
            let ca = [b"-----END CERTIFICATE-----".as_slice(), &b"\n".repeat(ends)].concat();
            let other = renewed(&ca, &uid);
            prop_assert_ne!(&other, &ca);
            prop_assert_eq!(other.trim_ascii_end(), ca.trim_ascii_end());
            prop_assert!(other.len() <= ca.trim_ascii_end().len() + MOST as usize);
        }
    }
}

//! API servers leave their connections to a webhook that ends.
//!
//! An API server keeps its connections to a webhook, and sends the next review over the one that it used last, also when
//! the Pod behind it is no longer the Service's. A webhook that ends closes them, and a review that is just being sent is
//! lost. Ours ends its connections one by one before that; those of releases before do not, and an upgrade ends them.
//!
//! An API server has connections of its own for each `clientConfig`. So when a Pod of ours begins to end, line ends are
//! added behind the caBundle, or taken away: the same certificates, in other bytes. From then on reviews go over new
//! connections, to Pods that stay.

use std::fmt::Debug;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::core::v1::Pod;
use kube::api::PatchParams;
use kube::core::PartialObjectMeta;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use serde_json::json;
use tcr::names::{MUTATING_WEBHOOK, SYSTEM_NAMESPACE, VALIDATING_WEBHOOK};

use super::keeper::Configuration;
use crate::execute::json_patch;
use kubernetes::api_error::{ApiError, within};

const DEADLINE: Duration = Duration::from_secs(5);
/// Until the nodes know that the Pod is no longer the Service's; webhooks of every release answer for longer.
const KNOWN: Duration = Duration::from_millis(1500);
/// Pods of a webhook, or that may have one in them.
const WEBHOOKS: &str = "app.kubernetes.io/component in (webhook,controller-manager)";
/// So many line ends at most.
const MOST: u32 = 7;

/// Has API servers leave each Pod that ends, until the task is dropped. Every controller does: what the leader knows, it
/// may know too late, because it changes in the same moment.
pub async fn renew(client: Client) {
    let pods: Api<PartialObjectMeta<Pod>> = Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
    let validating: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
    let mutating: Api<MutatingWebhookConfiguration> = Api::all(client);
    let config = watcher::Config::default().labels(WEBHOOKS);
    let mut ending = watcher(pods, config)
        .default_backoff()
        .applied_objects()
        .try_filter_map(async |pod| Ok(pod.metadata.deletion_timestamp.and(pod.metadata.uid)))
        .boxed();
    // Of the few that end at a time each is seen several times.
    let mut seen: Vec<String> = Vec::new();
    while let Some(uid) = ending.next().await {
        let Ok(uid) = uid else { continue };
        if seen.contains(&uid) {
            continue;
        }
        tokio::time::sleep(KNOWN).await;
        let renewed = [
            renew_one(&validating, VALIDATING_WEBHOOK, &uid).await,
            renew_one(&mutating, MUTATING_WEBHOOK, &uid).await,
        ];
        for error in renewed.into_iter().filter_map(Result::err) {
            tracing::warn!(%error, "cannot have API servers leave a webhook that ends");
        }
        seen.truncate(31);
        seen.insert(0, uid);
    }
}

async fn renew_one<K>(api: &Api<K>, name: &str, uid: &str) -> Result<(), ApiError>
where
    K: Configuration + Clone + Debug + DeserializeOwned,
{
    let Some(found) = within(DEADLINE, api.get_opt(name)).await? else { return Ok(()) };
    let mut operations = Vec::new();
    for (index, (webhook, ca)) in found.webhooks().into_iter().enumerate() {
        let Some(ca) = ca else { continue };
        let path = format!("/webhooks/{index}/clientConfig/caBundle");
        operations.push(json!({"op": "test", "path": format!("/webhooks/{index}/name"), "value": webhook}));
        // Another certificate may have come.
        operations.push(json!({"op": "test", "path": path, "value": ByteString(ca.clone())}));
        operations.push(json!({"op": "replace", "path": path, "value": ByteString(renewed(&ca, uid))}));
    }
    if operations.is_empty() {
        return Ok(());
    }
    let patch = json_patch(operations)?;
    match within(DEADLINE, api.patch(name, &PatchParams::default(), &patch)).await {
        Ok(_) => Ok(()),
        // Another controller was quicker, or a new certificate came: either way the bytes are others now.
        Err(error) if error.is_inapplicable_patch() || error.is_conflict() => Ok(()),
        Err(error) => Err(error),
    }
}

/// The same certificates with another number of line ends behind them, which follows from the Pod's uid where it can: two
/// controllers write the same.
fn renewed(ca: &[u8], uid: &str) -> Vec<u8> {
    let bare = ca.trim_ascii_end();
    let before = ca.len() - bare.len();
    let sum = uid.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let mut ends = 1 + (sum % MOST) as usize;
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

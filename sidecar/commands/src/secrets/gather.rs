//! Reads the Secrets of an ImagePullSecret.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use k8s_openapi::api::core::v1::Secret;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use tcr::names::{
    IMAGE_PULL_SECRET_LABEL, MANAGED_BY, MANAGED_BY_LABEL, MARK_ANNOTATION, SYSTEM_NAMESPACE,
    derived_secret_name, image_pull_secret_label,
};

use super::report::{Facts, Found, Mark};
use crate::reader::{Reader, Right, Seen, seen};
use controller::installation_key;
use controller::observed;
use controller::partial_objects::SecretObject;
use custom_resource::ImagePullSecret;
use distribution::SeenSecret;
use distribution::mark::InstallationKey;

/// Secrets in one page: any user may have made each as large as etcd accepts.
const PAGE: u32 = 100;

/// Reads the facts about them.
pub(super) async fn facts(reader: &Reader, name: &str) -> Result<Facts> {
    let objects: Api<ImagePullSecret> = Api::all(reader.client.clone());
    let resource = "imagepullsecrets.tcr.tencentcloudcr.com";
    let right = Right { verb: "get", resource, namespace: None };
    let key_right = Right { verb: "get", resource: "secrets", namespace: Some(SYSTEM_NAMESPACE.to_owned()) };
    let (object, key) = futures::join!(reader.object(&objects, name, right), async {
        seen(key_right, installation_key::read(&reader.client).await)
    });
    let mut not_known = Vec::new();
    let desired = match &object {
        Seen::Known(Some(object)) => object.status.as_ref().and_then(|status| status.secrets_desired),
        // Its Secrets may exist all the same.
        Seen::Known(None) => None,
        other => {
            not_known.extend(other.missing().map(|why| format!("how many namespaces shall have it: {why}")));
            None
        }
    };
    not_known.extend(key.missing().map(|why| format!("whether Secrets hold what was written: {why}")));
    let secret = derived_secret_name(name);
    let labels = [
        format!("{MANAGED_BY_LABEL}={MANAGED_BY}"),
        format!("{IMAGE_PULL_SECRET_LABEL}={}", image_pull_secret_label(name)),
    ];
    let secrets: Api<Secret> = Api::all(reader.client.clone());
    let (mut found, mut known) = (Vec::new(), BTreeSet::new());
    for params in [
        ListParams::default().labels(&labels.join(",")),
        // Secrets of ours that lost their labels, or another owner's Secrets of the name.
        ListParams::default().fields(&format!("metadata.name={secret}")),
    ] {
        let take = |object: Secret| {
            let namespace = object.namespace().unwrap_or_default();
            if object.metadata.name.as_ref() == Some(&secret) && known.insert(namespace) {
                found.push(reduce(object, key.known().and_then(Option::as_ref), key.known().is_some()));
            }
        };
        let listed = reader.each(&secrets, params, PAGE, Right::list_all("secrets"), take).await;
        if let Some(why) = listed.missing() {
            bail!("cannot read the Secrets {secret}: {why}");
        }
    }
    if found.is_empty() && matches!(object, Seen::Known(None)) {
        bail!("there is no ImagePullSecret {name}, and no Secret {secret} is left of one");
    }
    Ok(Facts { name: name.to_owned(), secret, desired, found, not_known })
}

/// The relevant part of a Secret, without its content.
fn reduce(object: Secret, key: Option<&InstallationKey>, is_key_known: bool) -> Found {
    let has_mark = object.annotations().contains_key(MARK_ANNOTATION);
    let created = object.metadata.creation_timestamp.as_ref().map(|it| it.0);
    let fields = object.metadata.managed_fields.iter().flatten();
    let written = fields.filter_map(|field| Some(field.time.as_ref()?.0)).max().or(created);
    let namespace = object.namespace().unwrap_or_default();
    let labels = object.labels();
    let is_labelled = labels.get(MANAGED_BY_LABEL).is_some_and(|it| it == MANAGED_BY)
        && labels.contains_key(IMAGE_PULL_SECRET_LABEL);
    let partial = SecretObject::from(object);
    let none = InstallationKey::parse("0".repeat(64).as_bytes());
    let seen = key.or(none.as_ref().ok()).and_then(|key| observed::ours(&partial, key));
    let (digest, marked) = match seen {
        Some(SeenSecret::Ours { digest, marked, .. }) => (digest, marked),
        _ => (None, false),
    };
    let is_authentic = key.is_some_and(|key| observed::unlabelled(&partial.metadata, key).is_ours());
    let mark = match (key, has_mark) {
        (_, false) => Mark::None,
        (None, true) if !is_key_known => Mark::Unknown,
        (Some(_), true) if marked => Mark::AsWritten,
        (Some(_), true) if is_authentic => Mark::Changed,
        (_, true) => Mark::None,
    };
    Found { namespace, is_ours: is_labelled || is_authentic, digest, mark, created, written }
}

//! The policy's reads of the cluster, through the host: its only I/O.

use std::borrow::Cow;
use std::collections::BTreeMap;

use tcr::names::{API_GROUP, API_VERSION, ENFORCE_MOUNTABLE_SECRETS_ANNOTATION, IMAGE_PULL_SECRET_KIND};

use crate::json::{Malformed, Scanner, write_string};
use crate::pod_spec::PullSecrets;
use crate::verdict::short;

#[cfg(test)]
pub(crate) mod tests;

/// The cluster as Kubewarden's host capabilities of the namespace `kubernetes` show it.
pub trait Cluster {
    /// Calls the capability `operation` with a JSON request and returns its JSON response, or why
    /// there is none.
    fn ask(&self, operation: &str, request: &[u8]) -> Result<Vec<u8>, String>;
}

/// Room for a question, which then mostly needs one allocation.
const REQUEST_BYTES: usize = 512;

/// A ServiceAccount's fields about the pull secrets of its Pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServiceAccountView {
    /// Its Pods may only refer to Secrets that it lists.
    pub(crate) enforces: bool,
    /// The names it lists.
    pub(crate) pull_secrets: Vec<String>,
}

/// The labels of a Namespace.
pub(crate) fn namespace_labels(
    cluster: &dyn Cluster,
    name: &str,
) -> Result<BTreeMap<String, String>, String> {
    let object = get(cluster, "Namespace", None, name, &["metadata.labels"])?;
    let labels = Scanner::new(&object, 0).at_path(&["metadata", "labels"], |map| {
        let mut labels = BTreeMap::new();
        map.object(|key, value| {
            if let Some(value) = value.string()? {
                labels.insert(String::from_utf8_lossy(key).into_owned(), value.into_owned());
            }
            Ok(())
        })?;
        Ok(labels)
    });
    Ok(labels.map_err(unreadable)?.unwrap_or_default())
}

/// Reads a ServiceAccount's fields about the pull secrets of its Pods.
pub(crate) fn service_account(
    cluster: &dyn Cluster,
    namespace: &str,
    name: &str,
) -> Result<ServiceAccountView, String> {
    let masks = ["imagePullSecrets", "metadata.annotations"];
    let object = get(cluster, "ServiceAccount", Some(namespace), name, &masks)?;
    read_service_account(&object).map_err(unreadable)
}

fn read_service_account(object: &[u8]) -> Result<ServiceAccountView, Malformed> {
    let mut view = ServiceAccountView { enforces: false, pull_secrets: Vec::new() };
    let key_of_annotation = ENFORCE_MOUNTABLE_SECRETS_ANNOTATION.as_bytes();
    Scanner::new(object, 0).object(|key, value| {
        match key {
            b"metadata" => {
                let enforces = value.at_path(&["annotations"], |annotations| {
                    let mut enforces = false;
                    annotations.object(|key, value| {
                        let text = value.string()?;
                        if key == key_of_annotation {
                            enforces = text.as_deref() == Some("true");
                        }
                        Ok(())
                    })?;
                    Ok(enforces)
                })?;
                view.enforces = enforces.unwrap_or(false);
            }
            b"imagePullSecrets" => {
                let list = PullSecrets::read(value)?;
                view.pull_secrets = list.names.into_iter().map(|(_, name)| Cow::into_owned(name)).collect();
            }
            _ => value.pass()?,
        }
        Ok(())
    })?;
    Ok(view)
}

/// The fields of an ImagePullSecret that are read, without the password. Sorted by name, as the SDK sends a
/// set.
const IMAGE_PULL_SECRET_FIELDS: &[&str] = &[
    "metadata.deletionTimestamp",
    "metadata.name",
    "spec.docker.server",
    "spec.namespaceSelector",
    "spec.namespaces",
    "spec.serviceAccounts",
    "spec.tcr.aliases",
    "spec.tcr.credential.registryNamespaces",
    "spec.tcr.credential.type",
    "spec.tcr.domains",
    "spec.tcr.instanceId",
    "status.hosts",
];

/// The cluster's ImagePullSecrets as a list in JSON, without anything that is secret: the host
/// prunes what the masks do not name.
pub(crate) fn image_pull_secrets(cluster: &dyn Cluster) -> Result<Vec<u8>, String> {
    let mut request = Vec::with_capacity(REQUEST_BYTES);
    members(
        &mut request,
        &[
            ("api_version", Some(&format!("{API_GROUP}/{API_VERSION}"))),
            ("kind", Some(IMAGE_PULL_SECRET_KIND)),
            ("label_selector", None),
            ("field_selector", None),
        ],
        b"",
        IMAGE_PULL_SECRET_FIELDS,
    );
    cluster.ask("list_resources_all", &request)
}

/// The capability `get_resource`, for the kinds of Kubernetes' core; the host may answer with what
/// it read some seconds ago.
fn get(
    cluster: &dyn Cluster,
    kind: &str,
    namespace: Option<&str>,
    name: &str,
    masks: &[&str],
) -> Result<Vec<u8>, String> {
    for (what, text) in [("name", Some(name)), ("namespace", namespace)] {
        if let Some(fault) = text.and_then(path_segment_fault) {
            return Err(format!("the {kind}'s {what} {:?} {fault}", short(text.unwrap_or_default())));
        }
    }
    let mut request = Vec::with_capacity(REQUEST_BYTES);
    let names =
        [("api_version", Some("v1")), ("kind", Some(kind)), ("name", Some(name)), ("namespace", namespace)];
    members(&mut request, &names, b"\"disable_cache\":false,", masks);
    cluster.ask("get_resource", &request)
}

/// Why a text cannot be a name in an API path. Both come from the request, which any user may have
/// written, and a host may put them into a path as they are; the rule is Kubernetes' own
/// (`IsValidPathSegmentName` in k8s.io/apimachinery/pkg/api/validation/path), with the bound of a DNS
/// subdomain and without control characters.
fn path_segment_fault(name: &str) -> Option<&'static str> {
    match name {
        "" => Some("is empty"),
        "." | ".." => Some("is no name"),
        _ if name.len() > 253 => Some("is too long"),
        _ if name.contains(['/', '%']) => Some("has a \"/\" or \"%\" in it"),
        _ if name.contains(char::is_control) => Some("has control characters in it"),
        _ => None,
    }
}

/// Writes a request: members that are texts or null, others as they are written, and field masks.
fn members(out: &mut Vec<u8>, texts: &[(&str, Option<&str>)], others: &[u8], masks: &[&str]) {
    out.push(b'{');
    for (key, text) in texts {
        write_string(key, out);
        out.push(b':');
        match text {
            Some(text) => write_string(text, out),
            None => out.extend_from_slice(b"null"),
        }
        out.push(b',');
    }
    out.extend_from_slice(others);
    out.extend_from_slice(b"\"field_masks\":[");
    for (index, mask) in masks.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_string(mask, out);
    }
    out.extend_from_slice(b"]}");
}

fn unreadable(malformed: Malformed) -> String {
    format!("the host's answer is {malformed}")
}

//! Manifests as people write them, turned into the requests that the API server would send.
//!
//! The harness and the page ask the policy the same question about the same manifest, because both
//! make it here.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

mod kinds;
#[cfg(test)]
mod tests;

/// The operation on the object of a manifest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Operation {
    /// The object is created.
    #[default]
    Create,
    /// It is applied again, unchanged: the old object is the same.
    Update,
    /// The object is deleted.
    Delete,
}

/// The operation on an object, and its user.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manifested<'a> {
    /// The operation on the objects.
    pub operation: Operation,
    /// The user who does it.
    pub username: &'a str,
    /// The part of the object that is written, such as `status`; empty for all of it.
    pub sub_resource: &'a str,
    /// The object before an update; without it, it was the same.
    pub old: Option<&'a str>,
}

/// Why JSON is not the manifest of an object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// It lacks `apiVersion` or `kind`, or they or the metadata have another form.
    #[error("not a Kubernetes manifest: {0}")]
    NotAManifest(String),
    /// `apiVersion` is neither `VERSION` nor `GROUP/VERSION`.
    #[error("apiVersion: \"{0}\" is neither VERSION nor GROUP/VERSION")]
    ApiVersion(String),
}

/// The request for one object: who asks, for what, and the object as it was written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AdmissionRequest<'a> {
    uid: String,
    kind: Kind<'a>,
    resource: Resource<'a>,
    request_kind: Kind<'a>,
    request_resource: Resource<'a>,
    #[serde(skip_serializing_if = "str::is_empty")]
    sub_resource: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    namespace: &'a str,
    operation: Operation,
    user_info: UserInfo<'a>,
    object: Option<&'a RawValue>,
    old_object: Option<&'a RawValue>,
    dry_run: bool,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Kind<'a> {
    group: &'a str,
    version: &'a str,
    kind: &'a str,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Resource<'a> {
    group: &'a str,
    version: &'a str,
    resource: &'a str,
}

#[derive(Debug, Serialize)]
struct UserInfo<'a> {
    username: &'a str,
    groups: [&'static str; 1],
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    api_version: String,
    kind: String,
    #[serde(default)]
    metadata: ObjectMeta,
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Default, Deserialize)]
struct ObjectMeta {
    name: Option<String>,
    namespace: Option<String>,
}

/// The requests for a manifest's object, or for each object of a `List`, as JSON.
///
/// A namespaced object that names no namespace is put into `default`. The identifiers are made from
/// the objects, so that the same manifest gives the same requests.
///
/// # Errors
/// When the JSON is not a manifest.
pub fn requests(json: &str, manifested: &Manifested<'_>) -> Result<Vec<String>, ManifestError> {
    let manifest: Manifest<'_> =
        serde_json::from_str(json).map_err(|error| ManifestError::NotAManifest(error.to_string()))?;
    if let (true, Some(items)) = (manifest.kind.ends_with("List"), &manifest.items) {
        let requests: Result<Vec<Vec<String>>, ManifestError> =
            items.iter().map(|item| requests(item.get(), manifested)).collect();
        return Ok(requests?.concat());
    }
    let raw = |json| {
        serde_json::from_str(json)
            .map_err(|error: serde_json::Error| ManifestError::NotAManifest(error.to_string()))
    };
    let object: &RawValue = raw(json)?;
    let old = manifested.old.map(raw).transpose()?.unwrap_or(object);
    request(&manifest, object, old, manifested).map(|request| vec![request])
}

/// The requests for the operation of this name, as a page has it; any other text means `CREATE`.
///
/// # Errors
/// When the JSON is not a manifest.
pub fn requests_by_name(json: &str, operation: &str, username: &str) -> Result<Vec<String>, ManifestError> {
    let operation = match operation {
        "UPDATE" => Operation::Update,
        "DELETE" => Operation::Delete,
        _ => Operation::Create,
    };
    requests(json, &Manifested { operation, username, ..Manifested::default() })
}

fn request(
    manifest: &Manifest<'_>,
    object: &RawValue,
    old: &RawValue,
    manifested: &Manifested<'_>,
) -> Result<String, ManifestError> {
    let Manifested { operation, username, sub_resource, .. } = *manifested;
    let (group, version) = match manifest.api_version.split_once('/') {
        None => ("", &manifest.api_version[..]),
        Some((group, version)) => (group, version),
    };
    if version.is_empty() || version.contains('/') || (group.is_empty() && manifest.api_version.contains('/'))
    {
        return Err(ManifestError::ApiVersion(manifest.api_version.clone()));
    }
    let resource_name = kinds::plural(&manifest.kind);
    let kind = Kind { group, version, kind: &manifest.kind };
    let resource = Resource { group, version, resource: &resource_name };
    let named = manifest.metadata.namespace.as_deref().filter(|name| !name.is_empty());
    let request = AdmissionRequest {
        uid: uid(object.get(), operation),
        kind,
        resource,
        request_kind: kind,
        request_resource: resource,
        sub_resource,
        name: manifest.metadata.name.as_deref().unwrap_or_default(),
        namespace: match kinds::is_namespaced(group, &manifest.kind) {
            Some(true) => named.unwrap_or("default"),
            Some(false) => "",
            None => named.unwrap_or_default(),
        },
        operation,
        user_info: UserInfo { username, groups: ["system:authenticated"] },
        object: (operation != Operation::Delete).then_some(object),
        old_object: (operation != Operation::Create).then_some(old),
        dry_run: true,
    };
    serde_json::to_string(&request).map_err(|error| ManifestError::NotAManifest(error.to_string()))
}

/// An identifier in the form of a UUID that depends on the object and operation alone.
fn uid(object: &str, operation: Operation) -> String {
    let digest = Sha256::digest(format!("{operation:?} {object}"));
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let part = |range: std::ops::Range<usize>| digest.get(range).unwrap_or_default();
    format!("{}-{}-4{}-8{}-{}", part(0..8), part(8..12), part(12..15), part(15..18), part(18..30))
}

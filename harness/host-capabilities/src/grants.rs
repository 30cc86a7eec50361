//! The grants of a policy.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::field_masks::FieldMasks;

/// Every operation of Kubewarden's protocol.
const OPERATIONS: [(&str, &str); 12] = [
    ("kubernetes", "list_resources_by_namespace"),
    ("kubernetes", "list_resources_all"),
    ("kubernetes", "get_resource"),
    ("kubernetes", "can_i"),
    ("oci", "v1/verify"),
    ("oci", "v2/verify"),
    ("oci", "v1/manifest_digest"),
    ("oci", "v1/oci_manifest"),
    ("oci", "v1/oci_manifest_config"),
    ("net", "v1/dns_lookup_host"),
    ("crypto", "v1/is_certificate_trusted"),
    ("tracing", "log"),
];

/// Every operation that can be granted: namespace and name.
pub fn operations() -> impl Iterator<Item = (&'static str, &'static str)> {
    OPERATIONS.into_iter().filter(|(namespace, _)| *namespace != "tracing")
}

pub(crate) fn knows_namespace(namespace: &str) -> bool {
    OPERATIONS.iter().any(|(known, _)| *known == namespace)
}

pub(crate) fn knows(namespace: &str, operation: &str) -> bool {
    OPERATIONS.contains(&(namespace, operation))
}

/// A kind of Kubernetes objects that a policy may read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContextAwareResource {
    /// Such as `v1` or `apps/v1`.
    pub api_version: String,
    /// The kind in upper camel case, such as `Secret`.
    pub kind: String,
}

/// The host capabilities and objects that a policy may use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// The operations that it may call.
    pub operations: Vec<GrantPattern>,
    /// The kinds of Kubernetes objects it may read, on top of the operation's grant, and what of each.
    pub kinds: BTreeMap<ContextAwareResource, FieldMasks>,
}

impl Grants {
    /// Grants of nothing but logging.
    pub fn none() -> Self {
        Self::default()
    }

    /// These operations, and of these kinds whole objects.
    pub fn of_whole_objects(
        operations: Vec<GrantPattern>,
        kinds: impl IntoIterator<Item = ContextAwareResource>,
    ) -> Self {
        Self { operations, kinds: kinds.into_iter().map(|kind| (kind, FieldMasks::everything())).collect() }
    }

    pub(crate) fn allows(&self, namespace: &str, operation: &str) -> bool {
        self.operations.iter().any(|pattern| pattern.covers(namespace, operation))
    }
}

/// A granted operation or several: `*`, `oci/*`, `oci/v1/*`, `kubernetes/get_resource`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantPattern(String);

/// A pattern that covers no operation there is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no host capability; there are: *, {known}", known = known())]
pub struct GrantPatternError(String);

fn known() -> String {
    let names = OPERATIONS.iter().filter(|(namespace, _)| *namespace != "tracing");
    names.map(|(namespace, operation)| format!("{namespace}/{operation}")).collect::<Vec<_>>().join(", ")
}

impl GrantPattern {
    /// Whether it is one of the operations that the pattern grants.
    pub fn covers(&self, namespace: &str, operation: &str) -> bool {
        let path = format!("{namespace}/{operation}");
        match self.0.strip_suffix('*') {
            Some("") => true,
            Some(folder) => folder.ends_with('/') && path.starts_with(folder),
            None => self.0 == path,
        }
    }
}

impl FromStr for GrantPattern {
    type Err = GrantPatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let pattern = Self(text.to_owned());
        match OPERATIONS.iter().any(|(namespace, operation)| pattern.covers(namespace, operation)) {
            true => Ok(pattern),
            false => Err(GrantPatternError(text.to_owned())),
        }
    }
}

//! What a policy may ask its host for during a call, and what it is told.
//!
//! Every question goes through [`answer`]: logging is always there, the rest only where the policy
//! was granted it, and Kubernetes objects only of the kinds it was granted. The texts of refusals
//! are Kubewarden's.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::Instant;

use serde::Deserialize;

use crate::metadata::ContextAwareResource;
use crate::policy::Context;

pub mod kubernetes;
pub mod objects;
pub mod session;
mod tracing_log;

#[cfg(test)]
mod tests;

/// The outside world of a policy.
pub trait HostCapabilities: Send + Sync {
    /// Answers one granted question.
    ///
    /// # Errors
    /// The reason why there is no answer, for the policy.
    fn call(&self, call: &HostCall<'_>) -> Result<Vec<u8>, String>;
}

/// One granted question of a guest.
#[derive(Debug, Clone, Copy)]
pub struct HostCall<'a> {
    /// `kubernetes`, `oci`, `net` or `crypto`.
    pub namespace: &'a str,
    /// The operation, such as `get_resource` or `v1/manifest_digest`.
    pub operation: &'a str,
    /// Its parameters as JSON.
    pub payload: &'a [u8],
    /// When the guest's time is up: an answer after that is of no use.
    pub deadline: Instant,
}

/// No outside world at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unavailable;

impl HostCapabilities for Unavailable {
    fn call(&self, call: &HostCall<'_>) -> Result<Vec<u8>, String> {
        Err(format!(
            "{}/{} is not available: this run has no cluster and no recorded session to answer from",
            call.namespace, call.operation
        ))
    }
}

/// Every operation of Kubewarden's protocol that can be granted.
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

/// What a policy may ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// The operations.
    pub operations: Vec<GrantPattern>,
    /// The kinds of Kubernetes objects it may read, on top of the operation's grant.
    pub kinds: BTreeSet<ContextAwareResource>,
}

impl Grants {
    /// Nothing but logging.
    pub fn none() -> Self {
        Self::default()
    }

    fn allows(&self, namespace: &str, operation: &str) -> bool {
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
    fn covers(&self, namespace: &str, operation: &str) -> bool {
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

/// Answers a guest's host call.
pub(crate) fn answer(
    context: &Context,
    deadline: Instant,
    binding: &str,
    namespace: &str,
    operation: &str,
    payload: &[u8],
) -> Result<Vec<u8>, String> {
    if binding != "kubewarden" {
        return Err(format!("unknown binding: {binding}"));
    }
    if !OPERATIONS.iter().any(|(known, _)| *known == namespace) {
        return Err(format!("unknown namespace: {namespace}"));
    }
    if !OPERATIONS.contains(&(namespace, operation)) {
        return Err(format!("unknown operation: {operation}"));
    }
    if namespace == "tracing" {
        tracing_log::log(&context.name, payload);
        return Ok(Vec::new());
    }
    if !context.grants.allows(namespace, operation) {
        return Err(violation(context, &format!("to the '{namespace}/{operation}' host capability")));
    }
    if namespace == "kubernetes" && operation != "can_i" {
        let kind: ContextAwareResource = serde_json::from_slice::<ObjectKind>(payload)
            .map_err(|error| format!("Callback evaluation failure: {operation}: {error}"))?
            .into();
        if !context.grants.kinds.contains(&kind) {
            let ContextAwareResource { api_version, kind } = kind;
            return Err(violation(context, &format!("to Kubernetes {api_version}/{kind} resources")));
        }
    }
    let call = HostCall { namespace, operation, payload, deadline };
    context.capabilities.call(&call).map_err(|error| format!("Callback evaluation failure: {error}"))
}

fn violation(context: &Context, what: &str) -> String {
    let message = format!("Policy has not been granted access {what}. The violation has been reported.");
    tracing::warn!(policy = &*context.name, "{message}");
    message
}

/// The part of every question about Kubernetes objects that says which kind.
#[derive(Deserialize)]
struct ObjectKind {
    api_version: String,
    kind: String,
}

impl From<ObjectKind> for ContextAwareResource {
    fn from(kind: ObjectKind) -> Self {
        Self { api_version: kind.api_version, kind: kind.kind }
    }
}

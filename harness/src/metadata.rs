//! A policy's metadata: its requests, the host capabilities that it may use, and its description.
//!
//! It is in the module itself, as JSON in the custom section `io.kubewarden.metadata`, where Kubewarden's
//! tools look for it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::document;
pub use crate::host_capabilities::ContextAwareResource;
use crate::linked_module::Interface;
use crate::wasm_section::{self, SectionError};

mod rules;
#[cfg(test)]
mod tests;
pub mod used_capabilities;

/// The custom section that holds the metadata.
pub const SECTION: &str = "io.kubewarden.metadata";
/// The annotation that holds the policy's manual.
pub const USAGE_ANNOTATION: &str = "io.kubewarden.policy.usage";
/// The annotation that says which tool wrote the metadata.
pub const ANNOTATED_BY_ANNOTATION: &str = "io.kubewarden.kwctl";
/// The annotation that says where the policy's sources are.
pub const SOURCE_ANNOTATION: &str = "io.kubewarden.policy.source";

/// A policy's description of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// The version of the protocol between host and guest, `v1`; the guest itself is asked for it.
    #[serde(default)]
    pub protocol_version: Option<String>,
    /// The requests it wants to see.
    #[serde(default, deserialize_with = "document::null_is_empty")]
    pub rules: Vec<Rule>,
    /// Title, author, licence and the like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// Whether it may change objects.
    pub mutating: bool,
    /// Whether the audit scanner may put existing objects to it.
    #[serde(default = "yes")]
    pub background_audit: bool,
    /// The Kubernetes objects it reads.
    #[serde(default, deserialize_with = "document::null_is_empty")]
    pub context_aware_resources: Vec<ContextAwareResource>,
    /// The host capabilities it uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_capabilities: Option<Vec<String>>,
    /// The runtime it is for.
    #[serde(default = "wapc")]
    pub execution_mode: String,
    /// `kubernetes`, or `raw` for requests that are not Kubernetes'.
    #[serde(default)]
    pub policy_type: PolicyType,
    /// The oldest Kubewarden that can run it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_kubewarden_version: Option<String>,
}

/// The execution mode of waPC guests.
const WAPC: &str = "kubewarden-wapc";
/// The execution mode of programs.
const WASI: &str = "wasi";

/// How a guest of an execution mode is spoken to; none where this host runs no such guests.
pub fn interface_of(execution_mode: &str) -> Option<Interface> {
    match execution_mode {
        // A module without metadata is taken for one of the usual kind.
        "" | WAPC => Some(Interface::Wapc),
        WASI => Some(Interface::Wasi),
        _ => None,
    }
}

/// The version of Kubewarden whose hosts this one is like: what a policy may ask for is there.
pub const KUBEWARDEN_VERSION: (u64, u64) = (1, 36);

/// The first two numbers of a semantic version; Kubewarden ignores the rest.
fn major_and_minor(text: &str) -> Option<(u64, u64)> {
    let number = |text: &str| {
        let is_number =
            text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        is_number.then(|| text.parse().ok()).flatten()
    };
    let core = text.split(['-', '+']).next()?;
    let [major, minor, patch] = <[&str; 3]>::try_from(core.split('.').collect::<Vec<_>>()).ok()?;
    number(patch)?;
    Some((number(major)?, number(minor)?))
}

fn yes() -> bool {
    true
}

fn wapc() -> String {
    WAPC.to_owned()
}

/// The kind of requests that a policy evaluates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PolicyType {
    /// AdmissionRequests of a Kubernetes cluster.
    #[default]
    Kubernetes,
    /// Any JSON value, not a cluster's.
    Raw,
}

/// A set of requests, in the words of Kubernetes' webhook configurations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// `""` is the core group, `*` is all.
    #[serde(deserialize_with = "document::null_is_empty")]
    pub api_groups: Vec<String>,
    /// Such as `v1`, or `*`.
    #[serde(deserialize_with = "document::null_is_empty")]
    pub api_versions: Vec<String>,
    /// Plural names, with subresources such as `pods/status`, or `*`.
    #[serde(deserialize_with = "document::null_is_empty")]
    pub resources: Vec<String>,
    /// `CREATE`, `UPDATE`, `DELETE`, `CONNECT`, or `*`.
    #[serde(deserialize_with = "document::null_is_empty")]
    pub operations: Vec<Operation>,
}

/// An operation in a [`Rule`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Operation {
    /// An object is made.
    Create,
    /// An object is changed.
    Update,
    /// An object is deleted.
    Delete,
    /// A connection through the API server, such as `kubectl exec`.
    Connect,
    /// All operations that there are.
    #[serde(rename = "*")]
    All,
}

/// Why a module's or a file's metadata cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// The sections of the module cannot be read.
    #[error(transparent)]
    Module(#[from] SectionError),
    /// The section or file has another form.
    #[error("not a policy's metadata: {0}")]
    NotMetadata(String),
    /// A field breaks a rule.
    #[error("{field}: {reason}")]
    Field {
        /// Its path, such as `rules[0].resources`.
        field: String,
        /// The fault, with the value.
        reason: String,
    },
}

impl Metadata {
    /// The metadata inside a module; `None` when it was never annotated.
    ///
    /// # Errors
    /// When the module is damaged or its section is not metadata.
    pub fn of_module(wasm: &[u8]) -> Result<Option<Self>, MetadataError> {
        wasm_section::read(wasm, SECTION)?
            .map(|json| {
                serde_json::from_slice(json).map_err(|error| MetadataError::NotMetadata(error.to_string()))
            })
            .transpose()
    }

    /// The module with this metadata, which replaces any earlier one.
    ///
    /// # Errors
    /// When the module is damaged.
    pub fn write_into(&self, wasm: &[u8]) -> Result<Vec<u8>, MetadataError> {
        let json = serde_json::to_vec(self).map_err(|error| MetadataError::NotMetadata(error.to_string()))?;
        Ok(wasm_section::replace(wasm, SECTION, &json)?)
    }

    /// Says which tool wrote it, where Kubewarden's tools look for it: the version of theirs that this one is like, and its
    /// own as the build's.
    pub fn sign(&mut self) {
        let (major, minor) = KUBEWARDEN_VERSION;
        let version = format!("{major}.{minor}.0+harness.{}", env!("CARGO_PKG_VERSION"));
        self.annotations.get_or_insert_default().insert(ANNOTATED_BY_ANNOTATION.into(), version);
    }

    /// Reads a `metadata.yml`.
    ///
    /// # Errors
    /// When it is not YAML of that form.
    pub fn parse(text: &str) -> Result<Self, MetadataError> {
        document::from_yaml(text).map_err(MetadataError::NotMetadata)
    }

    /// How the policy is spoken to; none where this host runs no such policies.
    pub fn interface(&self) -> Option<Interface> {
        interface_of(&self.execution_mode)
    }

    /// Checks that it is for a Kubewarden like this host, or an older one.
    ///
    /// # Errors
    /// It is for a newer one, or does not say for which.
    pub fn check_version(&self) -> Result<(), MetadataError> {
        let bad = |reason| Err(MetadataError::Field { field: "minimumKubewardenVersion".into(), reason });
        let Some(minimum) = &self.minimum_kubewarden_version else { return Ok(()) };
        let Some((major, minor)) = major_and_minor(minimum) else {
            return bad(format!("\"{minimum}\" is no version such as 1.36.0"));
        };
        let (our_major, our_minor) = KUBEWARDEN_VERSION;
        if (major, minor) > KUBEWARDEN_VERSION {
            return bad(format!(
                "Policy required Kubewarden version {major}.{minor}.0 but is running on {our_major}.{our_minor}.0"
            ));
        }
        Ok(())
    }

    /// Checks what Kubewarden checks: the rules, the protocol's version, the names.
    ///
    /// # Errors
    /// The first field that breaks a rule, and how.
    pub fn check(&self) -> Result<(), MetadataError> {
        let bad = |field: &str, reason: String| Err(MetadataError::Field { field: field.into(), reason });
        match self.protocol_version.as_deref() {
            Some("v1") => {}
            Some(other) => return bad("protocolVersion", format!("\"{other}\" is not v1")),
            None => return bad("protocolVersion", "it is missing".into()),
        }
        let mode = &self.execution_mode;
        if mode.is_empty() || self.interface().is_none() {
            let reason = format!("\"{mode}\" is not {WAPC} or {WASI}, which is all that this host runs");
            return bad("executionMode", reason);
        }
        self.check_fields()
    }

    /// Checks the fields that do not depend on the runtime: the rules, the names, and the supported
    /// Kubewarden.
    ///
    /// # Errors
    /// The first field that breaks a rule, and how.
    pub fn check_fields(&self) -> Result<(), MetadataError> {
        self.check_version()?;
        for (at, rule) in self.rules.iter().enumerate() {
            rules::check(rule).map_err(|(field, reason)| MetadataError::Field {
                field: format!("rules[{at}].{field}"),
                reason,
            })?;
        }
        for (at, capability) in self.host_capabilities.iter().flatten().enumerate() {
            if let Err(error) = capability.parse::<crate::host_capabilities::GrantPattern>() {
                let field = format!("hostCapabilities[{at}]");
                return Err(MetadataError::Field { field, reason: error.to_string() });
            }
        }
        Ok(())
    }
}

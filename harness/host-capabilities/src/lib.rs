//! Host capabilities: a policy's questions to its host during a call, and their answers.
//!
//! Every call goes through [`answer`]: logging is always available, other capabilities only where the policy
//! was granted them, and of Kubernetes objects only the granted kinds and fields. A guest's bytes become a
//! checked [`Question`] first, and only that reaches the code that answers. The texts of refusals are
//! Kubewarden's.

use std::time::Instant;

mod field_masks;
mod grants;
mod guest_log;
pub mod kubernetes;
pub mod objects;
mod path_segment;
mod question;
mod shortened;
#[cfg(test)]
mod tests;

pub use field_masks::{FieldMasks, FieldMasksError};
pub use grants::{ContextAwareResource, GrantPattern, GrantPatternError, Grants, operations};
pub use guest_log::GuestLog;
pub use path_segment::path_segment_fault;
pub use question::{
    CanI, Certificate, CertificateTrust, Encoding, Get, List, Question, Subject, SubjectAttributes, Verify,
    api_version_fault, kind_fault,
};
pub use shortened::{cut, shortened};

/// How much of a guest's text is told back to it.
const ECHO: usize = 100;

/// The outside world of a policy.
pub trait HostCapabilities: Send + Sync {
    /// Answers one granted question, with no more than its field masks name.
    ///
    /// # Errors
    /// The reason why there is no answer, for the policy.
    fn call(&self, call: &HostCall<'_>) -> Result<Vec<u8>, String>;
}

/// One granted question of a guest.
#[derive(Debug, Clone)]
pub struct HostCall<'a> {
    /// `kubernetes`, `oci`, `net` or `crypto`.
    pub namespace: &'a str,
    /// The operation, such as `get_resource` or `v1/manifest_digest`.
    pub operation: &'a str,
    pub question: Question,
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

/// A host call as a guest makes it: nothing of it is checked.
#[derive(Debug, Clone, Copy)]
pub struct GuestCall<'a> {
    /// `kubewarden`.
    pub binding: &'a str,
    /// See [`HostCall::namespace`].
    pub namespace: &'a str,
    /// See [`HostCall::operation`].
    pub operation: &'a str,
    /// Its parameters as JSON.
    pub payload: &'a [u8],
}

/// Answers a guest's host call.
///
/// # Errors
/// What the guest is told: it was not granted this, its question is not one, or there is no answer.
pub fn answer(
    capabilities: &dyn HostCapabilities,
    grants: &Grants,
    log: &mut GuestLog,
    deadline: Instant,
    call: &GuestCall<'_>,
) -> Result<Vec<u8>, String> {
    let GuestCall { binding, namespace, operation, payload } = *call;
    if binding != "kubewarden" {
        return Err(format!("unknown binding: {}", shortened(binding, ECHO)));
    }
    if !grants::knows_namespace(namespace) {
        return Err(format!("unknown namespace: {}", shortened(namespace, ECHO)));
    }
    if !grants::knows(namespace, operation) {
        return Err(format!("unknown operation: {}", shortened(operation, ECHO)));
    }
    if namespace == "tracing" {
        log.event(payload);
        return Ok(Vec::new());
    }
    if !grants.allows(namespace, operation) {
        return Err(violation(log, &format!("to the '{namespace}/{operation}' host capability")));
    }
    let failed = |error: String| format!("Callback evaluation failure: {error}");
    let mut question = Question::read(namespace, operation, payload)
        .map_err(|error| failed(format!("{operation}: {error}")))?;
    if let Some((kind, masks)) = question.kind_and_masks() {
        match grants.kinds.get(&kind) {
            Some(granted) => *masks = masks.within(granted),
            None => {
                let ContextAwareResource { api_version, kind } = kind;
                return Err(violation(log, &format!("to Kubernetes {api_version}/{kind} resources")));
            }
        }
    }
    capabilities.call(&HostCall { namespace, operation, question, deadline }).map_err(failed)
}

fn violation(log: &mut GuestLog, what: &str) -> String {
    let message = format!("Policy has not been granted access {what}. The violation has been reported.");
    log.violation(&message);
    message
}

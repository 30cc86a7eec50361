//! The answer to a request: a policy's verdict, and the AdmissionResponse that Kubernetes gets for it.
//!
//! Field names, texts and codes are Kubewarden's, so that a policy and the readers of its answers see no
//! difference between the hosts.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::json::{Outline, Scanner};
use crate::patch;
use crate::request::Request;

#[cfg(test)]
mod tests;

const DEADLINE_EXCEEDED: &str = "Policy execution interrupted because it exceeded the allowed execution time";
const MUTATION_WITHOUT_OBJECT: &str = "Incoming object is null, which happens only with DELETE operations, but the policy is attempting a mutation. This is not allowed";

/// An answer to an admission request (`admission.k8s.io/v1`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdmissionResponse {
    pub uid: String,
    /// Whether the request may go on.
    pub allowed: bool,
    /// `JSONPatch` when there is a patch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch_type: Option<String>,
    /// The JSON patch, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch: Option<String>,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Annotations for the API server's audit log; `null` when the policy has none.
    pub audit_annotations: Option<BTreeMap<String, String>>,
    /// Warnings for the user; `null` when there are none.
    pub warnings: Option<Vec<String>>,
}

/// The reason in an [`AdmissionResponse`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The sentence for the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The HTTP status code the API server answers with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// Further details.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<StatusDetails>,
}

/// More about a [`Status`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusDetails {
    /// The causes.
    pub causes: Vec<StatusCause>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusCause {
    /// The field of the policy's definition that it is about, such as `spec.policies.a`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// One evaluation: the answer, and the object as the policy wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluation {
    /// The answer to Kubernetes.
    pub response: AdmissionResponse,
    /// The changed object as JSON, when there is a patch.
    pub mutated_object: Option<String>,
    /// Whether there is no verdict: the policy ran out of time or memory, trapped, failed, or gave an
    /// answer that cannot be understood. The response then is a refusal.
    pub failed: bool,
}

impl AdmissionResponse {
    /// A refusal with a reason and a code.
    pub fn refusal(uid: &str, message: impl Into<String>, code: Option<u16>) -> Self {
        Self {
            uid: uid.to_owned(),
            status: Some(Status { message: Some(message.into()), code, details: None }),
            ..Self::default()
        }
    }

    /// The whole AdmissionReview that carries this answer.
    pub fn to_review(&self) -> Vec<u8> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Review<'a> {
            api_version: &'static str,
            kind: &'static str,
            response: &'a AdmissionResponse,
        }
        let review = Review { api_version: "admission.k8s.io/v1", kind: "AdmissionReview", response: self };
        let mut out = Vec::with_capacity(512 + self.patch.as_ref().map_or(0, String::len));
        // Strings, numbers and maps of strings always serialise.
        let _ = serde_json::to_writer(&mut out, &review);
        out
    }

    /// The answer to a raw request, as policy-server's `/validate_raw` gives it.
    pub fn to_raw(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Raw<'a> {
            response: &'a AdmissionResponse,
        }
        // Strings, numbers and maps of strings always serialise.
        serde_json::to_vec(&Raw { response: self }).unwrap_or_default()
    }

    /// The patch as text, where there is one.
    pub fn patch_json(&self) -> Option<String> {
        let bytes = STANDARD.decode(self.patch.as_ref()?).ok()?;
        String::from_utf8(bytes).ok()
    }
}

impl Evaluation {
    /// The evaluation of a guest's answer to `validate`.
    pub fn of_answer(request: &Request<'_>, answer: &[u8]) -> Self {
        match Verdict::read(answer, request.outline()) {
            Ok(verdict) => Self::of_verdict(request, verdict),
            Err(reason) => Self::not_understood(request, &reason),
        }
    }

    fn not_understood(request: &Request<'_>, reason: &str) -> Self {
        let reason = format!("internal server error: cannot understand the policy's answer: {reason}");
        Self::failed(request.uid(), reason)
    }

    /// No verdict, for this reason.
    pub fn failed(uid: &str, reason: impl Into<String>) -> Self {
        let response = AdmissionResponse::refusal(uid, reason, Some(500));
        Self { response, mutated_object: None, failed: true }
    }

    /// No verdict in time.
    pub fn too_late(uid: &str) -> Self {
        Self::failed(uid, DEADLINE_EXCEEDED)
    }

    fn of_verdict(request: &Request<'_>, verdict: Verdict<'_>) -> Self {
        let patch = match (verdict.mutated_object, request.outline()) {
            (None, _) => None,
            (Some(_), None) => {
                return Self::unchanged(AdmissionResponse::refusal(
                    request.uid(),
                    MUTATION_WITHOUT_OBJECT,
                    None,
                ));
            }
            (Some(mutated), Some(object)) => match patch::diff_from(object, mutated) {
                Ok(patch) => match patch.as_deref().map(new_values_are_readable) {
                    Some(Err(error)) => {
                        return Self::not_understood(request, &format!("\"mutated_object\": {error}"));
                    }
                    _ => patch,
                },
                Err(error) => {
                    let message = format!("internal server error: cannot compare the objects: {error}");
                    return Self::failed(request.uid(), message);
                }
            },
        };
        let status = (verdict.message.is_some() || verdict.code.is_some()).then_some(Status {
            message: verdict.message,
            code: verdict.code,
            details: None,
        });
        Self {
            mutated_object: patch.as_ref().and(verdict.mutated_object).map(str::to_owned),
            failed: false,
            response: AdmissionResponse {
                uid: request.uid().to_owned(),
                allowed: verdict.accepted,
                patch_type: patch.as_ref().map(|_| "JSONPatch".to_owned()),
                patch: patch.map(|patch| STANDARD.encode(patch)),
                status,
                audit_annotations: verdict.audit_annotations,
                warnings: verdict.warnings,
            },
        }
    }

    fn unchanged(response: AdmissionResponse) -> Self {
        Self { response, mutated_object: None, failed: false }
    }
}

/// New values must be readable by Kubewarden's hosts, which parse the whole object: no number beyond every
/// type, no unpaired surrogate. The rest of the object comes from the API server.
fn new_values_are_readable(patch: &str) -> Result<(), serde_json::Error> {
    #[derive(Deserialize)]
    struct Operation<'a> {
        #[serde(borrow)]
        value: Option<&'a RawValue>,
    }
    let operations: Vec<Operation<'_>> = serde_json::from_str(patch)?;
    let mut values = operations.into_iter().filter_map(|operation| operation.value);
    values.try_for_each(|value| serde_json::from_str::<Value>(value.get()).map(drop))
}

#[derive(Debug, Default)]
struct Verdict<'a> {
    accepted: bool,
    message: Option<String>,
    code: Option<u16>,
    mutated_object: Option<&'a str>,
    audit_annotations: Option<BTreeMap<String, String>>,
    warnings: Option<Vec<String>>,
}

/// The members of a ValidationResponse.
const MEMBERS: [&str; 6] = ["accepted", "message", "code", "mutated_object", "audit_annotations", "warnings"];

impl<'a> Verdict<'a> {
    /// Reads the guest's answer to a request about `object`.
    fn read(answer: &'a [u8], object: Option<&Outline<'_>>) -> Result<Self, String> {
        fn set<'a, T: Deserialize<'a>>(
            place: &mut T,
            key: &str,
            value: &'a str,
            failure: &mut Option<String>,
        ) {
            match serde_json::from_str(value) {
                Ok(value) => *place = value,
                Err(error) => *failure = Some(format!("\"{key}\": {error}")),
            }
        }
        let text = std::str::from_utf8(answer).map_err(|error| error.to_string())?;
        let mut verdict = Self::default();
        let mut accepted = None;
        let mut failure = None;
        let mut seen = Vec::new();
        let mut scanner = Scanner::new(text);
        let scanned = scanner.object(|key, scanner| {
            let value = match (key, object) {
                ("mutated_object", Some(object)) => scanner.edited(object)?,
                _ => scanner.value()?,
            };
            // Of two verdicts neither can be taken.
            if let Some(member) = MEMBERS.iter().find(|member| **member == key) {
                if seen.contains(member) {
                    failure = Some(format!("duplicate field \"{member}\""));
                }
                seen.push(member);
            }
            match key {
                "accepted" => set(&mut accepted, key, value, &mut failure),
                "message" => set(&mut verdict.message, key, value, &mut failure),
                "code" => set(&mut verdict.code, key, value, &mut failure),
                "audit_annotations" => set(&mut verdict.audit_annotations, key, value, &mut failure),
                "warnings" => set(&mut verdict.warnings, key, value, &mut failure),
                "mutated_object" => verdict.mutated_object = (value != "null").then_some(value),
                _ => {}
            }
            Ok(())
        });
        scanned.and_then(|()| scanner.end()).map_err(|error| error.to_string())?;
        if let Some(failure) = failure {
            return Err(failure);
        }
        verdict.accepted = accepted.ok_or("\"accepted\" is missing")?;
        Ok(verdict)
    }
}

//! Errors of the API server: their classes and their texts.

use std::time::Duration;

use kube::core::Status;

/// Why a call to the API server failed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The API server refused.
    #[error("{}", .0.message)]
    Refused(Box<Status>),
    /// The object has changed since it was read.
    #[error("somebody else changed it at the same time")]
    Overtaken,
    /// There was no answer in time.
    #[error("the API server did not answer within {} s", .0.as_secs())]
    Deadline(Duration),
    /// Anything else, such as a connection that broke.
    #[error("{0}")]
    Other(String),
}

impl From<kube::Error> for ApiError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Refused(status),
            // The innermost error: the outer ones only say that a request failed.
            other => Self::Other(innermost(&other)),
        }
    }
}

impl ApiError {
    /// There is no such object.
    pub fn is_not_found(&self) -> bool {
        self.is("NotFound")
    }

    /// There is an object of that name.
    pub fn is_already_exists(&self) -> bool {
        self.is("AlreadyExists")
    }

    /// A precondition does not hold.
    pub fn is_conflict(&self) -> bool {
        self.is("Conflict")
    }

    /// A JSON patch cannot be applied: one of its tests fails, or a path of it does not exist. Refusals by a
    /// policy or by the API server's own validation have the same code, and another message.
    pub fn is_inapplicable_patch(&self) -> bool {
        matches!(self, Self::Refused(status) if status.code == 422 && status.message == INAPPLICABLE_PATCH)
    }

    /// The namespace is being deleted, so that nothing can be created in it, or it is gone.
    pub fn is_namespace_going(&self) -> bool {
        let Self::Refused(status) = self else { return false };
        if is_of_webhook(status) {
            return false;
        }
        let details = status.details.as_ref();
        let cause =
            details.is_some_and(|it| it.causes.iter().any(|cause| cause.reason == "NamespaceTerminating"));
        let gone = status.code == 404 && details.is_some_and(|it| it.kind == "namespaces");
        cause || gone || status.message.contains("because it is being terminated")
    }

    /// A ResourceQuota has no room, or its use is not known yet: it is counted again some time after a deletion
    /// (`k8s.io/apiserver/pkg/admission/plugin/resourcequota`).
    pub fn is_quota_exceeded(&self) -> bool {
        let says = |words| matches!(self, Self::Refused(status) if status.message.contains(words));
        self.code() == Some(403) && (says("exceeded quota") || says("status unknown for quota"))
    }

    /// The error is about the written object only. Without an answer, or with one that asks to retry later,
    /// writes of other objects need not be tried now.
    pub fn is_of_object(&self) -> bool {
        self.code().is_some_and(|code| code != 429)
    }

    /// The HTTP status, when the API server answered.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Refused(status) => Some(status.code),
            _ => None,
        }
    }

    fn is(&self, reason: &str) -> bool {
        matches!(self, Self::Refused(status) if status.reason == reason && !is_of_webhook(status))
    }
}

/// The text of `NewGenericServerResponse` in k8s.io/apimachinery/pkg/api/errors, with which
/// k8s.io/apiserver/pkg/endpoints/handlers/patch.go answers a patch that cannot be applied.
const INAPPLICABLE_PATCH: &str = "the server rejected our request due to an error in our request";

/// An admission webhook may deny with any code and reason, which then tell nothing about objects
/// (`ToStatusErr` in k8s.io/apiserver/pkg/admission/plugin/webhook/errors).
fn is_of_webhook(status: &Status) -> bool {
    status.message.starts_with("admission webhook ")
}

/// The call's result, or [`ApiError::Deadline`]: a connection that died without an error must not block a
/// namespace for ever.
pub async fn within<T>(
    deadline: Duration,
    call: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, ApiError> {
    match tokio::time::timeout(deadline, call).await {
        Ok(result) => result.map_err(ApiError::from),
        Err(_) => Err(ApiError::Deadline(deadline)),
    }
}

/// The innermost error of a chain.
pub fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use kube::core::response::{StatusCause, StatusDetails};

    use super::*;

    fn refused(code: u16, reason: &str, message: &str, cause: Option<&str>) -> ApiError {
        let causes = cause.map(|reason| StatusCause {
            reason: reason.to_owned(),
            message: String::new(),
            field: String::new(),
        });
        let details = StatusDetails {
            name: String::new(),
            group: String::new(),
            kind: String::new(),
            uid: String::new(),
            causes: causes.into_iter().collect(),
            retry_after_seconds: 0,
        };
        let status = Status {
            code,
            reason: reason.to_owned(),
            message: message.to_owned(),
            details: Some(details),
            ..Status::default()
        };
        kube::Error::Api(status.boxed()).into()
    }

    #[test]
    fn a_namespace_that_is_going_is_told_from_a_refusal() {
        assert!(refused(403, "Forbidden", "secrets ...", Some("NamespaceTerminating")).is_namespace_going());
        assert!(
            !refused(403, "Forbidden", "secrets is forbidden: User ... cannot create", None)
                .is_namespace_going()
        );
    }

    #[test]
    fn a_full_quota_is_told_from_other_refusals() {
        let full =
            "secrets \"tcr.ipsnew\" is forbidden: exceeded quota: two, requested: secrets=1, used: secrets=2";
        assert!(refused(403, "Forbidden", full, None).is_quota_exceeded());
        let unknown = "secrets \"x\" is forbidden: status unknown for quota: two, resources: secrets";
        assert!(refused(403, "Forbidden", unknown, None).is_quota_exceeded());
        assert!(!refused(403, "Forbidden", "User ... cannot create", None).is_quota_exceeded());
        assert!(!refused(422, "Invalid", "exceeded quota", None).is_quota_exceeded());
    }

    #[test]
    fn what_says_nothing_of_others_is_of_the_object() {
        assert!(refused(403, "Forbidden", "denied", None).is_of_object());
        assert!(refused(500, "InternalError", "failed calling webhook", None).is_of_object());
        assert!(!refused(429, "TooManyRequests", "later", None).is_of_object());
        assert!(!ApiError::Deadline(Duration::from_secs(30)).is_of_object());
        assert!(!ApiError::Other("connection refused".to_owned()).is_of_object());
    }

    #[test]
    fn a_patch_that_cannot_be_applied_is_told_from_a_refusal_with_the_same_code() {
        assert!(refused(422, "Invalid", INAPPLICABLE_PATCH, None).is_inapplicable_patch());
        // A policy without a reason of its own refuses with Invalid.
        let policy = "serviceaccounts \"default\" is forbidden: ValidatingAdmissionPolicy 'protect' with binding \
                      'protect' denied request: it is protected";
        assert!(!refused(422, "Invalid", policy, None).is_inapplicable_patch());
    }

    #[test]
    fn a_webhook_says_nothing_of_objects_whatever_its_reason_is() {
        let denied =
            |code, reason| refused(code, reason, "admission webhook \"a.b\" denied the request: no", None);
        assert!(!denied(404, "NotFound").is_not_found());
        assert!(!denied(409, "Conflict").is_conflict());
        assert!(!denied(409, "AlreadyExists").is_already_exists());
        let going = "admission webhook \"a.b\" denied the request: because it is being terminated";
        assert!(!refused(403, "Forbidden", going, Some("NamespaceTerminating")).is_namespace_going());
        assert!(denied(409, "Conflict").is_of_object());
    }

    #[test]
    fn the_words_are_the_api_servers() {
        assert_eq!(refused(403, "Forbidden", "exceeded quota", None).to_string(), "exceeded quota");
    }
}

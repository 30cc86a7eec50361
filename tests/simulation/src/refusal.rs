//! The API server's refusals, as the client reads them.

use std::time::Duration;

use kube::core::Status;
use kubernetes::api_error::ApiError;

fn refused(code: u16, reason: &str, message: &str) -> ApiError {
    let status = Status { code, reason: reason.to_owned(), message: message.to_owned(), ..Status::default() };
    ApiError::Refused(Box::new(status))
}

/// Admission, quota or RBAC.
pub fn forbidden(message: &str) -> ApiError {
    refused(403, "Forbidden", message)
}

/// The namespace is being deleted.
pub fn terminating() -> ApiError {
    refused(403, "Forbidden", "unable to create new content in namespace shop because it is being terminated")
}

/// There is no such namespace. To a patch or a deletion that is the object's own absence.
pub fn no_namespace() -> ApiError {
    let mut error = refused(404, "NotFound", "namespaces \"shop\" not found");
    if let ApiError::Refused(status) = &mut error {
        status.details = Some(kube::core::response::StatusDetails {
            name: "shop".to_owned(),
            group: String::new(),
            kind: "namespaces".to_owned(),
            uid: String::new(),
            causes: Vec::new(),
            retry_after_seconds: 0,
        });
    }
    error
}

/// There is no such object.
pub fn not_found() -> ApiError {
    refused(404, "NotFound", "not found")
}

/// There is one.
pub fn already_exists() -> ApiError {
    refused(409, "AlreadyExists", "already exists")
}

/// A precondition does not hold.
pub fn conflict() -> ApiError {
    refused(409, "Conflict", "the object has been modified")
}

/// A patch's test failed.
pub fn inapplicable() -> ApiError {
    refused(422, "Invalid", "the server rejected our request due to an error in our request")
}

/// The object may not be changed any more, or not like that.
pub fn immutable() -> ApiError {
    refused(422, "Invalid", "is invalid: data: Forbidden: field is immutable when `immutable` is set")
}

/// Too many requests.
pub fn throttled() -> ApiError {
    refused(429, "TooManyRequests", "too many requests, please try again later")
}

/// The API server, or what it calls, is broken.
pub fn internal() -> ApiError {
    refused(500, "InternalError", "Internal error occurred: failed calling webhook")
}

/// No answer in time.
pub fn deadline() -> ApiError {
    ApiError::Deadline(Duration::from_secs(30))
}

/// The connection broke.
pub fn broken() -> ApiError {
    ApiError::Other("connection reset by peer".to_owned())
}

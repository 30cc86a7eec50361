//! The record of what was asked.

use jiff::Timestamp;
use serde::Serialize;

/// One request that reached the API, refused ones included.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// `X-TC-Action`; empty when the header was missing; `metadata` for instance metadata.
    pub action: String,
    /// The secret id of its Authorization header, which may be unknown or a lie; empty when unreadable.
    pub secret_id: String,
    /// The error code that was answered. None after a success, and after a fault that answered no code.
    pub code: Option<String>,
    /// Whether the action was carried out: true also when a fault then hid it from the caller.
    pub done: bool,
    /// The fault that shaped the answer, in words.
    pub fault: Option<String>,
    /// When, by the double's clock.
    pub at: Timestamp,
    /// The answer's `RequestId`; of metadata, the path.
    pub request_id: String,
}

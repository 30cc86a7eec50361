//! What the API server refused, read from its audit log.

use std::fmt;
use std::fs;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::{ControlPlane, Identity};

#[cfg(test)]
mod tests;

/// A call that RBAC did not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// `get`, `list`, `watch`, `create`, and so on.
    pub verb: String,
    /// The path with its query.
    pub uri: String,
    /// The API server's words.
    pub message: String,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.verb, self.uri, self.message)
    }
}

impl ControlPlane {
    /// The calls of `identity` that were answered with 403 so far. Needs [`Options::audit`](crate::Options::audit).
    ///
    /// # Errors
    /// There is no audit log.
    pub fn denied(&self, identity: &Identity) -> Result<Vec<Denied>> {
        let path = self.files.audit_log();
        ensure!(
            path.exists(),
            "there is no audit log {}: start the control plane with audit: true",
            path.display()
        );
        let log = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(denied(&log, &identity.username()))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    verb: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    user: User,
    impersonated_user: Option<User>,
    #[serde(default)]
    response_status: Status,
}

#[derive(Deserialize)]
struct User {
    username: String,
}

#[derive(Default, Deserialize)]
struct Status {
    #[serde(default)]
    code: u16,
    #[serde(default)]
    message: String,
}

fn denied(log: &str, username: &str) -> Vec<Denied> {
    log.lines()
        // The last line may be half written.
        .filter_map(|line| serde_json::from_str::<Event>(line).ok())
        .filter(|event| event.response_status.code == 403)
        .filter(|event| event.impersonated_user.as_ref().unwrap_or(&event.user).username == username)
        .map(|event| Denied {
            verb: event.verb,
            uri: event.request_uri,
            message: event.response_status.message,
        })
        .collect()
}

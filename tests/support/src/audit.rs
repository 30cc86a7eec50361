//! What the API server refused, read from its audit log.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::{ControlPlane, Identity};

#[cfg(test)]
mod tests;

/// What the API server says of a namespace that is going: the right to write there is not what is missing.
const NAMESPACE_ENDS: &str = "because it is being terminated";

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
    /// The calls of `identity` that were answered with 403 so far, dry runs aside: a caller that asks what would be wants to
    /// know; so are those about a namespace that is going. Needs [`Options::audit`](crate::Options::audit).
    ///
    /// # Errors
    /// There is no audit log.
    pub fn denied(&self, identity: &Identity) -> Result<Vec<Denied>> {
        Ok(denied(&self.audit_log()?, &identity.username()))
    }

    /// What `identity` was let do so far: verbs and resources, a subresource after a slash. Needs
    /// [`Options::audit`](crate::Options::audit).
    ///
    /// # Errors
    /// There is no audit log.
    pub fn allowed(&self, identity: &Identity) -> Result<BTreeSet<(String, String)>> {
        Ok(allowed(&self.audit_log()?, &identity.username()))
    }

    /// What `identity` has written so far, each write once and sorted: verb, resource, and the object's namespace and
    /// name. Dry runs and what was refused are left out. Needs [`Options::audit`](crate::Options::audit).
    ///
    /// # Errors
    /// There is no audit log.
    pub fn written(&self, identity: &Identity) -> Result<BTreeSet<String>> {
        Ok(written(&self.audit_log()?, &identity.username()))
    }

    fn audit_log(&self) -> Result<String> {
        let path = self.files.audit_log();
        ensure!(
            path.exists(),
            "there is no audit log {}: start the control plane with audit: true",
            path.display()
        );
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
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
    object_ref: Option<Object>,
    #[serde(default)]
    response_status: Status,
}

#[derive(Default, Deserialize)]
struct Object {
    #[serde(default)]
    resource: String,
    #[serde(default)]
    subresource: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    name: String,
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

/// The calls of the user, however it acts.
fn events<'a>(log: &'a str, username: &'a str) -> impl Iterator<Item = Event> + 'a {
    // The last line may be half written.
    let events = log.lines().filter_map(|line| serde_json::from_str::<Event>(line).ok());
    events.filter(move |event| event.impersonated_user.as_ref().unwrap_or(&event.user).username == username)
}

fn allowed(log: &str, username: &str) -> BTreeSet<(String, String)> {
    let allowed = events(log, username).filter(|event| event.response_status.code != 403);
    let call = |event: Event| {
        let Object { resource, subresource, .. } = event.object_ref?;
        let resource = if subresource.is_empty() { resource } else { format!("{resource}/{subresource}") };
        Some((event.verb, resource))
    };
    allowed.filter_map(call).collect()
}

fn written(log: &str, username: &str) -> BTreeSet<String> {
    let is_write = |event: &Event| {
        matches!(event.verb.as_str(), "create" | "update" | "patch" | "delete")
            && (200..300).contains(&event.response_status.code)
            && !event.request_uri.contains("dryRun=All")
    };
    let shown = |event: Event| {
        let Object { resource, namespace, name, .. } =
            event.object_ref.filter(|it| it.subresource.is_empty())?;
        Some(format!("{} {resource} {namespace}/{name}", event.verb))
    };
    events(log, username).filter(is_write).filter_map(shown).collect()
}

fn denied(log: &str, username: &str) -> Vec<Denied> {
    events(log, username)
        .filter(|event| event.response_status.code == 403 && !event.request_uri.contains("dryRun=All"))
        .filter(|event| !event.response_status.message.ends_with(NAMESPACE_ENDS))
        .map(|event| Denied {
            verb: event.verb,
            uri: event.request_uri,
            message: event.response_status.message,
        })
        .collect()
}

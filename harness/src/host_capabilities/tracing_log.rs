//! A guest's log events, written to the host's log.

use serde::Deserialize;
use serde_json::{Map, Value};

/// One event of the SDK's logger; what is neither of these is data the policy attached.
#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    level: String,
    #[serde(default)]
    message: String,
    #[serde(flatten)]
    data: Map<String, Value>,
}

/// Logs an event as the policy means it; one that is not understood is logged as it is.
pub(super) fn log(policy: &str, payload: &[u8]) {
    let Ok(mut event) = serde_json::from_slice::<Event>(payload) else {
        let text = String::from_utf8_lossy(payload);
        tracing::warn!(target: "policy", policy, "log event that is not understood: {text}");
        return;
    };
    // Where in the policy's sources the event comes from is of use to its author only.
    for place in ["file", "line", "column"] {
        event.data.remove(place);
    }
    let mut message = event.message;
    for (name, value) in &event.data {
        message.push_str(&format!(" {name}={value}"));
    }
    match event.level.to_ascii_lowercase().as_str() {
        "trace" => tracing::trace!(target: "policy", policy, "{message}"),
        "debug" => tracing::debug!(target: "policy", policy, "{message}"),
        "warning" | "warn" => tracing::warn!(target: "policy", policy, "{message}"),
        "error" | "critical" => tracing::error!(target: "policy", policy, "{message}"),
        _ => tracing::info!(target: "policy", policy, "{message}"),
    }
}

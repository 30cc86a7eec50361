//! What a guest says during one call, in the host's log: every line short, and all of them together
//! bounded, however much the guest says and by whichever way.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};
use tracing::Level;

use crate::shortened;

/// The longest line, in bytes of the guest's text.
const LONGEST_LINE: usize = 1 << 10;
/// The most bytes of all lines of a call; each line counts as its text and [`A_LINE`].
const MOST_OF_A_CALL: usize = 32 << 10;
/// The bytes of a line besides its text: the time, the level, the policy.
const A_LINE: usize = 100;
/// The longest event that is read: what a line shows of it is less than this.
const LONGEST_EVENT: usize = 64 << 10;

/// The log of one call.
#[derive(Debug)]
pub struct GuestLog {
    policy: Arc<str>,
    left: usize,
    is_told: bool,
}

/// One event of the SDK's logger; other members are data that the policy attached.
#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    level: String,
    #[serde(default)]
    message: String,
    #[serde(flatten)]
    data: Map<String, Value>,
}

impl GuestLog {
    /// For one call of the policy of this name.
    pub fn new(policy: Arc<str>) -> Self {
        Self { policy, left: MOST_OF_A_CALL, is_told: false }
    }

    /// Whether nothing more will be logged, so that nothing more need be read.
    pub fn is_full(&self) -> bool {
        self.left == 0
    }

    /// A line of the guest's console.
    pub fn console(&mut self, line: &[u8]) {
        if !self.is_full() {
            self.line(Level::INFO, None, &beginning(line));
        }
    }

    /// A line of the guest's standard output or standard error.
    pub fn output(&mut self, stream: &'static str, line: &[u8]) {
        if !self.is_full() {
            self.line(Level::INFO, Some(stream), &beginning(line));
        }
    }

    /// An event of the guest's logger, as the policy means it; one that is not understood is logged
    /// as it is.
    pub(crate) fn event(&mut self, payload: &[u8]) {
        if self.is_full() {
            return;
        }
        let event = match payload.len() <= LONGEST_EVENT {
            true => serde_json::from_slice::<Event>(payload).ok(),
            false => None,
        };
        let Some(mut event) = event else {
            let text = beginning(payload);
            return self.line(Level::WARN, None, &format!("log event that is not understood: {text}"));
        };
        // Where in the policy's sources the event comes from is of use to its author only.
        for place in ["file", "line", "column"] {
            event.data.remove(place);
        }
        let mut message = event.message;
        for (name, value) in &event.data {
            message.push_str(&format!(" {name}={value}"));
        }
        let level = match event.level.to_ascii_lowercase().as_str() {
            "trace" => Level::TRACE,
            "debug" => Level::DEBUG,
            "warning" | "warn" => Level::WARN,
            "error" | "critical" => Level::ERROR,
            _ => Level::INFO,
        };
        self.line(level, None, &message);
    }

    /// Logs that the guest asked for something that it was not granted.
    pub(crate) fn violation(&mut self, message: &str) {
        let message = shortened(message, LONGEST_LINE);
        if tracing::enabled!(Level::WARN) && self.pay(message.len()) {
            tracing::warn!(policy = &*self.policy, "{message}");
        }
    }

    fn line(&mut self, level: Level, stream: Option<&'static str>, line: &str) {
        // A level that is off costs nothing of what may be said.
        let is_on = match level {
            Level::TRACE => tracing::enabled!(target: "policy", Level::TRACE),
            Level::DEBUG => tracing::enabled!(target: "policy", Level::DEBUG),
            Level::INFO => tracing::enabled!(target: "policy", Level::INFO),
            Level::WARN => tracing::enabled!(target: "policy", Level::WARN),
            _ => tracing::enabled!(target: "policy", Level::ERROR),
        };
        if !is_on {
            return;
        }
        let line = shortened(line, LONGEST_LINE);
        if !self.pay(line.len()) {
            return;
        }
        let policy = &*self.policy;
        match level {
            Level::TRACE => tracing::trace!(target: "policy", policy, stream, "{line}"),
            Level::DEBUG => tracing::debug!(target: "policy", policy, stream, "{line}"),
            Level::INFO => tracing::info!(target: "policy", policy, stream, "{line}"),
            Level::WARN => tracing::warn!(target: "policy", policy, stream, "{line}"),
            _ => tracing::error!(target: "policy", policy, stream, "{line}"),
        }
    }

    /// Takes what a line costs; when it is too much, says once that lines are missing.
    fn pay(&mut self, bytes: usize) -> bool {
        match self.left.checked_sub(bytes + A_LINE) {
            Some(left) => self.left = left,
            None => {
                self.left = 0;
                if !std::mem::replace(&mut self.is_told, true) {
                    tracing::warn!(
                        policy = &*self.policy,
                        "what the policy says further in this call is left out: it is more than {} KiB",
                        MOST_OF_A_CALL >> 10
                    );
                }
                return false;
            }
        }
        true
    }
}

/// The text of a line, as far as it is worth reading.
fn beginning(line: &[u8]) -> Cow<'_, str> {
    match line.get(..LONGEST_LINE) {
        None => String::from_utf8_lossy(line),
        // Keeps room for this line, so that it is not itself cut off.
        Some(kept) => {
            let kept = String::from_utf8_lossy(&kept[..LONGEST_LINE - 64]);
            Cow::Owned(format!("{}… ({} bytes)", crate::cut(&kept, LONGEST_LINE - 64), line.len()))
        }
    }
}

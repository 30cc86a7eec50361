//! Misbehaviour on demand.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What to do to the next calls.
///
/// Each call takes the first fault that matches it and still has `times` left, and besides it every
/// matching delay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// The action it waits for; any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// How many matching calls pass first.
    #[serde(default)]
    pub skip: u32,
    /// How many calls it hits after those; without end when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// Whether the action is carried out all the same.
    #[serde(default)]
    pub when: When,
    /// What happens.
    pub kind: FaultKind,
}

/// On which side of the effect a fault strikes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum When {
    /// The action is not carried out.
    #[default]
    BeforeEffect,
    /// The action is carried out, and the caller does not learn of it.
    AfterEffect,
}

/// The ways to misbehave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FaultKind {
    /// An error in the usual envelope.
    Error {
        /// `InternalError`, `RequestLimitExceeded`.
        code: String,
        /// The sentence; one is made up when absent.
        #[serde(default)]
        message: String,
    },
    /// The old gateway's error form: `{"code": 4000, "message": .., "codeDesc": ..}`.
    LegacyError {
        code: i64,
        #[serde(default)]
        message: String,
    },
    /// An HTTP status other than 200, with a page of HTML as gateways send it.
    Status(u16),
    /// A wait, in milliseconds of real time, and then the true answer.
    Delay(u64),
    /// The connection is closed without an answer.
    Drop,
    /// The connection is closed within the answer's body.
    CutOff,
    /// HTTP 200 with something that is no JSON.
    Garbage,
    /// HTTP 200 without a body.
    EmptyBody,
    /// HTTP 200 with the first half of the true answer, as if that were all.
    TruncatedJson,
    /// The true answer with one field of it replaced: an empty `Token`, a null `ExpTime`.
    Lie {
        /// The field of `Response`.
        field: String,
        /// What it says instead.
        value: Value,
    },
}

impl Fault {
    /// Any action, every call, before the effect.
    pub fn new(kind: FaultKind) -> Self {
        Self { action: None, skip: 0, times: None, when: When::BeforeEffect, kind }
    }

    /// An API error of that code.
    pub fn error(code: impl Into<String>) -> Self {
        Self::new(FaultKind::Error { code: code.into(), message: String::new() })
    }

    pub fn status(status: u16) -> Self {
        Self::new(FaultKind::Status(status))
    }

    /// A wait in real time.
    pub fn delay(delay: Duration) -> Self {
        Self::new(FaultKind::Delay(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)))
    }

    /// A connection closed without an answer.
    pub fn dropped() -> Self {
        Self::new(FaultKind::Drop)
    }

    /// A success with one field replaced.
    pub fn lie(field: impl Into<String>, value: Value) -> Self {
        Self::new(FaultKind::Lie { field: field.into(), value })
    }

    /// A credential that is empty.
    pub fn empty_token() -> Self {
        Self::lie("Token", Value::String(String::new())).on("CreateInstanceToken")
    }

    /// Only calls of that action.
    pub fn on(mut self, action: impl Into<String>) -> Self {
        self.action = Some(action.into());
        self
    }

    /// Only so many calls.
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// So many matching calls pass first.
    pub fn skip(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }

    /// Once the action was carried out.
    pub fn after_effect(mut self) -> Self {
        self.when = When::AfterEffect;
        self
    }

    /// Whether the action is carried out. Some answers cannot be made without it.
    fn lets_it_happen(&self) -> bool {
        match self.kind {
            FaultKind::Delay(_) | FaultKind::TruncatedJson | FaultKind::CutOff | FaultKind::Lie { .. } => {
                true
            }
            _ => self.when == When::AfterEffect,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            FaultKind::Error { code, .. } => write!(f, "error {code}")?,
            FaultKind::LegacyError { code, .. } => write!(f, "legacy error {code}")?,
            FaultKind::Status(status) => write!(f, "status {status}")?,
            FaultKind::Delay(millis) => write!(f, "delay of {millis} ms")?,
            FaultKind::Drop => f.write_str("dropped connection")?,
            FaultKind::CutOff => f.write_str("connection cut within the body")?,
            FaultKind::Garbage => f.write_str("garbage")?,
            FaultKind::EmptyBody => f.write_str("empty body")?,
            FaultKind::TruncatedJson => f.write_str("truncated JSON")?,
            FaultKind::Lie { field, .. } => write!(f, "lie about {field}")?,
        }
        f.write_str(if self.lets_it_happen() { " after the effect" } else { " before the effect" })
    }
}

/// The faults in force.
#[derive(Default)]
pub(crate) struct Script {
    faults: Vec<Fault>,
}

/// What one call has coming.
#[derive(Default)]
pub(crate) struct Fate {
    /// To wait before acting.
    pub(crate) delay_before: Duration,
    /// To wait before answering.
    pub(crate) delay_after: Duration,
    /// What becomes of the answer.
    pub(crate) fault: Option<Fault>,
}

impl Fate {
    /// Whether the action is carried out.
    pub(crate) fn lets_it_happen(&self) -> bool {
        self.fault.as_ref().is_none_or(Fault::lets_it_happen)
    }
}

impl Script {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.faults.clear();
    }

    /// The faults with what is left of `skip` and `times`.
    pub(crate) fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// What a call of `action` gets, which is thereby used up.
    pub(crate) fn take(&mut self, action: &str) -> Fate {
        let mut fate = Fate::default();
        for fault in &mut self.faults {
            let matches = fault.action.as_deref().is_none_or(|name| name == action);
            let is_delay = matches!(fault.kind, FaultKind::Delay(_));
            if !matches || fault.times == Some(0) || (!is_delay && fate.fault.is_some()) {
                continue;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            fault.times = fault.times.map(|times| times - 1);
            match (&fault.kind, fault.when) {
                (FaultKind::Delay(millis), When::BeforeEffect) => {
                    fate.delay_before += Duration::from_millis(*millis);
                }
                (FaultKind::Delay(millis), When::AfterEffect) => {
                    fate.delay_after += Duration::from_millis(*millis);
                }
                _ => fate.fault = Some(fault.clone()),
            }
        }
        self.faults.retain(|fault| fault.times != Some(0));
        fate
    }
}

#[cfg(test)]
mod tests;

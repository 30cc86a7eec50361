//! A recorded session: the questions a policy is expected to ask, and their answers.
//!
//! The file is kwctl's: a YAML list of `{type: Exchange, request: …, response: …}`, where `request`
//! is a YAML text that begins with a tag such as `!KubernetesGetResource`. The exchanges must come
//! in their order; questions are compared by value, so that their spelling does not matter.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::asked::Asked;
use super::{HostCall, HostCapabilities, Question};
use crate::document;

#[cfg(test)]
mod tests;

/// Why a text is not a recorded session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// Not YAML of that form.
    #[error("not a recorded session: {0}")]
    NotASession(String),
    /// One of its requests.
    #[error("exchange {number}: request: {reason}")]
    Request {
        /// The exchange's number, counted from 1.
        number: usize,
        /// The fault.
        reason: String,
    },
}

/// Answers from a recorded session.
#[derive(Debug)]
pub struct Session {
    exchanges: Vec<Exchange>,
    /// Which one comes next.
    next: Mutex<usize>,
}

#[derive(Debug)]
struct Exchange {
    request: Asked,
    answer: Result<Vec<u8>, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type")]
pub(super) enum Recorded {
    Exchange { request: String, response: RecordedResponse },
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type")]
pub(super) enum RecordedResponse {
    Success { payload: String },
    Error { message: String },
}

impl Session {
    /// Reads a session file.
    ///
    /// # Errors
    /// When the text is not one; the number of the bad exchange.
    pub fn parse(text: &str) -> Result<Self, SessionError> {
        let recorded: Vec<Recorded> = document::from_yaml(text).map_err(SessionError::NotASession)?;
        let exchanges: Result<Vec<Exchange>, SessionError> = recorded
            .into_iter()
            .enumerate()
            .map(|(at, Recorded::Exchange { request, response })| {
                let request = Asked::parse(&request)
                    .map_err(|reason| SessionError::Request { number: at + 1, reason })?;
                let answer = match response {
                    RecordedResponse::Success { payload } => Ok(payload.into_bytes()),
                    RecordedResponse::Error { message } => Err(message),
                };
                Ok(Exchange { request, answer })
            })
            .collect();
        Ok(Self { exchanges: exchanges?, next: Mutex::default() })
    }

    /// Begins again, for another evaluation.
    pub fn rewind(&self) {
        *self.lock() = 0;
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HostCapabilities for Session {
    fn call(&self, call: &HostCall<'_>) -> Result<Vec<u8>, String> {
        let question = Asked::of_call(call);
        let mut place = self.lock();
        let number = *place + 1;
        let Some(next) = self.exchanges.get(*place) else {
            return Err(format!("the recorded session has no exchange {number}: {question}"));
        };
        *place = number;
        match next.request == question {
            // Like a cluster's, an answer has only what was asked for and granted.
            true => next.answer.clone().and_then(|answer| pruned(answer, &call.question)),
            false => Err(format!(
                "exchange {number} of the recorded session is {}, but the policy asks {question}",
                next.request
            )),
        }
    }
}

/// The part of a recorded answer that was asked for.
fn pruned(answer: Vec<u8>, question: &Question) -> Result<Vec<u8>, String> {
    let (masks, is_list) = match question {
        Question::Get(get) => (&get.field_masks, false),
        Question::List(list) => (&list.field_masks, true),
        _ => return Ok(answer),
    };
    if masks.paths().is_none() {
        return Ok(answer);
    }
    let mut answer: Value = serde_json::from_slice(&answer)
        .map_err(|error| format!("the recorded answer is not JSON, so that it has no fields: {error}"))?;
    Ok(match answer.get_mut("items").and_then(Value::as_array_mut) {
        Some(items) if is_list => {
            items.iter_mut().for_each(|item| *item = masks.prune(item.take()));
            answer.to_string().into_bytes()
        }
        _ => masks.prune(answer).to_string().into_bytes(),
    })
}

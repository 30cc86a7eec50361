//! A recorded session: the questions a policy is expected to ask, and their answers.
//!
//! The file is kwctl's: a YAML list of `{type: Exchange, request: …, response: …}`, where `request`
//! is a YAML text that begins with a tag such as `!KubernetesGetResource`. The exchanges must come
//! in their order; questions are compared by value, so that their spelling does not matter.

use std::collections::VecDeque;
use std::sync::Mutex;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{HostCall, HostCapabilities};
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
        /// Counted from 1.
        number: usize,
        /// What is wrong with it.
        reason: String,
    },
}

/// Answers from a recorded session.
#[derive(Debug)]
pub struct Session {
    left: Mutex<VecDeque<Exchange>>,
    count: usize,
}

#[derive(Debug)]
struct Exchange {
    request: Question,
    answer: Result<Vec<u8>, String>,
}

#[derive(Debug, Clone, PartialEq)]
struct Question {
    tag: String,
    parameters: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Recorded {
    Exchange { request: String, response: RecordedResponse },
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum RecordedResponse {
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
        let exchanges: Result<VecDeque<Exchange>, SessionError> = recorded
            .into_iter()
            .enumerate()
            .map(|(at, Recorded::Exchange { request, response })| {
                let request = Question::parse(&request)
                    .map_err(|reason| SessionError::Request { number: at + 1, reason })?;
                let answer = match response {
                    RecordedResponse::Success { payload } => Ok(payload.into_bytes()),
                    RecordedResponse::Error { message } => Err(message),
                };
                Ok(Exchange { request, answer })
            })
            .collect();
        let left = exchanges?;
        Ok(Self { count: left.len(), left: Mutex::new(left) })
    }
}

impl HostCapabilities for Session {
    fn call(&self, call: &HostCall<'_>) -> Result<Vec<u8>, String> {
        let question = Question::of_call(call)?;
        let mut left = self.left.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let number = self.count - left.len() + 1;
        let Some(next) = left.pop_front() else {
            return Err(format!("the recorded session has no exchange {number}: {question}"));
        };
        match next.request == question {
            true => next.answer,
            false => Err(format!(
                "exchange {number} of the recorded session is {}, but the policy asks {question}",
                next.request
            )),
        }
    }
}

impl std::fmt::Display for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "!{} {}", self.tag, Value::from(self.parameters.clone()))
    }
}

impl Question {
    fn parse(text: &str) -> Result<Self, String> {
        let tagged = text
            .trim_start()
            .strip_prefix('!')
            .ok_or("it begins with no tag such as !KubernetesGetResource")?;
        let (tag, rest) = tagged.split_once(char::is_whitespace).unwrap_or((tagged, ""));
        let parameters: Map<String, Value> = document::from_yaml(rest)?;
        Ok(Self { tag: tag.to_owned(), parameters: meaning(parameters) })
    }

    fn of_call(call: &HostCall<'_>) -> Result<Self, String> {
        let tag = match (call.namespace, call.operation) {
            ("kubernetes", "get_resource") => "KubernetesGetResource",
            ("kubernetes", "list_resources_all") => "KubernetesListResourceAll",
            ("kubernetes", "list_resources_by_namespace") => "KubernetesListResourceNamespace",
            ("kubernetes", "can_i") => "KubernetesCanI",
            (namespace, operation) => {
                return Err(format!(
                    "{namespace}/{operation} cannot be answered from a recorded session here"
                ));
            }
        };
        let mut parameters: Map<String, Value> =
            serde_json::from_slice(call.payload).map_err(|error| error.to_string())?;
        // The recording names the question by the callback's field, the guest by the protocol's.
        if let Some(review) = parameters.remove("subject_access_review") {
            parameters.insert("request".into(), review);
        }
        Ok(Self { tag: tag.to_owned(), parameters: meaning(parameters) })
    }
}

/// The parameters without those that say what leaving them out says: recordings of older versions
/// lack the newer ones.
fn meaning(parameters: Map<String, Value>) -> Map<String, Value> {
    let members = parameters.into_iter().filter_map(|(name, value)| match value {
        Value::Null => None,
        Value::Bool(false) if name == "disable_cache" => None,
        Value::Object(inner) => Some((name, Value::Object(meaning(inner)))),
        Value::Array(mut masks) if name == "field_masks" => {
            masks.sort_by_key(Value::to_string);
            Some((name, Value::Array(masks)))
        }
        value => Some((name, value)),
    });
    members.collect()
}

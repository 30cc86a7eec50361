//! A recorded session: the questions a policy is expected to ask, and their answers.
//!
//! The file is kwctl's: a YAML list of `{type: Exchange, request: …, response: …}`, where `request`
//! is a YAML text that begins with a tag such as `!KubernetesGetResource`. The exchanges must come
//! in their order; questions are compared by value, so that their spelling does not matter.

use std::collections::VecDeque;
use std::sync::Mutex;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{CanI, FieldMasks, Get, HostCall, HostCapabilities, List, Question, Subject};
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
    request: Asked,
    answer: Result<Vec<u8>, String>,
}

#[derive(Debug, Clone, PartialEq)]
struct Asked {
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
                let request = Asked::parse(&request)
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
        let question = Asked::of_call(call)?;
        let mut left = self.left.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let number = self.count - left.len() + 1;
        let Some(next) = left.pop_front() else {
            return Err(format!("the recorded session has no exchange {number}: {question}"));
        };
        match next.request == question {
            // As a cluster's would be, an answer is no more than what was asked for and granted.
            true => next.answer.and_then(|answer| pruned(answer, &call.question)),
            false => Err(format!(
                "exchange {number} of the recorded session is {}, but the policy asks {question}",
                next.request
            )),
        }
    }
}

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "!{} {}", self.tag, Value::from(self.parameters.clone()))
    }
}

impl Asked {
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
        let (tag, parameters) = match &call.question {
            Question::Get(get) => ("KubernetesGetResource", of_get(get)),
            Question::List(list) if list.namespace.is_none() => ("KubernetesListResourceAll", of_list(list)),
            Question::List(list) => ("KubernetesListResourceNamespace", of_list(list)),
            Question::CanI(can_i) => ("KubernetesCanI", of_can_i(can_i)),
            Question::Other(_) => {
                let HostCall { namespace, operation, .. } = call;
                return Err(format!(
                    "{namespace}/{operation} cannot be answered from a recorded session here"
                ));
            }
        };
        let Value::Object(parameters) = parameters else { return Err("it has no parameters".to_owned()) };
        Ok(Self { tag: tag.to_owned(), parameters: meaning(parameters) })
    }
}

fn of_get(get: &Get) -> Value {
    let Get { api_version, kind, name, namespace, disable_cache, field_masks } = get;
    json!({
        "api_version": api_version, "kind": kind, "name": name, "namespace": namespace,
        "disable_cache": disable_cache, "field_masks": field_masks.paths(),
    })
}

fn of_list(list: &List) -> Value {
    let List { api_version, kind, namespace, label_selector, field_selector, field_masks } = list;
    json!({
        "api_version": api_version, "kind": kind, "namespace": namespace, "label_selector": label_selector,
        "field_selector": field_selector, "field_masks": field_masks.paths(),
    })
}

/// The recording names the question by the callback's field, the guest by the protocol's.
fn of_can_i(can_i: &CanI) -> Value {
    let Subject { groups, resource_attributes: it, user } = &can_i.subject_access_review;
    json!({
        "disable_cache": can_i.disable_cache,
        "request": {
            "groups": groups, "user": user,
            "resource_attributes": {
                "group": it.group, "name": it.name, "namespace": it.namespace, "resource": it.resource,
                "subresource": it.subresource, "verb": it.verb, "version": it.version,
            },
        },
    })
}

/// What of a recorded answer was asked for.
fn pruned(answer: Vec<u8>, question: &Question<'_>) -> Result<Vec<u8>, String> {
    let (masks, is_list) = match question {
        Question::Get(get) => (&get.field_masks, false),
        Question::List(list) => (&list.field_masks, true),
        Question::CanI(_) | Question::Other(_) => return Ok(answer),
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

/// The parameters without those that say what leaving them out says: recordings of older versions
/// lack the newer ones.
fn meaning(parameters: Map<String, Value>) -> Map<String, Value> {
    let members = parameters.into_iter().filter_map(|(name, value)| match value {
        Value::Null => None,
        Value::Bool(false) if name == "disable_cache" => None,
        Value::Object(inner) => Some((name, Value::Object(meaning(inner)))),
        masks @ Value::Array(_) if name == "field_masks" => {
            let known: FieldMasks = serde_json::from_value(masks.clone()).unwrap_or_default();
            Some((name, known.paths().map_or(masks, Value::from)))
        }
        value => Some((name, value)),
    });
    members.collect()
}

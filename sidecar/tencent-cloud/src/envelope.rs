//! The envelope around every answer: `{"Response": {.., "RequestId": ".."}}`, an error inside it
//! with HTTP 200, or the gateway's own form.
//!
//! Fields are read one by one instead of by a derive: the API sends null for any of them and
//! changes between numbers and strings, and a derive's message quotes the value, which may be a
//! credential.

use serde_json::{Map, Value};
use tcr::sensitive::wipe_json;

use super::error::Failure;

/// The fields of a successful answer.
#[derive(Clone, PartialEq)]
pub struct Reply {
    fields: Map<String, Value>,
    request_id: Option<String>,
}

/// Reads the answer with this HTTP status and body.
pub fn parse(status: u16, body: &[u8]) -> Result<Reply, Failure> {
    let document: Option<Value> = serde_json::from_slice(body).ok();
    if status != 200 {
        let message =
            document.as_ref().and_then(gateway_error).map(|(code, message)| format!("{code}: {message}"));
        return Err(Failure::Status { status, message });
    }
    let unreadable = |reason: &str| Failure::Unreadable { reason: reason.to_owned(), request_id: None };
    if body.is_empty() {
        return Err(unreadable("the body is empty"));
    }
    let Some(document) = document else { return Err(unreadable("the body is not JSON")) };
    if let Some((code, message)) = gateway_error(&document) {
        return Err(Failure::Refused { code, message, request_id: None });
    }
    let Value::Object(mut document) = document else {
        return Err(unreadable("the body is not a JSON object"));
    };
    let Some(Value::Object(mut fields)) = document.remove("Response") else {
        return Err(unreadable("the body has no object \"Response\""));
    };
    let request_id = match fields.remove("RequestId") {
        Some(Value::String(id)) if !id.is_empty() => Some(legible(&id)),
        _ => None,
    };
    match fields.get("Error") {
        None | Some(Value::Null) => Ok(Reply { fields, request_id }),
        Some(error) => match error.get("Code").and_then(Value::as_str).filter(|code| !code.is_empty()) {
            Some(code) => Err(Failure::Refused {
                code: legible(code),
                message: error.get("Message").and_then(Value::as_str).map(legible).unwrap_or_default(),
                request_id,
            }),
            None => Err(Failure::Unreadable { reason: "the error has no code".to_owned(), request_id }),
        },
    }
}

/// `{"code": 4000, "message": "..", "codeDesc": ".."}`, which the gateway answers before a request
/// reaches the service.
fn gateway_error(document: &Value) -> Option<(String, String)> {
    let code = document.get("code")?.as_i64()?;
    let message = document.get("message")?.as_str()?;
    let name = document.get("codeDesc").and_then(Value::as_str).filter(|name| !name.is_empty());
    Some((name.map(legible).unwrap_or_else(|| code.to_string()), legible(message)))
}

/// The cloud's text, made safe for one line of a terminal.
fn legible(text: &str) -> String {
    const LONGEST: usize = 400;
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect();
    clean.trim().to_owned()
}

impl Drop for Reply {
    /// One of the fields may be a credential.
    fn drop(&mut self) {
        self.fields.values_mut().for_each(wipe_json);
    }
}

impl Reply {
    /// The id by which the cloud's support finds the call.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// A string, or a number as a string (older answers send the user name so).
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, Failure> {
        self.top().text(name)
    }

    /// A whole number, also when sent as a string.
    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, Failure> {
        self.top().integer(name)
    }

    /// An object; null and absent are none.
    pub(crate) fn object<'a>(&'a self, name: &'a str) -> Result<Option<Fields<'a>>, Failure> {
        match self.fields.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(fields)) => Ok(Some(Fields { fields, path: name, reply: self })),
            Some(other) => Err(self.unreadable(name, "", "an object", other)),
        }
    }

    /// The objects of a list; null and absent are empty.
    pub(crate) fn list<'a>(&'a self, name: &'a str) -> Result<Vec<Fields<'a>>, Failure> {
        self.top().list(name)
    }

    fn top(&self) -> Fields<'_> {
        Fields { fields: &self.fields, path: "", reply: self }
    }

    /// The error for an answer in this form with an impossible content.
    pub(crate) fn implausible(&self, reason: impl Into<String>) -> Failure {
        Failure::Implausible { reason: reason.into(), request_id: self.request_id.clone(), token_id: None }
    }

    fn unreadable(&self, path: &str, name: &str, expected: &str, found: &Value) -> Failure {
        let field = if name.is_empty() { path.to_owned() } else { format!("{path}.{name}") };
        Failure::Unreadable {
            reason: format!("{} is not {expected} but {}", field.trim_start_matches('.'), kind(found)),
            request_id: self.request_id.clone(),
        }
    }
}

/// One object of an answer.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a> {
    fields: &'a Map<String, Value>,
    path: &'a str,
    reply: &'a Reply,
}

impl<'a> Fields<'a> {
    /// The objects of a list in this one; null and absent are empty.
    pub(crate) fn list(&self, name: &'a str) -> Result<Vec<Fields<'a>>, Failure> {
        let items = match self.fields.get(name) {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Array(items)) => items,
            Some(other) => return Err(self.reply.unreadable(self.path, name, "a list", other)),
        };
        let object = |item: &'a Value| match item {
            Value::Object(fields) => Ok(Fields { fields, path: name, reply: self.reply }),
            other => Err(self.reply.unreadable(self.path, name, "a list of objects", other)),
        };
        items.iter().map(object).collect()
    }

    /// A string, or a number as a string.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, Failure> {
        match self.fields.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(other) => Err(self.reply.unreadable(self.path, name, "a string", other)),
        }
    }

    /// A whole number, also when sent as a string.
    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, Failure> {
        let value = match self.fields.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(value) => value,
        };
        let number = match value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        number.map(Some).ok_or_else(|| self.reply.unreadable(self.path, name, "a whole number", value))
    }

    /// A list of strings; null and absent are empty.
    pub(crate) fn texts(&self, name: &str) -> Result<Vec<String>, Failure> {
        let unreadable = |value: &Value| self.reply.unreadable(self.path, name, "a list of strings", value);
        match self.fields.get(name) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(items)) => {
                let text = |item: &Value| item.as_str().map(str::to_owned).ok_or_else(|| unreadable(item));
                items.iter().map(text).collect()
            }
            Some(other) => Err(unreadable(other)),
        }
    }

    pub(crate) fn boolean(&self, name: &str) -> Result<Option<bool>, Failure> {
        match self.fields.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(other) => Err(self.reply.unreadable(self.path, name, "true or false", other)),
        }
    }
}

/// The kind of a value: never the value, which may be a credential.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests;

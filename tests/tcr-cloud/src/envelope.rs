//! The envelope that every answer comes in: HTTP 200, `Response`, `RequestId`.

use serde_json::{Map, Value, json};

/// What the API refuses with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) code: String,
    pub(crate) message: String,
}

impl ApiError {
    pub(crate) fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }

    pub(crate) fn missing_parameter(name: &str) -> Self {
        Self::new("MissingParameter", format!("The request is missing a required parameter `{name}`."))
    }

    pub(crate) fn invalid_parameter(message: impl Into<String>) -> Self {
        Self::new("InvalidParameter", message)
    }
}

/// The fields of `Response` beside `RequestId`, or the error.
pub(crate) type Outcome = Result<Map<String, Value>, ApiError>;

pub(crate) fn envelope(outcome: Outcome, request_id: &str) -> Value {
    let mut response = match outcome {
        Ok(fields) => fields,
        Err(ApiError { code, message }) => fields(json!({"Error": {"Code": code, "Message": message}})),
    };
    response.insert("RequestId".to_owned(), request_id.into());
    json!({ "Response": response })
}

/// The members of a JSON object.
pub(crate) fn fields(object: Value) -> Map<String, Value> {
    match object {
        Value::Object(fields) => fields,
        other => Map::from_iter([("Value".to_owned(), other)]),
    }
}

//! The form of an action's JSON body: which fields there are, of which type, and which must be there.

use serde_json::{Map, Value, json};

use crate::envelope::ApiError;

pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
}

/// The JSON type of a field.
pub(crate) enum Kind {
    String,
    Integer,
    Bool,
    Strings,
    Objects(&'static [Field]),
}

impl Field {
    /// What the double's own controls tell of it.
    pub(crate) fn shown(&self) -> Value {
        let mut shown = json!({"type": self.kind.name(), "required": self.required});
        if let Kind::Objects(form) = self.kind {
            shown["fields"] = shown_form(form);
        }
        shown
    }
}

/// The fields of an object by their names.
pub(crate) fn shown_form(form: &[Field]) -> Value {
    form.iter().map(|field| (field.name, field.shown())).collect()
}

impl Kind {
    fn name(&self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Bool => "boolean",
            Self::Strings => "list of strings",
            Self::Objects(_) => "list of objects",
        }
    }
}

pub(crate) const fn required(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, required: true }
}

pub(crate) const fn optional(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, required: false }
}

/// A body that has its action's form.
pub(crate) struct Parameters(Map<String, Value>);

impl Parameters {
    /// Reads a body and holds it against the documented fields.
    pub(crate) fn read(body: &[u8], form: &[Field]) -> Result<Self, ApiError> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(object)) => {
                check("", &object, form)?;
                Ok(Self(object))
            }
            Ok(_) => Err(ApiError::invalid_parameter("The request body is not a JSON object.")),
            Err(error) => {
                Err(ApiError::invalid_parameter(format!("The request body is not valid JSON: {error}.")))
            }
        }
    }

    pub(crate) fn string(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// A field that the form requires; empty when it is not there.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.string(name).unwrap_or_default()
    }

    pub(crate) fn bool(&self, name: &str) -> Option<bool> {
        self.0.get(name)?.as_bool()
    }

    pub(crate) fn integer(&self, name: &str) -> Option<i64> {
        self.0.get(name)?.as_i64()
    }

    /// Whether the caller gave it at all.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A count or an offset: not negative, `default` when absent.
    pub(crate) fn count(&self, name: &str, default: usize) -> Result<usize, ApiError> {
        let Some(value) = self.0.get(name) else { return Ok(default) };
        value.as_u64().and_then(|count| usize::try_from(count).ok()).ok_or_else(|| {
            ApiError::invalid_parameter(format!(
                "The value `{value}` of parameter `{name}` must not be negative."
            ))
        })
    }

    pub(crate) fn strings(&self, name: &str) -> Vec<&str> {
        self.list(name).iter().filter_map(Value::as_str).collect()
    }

    pub(crate) fn objects(&self, name: &str) -> impl Iterator<Item = Parameters> {
        self.list(name).iter().filter_map(|item| item.as_object().cloned().map(Parameters))
    }

    fn list(&self, name: &str) -> &[Value] {
        self.0.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }
}

fn check(path: &str, object: &Map<String, Value>, form: &[Field]) -> Result<(), ApiError> {
    for (name, value) in object {
        let Some(field) = form.iter().find(|field| field.name == name) else {
            return Err(ApiError::new(
                "UnknownParameter",
                format!("The parameter `{path}{name}` is not recognized."),
            ));
        };
        check_type(&format!("{path}{name}"), value, &field.kind)?;
    }
    match form.iter().find(|field| field.required && !object.contains_key(field.name)) {
        Some(field) => Err(ApiError::missing_parameter(&format!("{path}{}", field.name))),
        None => Ok(()),
    }
}

fn check_type(path: &str, value: &Value, kind: &Kind) -> Result<(), ApiError> {
    let expected = match (kind, value) {
        (Kind::String, Value::String(_)) | (Kind::Bool, Value::Bool(_)) => return Ok(()),
        (Kind::Integer, Value::Number(number)) if number.is_i64() || number.is_u64() => return Ok(()),
        (Kind::Strings, Value::Array(items)) => {
            return items
                .iter()
                .enumerate()
                .try_for_each(|(at, item)| check_type(&format!("{path}.{at}"), item, &Kind::String));
        }
        (Kind::Objects(form), Value::Array(items)) => {
            return items.iter().enumerate().try_for_each(|(at, item)| match item {
                Value::Object(object) => check(&format!("{path}.{at}."), object, form),
                _ => Err(wrong_type(&format!("{path}.{at}"), "an object")),
            });
        }
        (Kind::String, _) => "a string",
        (Kind::Integer, _) => "an integer",
        (Kind::Bool, _) => "a boolean",
        (Kind::Strings | Kind::Objects(_), _) => "a list",
    };
    Err(wrong_type(path, expected))
}

fn wrong_type(path: &str, expected: &str) -> ApiError {
    ApiError::invalid_parameter(format!(
        "The value type of parameter `{path}` is not valid: it must be {expected}."
    ))
}

//! LabelSelectors as settings and ImagePullSecrets write them.

use serde_json::{Map, Value};
use tcr::label_selector::{LabelSelector, Requirement};
use tcr::rules::nearest;
use tcr::sentence::joined;

#[cfg(test)]
mod tests;

/// A field below the selector, and what is wrong with it.
pub(crate) type Problem = (String, String);

/// Reads a selector with every problem of its form. A field that is misspelt must not pass for
/// one that is missing: an empty selector selects everything.
pub(crate) fn read(value: &Value) -> (LabelSelector, Vec<Problem>) {
    let mut selector = LabelSelector::default();
    let mut problems = Vec::new();
    let Some(fields) = object("", value, &["matchLabels", "matchExpressions"], &mut problems) else {
        return (selector, problems);
    };
    match present(fields, "matchLabels") {
        None => {}
        Some(Value::Object(labels)) => {
            for (key, value) in labels {
                match value {
                    Value::String(value) => drop(selector.match_labels.insert(key.clone(), value.clone())),
                    _ => problems.push((format!(".matchLabels[{key:?}]"), "is not a string".to_owned())),
                }
            }
        }
        Some(_) => problems.push((".matchLabels".to_owned(), "is not an object".to_owned())),
    }
    for (path, requirement) in items(fields, "", "matchExpressions", &mut problems) {
        if let Some(fields) = object(&path, requirement, &["key", "operator", "values"], &mut problems) {
            selector.match_expressions.push(read_requirement(&path, fields, &mut problems));
        }
    }
    (selector, problems)
}

fn read_requirement(path: &str, fields: &Map<String, Value>, problems: &mut Vec<Problem>) -> Requirement {
    let mut text = |path: String, value: Option<&Value>| match value {
        Some(Value::String(text)) => text.clone(),
        None => String::new(),
        Some(_) => {
            problems.push((path, "is not a string".to_owned()));
            String::new()
        }
    };
    let key = text(format!("{path}.key"), present(fields, "key"));
    let operator = text(format!("{path}.operator"), present(fields, "operator")).into();
    let mut list_problems = Vec::new();
    let values = items(fields, path, "values", &mut list_problems)
        .into_iter()
        .map(|(path, value)| text(path, Some(value)))
        .collect();
    problems.append(&mut list_problems);
    Requirement { key, operator, values }
}

/// The members of an object, whose unknown ones are problems.
fn object<'v>(
    path: &str,
    value: &'v Value,
    known: &[&str],
    problems: &mut Vec<Problem>,
) -> Option<&'v Map<String, Value>> {
    let Value::Object(fields) = value else {
        problems.push((path.to_owned(), "is not an object".to_owned()));
        return None;
    };
    for field in fields.keys().filter(|field| !known.contains(&field.as_str())) {
        problems.push((format!("{path}.{field}"), unknown_field(field, known)));
    }
    Some(fields)
}

/// The elements of a list, with their paths.
fn items<'v>(
    fields: &'v Map<String, Value>,
    path: &str,
    field: &str,
    problems: &mut Vec<Problem>,
) -> Vec<(String, &'v Value)> {
    match present(fields, field) {
        None => Vec::new(),
        Some(Value::Array(items)) => {
            items.iter().enumerate().map(|(index, item)| (format!("{path}.{field}[{index}]"), item)).collect()
        }
        Some(_) => {
            problems.push((format!("{path}.{field}"), "is not a list".to_owned()));
            Vec::new()
        }
    }
}

/// A field that is there: `null` is what YAML makes of a field without a value.
pub(crate) fn present<'v>(object: &'v Map<String, Value>, field: &str) -> Option<&'v Value> {
    object.get(field).filter(|value| !value.is_null())
}

/// `unknown field; did you mean "registries"?`
pub(crate) fn unknown_field(field: &str, known: &[&str]) -> String {
    match nearest(field, known) {
        Some(near) => format!("unknown field; did you mean {near:?}?"),
        None => format!("unknown field; the fields are {}", joined(known, ", ")),
    }
}

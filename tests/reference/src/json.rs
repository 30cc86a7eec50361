//! The fields of what commands print as JSON, from the types that are printed.

use schemars::schema_for;
use serde_json::Value;

use super::code;

/// Each document, with what it is.
pub(super) fn documents() -> Vec<(&'static str, Value)> {
    vec![
        ("`plan -o json`", schema_for!(commands::plan::report::Plan).to_value()),
        ("`secrets NAME -o json`", schema_for!(commands::secrets::report::Report).to_value()),
        ("`events -o json`, in each line", schema_for!(commands::events::Line).to_value()),
    ]
}

/// A row for each field, those of a field's own below it.
pub(super) fn rows(schema: &Value) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    fields(schema, schema, "", &mut rows);
    rows
}

fn fields(root: &Value, schema: &Value, path: &str, rows: &mut Vec<Vec<String>>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let target = resolved(root, property);
        let items = resolved(root, &target["items"]);
        let is_list = target["type"] == "array" || target["items"].is_object();
        let path = format!("{path}{name}{}", if is_list { "[]" } else { "" });
        let value = if is_list { items } else { target };
        let meaning = property["description"].as_str().or(target["description"].as_str()).unwrap_or_default();
        let is_optional =
            property["type"].as_array().is_some_and(|types| types.iter().any(|it| it == "null"))
                || property["anyOf"].is_array();
        let kind = format!("{}{}", kind(value), if is_optional { ", or null" } else { "" });
        rows.push(vec![code(&path), kind, format!("{meaning}{}", choices(value))]);
        fields(root, value, &format!("{path}."), rows);
    }
}

/// What a reference leads to; of something that may be null, what else it may be.
fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let others = schema["anyOf"].as_array().into_iter().flatten();
    let schema = others.into_iter().find(|it| it["type"] != "null").unwrap_or(schema);
    let name = schema["$ref"].as_str().and_then(|text| text.strip_prefix("#/$defs/"));
    name.map_or(schema, |name| &root["$defs"][name])
}

fn kind(schema: &Value) -> String {
    match &schema["type"] {
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => {
            kinds.iter().filter_map(Value::as_str).find(|it| *it != "null").unwrap_or_default().to_owned()
        }
        _ => "string".to_owned(),
    }
}

/// The words of an enumeration.
fn choices(schema: &Value) -> String {
    let words: Vec<String> = schema["oneOf"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| {
            let meaning = one["description"].as_str().unwrap_or_default().trim_end_matches('.');
            Some(format!("{} ({meaning})", code(one["const"].as_str()?)))
        })
        .collect();
    if words.is_empty() { String::new() } else { format!(" One of {}", words.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_of_each_document_has_a_sentence() {
        for (title, schema) in documents() {
            let rows = rows(&schema);
            assert!(rows.len() > 5, "{title}: {rows:?}");
            assert!(
                rows.iter().all(|row| row[2].ends_with('.') || row[2].ends_with(')')),
                "{title}: {rows:?}"
            );
        }
        let plan = rows(&documents()[0].1);
        assert!(
            plan.iter().any(|row| row[0] == "`writes[].action`" && row[2].contains("`takeOver` (")),
            "{plan:?}"
        );
    }
}

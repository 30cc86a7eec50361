//! Makes the derived JSON schemas structural, as a CustomResourceDefinition needs them.

use schemars::Schema;
use serde_json::{Value, json};

/// Takes out what serde's leniency leaves in an object's schema: `null` beside a property's type
/// (an explicit null would count as set in the rules), and defaults (the API server would write
/// them into objects that are already stored).
pub(crate) fn object(schema: &mut Schema) {
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
    for property in properties.values_mut().filter_map(Value::as_object_mut) {
        property.remove("default");
        if let Some(Value::Array(types)) = property.get_mut("type") {
            types.retain(|name| name != "null");
            if let [only] = types.as_slice() {
                let only = only.clone();
                property.insert("type".to_owned(), only);
            }
        }
        if let Some(Value::Array(values)) = property.get_mut("enum") {
            values.retain(|value| !value.is_null());
        }
        if let Some(Value::Array(mut either)) = property.remove("anyOf") {
            either.retain(|schema| schema.get("type") != Some(&json!("null")));
            if let [Value::Object(only)] = either.as_slice() {
                for (key, value) in only.clone() {
                    property.entry(key).or_insert(value);
                }
            } else {
                property.insert("anyOf".to_owned(), Value::Array(either));
            }
        }
    }
}

/// One `enum` of strings instead of one schema for each variant; what the variants mean moves
/// into the description.
pub(crate) fn choice(schema: &mut Schema) {
    let Some(Value::Array(variants)) = schema.remove("oneOf") else { return };
    let mut description = schema.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut names = Vec::new();
    for variant in &variants {
        let Some(name) = variant.get("const").and_then(Value::as_str) else { continue };
        names.push(name.to_owned());
        if let Some(meaning) = variant.get("description").and_then(Value::as_str) {
            description.push_str(&format!("\n{name}: {meaning}"));
        }
    }
    schema.insert("description".to_owned(), description.into());
    schema.insert("type".to_owned(), "string".into());
    schema.insert("enum".to_owned(), names.into());
}

#[cfg(test)]
mod tests;

//! Reads an object's JSON, and says by path what does not fit.

use serde_json::{Map, Value};

use super::{Findings, nearest};
use crate::image_pull_secret::ImagePullSecretSpec;
use crate::names::{API_GROUP, API_VERSION, IMAGE_PULL_SECRET_KIND};
use crate::quoted::quoted;
use crate::sentence::joined;

mod build;

/// What a field may hold. A table, because serde's own messages name no path, stop at the first
/// mistake, and repeat the value of a password.
enum Shape {
    Text,
    /// Text whose value no message repeats.
    Secret,
    Flag,
    Choice(&'static [&'static str]),
    Texts,
    List(&'static Shape),
    Labels,
    Object(Fields),
}

type Fields = &'static [(&'static str, Shape)];

const SPEC: Fields = &[
    ("namespaces", Shape::Text),
    ("serviceAccounts", Shape::Text),
    ("namespaceSelector", Shape::Object(SELECTOR)),
    ("conflictPolicy", Shape::Choice(&["never", "adopt", "overwrite"])),
    ("docker", Shape::Object(DOCKER)),
    ("tcr", Shape::Object(TCR)),
];

const SELECTOR: Fields =
    &[("matchLabels", Shape::Labels), ("matchExpressions", Shape::List(&Shape::Object(REQUIREMENT)))];

const REQUIREMENT: Fields = &[("key", Shape::Text), ("operator", Shape::Text), ("values", Shape::Texts)];

// What stands in a wrong place of a credential may be its password.
const REFERENCE: Fields = &[("name", Shape::Secret), ("key", Shape::Secret)];

const DOCKER: Fields = &[
    ("server", Shape::Secret),
    ("username", Shape::Secret),
    ("password", Shape::Secret),
    ("passwordSecretRef", Shape::Object(REFERENCE)),
];

const TCR: Fields = &[
    ("instanceId", Shape::Text),
    ("region", Shape::Text),
    ("roleArn", Shape::Text),
    ("credential", Shape::Object(CREDENTIAL)),
    ("domains", Shape::Texts),
    ("aliases", Shape::Texts),
    ("privateNetwork", Shape::Object(PRIVATE_NETWORK)),
];

const CREDENTIAL: Fields = &[
    ("type", Shape::Choice(&["longterm", "temp", "serviceAccount", "none"])),
    ("registryNamespaces", Shape::Texts),
    ("validity", Shape::Text),
    ("shared", Shape::Flag),
    ("rotateAfter", Shape::Text),
    ("description", Shape::Text),
    ("onDelete", Shape::Choice(&["Retain", "Revoke"])),
];

/// What the API calls the rights of a service account, for those who copy from there.
const RIGHTS: [&str; 2] = ["actions", "permissions"];

const PRIVATE_NETWORK: Fields = &[
    ("resolve", Shape::Flag),
    ("vpcId", Shape::Text),
    ("vpcIds", Shape::Texts),
    ("address", Shape::Text),
    ("domains", Shape::Texts),
    ("whenLinkDown", Shape::Choice(&["Keep", "Remove"])),
];

const TOP: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];

/// What the API server appends to `generateName`.
const GENERATED_SUFFIX: &str = "xxxxx";

/// Reads a whole ImagePullSecret: its name and its spec. A null field counts as absent. With a
/// `generateName` instead of a name, five `x` stand for what the API server will append.
///
/// # Errors
/// Every type error, impossible choice and unknown field, by path; an unknown field with the known
/// name that is nearest.
pub fn read(object: &Value) -> Result<(String, ImagePullSecretSpec), Findings> {
    let mut findings = Findings::default();
    let Value::Object(top) = object else {
        findings.error("object", format!("expected an ImagePullSecret, found {}", kind_of(object)));
        return Err(findings);
    };
    read_header(top, &mut findings);
    let name = read_name(top.get("metadata"), &mut findings);
    let spec = match top.get("spec").filter(|spec| !spec.is_null()) {
        Some(Value::Object(spec)) => read_fields("spec", spec, SPEC, &mut findings),
        Some(other) => {
            findings.error("spec", format!("expected an object, found {}", kind_of(other)));
            Map::new()
        }
        None => {
            findings.error("spec", "is missing; set spec.tcr or spec.docker");
            Map::new()
        }
    };
    unknown_fields("", top, &TOP, &mut findings);
    if findings.is_ok() { Ok((name, build::spec(spec))) } else { Err(findings) }
}

fn read_header(top: &Map<String, Value>, findings: &mut Findings) {
    let api_version = format!("{API_GROUP}/{API_VERSION}");
    for (field, expected) in [("apiVersion", api_version.as_str()), ("kind", IMAGE_PULL_SECRET_KIND)] {
        match top.get(field) {
            None | Some(Value::Null) => {}
            Some(Value::String(found)) if found == expected => {}
            Some(other) => findings.error(field, format!("expected {expected}, found {}", shown(other))),
        }
    }
}

fn read_name(metadata: Option<&Value>, findings: &mut Findings) -> String {
    let metadata = match metadata {
        Some(Value::Object(metadata)) => metadata,
        None | Some(Value::Null) => {
            findings.error("metadata.name", "is missing; the Secret is named after it");
            return String::new();
        }
        Some(other) => {
            findings.error("metadata", format!("expected an object, found {}", kind_of(other)));
            return String::new();
        }
    };
    let mut text = |field| match metadata.get(field) {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) => Some(name.as_str()).filter(|name| !name.is_empty()),
        Some(other) => {
            findings.error(format!("metadata.{field}"), format!("expected a string, found {}", shown(other)));
            Some("")
        }
    };
    match (text("name"), text("generateName")) {
        (Some(name), _) => name.to_owned(),
        (None, Some(prefix)) => format!("{prefix}{GENERATED_SUFFIX}"),
        (None, None) => {
            findings.error("metadata.name", "is missing; the Secret is named after it");
            String::new()
        }
    }
}

/// The known fields that fit, without nulls.
fn read_fields(
    path: &str,
    object: &Map<String, Value>,
    fields: Fields,
    findings: &mut Findings,
) -> Map<String, Value> {
    let mut read = Map::new();
    for (name, shape) in fields {
        if let Some(value) = object.get(*name).filter(|value| !value.is_null())
            && let Some(value) = read_value(&format!("{path}.{name}"), value, shape, findings)
        {
            read.insert((*name).to_owned(), value);
        }
    }
    let known: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    unknown_fields(path, object, &known, findings);
    read
}

fn read_value(path: &str, value: &Value, shape: &Shape, findings: &mut Findings) -> Option<Value> {
    let mut expected = |what: &str, found: String| {
        findings.error(path, format!("expected {what}, found {found}"));
        None
    };
    match (shape, value) {
        (Shape::Text | Shape::Secret, Value::String(_)) | (Shape::Flag, Value::Bool(_)) => {
            Some(scalar(value))
        }
        (Shape::Text, other) => expected("a string", shown(other)),
        (Shape::Secret, other) => expected("a string", kind_of(other).to_owned()),
        (Shape::Flag, other) => expected("true or false", shown(other)),
        (Shape::Choice(names), Value::String(name)) if names.contains(&name.as_str()) => Some(scalar(value)),
        (Shape::Choice(names), Value::String(name)) => {
            let message =
                format!("{} is not one of {}{}", quoted(name), joined(names, ", "), meant(name, names));
            findings.error(path, message);
            None
        }
        (Shape::Choice(names), other) => expected(&format!("one of {}", joined(names, ", ")), shown(other)),
        (Shape::Texts, Value::Array(items)) => read_items(path, items, &Shape::Text, findings),
        (Shape::List(shape), Value::Array(items)) => read_items(path, items, shape, findings),
        (Shape::Texts | Shape::List(_), other) => expected("a list", shown(other)),
        (Shape::Labels, Value::Object(labels)) => {
            let mut read = Map::new();
            for (key, value) in labels {
                if findings.is_full(path) {
                    break;
                }
                let path = format!("{path}[{}]", quoted(key));
                if let Some(value) = read_value(&path, value, &Shape::Text, findings) {
                    read.insert(key.clone(), value);
                }
            }
            Some(Value::Object(read))
        }
        (Shape::Object(fields), Value::Object(object)) => {
            Some(Value::Object(read_fields(path, object, fields, findings)))
        }
        // A string in place of an object may be anything, a password too.
        (Shape::Labels | Shape::Object(_), other) => expected("an object", kind_of(other).to_owned()),
    }
}

/// A copy of a text or a flag. Not `Value::clone`, which would bring that of whole trees.
fn scalar(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.clone()),
        Value::Bool(flag) => Value::Bool(*flag),
        _ => Value::Null,
    }
}

fn read_items(path: &str, items: &[Value], shape: &Shape, findings: &mut Findings) -> Option<Value> {
    let mut read = Vec::new();
    for (index, item) in items.iter().enumerate() {
        if findings.is_full(path) {
            break;
        }
        read.extend(read_value(&format!("{path}[{index}]"), item, shape, findings));
    }
    Some(Value::Array(read))
}

fn unknown_fields(path: &str, object: &Map<String, Value>, known: &[&str], findings: &mut Findings) {
    for name in object.keys().filter(|name| !known.contains(&name.as_str())) {
        if findings.is_full(if path.is_empty() { "object" } else { path }) {
            break;
        }
        let field = if path.is_empty() { as_step(name) } else { format!("{path}.{}", as_step(name)) };
        let message = match nearest(name, known) {
            _ if path == "spec.tcr.credential" && RIGHTS.contains(&name.as_str()) => {
                "unknown field; a service account made here may pull, and nothing else: leave it out"
                    .to_owned()
            }
            Some(near) => format!("unknown field, did you mean {near}?"),
            None => format!("unknown field; known are {}", joined(known, ", ")),
        };
        findings.error(field, message);
    }
}

/// A field's name as a path shows it: as it is when it is short and plain, else quoted.
fn as_step(name: &str) -> String {
    let plain = name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if plain && !name.is_empty() { name.to_owned() } else { quoted(name).to_string() }
}

fn meant(name: &str, known: &[&str]) -> String {
    nearest(name, known).map(|near| format!("; did you mean {near}?")).unwrap_or_default()
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Bool(flag) => format!("the boolean {flag}"),
        Value::Number(number) if number.is_i64() => {
            format!("the number {}", number.as_i64().unwrap_or_default())
        }
        Value::String(text) => format!("the string {}", quoted(text)),
        other => kind_of(other).to_owned(),
    }
}

//! `policies.yml`, as Kubewarden's policy-server reads it: which policies are served, and how.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::document;
use crate::host_capabilities::{
    ContextAwareResource, FieldMasks, GrantPattern, Grants, api_version_fault, kind_fault, shortened,
};
use crate::settings::Settings;

#[cfg(test)]
mod tests;

/// A policy that is to be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// Where it comes from: `file://PATH` or `registry://HOST/REPOSITORY:TAG`.
    pub module: String,
    /// What its verdict leads to.
    pub mode: Mode,
    /// Whether it may change objects.
    pub allowed_to_mutate: bool,
    /// Its settings.
    pub settings: Settings,
    /// What users are told instead of its own reason.
    pub message: Option<String>,
    /// How long one evaluation may take, where it differs from the others.
    pub timeout: Option<Duration>,
    /// What it may ask.
    pub grants: Grants,
}

/// What a policy's verdict leads to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It is carried out.
    #[default]
    Protect,
    /// It is logged, and the request is admitted as it came.
    Monitor,
}

impl Mode {
    /// The word in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Protect => "protect",
            Self::Monitor => "monitor",
        }
    }
}

/// Why a file does not say what is to be served. Names the entry and the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PoliciesError(String);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry<'a> {
    module: String,
    #[serde(default)]
    policy_mode: Mode,
    #[serde(default)]
    allowed_to_mutate: Option<bool>,
    #[serde(borrow, default)]
    settings: Option<&'a RawValue>,
    #[serde(default)]
    context_aware_resources: Vec<Granted>,
    message: Option<String>,
    timeout_eval_seconds: Option<u64>,
    #[serde(default)]
    host_capabilities: Vec<String>,
}

/// A kind of objects that a policy may read. `fields` is ours: policy-server grants whole objects.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Granted {
    api_version: String,
    kind: String,
    /// What of the objects, as dotted paths; without it they are granted whole.
    #[serde(default, deserialize_with = "written")]
    fields: Option<Value>,
}

/// What is written, `null` too: it is not the same as nothing.
fn written<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Reads the file: policies by their ids, which are the last part of the webhook's path.
///
/// # Errors
/// It is neither YAML nor JSON; an entry lacks its module, has an unknown field (a misspelt one would
/// change what is admitted) or a value that means nothing, or is a policy group, which only
/// policy-server serves.
pub fn parse(text: &str) -> Result<BTreeMap<String, Served>, PoliciesError> {
    let documents = document::read(text).map_err(|error| PoliciesError(error.to_string()))?;
    let [document] = &documents[..] else {
        return Err(PoliciesError(format!("{} documents where one was expected", documents.len())));
    };
    let entries: BTreeMap<String, &RawValue> = serde_json::from_str(document.json())
        .map_err(|_| PoliciesError("a map of policy ids to policies was expected".to_owned()))?;
    if entries.is_empty() {
        return Err(PoliciesError("there is no policy in it".to_owned()));
    }
    entries
        .into_iter()
        .map(|(id, entry)| {
            let served = read(&id, entry.get()).map_err(|reason| PoliciesError(format!("{id}: {reason}")))?;
            Ok((id, served))
        })
        .collect()
}

fn read(id: &str, json: &str) -> Result<Served, String> {
    if id.is_empty() || id.contains(|c: char| c == '/' || c.is_whitespace() || c.is_control()) {
        return Err("an id is one part of a path: neither empty nor with a slash or a blank".to_owned());
    }
    let keys: BTreeMap<String, &RawValue> =
        serde_json::from_str(json).map_err(|_| "not a map of fields".to_owned())?;
    if keys.contains_key("policies") {
        return Err("policy groups are not served here: give each policy an entry of its own".to_owned());
    }
    let entry: Entry<'_> = serde_json::from_str(json).map_err(|error| plain(&error))?;
    let settings = entry.settings.map_or("", RawValue::get);
    let operations = entry.host_capabilities.iter().map(|pattern| pattern.parse::<GrantPattern>());
    Ok(Served {
        module: match entry.module.contains("://") {
            true => entry.module,
            false => format!("registry://{}", entry.module),
        },
        mode: entry.policy_mode,
        allowed_to_mutate: entry.allowed_to_mutate.unwrap_or(false),
        settings: Settings::parse(settings).map_err(|error| format!("settings: {error}"))?,
        message: entry.message,
        timeout: match entry.timeout_eval_seconds {
            Some(0) => return Err("timeoutEvalSeconds: 0 leaves no time".to_owned()),
            seconds => seconds.map(Duration::from_secs),
        },
        grants: Grants {
            operations: operations
                .collect::<Result<_, _>>()
                .map_err(|error| format!("hostCapabilities: {error}"))?,
            kinds: kinds(entry.context_aware_resources)?,
        },
    })
}

fn masks(fields: Value) -> Result<FieldMasks, String> {
    let Ok(paths) = serde_json::from_value::<Vec<String>>(fields) else {
        return Err("a list of paths was expected, such as [metadata.labels]".to_owned());
    };
    if paths.is_empty() {
        return Err(
            "it names none: leave it out to grant whole objects, or the entry to grant nothing".into()
        );
    }
    FieldMasks::parse(&paths).map_err(|error| error.to_string())
}

/// The granted kinds, each with what of it.
fn kinds(granted: Vec<Granted>) -> Result<BTreeMap<ContextAwareResource, FieldMasks>, String> {
    let mut kinds = BTreeMap::new();
    for (at, Granted { api_version, kind, fields }) in granted.into_iter().enumerate() {
        let failed = |field: &str, reason: String| format!("contextAwareResources[{at}].{field}: {reason}");
        let bad = |field, value: &str, fault| failed(field, format!("\"{}\" {fault}", shortened(value, 60)));
        if let Some(fault) = api_version_fault(&api_version) {
            return Err(bad("apiVersion", &api_version, fault));
        }
        if let Some(fault) = kind_fault(&kind) {
            return Err(bad("kind", &kind, fault));
        }
        let masks = match fields {
            None => FieldMasks::everything(),
            Some(fields) => masks(fields).map_err(|reason| failed("fields", reason))?,
        };
        let name = format!("{api_version}/{kind}");
        let before = kinds.insert(ContextAwareResource { api_version, kind }, masks.clone());
        if before.is_some_and(|before| before != masks) {
            return Err(failed("fields", format!("{name} is granted twice, with other fields")));
        }
    }
    Ok(kinds)
}

/// Without serde's place in a text that nobody wrote: the JSON that the YAML became.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

//! `policies.yml`, as Kubewarden's policy-server reads it: which policies and groups of policies are served, and how.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::document;
use crate::host_capabilities::{
    ContextAwareResource, FieldMasks, GrantPattern, Grants, api_version_fault, kind_fault, shortened,
};
use crate::policy_group::Expression;
use crate::settings::Settings;

mod custom_resource;
#[cfg(test)]
mod tests;

pub use custom_resource::{is_custom_resources, parse_custom_resources};

/// A policy or group to serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// A policy, or a group.
    pub what: PolicyOrGroup,
    /// The effect of its verdict.
    pub mode: Mode,
    /// Whether it may change objects.
    pub allowed_to_mutate: bool,
    /// The message for users in place of a policy's own reason.
    pub message: Option<String>,
    /// How long one evaluation may take, where it differs from the others.
    pub timeout: Option<Duration>,
    /// Fields of the entry that mean nothing, such as the controller's `namespacedName`.
    pub ignored: Vec<String>,
}

/// A policy, or policies that are asked together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyOrGroup {
    Policy(PolicySource),
    /// Several, by the names that the expression calls them by.
    Group {
        policies: BTreeMap<String, PolicySource>,
        /// The expression over the verdicts of its policies.
        expression: Expression,
        /// The message for users when it refuses.
        message: String,
    },
}

/// The origin of a policy, with its settings and grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicySource {
    /// `file://PATH`, `https://HOST/PATH` or `registry://HOST/REPOSITORY:TAG`.
    pub module: String,
    pub settings: Settings,
    /// Its grants.
    pub grants: Grants,
}

impl Served {
    /// Every policy in it.
    pub fn sources(&self) -> Vec<&PolicySource> {
        match &self.what {
            PolicyOrGroup::Policy(source) => vec![source],
            PolicyOrGroup::Group { policies, .. } => policies.values().collect(),
        }
    }
}

/// Fields of an entry that mean something.
const FIELDS: [&str; 10] = [
    "module",
    "policyMode",
    "allowedToMutate",
    "settings",
    "contextAwareResources",
    "message",
    "timeoutEvalSeconds",
    "hostCapabilities",
    "policies",
    "expression",
];

/// The effect of a policy's verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The verdict is enforced.
    #[default]
    Protect,
    /// The verdict is logged, and the request is admitted unchanged.
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

/// Why a file cannot be served. Names the entry and the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PoliciesError(String);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    module: String,
    #[serde(default)]
    policy_mode: Mode,
    #[serde(default)]
    allowed_to_mutate: Option<bool>,
    #[serde(borrow, default)]
    settings: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "document::null_is_empty")]
    context_aware_resources: Vec<Granted>,
    message: Option<String>,
    timeout_eval_seconds: Option<u64>,
    #[serde(default, deserialize_with = "document::null_is_empty")]
    host_capabilities: Vec<String>,
}

/// `allowedToMutate` is none of a group's: its policies change nothing.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GroupEntry<'a> {
    #[serde(default)]
    policy_mode: Mode,
    #[serde(borrow)]
    policies: BTreeMap<String, MemberEntry<'a>>,
    expression: String,
    message: String,
    timeout_eval_seconds: Option<u64>,
    /// The object that it is of, as Kubewarden's controller writes it.
    #[serde(rename = "namespacedName")]
    _namespaced_name: Option<IgnoredAny>,
}

/// A policy of a group.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MemberEntry<'a> {
    module: String,
    #[serde(borrow, default)]
    settings: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "document::null_is_empty")]
    context_aware_resources: Vec<Granted>,
    #[serde(default, deserialize_with = "document::null_is_empty")]
    host_capabilities: Vec<String>,
}

/// A kind of objects that a policy may read. `fields` is ours: policy-server grants whole objects.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Granted {
    api_version: String,
    kind: String,
    /// The fields of the objects, as dotted paths; without them the objects are granted whole.
    #[serde(default, deserialize_with = "written")]
    fields: Option<Value>,
}

/// The written value. `null` counts: it differs from an absent value.
fn written<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Reads the file: policies by their ids, which are the last part of the webhook's path.
///
/// # Errors
/// It is neither YAML nor JSON; an entry lacks its module, or has a value that means nothing. Fields that are not known
/// mean nothing, as there, but for a group's; they are named in what is read.
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
    let served = match keys.contains_key("policies") {
        true => group(serde_json::from_str(json).map_err(|error| plain(&error))?),
        false => policy(serde_json::from_str(json).map_err(|error| plain(&error))?),
    }?;
    let ignored = keys.into_keys().filter(|key| !FIELDS.contains(&key.as_str()));
    Ok(Served { ignored: ignored.collect(), ..served })
}

fn policy(entry: Entry<'_>) -> Result<Served, String> {
    let Entry { module, settings, context_aware_resources, host_capabilities, .. } = entry;
    let member = MemberEntry { module, settings, context_aware_resources, host_capabilities };
    Ok(Served {
        what: PolicyOrGroup::Policy(source(member)?),
        mode: entry.policy_mode,
        allowed_to_mutate: entry.allowed_to_mutate.unwrap_or(false),
        message: entry.message,
        timeout: timeout(entry.timeout_eval_seconds)?,
        ignored: Vec::new(),
    })
}

fn group(entry: GroupEntry<'_>) -> Result<Served, String> {
    let mut policies = BTreeMap::new();
    for (name, member) in entry.policies {
        let source = source(member).map_err(|reason| format!("policies.{name}: {reason}"))?;
        policies.insert(name, source);
    }
    Ok(Served {
        what: of_group(policies, &entry.expression, entry.message)?,
        mode: entry.policy_mode,
        allowed_to_mutate: false,
        message: None,
        timeout: timeout(entry.timeout_eval_seconds)?,
        ignored: Vec::new(),
    })
}

/// A group whose expression names its policies.
fn of_group(
    policies: BTreeMap<String, PolicySource>,
    expression: &str,
    message: String,
) -> Result<PolicyOrGroup, String> {
    let expression = Expression::parse(expression).map_err(|error| format!("expression: {error}"))?;
    if let Some(name) = expression.policies().into_iter().find(|name| !policies.contains_key(*name)) {
        return Err(format!("expression: no policy of the group has the name {name}"));
    }
    Ok(PolicyOrGroup::Group { policies, expression, message })
}

fn source(entry: MemberEntry<'_>) -> Result<PolicySource, String> {
    let settings = entry.settings.map_or("", RawValue::get);
    let operations = entry.host_capabilities.iter().map(|pattern| pattern.parse::<GrantPattern>());
    Ok(PolicySource {
        module: with_scheme(entry.module),
        settings: Settings::parse(settings).map_err(|error| format!("settings: {error}"))?,
        grants: Grants {
            operations: operations
                .collect::<Result<_, _>>()
                .map_err(|error| format!("hostCapabilities: {error}"))?,
            kinds: kinds(entry.context_aware_resources)?,
        },
    })
}

/// A module that names no scheme is in a registry.
fn with_scheme(module: String) -> String {
    if module.contains("://") { module } else { format!("registry://{module}") }
}

fn timeout(seconds: Option<u64>) -> Result<Option<Duration>, String> {
    match seconds {
        Some(0) => Err("timeoutEvalSeconds: 0 leaves no time".to_owned()),
        seconds => Ok(seconds.map(Duration::from_secs)),
    }
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

/// The error without serde's position, which is in the JSON that the YAML was converted to.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

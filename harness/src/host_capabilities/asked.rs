//! Questions as kwctl's recordings name them: a tag, and parameters.

use serde_json::{Map, Value, json};

use super::{CanI, FieldMasks, Get, HostCall, List, Question, Subject};
use crate::document;

/// A question, by its meaning.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Asked {
    tag: String,
    parameters: Map<String, Value>,
}

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "!{} {}", self.tag, Value::from(self.parameters.clone()))
    }
}

impl Asked {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let tagged = text
            .trim_start()
            .strip_prefix('!')
            .ok_or("it begins with no tag such as !KubernetesGetResource")?;
        let (tag, rest) = tagged.split_once(char::is_whitespace).unwrap_or((tagged, ""));
        let parameters: Map<String, Value> = document::from_yaml(rest)?;
        Ok(Self { tag: tag.to_owned(), parameters: meaning(parameters) })
    }

    pub(super) fn of_call(call: &HostCall<'_>) -> Self {
        let (tag, parameters) = named(call);
        Self { tag: tag.to_owned(), parameters: meaning(parameters) }
    }
}

/// The question in the form of a recording: YAML with a tag before it, with every parameter.
pub(super) fn recorded(call: &HostCall<'_>) -> Result<String, String> {
    let (tag, parameters) = named(call);
    let yaml = serde_saphyr::to_string(&parameters).map_err(|error| error.to_string())?;
    Ok(format!("!{tag}\n{yaml}"))
}

fn named<'a>(call: &'a HostCall<'_>) -> (&'a str, Map<String, Value>) {
    let (tag, parameters) = match &call.question {
        Question::Get(get) => ("KubernetesGetResource", of_get(get)),
        Question::List(list) if list.namespace.is_none() => ("KubernetesListResourceAll", of_list(list)),
        Question::List(list) => ("KubernetesListResourceNamespace", of_list(list)),
        Question::CanI(can_i) => ("KubernetesCanI", of_can_i(can_i)),
        Question::Image(image) => {
            let tag = match call.operation {
                "v1/manifest_digest" => "OciManifestDigest",
                "v1/oci_manifest" => "OciManifest",
                _ => "OciManifestAndConfig",
            };
            (tag, json!({ "image": image }))
        }
        Question::Verify(verify) => (verify.kind.as_str(), Value::from(verify.parameters.clone())),
        Question::Host(host) => ("DNSLookupHost", json!({ "host": host })),
        Question::Certificate(trust) => ("CryptoIsCertificateTrusted", json!({ "request": trust })),
    };
    let Value::Object(parameters) = parameters else { return (tag, Map::new()) };
    (tag, parameters)
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

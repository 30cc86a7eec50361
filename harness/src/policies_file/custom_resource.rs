//! Kubewarden's custom resources, for trying them out: AdmissionPolicy, ClusterAdmissionPolicy, AdmissionPolicyGroup and
//! ClusterAdmissionPolicyGroup.
//!
//! What says which requests they see (rules, selectors, conditions) is the webhook's, and not read here.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Granted, MemberEntry, Mode, PoliciesError, PolicyOrGroup, Served, of_group, plain, source, timeout,
};
use crate::document;

const API_VERSION: &str = "policies.kubewarden.io/v1";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resource<'a> {
    api_version: String,
    kind: String,
    #[serde(default)]
    metadata: ObjectMeta,
    #[serde(borrow)]
    spec: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct ObjectMeta {
    name: Option<String>,
}

/// The fields of all kinds, as far as an evaluation needs them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PolicySpec<'a> {
    module: String,
    #[serde(borrow, default)]
    settings: Option<&'a RawValue>,
    #[serde(default)]
    mode: Mode,
    #[serde(default, deserialize_with = "document::null_is_empty")]
    mutating: bool,
    message: Option<String>,
    timeout_eval_seconds: Option<u64>,
    #[serde(default, deserialize_with = "document::null_is_empty")]
    context_aware_resources: Vec<Granted>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GroupSpec<'a> {
    #[serde(borrow)]
    policies: BTreeMap<String, MemberSpec<'a>>,
    expression: String,
    message: String,
    #[serde(default)]
    mode: Mode,
    timeout_eval_seconds: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MemberSpec<'a> {
    module: String,
    #[serde(borrow, default)]
    settings: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "document::null_is_empty")]
    context_aware_resources: Vec<Granted>,
}

/// Whether a file's name says that it has custom resources in it, and no module.
pub fn is_custom_resources(path: &str) -> bool {
    [".yaml", ".yml"].iter().any(|ending| path.ends_with(ending))
}

/// Reads the custom resources of a file, in their order, each with its name. What they may read of the cluster is
/// what they say; what operations of their host they may use is the caller's to grant.
///
/// # Errors
/// It is not YAML, or a document in it is none of the four kinds.
pub fn parse_custom_resources(text: &str) -> Result<Vec<(String, Served)>, PoliciesError> {
    let documents = document::read(text).map_err(|error| PoliciesError(error.to_string()))?;
    if documents.is_empty() {
        return Err(PoliciesError("there is no policy in it".to_owned()));
    }
    let read = documents.iter().enumerate().map(|(at, document)| {
        let (name, served) = served(document.json())
            .map_err(|reason| PoliciesError(format!("document {}: {reason}", at + 1)))?;
        Ok((name, served))
    });
    read.collect()
}

fn served(json: &str) -> Result<(String, Served), String> {
    let resource: Resource<'_> = serde_json::from_str(json).map_err(|error| plain(&error))?;
    let Resource { api_version, kind, metadata, spec } = resource;
    if api_version != API_VERSION {
        return Err(format!("invalid apiVersion \"{api_version}\": {API_VERSION} was expected"));
    }
    let name = metadata.name.unwrap_or_else(|| "crd-without-name".to_owned());
    let spec = spec.map(RawValue::get).ok_or_else(|| format!("{kind} {name}: it has no spec"))?;
    let served = match kind.as_str() {
        "AdmissionPolicy" => policy(spec, false),
        "ClusterAdmissionPolicy" => policy(spec, true),
        "AdmissionPolicyGroup" => group(spec, false),
        "ClusterAdmissionPolicyGroup" => group(spec, true),
        _ => return Err(format!("unknown kind \"{kind}\", not a Kubewarden policy")),
    };
    let served = served.map_err(|reason| format!("{kind} {name}: spec: {reason}"))?;
    Ok((name, served))
}

/// Policies of a namespace may read nothing of the cluster.
fn policy(spec: &str, reads_cluster: bool) -> Result<Served, String> {
    let spec: PolicySpec<'_> = serde_json::from_str(spec).map_err(|error| plain(&error))?;
    let PolicySpec { module, settings, context_aware_resources, .. } = spec;
    let member = MemberSpec { module, settings, context_aware_resources };
    Ok(Served {
        what: PolicyOrGroup::Policy(source(member.entry(reads_cluster))?),
        mode: spec.mode,
        allowed_to_mutate: spec.mutating,
        message: spec.message,
        timeout: timeout(spec.timeout_eval_seconds)?,
        ignored: Vec::new(),
    })
}

fn group(spec: &str, reads_cluster: bool) -> Result<Served, String> {
    let spec: GroupSpec<'_> = serde_json::from_str(spec).map_err(|error| plain(&error))?;
    let mut policies = BTreeMap::new();
    for (name, member) in spec.policies {
        let source = source(member.entry(reads_cluster));
        policies.insert(name.clone(), source.map_err(|reason| format!("policies.{name}: {reason}"))?);
    }
    Ok(Served {
        what: of_group(policies, &spec.expression, spec.message)?,
        mode: spec.mode,
        allowed_to_mutate: false,
        message: None,
        timeout: timeout(spec.timeout_eval_seconds)?,
        ignored: Vec::new(),
    })
}

impl<'a> MemberSpec<'a> {
    fn entry(self, reads_cluster: bool) -> MemberEntry<'a> {
        let Self { module, settings, context_aware_resources } = self;
        let context_aware_resources = if reads_cluster { context_aware_resources } else { Vec::new() };
        MemberEntry { module, settings, context_aware_resources, host_capabilities: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[track_caller]
    fn refused(text: &str, expected: Expect) {
        expected.assert_eq(&parse_custom_resources(text).unwrap_err().to_string());
    }

    fn resource(kind: &str, spec: &str) -> String {
        format!(
            "{{apiVersion: policies.kubewarden.io/v1, kind: {kind}, metadata: {{name: p}}, spec: {spec}}}"
        )
        .replacen('{', "# YAML\n{", 1)
    }

    #[test]
    fn each_document_is_a_policy_or_a_group() {
        let spec = "{module: 'file:///p.wasm', rules: [{}], mutating: true, mode: monitor, settings: {a: 1}, contextAwareResources: [{apiVersion: v1, kind: Pod}]}";
        let group = "{expression: a(), message: m, policies: {a: {module: r.example/a:v1, contextAwareResources: [{apiVersion: v1, kind: Pod}]}}}";
        let text =
            ["AdmissionPolicy", "ClusterAdmissionPolicy"].map(|kind| resource(kind, spec)).join("\n---\n")
                + "\n---\n"
                + &["AdmissionPolicyGroup", "ClusterAdmissionPolicyGroup"]
                    .map(|kind| resource(kind, group))
                    .join("\n---\n");
        let read = parse_custom_resources(&text).unwrap();
        let kinds = read.iter().map(|(_, served)| served.sources()[0].grants.kinds.len());
        assert_eq!(
            kinds.collect::<Vec<_>>(),
            [0, 1, 0, 1],
            "what is in a namespace reads nothing of the cluster"
        );
        let (name, first) = &read[0];
        assert_eq!((name.as_str(), first.mode, first.allowed_to_mutate), ("p", Mode::Monitor, true));
        assert_eq!(first.sources()[0].settings.json(), r#"{"a":1}"#);
        assert_eq!(read[2].1.sources()[0].module, "registry://r.example/a:v1");
    }

    #[test]
    fn what_is_none_of_them_is_told() {
        refused("", expect!["there is no policy in it"]);
        refused("a: 1", expect!["document 1: missing field `apiVersion`"]);
        refused(
            "apiVersion: v1\nkind: Pod\n",
            expect![[r#"document 1: invalid apiVersion "v1": policies.kubewarden.io/v1 was expected"#]],
        );
        refused(
            &resource("PolicyServer", "{}"),
            expect![[r#"document 1: unknown kind "PolicyServer", not a Kubewarden policy"#]],
        );
        refused(
            &resource("AdmissionPolicy", "{}"),
            expect!["document 1: AdmissionPolicy p: spec: missing field `module`"],
        );
        refused(
            &resource("AdmissionPolicyGroup", "{policies: {}, expression: a(), message: m}"),
            expect![
                "document 1: AdmissionPolicyGroup p: spec: expression: no policy of the group has the name a"
            ],
        );
    }
}

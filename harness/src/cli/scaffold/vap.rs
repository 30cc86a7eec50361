//! `harness scaffold vap`: a ValidatingAdmissionPolicy and its binding, as a ClusterAdmissionPolicy that gives the same
//! expressions to Kubewarden's CEL policy.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use serde_json::{Map, Value, json};

use crate::document;

/// A ValidatingAdmissionPolicy and its binding, as a ClusterAdmissionPolicy
#[derive(Debug, Args)]
pub(super) struct Vap {
    /// The file with the ValidatingAdmissionPolicy
    #[arg(short, long, value_name = "VALIDATING-ADMISSION-POLICY.yaml")]
    policy: PathBuf,

    /// The file with the ValidatingAdmissionPolicyBinding
    #[arg(short, long, value_name = "VALIDATING-ADMISSION-POLICY-BINDING.yaml")]
    binding: PathBuf,

    /// The CEL policy's module
    #[arg(long, value_name = "URI", default_value = "ghcr.io/kubewarden/policies/cel-policy:latest")]
    cel_policy: String,
}

impl Vap {
    pub(super) fn execute(self) -> anyhow::Result<()> {
        let policy = read(&self.policy, "ValidatingAdmissionPolicy")?;
        let binding = read(&self.binding, "ValidatingAdmissionPolicyBinding")?;
        let last = self.cel_policy.rsplit('/').next().unwrap_or_default();
        if !last.contains([':', '@']) || last.ends_with(":latest") {
            tracing::warn!(
                "Using the 'latest' version of the CEL policy could lead to unexpected behavior. It is recommended to use a specific version to avoid breaking changes."
            );
        }
        let (resource, warnings) = translated(&policy, &binding, &self.cel_policy)?;
        warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        super::super::files::print(&serde_saphyr::to_string(&resource)?)
    }
}

fn read(path: &Path, kind: &str) -> anyhow::Result<Value> {
    let failed = || format!("cannot read the {kind} of {}", path.display());
    let documents = document::read(&super::super::files::read_text(path)?).with_context(failed)?;
    let [document] = &documents[..] else {
        bail!("{}: {} documents where one was expected", failed(), documents.len());
    };
    let object: Value = serde_json::from_str(document.json()).with_context(failed)?;
    match object["kind"] == kind {
        true => Ok(object),
        false => Err(anyhow!("its kind is {}", object["kind"])).with_context(failed),
    }
}

/// The resource, and what a person who installs it has to know.
fn translated(policy: &Value, binding: &Value, module: &str) -> anyhow::Result<(Value, Vec<String>)> {
    let name = policy["metadata"]["name"].as_str();
    let name = name.ok_or_else(|| anyhow!("ValidatingAdmissionPolicy has no metadata.name"))?;
    let (spec, bound) = (&policy["spec"], &binding["spec"]);
    match bound["policyName"].as_str() {
        None => bail!("ValidatingAdmissionPolicyBinding has no spec.policyName"),
        Some(other) if other != name => bail!(
            "ValidatingAdmissionPolicyBinding spec.policyName '{other}' does not match ValidatingAdmissionPolicy metadata.name '{name}'"
        ),
        Some(_) => {}
    }
    let mut warnings = Vec::new();
    for (field, what) in [("auditAnnotations", "auditAnnotations"), ("matchConditions", "matchConditions")] {
        if !is_empty(&spec[field]) {
            warnings.push(format!(
                "{what} are not supported by Kubewarden's CEL policy yet. They will be ignored."
            ));
        }
    }
    let (constraints, resources) = (&spec["matchConstraints"], &bound["matchResources"]);
    check_matches(constraints, resources)?;
    let settings = settings(spec, bound, &mut warnings)?;
    let mut granted = Vec::new();
    if let (Some(version), Some(kind)) =
        (settings["paramKind"]["apiVersion"].as_str(), settings["paramKind"]["kind"].as_str())
    {
        granted.push(json!({"apiVersion": version, "kind": kind}));
    }
    let text = spec.to_string();
    if text.contains("namespaceObject") {
        granted.push(json!({"apiVersion": "v1", "kind": "Namespace"}));
    }
    if !granted.is_empty() {
        warnings.push(format!(
            "access to {} is granted by spec.contextAwareResources, because paramKind or namespaceObject needs it; review before applying",
            granted.iter().map(|it| format!("{}/{}", it["apiVersion"], it["kind"]).replace('"', "")).collect::<Vec<_>>().join(", ")
        ));
    }
    if text.contains("kw.k8s") {
        warnings.push(
            "this policy calls kw.k8s.*: add every apiVersion/kind that it reads to spec.contextAwareResources, or the calls are denied"
                .to_owned(),
        );
    }
    let mut out = Map::from_iter([
        ("module".to_owned(), module.into()),
        ("settings".to_owned(), settings),
        ("rules".to_owned(), rules(&constraints["resourceRules"])),
        ("mutating".to_owned(), false.into()),
    ]);
    let optional = [
        ("contextAwareResources", Value::from(granted)),
        ("matchPolicy", constraints["matchPolicy"].clone()),
        ("namespaceSelector", selector("namespaceSelector", constraints, resources)?),
        ("objectSelector", selector("objectSelector", constraints, resources)?),
    ];
    out.extend(
        optional
            .into_iter()
            .filter(|(_, value)| !is_empty(value))
            .map(|(name, value)| (name.to_owned(), value)),
    );
    let resource = json!({
        "apiVersion": "policies.kubewarden.io/v1",
        "kind": "ClusterAdmissionPolicy",
        "metadata": binding["metadata"],
        "spec": out,
    });
    Ok((resource, warnings))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

/// What a ClusterAdmissionPolicy has no field for.
fn check_matches(constraints: &Value, resources: &Value) -> anyhow::Result<()> {
    for (value, field) in [
        (
            &constraints["excludeResourceRules"],
            "ValidatingAdmissionPolicy spec.matchConstraints.excludeResourceRules",
        ),
        (
            &resources["excludeResourceRules"],
            "ValidatingAdmissionPolicyBinding spec.matchResources.excludeResourceRules",
        ),
        (&resources["resourceRules"], "ValidatingAdmissionPolicyBinding spec.matchResources.resourceRules"),
    ] {
        if !is_empty(value) {
            bail!(
                "{field} is not supported: ClusterAdmissionPolicy has no matching field. Narrow spec.matchConstraints.resourceRules of the ValidatingAdmissionPolicy instead"
            );
        }
    }
    let own = constraints["matchPolicy"].as_str().unwrap_or("Equivalent");
    match resources["matchPolicy"].as_str() {
        Some(other) if other != own => bail!(
            "ValidatingAdmissionPolicyBinding spec.matchResources.matchPolicy is '{other}', and ValidatingAdmissionPolicy spec.matchConstraints.matchPolicy is '{own}': make them equal, or leave it out of the binding"
        ),
        _ => Ok(()),
    }
}

fn settings(spec: &Value, bound: &Value, warnings: &mut Vec<String>) -> anyhow::Result<Value> {
    let mut settings = Map::new();
    for field in ["failurePolicy", "variables", "validations"] {
        if !is_empty(&spec[field]) {
            settings.insert(field.to_owned(), spec[field].clone());
        }
    }
    match (is_empty(&spec["paramKind"]), is_empty(&bound["paramRef"])) {
        (true, true) => {}
        (false, false) => {
            let mut reference = bound["paramRef"].clone();
            if is_empty(&reference["parameterNotFoundAction"]) {
                warnings.push(
                    "paramRef.parameterNotFoundAction not set in the binding; defaulting to Deny".to_owned(),
                );
                reference["parameterNotFoundAction"] = "Deny".into();
            }
            settings.insert("paramKind".to_owned(), spec["paramKind"].clone());
            settings.insert("paramRef".to_owned(), reference);
        }
        _ => bail!("Both paramKind and paramRef must be present together, or both absent"),
    }
    Ok(settings.into())
}

/// The rules without what those of a ClusterAdmissionPolicy have not: names and scopes.
fn rules(rules: &Value) -> Value {
    let fields = ["apiGroups", "apiVersions", "resources", "operations"];
    let rules = rules.as_array().map(Vec::as_slice).unwrap_or_default().iter();
    rules
        .map(|rule| {
            Value::Object(fields.map(|field| (field.to_owned(), rule[field].clone())).into_iter().collect())
        })
        .collect()
}

/// What both selectors select: every condition of both.
fn selector(field: &str, constraints: &Value, resources: &Value) -> anyhow::Result<Value> {
    let (one, other) = (&constraints[field], &resources[field]);
    if is_empty(one) || is_empty(other) {
        return Ok(if is_empty(one) { other.clone() } else { one.clone() });
    }
    let mut labels = one["matchLabels"].as_object().cloned().unwrap_or_default();
    for (key, value) in other["matchLabels"].as_object().into_iter().flatten() {
        if let Some(own) = labels.insert(key.clone(), value.clone()).filter(|own| own != value) {
            bail!(
                "{field}: the ValidatingAdmissionPolicy sets the label '{key}' to {own}, and the ValidatingAdmissionPolicyBinding sets it to {value}: no object has both"
            );
        }
    }
    let expressions = |value: &Value| value["matchExpressions"].as_array().cloned().unwrap_or_default();
    let expressions = [expressions(one), expressions(other)].concat();
    let mut both = Map::new();
    if !labels.is_empty() {
        both.insert("matchLabels".to_owned(), labels.into());
    }
    if !expressions.is_empty() {
        both.insert("matchExpressions".to_owned(), expressions.into());
    }
    Ok(both.into())
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn policy() -> Value {
        json!({"kind": "ValidatingAdmissionPolicy", "metadata": {"name": "replicas"}, "spec": {
            "failurePolicy": "Fail",
            "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
            "matchConstraints": {
                "resourceRules": [{"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"], "scope": "*"}],
                "namespaceSelector": {"matchLabels": {"a": "1"}},
            },
            "validations": [{"expression": "object.spec.replicas <= 5"}],
        }})
    }

    fn binding() -> Value {
        json!({"kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": "bound"}, "spec": {
            "policyName": "replicas",
            "paramRef": {"name": "limits"},
            "matchResources": {"namespaceSelector": {"matchLabels": {"b": "2"}}},
        }})
    }

    #[test]
    fn a_policy_and_its_binding_become_settings_of_the_cel_policy() {
        let (resource, warnings) = translated(&policy(), &binding(), "r.example/cel:v1").unwrap();
        expect![[r#"
            apiVersion: policies.kubewarden.io/v1
            kind: ClusterAdmissionPolicy
            metadata:
              name: bound
            spec:
              contextAwareResources:
              - apiVersion: v1
                kind: ConfigMap
              module: r.example/cel:v1
              mutating: false
              namespaceSelector:
                matchLabels:
                  a: "1"
                  b: "2"
              rules:
              - apiGroups:
                - apps
                apiVersions:
                - v1
                operations:
                - CREATE
                resources:
                - deployments
              settings:
                failurePolicy: Fail
                paramKind:
                  apiVersion: v1
                  kind: ConfigMap
                paramRef:
                  name: limits
                  parameterNotFoundAction: Deny
                validations:
                - expression: object.spec.replicas <= 5
        "#]]
        .assert_eq(&serde_saphyr::to_string(&resource).unwrap());
        assert_eq!(warnings.len(), 2, "{warnings:?}");
    }

    #[test]
    fn what_would_select_something_else_is_refused() {
        let refused = |change: &dyn Fn(&mut Value, &mut Value)| {
            let (mut policy, mut binding) = (policy(), binding());
            change(&mut policy, &mut binding);
            translated(&policy, &binding, "m").unwrap_err().to_string()
        };
        let says = |text: String, part: &str| assert!(text.contains(part), "{text}");
        says(refused(&|_, binding| binding["spec"]["policyName"] = "other".into()), "does not match");
        says(refused(&|_, binding| binding["spec"]["paramRef"] = Value::Null), "Both paramKind and paramRef");
        says(
            refused(&|_, binding| {
                binding["spec"]["matchResources"]["namespaceSelector"]["matchLabels"]["a"] = "2".into()
            }),
            "no object has both",
        );
        says(
            refused(&|_, binding| binding["spec"]["matchResources"]["resourceRules"] = json!([{}])),
            "matchResources.resourceRules is not supported",
        );
        says(
            refused(&|_, binding| binding["spec"]["matchResources"]["matchPolicy"] = "Exact".into()),
            "matchPolicy is 'Exact'",
        );
    }
}

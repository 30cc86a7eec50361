//! The definition against what the design promises, and against the committed file.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use serde_json::{Value, json};

use super::*;

#[test]
fn committed_yaml_is_what_the_code_prints() {
    let committed = include_str!("../../../artifacts/crd/imagepullsecrets.yaml");
    assert!(committed == yaml().unwrap(), "run: ./justw generate");
}

#[test]
fn the_yaml_reads_back_as_the_same_definition() {
    let value: Value = serde_saphyr::from_str(&yaml().unwrap()).unwrap();
    assert_eq!(value, serde_json::to_value(definition().unwrap()).unwrap());
}

#[test]
fn names_scope_and_columns_are_those_of_the_original() {
    let spec = definition().unwrap().spec;
    assert_eq!((spec.scope.as_str(), spec.group.as_str()), ("Cluster", "tcr.tencentcloudcr.com"));
    assert_eq!(spec.names.short_names.unwrap(), ["ips", "ipss"]);
    let columns: Vec<_> = spec.versions[0].additional_printer_columns.iter().flatten().collect();
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "NAMESPACES",
            "SERVICE-ACCOUNTS",
            "SECRETS-DESIRED",
            "SECRETS-SUCCESS",
            "PRIVATE-LINK",
            "NODES",
            "READY",
            "AGE"
        ]
    );
    let wide = columns.iter().filter(|column| column.priority == Some(1));
    assert_eq!(wide.map(|column| column.name.as_str()).collect::<Vec<_>>(), ["PRIVATE-LINK"]);
}

fn schema() -> JSONSchemaProps {
    let version = definition().unwrap().spec.versions.remove(0);
    version.schema.unwrap().open_api_v3_schema.unwrap()
}

/// Walks every node of the schema with its path.
fn walk(path: &str, schema: &JSONSchemaProps, visit: &mut dyn FnMut(&str, &JSONSchemaProps)) {
    visit(path, schema);
    for (name, property) in schema.properties.iter().flatten() {
        walk(&format!("{path}.{name}"), property, visit);
    }
    let items = serde_json::to_value(&schema.items).unwrap();
    if let Value::Object(_) = &items {
        walk(&format!("{path}[]"), &serde_json::from_value(items).unwrap(), visit);
    }
}

#[test]
fn the_schema_is_structural_and_every_field_is_described() {
    walk("", &schema(), &mut |path, node| {
        assert!(node.type_.is_some(), "{path} has no type");
        assert!(node.ref_path.is_none() && node.default.is_none() && node.nullable.is_none(), "{path}");
        assert!(
            node.any_of.is_none() && node.one_of.is_none() && node.all_of.is_none() && node.not.is_none(),
            "{path} has alternatives"
        );
        assert!(path.ends_with("[]") || node.description.is_some(), "{path} has no description");
    });
}

#[test]
fn rules_hold_at_every_level() {
    let mut rules = Vec::new();
    walk("", &schema(), &mut |path, node| {
        for rule in node.x_kubernetes_validations.iter().flatten() {
            rules.push(format!("{path}: {}", rule.rule));
        }
    });
    for expected in ["size(self.metadata.name) <= 246", "has(self.docker) != has(self.tcr)"] {
        assert!(rules.iter().any(|rule| rule.contains(expected)), "{rules:#?}");
    }
}

#[test]
fn the_sample_objects_fit_the_types() {
    let object: ImagePullSecret = serde_json::from_value(json!({
        "apiVersion": "tcr.tencentcloudcr.com/v1", "kind": "ImagePullSecret",
        "metadata": {"name": "imagepullsecret-sample", "generation": 3},
        "spec": {"namespaces": "*", "serviceAccounts": "*", "docker": {
            "username": "100012345678", "password": "tcr.jwt.token", "server": "fanjiankong-bj.tencentcloudcr.com"}},
        "status": {"sAsDesired": 47, "sAsSuccess": 1, "secretsDesired": 10, "secretsSuccess": 10,
            "secretUpdateSuccessful": [{"namespacedName": "default/default", "updatedAt": "2021-11-01T00:00:00Z"}]},
    }))
    .unwrap();
    let status = object.status.clone().unwrap();
    assert_eq!((status.s_as_desired, status.secrets_success), (Some(47), Some(10)));
    assert_eq!(object.meta().name.as_deref(), Some("imagepullsecret-sample"));
    assert!(!format!("{object:?}").contains("tcr.jwt.token"));
}

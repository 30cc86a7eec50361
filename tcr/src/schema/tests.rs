use expect_test::expect;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use crate::image_pull_secret::ImagePullSecretSpec;

fn spec_schema() -> Value {
    let mut settings = SchemaSettings::openapi3();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    settings.into_generator().into_root_schema_for::<ImagePullSecretSpec>().to_value()
}

/// One line for each field: its path and everything that constrains it.
fn outline(path: &str, schema: &Map<String, Value>, lines: &mut String) {
    for refused in ["$ref", "oneOf", "anyOf", "allOf", "nullable", "default", "format", "$schema"] {
        assert!(!schema.contains_key(refused), "{path} has {refused}, which is not structural here");
    }
    assert!(schema["type"].is_string(), "{path} has no single type");
    assert!(path == "spec" || schema.contains_key("description"), "{path} is not described");
    lines.push_str(path);
    for (key, value) in schema {
        match (key.as_str(), value) {
            ("properties" | "items" | "description" | "title", _) => {}
            ("x-kubernetes-validations", Value::Array(rules)) => {
                for rule in rules {
                    lines.push_str(&format!("\n    {}", rule["rule"].as_str().unwrap()));
                }
            }
            _ => lines.push_str(&format!(" {key}={value}")),
        }
    }
    lines.push('\n');
    if let Some(Value::Object(properties)) = schema.get("properties") {
        for (name, property) in properties {
            outline(&format!("{path}.{name}"), property.as_object().unwrap(), lines);
        }
    }
    if let Some(Value::Object(items)) = schema.get("items") {
        let mut items = items.clone();
        items.entry("description").or_insert("an item".into());
        outline(&format!("{path}[]"), &items, lines);
    }
}

#[test]
fn the_schema_is_structural_and_holds_the_rules_that_it_can() {
    let mut lines = String::new();
    outline("spec", spec_schema().as_object().unwrap(), &mut lines);
    expect![[r#"
        spec type="object"
            has(self.docker) != has(self.tcr)
        spec.conflictPolicy enum=["never","adopt","overwrite"] type="string"
        spec.docker required=["server","username"] type="object"
            (has(self.password) && self.password != '') != has(self.passwordSecretRef)
        spec.docker.password maxLength=65536 type="string"
        spec.docker.passwordSecretRef required=["name","key"] type="object"
        spec.docker.passwordSecretRef.key maxLength=253 minLength=1 pattern="^[-._a-zA-Z0-9]+$" type="string"
        spec.docker.passwordSecretRef.name maxLength=253 minLength=1 type="string"
        spec.docker.server maxLength=259 minLength=1 type="string"
        spec.docker.username maxLength=1024 minLength=1 type="string"
        spec.namespaceSelector type="object" x-kubernetes-map-type="atomic"
        spec.namespaceSelector.matchExpressions type="array"
        spec.namespaceSelector.matchExpressions[] required=["key","operator"] type="object"
        spec.namespaceSelector.matchExpressions[].key type="string"
        spec.namespaceSelector.matchExpressions[].operator enum=["In","NotIn","Exists","DoesNotExist"] type="string"
        spec.namespaceSelector.matchExpressions[].values type="array"
        spec.namespaceSelector.matchExpressions[].values[] type="string"
        spec.namespaceSelector.matchLabels additionalProperties={"type":"string"} type="object"
        spec.namespaces type="string"
        spec.serviceAccounts type="string"
        spec.tcr required=["instanceId","region"] type="object"
            !has(self.roleArn) || (has(self.credential) && has(self.credential.type) && self.credential.type != 'longterm')
        spec.tcr.aliases maxItems=32 type="array" x-kubernetes-list-type="set"
        spec.tcr.aliases[] maxLength=259 minLength=1 type="string"
        spec.tcr.credential type="object"
            !has(self.rotateAfter) || !has(self.type) || self.type == 'longterm'
            !has(self.rotateAfter) || duration(self.rotateAfter) >= duration('1h')
            (has(self.type) && self.type == 'serviceAccount') == (has(self.registryNamespaces) && size(self.registryNamespaces) > 0)
            (has(self.type) && self.type == 'serviceAccount') || (!has(self.validity) && !has(self.shared))
            !has(self.validity) || duration(self.validity) >= duration('24h')
        spec.tcr.credential.description maxLength=1024 type="string"
        spec.tcr.credential.onDelete enum=["Retain","Revoke"] type="string"
        spec.tcr.credential.registryNamespaces maxItems=32 type="array" x-kubernetes-list-type="set"
        spec.tcr.credential.registryNamespaces[] maxLength=30 minLength=2 pattern="^[a-z0-9]+([._-][a-z0-9]+)*$" type="string"
        spec.tcr.credential.rotateAfter maxLength=64 pattern="^([0-9]+(\\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$" type="string"
        spec.tcr.credential.shared type="boolean"
        spec.tcr.credential.type enum=["longterm","temp","serviceAccount","none"] type="string"
        spec.tcr.credential.validity maxLength=64 pattern="^([0-9]+(\\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$" type="string"
        spec.tcr.domains maxItems=32 type="array" x-kubernetes-list-type="set"
        spec.tcr.domains[] maxLength=259 minLength=1 type="string"
        spec.tcr.instanceId maxLength=63 minLength=5 pattern="^tcr-[a-z0-9]{1,32}(-[0-9]{1,4}(-[a-z0-9]{1,32})?)?$" type="string"
        spec.tcr.privateNetwork type="object"
            !has(self.vpcId) || !has(self.vpcIds) || size(self.vpcIds) == 0
            !has(self.vpcId) || !has(self.address)
        spec.tcr.privateNetwork.address maxLength=45 minLength=2 pattern="^(vpc-[a-z0-9]{1,32}|[0-9a-fA-F.:]+)$" type="string"
        spec.tcr.privateNetwork.domains maxItems=32 type="array" x-kubernetes-list-type="set"
        spec.tcr.privateNetwork.domains[] maxLength=259 minLength=1 type="string"
        spec.tcr.privateNetwork.resolve type="boolean"
        spec.tcr.privateNetwork.vpcId maxLength=36 minLength=5 pattern="^vpc-[a-z0-9]{1,32}$" type="string"
        spec.tcr.privateNetwork.vpcIds maxItems=16 type="array" x-kubernetes-list-type="set"
        spec.tcr.privateNetwork.vpcIds[] maxLength=36 minLength=5 pattern="^vpc-[a-z0-9]{1,32}$" type="string"
        spec.tcr.privateNetwork.whenLinkDown enum=["Keep","Remove"] type="string"
        spec.tcr.region maxLength=32 minLength=4 pattern="^[a-z]{2}(-[a-z]+)+$" type="string"
        spec.tcr.roleArn maxLength=256 pattern="^qcs::cam::uin/[0-9]{1,20}:roleName/[A-Za-z0-9_+=,.@-]{1,128}$" type="string"
    "#]].assert_eq(&lines);
}

/// The reader's table and the types name the same fields.
#[test]
fn every_field_of_the_schema_can_be_read() {
    fn sample(schema: &Value) -> Value {
        if let Some(values) = schema.get("enum") {
            return values[0].clone();
        }
        match schema["type"].as_str() {
            Some("object") if schema.get("properties").is_none() => serde_json::json!({ "key": "value" }),
            Some("object") => {
                let properties = schema["properties"].as_object().unwrap();
                properties.iter().map(|(name, schema)| (name.clone(), sample(schema))).collect()
            }
            Some("array") => Value::Array(vec![sample(&schema["items"])]),
            Some("boolean") => true.into(),
            _ => "text".into(),
        }
    }
    let spec = sample(&spec_schema());
    let object = serde_json::json!({ "metadata": { "name": "demo" }, "spec": spec });
    let (_, read) = crate::rules::read(&object).unwrap();
    assert_eq!(serde_json::to_value(read).unwrap(), spec);
}

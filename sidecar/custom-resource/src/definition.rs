//! The CustomResourceDefinition, made from the types.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition, CustomResourceDefinitionNames,
    CustomResourceDefinitionSpec, CustomResourceDefinitionVersion, CustomResourceSubresourceStatus,
    CustomResourceSubresources, CustomResourceValidation, JSONSchemaProps,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube_core::schema::{OptionalEnum, StructuralSchemaRewriter};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use schemars::transform::AddNullable;
use serde_json::{Value, json};
use tcr::image_pull_secret::ImagePullSecretSpec;
use tcr::names::{API_GROUP, API_VERSION, IMAGE_PULL_SECRET_KIND, IMAGE_PULL_SECRET_PLURAL, SECRET_PREFIX};

use super::{ImagePullSecretStatus, MOST_FAILURES};
use crate::manifest;
use crate::request::MOST_INSTANCES;

/// Kubernetes' limit for the name of a Secret.
const LONGEST_SECRET_NAME: usize = 253;

/// The definition as YAML, the same text for the same types.
pub fn yaml() -> anyhow::Result<String> {
    let yaml = manifest::yaml(&definition()?)?;
    Ok(format!("# Printed by `tcr-assistant crd` from the types. Do not edit.\n{yaml}"))
}

/// The definition as an object of the API.
///
/// # Errors
/// The types have a schema that Kubernetes' form of JSON Schema cannot hold.
pub fn definition() -> serde_json::Result<CustomResourceDefinition> {
    let text = str::to_owned;
    Ok(CustomResourceDefinition {
        metadata: ObjectMeta {
            name: Some(format!("{IMAGE_PULL_SECRET_PLURAL}.{API_GROUP}")),
            ..ObjectMeta::default()
        },
        spec: CustomResourceDefinitionSpec {
            group: text(API_GROUP),
            names: CustomResourceDefinitionNames {
                kind: text(IMAGE_PULL_SECRET_KIND),
                list_kind: Some(format!("{IMAGE_PULL_SECRET_KIND}List")),
                plural: text(IMAGE_PULL_SECRET_PLURAL),
                singular: Some(IMAGE_PULL_SECRET_KIND.to_lowercase()),
                short_names: Some(vec![text("ips"), text("ipss")]),
                ..CustomResourceDefinitionNames::default()
            },
            scope: text("Cluster"),
            versions: vec![CustomResourceDefinitionVersion {
                name: text(API_VERSION),
                served: true,
                storage: true,
                schema: Some(CustomResourceValidation { open_api_v3_schema: Some(schema()?) }),
                subresources: Some(CustomResourceSubresources {
                    status: Some(CustomResourceSubresourceStatus(json!({}))),
                    scale: None,
                }),
                additional_printer_columns: Some(columns()),
                ..CustomResourceDefinitionVersion::default()
            }],
            ..CustomResourceDefinitionSpec::default()
        },
        status: None,
    })
}

/// The original add-on's columns, then ours.
fn columns() -> Vec<CustomResourceColumnDefinition> {
    let column = |name: &str, type_: &str, path: &str| CustomResourceColumnDefinition {
        name: name.to_owned(),
        type_: type_.to_owned(),
        json_path: path.to_owned(),
        ..CustomResourceColumnDefinition::default()
    };
    vec![
        column("NAMESPACES", "string", ".spec.namespaces"),
        column("SERVICE-ACCOUNTS", "string", ".spec.serviceAccounts"),
        column("SECRETS-DESIRED", "integer", ".status.secretsDesired"),
        column("SECRETS-SUCCESS", "integer", ".status.secretsSuccess"),
        CustomResourceColumnDefinition {
            // With -o wide only.
            priority: Some(1),
            ..column("PRIVATE-LINK", "string", ".status.privateLink.summary")
        },
        column("NODES", "string", ".status.nodes.summary"),
        column("READY", "string", ".status.conditions[?(@.type==\"Ready\")].status"),
        column("AGE", "date", ".metadata.creationTimestamp"),
    ]
}

fn schema() -> serde_json::Result<JSONSchemaProps> {
    let longest = LONGEST_SECRET_NAME - SECRET_PREFIX.len();
    let mut status = schema_of::<ImagePullSecretStatus>();
    bound_status(&mut status);
    serde_json::from_value(json!({
        "description": "Which namespaces and ServiceAccounts of the cluster may pull from which registry.",
        "type": "object",
        "required": ["spec"],
        "properties": { "spec": schema_of::<ImagePullSecretSpec>(), "status": status },
        "x-kubernetes-validations": [{
            "rule": format!("size(self.metadata.name) <= {longest}"),
            "message": format!("the name must have at most {longest} characters: the Secret's name is {SECRET_PREFIX} and the name"),
        }],
    }))
}

/// A structural schema: no references, no definitions, no defaults (a default would be written
/// into stored objects and could never be changed; the types know them).
fn schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::openapi3().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings
        .with_transform(AddNullable::default())
        .with_transform(StructuralSchemaRewriter)
        .with_transform(OptionalEnum)
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value();
    strip(&mut schema);
    schema
}

/// Takes out what the types say and an API server must not act on.
fn strip(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.remove("title");
            fields.remove("default");
            fields.remove("nullable");
            for (name, field) in fields.iter_mut() {
                match (name.as_str(), field) {
                    // Names of properties, which may be called "default" as well.
                    ("properties", Value::Object(properties)) => properties.values_mut().for_each(strip),
                    (_, field) => strip(field),
                }
            }
        }
        Value::Array(entries) => entries.iter_mut().for_each(strip),
        _ => {}
    }
}

fn bound_status(status: &mut Value) {
    status["properties"]["failures"]["maxItems"] = MOST_FAILURES.into();
    status["properties"]["request"]["properties"]["instances"]["maxItems"] = MOST_INSTANCES.into();
    let conditions = &mut status["properties"]["conditions"];
    conditions["x-kubernetes-list-type"] = "map".into();
    conditions["x-kubernetes-list-map-keys"] = json!(["type"]);
}

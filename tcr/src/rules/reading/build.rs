//! The spec of fields that the tables have let through. By hand, because serde's reading of values
//! is a fifth of the policy's wasm.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::image_pull_secret::{
    ConflictPolicy, CredentialKind, CredentialSpec, Docker, ImagePullSecretSpec, OnDelete, PrivateNetwork,
    SecretKeyRef, Tcr, WhenLinkDown, default_domains,
};
use crate::label_selector::{LabelSelector, Requirement};
use crate::sensitive::Sensitive;

type Object = Map<String, Value>;

pub(super) fn spec(mut fields: Object) -> ImagePullSecretSpec {
    ImagePullSecretSpec {
        namespaces: text(&mut fields, "namespaces").unwrap_or_default(),
        service_accounts: text(&mut fields, "serviceAccounts").unwrap_or_default(),
        namespace_selector: object(&mut fields, "namespaceSelector").map(selector),
        conflict_policy: text(&mut fields, "conflictPolicy").map(|policy| match policy.as_str() {
            "adopt" => ConflictPolicy::Adopt,
            "overwrite" => ConflictPolicy::Overwrite,
            _ => ConflictPolicy::Never,
        }),
        docker: object(&mut fields, "docker").map(docker),
        tcr: object(&mut fields, "tcr").map(tcr),
    }
}

fn selector(mut fields: Object) -> LabelSelector {
    let labels = object(&mut fields, "matchLabels").unwrap_or_default();
    // One at a time: collecting would bring a sort of its own.
    let mut match_labels = BTreeMap::new();
    for (key, value) in labels {
        if let Some(value) = into_text(value) {
            match_labels.insert(key, value);
        }
    }
    let requirements = list(&mut fields, "matchExpressions").unwrap_or_default();
    LabelSelector {
        match_labels,
        match_expressions: requirements.into_iter().filter_map(into_object).map(requirement).collect(),
    }
}

fn requirement(mut fields: Object) -> Requirement {
    Requirement {
        key: text(&mut fields, "key").unwrap_or_default(),
        operator: text(&mut fields, "operator").unwrap_or_default().into(),
        values: texts(&mut fields, "values").unwrap_or_default(),
    }
}

fn docker(mut fields: Object) -> Docker {
    Docker {
        server: text(&mut fields, "server").unwrap_or_default(),
        username: text(&mut fields, "username").unwrap_or_default(),
        password: text(&mut fields, "password").map(Sensitive::new).unwrap_or_default(),
        password_secret_ref: object(&mut fields, "passwordSecretRef").map(|mut fields| SecretKeyRef {
            name: text(&mut fields, "name").unwrap_or_default(),
            key: text(&mut fields, "key").unwrap_or_default(),
        }),
    }
}

fn tcr(mut fields: Object) -> Tcr {
    Tcr {
        instance_id: text(&mut fields, "instanceId").unwrap_or_default(),
        region: text(&mut fields, "region").unwrap_or_default(),
        role_arn: text(&mut fields, "roleArn"),
        credential: credential(object(&mut fields, "credential").unwrap_or_default()),
        domains: texts(&mut fields, "domains").unwrap_or_else(default_domains),
        aliases: texts(&mut fields, "aliases").unwrap_or_default(),
        private_network: object(&mut fields, "privateNetwork").map(private_network).unwrap_or_default(),
    }
}

fn credential(mut fields: Object) -> CredentialSpec {
    CredentialSpec {
        kind: match text(&mut fields, "type").as_deref() {
            Some("temp") => CredentialKind::Temp,
            Some("serviceAccount") => CredentialKind::ServiceAccount,
            Some("none") => CredentialKind::None,
            _ => CredentialKind::Longterm,
        },
        registry_namespaces: texts(&mut fields, "registryNamespaces").unwrap_or_default(),
        validity: text(&mut fields, "validity"),
        shared: fields.get("shared").and_then(Value::as_bool),
        rotate_after: text(&mut fields, "rotateAfter"),
        description: text(&mut fields, "description"),
        on_delete: text(&mut fields, "onDelete").map(|wish| match wish.as_str() {
            "Revoke" => OnDelete::Revoke,
            _ => OnDelete::Retain,
        }),
    }
}

fn private_network(mut fields: Object) -> PrivateNetwork {
    PrivateNetwork {
        resolve: fields.get("resolve").and_then(Value::as_bool).unwrap_or_default(),
        vpc_id: text(&mut fields, "vpcId"),
        vpc_ids: texts(&mut fields, "vpcIds").unwrap_or_default(),
        address: text(&mut fields, "address"),
        domains: texts(&mut fields, "domains").unwrap_or_else(default_domains),
        when_link_down: match text(&mut fields, "whenLinkDown").as_deref() {
            Some("Remove") => WhenLinkDown::Remove,
            _ => WhenLinkDown::Keep,
        },
    }
}

fn text(fields: &mut Object, field: &str) -> Option<String> {
    fields.get_mut(field).and_then(|value| into_text(value.take()))
}

fn texts(fields: &mut Object, field: &str) -> Option<Vec<String>> {
    Some(list(fields, field)?.into_iter().filter_map(into_text).collect())
}

fn list(fields: &mut Object, field: &str) -> Option<Vec<Value>> {
    match fields.get_mut(field).map(Value::take) {
        Some(Value::Array(items)) => Some(items),
        _ => None,
    }
}

fn object(fields: &mut Object, field: &str) -> Option<Object> {
    fields.get_mut(field).and_then(|value| into_object(value.take()))
}

fn into_text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

fn into_object(value: Value) -> Option<Object> {
    match value {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

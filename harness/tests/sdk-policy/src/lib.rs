//! Requires a label on every object, or adds it where the settings say its value; and images that patterns match.
//!
//! The policy is written the way Kubewarden's own documentation shows: the SDK with its default
//! features, typed requests, a slog drain for logs. It prints to standard output too, which a host
//! must keep out of its own.

use k8s_openapi::api::core::v1::Namespace;
use kubewarden_policy_sdk::host_capabilities::kubernetes::{GetResourceRequest, get_resource};
use kubewarden_policy_sdk::logging::KubewardenDrain;
use kubewarden_policy_sdk::request::ValidationRequest;
use kubewarden_policy_sdk::response::ValidationResponse;
use kubewarden_policy_sdk::settings::Validatable;
use kubewarden_policy_sdk::wapc_guest::{self as guest, CallResult};
use kubewarden_policy_sdk::{protocol_version_guest, validate_settings};
use regex::RegexSet;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use slog::{Logger, info, o, warn};

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// The label that every object must carry.
    label: String,
    /// The value it gets where it is missing; without one, such objects are refused.
    value: Option<String>,
    /// Take a missing value from the Namespace's label of the same name.
    inherit: bool,
    /// Regular expressions, one of which each container's image must match; without any, all images are good.
    images: Vec<String>,
}

impl Validatable for Settings {
    fn validate(&self) -> Result<(), String> {
        match self.label.is_empty() {
            true => Err("label: it must name a label".into()),
            false => RegexSet::new(&self.images).map(drop).map_err(|error| format!("images: {error}")),
        }
    }
}

/// Registers the three operations of Kubewarden's protocol.
#[unsafe(no_mangle)]
pub extern "C" fn wapc_init() {
    guest::register_function("validate", validate);
    guest::register_function("validate_settings", validate_settings::<Settings>);
    guest::register_function("protocol_version", protocol_version_guest);
}

fn validate(payload: &[u8]) -> CallResult {
    let log = Logger::root(KubewardenDrain::new(), o!("policy" => "require-label"));
    let request: ValidationRequest<Settings> = ValidationRequest::new(payload)?;
    let Settings { label, value, inherit, images } = request.settings;
    let name = &request.request.name;
    println!("looking at {name}");
    let mut object = request.request.object;
    if let Some(image) = bad_image(&object, &images)? {
        return answer(ValidationResponse {
            accepted: false,
            message: Some(format!("image \"{image}\" matches none of the patterns")),
            ..nothing()
        });
    }
    let labels = object.pointer("/metadata/labels").and_then(|labels| labels.as_object());
    if labels.is_some_and(|labels| labels.contains_key(&label)) {
        info!(log, "the label is there"; "name" => name);
        return answer(ValidationResponse { accepted: true, ..nothing() });
    }
    let value = match inherit {
        true => inherited(&request.request.namespace, &label)?.or(value),
        false => value,
    };
    let Some(value) = value else {
        warn!(log, "the label is missing"; "name" => name);
        return answer(ValidationResponse {
            accepted: false,
            message: Some(format!("label \"{label}\" is missing")),
            code: Some(422),
            ..nothing()
        });
    };
    object["metadata"]["labels"][&label] = value.clone().into();
    answer(ValidationResponse {
        accepted: true,
        mutated_object: Some(object),
        audit_annotations: Some([("added".to_owned(), format!("{label}={value}"))].into()),
        warnings: Some(vec![format!("label {label}={value} was added")]),
        ..nothing()
    })
}

/// The first image of the containers that no pattern matches.
fn bad_image(object: &Value, patterns: &[String]) -> Result<Option<String>, regex::Error> {
    if patterns.is_empty() {
        return Ok(None);
    }
    let patterns = RegexSet::new(patterns)?;
    let containers = object.pointer("/spec/containers").and_then(Value::as_array).into_iter().flatten();
    let mut images = containers.filter_map(|container| container["image"].as_str());
    Ok(images.find(|image| !patterns.is_match(image)).map(str::to_owned))
}

/// What the object's Namespace says, asked through the host.
fn inherited(
    namespace: &str,
    label: &str,
) -> Result<Option<String>, Box<dyn std::error::Error + Send + Sync>> {
    let namespace: Namespace = get_resource(&GetResourceRequest {
        api_version: "v1".into(),
        kind: "Namespace".into(),
        name: namespace.into(),
        namespace: None,
        disable_cache: false,
        field_masks: None,
    })?;
    Ok(namespace.metadata.labels.and_then(|labels| labels.get(label).cloned()))
}

fn nothing() -> ValidationResponse {
    ValidationResponse {
        accepted: false,
        message: None,
        code: None,
        mutated_object: None,
        audit_annotations: None,
        warnings: None,
    }
}

fn answer(response: ValidationResponse) -> CallResult {
    Ok(serde_json::to_vec(&response)?)
}

//! What holds for every host call of a guest, whatever it sends: no request leaves the path of the
//! granted kind, and nothing comes back that was not granted. The fuzzer looks for a call for which
//! it does not; the tests of host-capabilities put the committed corpus to it, and texts of a
//! megabyte.
//!
//! An input is a line with the operation, and lines with `api_version`, `kind`, `name`, `namespace`,
//! `label_selector`, `field_selector` and masks with commas between them. A line may have the escapes
//! of a JSON string; an empty one leaves its member out, and `""` is the empty text. After the
//! operation `raw OPERATION`, the rest is the payload itself.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use host_capabilities::kubernetes::Cluster;
use host_capabilities::{ContextAwareResource, FieldMasks, Grants, GuestCall, GuestLog, answer};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::recording_api_server as api_server;

/// What no guest may get: it is in every object, and in no field that is granted of an ImagePullSecret.
const HIDDEN: &str = "a-password-of-others";
const TCR: &str = "tcr.tencentcloudcr.com/v1";
const REVIEWS: &str = "POST /apis/authorization.k8s.io/v1/subjectaccessreviews";

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
});

/// Panics where a rule does not hold.
pub(crate) fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (operation, rest) = text.split_once('\n').unwrap_or((&text, ""));
    if let Some(operation) = operation.strip_prefix("raw ") {
        return check_call(operation, rest.as_bytes());
    }
    let names = ["api_version", "kind", "name", "namespace", "label_selector", "field_selector"];
    let mut lines = rest.split('\n');
    let mut payload = json!({});
    for (name, line) in names.iter().zip(&mut lines).filter(|(_, line)| !line.is_empty()) {
        payload[name] = unescaped(line).into();
    }
    if let Some(masks) = lines.next().filter(|masks| !masks.is_empty()) {
        payload["field_masks"] = unescaped(masks).split(',').collect();
    }
    if operation == "can_i" {
        let attributes = json!({"name": payload["name"], "namespace": payload["namespace"]});
        payload =
            json!({"subject_access_review": {"user": payload["kind"], "resource_attributes": attributes}});
    }
    check_call(operation, payload.to_string().as_bytes());
}

fn unescaped(line: &str) -> String {
    match line {
        "\"\"" => String::new(),
        _ => serde_json::from_str(&format!("\"{line}\"")).unwrap_or_else(|_| line.to_owned()),
    }
}

/// Panics where a rule does not hold for a call of this operation of the namespace `kubernetes`.
pub(crate) fn check_call(operation: &str, payload: &[u8]) {
    let question: Value = serde_json::from_slice(payload).unwrap_or_default();
    let (cluster, asked) = {
        let _inside = RUNTIME.enter();
        let (client, asked) = api_server::client(honest);
        (Cluster::new(client), asked)
    };
    let call = GuestCall { binding: "kubewarden", namespace: "kubernetes", operation, payload };
    let deadline = Instant::now() + Duration::from_secs(20);
    let answer = answer(&cluster, &grants(), &mut GuestLog::new("fuzz".into()), deadline, &call);
    drop(cluster);
    for request in asked.requests() {
        assert_is_of_the_question(&request, operation, &question);
    }
    match answer {
        Err(error) => assert!(error.len() < 2000, "a guest is told {} bytes", error.len()),
        Ok(bytes) => assert_was_granted(&bytes, operation, &question),
    }
}

fn kind(api_version: &str, kind: &str) -> ContextAwareResource {
    ContextAwareResource { api_version: api_version.to_owned(), kind: kind.to_owned() }
}

fn grants() -> Grants {
    let fields = ["metadata.name", "spec.docker.server"].map(str::to_owned);
    Grants {
        operations: vec!["kubernetes/*".parse().expect("there are such operations")],
        kinds: [
            (kind("v1", "Namespace"), FieldMasks::everything()),
            (kind("v1", "ServiceAccount"), FieldMasks::everything()),
            (kind(TCR, "ImagePullSecret"), FieldMasks::parse(&fields).expect("paths of fields")),
        ]
        .into(),
    }
}

/// A request is for the granted kind, the name and the namespace that were asked for, and nothing else.
fn assert_is_of_the_question(request: &str, operation: &str, question: &Value) {
    if request == REVIEWS {
        return assert_eq!(operation, "can_i", "{request}");
    }
    let is = |member: &str, text: &str| question[member].as_str() == Some(text);
    let path = request.strip_prefix("GET ").unwrap_or_else(|| panic!("{request} writes"));
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:%/".contains(c);
    assert!(path.chars().all(plain), "{request} has characters that are not a path's");
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let (group, rest) = match &segments[..] {
        ["api", "v1", rest @ ..] => ("v1", rest),
        ["apis", "tcr.tencentcloudcr.com", "v1", rest @ ..] => (TCR, rest),
        _ => panic!("{request} is of a group that was not granted"),
    };
    assert!(is("api_version", group), "{request} is of another group than was asked for");
    let assert_kind = |kind: &str| assert!(is("kind", kind), "{request} is of another kind");
    let assert_name = |member: &str, segment: &str| {
        let name = decoded(segment);
        assert!(is(member, &name), "{request} names {name:?}");
        assert!(![".", "..", ""].contains(&name.as_str()) && !name.contains(['/', '%', '\0']), "{request}");
    };
    match (group, rest) {
        // What there is of a group.
        (_, []) => {}
        ("v1", ["namespaces"]) => assert_kind("Namespace"),
        ("v1", ["namespaces", name]) => {
            assert_kind("Namespace");
            assert_name("name", name);
        }
        ("v1", ["serviceaccounts"]) => assert_kind("ServiceAccount"),
        ("v1", ["namespaces", namespace, "serviceaccounts", name @ ..]) => {
            assert_kind("ServiceAccount");
            assert_name("namespace", namespace);
            match name {
                [] => assert_ne!(operation, "get_resource", "{request}"),
                [name] => assert_name("name", name),
                _ => panic!("{request} goes on"),
            }
        }
        (TCR, ["imagepullsecrets"]) => assert_kind("ImagePullSecret"),
        (TCR, ["imagepullsecrets", name]) => {
            assert_kind("ImagePullSecret");
            assert_name("name", name);
        }
        _ => panic!("{request} leaves the path of the kind"),
    }
    let mut seen = Vec::new();
    for parameter in query.split('&').filter(|it| !it.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        assert!(!seen.contains(&name), "{request} says {name} twice");
        seen.push(name);
        match name {
            "labelSelector" => assert!(is("label_selector", &decoded(&value.replace('+', " "))), "{request}"),
            "fieldSelector" => assert!(is("field_selector", &decoded(&value.replace('+', " "))), "{request}"),
            "limit" | "watch" | "allowWatchBookmarks" | "timeoutSeconds" | "resourceVersion" => {}
            _ => panic!("{request} has the parameter {name:?}"),
        }
    }
}

/// What comes back is of the question, and of the fields that were granted.
fn assert_was_granted(bytes: &[u8], operation: &str, question: &Value) {
    let text = String::from_utf8_lossy(bytes);
    let answer: Value = serde_json::from_slice(bytes).expect("an answer is JSON");
    if operation == "can_i" {
        return assert_eq!(answer, json!({"allowed": false}));
    }
    if question["kind"] == "ImagePullSecret" {
        assert!(!text.contains(HIDDEN), "a field that was not granted is in {text}");
    }
    if operation == "get_resource" && question["field_masks"].is_null() {
        assert_eq!(answer["metadata"]["name"], question["name"], "another object");
    }
    // A name or a namespace of the question may be any text.
    let items = answer["items"].as_array().map_or(std::slice::from_ref(&answer), Vec::as_slice);
    assert!(items.iter().all(|item| item["metadata"]["managedFields"].is_null()), "{text}");
}

/// An API server that takes a path as Go's does: it finds what the path says, decoded.
fn honest(request: &str) -> (u16, Vec<u8>) {
    if request == REVIEWS {
        let review = json!({"kind": "SubjectAccessReview", "status": {"allowed": false}});
        return (201, review.to_string().into_bytes());
    }
    let path = request.trim_start_matches("GET ");
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let segments: Vec<String> = path.split('/').skip(1).map(decoded).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (group, rest) = match &segments[..] {
        ["api", "v1", rest @ ..] => ("v1", rest),
        ["apis", "tcr.tencentcloudcr.com", "v1", rest @ ..] => (TCR, rest),
        _ => return (404, Vec::new()),
    };
    let resource = |name: &str, kind: &str, namespaced: bool| json!({"name": name, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": ["get", "list"]});
    let object = |kind: &str, namespace: Option<&str>, name: &str| {
        let mut object = json!({
            "apiVersion": group, "kind": kind,
            "metadata": {"name": name, "resourceVersion": "7", "managedFields": [{"manager": "kubectl"}]},
            "spec": {"docker": {"server": "demo.tencentcloudcr.com", "password": HIDDEN}},
            "data": {"key": HIDDEN},
        });
        if let Some(namespace) = namespace {
            object["metadata"]["namespace"] = namespace.into();
        }
        object
    };
    let list = |kind: &str, namespace: Option<&str>| {
        let items = [object(kind, namespace, "a"), object(kind, namespace, "b")];
        json!({"apiVersion": group, "kind": format!("{kind}List"), "metadata": {"resourceVersion": "7"}, "items": items})
    };
    let answer = match rest {
        [] => json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group, "resources": [
            resource("namespaces", "Namespace", false),
            resource("namespaces/status", "Namespace", false),
            resource("serviceaccounts", "ServiceAccount", true),
            resource("serviceaccounts/token", "TokenRequest", true),
            resource("secrets", "Secret", true),
            resource("imagepullsecrets", "ImagePullSecret", false),
        ]}),
        _ if query.contains("watch=true") => return (200, Vec::new()),
        ["namespaces"] => list("Namespace", None),
        ["namespaces", name] => object("Namespace", None, name),
        ["serviceaccounts"] => list("ServiceAccount", Some("shop")),
        ["imagepullsecrets"] => list("ImagePullSecret", None),
        ["imagepullsecrets", name] => object("ImagePullSecret", None, name),
        ["namespaces", namespace, "serviceaccounts"] => list("ServiceAccount", Some(namespace)),
        ["namespaces", namespace, "serviceaccounts", name] => object("ServiceAccount", Some(namespace), name),
        ["namespaces", namespace, .., name] => object("Secret", Some(namespace), name),
        _ => object("Secret", Some("kube-system"), "cloud-key"),
    };
    (200, answer.to_string().into_bytes())
}

/// Percent-encoding, undone.
fn decoded(segment: &str) -> String {
    let bytes = segment.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    while let Some(byte) = bytes.get(at) {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match (byte, hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(value)) => {
                out.push(value);
                at += 3;
            }
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

use std::cell::RefCell;

use expect_test::expect;
use kubewarden_policy_sdk::host_capabilities::kubernetes::{GetResourceRequest, ListAllResourcesRequest};
use serde_json::{Value, json};

use super::*;

/// A cluster that answers from a list of objects, and remembers what it was asked.
pub(crate) struct Objects {
    objects: Vec<Value>,
    asked: RefCell<Vec<String>>,
}

impl Objects {
    pub(crate) fn new(objects: impl IntoIterator<Item = Value>) -> Self {
        Self { objects: objects.into_iter().collect(), asked: RefCell::default() }
    }

    /// What it was asked, in order: the operation and the kind.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.borrow().clone()
    }

    fn of_kind<'s>(&'s self, kind: &'s Value) -> impl Iterator<Item = &'s Value> {
        self.objects.iter().filter(move |object| object["kind"] == *kind)
    }
}

impl Cluster for Objects {
    fn ask(&self, operation: &str, request: &[u8]) -> Result<Vec<u8>, String> {
        let request: Value = serde_json::from_slice(request).map_err(|error| error.to_string())?;
        let kind = &request["kind"];
        self.asked.borrow_mut().push(format!("{operation} {}", kind.as_str().unwrap_or_default()));
        let answer = match operation {
            "list_resources_all" => Some(json!({"items": self.of_kind(kind).collect::<Vec<_>>()})),
            "get_resource" => self
                .of_kind(kind)
                .find(|object| {
                    object["metadata"]["name"] == request["name"]
                        && object["metadata"].get("namespace").unwrap_or(&Value::Null)
                            == &request["namespace"]
                })
                .cloned(),
            _ => return Err(format!("unknown operation: {operation}")),
        };
        let answer = answer.ok_or_else(|| format!("Cannot find {kind} named {}", request["name"]))?;
        Ok(answer.to_string().into_bytes())
    }
}

/// A cluster that cannot be asked.
pub(crate) struct Unreachable;

impl Cluster for Unreachable {
    fn ask(&self, _operation: &str, _request: &[u8]) -> Result<Vec<u8>, String> {
        Err("connection refused".to_owned())
    }
}

/// A cluster that shows the request it gets.
struct Shows(RefCell<String>);

impl Cluster for Shows {
    fn ask(&self, operation: &str, request: &[u8]) -> Result<Vec<u8>, String> {
        *self.0.borrow_mut() = format!("{operation} {}", String::from_utf8_lossy(request));
        Err("closed".to_owned())
    }
}

#[test]
fn asks_for_what_it_needs_and_no_password() {
    let cluster = Shows(RefCell::default());
    assert_eq!(image_pull_secrets(&cluster), Err("closed".to_owned()));
    expect![[r#"list_resources_all {"api_version":"tcr.tencentcloudcr.com/v1","kind":"ImagePullSecret","label_selector":null,"field_selector":null,"field_masks":["metadata.deletionTimestamp","metadata.name","spec.docker.server","spec.namespaceSelector","spec.namespaces","spec.serviceAccounts","spec.tcr.aliases","spec.tcr.credential.registryNamespaces","spec.tcr.credential.type","spec.tcr.domains","spec.tcr.instanceId","status.hosts"]}"#]]
    .assert_eq(&cluster.0.borrow());
    assert_eq!(namespace_labels(&cluster, "team-a"), Err("closed".to_owned()));
    expect![[r#"get_resource {"api_version":"v1","kind":"Namespace","name":"team-a","namespace":null,"disable_cache":false,"field_masks":["metadata.labels"]}"#]]
    .assert_eq(&cluster.0.borrow());
    assert_eq!(service_account(&cluster, "team-a", "builder"), Err("closed".to_owned()));
    expect![[r#"get_resource {"api_version":"v1","kind":"ServiceAccount","name":"builder","namespace":"team-a","disable_cache":false,"field_masks":["imagePullSecrets","metadata.annotations"]}"#]]
    .assert_eq(&cluster.0.borrow());
}

#[test]
fn its_requests_are_the_sdks_byte_for_byte() {
    let cluster = Shows(RefCell::default());
    let masks = |masks: &[&str]| Some(masks.iter().map(|mask| (*mask).to_owned()).collect());
    let said = |operation: &str, request: Result<String, serde_json::Error>| {
        format!("{operation} {}", request.expect("the SDK's request has a form in JSON"))
    };
    let _ = service_account(&cluster, "team-a", "build\"er");
    let request = GetResourceRequest {
        api_version: "v1".to_owned(),
        kind: "ServiceAccount".to_owned(),
        name: "build\"er".to_owned(),
        namespace: Some("team-a".to_owned()),
        disable_cache: false,
        field_masks: masks(&["imagePullSecrets", "metadata.annotations"]),
    };
    assert_eq!(*cluster.0.borrow(), said("get_resource", serde_json::to_string(&request)));
    let _ = namespace_labels(&cluster, "team-a");
    let request = GetResourceRequest {
        kind: "Namespace".to_owned(),
        name: "team-a".to_owned(),
        namespace: None,
        field_masks: masks(&["metadata.labels"]),
        ..request
    };
    assert_eq!(*cluster.0.borrow(), said("get_resource", serde_json::to_string(&request)));
    let _ = image_pull_secrets(&cluster);
    let request = ListAllResourcesRequest {
        api_version: "tcr.tencentcloudcr.com/v1".to_owned(),
        kind: "ImagePullSecret".to_owned(),
        label_selector: None,
        field_selector: None,
        field_masks: masks(IMAGE_PULL_SECRET_FIELDS),
    };
    assert_eq!(*cluster.0.borrow(), said("list_resources_all", serde_json::to_string(&request)));
}

#[test]
fn a_name_that_leads_elsewhere_is_not_asked_for() {
    let cluster = Shows(RefCell::default());
    let long = "x".repeat(254);
    for bad in
        ["kube-system/secrets/cloud-key", "kube-system/secrets?x=", "..", ".", "a%2fb", "a\0", "", &long]
    {
        assert!(namespace_labels(&cluster, bad).unwrap_err().starts_with("the Namespace's name "), "{bad}");
        let error = service_account(&cluster, bad, "builder").unwrap_err();
        assert!(error.starts_with("the ServiceAccount's namespace ") && error.len() < 200, "{error}");
        assert!(service_account(&cluster, "team-a", bad).is_err(), "{bad}");
    }
    assert_eq!(*cluster.0.borrow(), "", "the cluster was asked");
    expect![[r#"the Namespace's name "kube-system/secrets?x=" has a "/" or "%" in it"#]]
        .assert_eq(&namespace_labels(&cluster, "kube-system/secrets?x=").unwrap_err());
}

#[test]
fn reads_labels_and_service_accounts() {
    let cluster = Objects::new([
        json!({"kind": "Namespace", "metadata": {"name": "a", "labels": {"team": "x", "tier": "1"}}}),
        json!({"kind": "Namespace", "metadata": {"name": "b"}}),
        json!({"kind": "ServiceAccount", "imagePullSecrets": [{"name": "one"}, {}], "metadata": {"name": "s",
            "namespace": "a", "annotations": {"kubernetes.io/enforce-mountable-secrets": "true"}}}),
    ]);
    let labels = namespace_labels(&cluster, "a");
    assert_eq!(labels, Ok([("team", "x"), ("tier", "1")].map(|(k, v)| (k.to_owned(), v.to_owned())).into()));
    assert_eq!(namespace_labels(&cluster, "b"), Ok(BTreeMap::new()));
    assert_eq!(namespace_labels(&cluster, "c"), Err(r#"Cannot find "Namespace" named "c""#.to_owned()));
    let account = ServiceAccountView { enforces: true, pull_secrets: vec!["one".to_owned()] };
    assert_eq!(service_account(&cluster, "a", "s"), Ok(account));
}

#[test]
fn an_answer_that_is_no_json_is_an_error() {
    struct Garbage;
    impl Cluster for Garbage {
        fn ask(&self, _operation: &str, _request: &[u8]) -> Result<Vec<u8>, String> {
            Ok(b"{\"metadata\":{\"labels\":".to_vec())
        }
    }
    let labels = namespace_labels(&Garbage, "a");
    assert_eq!(labels, Err("the host's answer is malformed JSON at byte 22: expected a value".to_owned()));
}

#[test]
fn the_chart_grants_every_field_that_is_asked_for() {
    let template = include_str!("../../../artifacts/chart/templates/policies.yaml");
    let lines: Vec<&str> = template.lines().map(str::trim).collect();
    for field in IMAGE_PULL_SECRET_FIELDS {
        assert!(
            lines.contains(&format!("- {field}").as_str()),
            "artifacts/chart/templates/policies.yaml lacks {field}"
        );
    }
}

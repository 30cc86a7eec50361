//! What the cluster's answers are held to: an API server, or a program in its place, that
//! answers something else than it was asked.

use std::time::{Duration, Instant};

use expect_test::{Expect, expect};
use host_capabilities::kubernetes::Cluster;
use host_capabilities::{ContextAwareResource, FieldMasks, Grants, GuestCall, GuestLog, answer};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::recording_api_server::{self, Asked};

/// A cluster whose API server answers all but the question what there is.
struct World {
    cluster: Cluster,
    asked: Asked,
    _runtime: Runtime,
}

impl World {
    fn new(answer: impl Fn(&str) -> (u16, Value) + Send + Sync + 'static) -> Self {
        Self::of_bytes(move |request| {
            let (code, body) = answer(request);
            (code, body.to_string().into_bytes())
        })
    }

    fn of_bytes(answer: impl Fn(&str) -> (u16, Vec<u8>) + Send + Sync + 'static) -> Self {
        let runtime = Runtime::new().unwrap();
        let (cluster, asked) = {
            let _inside = runtime.enter();
            let (client, asked) = recording_api_server::client(move |request| match request {
                "GET /api/v1" => (200, resources("v1").to_string().into_bytes()),
                "GET /apis/tcr.tencentcloudcr.com/v1" => {
                    (200, resources("tcr.tencentcloudcr.com/v1").to_string().into_bytes())
                }
                request => answer(request),
            });
            (Cluster::new(client), asked)
        };
        Self { cluster, asked, _runtime: runtime }
    }

    fn ask(&self, operation: &str, question: Value) -> Result<String, String> {
        let kind = |api_version: &str, kind: &str, fields: &[&str]| {
            let fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
            let masks = if fields.is_empty() {
                FieldMasks::everything()
            } else {
                FieldMasks::parse(&fields).unwrap()
            };
            (ContextAwareResource { api_version: api_version.to_owned(), kind: kind.to_owned() }, masks)
        };
        let grants = Grants {
            operations: vec!["*".parse().unwrap()],
            kinds: [
                kind("v1", "Pod", &[]),
                kind("v1", "Namespace", &[]),
                kind(
                    "tcr.tencentcloudcr.com/v1",
                    "ImagePullSecret",
                    &["metadata.name", "spec.docker.server"],
                ),
            ]
            .into(),
        };
        let payload = question.to_string();
        let call = GuestCall {
            binding: "kubewarden",
            namespace: "kubernetes",
            operation,
            payload: payload.as_bytes(),
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        let answer = answer(&self.cluster, &grants, &mut GuestLog::new("test".into()), deadline, &call);
        answer.map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[track_caller]
    fn check(&self, operation: &str, question: Value, expected: Expect) {
        let told = self
            .ask(operation, question)
            .unwrap_or_else(|error| error.trim_start_matches("Callback evaluation failure: ").to_owned());
        expected.assert_eq(&told);
    }
}

fn resources(version: &str) -> Value {
    let resource = |name: &str, kind: &str, namespaced: bool| json!({"name": name, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": ["get"]});
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": [
        resource("pods", "Pod", true),
        resource("namespaces", "Namespace", false),
        resource("imagepullsecrets", "ImagePullSecret", false),
    ]})
}

fn pod(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop"}})
}

fn get_pod() -> Value {
    json!({"api_version": "v1", "kind": "Pod", "name": "web", "namespace": "shop"})
}

fn list_pods() -> Value {
    json!({"api_version": "v1", "kind": "Pod", "namespace": "shop"})
}

fn ips(name: &str) -> Value {
    json!({
        "apiVersion": "tcr.tencentcloudcr.com/v1", "kind": "ImagePullSecret",
        "metadata": {"name": name, "resourceVersion": "3"},
        "spec": {"docker": {"server": "demo.example.com", "username": "u", "password": "secret"}},
    })
}

#[test]
fn an_object_is_what_was_asked_for_or_an_error() {
    let get = |object: Value, expected: Expect| {
        World::new(move |_| (200, object.clone())).check("get_resource", get_pod(), expected);
    };
    get(
        pod("web"),
        expect![[r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web","namespace":"shop"}}"#]],
    );
    get(
        pod("cloud-key"),
        expect![
            "cannot get Pod web: the API server's answer is another object: 'cloud-key' in the namespace 'shop'"
        ],
    );
    let with = |pointer: &str, value: Value| {
        let mut object = pod("web");
        *object.pointer_mut(pointer).unwrap() = value;
        object
    };
    get(
        with("/metadata/namespace", json!("kube-system")),
        expect![
            "cannot get Pod web: the API server's answer is another object: 'web' in the namespace 'kube-system'"
        ],
    );
    get(
        with("/kind", json!("Secret")),
        expect!["cannot get Pod web: the API server's answer is of the kind v1/Secret, not v1/Pod"],
    );
    get(
        with("/apiVersion", json!("v2")),
        expect!["cannot get Pod web: the API server's answer is of the kind v2/Pod, not v1/Pod"],
    );
    get(
        json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [pod("web")]}),
        expect!["cannot get Pod web: the API server's answer is of the kind v1/PodList, not v1/Pod"],
    );
    get(json!("text"), expect!["cannot get Pod web: the API server's answer is of the kind /, not v1/Pod"]);
}

#[test]
fn a_list_is_of_the_kind_and_the_namespace_that_were_asked_for_or_an_error() {
    let list = |kind: &str, items: Value, expected: Expect| {
        let list =
            json!({"apiVersion": "v1", "kind": kind, "metadata": {"resourceVersion": "3"}, "items": items});
        World::new(move |_| (200, list.clone())).check("list_resources_by_namespace", list_pods(), expected);
    };
    // Items of built-in kinds do not say theirs.
    list(
        "PodList",
        json!([{"metadata": {"name": "b", "namespace": "shop"}}, pod("a")]),
        expect![[
            r#"{"apiVersion":"v1","kind":"PodList","metadata":{},"items":[{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"shop"}},{"metadata":{"name":"b","namespace":"shop"}}]}"#
        ]],
    );
    list(
        "PodList",
        Value::Null,
        expect![[r#"{"apiVersion":"v1","kind":"PodList","metadata":{},"items":[]}"#]],
    );
    list(
        "SecretList",
        json!([{"metadata": {"name": "b", "namespace": "shop"}}]),
        expect!["cannot list Pod: the API server's answer is v1/SecretList, not a list of v1/Pod"],
    );
    list(
        "PodList",
        json!([{"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "b", "namespace": "shop"}}]),
        expect!["cannot list Pod: the API server's answer is of the kind v1/Secret, not v1/Pod"],
    );
    list(
        "PodList",
        json!([{"metadata": {"name": "b", "namespace": "kube-system"}}]),
        expect![
            "cannot list Pod: the API server's answer is another object: 'b' in the namespace 'kube-system'"
        ],
    );
    list(
        "Pod",
        json!([]),
        expect!["cannot list Pod: the API server's answer is v1/Pod, not a list of v1/Pod"],
    );
}

#[test]
fn a_granted_mask_is_applied_to_what_comes_back() {
    let world = World::new(|request| {
        let list = json!({
            "apiVersion": "tcr.tencentcloudcr.com/v1", "kind": "ImagePullSecretList",
            "metadata": {"resourceVersion": "3"}, "items": [ips("demo")],
        });
        if request.contains("/imagepullsecrets/") { (200, ips("demo")) } else { (200, list) }
    });
    let question = |masks: Value| json!({"api_version": "tcr.tencentcloudcr.com/v1", "kind": "ImagePullSecret", "name": "demo", "field_masks": masks});
    for masks in [Value::Null, json!(["spec"]), json!(["spec.docker", "data"])] {
        for operation in ["get_resource", "list_resources_all"] {
            let told = world.ask(operation, question(masks.clone())).unwrap();
            assert!(
                told.contains("demo.example.com") && !told.contains("secret\""),
                "{operation} {masks}: {told}"
            );
            assert!(!told.contains("username"), "{operation} {masks}: {told}");
        }
    }
    world.check("get_resource", question(json!(["spec.docker.password"])), expect!["{}"]);
}

#[test]
fn a_watch_keeps_a_list_up_to_date_and_within_its_kind() {
    let world = World::of_bytes(|request| {
        let object = |kind: &str, name: &str, more: &str| {
            format!(
                r#"{{"apiVersion":"v1","kind":"{kind}","metadata":{{"name":"{name}","namespace":"shop","resourceVersion":"{more}"}}}}"#
            )
        };
        let event = |name: &str, object: String| format!("{{\"type\":\"{name}\",\"object\":{object}}}\n");
        let text = match request {
            it if it.contains("watch=true") && it.contains("resourceVersion=3") => [
                event("ADDED", object("Pod", "new", "4")),
                event("DELETED", object("Pod", "old", "5")),
                event("BOOKMARK", object("Pod", "", "6")),
            ]
            .concat(),
            it if it.contains("watch=true") && it.contains("resourceVersion=6") => {
                event("ADDED", object("Secret", "cloud-key", "7"))
            }
            _ => {
                let pod = object("Pod", "old", "2");
                format!(
                    r#"{{"apiVersion":"v1","kind":"PodList","metadata":{{"resourceVersion":"3"}},"items":[{pod}]}}"#
                )
            }
        };
        (200, text.into_bytes())
    });
    let names = || {
        let told = world.ask("list_resources_by_namespace", list_pods()).unwrap();
        let list: Value = serde_json::from_str(&told).unwrap();
        list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["metadata"]["name"].to_string())
            .collect::<String>()
    };
    wait_for("the change", || names() == "\"new\"");
    wait_for("a list anew after an event of another kind", || {
        world.asked.requests().iter().filter(|request| request.contains("limit=")).count() > 1
    });
    assert!(!names().contains("cloud-key"));
}

#[test]
fn selectors_are_parameters_and_nothing_else() {
    let world = World::new(|request| {
        assert!(request.starts_with("GET /api/v1/namespaces/shop/pods?"), "{request}");
        (200, json!({"apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": []}))
    });
    let mut question = list_pods();
    question["label_selector"] = "a=b&watch=true#?".into();
    question["field_selector"] = "metadata.name=x y".into();
    world.ask("list_resources_by_namespace", question).unwrap();
    expect!["GET /api/v1/namespaces/shop/pods?labelSelector=a%3Db%26watch%3Dtrue%23%3F&fieldSelector=metadata.name%3Dx+y&limit=200"]
        .assert_eq(&world.asked.requests()[1]);
}

#[test]
fn names_are_one_segment_of_the_path() {
    let world = World::new(|_| (404, json!({"kind": "Status", "message": "not found", "code": 404})));
    for (name, path) in [("system:node", "system:node"), ("a?b#c", "a%3Fb%23c"), ("名", "%E5%90%8D")] {
        let question = json!({"api_version": "v1", "kind": "Namespace", "name": name});
        let told = world.ask("get_resource", question).unwrap_err();
        assert_eq!(told, format!("Callback evaluation failure: Cannot find v1/Namespace named '{name}'"));
        let request = format!("GET /api/v1/namespaces/{path}");
        assert_eq!(world.asked.requests().last(), Some(&request));
    }
}

#[test]
fn where_a_kind_is_decides_whether_a_namespace_is_named() {
    let world = World::new(|request| panic!("{request}"));
    world.check(
        "get_resource",
        json!({"api_version": "v1", "kind": "Namespace", "name": "a", "namespace": "b"}),
        expect!["namespace: objects of the kind v1/Namespace are in no namespace"],
    );
    world.check(
        "get_resource",
        json!({"api_version": "v1", "kind": "Pod", "name": "a"}),
        expect!["namespace is missing: objects of the kind v1/Pod are in one"],
    );
}

#[test]
fn an_answer_of_any_size_is_bounded() {
    let large = "x".repeat(1 << 20);
    let world = World::new(move |request| {
        let limit = request.split("limit=").nth(1).and_then(|rest| rest.split('&').next());
        let Some(limit) = limit else { return (200, json!([large.repeat(9)])) };
        let item = |number: usize| {
            let mut pod = pod(&format!("pod-{number}"));
            pod["data"] = large.as_str().into();
            pod
        };
        // 20 objects of a megabyte: a page has as many as were asked for.
        let from = request.split("continue=").nth(1).and_then(|it| it.parse().ok()).unwrap_or(0);
        let to = (from + limit.parse::<usize>().unwrap()).min(20);
        let items: Vec<Value> = (from..to).map(item).collect();
        let next = if to < 20 { to.to_string() } else { String::new() };
        (200, json!({"apiVersion": "v1", "kind": "PodList", "metadata": {"continue": next}, "items": items}))
    });
    world.check(
        "get_resource",
        get_pod(),
        expect!["cannot get Pod web: the API server's answer has more than 8192 KiB"],
    );
    let mut question = list_pods();
    question["field_masks"] = json!(["metadata.name"]);
    let list: Value =
        serde_json::from_str(&world.ask("list_resources_by_namespace", question).unwrap()).unwrap();
    assert_eq!(list["items"].as_array().unwrap().len(), 20, "smaller pages are asked for");
    // Whole objects would be 20 MiB, which is within what is kept; a guest that wants them has them.
    assert!(world.ask("list_resources_by_namespace", list_pods()).unwrap().len() > 20 << 20);
}

#[test]
fn a_refusal_of_the_api_server_is_told_shortly() {
    let world =
        World::new(|_| (403, json!({"kind": "Status", "message": "no\n".repeat(10_000), "code": 403})));
    let told = world.ask("get_resource", get_pod()).unwrap_err();
    assert!(told.contains("the API server answers 403: no\\nno") && told.len() < 700, "{told}");
    let told = world.ask("list_resources_by_namespace", list_pods()).unwrap_err();
    assert!(told.contains("cannot list Pod: the API server answers 403") && told.len() < 700, "{told}");
}

#[test]
fn who_asks_for_ever_new_lists_is_told_no_and_the_first_ones_go_on() {
    let world = World::new(|request| match request.contains("watch=true") {
        true => (200, json!({})),
        false => (200, json!({"apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": []})),
    });
    for number in 0..64 {
        let question = json!({"api_version": "v1", "kind": "Pod", "namespace": format!("n{number}")});
        world.ask("list_resources_by_namespace", question).unwrap();
    }
    world.check(
        "list_resources_by_namespace",
        list_pods(),
        expect!["more than 64 different lists are asked for"],
    );
    let question = json!({"api_version": "v1", "kind": "Pod", "namespace": "n0"});
    world.ask("list_resources_by_namespace", question).unwrap();
}

#[test]
fn all_lists_together_are_bounded_and_those_that_are_there_stay() {
    const MIB: usize = 1 << 20;
    let large = "x".repeat(MIB);
    let mut world = World::new(move |request| match request.contains("watch=true") {
        true => (200, json!({})),
        false => {
            let namespace = request.split('/').nth(4).unwrap();
            let mut pod = json!({"metadata": {"name": "web", "namespace": namespace}});
            pod["data"] = large.as_str().into();
            let metadata = json!({"resourceVersion": "3"});
            (200, json!({"apiVersion": "v1", "kind": "PodList", "metadata": metadata, "items": [pod]}))
        }
    });
    world.cluster = world.cluster.with_room_for_lists(5 * MIB);
    let question = |namespace: &str| json!({"api_version": "v1", "kind": "Pod", "namespace": namespace});
    let list = |namespace| world.ask("list_resources_by_namespace", question(namespace));
    for namespace in ["n0", "n1", "n2"] {
        assert!(list(namespace).unwrap().len() > MIB, "{namespace}");
    }
    world.check(
        "list_resources_by_namespace",
        question("n3"),
        expect!["cannot list Pod: all lists together would have more than 5 MiB; grant or ask for fewer fields of them"],
    );
    assert!(list("n0").unwrap().len() > MIB);
    // Fewer fields are less.
    let mut question = question("n3");
    question["field_masks"] = json!(["metadata.name"]);
    assert!(world.ask("list_resources_by_namespace", question).unwrap().contains("web"));
}

fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "no {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

//! The built policy: its size, its imports, and what it returns for any object.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};

use harness::host_capabilities::{
    ContextAwareResource, FieldMasks, Grants, HostCall, HostCapabilities, Question,
};
use harness::metadata::Metadata;
use harness::{Host, HostOptions, Outcome, Policy, Settings};
use integration::policy_wasm;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let wasm = std::fs::read(policy_wasm()).expect("the policy can be read");
    let host = Host::new(HostOptions::default()).expect("the engine starts");
    Policy::load(&host, &wasm).expect("the policy loads")
});

#[test]
fn policy_imports_from_wapc_only() {
    let imports = POLICY.imports();
    assert!(!imports.is_empty());
    let foreign: Vec<&String> = imports.iter().filter(|import| !import.starts_with("wapc.")).collect();
    assert!(foreign.is_empty(), "a clock, a file or a browser has come in: {foreign:?}");
}

#[test]
fn policy_is_at_most_256_kib() {
    let size = std::fs::metadata(policy_wasm()).expect("the policy can be read").len();
    assert!(size <= 256 << 10, "policy.wasm has {size} bytes");
}

const SETTINGS: &str = r#"{"registries":[{"name":"demo","hosts":["demo.tencentcloudcr.com"]}]}"#;

/// A Pod's creation, as the API server asks.
fn pod_review(object: &str) -> String {
    format!(
        r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"u","kind":{{"group":"","version":"v1","kind":"Pod"}},"resource":{{"group":"","version":"v1","resource":"pods"}},"namespace":"shop","operation":"CREATE","userInfo":{{"username":"me"}},"object":{object}}}}}"#
    )
}

/// The answer to it, as the API server would get it.
fn review(object: &str) -> Value {
    let review = pod_review(object);
    let settings = Settings::parse(SETTINGS).expect("the settings are JSON");
    let answer = POLICY.review(review.as_bytes(), &settings).expect("it is a review");
    serde_json::from_slice(&answer).expect("the answer is JSON")
}

#[test]
fn a_request_of_two_mebibytes_is_answered() {
    let pad = "x".repeat(1 << 10);
    let rows: Vec<String> = (0..2 << 10).map(|row| format!(r#""{row}-\u0041\"":"{pad}""#)).collect();
    let image = "demo.tencentcloudcr.com/a";
    let object = format!(
        r#"{{"metadata":{{"annotations":{{{}}}}},"spec":{{"containers":[{{"image":"{image}"}}]}}}}"#,
        rows.join(",")
    );
    assert!(object.len() > 2 << 20);
    let answer = review(&object);
    assert_eq!(answer["response"]["allowed"], true, "{answer}");
    assert_eq!(answer["response"]["auditAnnotations"]["injected"], format!("tcr.ipsdemo ({image})"));
}

#[test]
fn a_hostile_request_is_answered_or_refused_within_its_time() {
    let deep = |open: &str, close: &str| open.repeat(1 << 19) + &close.repeat(1 << 19);
    let containers = r#""containers":[{"image":"demo.tencentcloudcr.com/a"}]"#;
    // As deep as a million brackets allow, beside and in the place of what is looked for: the host refuses to read that,
    // as policy-server does, and the policy stands it by itself.
    for object in [
        format!(r#"{{"x":{},"spec":{{{containers}}}}}"#, deep("[", "]")),
        format!(r#"{{"spec":{{{containers},"imagePullSecrets":{}}}}}"#, deep("[", "]")),
        format!(r#"{{"spec":{}1{}}}"#, r#"{"spec":"#.repeat(1 << 17), "}".repeat(1 << 17)),
    ] {
        let review = pod_review(&object);
        let refusal = POLICY.review(review.as_bytes(), &Settings::default()).expect_err("it is too deep");
        assert!(refusal.to_string().contains("no more than 127 containers"), "{refusal}");
        let outcome = POLICY.call("validate", review.into_bytes());
        let Outcome::Answer(answer) = &outcome else { panic!("{}: {outcome:?}", &object[..40]) };
        let answer: Value = serde_json::from_slice(answer).expect("the answer is JSON");
        assert_eq!(answer["accepted"], true, "{}", &object[..40]);
    }
    let number =
        format!(r#"{{"n":{}.5e{},"spec":{{{containers}}}}}"#, "9".repeat(1 << 20), "9".repeat(1 << 10));
    assert_eq!(review(&number)["response"]["allowed"], true);
    // What has no end is no JSON: the host says so before the policy is asked, and the policy says so by itself.
    for cut in
        [r#"{"request":{"object":{"spec":{"#, r#"{"request":{"kind":"#, r#"{"request":{"x":"\"#, "", "[", "{"]
    {
        let settings = Settings::default();
        assert!(POLICY.review(cut.as_bytes(), &settings).is_err(), "{cut}");
        let outcome = POLICY.call("validate", cut.as_bytes().to_vec());
        assert!(matches!(outcome, Outcome::GuestError(_)), "{cut}: {outcome:?}");
    }
}

#[test]
fn with_its_settings_inside_the_policy_answers_the_same() {
    let wasm = std::fs::read(policy_wasm()).expect("the policy can be read");
    let settings = Settings::parse(SETTINGS).expect("the settings are JSON");
    let prepared = POLICY.prepared(&wasm, &settings);
    let review = |image: &str| {
        format!(
            r#"{{"request":{{"uid":"u","kind":{{"group":"","version":"v1","kind":"Pod"}},"resource":{{"group":"","version":"v1","resource":"pods"}},"namespace":"shop","operation":"CREATE","userInfo":{{"username":"me"}},"object":{{"spec":{{"containers":[{{"image":"{image}"}}]}}}}}}}}"#
        )
    };
    let answer = |policy: &Policy, image: &str, settings: &Settings| {
        String::from_utf8(policy.review(review(image).as_bytes(), settings).expect("a review")).expect("JSON")
    };
    for image in ["demo.tencentcloudcr.com/a", "nginx", "demmo.tencentcloudcr.com/a"] {
        assert_eq!(answer(&POLICY, image, &settings), answer(&prepared, image, &settings));
    }
    // Nothing of a request is left for the next one, and other settings are those that count.
    let first = answer(&prepared, "demo.tencentcloudcr.com/a", &settings);
    assert!(first.contains("injected"));
    let other = answer(&prepared, "demo.tencentcloudcr.com/a", &Settings::default());
    assert!(!other.contains("injected"), "{other}");
    assert_eq!(answer(&prepared, "demo.tencentcloudcr.com/a", &settings), first);
    // Without settings the guest knows which are meant: they are inside.
    let request = r#"{"request":{"kind":{"group":"","kind":"Pod"},"operation":"CREATE","object":{"spec":{"containers":[{"image":"demo.tencentcloudcr.com/a"}]}}}}"#;
    let said = |policy: &Policy| match policy.call("validate", request.as_bytes().to_vec()) {
        Outcome::Answer(answer) => String::from_utf8(answer).expect("JSON"),
        other => panic!("{other:?}"),
    };
    assert!(said(&prepared).contains("tcr.ipsdemo") && !said(&POLICY).contains("tcr.ipsdemo"));
}

/// Remembers of which kinds what was asked for, and has none of them.
#[derive(Default)]
struct Asked(Mutex<BTreeMap<ContextAwareResource, FieldMasks>>);

impl HostCapabilities for Asked {
    fn call(&self, call: &HostCall<'_>) -> Result<Vec<u8>, String> {
        let (api_version, kind, masks, answer) = match &call.question {
            Question::Get(get) => {
                let object = json!({"metadata": {"name": get.name, "labels": {"team": "shop"}}});
                (&get.api_version, &get.kind, &get.field_masks, object)
            }
            Question::List(list) => {
                let selector = json!({"matchLabels": {"team": "shop"}});
                let spec = json!({
                    "docker": {"server": "demo.tencentcloudcr.com"}, "namespaces": "*", "serviceAccounts": "*",
                    "namespaceSelector": selector,
                });
                let items = json!([{"metadata": {"name": "demo"}, "spec": spec}]);
                (&list.api_version, &list.kind, &list.field_masks, json!({"items": items}))
            }
            _ => return Err("it is not asked".to_owned()),
        };
        let kind = ContextAwareResource { api_version: api_version.clone(), kind: kind.clone() };
        self.0.lock().expect("nobody panicked").insert(kind, masks.clone());
        Ok(answer.to_string().into_bytes())
    }
}

#[test]
fn the_charts_grants_are_what_the_policy_asks_for() {
    let manifests =
        std::fs::read_to_string(integration::root().join("artifacts/manifests/tcr-assistant.yaml"))
            .expect("the manifests can be read");
    let (_, policies) = manifests.split_once("  policies.yml: |\n").expect("the chart has a policies.yml");
    let lines = policies.lines().take_while(|line| line.is_empty() || line.starts_with("    "));
    let text: Vec<&str> = lines.map(|line| line.strip_prefix("    ").unwrap_or(line)).collect();
    let served = harness::policies_file::parse(&text.join("\n")).expect("the chart's policies.yml is one");
    let granted = &served["tcr-assistant"].sources()[0].grants;
    let password = FieldMasks::parse(&["spec.docker.password".to_owned()]).expect("a path");
    for (kind, masks) in &granted.kinds {
        assert_eq!(password.within(masks).paths(), Some(Vec::new()), "{kind:?} has passwords");
    }

    let wasm = std::fs::read(policy_wasm()).expect("the policy can be read");
    let metadata = Metadata::of_module(&wasm).expect("metadata").expect("the policy is annotated");
    let patterns = metadata.host_capabilities.iter().flatten().map(|it| it.parse().expect("a pattern"));
    let whole = Grants::of_whole_objects(patterns.collect(), metadata.context_aware_resources.clone());
    assert_eq!(granted.operations, whole.operations);
    assert!(granted.kinds.keys().eq(whole.kinds.keys()), "other kinds than the metadata's");
    let settings = Settings::parse(r#"{"discover":true}"#).expect("the settings are JSON");
    let asked = |grants: &Grants| {
        let asked = Arc::new(Asked::default());
        let policy = POLICY.with_capabilities(grants.clone(), asked.clone());
        let object = r#"{"spec":{"containers":[{"image":"demo.tencentcloudcr.com/a"}]}}"#;
        let answer = policy.review(pod_review(object).as_bytes(), &settings).expect("it is a review");
        assert!(String::from_utf8_lossy(&answer).contains("injected"));
        let asked = asked.0.lock().expect("nobody panicked");
        asked.iter().map(|(kind, masks)| (kind.kind.clone(), masks.paths())).collect::<Vec<_>>()
    };
    // What the policy asks for with nothing withheld is what it is granted, to the field.
    let of_grants: Vec<_> =
        granted.kinds.iter().map(|(kind, masks)| (kind.kind.clone(), masks.paths())).collect();
    assert_eq!(asked(&whole), of_grants);
    assert_eq!(asked(granted), of_grants);
}

/// Text of any JSON value, with odd numbers, escapes, blanks and repeated keys.
fn json_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("10.0".to_owned()),
        Just("-0".to_owned()),
        Just("1E400".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<String>().prop_map(|text| Value::from(text).to_string()),
        Just(r#""\ud83d\ude00\u0000\/""#.to_owned()),
        Just(r#""imagePullSecrets""#.to_owned()),
    ];
    leaf.prop_recursive(6, 48, 5, |inner| {
        let blank = "[ \n\t]{0,2}";
        let array = (proptest::collection::vec(inner.clone(), 0..5), blank).prop_map(|(items, blank)| {
            format!("[{blank}{}{blank}]", items.join(&format!("{blank},{blank}")))
        });
        prop_oneof![array, members(inner).prop_map(|members| format!("{{{members}}}"))]
    })
}

/// Members of an object, without its braces.
fn members(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let key = prop_oneof![
        any::<String>().prop_map(|text| Value::from(text).to_string()),
        Just(r#""image""#.to_owned()),
        Just(r#""a\u0062""#.to_owned()),
    ];
    let member = (key, value, "[ \n\t]{0,2}")
        .prop_map(|(key, value, blank)| format!("{blank}{key}{blank}:{blank}{value}"));
    proptest::collection::vec(member, 0..5).prop_map(|members| members.join(","))
}

/// A Pod with one private image among anything else, and the names in its list.
fn pod() -> impl Strategy<Value = (String, Vec<&'static str>)> {
    let list = prop_oneof![
        Just((None, vec![])),
        Just((Some("[ ]"), vec![])),
        Just((Some(r#"[{"name":"mine"}]"#), vec!["mine"])),
        Just((Some(r#"[ {"name" : "b"} , {"name":"\u0061"} ]"#), vec!["b", "a"])),
        Just((Some(r#"[{"name":"tcr.ipsd\u0065mo"}]"#), vec!["tcr.ipsdemo"])),
    ];
    let any_members = || members(json_text());
    (any_members(), any_members(), any_members(), any_members(), list).prop_map(
        |(a, b, c, d, (list, names))| {
            let containers =
                r#""containers":[{"name":"x","image":"demo.tencentcloudcr.com/team/app:v1"}]"#.to_owned();
            let list = list.map(|list| format!(r#""imagePullSecrets" : {list}"#)).unwrap_or_default();
            let join = |parts: &[&str]| {
                parts.iter().copied().filter(|part| !part.trim().is_empty()).collect::<Vec<_>>().join(",")
            };
            let spec = join(&[&a, &containers, &b, &list]);
            let spec = format!(r#""spec": {{{spec}}}"#);
            (format!("{{{}}}", join(&[&c, &spec, &d])), names)
        },
    )
}

fn mutated(object: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Response<'a> {
        #[serde(borrow)]
        mutated_object: Option<&'a RawValue>,
    }
    let settings = json!({"registries": [{"name": "demo", "hosts": ["demo.tencentcloudcr.com"]}]});
    let payload = format!(
        r#"{{"request":{{"uid":"u","kind":{{"group":"","version":"v1","kind":"Pod"}},"namespace":"shop","operation":"CREATE","object":{object}}},"settings":{settings}}}"#
    );
    match POLICY.call("validate", payload.into_bytes()) {
        Outcome::Answer(answer) => {
            let response: Response<'_> = serde_json::from_slice(&answer).expect("a response");
            response.mutated_object.map(|object| object.get().to_owned())
        }
        other => panic!("no answer for {object}: {other:?}"),
    }
}

fn names(pod: &str) -> Vec<String> {
    let pod: Value = serde_json::from_str(&pod.replace("1E400", "0")).expect("JSON");
    let list = pod["spec"]["imagePullSecrets"].as_array().cloned().unwrap_or_default();
    list.iter().map(|entry| entry["name"].as_str().unwrap_or_default().to_owned()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn what_the_guest_returns_is_what_it_got_and_one_inserted_span((input, listed) in pod()) {
        let Some(output) = mutated(&input) else {
            prop_assert!(listed.contains(&"tcr.ipsdemo"), "nothing was added to {}", input);
            return Ok(());
        };
        let head = input.bytes().zip(output.bytes()).take_while(|(a, b)| a == b).count();
        let (rest, added) = (&input.as_bytes()[head..], &output.as_bytes()[head..]);
        prop_assert!(added.ends_with(rest), "more than one span differs between\n{}\n{}", input, output);
        let mut expected: Vec<String> = listed.iter().map(|name| (*name).to_owned()).collect();
        expected.push("tcr.ipsdemo".to_owned());
        prop_assert_eq!(names(&output), expected);
    }
}

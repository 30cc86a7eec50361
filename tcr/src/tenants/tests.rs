use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::label_selector::LabelSelector;
use crate::rules;

fn tenant() -> Value {
    json!({
        "name": "team-a", "users": ["jane"], "groups": ["team-a"], "namespaces": ["team-a", "team-a-*"],
        "registryNamespaces": ["team-a", "base-*"], "instanceIds": ["tcr-1a2b3c4d"],
    })
}

/// What the tenant's own object says.
fn own() -> Value {
    json!({"namespaces": "team-a", "tcr": {
        "instanceId": "tcr-1a2b3c4d", "region": "ap-guangzhou",
        "credential": {"type": "serviceAccount", "registryNamespaces": ["team-a"]},
    }})
}

fn spec(spec: &Value) -> ImagePullSecretSpec {
    rules::read(&json!({"metadata": {"name": "demo"}, "spec": spec})).expect("a spec").1
}

/// What of `own` is said with this in the place of what is at the pointer.
#[track_caller]
fn with(tenant: &Value, pointer: &str, value: Value, expected: Expect) {
    let mut object = own();
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    let parent = object.pointer_mut(parent).expect("it is there").as_object_mut().expect("an object");
    match value {
        Value::Null => parent.remove(key),
        value => parent.insert(key.to_owned(), value),
    };
    check(tenant, &object, expected);
}

#[track_caller]
fn check(tenant: &Value, object: &Value, expected: Expect) {
    let writer = Writer { username: "jane", groups: &[] };
    let problem = problem(std::slice::from_ref(tenant), writer, &spec(object));
    expected.assert_eq(problem.as_deref().unwrap_or("within"));
}

#[test]
fn a_tenant_has_what_its_entry_says() {
    let tenant = tenant();
    check(&tenant, &own(), expect!["within"]);
    with(&tenant, "/namespaces", json!("team-a-dev, team-a,team-a-b*"), expect!["within"]);
    with(&tenant, "/namespaces", json!("team-a-*,!team-a-secret,! team-a"), expect!["within"]);
    with(&tenant, "/namespaceSelector", json!({"matchLabels": {"x": "y"}}), expect!["within"]);
    with(&tenant, "/serviceAccounts", json!("*"), expect!["within"]);
    with(&tenant, "/conflictPolicy", json!("never"), expect!["within"]);
    with(&tenant, "/tcr/credential/registryNamespaces", json!(["base-images", "team-a"]), expect!["within"]);
}

#[test]
fn what_could_select_more_namespaces_is_beyond_it() {
    let tenant = tenant();
    for list in [
        "*",
        "",
        "_",
        "team-*",
        "team-?",
        "?eam-a",
        "team-a,*",
        "team-a,_",
        "team-b",
        "team-a,team-b",
        "!team-b",
        "team",
        "team-a*",
    ] {
        with(
            &tenant,
            "/namespaces",
            json!(list),
            expect!["spec.namespaces goes beyond the namespaces of the tenant \"team-a\": team-a, team-a-*"],
        );
    }
    // A selector only narrows, so it does not make up for a list that is too wide.
    let mut object = own();
    object["namespaces"] = json!("*");
    object["namespaceSelector"] = json!({"matchLabels": {"tenant": "a"}});
    check(
        &tenant,
        &object,
        expect!["spec.namespaces goes beyond the namespaces of the tenant \"team-a\": team-a, team-a-*"],
    );
}

#[test]
fn a_label_selects_the_tenants_namespaces_where_it_is_the_tenants() {
    let mut tenant = tenant();
    tenant["namespaces"] = json!([]);
    tenant["namespaceLabels"] = json!({"tenant": "a", "stage": "dev"});
    let selected = |labels: Value, expected: Expect| {
        with(&tenant, "/namespaceSelector", json!({"matchLabels": labels}), expected)
    };
    selected(json!({"tenant": "a", "stage": "dev", "x": "y"}), expect!["within"]);
    selected(
        json!({"tenant": "a"}),
        expect!["spec.namespaces goes beyond the namespaces of the tenant \"team-a\""],
    );
    selected(
        json!({"tenant": "b", "stage": "dev"}),
        expect!["spec.namespaces goes beyond the namespaces of the tenant \"team-a\""],
    );
    let expressions =
        json!({"matchExpressions": [{"key": "tenant", "operator": "In", "values": ["a", "b"]}]});
    with(
        &tenant,
        "/namespaceSelector",
        expressions,
        expect!["spec.namespaces goes beyond the namespaces of the tenant \"team-a\""],
    );
    tenant["namespaceLabels"] = json!({});
    with(
        &tenant,
        "/namespaceSelector",
        json!({}),
        expect!["spec.namespaces goes beyond the namespaces of the tenant \"team-a\""],
    );
}

#[test]
fn what_could_pull_more_is_beyond_it() {
    let tenant = tenant();
    let beyond = || {
        expect![
            "spec.tcr.credential goes beyond the registryNamespaces of the tenant \"team-a\": team-a, base-*"
        ]
    };
    for names in [
        json!(["team-b"]),
        json!(["team-a", "team-b"]),
        json!(["*"]),
        json!(["base"]),
        json!([]),
        Value::Null,
    ] {
        with(&tenant, "/tcr/credential/registryNamespaces", names, beyond());
    }
    // These pull whatever the identity may that signs.
    for kind in ["longterm", "temp", "none"] {
        with(&tenant, "/tcr/credential/type", json!(kind), beyond());
    }
    let docker = json!({"namespaces": "team-a", "docker": {"server": "a.example.com", "username": "u", "password": "p"}});
    check(&tenant, &docker, beyond());
}

#[test]
fn other_fields_are_held_to_the_entry_too() {
    let tenant = tenant();
    with(
        &tenant,
        "/tcr/instanceId",
        json!("tcr-99999999"),
        expect!["spec.tcr.instanceId goes beyond the instanceIds of the tenant \"team-a\": tcr-1a2b3c4d"],
    );
    with(
        &tenant,
        "/conflictPolicy",
        json!("adopt"),
        expect!["spec.conflictPolicy goes beyond the conflictPolicies of the tenant \"team-a\""],
    );
    with(
        &tenant,
        "/tcr/privateNetwork",
        json!({"resolve": true}),
        expect![
            "spec.tcr.privateNetwork.resolve goes beyond the namespaces of the tenant \"team-a\": team-a, team-a-*"
        ],
    );
    with(
        &tenant,
        "/tcr/roleArn",
        json!("qcs::cam::uin/2:roleName/a"),
        expect!["spec.tcr.roleArn goes beyond the roleArns of the tenant \"team-a\""],
    );
    let mut free = tenant;
    free["roleArns"] = json!(["qcs::cam::uin/1:roleName/b", "qcs::cam::uin/2:*"]);
    with(&free, "/tcr/roleArn", json!("qcs::cam::uin/2:roleName/a"), expect!["within"]);
    with(
        &free,
        "/tcr/roleArn",
        json!("qcs::cam::uin/1:roleName/a"),
        expect![
            "spec.tcr.roleArn goes beyond the roleArns of the tenant \"team-a\": qcs::cam::uin/1:roleName/b, qcs::cam::uin/2:*"
        ],
    );
    free["conflictPolicies"] = json!(["adopt"]);
    free["instanceIds"] = Value::Null;
    with(&free, "/tcr/instanceId", json!("tcr-99999999"), expect!["within"]);
    with(&free, "/conflictPolicy", json!("adopt"), expect!["within"]);
    with(
        &free,
        "/conflictPolicy",
        json!("overwrite"),
        expect!["spec.conflictPolicy goes beyond the conflictPolicies of the tenant \"team-a\": adopt"],
    );
}

#[test]
fn one_entry_has_to_have_all_of_it() {
    let entry = |name: &str, namespaces: Value, registry: Value| json!({"name": name, "users": ["jane"], "namespaces": namespaces, "registryNamespaces": registry});
    let tenants = [
        entry("one", json!(["team-a"]), json!(["base"])),
        entry("two", json!(["team-b"]), json!(["team-a"])),
    ];
    let said = |username: &str, groups: &[&str]| {
        problem(&tenants, Writer { username, groups }, &spec(&own())).unwrap_or_default()
    };
    expect![[r#"spec.tcr.credential goes beyond the registryNamespaces of the tenant "one": base; spec.namespaces goes beyond the namespaces of the tenant "two": team-b"#]]
        .assert_eq(&said("jane", &[]));
    expect![[r#""john" is no user of the setting tenants, nor any of their groups; ask the cluster's administrators"#]]
        .assert_eq(&said("john", &["jane", ""]));
    let of_group = [tenant()];
    let groups = ["others", "team-a"];
    assert_eq!(problem(&of_group, Writer { username: "john", groups: &groups }, &spec(&own())), None);
}

#[test]
fn an_entry_that_does_not_fit_its_form_allows_nothing() {
    let writer = Writer { username: "jane", groups: &["team-a"] };
    for field in ["namespaces", "registryNamespaces", "instanceIds"] {
        for value in [json!("*"), json!(7), json!({"*": "*"}), json!([["*"]])] {
            let mut tenant = tenant();
            tenant[field] = value;
            assert!(problem(&[tenant.clone()], writer, &spec(&own())).is_some(), "{tenant}");
        }
    }
    for who in [json!("jane"), json!(7), Value::Null] {
        let mut tenant = tenant();
        (tenant["users"], tenant["groups"]) = (who.clone(), who);
        assert!(problem(&[tenant.clone()], writer, &spec(&own())).is_some(), "{tenant}");
    }
}

proptest! {
    /// Whatever the object's list and the entry's are: what is allowed selects no namespace that the entry does not name.
    #[test]
    fn what_is_within_selects_nothing_beyond(
        list in "(!?[ab]{0,2}[*?]?[ab]?,){0,2}[ab]{0,2}[*?]?",
        allowed in prop::collection::vec("[ab]{1,2}[*]?", 0..3),
        names in prop::collection::vec("[abc]{1,4}", 1..40),
    ) {
        let tenant = json!({"name": "t", "users": ["jane"], "namespaces": allowed, "registryNamespaces": ["*"]});
        let spec = ImagePullSecretSpec {
            namespaces: list.clone(),
            namespace_selector: Some(LabelSelector::default()),
            ..ImagePullSecretSpec::default()
        };
        let writer = Writer { username: "jane", groups: &[] };
        if let (None, Ok(list)) = (problem(&[tenant], writer, &spec), list.parse::<NameList>()) {
            for name in names.iter().filter(|name| list.selects(name)) {
                let is_named = allowed.iter().any(|it| match it.strip_suffix('*') {
                    Some(beginning) => name.starts_with(beginning),
                    None => it == name,
                });
                prop_assert!(is_named, "{list} selects {name}, which is not in {allowed:?}");
            }
        }
    }
}

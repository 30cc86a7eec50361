use expect_test::expect;
use serde_json::{Value, json};

use crate::cluster::tests::{Objects, Unreachable};
use crate::tests::{check, check_with, demo, request};

fn account(name: &str, list: Value) -> Value {
    let mut object = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}});
    if !list.is_null() {
        object["imagePullSecrets"] = list;
    }
    object
}

fn update(old: Value, new: Value) -> Value {
    let mut request = request("UPDATE", account("default", new));
    request["oldObject"] = account("default", old);
    request
}

#[test]
fn a_new_one_gets_the_reference_of_every_registry_that_selects_it() {
    let settings = json!({"registries": [
        {"name": "b", "hosts": ["b.tencentcloudcr.com"]},
        {"name": "elsewhere", "hosts": ["b.tencentcloudcr.com"], "namespaces": "team-b"},
        {"name": "builders", "hosts": ["b.tencentcloudcr.com"], "serviceAccounts": "builder"},
        {"name": "a", "hosts": ["a.tencentcloudcr.com"], "serviceAccounts": "!builder"},
    ]});
    check(
        request("CREATE", account("default", Value::Null)),
        settings.clone(),
        expect![[r#"
        patched
          list: [{"name":"tcr.ipsb"},{"name":"tcr.ipsa"}]
          injected: tcr.ipsb, tcr.ipsa
    "#]],
    );
    check(
        request("CREATE", account("builder", json!([{"name": "mine"}, {"name": "tcr.ipsb"}]))),
        settings.clone(),
        expect![[r#"
        patched
          list: [{"name":"mine"},{"name":"tcr.ipsb"},{"name":"tcr.ipsbuilders"}]
          injected: tcr.ipsbuilders
    "#]],
    );
    check(
        request("CREATE", account("builder", json!([{"name": "tcr.ipsb"}, {"name": "tcr.ipsbuilders"}]))),
        settings,
        expect![[r#"
        accepted
    "#]],
    );
    check(
        request("CREATE", account("default", Value::Null)),
        json!({}),
        expect![[r#"
        accepted
    "#]],
    );
}

#[test]
fn the_name_comes_from_the_object_where_the_request_has_none() {
    let settings = json!({"registries": [{"name": "a", "hosts": ["a.tencentcloudcr.com"], "serviceAccounts": "builder"}]});
    let mut request = request("CREATE", account("builder", Value::Null));
    request["name"] = Value::Null;
    check(
        request,
        settings,
        expect![[r#"
        patched
          list: [{"name":"tcr.ipsa"}]
          injected: tcr.ipsa
    "#]],
    );
}

#[test]
fn the_clusters_image_pull_secrets_select_too() {
    let cluster = Objects::new([
        json!({"kind": "ImagePullSecret", "metadata": {"name": "one"}, "spec": {"docker": {"server": "a.tencentcloudcr.com"}}}),
        json!({"kind": "ImagePullSecret", "metadata": {"name": "two", "deletionTimestamp": "2026-01-01T00:00:00Z"}}),
        json!({"kind": "ImagePullSecret", "metadata": {"name": "three"}, "spec": {"namespaceSelector": {"matchLabels": {"a": "b"}}}}),
        json!({"kind": "Namespace", "metadata": {"name": "team-a", "labels": {"a": "b"}}}),
    ]);
    let settings = json!({"discover": true});
    check_with(
        request("CREATE", account("default", Value::Null)),
        settings.clone(),
        &cluster,
        expect![[r#"
        patched
          list: [{"name":"tcr.ipsone"},{"name":"tcr.ipsthree"}]
          injected: tcr.ipsone, tcr.ipsthree
    "#]],
    );
    check_with(
        request("CREATE", account("default", Value::Null)),
        settings,
        &Unreachable,
        expect![[r#"
        accepted
          warning: cannot list the ImagePullSecrets: connection refused; what they say is not applied to this request
          undecided: cannot list the ImagePullSecrets: connection refused
    "#]],
    );
}

#[test]
fn a_reference_that_somebody_takes_away_is_protected() {
    let (ours, without) = (json!([{"name": "mine"}, {"name": "tcr.ipsdemo"}]), json!([{"name": "mine"}]));
    let protect = |level: &str| {
        let mut settings = demo();
        settings["protect"] = json!(level);
        settings
    };
    check(
        update(ours.clone(), without.clone()),
        demo(),
        expect![[r#"
        accepted
          warning: the ServiceAccount "default" loses "tcr.ipsdemo", which the ImagePullSecret "demo" gives it; change the ImagePullSecret's serviceAccounts instead; it will be added again
    "#]],
    );
    check(
        update(ours.clone(), Value::Null),
        protect("reject"),
        expect![[r#"
        rejected 403: the ServiceAccount "default" loses "tcr.ipsdemo", which the ImagePullSecret "demo" gives it; change the ImagePullSecret's serviceAccounts instead
    "#]],
    );
    check(
        update(ours.clone(), without.clone()),
        protect("off"),
        expect![[r#"
        accepted
    "#]],
    );
    check(
        update(without.clone(), ours.clone()),
        protect("reject"),
        expect![[r#"
        accepted
    "#]],
    );
    let mut controller = update(ours.clone(), without.clone());
    controller["userInfo"]["username"] =
        json!("system:serviceaccount:tcr-assistant-system:tcr-assistant-manager");
    check(
        controller,
        protect("reject"),
        expect![[r#"
        accepted
    "#]],
    );
    // Nobody's registry, or one that does not select the account: nothing of ours is lost.
    check(
        update(json!([{"name": "tcr.ipsother"}]), Value::Null),
        protect("reject"),
        expect![[r#"
        accepted
    "#]],
    );
    let mut elsewhere = protect("reject");
    elsewhere["registries"][0]["namespaces"] = json!("team-b");
    check(
        update(ours, without),
        elsewhere,
        expect![[r#"
        accepted
    "#]],
    );
}

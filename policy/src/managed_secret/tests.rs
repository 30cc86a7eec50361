use expect_test::expect;
use serde_json::{Value, json};

use crate::tests::{check, request};

fn secret(labels: Value, data: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "tcr.ipsdemo", "labels": labels},
        "data": {".dockerconfigjson": data}})
}

fn ours() -> Value {
    json!({"app.kubernetes.io/managed-by": "tcr-assistant", "tcr.tencentcloudcr.com/image-pull-secret": "demo"})
}

fn update(old: Value, new: Value) -> Value {
    let mut request = request("UPDATE", new);
    request["oldObject"] = old;
    request
}

fn by(username: &str, mut request: Value) -> Value {
    request["userInfo"]["username"] = json!(username);
    request
}

#[test]
fn a_change_by_somebody_else_is_warned_of_or_refused() {
    let change = || update(secret(ours(), "YQ=="), secret(ours(), "Yg=="));
    check(
        change(),
        json!({}),
        expect![[r#"
        accepted
          warning: the Secret "tcr.ipsdemo" is managed by tcr-assistant; change or delete the ImagePullSecret "demo" instead; this change will be undone
    "#]],
    );
    check(
        change(),
        json!({"protect": "reject"}),
        expect![[r#"
        rejected 403: the Secret "tcr.ipsdemo" is managed by tcr-assistant; change or delete the ImagePullSecret "demo" instead
    "#]],
    );
    check(
        change(),
        json!({"protect": "off"}),
        expect![[r#"
        accepted
    "#]],
    );
    check(
        request("DELETE", secret(ours(), "YQ==")),
        json!({"protect": "reject"}),
        expect![[r#"
        rejected 403: the Secret "tcr.ipsdemo" is managed by tcr-assistant; change or delete the ImagePullSecret "demo" instead
    "#]],
    );
}

#[test]
fn taking_or_forging_the_label_counts_too() {
    let reject = || json!({"protect": "reject"});
    check(
        update(secret(ours(), "YQ=="), secret(json!({}), "YQ==")),
        reject(),
        expect![[r#"
        rejected 403: the Secret "tcr.ipsdemo" is managed by tcr-assistant; change or delete the ImagePullSecret "demo" instead
    "#]],
    );
    check(
        update(secret(json!({}), "YQ=="), secret(ours(), "YQ==")),
        reject(),
        expect![[r#"
        rejected 403: the Secret "tcr.ipsdemo" is managed by tcr-assistant; change or delete the ImagePullSecret "demo" instead
    "#]],
    );
}

#[test]
fn making_one_that_looks_like_ours_is_warned_of_or_refused() {
    check(
        request("CREATE", secret(ours(), "YQ==")),
        json!({}),
        expect![[r#"
        accepted
          warning: the Secret "tcr.ipsdemo" has the labels of one that is managed by tcr-assistant; leave them out, or change the ImagePullSecret "demo" instead
    "#]],
    );
    check(
        request("CREATE", secret(ours(), "YQ==")),
        json!({"protect": "reject"}),
        expect![[r#"
        rejected 403: the Secret "tcr.ipsdemo" has the labels of one that is managed by tcr-assistant; leave them out, or change the ImagePullSecret "demo" instead
    "#]],
    );
    check(
        request("CREATE", secret(json!({}), "YQ==")),
        json!({"protect": "reject"}),
        expect![[r#"
        accepted
    "#]],
    );
    let controller = "system:serviceaccount:tcr-assistant-system:tcr-assistant-manager";
    let create = by(controller, request("CREATE", secret(ours(), "YQ==")));
    check(
        create,
        json!({"protect": "reject"}),
        expect![[r#"
        accepted
    "#]],
    );
}

#[test]
fn the_controller_and_kubernetes_may_change_it() {
    let delete = || request("DELETE", secret(ours(), "YQ=="));
    for username in [
        "system:serviceaccount:tcr-assistant-system:tcr-assistant-manager",
        "system:serviceaccount:kube-system:namespace-controller",
        "system:serviceaccount:kube-system:generic-garbage-collector",
        "system:kube-controller-manager",
    ] {
        check(
            by(username, delete()),
            json!({"protect": "reject"}),
            expect![[r#"
            accepted
        "#]],
        );
    }
    let settings = json!({"protect": "reject", "controllerUsernames": ["me"]});
    check(
        by("me", delete()),
        settings.clone(),
        expect![[r#"
        accepted
    "#]],
    );
    check(
        by("system:serviceaccount:tcr-assistant-system:tcr-assistant-manager", delete()),
        settings,
        expect![[r#"
        rejected 403: the Secret "tcr.ipsdemo" is managed by tcr-assistant; change or delete the ImagePullSecret "demo" instead
    "#]],
    );
}

#[test]
fn other_secrets_and_writes_without_a_change_are_accepted() {
    let reject = || json!({"protect": "reject"});
    check(
        request("DELETE", secret(json!({"app.kubernetes.io/managed-by": "tcr-assistant"}), "YQ==")),
        reject(),
        expect![[r#"
        accepted
    "#]],
    );
    // A password that an ImagePullSecret refers to: its user keeps it.
    let password = json!({"tcr.tencentcloudcr.com/image-pull-secret": "demo"});
    check(
        request("DELETE", secret(password, "YQ==")),
        reject(),
        expect![[r#"
        accepted
    "#]],
    );
    check(
        update(secret(ours(), "YQ=="), secret(ours(), "YQ==")),
        reject(),
        expect![[r#"
        accepted
    "#]],
    );
}

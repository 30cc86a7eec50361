use expect_test::expect;
use serde_json::{Value, json};

use crate::cluster::tests::{Objects, Unreachable};
use crate::tests::{check, check_with, demo, pod, request};

fn create(spec: Value) -> Value {
    request("CREATE", pod(spec))
}

fn update(old: Value, new: Value) -> Value {
    let mut request = request("UPDATE", pod(new));
    request["oldObject"] = pod(old);
    request
}

const APP: &str = "demo.tencentcloudcr.com/team/app:v1";

#[test]
fn a_matched_image_gets_the_reference() {
    check(
        create(json!({"containers": [{"image": APP}]})),
        demo(),
        expect![[r#"
        patched
          list: [{"name":"tcr.ipsdemo"}]
          injected: tcr.ipsdemo (demo.tencentcloudcr.com/team/app:v1)
    "#]],
    );
    check(
        create(json!({"containers": [{"image": "nginx"}], "initContainers": [{"image": APP}]})),
        demo(),
        expect![[r#"
            patched
              list: [{"name":"tcr.ipsdemo"}]
              injected: tcr.ipsdemo (demo.tencentcloudcr.com/team/app:v1)
        "#]],
    );
    check(
        create(
            json!({"containers": [], "volumes": [{"image": {"reference": "demo-vpc.tencentcloudcr.com/model@sha256:00"}}]}),
        ),
        demo(),
        expect![[r#"
            patched
              list: [{"name":"tcr.ipsdemo"}]
              injected: tcr.ipsdemo (demo-vpc.tencentcloudcr.com/model@sha256:00)
        "#]],
    );
    check(
        create(
            json!({"containers": [{"image": "DEMO.tencentcloudcr.com/x"}, {"image": "https://demo.tencentcloudcr.com/x"}]}),
        ),
        demo(),
        expect![[r#"
            patched
              list: [{"name":"tcr.ipsdemo"}]
              warning: image "DEMO.tencentcloudcr.com/x": kubelets find no credential by its host; write demo.tencentcloudcr.com
              warning: image "https://demo.tencentcloudcr.com/x": kubelets find no credential by its host; write demo.tencentcloudcr.com
              injected: tcr.ipsdemo (DEMO.tencentcloudcr.com/x)
        "#]],
    );
}

#[test]
fn other_images_get_nothing() {
    check(
        create(json!({"containers": [{"image": "nginx"}, {"image": "ghcr.io/a/b"}]})),
        demo(),
        expect![[r#"
            accepted
        "#]],
    );
    check(
        create(json!({"containers": [{"image": "demo.tencentcloudcr.com:5000/a"}]})),
        demo(),
        expect![[r#"
            accepted
              warning: image "demo.tencentcloudcr.com:5000/a" gets no pull secret, because no registry has its host; did you mean demo.tencentcloudcr.com?
        "#]],
    );
    check(
        create(json!({"containers": [{"image": "evildemo.tencentcloudcr.com.example.com/a"}]})),
        demo(),
        expect![[r#"
            accepted
        "#]],
    );
    check(
        create(json!({"containers": [{"name": "x"}, {"image": ""}, {"image": 7}, null]})),
        demo(),
        expect![[r#"
            accepted
        "#]],
    );
}

#[test]
fn the_list_keeps_its_order_and_gets_nothing_twice() {
    let list = json!([{"name": "z"}, {"name": "a"}]);
    check(
        create(json!({"containers": [{"image": APP}], "imagePullSecrets": list})),
        demo(),
        expect![[r#"
            patched
              list: [{"name":"z"},{"name":"a"},{"name":"tcr.ipsdemo"}]
              injected: tcr.ipsdemo (demo.tencentcloudcr.com/team/app:v1)
        "#]],
    );
    let list = json!([{"name": "tcr.ipsdemo"}, {"name": "a"}]);
    check(
        create(json!({"containers": [{"image": APP}], "imagePullSecrets": list})),
        demo(),
        expect![[r#"
            accepted
              listed: tcr.ipsdemo
        "#]],
    );
}

#[test]
fn every_matched_registry_adds_one_reference_in_the_order_of_the_settings() {
    let settings = json!({"registries": [
        {"name": "b", "hosts": ["b.tencentcloudcr.com"]},
        {"name": "unused", "hosts": ["c.tencentcloudcr.com"]},
        {"name": "both", "hosts": ["a.tencentcloudcr.com", "B.tencentcloudcr.com"]},
        {"name": "a", "hosts": ["a.tencentcloudcr.com"]},
    ]});
    let images = json!([{"image": "a.tencentcloudcr.com/1"}, {"image": "b.tencentcloudcr.com/2"}, {"image": "a.tencentcloudcr.com/1"},
        {"image": "a.tencentcloudcr.com/3"}, {"image": "a.tencentcloudcr.com/4"}]);
    check(
        create(json!({"containers": images})),
        settings,
        expect![[r#"
        patched
          list: [{"name":"tcr.ipsb"},{"name":"tcr.ipsboth"},{"name":"tcr.ipsa"}]
          injected: tcr.ipsb (b.tencentcloudcr.com/2); tcr.ipsboth (a.tencentcloudcr.com/1, b.tencentcloudcr.com/2, a.tencentcloudcr.com/3 and 1 more); tcr.ipsa (a.tencentcloudcr.com/1, a.tencentcloudcr.com/3, a.tencentcloudcr.com/4)
    "#]],
    );
}

#[test]
fn namespaces_and_service_accounts_select() {
    let settings = |namespaces: &str, accounts: &str| {
        json!({"registries": [{"name": "demo", "hosts": ["demo.tencentcloudcr.com"], "namespaces": namespaces,
            "serviceAccounts": accounts}]})
    };
    let spec = json!({"containers": [{"image": APP}], "serviceAccountName": "builder"});
    check(
        create(spec.clone()),
        settings("team-*,!team-b", "builder"),
        expect![[r#"
        patched
          list: [{"name":"tcr.ipsdemo"}]
          injected: tcr.ipsdemo (demo.tencentcloudcr.com/team/app:v1)
    "#]],
    );
    check(
        create(spec.clone()),
        settings("!team-*", ""),
        expect![[r#"
        accepted
          skipped: tcr.ipsdemo is not for the namespace "team-a"
    "#]],
    );
    check(
        create(spec),
        settings("*", "default"),
        expect![[r#"
        accepted
          skipped: tcr.ipsdemo is not for the ServiceAccount "builder"
    "#]],
    );
    check(
        create(json!({"containers": [{"image": APP}]})),
        settings("*", "default"),
        expect![[r#"
        patched
          list: [{"name":"tcr.ipsdemo"}]
          injected: tcr.ipsdemo (demo.tencentcloudcr.com/team/app:v1)
    "#]],
    );
    let spec = json!({"containers": [{"image": APP}], "serviceAccount": "builder"});
    check(
        create(spec),
        settings("*", "builder"),
        expect![[r#"
        patched
          list: [{"name":"tcr.ipsdemo"}]
          injected: tcr.ipsdemo (demo.tencentcloudcr.com/team/app:v1)
    "#]],
    );
}

#[test]
fn an_opted_out_pod_and_a_mirror_pod_are_left_alone() {
    let with = |annotations: Value| {
        let mut pod = pod(json!({"containers": [{"image": APP}]}));
        pod["metadata"]["annotations"] = annotations;
        request("CREATE", pod)
    };
    check(
        with(json!({"tcr.tencentcloudcr.com/inject": "false"})),
        demo(),
        expect![[r#"
        accepted
          skipped: the annotation tcr.tencentcloudcr.com/inject is "false"
    "#]],
    );
    check(
        with(json!({"tcr.tencentcloudcr.com/inject": "true"})),
        demo(),
        expect![[r#"
        patched
          list: [{"name":"tcr.ipsdemo"}]
          injected: tcr.ipsdemo (demo.tencentcloudcr.com/team/app:v1)
    "#]],
    );
    check(
        with(json!({"kubernetes.io/config.mirror": "0123"})),
        demo(),
        expect![[r#"
        accepted
          skipped: the Pod mirrors a static Pod
    "#]],
    );
}

#[test]
fn a_namespace_selector_reads_the_namespace() {
    let settings = |on_failure: &str| {
        json!({"registries": [
            {"name": "demo", "hosts": ["demo.tencentcloudcr.com"], "namespaceSelector": {"matchLabels": {"team": "x"}}},
            {"name": "any", "hosts": ["demo.tencentcloudcr.com"], "namespaceSelector": {}},
        ], "onDiscoveryFailure": on_failure})
    };
    let spec = || create(json!({"containers": [{"image": APP}]}));
    let namespace = |label: &str| {
        Objects::new([
            json!({"kind": "Namespace", "metadata": {"name": "team-a", "labels": {"team": label}}}),
        ])
    };
    check_with(
        spec(),
        settings("allow"),
        &namespace("x"),
        expect![[r#"
        patched
          list: [{"name":"tcr.ipsdemo"},{"name":"tcr.ipsany"}]
          injected: tcr.ipsdemo (demo.tencentcloudcr.com/team/app:v1); tcr.ipsany (demo.tencentcloudcr.com/team/app:v1)
    "#]],
    );
    check_with(
        spec(),
        settings("allow"),
        &namespace("y"),
        expect![[r#"
        patched
          list: [{"name":"tcr.ipsany"}]
          injected: tcr.ipsany (demo.tencentcloudcr.com/team/app:v1)
          skipped: tcr.ipsdemo is not for the labels of the namespace "team-a"
    "#]],
    );
    check_with(
        spec(),
        settings("allow"),
        &Unreachable,
        expect![[r#"
        patched
          list: [{"name":"tcr.ipsdemo"},{"name":"tcr.ipsany"}]
          warning: cannot read the labels of the namespace "team-a": connection refused; "tcr.ipsdemo", which selects by them, is taken as if they matched
          injected: tcr.ipsdemo (demo.tencentcloudcr.com/team/app:v1); tcr.ipsany (demo.tencentcloudcr.com/team/app:v1)
          undecided: cannot read the labels of the namespace "team-a": connection refused
    "#]],
    );
    check_with(
        spec(),
        settings("reject"),
        &Unreachable,
        expect![[r#"
        rejected 503: cannot read the labels of the namespace "team-a": connection refused; try again, or ask the cluster's administrator
    "#]],
    );
}

#[test]
fn the_cluster_is_asked_only_when_a_reference_is_at_stake() {
    let cluster = Objects::new([]);
    check_with(
        create(json!({"containers": [{"image": "nginx"}]})),
        demo(),
        &cluster,
        expect![[r#"
        accepted
    "#]],
    );
    assert_eq!(cluster.asked(), Vec::<String>::new());
    check_with(
        create(json!({"containers": [{"image": APP}]})),
        demo(),
        &cluster,
        expect![[r#"
        patched
          list: [{"name":"tcr.ipsdemo"}]
          injected: tcr.ipsdemo (demo.tencentcloudcr.com/team/app:v1)
    "#]],
    );
    assert_eq!(cluster.asked(), ["get_resource ServiceAccount"]);
}

#[test]
fn a_service_account_that_enforces_its_secrets_gets_a_warning_instead() {
    let cluster = |list: Value| {
        Objects::new([
            json!({"kind": "ServiceAccount", "imagePullSecrets": list, "metadata": {"name": "default",
            "namespace": "team-a", "annotations": {"kubernetes.io/enforce-mountable-secrets": "true"}}}),
        ])
    };
    let spec = || create(json!({"containers": [{"image": APP}]}));
    check_with(
        spec(),
        demo(),
        &cluster(json!([{"name": "mine"}])),
        expect![[r#"
        accepted
          warning: image "demo.tencentcloudcr.com/team/app:v1" gets no pull secret: the ServiceAccount "default" enforces mountable secrets and does not list "tcr.ipsdemo"; add it to the ServiceAccount's imagePullSecrets
          skipped: the ServiceAccount "default" enforces its secrets and lacks tcr.ipsdemo
    "#]],
    );
    check_with(
        spec(),
        demo(),
        &cluster(json!([{"name": "tcr.ipsdemo"}])),
        expect![[r#"
        patched
          list: [{"name":"tcr.ipsdemo"}]
          injected: tcr.ipsdemo (demo.tencentcloudcr.com/team/app:v1)
    "#]],
    );
}

#[test]
fn an_unknown_tcr_host_is_a_warning_to_the_author_of_the_pod() {
    let spec =
        json!({"containers": [{"image": "demmo.tencentcloudcr.com/a"}, {"image": "other.example.com/b"}]});
    check(
        create(spec.clone()),
        demo(),
        expect![[r#"
        accepted
          warning: image "demmo.tencentcloudcr.com/a" gets no pull secret, because no registry has its host; did you mean demo.tencentcloudcr.com?
    "#]],
    );
    check(
        create(spec.clone()),
        json!({}),
        expect![[r#"
        accepted
    "#]],
    );
    let mut owned = pod(spec);
    owned["metadata"]["ownerReferences"] = json!([{"kind": "ReplicaSet"}]);
    check(
        request("CREATE", owned),
        demo(),
        expect![[r#"
        accepted
    "#]],
    );
}

#[test]
fn a_running_pod_that_gets_a_new_image_is_warned() {
    let old = json!({"containers": [{"image": "nginx"}]});
    let new = json!({"containers": [{"image": APP}]});
    check(
        update(old.clone(), new.clone()),
        demo(),
        expect![[r#"
        accepted
          warning: image "demo.tencentcloudcr.com/team/app:v1" needs the pull secret "tcr.ipsdemo", which a running Pod cannot get any more; create the Pod anew
    "#]],
    );
    check(
        update(new.clone(), new.clone()),
        demo(),
        expect![[r#"
        accepted
    "#]],
    );
    let listed = json!({"containers": [{"image": APP}], "imagePullSecrets": [{"name": "tcr.ipsdemo"}]});
    check(
        update(old.clone(), listed),
        demo(),
        expect![[r#"
        accepted
    "#]],
    );
    let mut ephemeral =
        update(old, json!({"containers": [{"image": "nginx"}], "ephemeralContainers": [{"image": APP}]}));
    ephemeral["subResource"] = json!("ephemeralcontainers");
    check(
        ephemeral.clone(),
        demo(),
        expect![[r#"
        accepted
          warning: image "demo.tencentcloudcr.com/team/app:v1" needs the pull secret "tcr.ipsdemo", which a running Pod cannot get any more; create the Pod anew
    "#]],
    );
    ephemeral["subResource"] = json!("status");
    check(
        ephemeral,
        demo(),
        expect![[r#"
        accepted
    "#]],
    );
}

#[test]
fn images_past_the_limit_get_a_warning_instead_of_work() {
    let images = |count: usize| {
        let others = (1..count).map(|_| json!({"image": "nginx"}));
        Value::from_iter(others.chain([json!({"image": APP})]))
    };
    check(
        create(json!({"containers": images(128)})),
        demo(),
        expect![[r#"
            patched
              list: [{"name":"tcr.ipsdemo"}]
              injected: tcr.ipsdemo (demo.tencentcloudcr.com/team/app:v1)
        "#]],
    );
    check(
        create(json!({"containers": images(130)})),
        demo(),
        expect![[r#"
            accepted
              warning: 2 of its images get no pull secret: the first 128, of at most 1024 bytes, are looked at
              skipped: 2 images past the limit
        "#]],
    );
    let long = format!("{APP}{}", "x".repeat(1024));
    check(
        create(json!({"containers": [{"image": long}, {"image": APP}]})),
        demo(),
        expect![[r#"
            patched
              list: [{"name":"tcr.ipsdemo"}]
              warning: 1 of its images get no pull secret: the first 128, of at most 1024 bytes, are looked at
              injected: tcr.ipsdemo (demo.tencentcloudcr.com/team/app:v1)
              skipped: 1 images past the limit
        "#]],
    );
    // What was left out before is nothing new.
    let old = json!({"containers": images(130)});
    check(
        update(old.clone(), old.clone()),
        demo(),
        expect![[r#"
        accepted
    "#]],
    );
    check(
        update(old.clone(), json!({"containers": images(130), "ephemeralContainers": images(129)})),
        demo(),
        expect![[r#"
            accepted
              warning: 3 of its images get no pull secret: the first 128, of at most 1024 bytes, are looked at
        "#]],
    );
}

use expect_test::expect;
use serde_json::{Value, json};

use crate::tests::{check, demo, request};

const APP: &str = "demo.tencentcloudcr.com/team/app:v1";

fn spec(images: &[&str], secrets: &[&str]) -> Value {
    let containers: Vec<Value> = images.iter().map(|image| json!({"image": image})).collect();
    let list: Vec<Value> = secrets.iter().map(|name| json!({"name": name})).collect();
    json!({"containers": containers, "imagePullSecrets": list})
}

fn deployment(spec: Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "app"}, "spec": {"template": {"spec": spec}}})
}

fn with(mut settings: Value, field: &str, value: &str) -> Value {
    settings[field] = json!(value);
    settings
}

#[test]
fn a_template_without_a_list_is_what_we_want() {
    check(
        request("CREATE", deployment(spec(&[APP, "nginx"], &[]))),
        demo(),
        expect![[r#"
        accepted
    "#]],
    );
    check(
        request("CREATE", deployment(spec(&["nginx"], &["mine"]))),
        demo(),
        expect![[r#"
        accepted
    "#]],
    );
    check(
        request("CREATE", deployment(json!({}))),
        demo(),
        expect![[r#"
        accepted
    "#]],
    );
}

#[test]
fn a_managed_secret_named_by_hand_is_warned_of() {
    let object = deployment(spec(&["nginx", APP], &["mine", "tcr.ipsdemo"]));
    check(
        request("CREATE", object.clone()),
        demo(),
        expect![[r#"
        accepted
          warning: spec.template.spec.imagePullSecrets[1]: "tcr.ipsdemo" is put on Pods with image "demo.tencentcloudcr.com/team/app:v1" by tcr-assistant; remove the entry
    "#]],
    );
    check(
        request("UPDATE", object.clone()),
        demo(),
        expect![[r#"
        accepted
          warning: spec.template.spec.imagePullSecrets[1]: "tcr.ipsdemo" is put on Pods with image "demo.tencentcloudcr.com/team/app:v1" by tcr-assistant; remove the entry
    "#]],
    );
    check(
        request("CREATE", object.clone()),
        with(demo(), "declared", "ignore"),
        expect![[r#"
        accepted
    "#]],
    );
    check(
        request("CREATE", object),
        with(demo(), "declared", "reject"),
        expect![[r#"
        rejected 403: spec.template.spec.imagePullSecrets[1]: "tcr.ipsdemo" is put on Pods with image "demo.tencentcloudcr.com/team/app:v1" by tcr-assistant; remove the entry
    "#]],
    );
    check(
        request("CREATE", deployment(spec(&["nginx"], &["tcr.ipsdemo"]))),
        demo(),
        expect![[r#"
        accepted
          warning: spec.template.spec.imagePullSecrets[0]: "tcr.ipsdemo" is managed by tcr-assistant, and no image here needs it; remove the entry
    "#]],
    );
    check(
        request("CREATE", deployment(spec(&[APP], &["tcr.ipsother"]))),
        demo(),
        expect![[r#"
        accepted
          warning: spec.template.spec.imagePullSecrets: "tcr.ipsother" is listed for image "demo.tencentcloudcr.com/team/app:v1", whose Pods get "tcr.ipsdemo" from tcr-assistant; remove it unless another image needs it
    "#]],
    );
}

#[test]
fn every_kind_of_workload_is_judged_at_its_template() {
    let template = json!({"spec": spec(&[APP], &["tcr.ipsdemo"])});
    for (version, kind) in [
        ("apps/v1", "ReplicaSet"),
        ("apps/v1", "StatefulSet"),
        ("apps/v1", "DaemonSet"),
        ("batch/v1", "Job"),
        ("v1", "ReplicationController"),
    ] {
        let object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": "x"}, "spec": {"template": template}});
        check(
            request("CREATE", object),
            demo(),
            expect![[r#"
            accepted
              warning: spec.template.spec.imagePullSecrets[0]: "tcr.ipsdemo" is put on Pods with image "demo.tencentcloudcr.com/team/app:v1" by tcr-assistant; remove the entry
        "#]],
        );
    }
    let object = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "x"},
        "spec": {"jobTemplate": {"spec": {"template": template}}}});
    check(
        request("CREATE", object),
        demo(),
        expect![[r#"
        accepted
          warning: spec.jobTemplate.spec.template.spec.imagePullSecrets[0]: "tcr.ipsdemo" is put on Pods with image "demo.tencentcloudcr.com/team/app:v1" by tcr-assistant; remove the entry
    "#]],
    );
    let object =
        json!({"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "x"}, "template": template});
    check(
        request("CREATE", object),
        demo(),
        expect![[r#"
        accepted
          warning: template.spec.imagePullSecrets[0]: "tcr.ipsdemo" is put on Pods with image "demo.tencentcloudcr.com/team/app:v1" by tcr-assistant; remove the entry
    "#]],
    );
}

#[test]
fn a_list_of_its_own_for_a_tcr_image_is_warned_of() {
    let reject = || with(demo(), "declared", "reject");
    check(
        request("CREATE", deployment(spec(&[APP], &["mine", "other"]))),
        demo(),
        expect![[r#"
        accepted
          warning: spec.template.spec.imagePullSecrets: "mine" is listed for image "demo.tencentcloudcr.com/team/app:v1", whose Pods get "tcr.ipsdemo" from tcr-assistant; remove it unless another image needs it
    "#]],
    );
    check(
        request("CREATE", deployment(spec(&[APP], &["mine"]))),
        reject(),
        expect![[r#"
        rejected 403: spec.template.spec.imagePullSecrets: "mine" is listed for image "demo.tencentcloudcr.com/team/app:v1", whose Pods get "tcr.ipsdemo" from tcr-assistant; remove it unless another image needs it
    "#]],
    );
    // The list may be for the other image, so it is not refused.
    check(
        request("CREATE", deployment(spec(&[APP, "private.example.com/a"], &["mine"]))),
        reject(),
        expect![[r#"
            accepted
              warning: spec.template.spec.imagePullSecrets: "mine" is listed for image "demo.tencentcloudcr.com/team/app:v1", whose Pods get "tcr.ipsdemo" from tcr-assistant; remove it unless another image needs it
        "#]],
    );
    let mut elsewhere = demo();
    elsewhere["registries"][0]["namespaces"] = json!("team-b");
    check(
        request("CREATE", deployment(spec(&[APP], &["mine"]))),
        elsewhere,
        expect![[r#"
        accepted
    "#]],
    );
}

#[test]
fn what_was_declared_before_is_only_warned_of() {
    let reject = || with(demo(), "declared", "reject");
    let update = |old: Value, new: Value| {
        let mut request = request("UPDATE", deployment(new));
        request["oldObject"] = deployment(old);
        request
    };
    let (before, after) = (spec(&[APP], &["tcr.ipsdemo"]), spec(&[APP, "nginx"], &["mine", "tcr.ipsdemo"]));
    check(
        update(before, after.clone()),
        reject(),
        expect![[r#"
        accepted
          warning: spec.template.spec.imagePullSecrets[1]: "tcr.ipsdemo" is put on Pods with image "demo.tencentcloudcr.com/team/app:v1" by tcr-assistant; remove the entry
    "#]],
    );
    check(
        update(spec(&[APP], &[]), after),
        reject(),
        expect![[r#"
        rejected 403: spec.template.spec.imagePullSecrets[1]: "tcr.ipsdemo" is put on Pods with image "demo.tencentcloudcr.com/team/app:v1" by tcr-assistant; remove the entry
    "#]],
    );
}

#[test]
fn owned_and_opted_out_ones_are_not_judged() {
    let mut owned = deployment(spec(&[APP], &["tcr.ipsdemo"]));
    owned["metadata"]["ownerReferences"] = json!([{"kind": "App"}]);
    check(
        request("CREATE", owned),
        demo(),
        expect![[r#"
        accepted
    "#]],
    );
    let mut out = deployment(spec(&[APP], &["mine"]));
    out["spec"]["template"]["metadata"] = json!({"annotations": {"tcr.tencentcloudcr.com/inject": "false"}});
    check(
        request("CREATE", out),
        demo(),
        expect![[r#"
        accepted
    "#]],
    );
    let mut scale = request("UPDATE", deployment(spec(&[APP], &["tcr.ipsdemo"])));
    scale["subResource"] = json!("scale");
    check(
        scale,
        demo(),
        expect![[r#"
        accepted
    "#]],
    );
}

#[test]
fn an_unknown_tcr_host_is_warned_of_with_the_nearest_one() {
    let object = deployment(spec(&["demo-vcp.tencentcloudcr.com/a", "eviltencentcloudcr.com/b"], &[]));
    check(
        request("CREATE", object),
        with(demo(), "declared", "ignore"),
        expect![[r#"
        accepted
          warning: image "demo-vcp.tencentcloudcr.com/a" gets no pull secret, because no registry has its host; did you mean demo-vpc.tencentcloudcr.com?
    "#]],
    );
    let object = deployment(spec(&["somethingquitedifferent.tencentcloudcr.com/a"], &[]));
    check(
        request("CREATE", object),
        demo(),
        expect![[r#"
        accepted
          warning: image "somethingquitedifferent.tencentcloudcr.com/a" gets no pull secret, because no registry has its host; add the registry, or correct the image
    "#]],
    );
}

//! Tenants of one instance: each ImagePullSecret has a service account that pulls from its own registry namespaces.

use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::{Value, json};
use tcr::pull_rights::{Candidate, Needed, needed};

use crate::cluster::tests::Objects;
use crate::tests::{check_with, pod, request, respond};

const HOST: &str = "demo.tencentcloudcr.com";

/// An ImagePullSecret with a service account; with another type of credential where it names no registry namespace.
fn tenant(name: &str, namespaces: &str, registry_namespaces: &[&str]) -> Value {
    let credential = match registry_namespaces {
        [] => json!({"type": "longterm"}),
        names => json!({"type": "serviceAccount", "registryNamespaces": names}),
    };
    json!({"kind": "ImagePullSecret", "metadata": {"name": name}, "status": {"hosts": [HOST]},
        "spec": {"namespaces": namespaces, "tcr": {"instanceId": "tcr-demo0001", "region": "ap-guangzhou", "credential": credential}}})
}

fn containers(images: &[&str]) -> Value {
    let one = |image: &&str| json!({"image": format!("{HOST}/{image}")});
    Value::from_iter(images.iter().map(one))
}

#[track_caller]
fn created(spec: Value, tenants: &[Value], expected: Expect) {
    let cluster = Objects::new(tenants.iter().cloned());
    check_with(request("CREATE", pod(spec)), json!({"discover": true}), &cluster, expected);
}

#[test]
fn a_pod_refers_to_the_secrets_that_its_images_need() {
    let tenants = [tenant("a", "*", &["team-a", "base"]), tenant("b", "*", &["team-b", "base"])];
    created(
        json!({"containers": containers(&["team-a/app"])}),
        &tenants,
        expect![[r#"
        patched
          list: [{"name":"tcr.ipsa"}]
          injected: tcr.ipsa (demo.tencentcloudcr.com/team-a/app)
          skipped: tcr.ipsb is for other registry namespaces
    "#]],
    );
    created(
        json!({"containers": containers(&["team-b/app"]), "initContainers": containers(&["base/setup", "team-b/setup"])}),
        &tenants,
        expect![[r#"
            patched
              list: [{"name":"tcr.ipsa"},{"name":"tcr.ipsb"}]
              injected: tcr.ipsa (demo.tencentcloudcr.com/base/setup); tcr.ipsb (demo.tencentcloudcr.com/team-b/app, demo.tencentcloudcr.com/base/setup, demo.tencentcloudcr.com/team-b/setup)
        "#]],
    );
    // `team-a` is no beginning of names.
    created(
        json!({"containers": containers(&["team-b/app", "team-a2/app"])}),
        &tenants,
        expect![[r#"
        patched
          list: [{"name":"tcr.ipsa"},{"name":"tcr.ipsb"}]
          warning: image "demo.tencentcloudcr.com/team-a2/app": registryNamespaces of ImagePullSecret a do not have "team-a2"; add it there, or correct the image
          injected: tcr.ipsa (demo.tencentcloudcr.com/team-a2/app); tcr.ipsb (demo.tencentcloudcr.com/team-b/app)
    "#]],
    );
}

#[test]
fn credentials_of_other_types_pull_from_all_of_the_registry() {
    let tenants = [tenant("a", "*", &["team-a"]), tenant("whole", "*", &[])];
    created(
        json!({"containers": containers(&["other/app"])}),
        &tenants,
        expect![[r#"
        patched
          list: [{"name":"tcr.ipswhole"}]
          injected: tcr.ipswhole (demo.tencentcloudcr.com/other/app)
          skipped: tcr.ipsa is for other registry namespaces
    "#]],
    );
    created(
        json!({"containers": containers(&["team-a/app"])}),
        &tenants,
        expect![[r#"
        patched
          list: [{"name":"tcr.ipsa"},{"name":"tcr.ipswhole"}]
          injected: tcr.ipsa (demo.tencentcloudcr.com/team-a/app); tcr.ipswhole (demo.tencentcloudcr.com/team-a/app)
    "#]],
    );
    // What registryNamespaces say means nothing for them.
    let mut odd = tenant("odd", "*", &["team-a"]);
    odd["spec"]["tcr"]["credential"]["type"] = json!("temp");
    created(
        json!({"containers": containers(&["other/app"])}),
        &[odd],
        expect![[r#"
        patched
          list: [{"name":"tcr.ipsodd"}]
          injected: tcr.ipsodd (demo.tencentcloudcr.com/other/app)
    "#]],
    );
    let docker = json!({"kind": "ImagePullSecret", "metadata": {"name": "static"}, "spec": {"docker": {"server": HOST}}});
    created(
        json!({"containers": containers(&["team-b/app"])}),
        &[tenant("a", "*", &["team-a"]), docker],
        expect![[r#"
            patched
              list: [{"name":"tcr.ipsstatic"}]
              injected: tcr.ipsstatic (demo.tencentcloudcr.com/team-b/app)
              skipped: tcr.ipsa is for other registry namespaces
        "#]],
    );
}

#[test]
fn what_none_may_pull_gets_one_reference_and_a_warning_that_names_the_field() {
    let tenants = [
        tenant("elsewhere", "team-x", &["team-c"]),
        tenant("a", "*", &["team-a"]),
        tenant("b", "*", &["team-b"]),
    ];
    created(
        json!({"containers": containers(&["team-c/app"])}),
        &tenants,
        expect![[r#"
        patched
          list: [{"name":"tcr.ipsa"}]
          warning: image "demo.tencentcloudcr.com/team-c/app": registryNamespaces of ImagePullSecret a do not have "team-c"; add it there, or correct the image
          injected: tcr.ipsa (demo.tencentcloudcr.com/team-c/app)
          skipped: tcr.ipselsewhere is not for the namespace "team-a"; tcr.ipsb is for other registry namespaces
    "#]],
    );
    created(
        json!({"containers": containers(&["app:v1"])}),
        &tenants[1..2],
        expect![[r#"
        patched
          list: [{"name":"tcr.ipsa"}]
          warning: image "demo.tencentcloudcr.com/app:v1": it is in no registry namespace; correct the image
          injected: tcr.ipsa (demo.tencentcloudcr.com/app:v1)
    "#]],
    );
    // The reference that is there is the one that would help.
    created(
        json!({"containers": containers(&["team-c/app"]), "imagePullSecrets": [{"name": "tcr.ipsb"}]}),
        &tenants,
        expect![[r#"
            accepted
              warning: image "demo.tencentcloudcr.com/team-c/app": registryNamespaces of ImagePullSecret b do not have "team-c"; add it there, or correct the image
              listed: tcr.ipsb
              skipped: tcr.ipselsewhere is not for the namespace "team-a"; tcr.ipsa is for other registry namespaces
        "#]],
    );
}

#[test]
fn a_running_pod_is_told_of_the_secret_that_its_new_image_needs() {
    let tenants = || Objects::new([tenant("a", "*", &["team-a"]), tenant("b", "*", &["team-b"])]);
    let update = |image: &str, secret: &str| {
        let list = json!([{"name": secret}]);
        let mut request = request(
            "UPDATE",
            pod(
                json!({"containers": containers(&["team-a/app"]), "imagePullSecrets": list, "ephemeralContainers": containers(&[image])}),
            ),
        );
        request["oldObject"] =
            pod(json!({"containers": containers(&["team-a/app"]), "imagePullSecrets": list}));
        request["subResource"] = json!("ephemeralcontainers");
        request
    };
    let settings = json!({"discover": true});
    check_with(
        update("team-b/debug", "tcr.ipsa"),
        settings.clone(),
        &tenants(),
        expect![[r#"
        accepted
          warning: image "demo.tencentcloudcr.com/team-b/debug" needs the pull secret "tcr.ipsb", which a running Pod cannot get any more; create the Pod anew
    "#]],
    );
    check_with(
        update("team-b/debug", "tcr.ipsb"),
        settings.clone(),
        &tenants(),
        expect![[r#"
        accepted
    "#]],
    );
    check_with(
        update("team-c/debug", "tcr.ipsb"),
        settings,
        &tenants(),
        expect![[r#"
        accepted
          warning: image "demo.tencentcloudcr.com/team-c/debug": registryNamespaces of ImagePullSecret b do not have "team-c"; add it there, or correct the image
    "#]],
    );
}

#[test]
fn the_author_of_a_template_is_warned_and_its_pods_are_not_warned_of_again() {
    let tenants = || Objects::new([tenant("a", "*", &["team-a"]), tenant("b", "*", &["team-b"])]);
    let template = |image: &str, secrets: Value| {
        let spec = json!({"containers": containers(&[image]), "imagePullSecrets": secrets});
        request(
            "CREATE",
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "app"}, "spec": {"template": {"spec": spec}}}),
        )
    };
    let settings = || json!({"discover": true});
    check_with(
        template("team-c/app", json!([])),
        settings(),
        &tenants(),
        expect![[r#"
        accepted
          warning: image "demo.tencentcloudcr.com/team-c/app": registryNamespaces of ImagePullSecret a do not have "team-c"; add it there, or correct the image
    "#]],
    );
    check_with(
        template("team-b/app", json!([{"name": "tcr.ipsa"}, {"name": "tcr.ipsb"}])),
        settings(),
        &tenants(),
        expect![[r#"
        accepted
          warning: spec.template.spec.imagePullSecrets[0]: "tcr.ipsa" is managed by tcr-assistant, and no image here needs it; remove the entry
          warning: spec.template.spec.imagePullSecrets[1]: "tcr.ipsb" is put on Pods with image "demo.tencentcloudcr.com/team-b/app" by tcr-assistant; remove the entry
    "#]],
    );
    check_with(
        template("team-b/app", json!([{"name": "mine"}])),
        settings(),
        &tenants(),
        expect![[r#"
        accepted
          warning: spec.template.spec.imagePullSecrets: "mine" is listed for image "demo.tencentcloudcr.com/team-b/app", whose Pods get "tcr.ipsb" from tcr-assistant; remove it unless another image needs it
    "#]],
    );
    let mut owned = request("CREATE", pod(json!({"containers": containers(&["team-c/app"])})));
    owned["object"]["metadata"]["ownerReferences"] = json!([{"kind": "ReplicaSet"}]);
    check_with(
        owned,
        settings(),
        &tenants(),
        expect![[r#"
        patched
          list: [{"name":"tcr.ipsa"}]
          injected: tcr.ipsa (demo.tencentcloudcr.com/team-c/app)
          skipped: tcr.ipsb is for other registry namespaces
    "#]],
    );
}

proptest! {
    /// What is on the Pod is what the shared decision says, image by image.
    #[test]
    fn a_pod_gets_what_its_images_need_in_order_and_nothing_else(
        tenants in prop::collection::vec(
            (prop::collection::vec(prop::sample::select(vec!["a", "aa", "b", "base"]), 0..3), any::<bool>(), any::<bool>()),
            0..5,
        ),
        images in prop::collection::vec("((a|aa|b|base|c)/){0,2}app", 1..5),
    ) {
        let name = |index: usize| format!("t{index}");
        let objects = tenants.iter().enumerate().map(|(index, (rights, is_selected, _))| {
            tenant(&name(index), if *is_selected { "team-*" } else { "elsewhere" }, rights)
        });
        let cluster = Objects::new(objects);
        let listed: Vec<Value> = tenants.iter().enumerate().filter(|(_, (.., is_listed))| *is_listed)
            .map(|(index, _)| json!({"name": format!("tcr.ips{}", name(index))})).collect();
        let images: Vec<&str> = images.iter().map(String::as_str).collect();
        let request = request("CREATE", pod(json!({"containers": containers(&images), "imagePullSecrets": listed})));
        let response = respond(&request, &json!({"discover": true}), &cluster);

        let rights: Vec<Vec<String>> =
            tenants.iter().map(|(rights, ..)| rights.iter().map(|it| (*it).to_owned()).collect()).collect();
        let here: Vec<usize> = tenants.iter().enumerate()
            .filter(|(_, (_, is_selected, is_listed))| *is_selected || *is_listed).map(|(index, _)| index).collect();
        let candidates: Vec<Candidate<'_>> = here.iter()
            .map(|index| Candidate { registry_namespaces: &rights[*index], is_listed: tenants[*index].2 }).collect();
        let mut wanted = std::collections::BTreeSet::new();
        for image in &images {
            match needed(&format!("{HOST}/{image}"), &candidates) {
                Needed::All(all) => wanted.extend(all),
                Needed::Lacks(one) => { wanted.insert(one); }
            }
        }
        let added = wanted.into_iter().filter(|one| !candidates[*one].is_listed)
            .map(|one| json!({"name": format!("tcr.ips{}", name(here[one]))}));
        let expected: Vec<Value> = listed.iter().cloned().chain(added).collect();
        let object = response.mutated_object.unwrap_or_else(|| request["object"].clone());
        prop_assert_eq!(&object["spec"]["imagePullSecrets"], &Value::from(expected));
    }
}

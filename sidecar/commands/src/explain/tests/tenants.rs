//! Several ImagePullSecrets for one registry, each with a service account of its own registry namespaces.

use super::super::admission::{admit, any_images};
use super::*;

const HOST: &str = "demo.tencentcloudcr.com";

fn tenant(name: &str, namespaces: &str, registry_namespaces: &[&str]) -> AskedFor {
    let credential = json!({"type": "serviceAccount", "registryNamespaces": registry_namespaces});
    let spec = json!({
        "namespaces": namespaces,
        "tcr": {"instanceId": "tcr-demo0001", "region": "ap-guangzhou", "credential": credential},
    });
    asked(name, spec, &[HOST])
}

/// The Pod of `shop` refers to the Secrets of tenants, which are where they select it; nobody asked the registry.
fn tenants(facts: &mut Facts, all: &[AskedFor], references: &[&str]) {
    facts.asked = Seen::Known(all.to_vec());
    facts.answers.clear();
    facts.pod.references = references.iter().map(|it| (*it).to_owned()).collect();
    facts.account = Seen::Known(Some(AccountFacts::default()));
    facts.secrets = all
        .iter()
        .map(|it| {
            let keys: Vec<String> =
                it.spec.registry_namespaces().iter().map(|name| format!("{HOST}/{name}/")).collect();
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            let is_here = matches!(it.spec.namespaces.as_str(), "*" | "shop");
            let found = if is_here { secret(true, logins(&keys)) } else { Seen::Known(None) };
            (format!("tcr.ips{}", it.name), found)
        })
        .collect();
}

#[test]
fn the_others_image_is_refused_and_its_own_tenant_named() {
    let all = || [tenant("shop", "shop", &["other"]), tenant("team", "team", &["team"])];
    check(
        |facts| tenants(facts, &all(), &["tcr.ipsshop"]),
        expect![[r#"
            Fails RegistryNamespaceLacking: no credential for the Pod may pull it: registryNamespaces of ImagePullSecret shop do not have "team"; ImagePullSecret team does not select the namespace shop: spec.namespaces is "team"
            to do: add team to registryNamespaces of ImagePullSecret shop, or correct the image"#]],
    );
    // Without keys by namespace the registry is asked, and says no.
    check(
        |facts| {
            tenants(facts, &all()[..1], &["tcr.ipsshop"]);
            facts.secrets.insert("tcr.ipsshop".to_owned(), secret(true, logins(&[HOST])));
            facts.answer("tcr.ipsshop", PullAnswer::NotAllowed("no rights".to_owned()));
        },
        expect![[r#"
            Fails RegistryNamespaceLacking: no credential for the Pod may pull it: registryNamespaces of ImagePullSecret shop do not have "team"
            to do: add team to registryNamespaces of ImagePullSecret shop, or correct the image"#]],
    );
    check(
        |facts| {
            tenants(facts, &all()[..1], &["tcr.ipsshop"]);
            facts.secrets.insert("tcr.ipsshop".to_owned(), secret(true, logins(&[HOST])));
        },
        expect![[r#"
            Fails RegistryNamespaceLacking: no credential for the Pod may pull it: registryNamespaces of ImagePullSecret shop do not have "team"
            to do: add team to registryNamespaces of ImagePullSecret shop, or correct the image"#]],
    );
}

#[test]
fn what_the_registry_lets_be_pulled_is_pulled_whatever_is_written() {
    check(
        |facts| {
            tenants(facts, &[tenant("shop", "shop", &["other"])], &["tcr.ipsshop"]);
            facts.secrets.insert("tcr.ipsshop".to_owned(), secret(true, logins(&[HOST])));
            facts.answer("tcr.ipsshop", PullAnswer::Pulls);
        },
        expect![[r#"
            Pulls
            to do: nothing"#]],
    );
}

#[test]
fn of_several_the_pod_lacks_the_one_that_may_pull_its_image() {
    let all = [tenant("a", "*", &["other"]), tenant("b", "*", &["team"])];
    check(
        |facts| tenants(facts, &all, &["tcr.ipsa"]),
        expect![[r#"
            Fails ReferenceMissing: the Pod does not refer to tcr.ipsb: it was made while admission was away, or before its ServiceAccount referred to it, and a Pod's list never changes
            to do: delete the Pod, so that ReplicaSet web makes it again: kubectl -n shop delete pod web-1"#]],
    );
    check(
        |facts| tenants(facts, &all, &["tcr.ipsb"]),
        expect![[r#"
            Likely
            note: the registry was not asked
            to do: nothing"#]],
    );
}

#[test]
fn a_pod_to_be_made_gets_the_references_that_its_images_need() {
    let admitted = |all: &[AskedFor], images: &[&str]| {
        let mut facts = well();
        tenants(&mut facts, all, &[]);
        facts.pod.images = images.iter().map(|image| used(&format!("{HOST}/{image}"))).collect();
        admit(&mut facts);
        facts.pod.references.join(" ")
    };
    let all =
        [tenant("a", "*", &["a", "base"]), tenant("b", "*", &["b", "base"]), tenant("c", "team", &["c"])];
    assert_eq!(admitted(&all, &["b/app"]), "tcr.ipsb");
    assert_eq!(admitted(&all, &["b/app", "a/app"]), "tcr.ipsa tcr.ipsb");
    assert_eq!(admitted(&all, &["base/app"]), "tcr.ipsa tcr.ipsb");
    assert_eq!(admitted(&all, &["c/app"]), "tcr.ipsa", "once it has the right, the Pod pulls");
    assert_eq!(admitted(&all[2..], &["c/app"]), "");
}

#[test]
fn a_namespace_is_explained_for_the_registry_namespaces_that_its_pods_pull_from() {
    let mut facts = well();
    let all = [tenant("a", "*", &["a", "base"]), tenant("b", "team", &["b", "base"])];
    tenants(&mut facts, &all, &[]);
    facts.target = Some("ns/shop".parse().unwrap());
    facts.pod.images = any_images(&facts);
    admit(&mut facts);
    let told: Vec<String> =
        findings(&facts).images.iter().map(|it| format!("{} {:?}", it.image, it.verdict)).collect();
    expect![[r#"
        demo.tencentcloudcr.com/a/* Likely
        demo.tencentcloudcr.com/base/* Likely"#]]
    .assert_eq(&told.join("\n"));
    let says = &findings(&facts).images[0].asked[0].says;
    assert_eq!(says, r#"for namespaces "*" and ServiceAccounts "*"; pulls from registry namespaces a, base"#);
}

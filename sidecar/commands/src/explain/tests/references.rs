//! Why the Pod does not refer to the Secret, or the Secret is not there.

use super::*;

#[test]
fn everything_in_its_place_pulls() {
    check(
        |_| {},
        expect![[r#"
        Pulls
        to do: nothing"#]],
    );
    check(
        |facts| facts.answers.clear(),
        expect![[r#"
        Likely
        note: the registry was not asked
        to do: nothing"#]],
    );
}

#[test]
fn a_namespace_that_is_not_selected() {
    check(
        |facts| {
            facts.lacking();
            facts.spec(json!({"namespaces": "team"}));
        },
        expect![[r#"
            Fails NamespaceNotSelected: ImagePullSecret demo does not select the namespace shop: spec.namespaces is "team"
            to do: add shop to spec.namespaces of ImagePullSecret demo; then make the Pod again"#]],
    );
    check(
        |facts| {
            facts.lacking();
            facts.spec(json!({"namespaces": "*,!shop"}));
        },
        expect![[r#"
            Fails NamespaceExcluded: ImagePullSecret demo excludes the namespace shop: spec.namespaces is "*,!shop"
            to do: take the exclusion of shop out of spec.namespaces of ImagePullSecret demo, or run the Pod in another namespace; then make the Pod again"#]],
    );
    check(
        |facts| {
            facts.lacking();
            facts.spec(json!({"namespaceSelector": {"matchLabels": {"tcr": "yes"}}}));
        },
        expect![[r#"
            Fails NamespaceNotSelected: ImagePullSecret demo does not select the namespace shop: its labels do not match spec.namespaceSelector
            to do: label the namespace shop as spec.namespaceSelector of ImagePullSecret demo says; then make the Pod again"#]],
    );
    check(
        |facts| {
            facts.lacking();
            facts.spec(json!({"namespaceSelector": {"matchLabels": {"tcr": "yes"}}}));
            let namespace = Some("shop".to_owned());
            facts.labels = Seen::Denied(Right { verb: "get", resource: "namespaces", namespace });
        },
        expect![[r#"
            Unknown
            note: whether ImagePullSecret demo selects the namespace shop depends on its labels: you may not get namespaces in namespace shop
            to do: have somebody run this who may read what is not known (the namespace's labels: you may not get namespaces in namespace shop)"#]],
    );
}

#[test]
fn a_service_account_that_is_not_selected() {
    check(
        |facts| {
            facts.lacking();
            facts.spec(json!({"serviceAccounts": "*,!default"}));
        },
        expect![[r#"
            Fails ServiceAccountExcluded: ImagePullSecret demo excludes the ServiceAccount default: spec.serviceAccounts is "*,!default"
            to do: give the Pod another ServiceAccount, or take the exclusion of default out of spec.serviceAccounts of ImagePullSecret demo; then make the Pod again"#]],
    );
    check(
        |facts| {
            facts.lacking();
            facts.spec(json!({"serviceAccounts": "builder"}));
        },
        expect![[r#"
            Fails ServiceAccountNotSelected: ImagePullSecret demo does not select the ServiceAccount default: spec.serviceAccounts is "builder"
            to do: add default to spec.serviceAccounts of ImagePullSecret demo; then make the Pod again"#]],
    );
}

#[test]
fn a_pod_that_was_made_without_the_reference() {
    check(
        |facts| {
            facts.lacking();
            facts.pod.created = Some(at(-60));
        },
        expect![[r#"
            Fails ReferenceMissing: the Pod does not refer to tcr.ipsdemo: it was made before ImagePullSecret demo, and a Pod's list never changes
            to do: delete the Pod, so that ReplicaSet web makes it again: kubectl -n shop delete pod web-1"#]],
    );
    check(
        |facts| {
            facts.lacking();
            facts.pod.owner = None;
        },
        expect![[r#"
            Fails ReferenceMissing: the Pod does not refer to tcr.ipsdemo: it was made while admission was away, or before its ServiceAccount referred to it, and a Pod's list never changes
            to do: delete the Pod and make it again, for nothing else does: kubectl -n shop delete pod web-1"#]],
    );
    check(
        |facts| {
            facts.lacking();
            facts.pod.opted_out = true;
        },
        expect![[r#"
            Fails OptedOut: the Pod does not refer to tcr.ipsdemo: its annotation tcr.tencentcloudcr.com/inject is "false", which keeps the policy away
            to do: take the annotation tcr.tencentcloudcr.com/inject off the Pod's template (see ReplicaSet web), and make the Pod again"#]],
    );
    check(
        |facts| {
            facts.lacking();
            facts.account = Seen::Known(Some(AccountFacts { references: Vec::new(), enforces: true }));
        },
        expect![[r#"
            Fails MountableSecretsEnforced: the Pod does not refer to tcr.ipsdemo: its ServiceAccount default allows no Secrets but those that it lists
            to do: add tcr.ipsdemo to imagePullSecrets of ServiceAccount default, and make the Pod again"#]],
    );
    check(
        |facts| {
            facts.lacking();
            facts.pod.mirror = true;
        },
        expect![[r#"
            Fails StaticPod: the Pod does not refer to tcr.ipsdemo: it mirrors a static Pod, which can refer to no Secret
            to do: give node node-a a credential of its own, or let the API server run the Pod"#]],
    );
}

#[test]
fn a_secret_that_is_not_there() {
    let gone = |facts: &mut Facts| {
        facts.answers.clear();
        facts.secrets.insert("tcr.ipsdemo".to_owned(), Seen::Known(None));
    };
    check(
        gone,
        expect![[r#"
        Fails SecretMissing: there is no Secret tcr.ipsdemo in namespace shop
        to do: wait a minute: the controller writes it; if it does not, see why: kubectl describe imagepullsecret demo"#]],
    );
    check(
        |facts| {
            gone(facts);
            facts.controller = Seen::Known(Controller::Away);
        },
        expect![[r#"
            Fails ControllerAway: there is no Secret tcr.ipsdemo in namespace shop, and no controller runs that would write it
            to do: see why no controller runs: kubectl -n tcr-assistant-system get pods"#]],
    );
    check(
        |facts| {
            gone(facts);
            facts.conditions(json!([condition(
                "CredentialValid",
                "False",
                "CloudFailed",
                "CreateInstanceToken failed: AuthFailure.SecretIdNotFound: correct the API credential"
            )]));
        },
        expect![[r#"
            Fails CredentialInvalid: ImagePullSecret demo has no valid credential (CloudFailed): CreateInstanceToken failed: AuthFailure.SecretIdNotFound: correct the API credential
            to do: mend what its condition CredentialValid says: CreateInstanceToken failed: AuthFailure.SecretIdNotFound: correct the API credential"#]],
    );
}

#[test]
fn a_secret_that_is_not_what_it_should_be() {
    let holds = |facts: &mut Facts, is_ours: bool, content: Content| {
        facts.answers.clear();
        facts.secrets.insert("tcr.ipsdemo".to_owned(), secret(is_ours, content));
    };
    check(
        |facts| holds(facts, false, Content::Ignored("its type is Opaque".to_owned())),
        expect![[r#"
            Fails SecretForeign: the Secret tcr.ipsdemo in namespace shop is not the controller's, and its type is Opaque
            to do: delete it (kubectl -n shop delete secret tcr.ipsdemo), after which the controller writes its own within five minutes; or let ImagePullSecret demo take it over with spec.conflictPolicy"#]],
    );
    check(
        |facts| holds(facts, true, logins(&["other.tencentcloudcr.com"])),
        expect![[r#"
        Fails SecretBehind: the Secret tcr.ipsdemo: it has no credential for demo.tencentcloudcr.com
        to do: wait a minute; if it stays so: kubectl describe imagepullsecret demo"#]],
    );
    check(
        |facts| {
            holds(facts, true, logins(&[]));
            if let Some(Seen::Known(Some(secret))) = facts.secrets.get_mut("tcr.ipsdemo") {
                secret.edited_by = Some("kubectl-edit".to_owned());
            }
        },
        expect![[r#"
            Fails SecretEdited: the Secret tcr.ipsdemo was changed by kubectl-edit, and it has no credential for demo.tencentcloudcr.com
            to do: stop kubectl-edit from changing it; the controller mends it, ever more slowly while it is changed back: kubectl describe imagepullsecret demo"#]],
    );
    check(
        |facts| holds(facts, true, Content::Broken("not JSON at line 1".to_owned())),
        expect![[r#"
        Fails SecretBroken: the Pod refers to the Secret tcr.ipsdemo, by which every pull of it fails: not JSON at line 1
        to do: correct the Secret tcr.ipsdemo"#]],
    );
}

#[test]
fn what_may_not_be_read_is_said_and_the_rest_is_told() {
    let right = |resource| Right { verb: "get", resource, namespace: Some("shop".to_owned()) };
    let blind = |facts: &mut Facts| {
        facts.answers.clear();
        facts.secrets.insert("tcr.ipsdemo".to_owned(), Seen::Denied(right("secrets")));
    };
    check(
        blind,
        expect![[r#"
            Unknown
            note: the Secret tcr.ipsdemo could not be read: you may not get secrets in namespace shop
            to do: have somebody run this who may read what is not known (Secrets: you may not get secrets in namespace shop)"#]],
    );
    check(
        |facts| {
            blind(facts);
            facts.pull_failed("401 Unauthorized");
        },
        expect![[r#"
            Unknown
            note: the Secret tcr.ipsdemo could not be read: you may not get secrets in namespace shop
            note: the kubelet's last pull was refused
            to do: have somebody run this who may read what is not known (Secrets: you may not get secrets in namespace shop)"#]],
    );
    check(
        |facts| {
            blind(facts);
            facts.pod.references.clear();
        },
        expect![[r#"
            Fails ReferenceMissing: the Pod does not refer to tcr.ipsdemo: it was made while admission was away, or before its ServiceAccount referred to it, and a Pod's list never changes
            to do: delete the Pod, so that ReplicaSet web makes it again: kubectl -n shop delete pod web-1"#]],
    );
    check(
        |facts| {
            facts.lacking();
            let resource = "imagepullsecrets.tcr.tencentcloudcr.com";
            facts.asked = Seen::Denied(Right { verb: "list", resource, namespace: None });
        },
        expect![[r#"
            Fails NoCredential: no Secret of the Pod is for demo.tencentcloudcr.com (demo asks for a credential), and ImagePullSecrets could not be read: you may not list imagepullsecrets.tcr.tencentcloudcr.com in the cluster
            to do: ask who runs the cluster whether an ImagePullSecret is for demo.tencentcloudcr.com, the namespace shop and the ServiceAccount default"#]],
    );
}

#[test]
fn a_namespace_that_admission_is_not_asked_about() {
    // Its list, or its ServiceAccount's, is all that it gets.
    check(
        |facts| {
            facts.lacking();
            facts.unreviewed = true;
            facts.pod.references = vec!["partner".to_owned()];
        },
        expect![[r#"
            Fails NamespaceNotReviewed: the Pod does not refer to tcr.ipsdemo: admission is not asked about Pods of namespace shop, which get what their ServiceAccount refers to, and that only where they bring no list
            to do: add tcr.ipsdemo to imagePullSecrets of the Pod (of its template, where it has one), or have shop taken out of the chart's webhook.excludedNamespaces; then make the Pod again"#]],
    );
    // Made again it has what its ServiceAccount refers to.
    check(
        |facts| {
            facts.lacking();
            facts.unreviewed = true;
        },
        expect![[r#"
            Fails ReferenceMissing: the Pod does not refer to tcr.ipsdemo: it was made while admission was away, or before its ServiceAccount referred to it, and a Pod's list never changes
            to do: delete the Pod, so that ReplicaSet web makes it again: kubectl -n shop delete pod web-1"#]],
    );
    let mut facts = well();
    facts.unreviewed = true;
    assert_eq!(findings(&facts).policy_says, "is not asked about Pods of namespace shop");
}

#[test]
fn of_several_that_do_not_select_the_pod_the_one_that_lacks_least_is_named() {
    check(
        |facts| {
            facts.lacking();
            facts.spec(json!({"namespaces": "team"}));
            let spec = json!({"namespaces": "shop", "serviceAccounts": "robot", "tcr": {"instanceId": "tcr-demo0001", "region": "ap-guangzhou"}});
            let near = asked("near", spec, &["demo.tencentcloudcr.com"]);
            match &mut facts.asked {
                Seen::Known(all) => all.push(near),
                _ => panic!("it is known"),
            }
        },
        expect![[r#"
            Fails ServiceAccountNotSelected: ImagePullSecret near does not select the ServiceAccount default: spec.serviceAccounts is "robot"
            to do: add default to spec.serviceAccounts of ImagePullSecret near; then make the Pod again"#]],
    );
}

fn refusal(kind: &str, name: &str) -> custom_resource::WriteFailure {
    custom_resource::WriteFailure {
        kind: kind.to_owned(),
        namespaced_name: format!("shop/{name}"),
        message: "exceeded quota: secrets".to_owned(),
    }
}

#[test]
fn what_the_api_server_refuses_to_the_controller_is_said() {
    check(
        |facts| {
            facts.lacking();
            facts.pod.references = vec!["tcr.ipsdemo".to_owned()];
            facts.secrets.insert("tcr.ipsdemo".to_owned(), Seen::Known(None));
            facts.demo().failures =
                vec![refusal("ServiceAccount", "default"), refusal("Secret", "tcr.ipsdemo")];
        },
        expect![[r#"
            Fails SecretRefused: there is no Secret tcr.ipsdemo in namespace shop: the API server refuses it to the controller: exceeded quota: secrets
            to do: ask the platform team: mend what refuses it (a quota, a policy, a webhook); the controller tries again within a minute"#]],
    );
    check(
        |facts| {
            facts.lacking();
            facts.account = Seen::Known(Some(AccountFacts::default()));
            facts.demo().failures = vec![refusal("ServiceAccount", "default")];
        },
        expect![[r#"
            Fails ReferenceRefused: the Pod does not refer to tcr.ipsdemo, because its ServiceAccount default does not: the API server refuses it to the controller: exceeded quota: secrets
            to do: ask the platform team: mend what refuses it (a quota, a policy, a webhook); the controller tries again within a minute. Then make the Pod again"#]],
    );
    // Of another namespace, or no longer true.
    check(
        |facts| {
            facts.lacking();
            facts.demo().failures =
                vec![refusal("ServiceAccount", "default"), refusal("Secret", "tcr.ipsother")];
        },
        expect![[r#"
            Fails ReferenceMissing: the Pod does not refer to tcr.ipsdemo: it was made while admission was away, or before its ServiceAccount referred to it, and a Pod's list never changes
            to do: delete the Pod, so that ReplicaSet web makes it again: kubectl -n shop delete pod web-1"#]],
    );
}

#[test]
fn an_image_pull_secret_whose_instance_is_not_found_has_no_hosts_and_may_be_the_one() {
    let message = "there is no instance tcr-demo0002 in ap-guangzhou";
    let lost = |facts: &mut Facts| {
        facts.lacking();
        facts.demo().hosts.clear();
        facts.conditions(json!([condition("CredentialValid", "False", "InstanceNotFound", message)]));
        facts.secrets.insert("tcr.ipsdemo".to_owned(), Seen::Known(None));
    };
    check(
        lost,
        expect![[r#"
        Fails CredentialInvalid: ImagePullSecret demo has no valid credential (InstanceNotFound): there is no instance tcr-demo0002 in ap-guangzhou; so its hosts are not known, and demo.tencentcloudcr.com may be one
        to do: mend what its condition CredentialValid says: there is no instance tcr-demo0002 in ap-guangzhou; then make the Pod again"#]],
    );
    // It is for other Pods.
    check(
        |facts| {
            lost(facts);
            facts.spec(json!({"namespaces": "team"}));
        },
        expect![[r#"
            Fails RegistryUnknown: no ImagePullSecret is for demo.tencentcloudcr.com: there is none
            to do: make an ImagePullSecret for the instance of demo.tencentcloudcr.com, or correct the image's host; then make the Pod again"#]],
    );
}

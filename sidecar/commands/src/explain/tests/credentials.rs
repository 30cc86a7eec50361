//! What the registry, or the kubelet before, says to the credentials.

use super::*;

fn partner(facts: &mut Facts) {
    facts.pod.references.insert(0, "partner".to_owned());
    facts.secrets.insert("partner".to_owned(), secret(false, logins(&["demo.tencentcloudcr.com"])));
    facts.answer("partner", refused());
}

#[test]
fn a_wrong_password_before_a_right_one_costs_time_only() {
    check(
        partner,
        expect![[r#"
        Pulls
        note: each pull shows the credential of Secret partner in vain first (demo refuses it with HTTP 401): correct it, or take it out
        to do: nothing"#]],
    );
}

#[test]
fn a_wrong_password_in_a_users_own_secret_without_an_image_pull_secret() {
    check(
        |facts| {
            partner(facts);
            facts.pod.references.pop();
        },
        expect![[r#"
            Fails ReferenceMissing: the registry refuses the credential of Secret partner; the Pod does not refer to tcr.ipsdemo: it was made while admission was away, or before its ServiceAccount referred to it, and a Pod's list never changes
            to do: delete the Pod, so that ReplicaSet web makes it again: kubectl -n shop delete pod web-1"#]],
    );
    check(
        |facts| {
            partner(facts);
            facts.pod.references.pop();
            facts.spec(json!({"namespaces": "team"}));
        },
        expect![[r#"
            Fails CredentialRefused: the registry refuses the credential of Secret partner; ImagePullSecret demo does not select the namespace shop: spec.namespaces is "team"
            to do: correct the credential in Secret partner; or add shop to spec.namespaces of ImagePullSecret demo; then make the Pod again"#]],
    );
    check(
        |facts| {
            partner(facts);
            facts.pod.references.pop();
            facts.asked = Seen::Known(Vec::new());
        },
        expect![[r#"
            Fails CredentialRefused: the registry refuses the credential of Secret partner
            to do: correct the credential in Secret partner"#]],
    );
}

#[test]
fn a_credential_that_was_revoked() {
    check(
        |facts| facts.answer("tcr.ipsdemo", refused()),
        expect![[r#"
            Fails CredentialRefused: the registry refuses the credential of Secret tcr.ipsdemo: demo refuses it with HTTP 401
            to do: wait: the controller asks the registry every ten minutes, and replaces what it refuses (at once: kubectl -n tcr-assistant-system rollout restart deployment/tcr-assistant-controller-manager); if it does not: kubectl describe imagepullsecret demo"#]],
    );
    check(
        |facts| {
            facts.answer("tcr.ipsdemo", refused());
            facts.controller = Seen::Known(Controller::Away);
        },
        expect![[r#"
            Fails ControllerAway: the registry refuses the credential of Secret tcr.ipsdemo: demo refuses it with HTTP 401; no controller runs that would replace it
            to do: see why no controller runs: kubectl -n tcr-assistant-system get pods"#]],
    );
    check(
        |facts| {
            facts.answer("tcr.ipsdemo", refused());
            let message = "demo refuses it with HTTP 401: correct spec.docker";
            facts.conditions(json!([condition("CredentialValid", "False", "CredentialRefused", message)]));
        },
        expect![[r#"
            Fails CredentialInvalid: ImagePullSecret demo has no valid credential (CredentialRefused): demo refuses it with HTTP 401: correct spec.docker
            to do: mend what its condition CredentialValid says: demo refuses it with HTTP 401: correct spec.docker"#]],
    );
    // The kubelet was refused, and nobody could ask from here.
    check(
        |facts| {
            facts.answer("tcr.ipsdemo", PullAnswer::Unknown("cannot ask it: timed out".to_owned()));
            facts.pull_failed("failed to authorize: 401 Unauthorized");
        },
        expect![[r#"
            Fails CredentialRefused: the registry refuses the credential of Secret tcr.ipsdemo: the registry refused it when the kubelet pulled
            to do: wait: the controller asks the registry every ten minutes, and replaces what it refuses (at once: kubectl -n tcr-assistant-system rollout restart deployment/tcr-assistant-controller-manager); if it does not: kubectl describe imagepullsecret demo"#]],
    );
}

#[test]
fn a_secret_of_our_name_with_somebody_elses_password() {
    check(
        |facts| {
            facts.answer("tcr.ipsdemo", refused());
            facts
                .secrets
                .insert("tcr.ipsdemo".to_owned(), secret(false, logins(&["demo.tencentcloudcr.com"])));
        },
        expect![[r#"
            Fails SecretForeign: the Secret tcr.ipsdemo in namespace shop is not the controller's, and its credential is refused
            to do: delete it (kubectl -n shop delete secret tcr.ipsdemo), after which the controller writes its own within five minutes; or let ImagePullSecret demo take it over with spec.conflictPolicy"#]],
    );
}

#[test]
fn rights_and_names_of_images() {
    let no =
        PullAnswer::NotAllowed("demo lets it in, but does not let it pull team/app, by HTTP 403".to_owned());
    check(
        |facts| facts.answer("tcr.ipsdemo", no),
        expect![[r#"
        Fails NotAllowed: the credential of Secret tcr.ipsdemo is let in and may not pull: demo lets it in, but does not let it pull team/app, by HTTP 403
        to do: correct the image's name, or let the identity behind ImagePullSecret demo pull team/app (tcr:PullRepository)"#]],
    );
    let none = PullAnswer::NotFound("demo has no such image, or does not show it".to_owned());
    check(
        |facts| facts.answer("tcr.ipsdemo", none),
        expect![[r#"
        Fails ImageNotFound: there is no image demo.tencentcloudcr.com/team/app:v1: demo has no such image, or does not show it
        to do: correct the image's name or tag, or push it"#]],
    );
    check(
        |facts| facts.image("demo.tencentcloudcr.com/Team/app"),
        expect![[r#"
        Fails InvalidImage: "demo.tencentcloudcr.com/Team/app" is not an image reference: the repository "Team/app" must be lower case
        to do: correct the image's name, and make the Pod again"#]],
    );
    check(
        |facts| {
            facts.pull_failed("ErrImageNeverPull: Container image is not present with pull policy of Never")
        },
        expect![[r#"
            Fails ImageNeverPulled: node-a could not pull it: its imagePullPolicy is Never, and the image is not on the node; or it is there (from Kubernetes 1.35) and was not verified for this Pod's credential, of which the kubelet says the same: ErrImagePull: ErrImageNeverPull: Container image is not present with pull policy of Never
            to do: set imagePullPolicy to IfNotPresent, which verifies the credential or pulls; or put the image on the node"#]],
    );
}

#[test]
fn a_secret_that_cannot_be_parsed_fails_every_pull_of_the_pod() {
    check(
        |facts| {
            facts.pod.references.push("partner".to_owned());
            facts.secrets.insert(
                "partner".to_owned(),
                secret(false, Content::Broken("not JSON at line 1".to_owned())),
            );
        },
        expect![[r#"
            Fails SecretBroken: the Pod refers to the Secret partner, by which every pull of it fails: not JSON at line 1
            to do: correct the Secret partner"#]],
    );
}

#[test]
fn what_is_on_the_node_has_been_pulled() {
    check(
        |facts| {
            facts.answer("tcr.ipsdemo", refused());
            facts.pod.images[0].is_there = true;
        },
        expect![[r#"
            Pulls
            note: it is on the node already; the next pull fails: the registry refuses the credential of Secret tcr.ipsdemo: demo refuses it with HTTP 401. Before that: wait: the controller asks the registry every ten minutes, and replaces what it refuses (at once: kubectl -n tcr-assistant-system rollout restart deployment/tcr-assistant-controller-manager); if it does not: kubectl describe imagepullsecret demo
            to do: nothing"#]],
    );
}

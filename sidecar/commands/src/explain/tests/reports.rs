//! The whole report.

use super::*;

fn report() -> Facts {
    let mut facts = well();
    facts.pod.images.push(ImageUse {
        user: "init container setup".to_owned(),
        ..used("dmeo.tencentcloudcr.com/setup:v1")
    });
    facts.pod.references.insert(0, "partner".to_owned());
    facts.secrets.insert("partner".to_owned(), secret(false, logins(&["demo.tencentcloudcr.com/team"])));
    let credential = Some(("partner".to_owned(), "demo.tencentcloudcr.com/team".to_owned()));
    facts.answers.insert(Question { image: IMAGE.to_owned(), credential }, refused());
    facts.events = Seen::Known(vec![EventFact {
        at: Some(at(70)),
        reason: "Failed".to_owned(),
        message: "Failed to pull image \"demo.tencentcloudcr.com/team/app:v1\": 401 Unauthorized".to_owned(),
        count: 3,
    }]);
    let namespace = Some("tcr-assistant-system".to_owned());
    facts.controller = Seen::Denied(Right { verb: "get", resource: "leases.coordination.k8s.io", namespace });
    facts
}

#[test]
fn the_text_is_like_kubectl_describes_and_ends_with_what_to_do() {
    expect![[r#"
        Pod:               shop/web-1 (Pending on node-a)
        Service Account:   default, refers to tcr.ipsdemo
        Policy:            adds tcr.ipsdemo to a Pod like this one, when it is made
        Pull Secrets:      partner  for demo.tencentcloudcr.com/team
                           tcr.ipsdemo  for demo-vpc.tencentcloudcr.com, demo.tencentcloudcr.com

        Image:             demo.tencentcloudcr.com/team/app:v1
          Used by:         container app
          Registry:        demo.tencentcloudcr.com
          Asked for by:    ImagePullSecret demo, for namespaces "shop,team" and ServiceAccounts "*"
          Tried in order:  1. partner (user 100 for demo.tencentcloudcr.com/team): demo refuses it with HTTP 401
                           2. tcr.ipsdemo (user 100 for demo.tencentcloudcr.com): may pull
          Verdict:         it can be pulled
          Note:            each pull shows the credential of Secret partner in vain first (demo refuses it with HTTP 401): correct it, or take it out

        Image:             dmeo.tencentcloudcr.com/setup:v1
          Used by:         init container setup
          Registry:        dmeo.tencentcloudcr.com
          Asked for by:    <none>
          Tried in order:  no credential
          Verdict:         it will not be pulled (RegistryUnknown): no ImagePullSecret is for dmeo.tencentcloudcr.com; the nearest registry is demo.tencentcloudcr.com

        Events:
          30s    Failed  Failed to pull image "demo.tencentcloudcr.com/team/app:v1": 401 Unauthorized

        Not known:
          whether a controller runs: you may not get leases.coordination.k8s.io in namespace tcr-assistant-system

        To do: correct the image's host to demo.tencentcloudcr.com, and make the Pod again
    "#]].assert_eq(&text(&findings(&report()), at(100)));
}

#[test]
fn the_json_has_the_same_for_programs() {
    let found = serde_json::to_value(findings(&report())).unwrap();
    let image = &found["images"][0];
    assert_eq!((&found["verdict"], &image["verdict"]), (&json!("fails"), &json!("pulls")));
    assert_eq!(
        image["tries"][0]["registry"],
        json!({"answer": "refused", "reason": "demo refuses it with HTTP 401"})
    );
    assert_eq!(image["tries"][1]["registry"], json!({"answer": "pulls"}));
    assert_eq!(found["images"][1]["problem"]["reason"], json!("RegistryUnknown"));
    assert_eq!(found["events"][0]["lastSeen"], json!("2027-01-15T08:01:10Z"));
}

use expect_test::{Expect, expect};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tcr::write_limits::Kind;

use super::*;
use crate::overview::text::text;
use crate::reader::Right;

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn said(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": "2026-11-26T00:00:00Z"})
}

fn demo(ends_in: i64) -> Value {
    let ends = now() + SignedDuration::from_secs(ends_in);
    json!({
        "metadata": {"name": "demo", "generation": 2},
        "spec": {"tcr": {"instanceId": "tcr-demo0001", "region": "ap-guangzhou"}},
        "status": {
            "observedGeneration": 2, "hosts": ["demo.tencentcloudcr.com"], "tokenId": "tkn-1", "expiresAt": ends.to_string(),
            "secretsDesired": 12, "secretsSuccess": 12, "sAsDesired": 14, "sAsSuccess": 14,
            "conditions": [
                said("Ready", "True", "Ready", "12 of 12"),
                said("CredentialValid", "True", "Valid", "there is a credential"),
                said("PrivateLink", "True", "Running", "nodes resolve it"),
            ],
            "nodes": {"generation": "g", "summary": "3/3", "desired": 3, "current": 3, "silent": 0, "withholding": 0},
        },
    })
}

fn well(objects: Value) -> Facts {
    Facts {
        asked: Seen::Known(serde_json::from_value(objects).unwrap()),
        controller: Seen::Known(Controller::Leads {
            holder: "tcr-assistant-controller-manager-1".to_owned(),
            write_limits: Some(WriteLimits::InForce),
        }),
        deployment: Seen::Known(Some(Replicas { desired: 1, ready: 1 })),
        webhook: Seen::Known(Some(Replicas { desired: 2, ready: 2 })),
        agents: Seen::Known(Some(Replicas { desired: 3, ready: 3 })),
        failure_policy: Seen::Known(Some("Ignore".to_owned())),
        namespace: Seen::Known(Home::There),
    }
}

#[track_caller]
fn check(facts: &Facts, expected: Expect) {
    let report = report(facts, now());
    expected.assert_eq(&format!("ready: {}\n{}", report.ready, text(&report, now())));
}

#[test]
fn a_namespace_that_goes_is_named_and_not_its_pods() {
    let mut facts = well(json!([]));
    facts.controller = Seen::Known(Controller::Away);
    facts.deployment = Seen::Known(Some(Replicas { desired: 1, ready: 0 }));
    facts.namespace = Seen::Known(Home::Ending);
    check(
        &facts,
        expect![[r#"
        ready: false
        Controller:   none leads, 0 of 1 Pods ready
        Admission:    webhook, 2 of 2 Pods ready; while it is away Pods are admitted unchanged
        Node agents:  3 of 3 Pods ready

        There are no ImagePullSecrets: nothing is distributed.

        Not ready:
          tcr-assistant-system: this namespace is being deleted, and with it all that runs of the add-on; the ImagePullSecrets, and the webhook, references and Secrets that they led to, stay until they are removed: kubectl tcr cleanup
    "#]],
    );
    facts.namespace = Seen::Known(Home::Absent);
    facts.controller = Seen::Known(Controller::Unknown);
    facts.deployment = Seen::Known(None);
    assert!(report(&facts, now()).problems[0].message.contains("kubectl tcr cleanup"));
    // Without the custom resource there is no add-on whose namespace could be missed.
    facts.asked = Seen::Failed("the add-on is not installed".to_owned());
    assert_eq!(report(&facts, now()).problems, []);
}

#[test]
fn one_screen_says_that_all_is_well() {
    let mut own = demo(0);
    own["metadata"]["name"] = "own".into();
    own["spec"] =
        json!({"docker": {"server": "images.tencentcloudcr.com", "username": "100", "password": "p-secret"}});
    own["status"] = json!({"observedGeneration": 2, "secretsDesired": 1, "secretsSuccess": 1, "sAsDesired": 1, "sAsSuccess": 1,
        "conditions": [said("Ready", "True", "Ready", "1 of 1")]});
    check(
        &well(json!([own, demo(40 * 86_400)])),
        expect![[r#"
        ready: true
        Controller:   tcr-assistant-controller-manager-1 leads, 1 of 1 Pods ready
        Admission:    webhook, 2 of 2 Pods ready; while it is away Pods are admitted unchanged
        Node agents:  3 of 3 Pods ready

        NAME   REGISTRY                    READY   CREDENTIAL       ENDS     NAMESPACES   SERVICE-ACCOUNTS   CONFLICTS   PRIVATE-LINK   NODES
        demo   tcr-demo0001                True    longterm tkn-1   in 40d   12/12        14/14              no          Running        3/3
        own    images.tencentcloudcr.com   True    password         -        1/1          1/1                no          -              -
    "#]],
    );
    check(
        &well(json!([])),
        expect![[r#"
        ready: true
        Controller:   tcr-assistant-controller-manager-1 leads, 1 of 1 Pods ready
        Admission:    webhook, 2 of 2 Pods ready; while it is away Pods are admitted unchanged
        Node agents:  3 of 3 Pods ready

        There are no ImagePullSecrets: nothing is distributed.
    "#]],
    );
}

#[test]
fn what_is_not_ready_is_named() {
    let mut broken = demo(-5);
    broken["status"]["conditions"] = json!([
        said("Ready", "False", "CloudFailed", "CreateInstanceToken failed: correct the API credential"),
        said(
            "CredentialValid",
            "False",
            "CloudFailed",
            "CreateInstanceToken failed: correct the API credential"
        ),
        said(
            "Conflicts",
            "True",
            "ForeignSecret",
            "1 namespaces, such as shop, have a Secret of somebody else"
        ),
        said("CanPush", "True", "PushGranted", "the credential may also push"),
        said(
            "NodesResolve",
            "False",
            "EntriesShadowed",
            "1 of 3 nodes, such as node-7: other lines come first"
        ),
    ]);
    let mut behind = demo(3600);
    behind["metadata"] = json!({"name": "behind", "generation": 3});
    let mut new = demo(3600);
    new["metadata"]["name"] = "new".into();
    new["status"] = Value::Null;
    let mut facts = well(json!([broken, behind, new]));
    facts.controller = Seen::Known(Controller::Away);
    facts.deployment = Seen::Known(Some(Replicas { desired: 2, ready: 0 }));
    facts.webhook = Seen::Known(Some(Replicas { desired: 2, ready: 1 }));
    facts.agents = Seen::Known(Some(Replicas { desired: 3, ready: 2 }));
    facts.failure_policy = Seen::Known(Some("Fail".to_owned()));
    check(
        &facts,
        expect![[r#"
            ready: false
            Controller:   none leads, 0 of 2 Pods ready
            Admission:    webhook, 1 of 2 Pods ready; while it is away Pods are refused
            Node agents:  2 of 3 Pods ready

            NAME     REGISTRY       READY     CREDENTIAL       ENDS     NAMESPACES   SERVICE-ACCOUNTS   CONFLICTS   PRIVATE-LINK   NODES
            behind   tcr-demo0001   Unknown   longterm tkn-1   in 60m   12/12        14/14              no          Running        3/3
            demo     tcr-demo0001   False     longterm tkn-1   ended    12/12        14/14              yes         -              3/3
            new      tcr-demo0001   Unknown   longterm         -        0/0          0/0                no          -              -

            Not ready:
              controller: none leads: nothing is renewed or distributed; see why: kubectl -n tcr-assistant-system get pods
              controller: 0 of 2 Pods are ready; see why: kubectl -n tcr-assistant-system get pods
              webhook: 1 of 2 Pods are ready; see why: kubectl -n tcr-assistant-system get pods
              hosts-updater: 2 of 3 Pods are ready; see why: kubectl -n tcr-assistant-system get pods
              behind: the controller has not looked at its last change yet
              demo: CloudFailed: CreateInstanceToken failed: correct the API credential
              demo: its credential ended at 2027-01-15T07:59:55Z
              new: the controller has not looked at it yet

            To know:
              demo: ForeignSecret: 1 namespaces, such as shop, have a Secret of somebody else
              demo: PushGranted: the credential may also push
              demo: EntriesShadowed: 1 of 3 nodes, such as node-7: other lines come first
        "#]],
    );
}

#[test]
fn what_works_for_now_and_what_cannot_be_read_is_told() {
    let mut waiting = demo(86_400);
    waiting["status"]["conditions"][1] = said(
        "CredentialValid",
        "True",
        "SuccessorRefused",
        "the registry refuses the new one; the one before stays",
    );
    let mut facts = well(json!([waiting]));
    let limits = WriteLimits::Absent(vec![Kind::Pods, Kind::Nodes]);
    facts.controller =
        Seen::Known(Controller::Leads { holder: "a-1".to_owned(), write_limits: Some(limits) });
    let notes = report(&facts, now()).notes;
    expect![[r#"
        controller: no policies hold its writes of pods, nodes to what it writes, beyond RBAC: the chart's writeLimits.enabled brings them
        demo: SuccessorRefused: the registry refuses the new one; the one before stays"#]]
    .assert_eq(&notes.iter().map(|it| format!("{}: {}", it.about, it.message)).collect::<Vec<_>>().join("\n"));
    facts.controller = Seen::Known(Controller::Leads {
        holder: "a-1".to_owned(),
        write_limits: Some(WriteLimits::Unsupported),
    });
    expect![["no policies hold its writes to what it writes, beyond RBAC: this cluster knows none, it takes Kubernetes 1.30 or later"]]
        .assert_eq(&report(&facts, now()).notes[0].message);
    facts.controller = Seen::Denied(Right::get("leases.coordination.k8s.io", SYSTEM_NAMESPACE));
    facts.deployment = Seen::Failed("the API server did not answer within 10 s".to_owned());
    facts.webhook = Seen::Known(None);
    check(
        &facts,
        expect![[r#"
        ready: true
        Controller:   not known
        Admission:    webhook; while it is away Pods are admitted unchanged
        Node agents:  3 of 3 Pods ready

        NAME   REGISTRY       READY   CREDENTIAL       ENDS     NAMESPACES   SERVICE-ACCOUNTS   CONFLICTS   PRIVATE-LINK   NODES
        demo   tcr-demo0001   True    longterm tkn-1   in 24h   12/12        14/14              no          Running        3/3

        To know:
          demo: SuccessorRefused: the registry refuses the new one; the one before stays

        Not known:
          whether a controller leads: you may not get leases.coordination.k8s.io in namespace tcr-assistant-system
          the controller's Pods: the API server did not answer within 10 s
    "#]],
    );
}

#[test]
fn what_was_refused_is_told_object_by_object() {
    let mut object = demo(40 * 86_400);
    object["status"]["failures"] = json!([
        {"kind": "ServiceAccount", "namespacedName": "shop/argocd-manager", "message": "it is protected"},
    ]);
    let report = report(&well(json!([object])), now());
    let expected = Finding::new("demo", "cannot write ServiceAccount shop/argocd-manager: it is protected");
    assert_eq!(report.notes, [expected]);
}

//! Faults, one at a time, in an installation that is well.

use std::fmt::Write as _;

use expect_test::expect;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use serde_json::{Value, json};
use tcr::names::HOSTS_UPDATER;

use super::*;
use crate::doctor::facts::{FullQuota, HomeNamespace, NodeFacts, OwnPod, Registration, Rival, Workload};
use crate::doctor::text;
use crate::overview::report::Home;
use crate::reader::{Controller, Right};
use controller::webhook_certificate::make;
use custom_resource::{
    ImagePullSecret, ImagePullSecretStatus, NodesStatus, NotResolving, PendingCredential, WriteFailure,
};

const VERSION: &str = "1.2.3";

fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Condition {
    Condition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        observed_generation: Some(1),
        last_transition_time: Time(now()),
    }
}

fn object() -> ImagePullSecret {
    let tcr =
        json!({"instanceId": "tcr-demo0001", "region": "ap-guangzhou", "privateNetwork": {"resolve": true}});
    let spec = json!({"namespaces": "*", "tcr": tcr});
    let object = json!({"metadata": {"name": "demo", "generation": 1}, "spec": spec});
    let mut object: ImagePullSecret = serde_json::from_value(object).unwrap();
    object.status = Some(ImagePullSecretStatus {
        observed_generation: Some(1),
        conditions: vec![
            condition("Ready", "True", "Ready", ""),
            condition("CredentialValid", "True", "Valid", "there is a credential"),
            condition("Conflicts", "False", "None", ""),
            condition("PrivateLink", "True", "Running", ""),
            condition("CanPush", "False", "PullOnly", ""),
        ],
        hosts: vec!["demo.tencentcloudcr.com".to_owned()],
        secrets_desired: Some(3),
        secrets_success: Some(3),
        expires_at: Some(Time(now() + SignedDuration::from_hours(3000))),
        nodes: Some(NodesStatus { desired: 2, current: 2, ..NodesStatus::default() }),
        ..ImagePullSecretStatus::default()
    });
    object
}

fn workload(desired: i32, image: &str) -> Seen<Option<Workload>> {
    let version = Some(VERSION.to_owned());
    Seen::Known(Some(Workload {
        desired,
        ready: desired,
        version,
        image: format!("example.com/{image}:v{VERSION}"),
    }))
}

fn pod(name: &str, component: &str, node: &str) -> OwnPod {
    let text = str::to_owned;
    OwnPod { name: text(name), component: text(component), node: Some(text(node)), ready: true, waits: None }
}

fn node(name: &str, labels: &[(&str, &str)]) -> NodeFacts {
    let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    NodeFacts { name: name.to_owned(), labels }
}

/// An installation that is well.
fn well() -> Facts {
    let (pair, authority) = make("tcr-assistant-webhook-service", now()).unwrap();
    let definition = serde_json::to_value(custom_resource::definition().unwrap().spec).unwrap();
    Facts {
        now: now(),
        server_now: Some(now()),
        controller_now: Some(now()),
        version: VERSION,
        objects: Seen::Known(vec![object()]),
        definition: Seen::Known(Some(definition)),
        home: Seen::Known(HomeNamespace { home: Home::There, enforced: None }),
        controller: Seen::Known(Controller::Leads { holder: "a".to_owned(), write_limits: None }),
        deployment: workload(1, "tcr-assistant"),
        webhook: workload(2, "tcr-assistant"),
        agents: workload(2, "hosts-updater"),
        pods: Seen::Known(vec![
            pod("controller-1", "controller-manager", "n1"),
            pod("webhook-1", "webhook", "n1"),
            pod("agent-1", HOSTS_UPDATER, "n1"),
            pod("agent-2", HOSTS_UPDATER, "n2"),
        ]),
        registration: Seen::Known(Some(Registration {
            failure_policy: "Ignore".to_owned(),
            bundle: Some(authority),
        })),
        certificate: Seen::Known(Some(pair.certificate)),
        dry_run: DryRun::Patched,
        quotas: Seen::Known(Vec::new()),
        rivals: Seen::Known(Vec::new()),
        nodes: Seen::Known(vec![node("n1", &[]), node("n2", &[])]),
    }
}

fn first(facts: &mut Facts) -> &mut ImagePullSecret {
    match &mut facts.objects {
        Seen::Known(objects) => &mut objects[0],
        _ => unreachable!("they are known"),
    }
}

fn told(facts: &mut Facts) -> &mut ImagePullSecretStatus {
    first(facts).status.as_mut().unwrap()
}

fn say(facts: &mut Facts, kind: &str, status: &str, reason: &str, message: &str) {
    let conditions = &mut told(facts).conditions;
    conditions.retain(|it| it.type_ != kind);
    conditions.push(condition(kind, status, reason, message));
}

fn known<T>(seen: &mut Seen<T>) -> &mut T {
    match seen {
        Seen::Known(value) => value,
        _ => unreachable!("it is known"),
    }
}

fn fail(facts: &mut Facts, message: &str) {
    told(facts).failures = vec![WriteFailure {
        kind: "Secret".to_owned(),
        namespaced_name: "shop/tcr.ipsdemo".to_owned(),
        message: message.to_owned(),
    }];
}

type Fault = (&'static str, &'static str, fn(&mut Facts));

/// The fault, the check that finds it, and how it comes about.
const FAULTS: &[Fault] = &[
    ("the add-on is not installed", "definition", |it| it.definition = Seen::Known(None)),
    ("its namespace is being deleted", "namespace", |it| known(&mut it.home).home = Home::Ending),
    ("its namespace is gone", "namespace", |it| known(&mut it.home).home = Home::Absent),
    ("Pod security keeps the agents out", "pod-security", |it| {
        known(&mut it.home).enforced = Some("restricted".to_owned())
    }),
    ("there is no controller", "controller", |it| {
        it.deployment = Seen::Known(None);
        it.controller = Seen::Known(Controller::Unknown);
    }),
    ("the controller is scaled to nothing", "controller", |it| {
        let workload = known(&mut it.deployment).as_mut().unwrap();
        (workload.desired, workload.ready) = (0, 0);
        it.controller = Seen::Known(Controller::Away);
    }),
    ("no controller leads", "controller", |it| it.controller = Seen::Known(Controller::Away)),
    ("an own image is not pulled", "own-images", |it| {
        known(&mut it.webhook).as_mut().unwrap().ready = 1;
        let pod = &mut known(&mut it.pods)[1];
        pod.ready = false;
        pod.waits =
            Some(("ImagePullBackOff".to_owned(), "Back-off pulling image \"example.com/x\"".to_owned()));
    }),
    ("a webhook crashes", "pods", |it| {
        known(&mut it.webhook).as_mut().unwrap().ready = 1;
        let pod = &mut known(&mut it.pods)[1];
        pod.ready = false;
        pod.waits = Some(("CrashLoopBackOff".to_owned(), "back-off 5m0s".to_owned()));
    }),
    ("an agent is not ready", "pods", |it| known(&mut it.agents).as_mut().unwrap().ready = 1),
    ("the webhook is of another version", "versions", |it| {
        let workload = known(&mut it.webhook).as_mut().unwrap();
        (workload.version, workload.image) = (Some("1.2.2".to_owned()), "example.com/a:v1.2.2".to_owned());
    }),
    ("an image is of another version than the chart", "versions", |it| {
        known(&mut it.agents).as_mut().unwrap().image = "example.com:5000/hosts-updater:v1.0.0".to_owned();
    }),
    ("this program is of another version", "versions", |it| it.version = "1.3.0"),
    ("the definition is an older one", "definition-version", |it| {
        let properties = known(&mut it.definition).as_mut().unwrap();
        let schema =
            &mut properties["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"];
        schema.as_object_mut().unwrap().remove("request");
    }),
    ("this machine's clock is wrong", "clock", |it| it.now += SignedDuration::from_secs(300)),
    ("the controller's clock is wrong", "clock", |it| {
        it.controller_now = Some(now() - SignedDuration::from_secs(400))
    }),
    ("the webhook is not registered", "registration", |it| it.registration = Seen::Known(None)),
    ("nobody trusts the webhook", "ca-bundle", |it| {
        known(&mut it.registration).as_mut().unwrap().bundle = None
    }),
    ("the certificate is gone", "certificate", |it| it.certificate = Seen::Known(None)),
    ("the certificate ended", "certificate", |it| {
        let (pair, authority) = make("s", now() - SignedDuration::from_hours(24 * 400)).unwrap();
        it.certificate = Seen::Known(Some(pair.certificate));
        known(&mut it.registration).as_mut().unwrap().bundle = Some(authority);
    }),
    ("the certificate is not renewed", "certificate", |it| {
        let (pair, authority) = make("s", now() - SignedDuration::from_hours(24 * 360)).unwrap();
        it.certificate = Seen::Known(Some(pair.certificate));
        known(&mut it.registration).as_mut().unwrap().bundle = Some(authority);
    }),
    ("somebody else's authority is trusted", "certificate", |it| {
        let (_, authority) = make("s", now() - SignedDuration::from_hours(1)).unwrap();
        known(&mut it.registration).as_mut().unwrap().bundle = Some(authority);
    }),
    ("the webhook is not reached, and Pods stay as they are", "trial-pod", |it| {
        it.dry_run =
            DryRun::Unpatched { namespace: "shop".to_owned(), host: "demo.tencentcloudcr.com".to_owned() };
    }),
    ("the webhook is not reached, and Pods are refused", "trial-pod", |it| {
        let message = "Internal error occurred: failed calling webhook \"pods.mutating.tcr.tencentcloudcr.com\": failed to \
                       call webhook: Post \"https://tcr-assistant-webhook-service.tcr-assistant-system.svc:443/validate/tcr-assistant?timeout=5s\": \
                       context deadline exceeded";
        it.dry_run = DryRun::Refused { namespace: "shop".to_owned(), message: message.to_owned() };
    }),
    ("another webhook refuses every Pod", "trial-pod", |it| {
        let message =
            "Internal error occurred: failed calling webhook \"istio.example.com\": no endpoints available";
        it.dry_run = DryRun::Refused { namespace: "shop".to_owned(), message: message.to_owned() };
    }),
    ("nobody has looked at a change", "not-looked-at", |it| first(it).metadata.generation = Some(2)),
    ("a spec is wrong", "spec", |it| {
        say(
            it,
            "CredentialValid",
            "False",
            "InvalidSpec",
            "spec.tcr.region: \"gz\" is not a region such as ap-guangzhou",
        );
    }),
    ("a right is missing at Tencent Cloud", "cam-rights", |it| {
        let message = "CreateInstanceToken of tcr-demo0001 in ap-guangzhou: UnauthorizedOperation; allow the CAM action \
                       tcr:CreateInstanceToken on qcs::tcr:::instance/tcr-demo0001 for secret id AKID1 from the environment";
        say(it, "CredentialValid", "False", "CloudFailed", message);
    }),
    ("a right for private links is missing", "cam-rights", |it| {
        let message = "DescribeInternalEndpoints of tcr-demo0001 in ap-guangzhou: UnauthorizedOperation; allow the CAM action \
                       tcr:DescribeInternalEndpoints on * for secret id AKID1 from the environment";
        say(it, "PrivateLink", "False", "CloudFailed", message);
    }),
    ("there is no API credential", "credential", |it| {
        say(
            it,
            "CredentialValid",
            "False",
            "CloudFailed",
            "DescribeInstances of tcr-demo0001 in ap-guangzhou: no API credential",
        );
    }),
    ("the instance is elsewhere", "credential", |it| {
        say(
            it,
            "CredentialValid",
            "False",
            "InstanceNotFound",
            "there is no instance tcr-demo0001 in ap-guangzhou",
        );
    }),
    ("the registry refuses the credential", "credential", |it| {
        say(it, "CredentialValid", "False", "CredentialRefused", "the registry answers 401");
    }),
    ("the next credential is refused", "credential", |it| {
        say(
            it,
            "CredentialValid",
            "True",
            "SuccessorRefused",
            "another credential was made and removed again: 401",
        );
    }),
    ("a changed password is refused", "credential", |it| {
        told(it).pending_credential = Some(PendingCredential {
            version: "2/1".to_owned(),
            until: Time(now()),
            refused: "HTTP 401".to_owned(),
        });
    }),
    ("a credential ends and is not renewed", "credential-ends", |it| {
        told(it).expires_at = Some(Time(now() + SignedDuration::from_mins(5)));
    }),
    ("a credential may push", "push-scope", |it| say(it, "CanPush", "True", "PushGranted", "")),
    ("no namespace is selected", "no-namespaces", |it| told(it).secrets_desired = Some(0)),
    ("a webhook refuses our writes", "refused-writes", |it| {
        fail(it, "admission webhook \"validate.kyverno.svc-fail\" denied the request: no Secrets here");
    }),
    ("a policy refuses our writes", "refused-writes", |it| {
        fail(it, "ValidatingAdmissionPolicy 'no-secrets' with binding 'b' denied request: no Secrets here");
    }),
    ("a right in the cluster is missing", "refused-writes", |it| {
        fail(
            it,
            "secrets is forbidden: User \"system:serviceaccount:tcr-assistant-system:tcr-assistant-manager\" cannot create resource",
        );
    }),
    ("a quota is full", "quota", |it| {
        fail(it, "secrets \"tcr.ipsdemo\" is forbidden: exceeded quota: few, requested: secrets=1");
        let (namespace, name, hard) = ("shop".to_owned(), "few".to_owned(), "5".to_owned());
        it.quotas = Seen::Known(vec![FullQuota { namespace, name, hard }]);
    }),
    ("a Secret of somebody else is in the way", "foreign-secrets", |it| {
        say(
            it,
            "Conflicts",
            "True",
            "ForeignSecret",
            "1 namespaces, such as shop, have a Secret tcr.ipsdemo of somebody else",
        );
    }),
    ("somebody changes references back", "contested", |it| {
        say(
            it,
            "Conflicts",
            "True",
            "Contested",
            "1 objects are changed back again and again, such as shop/default",
        );
    }),
    ("another program writes pull secrets", "other-tools", |it| {
        it.rivals = Seen::Known(vec![Rival {
            tool: "imagepullsecret-patcher",
            does: "writes whole lists",
            to_do: "remove it",
            place: "Deployment tools/patcher".to_owned(),
        }]);
    }),
    ("a deletion does not end", "stuck-deletion", |it| {
        first(it).metadata.deletion_timestamp = Some(Time(now() - SignedDuration::from_hours(2)));
    }),
    ("there is no private link", "private-link", |it| {
        say(it, "PrivateLink", "False", "NoLink", "tcr-demo0001 has no private link to vpc-1");
    }),
    ("node agents are not installed", "no-agents", |it| {
        it.agents = Seen::Known(None);
        known(&mut it.pods).retain(|it| it.component != HOSTS_UPDATER);
    }),
    ("a node has no agent", "agents-missing", |it| known(&mut it.nodes).push(node("n3", &[]))),
    ("there are super nodes", "super-nodes", |it| {
        known(&mut it.nodes).push(node("eklet-1", &[("node.kubernetes.io/instance-type", "eklet")]));
        known(&mut it.nodes).push(node("vk-1", &[("type", "virtual-kubelet")]));
    }),
    ("there are Windows nodes", "super-nodes", |it| {
        known(&mut it.nodes).push(node("win-1", &[("kubernetes.io/os", "windows")]));
    }),
    ("a node does not ask its hosts file", "nodes-not-resolving", |it| {
        told(it).nodes.as_mut().unwrap().not_resolving = vec![NotResolving {
            reason: "HostsFileNotAsked".to_owned(),
            count: 1,
            nodes: vec!["n2".to_owned()],
        }];
    }),
    ("a node is behind", "nodes-behind", |it| told(it).nodes.as_mut().unwrap().current = 1),
    ("an agent does not answer", "nodes-behind", |it| {
        let nodes = told(it).nodes.as_mut().unwrap();
        (nodes.current, nodes.silent) = (1, 1);
    }),
    ("a private link does not answer", "links-down", |it| told(it).nodes.as_mut().unwrap().withholding = 2),
    ("an agent is not confined", "agents-unconfined", |it| told(it).nodes.as_mut().unwrap().unconfined = 1),
];

#[test]
fn of_an_installation_that_is_well_nothing_is_found() {
    let report = report(&well());
    expect![[r#"
        nothing found
        not known: whether each node's container runtime uses its hosts file: hosts-updater does not tell
    "#]]
    .assert_eq(&text::text(&report));
    assert!(report.well);
}

#[test]
fn each_fault_is_one_finding_with_what_to_do() {
    let mut all = String::new();
    for (fault, check, seed) in FAULTS {
        let mut facts = well();
        seed(&mut facts);
        let report = report(&facts);
        let by: Vec<&str> = report.findings.iter().map(|it| it.check).collect();
        assert_eq!(by, [*check], "{fault}: {:#?}", report.findings);
        let finding = &report.findings[0];
        assert!(!finding.to_do.is_empty() && !finding.place.is_empty(), "{fault}: {finding:?}");
        assert!(!text::text(&report).contains("nodes/proxy"));
        let _ = writeln!(all, "{fault}\n  {}: {}; {}", finding.place, finding.message, finding.to_do);
    }
    assert!(FAULTS.len() >= 50, "{} faults", FAULTS.len());
    expect![[r#"
        the add-on is not installed
          imagepullsecrets.tcr.tencentcloudcr.com: the cluster has no such resource: the add-on is not installed, or helm left its definition out; install the chart, or: kubectl tcr crd | kubectl apply --server-side -f -
        its namespace is being deleted
          Namespace tcr-assistant-system: it is being deleted, and with it all that runs of the add-on; take what it distributed out of the cluster too: kubectl tcr cleanup
        its namespace is gone
          Namespace tcr-assistant-system: there is none, so that nothing of the add-on runs; install the chart there, or take what is left out of the cluster: kubectl tcr cleanup
        Pod security keeps the agents out
          Namespace tcr-assistant-system: Pod security enforces restricted, which refuses hosts-updater's Pods: they need the node's /etc; kubectl label --overwrite namespace tcr-assistant-system pod-security.kubernetes.io/enforce=privileged
        there is no controller
          Deployment tcr-assistant-system/tcr-assistant-controller-manager: there is no controller; install the chart
        the controller is scaled to nothing
          Deployment tcr-assistant-system/tcr-assistant-controller-manager: it is scaled to nothing, so that nothing is renewed or distributed; kubectl -n tcr-assistant-system scale deploy/tcr-assistant-controller-manager --replicas=1
        no controller leads
          Deployment tcr-assistant-system/tcr-assistant-controller-manager: no controller leads, so that nothing is renewed or distributed; see why: kubectl -n tcr-assistant-system logs deploy/tcr-assistant-controller-manager
        an own image is not pulled
          Pod tcr-assistant-system/webhook-1: its own image is not pulled (ImagePullBackOff: Back-off pulling image "example.com/x"); put the add-on's images where nodes pull them without a TCR credential, and name that in image.repository and hostsUpdater.image.repository
        a webhook crashes
          Deployment tcr-assistant-system/tcr-assistant-webhook: 1 of 2 Pods are ready, such as webhook-1 (CrashLoopBackOff: back-off 5m0s); see why: kubectl -n tcr-assistant-system describe pods -l app.kubernetes.io/component=webhook
        an agent is not ready
          DaemonSet tcr-assistant-system/hosts-updater: 1 of 2 Pods are ready; see why: kubectl -n tcr-assistant-system describe pods -l app.kubernetes.io/component=hosts-updater
        the webhook is of another version
          Deployment tcr-assistant-system/tcr-assistant-webhook: it is of version 1.2.2, and the controller of 1.2.3; upgrade the whole chart: helm upgrade
        an image is of another version than the chart
          DaemonSet tcr-assistant-system/hosts-updater: the chart is of version 1.2.3, and its image of v1.0.0; leave the image's tag out of the values, or upgrade the chart with it
        this program is of another version
          this program: it is of version 1.3.0, and the controller of 1.2.3; use the kubectl-tcr of the controller's version: what another one says may not hold
        the definition is an older one
          imagepullsecrets.tcr.tencentcloudcr.com: the definition is of another version: spec.versions[0].schema.openAPIV3Schema.properties.status.properties.request differs; helm installs it once and never upgrades it; kubectl tcr crd | kubectl apply --server-side --force-conflicts -f -
        this machine's clock is wrong
          this machine: its clock is 300 s ahead of the API server's: ends of credentials are told wrong here; set it by NTP, or the API server's, whichever is wrong
        the controller's clock is wrong
          the controller's node: its clock is 400 s behind the API server's: beyond five minutes Tencent Cloud refuses its signatures; set it by NTP, or the API server's, whichever is wrong
        the webhook is not registered
          MutatingWebhookConfiguration tcr-assistant-mutating-webhook-configuration: there is none, so that the API server does not ask the webhook and Pods get no reference; install it again: helm upgrade
        nobody trusts the webhook
          MutatingWebhookConfiguration tcr-assistant-mutating-webhook-configuration: it has no caBundle, so that API servers trust no webhook and Pods stay without a reference; a controller that leads puts it in: see that one does, and in its log whether a policy refuses the write
        the certificate is gone
          Secret tcr-assistant-system/tcr-assistant-webhook-server-cert: there is none, so that the webhook cannot serve; a controller that leads makes it: see that one does
        the certificate ended
          Secret tcr-assistant-system/tcr-assistant-webhook-server-cert: the webhook's certificate ended at 2026-04-27T12:00:00Z, so that API servers refuse it; kubectl -n tcr-assistant-system delete secret tcr-assistant-webhook-server-cert: a controller that leads makes another one
        the certificate is not renewed
          Secret tcr-assistant-system/tcr-assistant-webhook-server-cert: the webhook's certificate ends at 2026-06-06T12:00:00Z and was not renewed, as it is after two thirds of its life; see in the controller's log why
        somebody else's authority is trusted
          Secret tcr-assistant-system/tcr-assistant-webhook-server-cert: no authority in the caBundle of tcr-assistant-mutating-webhook-configuration has signed the webhook's certificate; a controller that leads puts the right one in: see in its log why it is refused, or who changes it back
        the webhook is not reached, and Pods stay as they are
          Namespace shop: a Pod with an image of demo.tencentcloudcr.com comes back without the reference: the API server does not reach the webhook, or the policy leaves it alone; see that API servers reach the Service's Pods (security groups, NetworkPolicies, hostNetwork: true) and that policy.mode is not monitor: kubectl -n tcr-assistant-system logs deploy/tcr-assistant-webhook
        the webhook is not reached, and Pods are refused
          Namespace shop: Pods are refused: Internal error occurred: failed calling webhook "pods.mutating.tcr.tencentcloudcr.com": failed to call webhook: Post "https://tcr-assistant-webhook-service.tcr-assistant-system.svc:443/validate/tcr-assistant?timeout=5s": context deadline exceeded; see that the webhook's Pods are ready and API servers reach them (security groups, NetworkPolicies, webhook.hostNetwork): kubectl -n tcr-assistant-system logs deploy/tcr-assistant-webhook
        another webhook refuses every Pod
          Namespace shop: Pods are refused: Internal error occurred: failed calling webhook "istio.example.com": no endpoints available; mend the webhook that it names: it keeps every Pod from being created
        nobody has looked at a change
          ImagePullSecret demo: the controller has not looked at its last change; if it stays: see that one leads, and its log for a status that cannot be written
        a spec is wrong
          ImagePullSecret demo: spec.tcr.region: "gz" is not a region such as ap-guangzhou; Correct the field that the message names.
        a right is missing at Tencent Cloud
          ImagePullSecret demo: the identity that signs lacks tcr:CreateInstanceToken on qcs::tcr:::instance/tcr-demo0001; add to its CAM policy: {"action":["tcr:CreateInstanceToken"],"effect":"allow","resource":["qcs::tcr:::instance/tcr-demo0001"]}
        a right for private links is missing
          ImagePullSecret demo: the identity that signs lacks tcr:DescribeInternalEndpoints on *; add to its CAM policy: {"action":["tcr:DescribeInternalEndpoints"],"effect":"allow","resource":["*"]}
        there is no API credential
          ImagePullSecret demo: CloudFailed: DescribeInstances of tcr-demo0001 in ap-guangzhou: no API credential; Read the message: it has the action, the cloud's code and its request id.
        the instance is elsewhere
          ImagePullSecret demo: InstanceNotFound: there is no instance tcr-demo0001 in ap-guangzhou; Compare `instanceId` and `region` with the console, and the rights of the identity.
        the registry refuses the credential
          ImagePullSecret demo: CredentialRefused: the registry answers 401; Correct `spec.docker`, or make its credential valid again.
        the next credential is refused
          ImagePullSecret demo: SuccessorRefused: another credential was made and removed again: 401; Correct the credential before the present one ends.
        a changed password is refused
          ImagePullSecret demo: its changed password is not distributed, because the registry refuses it: HTTP 401; Correct `spec.docker`, or make its credential valid again.
        a credential ends and is not renewed
          ImagePullSecret demo: its credential ends at 2026-06-01T12:05:00Z; see in the controller's log why it is not renewed, or have another one made: kubectl tcr rotate NAME
        a credential may push
          ImagePullSecret demo: its credential may also push: whoever reads the Secret may change images; let the identity that signs pull only: tcr:PullRepository, and none of tcr:PushRepository or tcr:*
        no namespace is selected
          ImagePullSecret demo: it selects no namespace of this cluster (spec.namespaces is "*"); correct spec.namespaces or spec.namespaceSelector; "*" selects all
        a webhook refuses our writes
          ImagePullSecret demo: Secret shop/tcr.ipsdemo cannot be written: admission webhook "validate.kyverno.svc-fail" denied the request: no Secrets here; let the webhook that it names admit what system:serviceaccount:tcr-assistant-system:tcr-assistant-manager writes
        a policy refuses our writes
          ImagePullSecret demo: Secret shop/tcr.ipsdemo cannot be written: ValidatingAdmissionPolicy 'no-secrets' with binding 'b' denied request: no Secrets here; let the policy that it names admit what system:serviceaccount:tcr-assistant-system:tcr-assistant-manager writes
        a right in the cluster is missing
          ImagePullSecret demo: Secret shop/tcr.ipsdemo cannot be written: secrets is forbidden: User "system:serviceaccount:tcr-assistant-system:tcr-assistant-manager" cannot create resource; give the controller the rights of the chart's ClusterRole tcr-assistant-manager-role back: helm upgrade
        a quota is full
          ResourceQuota shop/few: it allows 5 Secrets, and all are taken: the pull secret is not there; raise it, or delete Secrets that nobody needs there
        a Secret of somebody else is in the way
          ImagePullSecret demo: 1 namespaces, such as shop, have a Secret tcr.ipsdemo of somebody else; Delete it, or set `spec.conflictPolicy` to adopt or overwrite.
        somebody changes references back
          ImagePullSecret demo: 1 objects are changed back again and again, such as shop/default; Have the program that the Event names leave our entries alone.
        another program writes pull secrets
          Deployment tools/patcher: imagepullsecret-patcher runs here and writes whole lists; remove it
        a deletion does not end
          ImagePullSecret demo: it is being deleted since 2026-06-01T10:00:00Z; its condition Distributed and status.failures say what is left; without a controller: kubectl tcr cleanup
        there is no private link
          ImagePullSecret demo: NoLink: tcr-demo0001 has no private link to vpc-1; Make one in the instance's access control, for the VPC that the message names.
        node agents are not installed
          DaemonSet tcr-assistant-system/hosts-updater: there is none, so that no node resolves the private links that ImagePullSecrets ask for; install it: hostsUpdater.enabled=true
        a node has no agent
          DaemonSet tcr-assistant-system/hosts-updater: 1 nodes have no agent: n3; let it run there: hostsUpdater.tolerations, nodeSelector and affinity, and room for a Pod more
        there are super nodes
          2 super nodes: nothing can be written into their hosts files, so that they do not use the private link: eklet-1, vk-1; have TCR's private DNS of the VPC serve the domains, and leave privateNetwork.resolve off
        there are Windows nodes
          1 Windows nodes: nothing can be written into their hosts files, so that they do not use the private link: win-1; have TCR's private DNS of the VPC serve the domains, and leave privateNetwork.resolve off
        a node does not ask its hosts file
          DaemonSet tcr-assistant-system/hosts-updater: HostsFileNotAsked on 1 nodes, n2: Nodes ask something else before their hosts file, or never ask it; Put `files` first in the line `hosts:` of their /etc/nsswitch.conf.
        a node is behind
          DaemonSet tcr-assistant-system/hosts-updater: 1 of 2 nodes do not carry the newest entries; see what keeps them: kubectl -n tcr-assistant-system logs -l app.kubernetes.io/component=hosts-updater --prefix
        an agent does not answer
          DaemonSet tcr-assistant-system/hosts-updater: 1 of 2 agents do not answer the controller, so that nobody knows what those nodes resolve; let the controller's Pod reach the nodes' port 19617 (security groups, NetworkPolicies), or see: kubectl -n tcr-assistant-system logs -l app.kubernetes.io/component=hosts-updater --prefix
        a private link does not answer
          DaemonSet tcr-assistant-system/hosts-updater: on 2 nodes the private link does not answer, so that they pull from the public address; open port 443 of the link's address from these nodes: security group of the link, routes and ACLs of their subnets
        an agent is not confined
          DaemonSet tcr-assistant-system/hosts-updater: on 1 nodes the agent is not confined, or does not say; leave hostsUpdater.confinement at its default, and upgrade agents of another version
    "#]].assert_eq(&all);
}

#[test]
fn a_link_that_nodes_do_not_resolve_to_is_no_fault() {
    let message = "DescribeInternalEndpoints of tcr-demo0001 in ap-guangzhou: UnauthorizedOperation; allow the CAM action \
                   tcr:DescribeInternalEndpoints on * for secret id AKID1 from the environment";
    for (status, reason, message) in
        [("Unknown", "CloudFailed", message), ("False", "NoLink", "there is no private link")]
    {
        let mut facts = well();
        first(&mut facts).spec.tcr.as_mut().unwrap().private_network.resolve = false;
        say(&mut facts, "PrivateLink", status, reason, message);
        facts.agents = Seen::Known(None);
        known(&mut facts.pods).retain(|it| it.component != HOSTS_UPDATER);
        assert_eq!(report(&facts).findings, []);
    }
}

#[test]
fn every_check_finds_one_of_the_faults() {
    let names: Vec<&str> = ALL.iter().copied().flatten().map(|it| it.name).collect();
    for name in &names {
        assert!(FAULTS.iter().any(|(_, check, _)| check == name), "no fault for {name}");
        assert_eq!(names.iter().filter(|it| *it == name).count(), 1, "{name} is twice");
    }
}

#[test]
fn what_may_not_be_read_is_named_and_is_no_finding() {
    let right = |verb, resource| Right { verb, resource, namespace: None };
    let mut facts = well();
    facts.nodes = Seen::Denied(right("list", "nodes"));
    facts.certificate = Seen::Denied(right("get", "secrets"));
    facts.dry_run = DryRun::Denied(right("create", "pods"));
    facts.quotas = Seen::Failed("cannot list resourcequotas: no whole answer within 5 s".to_owned());
    facts.server_now = None;
    let report = report(&facts);
    assert!(report.well);
    expect![[r#"
        nothing found
        not known: the webhook's certificate: you may not get secrets in the cluster
        not known: whether Pods are patched: you may not create pods in the cluster
        not known: quotas: cannot list resourcequotas: no whole answer within 5 s
        not known: nodes: you may not list nodes in the cluster
        not known: the API server's clock: it tells no date
        not known: whether each node's container runtime uses its hosts file: hosts-updater does not tell
    "#]]
    .assert_eq(&text::text(&report));
}

#[test]
fn a_fault_of_very_many_objects_is_told_a_few_times() {
    let mut facts = well();
    first(&mut facts).metadata.generation = Some(2);
    let many = vec![first(&mut facts).clone(); 500];
    facts.objects = Seen::Known(many);
    let report = report(&facts);
    assert_eq!(report.findings.len(), 10);
    assert!(report.findings[9].message.ends_with("(and 490 more like it)"), "{:?}", report.findings[9]);
}

#[test]
fn only_a_cluster_that_gives_no_answer_at_all_cannot_be_asked() {
    let mut facts = well();
    assert_eq!(facts.unreachable(), None);
    fn dead<T>() -> Seen<T> {
        Seen::Failed("cannot connect".to_owned())
    }
    (facts.objects, facts.definition, facts.home, facts.controller) = (dead(), dead(), dead(), dead());
    (facts.deployment, facts.nodes, facts.server_now) = (dead(), dead(), None);
    assert_eq!(facts.unreachable().as_deref(), Some("cannot connect"));
    facts.nodes = Seen::Denied(Right { verb: "list", resource: "nodes", namespace: None });
    assert_eq!(facts.unreachable(), None);
}

/// What an API server adds to a definition is no difference.
#[test]
fn a_definition_with_an_api_servers_defaults_is_the_same() {
    let mut facts = well();
    let there = known(&mut facts.definition).as_mut().unwrap();
    there["conversion"] = json!({"strategy": "None"});
    there["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["extra"] = Value::Null;
    assert!(report(&facts).well);
}

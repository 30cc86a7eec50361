//! What is there, and what is tried.

use base64::Engine as _;
use serde_json::{Value, json};

use super::{Creation, Deletion, Edit};
use crate::chart;

const SECRETS: &str = "tcr-assistant-secret-writes";
const ACCOUNTS: &str = "tcr-assistant-serviceaccount-writes";
const PODS: &str = "tcr-assistant-pod-writes";
const NODES: &str = "tcr-assistant-node-writes";
const WEBHOOKS: &str = "tcr-assistant-webhook-writes";
const OBJECTS: &str = "tcr-assistant-imagepullsecret-writes";
const MAPS: &str = "tcr-assistant-configmap-writes";

const FOREIGN: &str = "/api/v1/namespaces/default/secrets/foreign";
const OURS: &str = "/api/v1/namespaces/default/secrets/tcr.ipsdemo";
const TOKEN: &str = "/api/v1/namespaces/default/secrets/tcr.ipstoken";
const KEY: &str = "/api/v1/namespaces/tcr-assistant-system/secrets/tcr-assistant-cloud-credential";
const CERTIFICATE: &str = "/api/v1/namespaces/tcr-assistant-system/secrets/tcr-assistant-webhook-server-cert";
const ACCOUNT: &str = "/api/v1/namespaces/default/serviceaccounts/robot";
const AGENT: &str = "/api/v1/namespaces/tcr-assistant-system/pods/agent";
const OTHER: &str = "/api/v1/namespaces/tcr-assistant-system/pods/other";
const NODE: &str = "/api/v1/nodes/node-a";
const MUTATING: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/tcr-assistant-mutating-webhook-configuration";
const VALIDATING: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/tcr-assistant-validating-webhook-configuration";
const OBJECT: &str = "/apis/tcr.tencentcloudcr.com/v1/imagepullsecrets/demo";
const MAP: &str = "/api/v1/namespaces/tcr-assistant-system/configmaps/settings";
const UPDATER_CONFIG: &str = "/api/v1/namespaces/tcr-assistant-system/configmaps/updater-config";

const IN_DEFAULT: &str = "/api/v1/namespaces/default/secrets";
const IN_SYSTEM: &str = "/api/v1/namespaces/tcr-assistant-system/secrets";
const MAPS_IN_SYSTEM: &str = "/api/v1/namespaces/tcr-assistant-system/configmaps";

/// The objects that are there, and rights for `user` that no role of the chart has.
pub(super) fn there(user: &str) -> String {
    let secret = |namespace: &str, name: &str, kind: &str, data: Value| {
        json!({
            "apiVersion": "v1", "kind": "Secret", "type": kind, "stringData": data,
            "metadata": {"name": name, "namespace": namespace, "labels": labels()},
        })
    };
    let mut token = secret("default", "tcr.ipstoken", "kubernetes.io/service-account-token", json!({}));
    token["metadata"]["annotations"] = json!({"kubernetes.io/service-account.name": "robot"});
    let pod = |name: &str, component: &str| {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": name, "namespace": "tcr-assistant-system", "annotations": {"a": "b"},
                "labels": {"app.kubernetes.io/component": component},
            },
            "spec": {
                "nodeName": "node-a",
                "serviceAccountName": "hosts-updater", "automountServiceAccountToken": false,
                "containers": [{"name": "app", "image": "localhost/app"}],
            },
        })
    };
    chart::list([
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": "wide"},
            "rules": [{
                "apiGroups": ["", "admissionregistration.k8s.io", "tcr.tencentcloudcr.com"],
                "resources": [
                    "secrets", "serviceaccounts", "pods", "nodes", "configmaps", "imagepullsecrets",
                    "validatingwebhookconfigurations", "mutatingwebhookconfigurations",
                ],
                "verbs": ["create", "update", "patch", "delete"],
            }],
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": "wide"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "wide"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        }),
        json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "robot", "namespace": "default"},
            "imagePullSecrets": [{"name": "partner-a"}, {"name": "tcr.ipsold"}, {"name": "partner-b"}],
        }),
        secret("default", "foreign", "Opaque", json!({"a": "b"})),
        secret(
            "default",
            "tcr.ipsdemo",
            "kubernetes.io/dockerconfigjson",
            json!({".dockerconfigjson": "{}"}),
        ),
        token,
        secret("tcr-assistant-system", "tcr-assistant-cloud-credential", "Opaque", json!({"a": "b"})),
        secret(
            "tcr-assistant-system",
            "tcr-assistant-webhook-server-cert",
            "kubernetes.io/tls",
            json!({"tls.crt": "", "tls.key": ""}),
        ),
        pod("agent", "hosts-updater"),
        pod("other", "controller-manager"),
        json!({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-a"},
            "spec": {"taints": [
                {"key": "somebody.example.com/busy", "effect": "NoSchedule"},
                {"key": "tcr.tencentcloudcr.com/agent-not-ready", "effect": "NoSchedule"},
            ]},
        }),
        json!({
            "apiVersion": "tcr.tencentcloudcr.com/v1", "kind": "ImagePullSecret",
            "metadata": {
                "name": "demo", "finalizers": ["somebody.example.com/wait", "tcr.tencentcloudcr.com/cleanup"],
            },
            "spec": {
                "namespaces": "default",
                "docker": {"server": "demo.tencentcloudcr.com", "username": "u", "password": "p"},
            },
        }),
        json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "settings", "namespace": "tcr-assistant-system"}, "data": {"a": "b"},
        }),
        json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "updater-config", "namespace": "tcr-assistant-system"}, "data": {"a": "b"},
        }),
    ])
}

fn labels() -> Value {
    json!({
        "app.kubernetes.io/managed-by": "tcr-assistant",
        "tcr.tencentcloudcr.com/image-pull-secret": "demo",
    })
}

fn docker_config(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"name": name, "labels": labels()}, "stringData": {".dockerconfigjson": "{}"},
    })
}

fn opaque(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "tcr-assistant"}},
    })
}

/// Which would be all that the controller itself may do.
fn token(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
        "metadata": {
            "name": name, "labels": labels(),
            "annotations": {"kubernetes.io/service-account.name": "default"},
        },
    })
}

fn text(text: &str) -> Value {
    json!(base64::engine::general_purpose::STANDARD.encode(text))
}

/// Puts the first element of a list behind the last one.
fn turn(list: &mut Value) {
    if let Some(list) = list.as_array_mut() {
        list.rotate_left(1);
    }
}

/// Of these the policy refuses each.
pub(super) const EDITED: &[Edit] = &[
    edit(SECRETS, "somebody's Secret", FOREIGN, |it| it["data"]["a"] = text("c")),
    edit(SECRETS, "the API credential", KEY, |it| it["data"]["a"] = text("c")),
    edit(SECRETS, "a Secret with a token", TOKEN, |it| it["metadata"]["labels"]["more"] = json!("x")),
    edit(SECRETS, "whose it is", OURS, |it| {
        it["metadata"]["labels"]["app.kubernetes.io/managed-by"] = json!("somebody");
    }),
    hard(SECRETS, "without our label", OURS, |it| {
        it["metadata"]["labels"] = json!({"app.kubernetes.io/managed-by": "tcr-assistant"});
    }),
    edit(ACCOUNTS, "another reference", ACCOUNT, |it| {
        it["imagePullSecrets"] = json!([
            {"name": "partner-a"}, {"name": "mine"}, {"name": "tcr.ipsold"}, {"name": "partner-b"},
        ]);
    }),
    edit(ACCOUNTS, "without somebody's reference", ACCOUNT, |it| {
        it["imagePullSecrets"] = json!([{"name": "partner-a"}, {"name": "tcr.ipsold"}]);
    }),
    edit(ACCOUNTS, "references moved", ACCOUNT, |it| turn(&mut it["imagePullSecrets"])),
    edit(ACCOUNTS, "a reference twice", ACCOUNT, |it| {
        it["imagePullSecrets"] = json!([
            {"name": "partner-a"}, {"name": "partner-a"}, {"name": "tcr.ipsold"}, {"name": "partner-b"},
        ]);
    }),
    edit(ACCOUNTS, "its Secrets", ACCOUNT, |it| it["secrets"] = json!([{"name": "mine"}])),
    edit(ACCOUNTS, "its token", ACCOUNT, |it| it["automountServiceAccountToken"] = json!(false)),
    edit(ACCOUNTS, "its labels", ACCOUNT, |it| it["metadata"]["labels"] = json!({"a": "b"})),
    edit(ACCOUNTS, "its annotations", ACCOUNT, |it| {
        it["metadata"]["annotations"]["cloud.example.com/role"] = json!("admin");
    }),
    edit(PODS, "an image", AGENT, |it| it["spec"]["containers"][0]["image"] = json!("evil.example.com/x")),
    edit(PODS, "its end", AGENT, |it| it["spec"]["activeDeadlineSeconds"] = json!(1)),
    edit(PODS, "another annotation", AGENT, |it| it["metadata"]["annotations"]["a"] = json!("c")),
    edit(PODS, "its labels", AGENT, |it| it["metadata"]["labels"]["a"] = json!("b")),
    edit(PODS, "a finalizer", AGENT, |it| {
        it["metadata"]["finalizers"] = json!(["somebody.example.com/wait"])
    }),
    edit(PODS, "another Pod", OTHER, |it| {
        it["metadata"]["annotations"]["tcr.tencentcloudcr.com/hosts-generation"] = json!("1");
    }),
    edit(NODES, "without somebody's taint", NODE, |it| {
        it["spec"]["taints"] =
            json!([{"key": "tcr.tencentcloudcr.com/agent-not-ready", "effect": "NoSchedule"}]);
    }),
    edit(NODES, "another taint", NODE, |it| {
        it["spec"]["taints"][0]["effect"] = json!("NoExecute");
    }),
    edit(NODES, "our taint, which ends every Pod", NODE, |it| {
        it["spec"]["taints"][1]["effect"] = json!("NoExecute");
    }),
    edit(NODES, "unschedulable", NODE, |it| it["spec"]["unschedulable"] = json!(true)),
    edit(NODES, "its labels", NODE, |it| it["metadata"]["labels"]["a"] = json!("b")),
    edit(WEBHOOKS, "another Service", MUTATING, |it| {
        it["webhooks"][0]["clientConfig"]["service"]["name"] = json!("somebody");
    }),
    edit(WEBHOOKS, "another Service of a later one", VALIDATING, |it| {
        it["webhooks"][3]["clientConfig"]["service"]["namespace"] = json!("default");
    }),
    edit(WEBHOOKS, "what becomes of Pods meanwhile", MUTATING, |it| {
        it["webhooks"][0]["failurePolicy"] = json!("Fail");
    }),
    edit(WEBHOOKS, "what it is asked about", VALIDATING, |it| {
        it["webhooks"][0]["rules"][0]["resources"] = json!(["*"]);
    }),
    hard(WEBHOOKS, "without a webhook", MUTATING, |it| {
        it["webhooks"] = json!([it["webhooks"][0]]);
    }),
    hard(WEBHOOKS, "webhooks moved", MUTATING, |it| turn(&mut it["webhooks"])),
    edit(WEBHOOKS, "one more webhook", MUTATING, |it| {
        let mut more = it["webhooks"][0].clone();
        more["name"] = json!("more.example.com");
        if let Some(all) = it["webhooks"].as_array_mut() {
            all.push(more);
        }
    }),
    edit(WEBHOOKS, "its labels", VALIDATING, |it| it["metadata"]["labels"]["a"] = json!("b")),
    edit(OBJECTS, "where it is distributed", OBJECT, |it| it["spec"]["namespaces"] = json!("*")),
    edit(OBJECTS, "its registry", OBJECT, |it| it["spec"]["docker"]["server"] = json!("evil.example.com")),
    edit(OBJECTS, "its labels", OBJECT, |it| it["metadata"]["labels"]["a"] = json!("b")),
    hard(OBJECTS, "without somebody's finalizer", OBJECT, |it| {
        it["metadata"]["finalizers"] = json!(["tcr.tencentcloudcr.com/cleanup"]);
    }),
    edit(OBJECTS, "another finalizer", OBJECT, |it| {
        it["metadata"]["finalizers"] =
            json!(["somebody.example.com/wait", "tcr.tencentcloudcr.com/cleanup", "other.example.com/wait",]);
    }),
    edit(MAPS, "another ConfigMap", MAP, |it| it["data"]["a"] = json!("c")),
];

/// And these pass.
pub(super) const ALLOWED: &[Edit] = &[
    edit(SECRETS, "our Secret's content", OURS, |it| it["data"][".dockerconfigjson"] = text("{ }")),
    edit(SECRETS, "our Secret's annotation", OURS, |it| it["metadata"]["annotations"]["a"] = json!("b")),
    edit(SECRETS, "the certificate", CERTIFICATE, |it| it["data"]["ca.crt"] = text("c")),
    edit(ACCOUNTS, "one more of ours", ACCOUNT, |it| {
        it["imagePullSecrets"] = json!([
            {"name": "partner-a"}, {"name": "tcr.ipsold"}, {"name": "partner-b"}, {"name": "tcr.ipsnew"},
        ]);
    }),
    edit(ACCOUNTS, "without ours", ACCOUNT, |it| {
        it["imagePullSecrets"] = json!([{"name": "partner-a"}, {"name": "partner-b"}]);
    }),
    edit(PODS, "the newest list", AGENT, |it| {
        it["metadata"]["annotations"]["tcr.tencentcloudcr.com/hosts-generation"] = json!("1");
    }),
    edit(NODES, "without our taint", NODE, |it| {
        it["spec"]["taints"] = json!([{"key": "somebody.example.com/busy", "effect": "NoSchedule"}]);
    }),
    edit(WEBHOOKS, "the CA", MUTATING, |it| it["webhooks"][1]["clientConfig"]["caBundle"] = text("x")),
    edit(WEBHOOKS, "the CA of each", VALIDATING, |it| {
        for webhook in it["webhooks"].as_array_mut().into_iter().flatten() {
            webhook["clientConfig"]["caBundle"] = text("x");
        }
    }),
    hard(OBJECTS, "without our finalizer", OBJECT, |it| {
        it["metadata"]["finalizers"] = json!(["somebody.example.com/wait"]);
    }),
    edit(MAPS, "the list", UPDATER_CONFIG, |it| it["data"]["a"] = json!("c")),
];

/// New objects.
pub(super) const CREATED: &[Creation] = &[
    create(SECRETS, "a pull secret", IN_DEFAULT, true, || docker_config("tcr.ipsnew")),
    create(SECRETS, "a credential", IN_SYSTEM, true, || opaque("tcr-assistant-credential-tcr-1-00")),
    create(SECRETS, "the installation's key", IN_SYSTEM, true, || opaque("tcr-assistant-installation-key")),
    create(SECRETS, "a Secret of another name", IN_DEFAULT, false, || docker_config("pull-secret")),
    create(SECRETS, "a name that ends in ours", IN_DEFAULT, false, || docker_config("x.tcr.ipsnew")),
    create(SECRETS, "our own name elsewhere", IN_DEFAULT, false, || {
        opaque("tcr-assistant-credential-tcr-1-00")
    }),
    create(SECRETS, "a token of a pull secret's name", IN_DEFAULT, false, || token("tcr.ipsnew")),
    create(SECRETS, "a token of one of our own names", IN_SYSTEM, false, || {
        token("tcr-assistant-credential-tcr-1-00")
    }),
    create(SECRETS, "a token", IN_SYSTEM, false, || token("token")),
    create(SECRETS, "another type", IN_DEFAULT, false, || opaque("tcr.ipsnew")),
    create(SECRETS, "no labels", IN_DEFAULT, false, || {
        let mut secret = docker_config("tcr.ipsnew");
        secret["metadata"]["labels"] = json!({});
        secret
    }),
    create(SECRETS, "no label of an ImagePullSecret", IN_DEFAULT, false, || {
        let mut secret = docker_config("tcr.ipsnew");
        secret["metadata"]["labels"] = json!({"app.kubernetes.io/managed-by": "tcr-assistant"});
        secret
    }),
    create(
        MAPS,
        "another ConfigMap",
        MAPS_IN_SYSTEM,
        false,
        || json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}}),
    ),
];

/// Deletions.
pub(super) const DELETED: &[Deletion] = &[
    delete(OURS, true),
    // Whatever its type: it is in the way.
    delete(TOKEN, true),
    delete(FOREIGN, false),
    delete(KEY, false),
];

const fn edit(policy: &'static str, what: &'static str, path: &'static str, edit: fn(&mut Value)) -> Edit {
    Edit { policy, what, path, edit, by_apply: true }
}

/// The same of what apply cannot say.
const fn hard(policy: &'static str, what: &'static str, path: &'static str, edit: fn(&mut Value)) -> Edit {
    Edit { policy, what, path, edit, by_apply: false }
}

const fn create(
    policy: &'static str,
    what: &'static str,
    path: &'static str,
    is_allowed: bool,
    object: fn() -> Value,
) -> Creation {
    Creation { policy, what, path, object, is_allowed }
}

const fn delete(path: &'static str, is_allowed: bool) -> Deletion {
    Deletion { policy: SECRETS, path, is_allowed }
}

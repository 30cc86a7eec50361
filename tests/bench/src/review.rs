//! AdmissionReviews of chosen sizes, shaped like what an API server sends.

use serde_json::{Map, Value, json};

/// The private image that the settings map to a Secret.
const PRIVATE: &str = "demo-vpc.tencentcloudcr.com/team/app:v1";
const PUBLIC: &str = "registry.example.com/team/app:v1";

/// Images of a Pod that the policy looks at.
const LOOKED_AT: usize = 128;

/// A Pod's CREATE of about `size` bytes; the last image that is looked at is private or not.
pub(crate) fn pod(size: usize, is_private: bool) -> Vec<u8> {
    let image = if is_private { PRIVATE } else { PUBLIC };
    let containers = |count: usize| -> Vec<Value> {
        (0..count)
            .map(|index| {
                let image = if index + 1 == count.min(LOOKED_AT) { image } else { PUBLIC };
                container(index, image)
            })
            .collect()
    };
    sized(size, |count| {
        let object = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": metadata("web-7d4b9c6f5-x2x9k"),
            "spec": {
                "containers": containers(count), "serviceAccountName": "default", "serviceAccount": "default",
                "restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler",
                "terminationGracePeriodSeconds": 30, "enableServiceLinks": true, "priority": 0,
                "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}],
                "volumes": [{"name": "kube-api-access-4x8zq", "projected": {"defaultMode": 420, "sources": [
                    {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                    {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}}]}}],
            },
            "status": {},
        });
        review("", "v1", "Pod", "pods", object)
    })
}

/// A Pod's CREATE of about `size` bytes that has as many small containers as fit, each from a registry of its own.
pub(crate) fn pod_of_registries(size: usize) -> Vec<u8> {
    sized(size, |count| {
        let containers: Vec<Value> = (0..count)
            .map(|index| json!({"name": format!("c{index:05}"), "image": format!("r{index:05}.example.com/a:1")}))
            .collect();
        let object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata("web"),
            "spec": {"containers": containers, "serviceAccountName": "default"}, "status": {}});
        review("", "v1", "Pod", "pods", object)
    })
}

/// A Deployment's CREATE of about `size` bytes that repeats no Secret.
pub(crate) fn deployment(size: usize) -> Vec<u8> {
    sized(size, |count| {
        let containers: Vec<Value> = (0..count).map(|index| container(index, PRIVATE)).collect();
        let object = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata("web"),
            "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}},
                "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": containers}}},
        });
        review("apps", "v1", "Deployment", "deployments", object)
    })
}

/// Any other custom resource's CREATE of about `size` bytes.
pub(crate) fn custom_resource(size: usize) -> Vec<u8> {
    sized(size, |count| {
        let rows: Vec<Value> = (0..count).map(|index| container(index, PRIVATE)).collect();
        let object = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": metadata("w"), "spec": {"rows": rows}});
        review("example.com", "v1", "Widget", "widgets", object)
    })
}

/// Settings with `count` registries, of which one is the private image's.
pub(crate) fn settings(count: usize) -> String {
    let registries: Vec<Value> = (0..count)
        .map(|index| match index {
            0 => json!({"name": "demo", "hosts": ["demo.tencentcloudcr.com", "demo-vpc.tencentcloudcr.com"]}),
            _ => json!({"name": format!("team-{index}"),
                "hosts": [format!("team-{index}.tencentcloudcr.com"), format!("team-{index}-vpc.tencentcloudcr.com")],
                "namespaces": "team-*,!team-sandbox"}),
        })
        .collect();
    json!({"registries": registries}).to_string()
}

/// The largest review of at most `size` bytes that `make` gives for a count of at least one.
fn sized(size: usize, make: impl Fn(usize) -> Vec<u8>) -> Vec<u8> {
    let one = make(1).len();
    let each = make(2).len() - one;
    make(1 + size.saturating_sub(one) / each)
}

fn review(group: &str, version: &str, kind: &str, resource: &str, object: Value) -> Vec<u8> {
    let kind = json!({"group": group, "version": version, "kind": kind});
    let resource = json!({"group": group, "version": version, "resource": resource});
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "kind": kind, "resource": resource,
            "requestKind": kind, "requestResource": resource, "namespace": "shop", "operation": "CREATE",
            "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller",
                "groups": ["system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"]},
            "object": object, "oldObject": null, "dryRun": false,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
        },
    });
    review.to_string().into_bytes()
}

fn metadata(name: &str) -> Value {
    let labels: Map<String, Value> = [("app", "web"), ("team", "shop"), ("pod-template-hash", "7d4b9c6f5")]
        .map(|(k, v)| (k.to_owned(), v.into()))
        .into_iter()
        .collect();
    json!({"name": name, "namespace": "shop", "labels": labels, "creationTimestamp": null,
        "annotations": {"prometheus.io/scrape": "true", "checksum/config": "5f2b8e0c2d8d2a3b7c9e4f1a6d0b3c5e"}})
}

fn container(index: usize, image: &str) -> Value {
    json!({
        "name": format!("container-{index}"), "image": image, "imagePullPolicy": "IfNotPresent",
        "command": ["/app", "--listen", "0.0.0.0:8080", "--log-level", "info"],
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "env": [{"name": "REGION", "value": "ap-guangzhou"}, {"name": "MESSAGE", "value": "he said \"hello\"\n"},
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}}],
        "resources": {"limits": {"cpu": "500m", "memory": "256Mi"}, "requests": {"cpu": "100m", "memory": "128Mi"}},
        "volumeMounts": [{"name": "kube-api-access-4x8zq", "readOnly": true, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}],
        "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}},
        "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
    })
}

//! Pods that need the credential, and the reviews that an API server asks about them.

use serde_json::{Value, json};

/// The host of the credential that [`Installed`](crate::installed::Installed) has.
pub(crate) const HOST: &str = "demo.tencentcloudcr.com";

/// A Pod of about `size` bytes with a private image and a pull secret of its own, so that only the webhook can add ours:
/// Kubernetes takes a ServiceAccount's list only for Pods that bring none.
pub(crate) fn pod(namespace: &str, name: &str, size: usize) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "annotations": {}},
        "spec": {
            "imagePullSecrets": [{"name": "own"}],
            "containers": [{"name": "app", "image": format!("{HOST}/team/app:v1")}],
        },
    });
    let missing = size.saturating_sub(pod.to_string().len());
    pod["metadata"]["annotations"] = json!({"example.com/filler": "x".repeat(missing.saturating_sub(24))});
    pod
}

/// The review of such a Pod's creation.
pub(crate) fn of_pod(namespace: &str, size: usize) -> String {
    let resource = json!({"group": "", "version": "v1", "resource": "pods"});
    let kind = json!({"group": "", "version": "v1", "kind": "Pod"});
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "kind": kind, "resource": resource,
            "requestKind": kind, "requestResource": resource, "name": "web", "namespace": namespace,
            "operation": "CREATE", "userInfo": {"username": "somebody", "groups": ["system:authenticated"]},
            "object": pod(namespace, "web", size), "oldObject": null, "dryRun": false,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
        },
    });
    review.to_string()
}

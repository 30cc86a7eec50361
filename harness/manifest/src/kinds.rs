//! A kind's plural and whether it is namespaced, as the API server's discovery would tell.

/// Built-in kinds that are not in a namespace.
const CLUSTER_SCOPED: [&str; 33] = [
    "APIService",
    "CSIDriver",
    "CSINode",
    "CertificateSigningRequest",
    "ClusterRole",
    "ClusterRoleBinding",
    "ClusterTrustBundle",
    "ComponentStatus",
    "CustomResourceDefinition",
    "DeviceClass",
    "FlowSchema",
    "IPAddress",
    "IngressClass",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "MutatingWebhookConfiguration",
    "Namespace",
    "Node",
    "PersistentVolume",
    "PriorityClass",
    "PriorityLevelConfiguration",
    "ResourceSlice",
    "RuntimeClass",
    "SelfSubjectAccessReview",
    "SelfSubjectReview",
    "SelfSubjectRulesReview",
    "ServiceCIDR",
    "StorageClass",
    "SubjectAccessReview",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
    "VolumeAttachment",
];

/// Kinds of other groups that a manifest for this add-on may well contain and that are in no namespace.
const CLUSTER_SCOPED_EXTENSIONS: [(&str, &str); 3] = [
    ("tcr.tencentcloudcr.com", "ImagePullSecret"),
    ("policies.kubewarden.io", "ClusterAdmissionPolicy"),
    ("policies.kubewarden.io", "PolicyServer"),
];

/// Whether objects of the kind are in a namespace; `None` for kinds that only a cluster knows.
pub(super) fn is_namespaced(group: &str, kind: &str) -> Option<bool> {
    // Kubernetes reserves groups without a dot and those below k8s.io for itself.
    let built_in = !group.contains('.') || group.ends_with(".k8s.io");
    match CLUSTER_SCOPED_EXTENSIONS.contains(&(group, kind)) {
        true => Some(false),
        false => built_in.then(|| !CLUSTER_SCOPED.contains(&kind)),
    }
}

/// The plural name of a kind, by the rules of Kubernetes' own generators.
pub(super) fn plural(kind: &str) -> String {
    let singular = kind.to_lowercase();
    let before_y = singular.strip_suffix('y');
    match before_y {
        _ if singular == "endpoints" => singular,
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ if ["s", "x", "ch", "sh"].iter().any(|ending| singular.ends_with(ending)) => {
            format!("{singular}es")
        }
        _ => format!("{singular}s"),
    }
}

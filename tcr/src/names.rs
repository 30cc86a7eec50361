//! Every name, label and annotation that tcr-assistant reads or writes, in one list.

use crate::checksum::fnv1a;

/// API group of the custom resource.
pub const API_GROUP: &str = "tcr.tencentcloudcr.com";
/// API version of the custom resource.
pub const API_VERSION: &str = "v1";
/// Kind of the custom resource.
pub const IMAGE_PULL_SECRET_KIND: &str = "ImagePullSecret";
/// Plural name of the custom resource.
pub const IMAGE_PULL_SECRET_PLURAL: &str = "imagepullsecrets";

/// Namespace of everything that belongs to the add-on itself.
pub const SYSTEM_NAMESPACE: &str = "tcr-assistant-system";
/// Namespace of the Pods that remove entries from the nodes' hosts files during a cleanup; it is deleted
/// afterwards.
pub const CLEANUP_NAMESPACE: &str = "tcr-assistant-cleanup";
/// The controller's ServiceAccount.
pub const CONTROLLER_SERVICE_ACCOUNT: &str = "tcr-assistant-manager";
/// User name of the controller's ServiceAccount as the API server sees it.
pub const CONTROLLER_USERNAME: &str = "system:serviceaccount:tcr-assistant-system:tcr-assistant-manager";

/// Prefix of a derived Secret's name; the ImagePullSecret's name follows without a separator.
pub const SECRET_PREFIX: &str = "tcr.ips";
/// Type of a derived Secret.
pub const SECRET_TYPE: &str = "kubernetes.io/dockerconfigjson";
/// The one key of a derived Secret's data.
pub const SECRET_KEY: &str = ".dockerconfigjson";

/// Label that marks an object as ours, together with [`MANAGED_BY`].
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// Value of [`MANAGED_BY_LABEL`] on objects of ours.
pub const MANAGED_BY: &str = "tcr-assistant";
/// Label on a derived Secret that names its ImagePullSecret.
pub const IMAGE_PULL_SECRET_LABEL: &str = "tcr.tencentcloudcr.com/image-pull-secret";

/// Annotation on a derived Secret: the mark by which the installation that wrote it knows it again.
pub const MARK_ANNOTATION: &str = "tcr.tencentcloudcr.com/mark";
/// Secret of [`SYSTEM_NAMESPACE`] with the key that the marks are made with.
pub const INSTALLATION_KEY: &str = "tcr-assistant-installation-key";

/// Label, with the value `true`, on a Secret of [`SYSTEM_NAMESPACE`] whose values may be named by
/// `spec.docker.passwordSecretRef`. No other Secret is ever read for it.
pub const PASSWORD_LABEL: &str = "tcr.tencentcloudcr.com/password";
/// Label on a Secret of [`SYSTEM_NAMESPACE`] that keeps a credential of an instance; the value is the
/// instance's id.
pub const CREDENTIAL_LABEL: &str = "tcr.tencentcloudcr.com/credential";
/// Finalizer on an ImagePullSecret: all objects that it led to are removed before it is.
pub const FINALIZER: &str = "tcr.tencentcloudcr.com/cleanup";
/// Annotation on an ImagePullSecret: a request that a person makes once, with an id of its own. The answer is
/// in `status.request`.
pub const REQUEST_ANNOTATION: &str = "tcr.tencentcloudcr.com/request";
/// Lease by which one of several controllers leads.
pub const LEADER_LEASE: &str = "tcr-assistant-leader";
/// Deployment of the controller.
pub const CONTROLLER_DEPLOYMENT: &str = "tcr-assistant-controller-manager";
/// Deployment of the webhook, and its ServiceAccount.
pub const WEBHOOK_DEPLOYMENT: &str = "tcr-assistant-webhook";
/// ConfigMap with the entries for the nodes' hosts files.
pub const UPDATER_CONFIG: &str = "updater-config";
/// DaemonSet of the node agents, and the `app.kubernetes.io/component` of their Pods.
pub const HOSTS_UPDATER: &str = "hosts-updater";
/// Port on a node's address where its agent answers `GET /metrics`, unless the chart says otherwise.
pub const HOSTS_UPDATER_METRICS_PORT: u16 = 19617;
/// Annotation on [`UPDATER_CONFIG`] while the add-on is being removed: the list stays empty.
pub const HOSTS_WITHDRAWN_ANNOTATION: &str = "tcr.tencentcloudcr.com/hosts-withdrawn";
/// Annotation on a node agent's Pod with the generation of the newest list: a changed Pod makes the kubelet
/// read its ConfigMap at once.
pub const HOSTS_GENERATION_ANNOTATION: &str = "tcr.tencentcloudcr.com/hosts-generation";
/// Taint with which a node may join, so that no Pod is put there before its hosts file has the entries; the
/// controller takes it off.
pub const STARTUP_TAINT: &str = "tcr.tencentcloudcr.com/agent-not-ready";
/// Secret with the webhook's certificate.
pub const WEBHOOK_CERTIFICATE: &str = "tcr-assistant-webhook-server-cert";
/// The ValidatingWebhookConfiguration.
pub const VALIDATING_WEBHOOK: &str = "tcr-assistant-validating-webhook-configuration";
/// The MutatingWebhookConfiguration.
pub const MUTATING_WEBHOOK: &str = "tcr-assistant-mutating-webhook-configuration";
/// Annotation on [`LEADER_LEASE`]: whether policies hold the controller's writes, a
/// [`crate::write_limits::WriteLimits`].
pub const WRITE_LIMITS_ANNOTATION: &str = "tcr.tencentcloudcr.com/write-limits";

/// Annotation on a Pod: `"false"` keeps the policy's hands off it.
pub const INJECT_ANNOTATION: &str = "tcr.tencentcloudcr.com/inject";
/// Annotation by which the kubelet marks the mirror of a static Pod.
pub const MIRROR_POD_ANNOTATION: &str = "kubernetes.io/config.mirror";
/// Annotation on a ServiceAccount that limits its Pods to the Secrets it lists.
pub const ENFORCE_MOUNTABLE_SECRETS_ANNOTATION: &str = "kubernetes.io/enforce-mountable-secrets";

/// Root domain of every TCR Enterprise instance.
pub const TCR_ROOT_DOMAIN: &str = "tencentcloudcr.com";
/// Root domain of TCR's Personal Edition: `ccr.ccs.tencentyun.com`, and `hkccr.ccs...` and the like elsewhere.
pub const PERSONAL_EDITION_ROOT_DOMAIN: &str = "ccs.tencentyun.com";

/// The name of the Secret that the ImagePullSecret `name` leads to.
pub fn derived_secret_name(name: &str) -> String {
    // Joining a list of texts is a kilobyte and a half of the policy's wasm.
    let mut secret = SECRET_PREFIX.to_owned();
    secret.push_str(name);
    secret
}

/// The value of [`IMAGE_PULL_SECRET_LABEL`] on what the ImagePullSecret `name` leads to: the name
/// itself, or, because a label's value has at most 63 characters and an object's name may have
/// more, its beginning and a checksum of the whole.
pub fn image_pull_secret_label(name: &str) -> String {
    const VALUE_MAX: usize = 63;
    if name.len() <= VALUE_MAX {
        return name.to_owned();
    }
    let sum = fnv1a(name.as_bytes());
    let beginning: String = name.chars().take(VALUE_MAX - 17).collect();
    format!("{beginning}-{sum:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_leads_to_a_label_value_that_kubernetes_accepts() {
        let long = format!("{}a", "a".repeat(99));
        let other = format!("{}b", "a".repeat(99));
        assert_eq!(image_pull_secret_label("demo"), "demo");
        assert_eq!(image_pull_secret_label(&"a".repeat(63)), "a".repeat(63));
        assert_eq!(image_pull_secret_label(&long).len(), 63);
        assert_ne!(image_pull_secret_label(&long), image_pull_secret_label(&other));
        assert_eq!(crate::object_name::label_value_problem(&image_pull_secret_label(&long)), None);
    }
}

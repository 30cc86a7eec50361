//! The DaemonSet that removes entries on each node. Pure.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Node, PodSpec};
use serde_json::{Value, json};
use tcr::names::{CLEANUP_NAMESPACE, HOSTS_UPDATER, MANAGED_BY, MANAGED_BY_LABEL};

/// The label of its Pods.
const COMPONENT: (&str, &str) = ("app.kubernetes.io/component", "hosts-remover");

/// Settings of the installed agents.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Installed {
    pub(super) image: Option<String>,
    pub(super) image_pull_secrets: Vec<String>,
    se_linux_options: Value,
}

impl Installed {
    /// Reads them from the agents' DaemonSet.
    pub(super) fn of(agents: &DaemonSet) -> Self {
        let pod = agents.spec.as_ref().and_then(|spec| spec.template.spec.clone()).unwrap_or_default();
        let PodSpec { containers, image_pull_secrets, security_context, .. } = pod;
        let container = containers.into_iter().find(|it| it.name == HOSTS_UPDATER);
        Self {
            image: container.and_then(|it| it.image),
            image_pull_secrets: image_pull_secrets.into_iter().flatten().map(|it| it.name).collect(),
            se_linux_options: security_context
                .and_then(|it| serde_json::to_value(it.se_linux_options).ok())
                .into(),
        }
    }
}

/// Whether a node has a hosts file of its own: super nodes have none.
pub(super) fn is_ordinary(node: &Node) -> bool {
    let labels = node.metadata.labels.as_ref();
    let label = |key: &str| labels.and_then(|labels| labels.get(key)).map(String::as_str);
    label("node.kubernetes.io/instance-type") != Some("eklet") && label("type") != Some("virtual-kubelet")
}

/// The image that was asked for, else the installed one, else the one that most nodes have.
pub(super) fn choose_image(asked: Option<&str>, installed: &Installed, nodes: &[Node]) -> Result<String> {
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    let images = nodes.iter().filter_map(|node| node.status.as_ref()?.images.as_ref()).flatten();
    for name in images.flat_map(|image| image.names.iter().flatten()) {
        let repository = name.split(['@', ':']).next().unwrap_or_default();
        // A tag is readable; a digest may no longer be in the registry that it was pulled from.
        if repository.ends_with(&format!("/{HOSTS_UPDATER}")) && !name.contains('@') {
            *found.entry(name).or_default() += 1;
        }
    }
    let usual = found.into_iter().max_by_key(|(_, nodes)| *nodes).map(|(name, _)| name.to_owned());
    asked.map(str::to_owned).or_else(|| installed.image.clone()).or(usual).context(
        "cannot tell which image to run on the nodes: hosts-updater is not installed any more, and no node says that it \
         has its image: name it with --image (and --image-pull-secret)",
    )
}

/// A DaemonSet whose Pods remove the entries and end. Restarted Pods find nothing to do.
pub(super) fn daemon_set(image: &str, image_pull_secrets: &[String], installed: &Installed) -> DaemonSet {
    let labels = json!({MANAGED_BY_LABEL: MANAGED_BY, COMPONENT.0: COMPONENT.1});
    let secrets: Vec<Value> = image_pull_secrets.iter().map(|name| json!({"name": name})).collect();
    let container = json!({
        "name": "hosts-remover",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/hosts-updater"],
        "args": ["--remove", "--hosts-file=/host/etc/hosts"],
        // The Pod's status then tells why it failed.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "resources": {
            "requests": {"cpu": "10m", "memory": "16Mi"},
            "limits": {"cpu": "100m", "memory": "32Mi"},
        },
        "securityContext": {
            "runAsUser": 0, "runAsGroup": 0, "privileged": false, "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            // As for the agent itself.
            "capabilities": {"drop": ["ALL"], "add": ["CHOWN", "DAC_OVERRIDE", "FOWNER"]},
        },
        "volumeMounts": [{"name": "etc", "mountPath": "/host/etc"}],
    });
    // With SELinux a confined process may not replace the node's hosts file.
    let se_linux = match &installed.se_linux_options {
        Value::Null => json!({"type": "spc_t"}),
        installed => installed.clone(),
    };
    let security = json!({"seccompProfile": {"type": "RuntimeDefault"}, "seLinuxOptions": se_linux});
    let object = json!({
        "metadata": {"name": "hosts-remover", "namespace": CLEANUP_NAMESPACE, "labels": labels},
        "spec": {
            "selector": {"matchLabels": {COMPONENT.0: COMPONENT.1}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "automountServiceAccountToken": false,
                    "enableServiceLinks": false,
                    // Works where the Pod network is broken too.
                    "hostNetwork": true,
                    "dnsPolicy": "Default",
                    "priorityClassName": "system-node-critical",
                    "terminationGracePeriodSeconds": 1,
                    "nodeSelector": {"kubernetes.io/os": "linux"},
                    "tolerations": [{"operator": "Exists"}],
                    "imagePullSecrets": secrets,
                    "securityContext": security,
                    "containers": [container],
                    "volumes": [{"name": "etc", "hostPath": {"path": "/etc", "type": "Directory"}}],
                },
            },
        },
    });
    serde_json::from_value(object).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(labels: Value, images: &[&str]) -> Node {
        let images: Vec<Value> = images.iter().map(|name| json!({"names": [name], "sizeBytes": 1})).collect();
        serde_json::from_value(
            json!({"metadata": {"name": "n", "labels": labels}, "status": {"images": images}}),
        )
        .unwrap()
    }

    #[test]
    fn the_image_is_the_one_asked_for_else_the_installed_else_what_most_nodes_have() {
        let nodes = [
            node(json!({}), &["r.example.com/old/hosts-updater:v1", "r.example.com/app:v1"]),
            node(json!({}), &["r.example.com/hosts-updater:v2", "r.example.com/hosts-updater@sha256:ab"]),
            node(json!({}), &["r.example.com/hosts-updater:v2"]),
        ];
        let installed =
            Installed { image: Some("r.example.com/hosts-updater:v3".to_owned()), ..Installed::default() };
        let image =
            |asked, installed: &Installed, nodes: &[Node]| choose_image(asked, installed, nodes).unwrap();
        assert_eq!(image(Some("mine:v4"), &installed, &nodes), "mine:v4");
        assert_eq!(image(None, &installed, &nodes), "r.example.com/hosts-updater:v3");
        assert_eq!(image(None, &Installed::default(), &nodes), "r.example.com/hosts-updater:v2");
        let error = choose_image(None, &Installed::default(), &[node(json!({}), &["r.example.com/app:v1"])]);
        assert!(error.unwrap_err().to_string().contains("--image"));
    }

    #[test]
    fn super_nodes_have_no_hosts_file() {
        assert!(is_ordinary(&node(json!({"node.kubernetes.io/instance-type": "S5.MEDIUM4"}), &[])));
        assert!(!is_ordinary(&node(json!({"node.kubernetes.io/instance-type": "eklet"}), &[])));
    }

    #[test]
    fn the_pods_go_to_every_node_and_may_do_no_more_than_the_agent() {
        let agents = json!({
            "metadata": {"name": "hosts-updater"},
            "spec": {"selector": {}, "template": {"spec": {
                "imagePullSecrets": [{"name": "regcred"}],
                "securityContext": {"seLinuxOptions": {"type": "own_t"}},
                "containers": [{"name": "hosts-updater", "image": "r.example.com/hosts-updater:v3"}],
            }}},
        });
        let installed = Installed::of(&serde_json::from_value(agents).unwrap());
        assert_eq!(installed.image_pull_secrets, ["regcred"]);
        let made = serde_json::to_value(daemon_set("i:1", &["regcred".to_owned()], &installed)).unwrap();
        let pod = &made["spec"]["template"]["spec"];
        assert_eq!(pod["tolerations"], json!([{"operator": "Exists"}]));
        assert_eq!(pod["securityContext"]["seLinuxOptions"]["type"], "own_t");
        assert_eq!(pod["imagePullSecrets"], json!([{"name": "regcred"}]));
        let container = &pod["containers"][0];
        assert_eq!(container["args"], json!(["--remove", "--hosts-file=/host/etc/hosts"]));
        assert_eq!(
            container["securityContext"]["capabilities"]["add"],
            json!(["CHOWN", "DAC_OVERRIDE", "FOWNER"])
        );
    }
}

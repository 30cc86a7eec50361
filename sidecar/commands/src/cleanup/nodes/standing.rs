//! The progress of each node. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ContainerState, Node, Pod};
use kube::ResourceExt as _;

/// The progress of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Its hosts file has no entries of ours.
    Done,
    /// It is not ready, and why.
    Away(String),
    /// It is ready and has not finished, and why.
    Waits(String),
}

impl Standing {
    /// Why it has not finished.
    pub(super) fn why(&self) -> Option<&str> {
        match self {
            Self::Done => None,
            Self::Away(why) | Self::Waits(why) => Some(why),
        }
    }
}

/// The progress of each node, by the Pod on it.
pub(super) fn standing(nodes: &[Node], pods: &[Pod]) -> BTreeMap<String, Standing> {
    let on = |name: &str| {
        let is_there =
            |pod: &&Pod| pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()) == Some(name);
        pods.iter().find(is_there)
    };
    let one = |node: &Node| {
        let name = node.name_any();
        let standing = match on(&name).map(ended) {
            Some(Ok(())) => Standing::Done,
            other => {
                let why = other.and_then(Result::err).unwrap_or_else(|| "no Pod is on it yet".to_owned());
                match not_ready(node) {
                    Some(not_ready) => Standing::Away(format!("the node is not ready: {not_ready}")),
                    None => Standing::Waits(why),
                }
            }
        };
        (name, standing)
    };
    nodes.iter().map(one).collect()
}

/// Whether the Pod has succeeded once; else why not.
fn ended(pod: &Pod) -> Result<(), String> {
    let statuses = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
    let Some(status) = statuses.and_then(|all| all.first()) else {
        return Err("its Pod was not started yet".to_owned());
    };
    let states = || status.state.iter().chain(&status.last_state);
    let ends = || states().filter_map(|state| state.terminated.as_ref());
    if ends().any(|end| end.exit_code == 0) {
        return Ok(());
    }
    if let Some(end) = ends().next() {
        let message = end.message.clone().or_else(|| end.reason.clone()).unwrap_or_default();
        return Err(format!("hosts-updater --remove ended with {}: {}", end.exit_code, message.trim()));
    }
    let waiting = states().find_map(|ContainerState { waiting, .. }| waiting.as_ref());
    Err(waiting.map_or_else(
        || "its Pod runs".to_owned(),
        |waiting| {
            let text = |it: &Option<String>| it.clone().unwrap_or_default();
            format!("its Pod waits: {} {}", text(&waiting.reason), text(&waiting.message))
                .trim_end()
                .to_owned()
        },
    ))
}

fn not_ready(node: &Node) -> Option<String> {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    let ready = conditions.into_iter().flatten().find(|it| it.type_ == "Ready");
    match ready {
        Some(ready) if ready.status == "True" => None,
        Some(ready) => Some(ready.message.clone().unwrap_or_else(|| "it does not say why".to_owned())),
        None => Some("it never was".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::{Value, json};

    use super::*;

    fn node(name: &str, ready: &str) -> Node {
        let condition =
            json!({"type": "Ready", "status": ready, "message": "kubelet stopped posting node status."});
        serde_json::from_value(json!({"metadata": {"name": name}, "status": {"conditions": [condition]}}))
            .unwrap()
    }

    fn pod(node: &str, state: Value, last: Value) -> Pod {
        let status = json!({
            "name": "hosts-remover", "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": state, "lastState": last,
        });
        serde_json::from_value(json!({
            "metadata": {"name": format!("on-{node}")},
            "spec": {"nodeName": node, "containers": []},
            "status": {"containerStatuses": [status]},
        }))
        .unwrap()
    }

    #[test]
    fn a_node_is_done_once_its_pod_has_ended_well_and_its_absence_is_told_apart_from_a_failure() {
        let nodes = [
            node("ended", "True"),
            node("ended-before", "True"),
            node("failed", "True"),
            node("pulls", "True"),
            node("runs", "True"),
            node("new", "True"),
            node("gone", "Unknown"),
            node("gone-but-done", "Unknown"),
        ];
        let end = |code: i32, message: &str| json!({"terminated": {"exitCode": code, "message": message}});
        let waiting = |reason: &str| json!({"waiting": {"reason": reason, "message": "denied"}});
        let pods = [
            pod("ended", end(0, ""), json!({})),
            pod("ended-before", waiting("CrashLoopBackOff"), end(0, "")),
            pod("failed", waiting("CrashLoopBackOff"), end(1, "error: /host/etc is read-only\n")),
            pod("pulls", waiting("ErrImagePull"), json!({})),
            pod("runs", json!({"running": {}}), json!({})),
            pod("gone-but-done", end(0, ""), json!({})),
        ];
        let told: Vec<String> =
            standing(&nodes, &pods).into_iter().map(|(node, it)| format!("{node}: {it:?}")).collect();
        expect![[r#"
            ended: Done
            ended-before: Done
            failed: Waits("hosts-updater --remove ended with 1: error: /host/etc is read-only")
            gone: Away("the node is not ready: kubelet stopped posting node status.")
            gone-but-done: Done
            new: Waits("no Pod is on it yet")
            pulls: Waits("its Pod waits: ErrImagePull denied")
            runs: Waits("its Pod runs")"#]]
        .assert_eq(&told.join("\n"));
    }
}

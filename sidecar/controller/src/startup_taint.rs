//! The taint that a node may join with. It is removed once the node's hosts file has the entries, so that the
//! node's first Pod can resolve the registry.
//!
//! The node's provider sets it, because only the node's creation is early enough. Nodes are read one at a
//! time, when their agent has the list: they are large, and change all the time.

use k8s_openapi::api::core::v1::{Node, Taint};
use kube::Api;
use kube::api::PatchParams;
use serde_json::{Value, json};
use tcr::names::STARTUP_TAINT;

use super::agent::DEADLINE;
use super::execute::json_patch;
use kubernetes::api_error::{ApiError, within};

/// Removes the taint from the node; returns whether it had the taint. A node that is gone has none.
pub(super) async fn remove(nodes: &Api<Node>, name: &str) -> Result<bool, ApiError> {
    let Some(node) = within(DEADLINE, nodes.get_opt(name)).await? else { return Ok(false) };
    let taints = node.spec.and_then(|spec| spec.taints).unwrap_or_default();
    let edits = without_taint(&taints);
    if edits.is_empty() {
        return Ok(false);
    }
    within(DEADLINE, nodes.patch(name, &PatchParams::default(), &json_patch(edits)?)).await?;
    Ok(true)
}

/// The list is atomic, and other controllers remove their taints at the same time: each edit tests what was
/// read.
fn without_taint(taints: &[Taint]) -> Vec<Value> {
    // From the end, so that the remaining indices stay valid.
    let ours = taints.iter().enumerate().rev().filter(|(_, taint)| taint.key == STARTUP_TAINT);
    let edits = ours.flat_map(|(index, taint)| {
        let path = format!("/spec/taints/{index}");
        [json!({"op": "test", "path": path, "value": taint}), json!({"op": "remove", "path": path})]
    });
    edits.collect()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[track_caller]
    fn check(taints: &[(&str, &str)], expected: Expect) {
        let taints: Vec<Taint> = taints
            .iter()
            .map(|(key, effect)| Taint {
                key: (*key).to_owned(),
                effect: (*effect).to_owned(),
                ..Taint::default()
            })
            .collect();
        let edits = without_taint(&taints);
        let edits: Vec<String> = edits.iter().map(Value::to_string).collect();
        expected.assert_eq(&edits.join("\n"));
    }

    #[test]
    fn only_our_taint_goes_whatever_its_effect() {
        check(&[], expect![""]);
        check(&[("node.kubernetes.io/not-ready", "NoSchedule")], expect![""]);
        check(
            &[
                (STARTUP_TAINT, "NoSchedule"),
                ("node.cilium.io/agent-not-ready", "NoExecute"),
                (STARTUP_TAINT, "NoExecute"),
            ],
            expect![[r#"
                {"op":"test","path":"/spec/taints/2","value":{"effect":"NoExecute","key":"tcr.tencentcloudcr.com/agent-not-ready"}}
                {"op":"remove","path":"/spec/taints/2"}
                {"op":"test","path":"/spec/taints/0","value":{"effect":"NoSchedule","key":"tcr.tencentcloudcr.com/agent-not-ready"}}
                {"op":"remove","path":"/spec/taints/0"}"#]],
        );
    }
}

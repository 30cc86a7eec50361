//! Private links, the nodes that shall use them, and those that cannot.

use std::collections::BTreeSet;

use custom_resource::NodesStatus;
use custom_resource::condition::{ConditionReason, ConditionType};
use tcr::names::{HOSTS_UPDATER, SYSTEM_NAMESPACE};

use super::super::facts::{Facts, NodeFacts};
use super::{Check, Found, condition, name, objects, resolves, status};

pub(super) const CHECKS: &[Check] = &[
    Check { name: "private-link", about: "Private links that are asked for are resolved.", run: link },
    Check {
        name: "no-agents",
        about: "Node agents are installed where private links are resolved.",
        run: not_installed,
    },
    Check { name: "agents-missing", about: "Every node that can have an agent has one.", run: missing },
    Check { name: "super-nodes", about: "No super node has to use a private link.", run: super_nodes },
    Check { name: "nodes-behind", about: "Every node carries the newest entries.", run: behind },
    Check { name: "links-down", about: "Private links answer from every node.", run: down },
    Check { name: "agents-unconfined", about: "Node agents are confined.", run: unconfined },
];

/// Nodes that a finding names.
const MOST_NAMED: usize = 5;
/// Reasons for which nothing is wrong, or nothing yet.
const NO_FAULT: [ConditionReason; 4] = [
    ConditionReason::Running,
    ConditionReason::PrivateDNSAlreadyServes,
    ConditionReason::AddressChanged,
    ConditionReason::Pending,
];

fn agents() -> String {
    format!("DaemonSet {SYSTEM_NAMESPACE}/{HOSTS_UPDATER}")
}

fn link(facts: &Facts) -> Vec<Found> {
    // Where nodes do not resolve to it, nothing depends on it.
    let found = objects(facts).filter(|object| resolves(object)).filter_map(|object| {
        let said = condition(object, ConditionType::PrivateLink)?;
        let reason = ConditionReason::of(&said.reason)?;
        // A right that is missing is told by its own check.
        let told = said.message.contains("allow the CAM action");
        (said.status != "True" && !NO_FAULT.contains(&reason) && !told)
            .then(|| Found::new(name(object), format!("{reason}: {}", said.message), reason.action()))
    });
    found.collect()
}

fn not_installed(facts: &Facts) -> Vec<Found> {
    match facts.agents.known() {
        Some(None) if objects(facts).any(resolves) => Found::alone(
            agents(),
            "there is none, so that no node resolves the private links that ImagePullSecrets ask for",
            "install it: hostsUpdater.enabled=true",
        ),
        _ => Vec::new(),
    }
}

fn named(nodes: &[&str]) -> String {
    let more = nodes.len().saturating_sub(MOST_NAMED);
    let names = nodes.iter().take(MOST_NAMED).copied().collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{names} and {more} more") } else { names }
}

fn missing(facts: &Facts) -> Vec<Found> {
    let (Some(nodes), Some(pods), Some(Some(_))) =
        (facts.nodes.known(), facts.pods.known(), facts.agents.known())
    else {
        return Vec::new();
    };
    let with: BTreeSet<&str> =
        pods.iter().filter(|it| it.component == HOSTS_UPDATER).filter_map(|it| it.node.as_deref()).collect();
    let is_windows = |it: &NodeFacts| it.labels.get("kubernetes.io/os").is_some_and(|os| os != "linux");
    let can = nodes.iter().filter(|it| !it.is_super() && !is_windows(it));
    let without: Vec<&str> = can.map(|it| it.name.as_str()).filter(|it| !with.contains(it)).collect();
    if without.is_empty() {
        return Vec::new();
    }
    Found::alone(
        agents(),
        format!("{} nodes have no agent: {}", without.len(), named(&without)),
        "let it run there: hostsUpdater.tolerations, nodeSelector and affinity, and room for a Pod more",
    )
}

fn super_nodes(facts: &Facts) -> Vec<Found> {
    let supers = facts.nodes.known().into_iter().flatten().filter(|it| it.is_super());
    let supers: Vec<&str> = supers.map(|it| it.name.as_str()).collect();
    if supers.is_empty() || !objects(facts).any(resolves) {
        return Vec::new();
    }
    Found::alone(
        format!("{} super nodes", supers.len()),
        format!(
            "nothing can be written into their hosts files, so that they do not use the private link: {}",
            named(&supers)
        ),
        "have TCR's private DNS of the VPC serve the domains, and leave privateNetwork.resolve off",
    )
}

/// What is told of the nodes: the same on every object that asks for entries.
fn told(facts: &Facts) -> Option<&NodesStatus> {
    objects(facts).flat_map(status).find_map(|it| it.nodes.as_ref())
}

fn pods() -> String {
    format!("kubectl -n {SYSTEM_NAMESPACE} logs -l app.kubernetes.io/component={HOSTS_UPDATER} --prefix")
}

fn behind(facts: &Facts) -> Vec<Found> {
    let Some(nodes) = told(facts) else { return Vec::new() };
    let silent = (nodes.silent > 0).then(|| {
        Found::new(
            agents(),
            format!("{} of {} agents do not answer the controller, so that nobody knows what those nodes resolve", nodes.silent, nodes.desired),
            "let the controller's Pod reach the nodes' port 19617 (security groups, NetworkPolicies), or see: ".to_owned() + &pods(),
        )
    });
    let late = nodes.desired - nodes.current - nodes.silent;
    let late = (late > 0).then(|| {
        Found::new(
            agents(),
            format!("{late} of {} nodes do not carry the newest entries", nodes.desired),
            format!("see what keeps them: {}", pods()),
        )
    });
    silent.into_iter().chain(late).collect()
}

fn down(facts: &Facts) -> Vec<Found> {
    let withholding = told(facts).map_or(0, |it| it.withholding);
    if withholding == 0 {
        return Vec::new();
    }
    Found::alone(
        agents(),
        format!(
            "on {withholding} nodes the private link does not answer, so that they pull from the public address"
        ),
        "open port 443 of the link's address from these nodes: security group of the link, routes and ACLs of their subnets",
    )
}

fn unconfined(facts: &Facts) -> Vec<Found> {
    let unconfined = told(facts).map_or(0, |it| it.unconfined);
    if unconfined == 0 {
        return Vec::new();
    }
    Found::alone(
        agents(),
        format!("on {unconfined} nodes the agent is not confined, or does not say"),
        "leave hostsUpdater.confinement at its default, and upgrade agents of another version",
    )
}

//! Private links, the nodes that are to use them, and those that cannot.

use std::collections::BTreeSet;

use custom_resource::condition::{ConditionReason, ConditionType};
use custom_resource::{NodesStatus, NotResolving};
use tcr::names::{HOSTS_UPDATER, SYSTEM_NAMESPACE};

use super::super::check::{Check, Found, condition, name, objects, resolves, status};
use super::super::facts::{Facts, NodeFacts};

pub(super) const CHECKS: &[Check] = &[
    Check { name: "private-link", about: "Private links that are asked for are resolved.", run: link },
    Check {
        name: "no-agents",
        about: "Node agents are installed where private links are resolved.",
        run: not_installed,
    },
    Check { name: "agents-missing", about: "Every node that can have an agent has one.", run: missing },
    Check {
        name: "super-nodes",
        about: "No super node and no Windows node has to use a private link.",
        run: without_hosts_file,
    },
    Check { name: "nodes-behind", about: "Every node carries the newest entries.", run: behind },
    Check {
        name: "nodes-not-resolving",
        about: "Nothing on the nodes keeps their entries from being used.",
        run: not_resolving,
    },
    Check { name: "links-down", about: "Private links answer from every node.", run: down },
    Check { name: "agents-unconfined", about: "Node agents are confined.", run: unconfined },
];

/// Nodes that a finding names.
const MOST_NAMED: usize = 5;
/// Reasons that are no fault, or none yet.
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
    // Where nodes do not resolve to a link, nothing depends on it.
    let found = objects(facts).filter(|object| resolves(object)).filter_map(|object| {
        let said = condition(object, ConditionType::PrivateLink)?;
        let reason = ConditionReason::of(&said.reason)?;
        // A missing right is reported by another check.
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

fn is_windows(node: &NodeFacts) -> bool {
    node.labels.get("kubernetes.io/os").is_some_and(|os| os != "linux")
}

fn without_hosts_file(facts: &Facts) -> Vec<Found> {
    if !objects(facts).any(resolves) {
        return Vec::new();
    }
    type IsOfKind = fn(&NodeFacts) -> bool;
    let kinds: [(&str, IsOfKind); 2] = [("super", NodeFacts::is_super), ("Windows", is_windows)];
    let found = kinds.into_iter().filter_map(|(kind, is_of_kind)| {
        let nodes = facts.nodes.known().into_iter().flatten().filter(|it| is_of_kind(it));
        let nodes: Vec<&str> = nodes.map(|it| it.name.as_str()).collect();
        (!nodes.is_empty()).then(|| {
            Found::new(
                format!("{} {kind} nodes", nodes.len()),
                format!(
                    "nothing can be written into their hosts files, so that they do not use the private link: {}",
                    named(&nodes)
                ),
                "have TCR's private DNS of the VPC serve the domains, and leave privateNetwork.resolve off",
            )
        })
    });
    found.collect()
}

fn not_resolving(facts: &Facts) -> Vec<Found> {
    let told = told(facts).into_iter().flat_map(|nodes| &nodes.not_resolving);
    let found = told.filter_map(|NotResolving { reason, count, nodes }| {
        let said = ConditionReason::of(reason)?;
        // A link that does not answer is reported by another check, with its effect on pulls.
        if said == ConditionReason::LinkUnanswered && told_withholding(facts) > 0 {
            return None;
        }
        let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
        let more = usize::try_from(*count).unwrap_or_default().saturating_sub(nodes.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let message = format!("{reason} on {count} nodes, {}{more}: {}", nodes.join(", "), said.meaning());
        Some(Found::new(agents(), message.trim_end_matches('.'), said.action()))
    });
    found.collect()
}

/// The state of the nodes: the same on every object that asks for entries.
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

fn told_withholding(facts: &Facts) -> i64 {
    told(facts).map_or(0, |it| it.withholding)
}

fn down(facts: &Facts) -> Vec<Found> {
    let withholding = told_withholding(facts);
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

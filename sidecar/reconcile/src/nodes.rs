//! How many nodes have the list of hosts entries.

use std::collections::BTreeMap;

use custom_resource::condition::ConditionReason;
use custom_resource::{NodesStatus, NotResolving};
use tcr::exposition::{Exposition, Metric};

/// The progress of the nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nodes {
    /// The generation of the list.
    pub generation: String,
    /// Nodes that are to have it.
    pub desired: usize,
    /// Nodes that have it.
    pub current: usize,
    /// Nodes whose agent did not answer.
    pub silent: usize,
    /// Nodes that leave entries out, because the link does not answer from them.
    pub withholding: usize,
    /// Agents that are configured not to answer the controller.
    pub unasked: usize,
    /// Nodes whose agent is confined by seccomp alone.
    pub by_seccomp: usize,
    /// Nodes whose agent is not confined, or does not say.
    pub unconfined: usize,
    /// Nodes that do not resolve the entries, by reason.
    pub faults: BTreeMap<Fault, Affected>,
}

/// Nodes of one fault that are named.
const MOST_NAMED: usize = 5;

/// Why a node does not resolve the entries, in the order in which conditions name the faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Its hosts file cannot be written.
    ReadOnly,
    /// Entries are per VPC, and the node's VPC is unknown, ambiguous or without entries.
    WithoutNetwork,
    /// Its resolver does not read the hosts file, or asks another source first.
    NotAsked,
    /// Other lines of its hosts file for the same names come first.
    Shadowed,
    /// The link's address does not answer from the node.
    LinkDown,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 5] =
        [Self::ReadOnly, Self::WithoutNetwork, Self::NotAsked, Self::Shadowed, Self::LinkDown];

    /// The reason for conditions.
    pub const fn reason(self) -> ConditionReason {
        match self {
            Self::ReadOnly => ConditionReason::HostsFileReadOnly,
            Self::WithoutNetwork => ConditionReason::NodeNetworkUnknown,
            Self::NotAsked => ConditionReason::HostsFileNotAsked,
            Self::Shadowed => ConditionReason::EntriesShadowed,
            Self::LinkDown => ConditionReason::LinkUnanswered,
        }
    }
}

/// The nodes of one fault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Affected {
    /// Their number.
    pub count: usize,
    /// The first few by name.
    pub named: Vec<String>,
}

impl Affected {
    /// Adds a node, with its name where that is known. To be called in the order of names.
    pub fn add(&mut self, node: Option<&str>) {
        self.count += 1;
        if self.named.len() < MOST_NAMED {
            self.named.extend(node.map(str::to_owned));
        }
    }
}

impl Nodes {
    /// The counts for a custom resource's status.
    pub fn status(&self) -> NodesStatus {
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let is_unknown = self.unasked > 0 && self.current == 0;
        let current = if is_unknown { "?".to_owned() } else { self.current.to_string() };
        let weaker = [(self.by_seccomp, "by seccomp alone"), (self.unconfined, "unconfined")];
        let weaker = weaker.iter().filter(|(number, _)| *number > 0);
        let weaker: String = weaker.map(|(number, how)| format!(", {number} {how}")).collect();
        let not_resolving = self.faults.iter().map(|(fault, Affected { count: number, named })| {
            NotResolving { reason: fault.reason().to_string(), count: count(*number), nodes: named.clone() }
        });
        NodesStatus {
            not_resolving: not_resolving.collect(),
            generation: self.generation.clone(),
            summary: format!("{current}/{}{weaker}", self.desired),
            by_seccomp: count(self.by_seccomp),
            unconfined: count(self.unconfined),
            desired: count(self.desired),
            current: count(self.current),
            silent: count(self.silent),
            withholding: count(self.withholding),
        }
    }

    /// The counts in Prometheus' text format.
    pub fn metrics(&self) -> String {
        let mut text = Exposition::default();
        for (metric, value) in [
            (&DESIRED, self.desired),
            (&CURRENT, self.current),
            (&SILENT, self.silent),
            (&WITHHOLDING, self.withholding),
            (&BY_SECCOMP, self.by_seccomp),
            (&UNCONFINED, self.unconfined),
        ] {
            text.value(metric, value);
        }
        let mut faults = text.metric(&NOT_RESOLVING);
        for fault in Fault::ALL {
            let count = self.faults.get(&fault).map_or(0, |affected| affected.count);
            faults.sample(&[("reason", fault.reason().as_str())], count);
        }
        text.into_text()
    }
}

const DESIRED: Metric =
    Metric::gauge("tcr_assistant_nodes_desired", "Nodes that shall have the list of hosts entries.");
const CURRENT: Metric = Metric::gauge("tcr_assistant_nodes_current", "Nodes that have the newest list.");
const SILENT: Metric = Metric::gauge("tcr_assistant_nodes_silent", "Nodes whose agent did not answer.");
const WITHHOLDING: Metric = Metric::gauge(
    "tcr_assistant_nodes_withholding",
    "Nodes that leave entries out: their link does not answer.",
);
const BY_SECCOMP: Metric = Metric::gauge(
    "tcr_assistant_nodes_confined_by_seccomp",
    "Nodes whose agent is confined by seccomp alone: their kernel has no Landlock.",
);
const UNCONFINED: Metric =
    Metric::gauge("tcr_assistant_nodes_unconfined", "Nodes whose agent is not confined, or does not say.");

const NOT_RESOLVING: Metric = Metric::gauge(
    "tcr_assistant_nodes_not_resolving",
    "Nodes that do not resolve what they shall, by the reason, as their agents tell.",
);

/// What is counted of nodes, in the order of the text.
pub const METRICS: &[Metric] =
    &[DESIRED, CURRENT, SILENT, WITHHOLDING, BY_SECCOMP, UNCONFINED, NOT_RESOLVING];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_reads_how_many_nodes_there_are_whether_they_may_be_asked_and_what_confines_them() {
        let nodes = Nodes { desired: 3, current: 2, silent: 1, ..Nodes::default() };
        assert_eq!(nodes.status().summary, "2/3");
        let nodes = Nodes { desired: 3, unasked: 3, ..Nodes::default() };
        assert_eq!(nodes.status().summary, "?/3");
        let nodes = Nodes { desired: 9, current: 9, by_seccomp: 2, unconfined: 1, ..Nodes::default() };
        assert_eq!(nodes.status().summary, "9/9, 2 by seccomp alone, 1 unconfined");
    }

    #[test]
    fn of_many_nodes_that_do_not_resolve_the_first_are_named_and_all_are_counted() {
        let mut nodes = Nodes::default();
        for number in 0..1000 {
            nodes.faults.entry(Fault::Shadowed).or_default().add(Some(&format!("node-{number}")));
        }
        nodes.faults.entry(Fault::ReadOnly).or_default().add(None);
        let told: Vec<String> = nodes
            .status()
            .not_resolving
            .iter()
            .map(|it| format!("{} {} {}", it.reason, it.count, it.nodes.join(",")))
            .collect();
        assert_eq!(told, ["HostsFileReadOnly 1 ", "EntriesShadowed 1000 node-0,node-1,node-2,node-3,node-4"]);
        let metrics = nodes.metrics();
        assert!(metrics.contains("not_resolving{reason=\"EntriesShadowed\"} 1000\n"), "{metrics}");
        assert!(metrics.contains("not_resolving{reason=\"HostsFileNotAsked\"} 0\n"), "{metrics}");
    }
}

//! How far the nodes are with the list of hosts entries, in numbers.

use custom_resource::NodesStatus;
use tcr::exposition::{Exposition, Metric};

/// How far the nodes are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nodes {
    /// Generation of the list.
    pub generation: String,
    /// Nodes that shall have it.
    pub desired: usize,
    /// Nodes that have it.
    pub current: usize,
    /// Nodes whose agent did not answer.
    pub silent: usize,
    /// Nodes that leave entries out, because the link does not answer them.
    pub withholding: usize,
    /// Agents that answer nobody, because they are told not to.
    pub unasked: usize,
    /// Nodes whose agent is confined by seccomp alone.
    pub by_seccomp: usize,
    /// Nodes whose agent is not confined, or does not say.
    pub unconfined: usize,
}

impl Nodes {
    /// For a custom resource's status.
    pub fn status(&self) -> NodesStatus {
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let is_unknown = self.unasked > 0 && self.current == 0;
        let current = if is_unknown { "?".to_owned() } else { self.current.to_string() };
        let weaker = [(self.by_seccomp, "by seccomp alone"), (self.unconfined, "unconfined")];
        let weaker = weaker.iter().filter(|(number, _)| *number > 0);
        let weaker: String = weaker.map(|(number, how)| format!(", {number} {how}")).collect();
        NodesStatus {
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

    /// In Prometheus' text format.
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

/// What is counted of nodes, in the order of the text.
pub const METRICS: &[Metric] = &[DESIRED, CURRENT, SILENT, WITHHOLDING, BY_SECCOMP, UNCONFINED];

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
}

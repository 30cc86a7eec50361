//! The results of the agent's work, for logs, probes and metrics.

use std::net::IpAddr;

use tcr::exposition::Exposition;

use crate::confine::Confinement;
use crate::hosts_file::Mode;
use crate::link::Standing;
use crate::message::Message;
use crate::names::{Names, State};
use crate::network::Network;
use crate::resolver::{Conflict, Conflicts};

/// The state after a pass, and what has happened since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Generation of the list that the file carries, as `HostsList::generation` has it; none before
    /// the first time.
    pub generation: Option<String>,
    /// Lines in our block.
    pub entries: usize,
    /// How the file was last written since the start.
    pub mode: Option<Mode>,
    /// There has been no list yet: nothing is to be written.
    pub awaits_list: bool,
    /// Why the list in the ConfigMap is not the one in the file.
    pub list_problem: Option<Message>,
    /// Why the file does not carry the list.
    pub file_problem: Option<Message>,
    /// Why changes are found by the slow re-check only.
    pub watch_problem: Option<Message>,
    /// Why the metrics are not served.
    pub metrics_problem: Option<Message>,
    /// Which VPC the node is in.
    pub network: Network,
    /// Why the node has none of the entries that are for one VPC, where there are such entries.
    pub network_problem: Option<Message>,
    /// The states of the names in the list.
    pub names: Names,
    /// Why programs on the node do not ask its hosts file.
    pub lookup_problem: Option<Message>,
    /// The hosts file cannot be written on this node.
    pub is_read_only: bool,
    /// Lines of others for names of the list.
    pub conflicts: Conflicts,
    /// Entries of the list that the file does not have, because their address does not answer.
    pub withheld: usize,
    /// The addresses of private links.
    pub links: Vec<(IpAddr, Standing)>,
    /// The confinement of the process.
    pub confinement: Confinement,
    /// Probes of links that had no answer.
    pub failed_probes: u64,
    /// Looks at list and file.
    pub passes: u64,
    /// Times that the file was replaced.
    pub writes: u64,
    /// Times that it could not be.
    pub write_failures: u64,
    /// Times that another program had changed or removed the block.
    pub foreign_changes: u64,
}

impl Report {
    /// Why the node is not as the list says; none when it is.
    pub fn unready(&self) -> Option<&str> {
        match (&self.list_problem, &self.file_problem) {
            (Some(problem), _) | (None, Some(problem)) => Some(problem.as_str()),
            (None, None) if self.generation.is_none() && !self.awaits_list => {
                Some("the first pass is not over")
            }
            (None, None) => None,
        }
    }

    fn links_down(&self) -> usize {
        self.links.iter().filter(|(_, standing)| *standing != Standing::Up).count()
    }

    /// The metrics in Prometheus' text format.
    pub fn metrics(&self) -> String {
        let mode = self.mode.map_or(String::new(), |mode| mode.to_string());
        let info = [
            ("version", env!("CARGO_PKG_VERSION")),
            ("generation", self.generation.as_deref().unwrap_or("")),
            ("mode", &mode),
            ("vpc_id", self.network.vpc_id().unwrap_or("")),
            ("confinement", &self.confinement.to_string()),
        ];
        let flag = |is: bool| u64::from(is);
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let mut text = Exposition::default();
        text.metric(&metrics::INFO).sample(&info, 1);
        for (metric, value) in [
            (&metrics::READY, flag(self.unready().is_none())),
            (&metrics::LIST_GOOD, flag(self.list_problem.is_none())),
            (&metrics::WATCHING, flag(self.watch_problem.is_none())),
            (&metrics::ENTRIES, count(self.entries)),
            (&metrics::CONFLICTS, count(self.conflicts.count)),
            (&metrics::WITHHELD_ENTRIES, count(self.withheld)),
            (&metrics::LINKS_DOWN, count(self.links_down())),
            (&metrics::READ_ONLY, flag(self.is_read_only)),
            (&metrics::WITHOUT_NETWORK, flag(self.network_problem.is_some())),
            (&metrics::CONFINED, flag(self.confinement != Confinement::None)),
            (&metrics::FAILED_PROBES, self.failed_probes),
            (&metrics::PASSES, self.passes),
            (&metrics::WRITES, self.writes),
            (&metrics::WRITE_FAILURES, self.write_failures),
            (&metrics::FOREIGN_CHANGES, self.foreign_changes),
        ] {
            text.value(metric, value);
        }
        let mut names = text.metric(&metrics::NAMES);
        for state in State::ALL {
            names.sample(&[("state", state.as_str())], self.names.count(state));
        }
        let mut unused = text.metric(&metrics::UNUSED_NAME);
        for (domain, state) in &self.names.told {
            unused.sample(&[("domain", domain), ("state", state.as_str())], 1);
        }
        text.into_text()
    }

    /// The differences from `before`, as lines for the log.
    pub fn news(&self, before: &Report) -> Vec<String> {
        let mut news = Vec::new();
        for (what, now, then) in [
            ("list", &self.list_problem, &before.list_problem),
            ("hosts file", &self.file_problem, &before.file_problem),
            ("watch", &self.watch_problem, &before.watch_problem),
            ("metrics", &self.metrics_problem, &before.metrics_problem),
            ("network", &self.network_problem, &before.network_problem),
            ("lookup", &self.lookup_problem, &before.lookup_problem),
        ] {
            match (now, then) {
                (Some(problem), then) if Some(problem) != then.as_ref() => news.push(match what {
                    "list" => format!("{problem}; the last good entries stay"),
                    _ => problem.to_string(),
                }),
                (None, Some(_)) => news.push(format!("the {what}'s problem is over")),
                _ => {}
            }
        }
        if let Network::Vpc(vpc_id) = &self.network
            && self.network != before.network
        {
            news.push(format!("this node is in {vpc_id}"));
        }
        if self.awaits_list && !before.awaits_list {
            news.push("there is no list yet: nothing is done to the hosts file".to_owned());
        }
        for (address, standing) in &self.links {
            let then = before.links.iter().find(|(other, _)| other == address).map(|(_, then)| then);
            if then == Some(standing) {
                continue;
            }
            match (standing, then) {
                (Standing::Untried, _) => {
                    news.push(format!("the link at {address} does not answer; its entries wait for it"));
                }
                (Standing::Down, _) => news.push(format!("the link at {address} does not answer any more")),
                (Standing::Up, Some(_)) => news.push(format!("the link at {address} answers")),
                (Standing::Up, None) => {}
            }
        }
        if self.foreign_changes > before.foreign_changes {
            news.push("somebody else had changed or removed the block".to_owned());
        }
        if self.writes > before.writes {
            let mode = self.mode.map_or(String::new(), |mode| format!(", by {mode}"));
            let generation = self.generation.as_deref().unwrap_or("none");
            news.push(format!("wrote the block: entries {}, generation {generation}{mode}", self.entries));
        }
        if self.conflicts != before.conflicts {
            let Conflicts { first, count } = &self.conflicts;
            for Conflict { line, ip, domain } in first {
                news.push(format!(
                    "line {line} also gives {domain} the address {ip}: resolvers return both; remove that line"
                ));
            }
            if *count > first.len() {
                news.push(format!("{} more lines give listed names other addresses", count - first.len()));
            }
        }
        news
    }
}

pub mod metrics;
#[cfg(test)]
mod tests;

//! The nodes' agents and their progress: which agents to ask, which Pods to annotate and which nodes are
//! ready. It has no client and no clock.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use kube::runtime::watcher::Event;
use tcr::backoff::Backoff;

use crate::agent::{Agent, Answer, Confinement};
use private_link::networks::NodeVpcs;
use reconcile::nodes::{Affected, Fault, Nodes};

/// The wait while nodes do not have the list.
const BEHIND: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
/// The wait while all nodes have the list.
const SETTLED: Duration = Duration::from_secs(120);
/// The rounds in which Pods of nodes without the list are annotated again: a kubelet that saw the annotation
/// before the new ConfigMap has read the old one. A node may lack the list for another reason, so this ends.
const NUDGED_AGAIN: RangeInclusive<u32> = 3..=5;

/// The agents, and what is known of them.
#[derive(Debug)]
pub(super) struct Agents {
    /// By the name of their Pod.
    agents: BTreeMap<String, Agent>,
    /// Agents in a list that is not complete.
    listing: BTreeMap<String, Agent>,
    /// Agents whose node has no start-up taint any more.
    released: BTreeSet<String>,
    /// The VPC of each node, by its agent's last answer.
    vpc_ids: BTreeMap<String, String>,
    /// The list in the ConfigMap: empty while there is none, and none before it is known.
    generation: Option<String>,
    due: Instant,
    /// Rounds since the list changed.
    round: u32,
    /// Rounds in a row in which nodes did not have the list.
    behind: u32,
    told: Option<Nodes>,
}

/// Pods to annotate, so that their kubelets read the ConfigMap at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Nudge {
    pub(super) pods: Vec<String>,
    /// The annotation: the generation and, if it is set again, a full stop and the number of the round.
    pub(super) annotation: String,
}

/// The result of a round of answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Round {
    pub(super) nudges: Vec<Nudge>,
    /// Agents whose node has the list, each with its node, which may have the start-up taint.
    pub(super) ready: Vec<(String, String)>,
    nodes: Nodes,
}

impl Agents {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            agents: BTreeMap::new(),
            listing: BTreeMap::new(),
            released: BTreeSet::new(),
            vpc_ids: BTreeMap::new(),
            generation: None,
            due: now + BEHIND.wait(0),
            round: 0,
            behind: 0,
            told: None,
        }
    }

    /// When the agents are asked next.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// The list changed. Returns the Pods to annotate, all at once: no node has the new list yet.
    pub(super) fn list_changed(&mut self, generation: Option<String>, now: Instant) -> Option<Nudge> {
        self.generation = generation;
        (self.due, self.round, self.behind) = (now, 0, 0);
        self.unaware(|_| true)
    }

    /// Agents, of those that `is_meant` picks, whose Pods do not name the list.
    fn unaware(&self, is_meant: impl Fn(&str) -> bool) -> Option<Nudge> {
        let generation = self.generation.as_ref().filter(|generation| !generation.is_empty())?;
        let unaware =
            self.agents.iter().filter(|(name, agent)| !agent.has_heard_of(generation) && is_meant(name));
        let pods: Vec<String> = unaware.map(|(name, _)| name.clone()).collect();
        (!pods.is_empty()).then(|| Nudge { pods, annotation: generation.clone() })
    }

    /// Takes in an event of a Pod. An agent that may answer now is asked soon.
    pub(super) fn pod_changed(&mut self, event: Event<Pod>, now: Instant) {
        if self.take_in(event) {
            self.behind = 0;
            self.due = self.due.min(now + BEHIND.wait(0));
        }
    }

    /// Takes in an event of a Pod; returns whether other agents are to be asked.
    fn take_in(&mut self, event: Event<Pod>) -> bool {
        match event {
            Event::Apply(pod) => {
                let Some((name, agent)) = Agent::of(&pod) else { return false };
                let before = self.agents.insert(name, agent.clone());
                before.is_none_or(|before| {
                    before.address != agent.address || before.is_running != agent.is_running
                })
            }
            Event::Delete(pod) => {
                let name = pod.metadata.name.unwrap_or_default();
                self.released.remove(&name);
                self.vpc_ids.remove(&name);
                self.agents.remove(&name).is_some()
            }
            Event::Init => {
                self.listing.clear();
                false
            }
            Event::InitApply(pod) => {
                self.listing.extend(Agent::of(&pod));
                false
            }
            Event::InitDone => {
                self.agents = std::mem::take(&mut self.listing);
                self.released.retain(|name| self.agents.contains_key(name));
                self.vpc_ids.retain(|name, _| self.agents.contains_key(name));
                true
            }
        }
    }

    /// Begins a round. Returns the agents to ask; none before the list is known.
    pub(super) fn begin(&mut self, now: Instant) -> Option<Vec<(String, Agent)>> {
        if self.generation.is_none() {
            self.due = now + SETTLED;
            return None;
        }
        self.round += 1;
        Some(self.agents.iter().map(|(name, agent)| (name.clone(), agent.clone())).collect())
    }

    /// The VPCs that nodes are in, including these answers.
    pub(super) fn vpcs(&mut self, answers: &BTreeMap<String, Answer>) -> NodeVpcs {
        let told = answers.iter().filter_map(|(name, answer)| Some((name.clone(), answer.vpc_id.clone()?)));
        self.vpc_ids.extend(told.filter(|(name, _)| self.agents.contains_key(name)));
        NodeVpcs {
            vpc_ids: self.vpc_ids.values().cloned().collect(),
            is_complete: !self.agents.is_empty()
                && self.agents.keys().all(|name| self.vpc_ids.contains_key(name)),
        }
    }

    /// The result of these answers of the agents that were asked. `desired` is the number of nodes that
    /// should have an agent, where the DaemonSet tells it.
    pub(super) fn answered(
        &self,
        asked: &[(String, Agent)],
        answers: &BTreeMap<String, Answer>,
        desired: Option<usize>,
    ) -> Round {
        let generation = self.generation.as_deref().unwrap_or_default();
        let unasked = asked.iter().filter(|(_, agent)| !agent.is_asked).count();
        let confined = |how: Confinement| answers.values().filter(|answer| answer.confinement == how).count();
        let nodes = Nodes {
            generation: generation.to_owned(),
            desired: desired.unwrap_or(asked.len()),
            current: answers.values().filter(|answer| answer.generation == generation).count(),
            silent: asked.len() - answers.len() - unasked,
            withholding: answers.values().filter(|answer| answer.withheld > 0).count(),
            unasked,
            by_seccomp: confined(Confinement::Seccomp),
            unconfined: confined(Confinement::None),
            faults: faults(asked, answers),
        };
        let is_current = |name: &str| answers.get(name).is_some_and(|it| it.generation == generation);
        let mut nudges = Vec::from_iter(self.unaware(|name| !is_current(name)));
        if NUDGED_AGAIN.contains(&self.round) && !generation.is_empty() {
            let behind = answers.iter().filter(|(_, answer)| answer.generation != generation);
            let pods: Vec<String> = behind.map(|(name, _)| name.clone()).collect();
            let annotation = format!("{generation}.{}", self.round);
            nudges.extend((!pods.is_empty()).then_some(Nudge { pods, annotation }));
        }
        // Without a list a node is ready as soon as its agent answers.
        let has_list = |name: &str| answers.contains_key(name) && (generation.is_empty() || is_current(name));
        let ready = asked.iter().filter(|(name, _)| has_list(name) && !self.released.contains(name));
        let ready = ready.filter_map(|(name, agent)| Some((name.clone(), agent.node.clone()?))).collect();
        Round { nudges, ready, nodes }
    }

    /// Ends a round, after which the nodes of `released` have no taint. Returns the progress if it changed.
    pub(super) fn finish(
        &mut self,
        round: Round,
        released: Option<Vec<String>>,
        now: Instant,
    ) -> Option<Nodes> {
        let Round { ready, nodes, .. } = round;
        let all_released = released.as_ref().is_none_or(|released| released.len() == ready.len());
        self.released.extend(released.into_iter().flatten());
        let is_settled = all_released
            && (nodes.current == nodes.desired || self.agents.values().all(|agent| !agent.is_asked));
        (self.due, self.behind) = match is_settled {
            true => (now + SETTLED, 0),
            false => (now + BEHIND.wait(self.behind), self.behind.saturating_add(1)),
        };
        let is_new = !nodes.generation.is_empty() && self.told.as_ref() != Some(&nodes);
        is_new.then(|| self.told.insert(nodes).clone())
    }
}

/// Nodes that do not resolve the entries, by reason.
fn faults(asked: &[(String, Agent)], answers: &BTreeMap<String, Answer>) -> BTreeMap<Fault, Affected> {
    let answers = asked.iter().filter_map(|(name, agent)| Some((agent.node.as_deref(), answers.get(name)?)));
    let mut answers: Vec<(Option<&str>, &Answer)> = answers.filter(|(_, it)| !it.faults.is_empty()).collect();
    // Sorted by node, so that the same nodes are named each time: the status must not change with the Pods'
    // names.
    answers.sort_by_key(|(node, _)| *node);
    let mut faults: BTreeMap<Fault, Affected> = BTreeMap::new();
    for (node, answer) in answers {
        for fault in &answer.faults {
            faults.entry(*fault).or_default().add(node);
        }
    }
    faults
}

#[cfg(test)]
mod tests;

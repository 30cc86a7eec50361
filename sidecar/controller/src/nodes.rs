//! How far the nodes are: follows their agents, makes kubelets look at a changed ConfigMap at once, and
//! finds out which nodes carry its list.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use tcr::names::{HOSTS_UPDATER, SYSTEM_NAMESPACE};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::agent::{self, AT_A_TIME, Agent, Confinement, DEADLINE, ask, nudge};
use super::startup_taint;
use super::tasks::Tasks;
use kubernetes::api_error::within;
use reconcile::input::LinkEvent;
use reconcile::nodes::Nodes;

/// The wait while nodes are behind: from, to.
const BEHIND: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// The wait while all nodes have the list.
const SETTLED: Duration = Duration::from_secs(120);
/// Which rounds of asking tell those again that are behind: a kubelet that was told before it had seen the new
/// ConfigMap has looked at the old one. A node may also be behind for another reason, so there is an end to it.
const AGAIN: RangeInclusive<u32> = 3..=5;

/// Starts the task that follows `generation`, the list in the ConfigMap: empty while there is none, and none before
/// that is known.
pub(super) fn start(
    client: &Client,
    generation: watch::Receiver<Option<String>>,
    remove_startup_taint: bool,
    events: mpsc::Sender<LinkEvent>,
    tasks: &Tasks,
) {
    let http = match agent::http() {
        Ok(http) => http,
        Err(error) => {
            tracing::error!(%error, "cannot ask the nodes' agents");
            return;
        }
    };
    let follower = Follower {
        pods: Api::namespaced(client.clone(), SYSTEM_NAMESPACE),
        sets: Api::namespaced(client.clone(), SYSTEM_NAMESPACE),
        nodes: remove_startup_taint.then(|| Api::all(client.clone())),
        http,
        generation,
        events,
        agents: BTreeMap::new(),
        listing: BTreeMap::new(),
        released: BTreeSet::new(),
    };
    tasks.spawn_endless("the follower of nodes", follower.run());
}

struct Follower {
    pods: Api<Pod>,
    sets: Api<DaemonSet>,
    /// Where the start-up taint is to be taken off.
    nodes: Option<Api<Node>>,
    http: reqwest::Client,
    generation: watch::Receiver<Option<String>>,
    events: mpsc::Sender<LinkEvent>,
    /// By the names of their Pods.
    agents: BTreeMap<String, Agent>,
    /// Those of a list that is not over.
    listing: BTreeMap<String, Agent>,
    /// Agents whose node has no start-up taint any more.
    released: BTreeSet<String>,
}

impl Follower {
    async fn run(mut self) {
        let config =
            watcher::Config::default().labels(&format!("app.kubernetes.io/component={HOSTS_UPDATER}"));
        let mut events = Box::pin(watcher(self.pods.clone(), config).default_backoff());
        let mut pause = BEHIND.0;
        let mut due = Instant::now() + pause;
        let mut last = None;
        let mut round = 0;
        loop {
            tokio::select! {
                changed = self.generation.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    // Everybody at once: each is a step behind.
                    self.nudge(|_| true).await;
                    (pause, due, round) = (BEHIND.0, Instant::now(), 0);
                }
                event = events.next() => match event {
                    Some(Ok(event)) => {
                        if self.see(event) {
                            (pause, due) = (BEHIND.0, due.min(Instant::now() + BEHIND.0));
                        }
                    }
                    Some(Err(error)) => {
                        tracing::warn!(error = %kubernetes::api_error::innermost(&error), "the watch of the nodes' agents broke off; it goes on");
                    }
                    None => return,
                },
                () = tokio::time::sleep_until(due) => {
                    let Some(generation) = self.generation.borrow_and_update().clone() else {
                        due = Instant::now() + SETTLED;
                        continue;
                    };
                    round += 1;
                    let (nodes, all_released) = self.ask(&generation, round).await;
                    let is_settled = all_released
                        && (nodes.current == nodes.desired || self.agents.values().all(|agent| !agent.is_asked));
                    due = Instant::now() + if is_settled { SETTLED } else { pause };
                    pause = if is_settled { BEHIND.0 } else { (pause * 2).min(BEHIND.1) };
                    if !generation.is_empty() && last.as_ref() != Some(&nodes) {
                        if self.events.send(LinkEvent::Nodes(nodes.clone())).await.is_err() {
                            return;
                        }
                        last = Some(nodes);
                    }
                }
            }
        }
    }

    /// Takes a Pod in; whether that changes whom to ask.
    fn see(&mut self, event: Event<Pod>) -> bool {
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
                true
            }
        }
    }

    /// Names the list on the Pods of the agents that have not heard of it, of those that `is_meant` picks.
    async fn nudge(&mut self, is_meant: impl Fn(&str) -> bool) {
        let generation = self.generation.borrow_and_update().clone().unwrap_or_default();
        if generation.is_empty() {
            return;
        }
        let meant =
            self.agents.iter().filter(|(name, agent)| !agent.has_heard_of(&generation) && is_meant(name));
        let names: Vec<String> = meant.map(|(name, _)| name.clone()).collect();
        nudge(&self.pods, names, &generation).await;
    }

    /// Asks every agent; nudges those that are behind or do not say. Also tells whether no node waits for its start-up
    /// taint to be taken off.
    async fn ask(&mut self, generation: &str, round: u32) -> (Nodes, bool) {
        let agents: Vec<(String, Agent)> =
            self.agents.iter().map(|(name, agent)| (name.clone(), agent.clone())).collect();
        let answers = ask(&self.http, &agents).await;
        let unasked = agents.iter().filter(|(_, agent)| !agent.is_asked).count();
        let scheduled = within(DEADLINE, self.sets.get_opt(HOSTS_UPDATER)).await.ok().flatten();
        let scheduled = scheduled.and_then(|set| set.status).map(|status| status.desired_number_scheduled);
        let desired = scheduled.and_then(|count| usize::try_from(count).ok()).unwrap_or(agents.len());
        let is_behind = |name: &str| answers.get(name).is_none_or(|it| it.generation != generation);
        let confined = |how: Confinement| answers.values().filter(|answer| answer.confinement == how).count();
        let nodes = Nodes {
            generation: generation.to_owned(),
            desired,
            current: answers.values().filter(|answer| answer.generation == generation).count(),
            silent: agents.len() - answers.len() - unasked,
            withholding: answers.values().filter(|answer| answer.withheld > 0).count(),
            unasked,
            by_seccomp: confined(Confinement::Seccomp),
            unconfined: confined(Confinement::None),
        };
        self.nudge(is_behind).await;
        if AGAIN.contains(&round) && !generation.is_empty() {
            let behind = answers.iter().filter(|(_, answer)| answer.generation != generation);
            let names = behind.map(|(name, _)| name.clone()).collect();
            nudge(&self.pods, names, &format!("{generation}.{round}")).await;
        }
        // Without a list there is nothing to wait for but the agent.
        let has_list = |name: &String| {
            answers.get(name).is_some_and(|it| it.generation == generation || generation.is_empty())
        };
        let ready = agents.iter().filter(|(name, _)| has_list(name) && !self.released.contains(name));
        let ready: Vec<(String, String)> =
            ready.filter_map(|(name, agent)| Some((name.clone(), agent.node.clone()?))).collect();
        (nodes, self.release(ready).await)
    }

    /// Takes the start-up taint off the nodes of these agents; whether that is done.
    async fn release(&mut self, ready: Vec<(String, String)>) -> bool {
        let Some(nodes) = &self.nodes else { return true };
        let count = ready.len();
        let removals =
            ready.into_iter().map(async |(agent, node)| match startup_taint::remove(nodes, &node).await {
                Ok(was_there) => {
                    if was_there {
                        tracing::info!(node, "the hosts entries are there: the start-up taint is off");
                    }
                    Some(agent)
                }
                Err(error) => {
                    tracing::warn!(%error, node, "cannot take the start-up taint off; trying again");
                    None
                }
            });
        let removals: Vec<_> = removals.collect();
        let released: Vec<String> = futures::stream::iter(removals)
            .buffer_unordered(AT_A_TIME)
            .filter_map(async |done| done)
            .collect()
            .await;
        let is_done = released.len() == count;
        self.released.extend(released);
        is_done
    }
}

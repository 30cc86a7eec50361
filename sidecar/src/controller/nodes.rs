//! The nodes' agents: makes kubelets look at a changed ConfigMap at once, and finds out which nodes
//! carry its list.
//!
//! A kubelet looks at the ConfigMaps of a Pod when the Pod changes, and else about once a minute. So
//! an annotation on each agent's Pod names the newest list. What a node carries, its agent's
//! metrics tell, read at the Pod's address: agents have no access to the API.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Patch, PatchParams};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use serde_json::json;
use tcr::names::{HOSTS_GENERATION_ANNOTATION, HOSTS_UPDATER, SYSTEM_NAMESPACE};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::api_error::within;
use super::links::LinkNews;
use super::startup_taint;
use crate::crd::NodesStatus;

/// Pods that are patched or asked at a time.
const AT_A_TIME: usize = 16;
/// The wait while nodes are behind: from, to.
const BEHIND: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// The wait while all nodes have the list.
const SETTLED: Duration = Duration::from_secs(120);
/// Which rounds of asking tell those again that are behind: a kubelet that was told before it had seen the new
/// ConfigMap has looked at the old one. A node may also be behind for another reason, so there is an end to it.
const AGAIN: RangeInclusive<u32> = 3..=5;
pub(super) const DEADLINE: Duration = Duration::from_secs(10);
/// An agent is on the cluster's own network.
const PATIENCE: Duration = Duration::from_secs(2);
/// Many times what an agent answers.
const MOST_BYTES: usize = 64 << 10;

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
}

impl Nodes {
    /// For a custom resource's status.
    pub fn status(&self) -> NodesStatus {
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let is_unknown = self.unasked > 0 && self.current == 0;
        let current = if is_unknown { "?".to_owned() } else { self.current.to_string() };
        NodesStatus {
            generation: self.generation.clone(),
            summary: format!("{current}/{}", self.desired),
            desired: count(self.desired),
            current: count(self.current),
            silent: count(self.silent),
            withholding: count(self.withholding),
        }
    }

    /// In Prometheus' text format.
    pub(super) fn metrics(&self) -> String {
        let mut text = String::new();
        for (name, help, value) in [
            ("nodes_desired", "Nodes that shall have the list of hosts entries.", self.desired),
            ("nodes_current", "Nodes that have the newest list.", self.current),
            ("nodes_silent", "Nodes whose agent did not answer.", self.silent),
            (
                "nodes_withholding",
                "Nodes that leave entries out: their link does not answer.",
                self.withholding,
            ),
        ] {
            // Writing to a String does not fail.
            let _ = writeln!(text, "# HELP tcr_assistant_{name} {help}\n# TYPE tcr_assistant_{name} gauge");
            let _ = writeln!(text, "tcr_assistant_{name} {value}");
        }
        text
    }
}

/// An agent's Pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Where it answers; none where it is told not to, or has no address yet.
    pub address: Option<SocketAddr>,
    /// It would answer if it had an address.
    pub is_asked: bool,
    /// What its Pod was told: a generation, and behind a full stop the round, if it was told again.
    pub told: Option<String>,
    /// The node that it is on.
    pub node: Option<String>,
    /// Its container runs, so that it may answer.
    pub is_running: bool,
}

/// What an agent answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Generation of the list that the node carries.
    pub generation: String,
    /// Entries that it leaves out.
    pub withheld: u64,
}

/// A client for the nodes' agents.
pub fn http() -> reqwest::Result<reqwest::Client> {
    // Whoever could answer for a node through a proxy could say anything.
    let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE);
    http.redirect(reqwest::redirect::Policy::none()).build()
}

/// Names the list on these Pods.
pub async fn nudge(pods: &Api<Pod>, names: Vec<String>, generation: &str) {
    let patch = json!({"metadata": {"annotations": {HOSTS_GENERATION_ANNOTATION: generation}}});
    let patches: Vec<_> = names.into_iter().map(|name| tell(pods.clone(), name, patch.clone())).collect();
    futures::stream::iter(patches).buffer_unordered(AT_A_TIME).collect::<()>().await;
}

/// Asks every agent that has an address; those that answered.
pub async fn ask(http: &reqwest::Client, agents: &[(String, Agent)]) -> BTreeMap<String, Answer> {
    let asks: Vec<_> = agents
        .iter()
        .filter_map(|(name, agent)| Some(answer(http.clone(), name.clone(), agent.address?)))
        .collect();
    let answers = futures::stream::iter(asks).buffer_unordered(AT_A_TIME);
    answers.filter_map(async |(name, answer)| Some((name, answer?))).collect().await
}

/// Starts the task that follows `generation`, the list in the ConfigMap: empty while there is none, and none before
/// that is known.
pub(super) fn start(
    client: &Client,
    generation: watch::Receiver<Option<String>>,
    remove_startup_taint: bool,
    news: mpsc::Sender<LinkNews>,
) {
    let http = match http() {
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
        news,
        agents: BTreeMap::new(),
        listing: BTreeMap::new(),
        released: BTreeSet::new(),
    };
    tokio::spawn(follower.run());
}

struct Follower {
    pods: Api<Pod>,
    sets: Api<DaemonSet>,
    /// Where the start-up taint is to be taken off.
    nodes: Option<Api<Node>>,
    http: reqwest::Client,
    generation: watch::Receiver<Option<String>>,
    news: mpsc::Sender<LinkNews>,
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
                        tracing::warn!(error = %super::api_error::innermost(&error), "the watch of the nodes' agents broke off; it goes on");
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
                        if self.news.send(LinkNews::Nodes(nodes.clone())).await.is_err() {
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
                let Some((name, agent)) = reduce(&pod) else { return false };
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
                self.listing.extend(reduce(&pod));
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
        let nodes = Nodes {
            generation: generation.to_owned(),
            desired,
            current: answers.values().filter(|answer| answer.generation == generation).count(),
            silent: agents.len() - answers.len() - unasked,
            withholding: answers.values().filter(|answer| answer.withheld > 0).count(),
            unasked,
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

impl Agent {
    fn has_heard_of(&self, generation: &str) -> bool {
        self.told.as_deref().and_then(|told| told.split('.').next()) == Some(generation)
    }

    /// A Pod as an agent, with its name.
    pub fn of(pod: &Pod) -> Option<(String, Self)> {
        reduce(pod)
    }
}

fn reduce(pod: &Pod) -> Option<(String, Agent)> {
    let name = pod.metadata.name.clone()?;
    let ports = pod
        .spec
        .iter()
        .flat_map(|spec| &spec.containers)
        .flat_map(|container| container.ports.iter().flatten());
    let port = ports
        .filter(|port| port.name.as_deref() == Some("metrics"))
        .find_map(|port| u16::try_from(port.container_port).ok());
    let ip = pod.status.as_ref().and_then(|status| status.pod_ip.as_deref()?.parse::<IpAddr>().ok());
    let told =
        pod.metadata.annotations.as_ref().and_then(|all| all.get(HOSTS_GENERATION_ANNOTATION)).cloned();
    let address = port.zip(ip).map(|(port, ip)| SocketAddr::new(ip, port));
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
    let containers = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    let is_running = containers.filter_map(|it| it.state.as_ref()).any(|state| state.running.is_some());
    Some((name, Agent { address, is_asked: port.is_some(), told, node, is_running }))
}

async fn tell(pods: Api<Pod>, name: String, patch: serde_json::Value) {
    let (patch, params) = (Patch::Merge(patch), PatchParams::default());
    if let Err(error) = within(DEADLINE, pods.patch_metadata(&name, &params, &patch)).await {
        tracing::debug!(%error, pod = name, "cannot tell an agent's Pod of the newest list");
    }
}

async fn answer(http: reqwest::Client, name: String, address: SocketAddr) -> (String, Option<Answer>) {
    (name, metrics(&http, address).await.as_deref().and_then(read))
}

async fn metrics(http: &reqwest::Client, address: SocketAddr) -> Option<String> {
    let mut response = http.get(format!("http://{address}/metrics")).send().await.ok()?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        body.extend_from_slice(&chunk);
        if body.len() > MOST_BYTES {
            return None;
        }
    }
    String::from_utf8(body).ok()
}

fn read(metrics: &str) -> Option<Answer> {
    let info = metrics.lines().find_map(|line| line.strip_prefix("hosts_updater_info{"))?;
    let generation = info.split_once("generation=\"")?.1.split('"').next()?;
    let withheld = metrics.lines().find_map(|line| line.strip_prefix("hosts_updater_withheld_entries "));
    Some(Answer {
        generation: generation.to_owned(),
        withheld: withheld.and_then(|count| count.parse().ok()).unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agents_metrics_tell_its_list_and_what_it_leaves_out() {
        let metrics = "# HELP hosts_updater_info x\nhosts_updater_info{version=\"0.1.0\",generation=\"00112233445566aa\",mode=\"rename\"} 1\n\
                       hosts_updater_withheld_entries 2\n";
        assert_eq!(read(metrics), Some(Answer { generation: "00112233445566aa".to_owned(), withheld: 2 }));
        assert_eq!(read("somebody else\n"), None);
        assert_eq!(read("hosts_updater_info{version=\"1\"} 1\n"), None);
    }

    #[test]
    fn a_person_reads_how_many_nodes_there_are_and_that_nobody_may_be_asked() {
        let nodes = Nodes { desired: 3, current: 2, silent: 1, ..Nodes::default() };
        assert_eq!(nodes.status().summary, "2/3");
        let nodes = Nodes { desired: 3, unasked: 3, ..Nodes::default() };
        assert_eq!(nodes.status().summary, "?/3");
    }

    #[test]
    fn a_pod_without_the_port_is_not_asked() {
        let pod = |ports: serde_json::Value| -> Pod {
            serde_json::from_value(json!({
                "metadata": {"name": "hosts-updater-x", "annotations": {HOSTS_GENERATION_ANNOTATION: "00"}},
                "spec": {"containers": [{"name": "hosts-updater", "ports": ports}]},
                "status": {"podIP": "fd00::7"},
            }))
            .unwrap()
        };
        let (name, agent) = reduce(&pod(json!([{"name": "metrics", "containerPort": 19617}]))).unwrap();
        assert_eq!(name, "hosts-updater-x");
        let address = Some("[fd00::7]:19617".parse().unwrap());
        let expected =
            Agent { address, is_asked: true, told: Some("00".to_owned()), node: None, is_running: false };
        assert_eq!(agent, expected);
        let (_, agent) = reduce(&pod(json!([]))).unwrap();
        assert_eq!(agent, Agent { address: None, is_asked: false, ..expected.clone() });
        assert!(expected.has_heard_of("00") && !expected.has_heard_of("0"));
        assert!(Agent { told: Some("00.3".to_owned()), ..expected.clone() }.has_heard_of("00"));
        assert!(!Agent { told: None, ..expected }.has_heard_of("00"));
    }
}

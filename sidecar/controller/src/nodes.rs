//! The nodes' progress: follows their agents, makes kubelets read a changed ConfigMap at once, and asks which
//! nodes have its list, as [`agents`] decides.

use std::time::Instant;

use futures::StreamExt as _;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client};
use tcr::names::{HOSTS_UPDATER, SYSTEM_NAMESPACE};
use tokio::sync::{mpsc, watch};

use super::agent::{self, AT_A_TIME, DEADLINE, ask, nudge};
use super::startup_taint;
use super::tasks::Tasks;
use agents::{Agents, Nudge};
use kubernetes::api_error::within;
use private_link::networks::NodeVpcs;
use reconcile::input::LinkEvent;
use reconcile::nodes::Nodes;

mod agents;

/// Starts the task that follows `generation`, the list in the ConfigMap: empty while there is none, and none
/// before it is known. The VPCs of the nodes are sent to `vpcs`.
pub(super) fn start(
    client: &Client,
    generation: watch::Receiver<Option<String>>,
    vpcs: watch::Sender<NodeVpcs>,
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
        vpcs,
        events,
        agents: Agents::new(Instant::now()),
    };
    tasks.spawn_endless("the follower of nodes", follower.run());
}

struct Follower {
    pods: Api<Pod>,
    sets: Api<DaemonSet>,
    /// Nodes from which the start-up taint is removed; none where that is switched off.
    nodes: Option<Api<Node>>,
    http: reqwest::Client,
    generation: watch::Receiver<Option<String>>,
    vpcs: watch::Sender<NodeVpcs>,
    events: mpsc::Sender<LinkEvent>,
    agents: Agents,
}

impl Follower {
    async fn run(mut self) {
        let config =
            watcher::Config::default().labels(&format!("app.kubernetes.io/component={HOSTS_UPDATER}"));
        let mut events = Box::pin(watcher(self.pods.clone(), config).default_backoff());
        loop {
            tokio::select! {
                changed = self.generation.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let generation = self.generation.borrow_and_update().clone();
                    let nudge = self.agents.list_changed(generation, Instant::now());
                    self.nudge(nudge).await;
                }
                event = events.next() => match event {
                    Some(Ok(event)) => self.agents.pod_changed(event, Instant::now()),
                    Some(Err(error)) => {
                        tracing::warn!(error = %kubernetes::api_error::innermost(&error), "the watch of the nodes' agents broke off; it goes on");
                    }
                    None => return,
                },
                () = tokio::time::sleep_until(self.agents.due().into()) => {
                    if let Some(nodes) = self.round().await
                        && self.events.send(LinkEvent::Nodes(nodes)).await.is_err()
                    {
                        return;
                    }
                }
            }
        }
    }

    async fn nudge(&self, nudges: impl IntoIterator<Item = Nudge>) {
        for Nudge { pods, annotation } in nudges {
            nudge(&self.pods, pods, &annotation).await;
        }
    }

    /// Asks every agent; returns the progress if it changed.
    async fn round(&mut self) -> Option<Nodes> {
        let asked = self.agents.begin(Instant::now())?;
        let answers = ask(&self.http, &asked).await;
        let vpcs = self.agents.vpcs(&answers);
        self.vpcs.send_if_modified(|now| std::mem::replace(now, vpcs.clone()) != vpcs);
        let scheduled = within(DEADLINE, self.sets.get_opt(HOSTS_UPDATER)).await.ok().flatten();
        let scheduled = scheduled.and_then(|set| set.status).map(|status| status.desired_number_scheduled);
        let desired = scheduled.and_then(|count| usize::try_from(count).ok());
        let mut round = self.agents.answered(&asked, &answers, desired);
        self.nudge(std::mem::take(&mut round.nudges)).await;
        let released = match &self.nodes {
            Some(nodes) => Some(release(nodes, round.ready.clone()).await),
            None => None,
        };
        self.agents.finish(round, released, Instant::now())
    }
}

/// Removes the start-up taint from the nodes of these agents; returns the agents whose node has none any
/// more.
async fn release(nodes: &Api<Node>, ready: Vec<(String, String)>) -> Vec<String> {
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
    let removals = futures::stream::iter(removals).buffer_unordered(AT_A_TIME);
    removals.filter_map(async |done| done).collect().await
}

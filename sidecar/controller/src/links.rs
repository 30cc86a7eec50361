//! Keeps the ConfigMap `updater-config`: asks the cloud for private links and writes the entries, as the crate
//! `private-link` decides.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use kube::Client;
use tcr::hosts_entry::HostsEntry;
use tokio::sync::{mpsc, watch};

use super::nodes;
use super::settings::Settings;
use super::tasks::Tasks;
use custom_resource::link::Link;
use kubernetes::api_error::ApiError;
use private_link::examine::{Answers, Examined, examine};
use private_link::hosts_map::{HostsMap, PlanError, Planned};
use private_link::networks::{self, Network, NodeVpcs};
use private_link::poll::{self, Poll, Told};
use private_link::{Fact, Resolved, addresses, running_first};
use reconcile::input::LinkEvent;
use reconcile::link_request::{KeptEntries, LastLink, LinkRequest, LinkRequests};

mod cloud;
mod updater_config;

use cloud::Cloud;
use updater_config::UpdaterConfig;

/// Objects that are made together are looked at together, where nobody waits for it.
const TOGETHER: Duration = Duration::from_millis(500);

/// Starts the task that asks and writes; where it is told what to ask for. Before it is told for the first time it
/// does nothing.
pub(super) fn start(
    client: &Client,
    settings: &Arc<Settings>,
    events: mpsc::Sender<LinkEvent>,
    tasks: &Tasks,
) -> watch::Sender<Option<LinkRequests>> {
    let (requests, receiver) = watch::channel(None);
    let (generation, current) = watch::channel(None);
    let (vpcs, node_vpcs) = watch::channel(NodeVpcs::default());
    nodes::start(client, current, vpcs, settings.remove_startup_taint, events.clone(), tasks);
    let poller = Poller {
        settings: settings.clone(),
        cloud: Cloud::new(settings.clone()),
        updater_config: UpdaterConfig::new(client.clone(), generation),
        requests: receiver,
        events,
        node_vpcs,
        poll: Poll::default(),
    };
    tasks.spawn_endless("the poller of private links", poller.run());
    requests
}

struct Poller {
    settings: Arc<Settings>,
    cloud: Cloud,
    updater_config: UpdaterConfig,
    requests: watch::Receiver<Option<LinkRequests>>,
    events: mpsc::Sender<LinkEvent>,
    /// In which VPCs nodes are, as their agents tell.
    node_vpcs: watch::Receiver<NodeVpcs>,
    poll: Poll,
}

impl Poller {
    async fn run(mut self) {
        let mut texts = Box::pin(self.updater_config.texts());
        let mut written: Option<String> = None;
        let mut pending_rounds = 0;
        loop {
            let Some(LinkRequests { number, links: requests, kept }) =
                self.requests.borrow_and_update().clone()
            else {
                if self.requests.changed().await.is_err() {
                    return;
                }
                continue;
            };
            let names = requests.iter().map(|it| &it.name).chain(kept.iter().map(|it| &it.name));
            let names: BTreeSet<String> = names.cloned().collect();
            let (resolving, others): (Vec<_>, Vec<_>) = requests.into_iter().partition(LinkRequest::resolves);
            let mut answers = Answers::default();
            let told = self.round(&resolving, &kept, &names, &mut answers, &mut written).await;
            let mut is_pending = told.is_pending;
            if !self.tell(number, told).await {
                return;
            }
            // Nothing is written for these: what is asked for meanwhile goes first.
            let mut asked_for = self.requests.clone();
            let looked_at = tokio::select! {
                judged = self.look(&others, &mut answers) => judged,
                Ok(()) = asked_for.changed() => {
                    pending_rounds = 0;
                    continue;
                }
            };
            let told = self.poll.tell(looked_at);
            is_pending |= told.is_pending;
            if !told.links.is_empty() && !self.tell(number, told).await {
                return;
            }
            let wait = poll::wait(is_pending, pending_rounds, self.settings.link_interval);
            pending_rounds = if is_pending { pending_rounds.saturating_add(1) } else { 0 };
            let wait = tokio::time::sleep(wait);
            tokio::pin!(wait);
            loop {
                tokio::select! {
                    () = &mut wait => break,
                    changed = self.requests.changed() => match changed {
                        Ok(()) => { pending_rounds = 0; break }
                        Err(_) => return,
                    },
                    text = texts.next() => match text {
                        // Another client edited or deleted it.
                        Some(text) => if written.is_some() && text != written { break },
                        None => return,
                    },
                    changed = self.node_vpcs.changed() => match changed {
                        Ok(()) => break,
                        Err(_) => return,
                    },
                }
            }
        }
    }

    /// Tells the reconciler; false where nobody listens any more.
    async fn tell(&self, number: u64, Told { links, applied, is_pending: _ }: Told) -> bool {
        self.events.send(LinkEvent::Links { number, links, applied }).await.is_ok()
    }

    /// One round of those that nodes shall resolve to: asks the cloud, and writes the list. `names` are those of all
    /// requests, and of what is kept.
    async fn round(
        &mut self,
        requests: &[LinkRequest],
        kept: &[KeptEntries],
        names: &BTreeSet<String>,
        answers: &mut Answers,
        written: &mut Option<String>,
    ) -> Told {
        let read = self.updater_config.read().await;
        let before = read.as_ref().map(|read| read.hosts_map.entries()).unwrap_or_default();
        let (mut judged, mut resolved) = (Vec::new(), Vec::new());
        for request in requests {
            let (link, of_networks) = self.ask(request, &before, answers).await;
            judged.extend(link.map(|link| (request.name.clone(), link)));
            resolved.extend(of_networks);
        }
        if let Some(registry) = &self.settings.registry {
            if answers.machine_vpc.is_none() && resolved.iter().any(|one| one.vpc_id.is_some()) {
                answers.machine_vpc = Some(self.cloud.machine_vpc().await);
            }
            let own = answers.machine_vpc.as_ref().and_then(|vpc_id| vpc_id.as_deref().ok());
            registry.set_links(addresses(&resolved, own));
        }
        self.poll.learn(&resolved);
        resolved.extend(kept.iter().map(|_| Resolved::unknown()));
        let result = match read {
            Ok(read) => match self.plan(&read.hosts_map, &resolved, kept) {
                Ok(planned) => self.updater_config.write(planned, read).await,
                Err(error) => Err(ApiError::Other(error.to_string())),
            },
            Err(error) => Err(error),
        };
        let result = result.map(|text| *written = text).map_err(|error| {
            tracing::warn!(%error, "cannot write the entries for the nodes' hosts files; trying again");
            error.to_string()
        });
        self.poll.finish(judged, names, result)
    }

    /// The list for these links. Of what is kept it takes nothing away.
    fn plan(
        &self,
        hosts_map: &HostsMap,
        resolved: &[Resolved],
        kept: &[KeptEntries],
    ) -> Result<Planned, PlanError> {
        let is_kept =
            |entry: &HostsEntry| kept.iter().any(|it| it.hosts.iter().any(|host| host == entry.domain()));
        let is_whose_known = |entry: &HostsEntry| self.poll.knows(entry) && !is_kept(entry);
        hosts_map.plan(&self.settings.static_hosts, resolved, is_whose_known)
    }

    /// Looks at links that nodes shall not resolve to.
    async fn look(&mut self, requests: &[LinkRequest], answers: &mut Answers) -> Vec<(String, Link)> {
        let mut judged = Vec::new();
        if !requests.is_empty() {
            tokio::time::sleep(TOGETHER).await;
        }
        for request in requests {
            let link = self.ask(request, &[], answers).await.0;
            judged.extend(link.map(|link| (request.name.clone(), link)));
        }
        judged
    }

    /// Asks what there is to know of an object's links and was not asked in this round yet: one judgement of all of them, and
    /// what nodes of each network resolve.
    async fn ask(
        &mut self,
        request: &LinkRequest,
        before: &[HostsEntry],
        answers: &mut Answers,
    ) -> (Option<Link>, Vec<Resolved>) {
        let (mut judged, mut resolved) = (Vec::new(), Vec::new());
        let of_nodes = self.node_vpcs.borrow_and_update().with(before);
        for network in networks::of(&request.tcr, &of_nodes) {
            let before = network.before(before);
            let (link, one) = self.ask_in(&network, request, &before, answers).await;
            judged.push((network, link));
            resolved.push(one);
        }
        running_first(&mut resolved);
        (networks::join(judged), resolved)
    }

    /// The same in one network; `before` are the entries of its nodes.
    async fn ask_in(
        &mut self,
        network: &Network,
        request: &LinkRequest,
        before: &[HostsEntry],
        answers: &mut Answers,
    ) -> (Link, Resolved) {
        let (Network { vpc_id, tcr, .. }, key) = (network, network.key(&request.name));
        let is_its = |last: &&LastLink| vpc_id.as_ref().is_none_or(|vpc_id| *vpc_id == last.vpc_id);
        if let Some(LastLink { vpc_id, address }) = request.last.iter().find(is_its) {
            self.poll.recall(&key, tcr, vpc_id, *address);
        }
        let public = request.public_domain.as_ref();
        let (link, hosts, fact) = loop {
            match examine(network, public, &self.settings.allowed_roots, before, answers) {
                Examined::Ask(question) => self.cloud.answer(&request.tcr, question, answers).await,
                Examined::Unknown { hosts, reason, message } => {
                    let link = self.poll.judge_unknown(&key, tcr, hosts.clone(), reason, message);
                    break (link, hosts, Fact::Unknown);
                }
                Examined::Found(found) => {
                    let (hosts, fact) = (found.hosts.clone(), found.fact.clone());
                    break (self.poll.judge(&key, tcr, found, before, Instant::now()), hosts, fact);
                }
            }
        };
        let when_down = tcr.private_network.when_link_down;
        (link, Resolved { vpc_id: vpc_id.clone(), hosts, fact, when_down })
    }
}

//! Keeps the ConfigMap `updater-config`: asks the cloud for private links and writes the entries, as the crate
//! `private-link` decides.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client};
use serde_json::json;
use tcr::hosts_entry::{HOSTS_KEY, HostsEntry};
use tcr::names::{HOSTS_WITHDRAWN_ANNOTATION, SYSTEM_NAMESPACE, UPDATER_CONFIG};
use tcr::region::is_region;
use tcr::registry_host::RegistryHost;
use tokio::sync::{mpsc, watch};

use super::nodes;
use super::settings::{DEADLINE, Settings};
use super::tasks::Tasks;
use kubernetes::api_error::{ApiError, within};
use private_link::examine::{Answers, DnsPlace, Examined, Question, examine};
use private_link::hosts_map::{HostsMap, Planned};
use private_link::networks::{self, Network, NodeVpcs};
use private_link::poll::{self, Judgement, Poll, Told};
use private_link::{Fact, Resolved, running_first};
use reconcile::input::LinkEvent;
use reconcile::link_requests::{KeptEntries, LastLink, LinkRequest, LinkRequests};
use reconcile::status::{Link, VpcLink};
use tencent_cloud::endpoint_dns::DnsQuestion;

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
        maps: Api::namespaced(client.clone(), SYSTEM_NAMESPACE),
        requests: receiver,
        events,
        generation,
        node_vpcs,
        poll: Poll::default(),
        machine_region: None,
    };
    tasks.spawn_endless("the poller of private links", poller.run());
    requests
}

/// Where nodes in the VPC reach the hosts of links that are up; those of other VPCs stand in where it has none.
fn addresses(resolved: &[Resolved], vpc_id: Option<&str>) -> BTreeMap<RegistryHost, IpAddr> {
    let is_own = |one: &&Resolved| one.vpc_id.is_none() || one.vpc_id.as_deref() == vpc_id;
    let (own, others): (Vec<_>, Vec<_>) = resolved.iter().partition(is_own);
    let mut addresses = BTreeMap::new();
    for one in own.into_iter().chain(others) {
        if let Fact::Up(address) = one.fact {
            for host in &one.hosts {
                addresses.entry(host.clone()).or_insert(address);
            }
        }
    }
    addresses
}

struct Poller {
    settings: Arc<Settings>,
    maps: Api<ConfigMap>,
    requests: watch::Receiver<Option<LinkRequests>>,
    events: mpsc::Sender<LinkEvent>,
    /// The generation of the list that is in the ConfigMap: empty while there is none.
    generation: watch::Sender<Option<String>>,
    /// In which VPCs nodes are, as their agents tell.
    node_vpcs: watch::Receiver<NodeVpcs>,
    poll: Poll,
    /// The region that instance metadata told: a machine stays in its own.
    machine_region: Option<String>,
}

impl Poller {
    async fn run(mut self) {
        let mut drift = Box::pin(watcher::watch_object(self.maps.clone(), UPDATER_CONFIG).default_backoff());
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
                    changed = drift.next() => match changed {
                        // Another client edited or deleted it.
                        Some(Ok(map)) => {
                            if written.is_some() && map.and_then(|map| text(&map)) != written {
                                break;
                            }
                        }
                        Some(Err(error)) => tracing::debug!(%error, "the watch of {UPDATER_CONFIG} broke off; it goes on"),
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
        let links = links.into_iter().map(|(name, judged)| (name, judged.map(link))).collect();
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
        let read = within(DEADLINE, self.maps.get_opt(UPDATER_CONFIG)).await;
        let hosts_map = read.as_ref().ok().and_then(Option::as_ref).map(hosts_map).unwrap_or_default();
        let before = hosts_map.entries();
        let (mut judged, mut resolved) = (Vec::new(), Vec::new());
        for request in requests {
            let (judgement, of_networks) = self.ask(request, &before, answers).await;
            judged.extend(judgement.map(|judgement| (request.name.clone(), judgement)));
            resolved.extend(of_networks);
        }
        if let Some(registry) = &self.settings.registry {
            if answers.machine_vpc.is_none() && resolved.iter().any(|one| one.vpc_id.is_some()) {
                answers.machine_vpc = Some(self.machine_vpc().await);
            }
            let own = answers.machine_vpc.as_ref().and_then(|vpc_id| vpc_id.as_deref().ok());
            registry.set_links(addresses(&resolved, own));
        }
        self.poll.learn(&resolved);
        resolved.extend(kept.iter().map(|_| Resolved::unknown()));
        let result = match read {
            Ok(map) => self.write(&resolved, kept, map, &hosts_map).await,
            Err(error) => Err(error),
        };
        let result = result.map(|text| *written = text).map_err(|error| {
            tracing::warn!(%error, "cannot write the entries for the nodes' hosts files; trying again");
            error.to_string()
        });
        self.poll.finish(judged, names, result)
    }

    /// Looks at links that nodes shall not resolve to.
    async fn look(&mut self, requests: &[LinkRequest], answers: &mut Answers) -> Vec<(String, Judgement)> {
        let mut judged = Vec::new();
        if !requests.is_empty() {
            tokio::time::sleep(TOGETHER).await;
        }
        for request in requests {
            let judgement = self.ask(request, &[], answers).await.0;
            judged.extend(judgement.map(|judgement| (request.name.clone(), judgement)));
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
    ) -> (Option<Judgement>, Vec<Resolved>) {
        let (mut judged, mut resolved) = (Vec::new(), Vec::new());
        let of_nodes = self.node_vpcs.borrow_and_update().with(before);
        for network in networks::of(&request.tcr, &of_nodes) {
            let before = network.before(before);
            let (judgement, one) = self.ask_in(&network, request, &before, answers).await;
            judged.push((network, judgement));
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
    ) -> (Judgement, Resolved) {
        let (Network { vpc_id, tcr, .. }, key) = (network, network.key(&request.name));
        let is_its = |last: &&LastLink| vpc_id.as_ref().is_none_or(|vpc_id| *vpc_id == last.vpc_id);
        if let Some(LastLink { vpc_id, address }) = request.last.iter().find(is_its) {
            self.poll.recall(&key, tcr, vpc_id, *address);
        }
        let public = request.public_domain.as_ref();
        let (judgement, hosts, fact) = loop {
            match examine(network, public, &self.settings.allowed_roots, before, answers) {
                Examined::Ask(question) => self.answer(request, question, answers).await,
                Examined::Unknown { hosts, reason, message } => {
                    let judgement = self.poll.judge_unknown(&key, tcr, hosts.clone(), reason, message);
                    break (judgement, hosts, Fact::Unknown);
                }
                Examined::Found(found) => {
                    let (hosts, fact) = (found.hosts.clone(), found.fact.clone());
                    break (self.poll.judge(&key, tcr, found, before, Instant::now()), hosts, fact);
                }
            }
        };
        let when_down = tcr.private_network.when_link_down;
        (judgement, Resolved { vpc_id: vpc_id.clone(), hosts, fact, when_down })
    }

    async fn answer(&mut self, request: &LinkRequest, question: Question, answers: &mut Answers) {
        let (region, instance) = (&request.tcr.region, &request.tcr.instance_id);
        let cloud = self.settings.clouds.of(request.tcr.role_arn.as_deref(), region, instance);
        match question {
            Question::MachineVpc => answers.machine_vpc = Some(self.machine_vpc().await),
            Question::VpcRegion => answers.vpc_region = Some(self.vpc_region().await),
            Question::Instance => {
                let found = cloud.instance(region, instance).await.map_err(|error| error.to_string());
                answers.of(&request.tcr).instance = Some(found);
            }
            Question::Endpoints => {
                let endpoints = cloud.internal_endpoints(region, instance).await;
                answers.of(&request.tcr).endpoints = Some(endpoints.map_err(|error| error.to_string()));
            }
            Question::CustomDomains => {
                let domains = cloud.customized_domains(region, instance).await;
                answers.of(&request.tcr).custom_domains = Some(domains.map_err(|error| error.to_string()));
            }
            Question::Dns { place, is_default_domain, address } => {
                let DnsPlace { vpc_id, region: vpc_region, .. } = &place;
                let question = DnsQuestion { vpc_id, region: vpc_region, address, is_default_domain };
                let answer = cloud.is_served_by_dns(region, instance, question).await;
                let is_served = answer
                    .inspect_err(|error| {
                        tracing::debug!(%error, "cannot find out whether private DNS serves the VPC");
                    })
                    .ok();
                answers.of(&request.tcr).is_served_by_dns.insert(place, is_served);
            }
        }
    }

    /// The region of the nodes: as instance metadata tells it, else as the operator does.
    async fn vpc_region(&mut self) -> Option<String> {
        if self.machine_region.is_none()
            && let Some(metadata) = self.settings.clouds.own().metadata()
        {
            let told = metadata.region().await;
            self.machine_region = told.ok().flatten().filter(|region| is_region(region));
        }
        self.machine_region.clone().or_else(|| self.settings.region.clone())
    }

    /// The VPC of the node that the controller runs on, or why it is not known.
    async fn machine_vpc(&self) -> Result<String, String> {
        let metadata = self.settings.clouds.own().metadata().ok_or("there is no instance metadata to ask")?;
        match metadata.vpc_id().await {
            Ok(Some(vpc_id)) => Ok(vpc_id),
            Ok(None) => Err(format!("{} names none", metadata.endpoint())),
            Err(error) => Err(format!("{} does not tell: {error}", metadata.endpoint())),
        }
    }

    /// Writes the list where it differs; what is there afterwards.
    async fn write(
        &self,
        resolved: &[Resolved],
        kept: &[KeptEntries],
        map: Option<ConfigMap>,
        hosts_map: &HostsMap,
    ) -> Result<Option<String>, ApiError> {
        let is_kept =
            |entry: &HostsEntry| kept.iter().any(|it| it.hosts.iter().any(|host| host == entry.domain()));
        let Planned { write, generation } = hosts_map
            .plan(&self.settings.static_hosts, resolved, |entry| self.poll.knows(entry) && !is_kept(entry))
            .map_err(|error| ApiError::Other(error.to_string()))?;
        let Some(yaml) = write else {
            self.tell_generation(generation);
            return Ok(hosts_map.text.clone());
        };
        match map {
            Some(map) => {
                let patch = json!({
                    "metadata": {"resourceVersion": map.metadata.resource_version},
                    "data": {HOSTS_KEY: yaml},
                });
                let params = PatchParams::default();
                within(DEADLINE, self.maps.patch(UPDATER_CONFIG, &params, &Patch::Merge(patch))).await?;
            }
            None => {
                let mut map = ConfigMap {
                    data: Some([(HOSTS_KEY.to_owned(), yaml.clone())].into()),
                    ..ConfigMap::default()
                };
                map.metadata.name = Some(UPDATER_CONFIG.to_owned());
                within(DEADLINE, self.maps.create(&PostParams::default(), &map)).await?;
            }
        }
        self.tell_generation(generation);
        Ok(Some(yaml))
    }

    fn tell_generation(&self, generation: String) {
        self.generation.send_if_modified(|now| {
            let differs = now.as_ref() != Some(&generation);
            *now = Some(generation);
            differs
        });
    }
}

/// What is known of a link, as the reconciler takes it.
fn link(judgement: Judgement) -> Link {
    let Judgement { resolves, is_up, reason, message, vpc_id, address, hosts, links } = judgement;
    let links = links.into_iter().map(|poll::VpcLink { vpc_id, reason, address }| VpcLink {
        vpc_id,
        reason,
        address,
    });
    Link { resolves, is_up, reason, message, vpc_id, address, hosts, links: links.collect() }
}

/// The ConfigMap as far as it matters. See `withdraw` for the annotation.
fn hosts_map(map: &ConfigMap) -> HostsMap {
    let annotations = map.metadata.annotations.as_ref();
    let is_withdrawn = annotations.is_some_and(|all| all.contains_key(HOSTS_WITHDRAWN_ANNOTATION));
    HostsMap { text: text(map), is_withdrawn }
}

fn text(map: &ConfigMap) -> Option<String> {
    map.data.as_ref()?.get(HOSTS_KEY).cloned()
}

//! Keeps the ConfigMap `updater-config`: asks the cloud for private links and writes the entries.

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
use tcr::hosts_entry::{HOSTS_KEY, HostsEntry, HostsList};
use tcr::image_pull_secret::{PrivateNetwork, Tcr};
use tcr::names::{HOSTS_WITHDRAWN_ANNOTATION, SYSTEM_NAMESPACE, UPDATER_CONFIG};
use tcr::registry_host::RegistryHost;
use tokio::sync::{mpsc, watch};

use super::nodes;
use super::tasks::Tasks;
use super::{DEADLINE, Settings};
use credential_plan::domains;
use custom_resource::condition::ConditionReason;
use kubernetes::api_error::{ApiError, within};
use private_link::{self, Fact, Known, Resolved};
use reconcile::input::LinkEvent;
use reconcile::link_requests::LinkRequest;
use reconcile::status::Link;
use tencent_cloud::customized_domain;
use tencent_cloud::endpoint_dns::DnsQuestion;

/// The wait while a link is being built: from, to.
const PENDING: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));
/// How long a changed address is told of.
const NEWS: Duration = Duration::from_secs(600);

/// Starts the task that asks and writes; where it is told what to ask for. Before it is told for the first time it
/// does nothing.
pub(super) fn start(
    client: &Client,
    settings: &Arc<Settings>,
    events: mpsc::Sender<LinkEvent>,
    tasks: &Tasks,
) -> watch::Sender<Option<Vec<LinkRequest>>> {
    let (requests, receiver) = watch::channel(None);
    let (generation, current) = watch::channel(None);
    nodes::start(client, current, settings.remove_startup_taint, events.clone(), tasks);
    let poller = Poller {
        settings: settings.clone(),
        maps: Api::namespaced(client.clone(), SYSTEM_NAMESPACE),
        requests: receiver,
        events,
        generation,
        known: BTreeSet::new(),
        resolved: BTreeSet::new(),
        changes: BTreeMap::new(),
    };
    tasks.spawn_endless("the poller of private links", poller.run());
    requests
}

/// Where nodes reach the hosts of links that are up.
fn addresses(resolved: &[Resolved]) -> BTreeMap<RegistryHost, IpAddr> {
    let up = resolved.iter().filter_map(|one| match one.fact {
        Fact::Up(address) => Some((&one.hosts, address)),
        Fact::Down(_) | Fact::Unknown => None,
    });
    up.flat_map(|(hosts, address)| hosts.iter().map(move |host| (host.clone(), address))).collect()
}

struct Poller {
    settings: Arc<Settings>,
    maps: Api<ConfigMap>,
    requests: watch::Receiver<Option<Vec<LinkRequest>>>,
    events: mpsc::Sender<LinkEvent>,
    /// The generation of the list that is in the ConfigMap: empty while there is none.
    generation: watch::Sender<Option<String>>,
    /// ImagePullSecrets that were told of.
    known: BTreeSet<String>,
    /// Domains that have been one of theirs: whose they are is known.
    resolved: BTreeSet<String>,
    /// For ImagePullSecrets whose address has changed: from, to, when.
    changes: BTreeMap<String, (IpAddr, IpAddr, Instant)>,
}

/// The ConfigMap as it is.
struct Read {
    map: Option<ConfigMap>,
    text: Option<String>,
    /// Its entries.
    entries: Vec<HostsEntry>,
    /// There is something in it that is no list, so that what the entries were is not known.
    is_broken: bool,
}

impl Poller {
    async fn run(mut self) {
        let mut drift = Box::pin(watcher::watch_object(self.maps.clone(), UPDATER_CONFIG).default_backoff());
        let mut written: Option<String> = None;
        let mut pause = PENDING.0;
        loop {
            let Some(requests) = self.requests.borrow_and_update().clone() else {
                if self.requests.changed().await.is_err() {
                    return;
                }
                continue;
            };
            let (event, pending) = self.once(&requests, &mut written).await;
            if self.events.send(event).await.is_err() {
                return;
            }
            let wait =
                if pending { pause.min(self.settings.link_interval) } else { self.settings.link_interval };
            pause = if pending { (pause * 2).min(PENDING.1) } else { PENDING.0 };
            let wait = tokio::time::sleep(wait);
            tokio::pin!(wait);
            loop {
                tokio::select! {
                    () = &mut wait => break,
                    changed = self.requests.changed() => match changed {
                        Ok(()) => { pause = PENDING.0; break }
                        Err(_) => return,
                    },
                    seen = drift.next() => match seen {
                        // Somebody edited or deleted it.
                        Some(Ok(map)) => {
                            let now = map.and_then(|map| map.data).and_then(|mut data| data.remove(HOSTS_KEY));
                            if written.is_some() && now != written {
                                break;
                            }
                        }
                        Some(Err(error)) => tracing::debug!(%error, "the watch of {UPDATER_CONFIG} broke off; it goes on"),
                        None => return,
                    },
                }
            }
        }
    }

    /// Asks, writes, and tells; whether something is pending.
    async fn once(&mut self, requests: &[LinkRequest], written: &mut Option<String>) -> (LinkEvent, bool) {
        let mut links: Vec<(String, Option<Link>)> = Vec::new();
        let mut resolved = Vec::new();
        let read = self.read().await;
        let before: &[HostsEntry] = read.as_ref().map(|read| read.entries.as_slice()).unwrap_or_default();
        for request in requests {
            let (link, one) = self.ask(request, before).await;
            links.push((request.name.clone(), Some(link)));
            resolved.push(one);
        }
        if let Some(registry) = &self.settings.registry {
            registry.set_links(addresses(&resolved));
        }
        self.resolved.extend(resolved.iter().flat_map(|one| &one.hosts).map(|host| host.name().to_owned()));
        let mut pending = links.iter().any(|(_, link)| link.as_ref().is_some_and(|link| !link.is_up));
        let mut applied: BTreeSet<String> = requests.iter().map(|request| request.name.clone()).collect();
        let result = match read {
            Ok(read) => self.write(&resolved, read).await,
            Err(error) => Err(error),
        };
        match result {
            Ok(text) => *written = text,
            Err(error) => {
                tracing::warn!(%error, "cannot write the entries for the nodes' hosts files; trying again");
                pending = true;
                applied.extend(self.known.iter().cloned());
                for (_, link) in &mut links {
                    *link = Some(Link {
                        is_up: false,
                        reason: ConditionReason::WriteFailed,
                        message: format!("cannot write {UPDATER_CONFIG}: {error}"),
                    });
                }
            }
        }
        let gone: Vec<String> =
            self.known.iter().filter(|name| !requests.iter().any(|it| it.name == **name)).cloned().collect();
        for name in &gone {
            self.changes.remove(name);
        }
        links.extend(gone.into_iter().map(|name| (name, None)));
        self.known.clone_from(&applied);
        (LinkEvent::Links { links, applied }, pending)
    }

    async fn ask(&mut self, request: &LinkRequest, before: &[HostsEntry]) -> (Link, Resolved) {
        let Tcr { instance_id, region, private_network, .. } = &request.tcr;
        let PrivateNetwork { vpc_id, domains, when_link_down, .. } = private_network;
        let down = |reason, message: String| Link { is_up: false, reason, message };
        let unknown = |hosts| Resolved { hosts, fact: Fact::Unknown, when_down: *when_link_down };
        let Some(public) = &request.public_domain else {
            let message = format!("the domain of {instance_id} is known once it has a credential");
            return (down(ConditionReason::Pending, message), unknown(Vec::new()));
        };
        let mut hosts = match domains::hosts(domains, public, &self.settings.allowed_roots) {
            Ok(hosts) => hosts.into_iter().collect::<Vec<_>>(),
            Err(error) => {
                return (
                    down(ConditionReason::InvalidDomain, format!("spec.tcr.privateNetwork.domains: {error}")),
                    unknown(Vec::new()),
                );
            }
        };
        let vpc_id = match vpc_id {
            Some(vpc_id) => vpc_id.clone(),
            None => match self.vpc_of_machine().await {
                Ok(vpc_id) => vpc_id,
                Err(why) => {
                    let message =
                        format!("spec.tcr.privateNetwork.vpcId: set it to the VPC of the nodes; {why}");
                    return (down(ConditionReason::VpcUnknown, message), unknown(hosts));
                }
            },
        };
        let cloud = self.settings.cloud.clone();
        let fact = match cloud.internal_endpoints(region, instance_id).await {
            Ok(links) => private_link::fact(&links, &vpc_id),
            Err(error) => return (down(ConditionReason::CloudFailed, error.to_string()), unknown(hosts)),
        };
        let vpc_domain = public.vpc();
        let is_ours = |host: &RegistryHost| host == public || Some(host) == vpc_domain.as_ref();
        let mut unusable = Vec::new();
        if hosts.iter().any(|host| !is_ours(host)) {
            let own = match cloud.customized_domains(region, instance_id).await {
                Ok(own) => own,
                Err(error) => return (down(ConditionReason::CloudFailed, error.to_string()), unknown(hosts)),
            };
            hosts.retain(|host| match own.get(host.name()) {
                _ if is_ours(host) => true,
                Some(status) if customized_domain::is_ready(status) => true,
                status => {
                    unusable.push((host.name().to_owned(), status.cloned()));
                    // What nodes resolve already stays until it is certain that it is gone.
                    status.is_some() && before.iter().any(|entry| entry.domain() == host.name())
                }
            });
        }
        let mut is_served_by_dns = false;
        if let Fact::Up(address) = fact {
            is_served_by_dns = !hosts.is_empty() && hosts.iter().all(is_ours);
            for host in &hosts {
                let question = DnsQuestion { vpc_id: &vpc_id, address, is_default_domain: host == public };
                // Entries do no harm where DNS says the same: without an answer there is no hint.
                is_served_by_dns = is_served_by_dns
                    && cloud.is_served_by_dns(region, instance_id, question).await.unwrap_or_else(|error| {
                        tracing::debug!(%error, "cannot find out whether private DNS serves the VPC");
                        false
                    });
            }
        }
        let known = Known {
            instance_id,
            vpc_id: &vpc_id,
            fact: &fact,
            hosts: &hosts,
            changed_from: None,
            is_served_by_dns,
            unusable: &unusable,
        };
        let changed_from = self.changed_from(&request.name, &known, before);
        let (is_up, reason, message) = private_link::judge(&Known { changed_from, ..known });
        (Link { is_up, reason, message }, Resolved { hosts, fact, when_down: *when_link_down })
    }

    /// The address that nodes were told before this one, while that is news.
    fn changed_from(&mut self, name: &str, known: &Known<'_>, before: &[HostsEntry]) -> Option<IpAddr> {
        let Fact::Up(address) = known.fact else { return None };
        let is_other = |entry: &&HostsEntry| {
            entry.when_link_down().is_some()
                && entry.ip() != *address
                && known.hosts.iter().any(|host| host.name() == entry.domain())
        };
        if let Some(entry) = before.iter().find(is_other) {
            self.changes.insert(name.to_owned(), (entry.ip(), *address, Instant::now()));
        }
        let (from, to, at) = self.changes.get(name)?;
        (to == address && at.elapsed() < NEWS).then_some(*from)
    }

    async fn read(&self) -> Result<Read, ApiError> {
        let map = within(DEADLINE, self.maps.get_opt(UPDATER_CONFIG)).await?;
        let text = map.as_ref().and_then(|map| map.data.as_ref()?.get(HOSTS_KEY)).cloned();
        let list = text.as_ref().and_then(|text| serde_saphyr::from_str::<HostsList>(text).ok());
        let is_broken = text.is_some() && list.is_none();
        let entries = list.map(|list| list.entries().to_vec()).unwrap_or_default();
        Ok(Read { map, text, entries, is_broken })
    }

    /// The VPC of the node that the controller runs on, or why it is not known.
    async fn vpc_of_machine(&self) -> Result<String, String> {
        let metadata = self.settings.cloud.metadata().ok_or("there is no instance metadata to ask")?;
        match metadata.vpc_id().await {
            Ok(Some(vpc_id)) => Ok(vpc_id),
            Ok(None) => Err(format!("{} names none", metadata.endpoint())),
            Err(error) => Err(format!("{} does not tell: {error}", metadata.endpoint())),
        }
    }

    /// Writes the list where it differs; what is there afterwards.
    async fn write(&self, resolved: &[Resolved], read: Read) -> Result<Option<String>, ApiError> {
        let Read { map, text, entries: before, is_broken } = read;
        let other = |error: &dyn std::fmt::Display| ApiError::Other(error.to_string());
        if is_broken && resolved.iter().any(|one| one.fact == Fact::Unknown) {
            // The nodes have kept the last good list. Without knowing it, and the links, ours would be a worse one.
            return Err(other(&"it has no list that can be read, and not all links are known yet"));
        }
        let is_whose_known = |entry: &HostsEntry| self.resolved.contains(entry.domain());
        let entries = private_link::entries(&self.settings.static_hosts, resolved, &before, is_whose_known)
            .map_err(|error| other(&error))?;
        // The add-on is being removed: see `withdraw`.
        let is_withdrawn = map.as_ref().is_some_and(|map| {
            let annotations = map.metadata.annotations.as_ref();
            annotations.is_some_and(|all| all.contains_key(HOSTS_WITHDRAWN_ANNOTATION))
        });
        let entries = if is_withdrawn { Vec::new() } else { entries };
        let wanted = HostsList::new(entries).map_err(|error| other(&error))?;
        let yaml = wanted.to_yaml();
        let is_same = match &text {
            Some(text) => serde_saphyr::from_str::<HostsList>(text).is_ok_and(|list| list == wanted),
            None => wanted.entries().is_empty(),
        };
        if is_same {
            self.tell_generation(if text.is_some() { wanted.generation() } else { String::new() });
            return Ok(text);
        }
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
        self.tell_generation(wanted.generation());
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

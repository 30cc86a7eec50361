//! Keeps the ConfigMap `updater-config`: asks the cloud for private links and writes the entries.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client};
use serde_json::json;
use tcr::hosts_entry::{HOSTS_KEY, HostsEntry, HostsList};
use tcr::image_pull_secret::{PrivateNetwork, Tcr};
use tcr::names::{SYSTEM_NAMESPACE, UPDATER_CONFIG};
use tcr::registry_host::RegistryHost;
use tokio::sync::{mpsc, watch};

use super::Settings;
use super::api_error::{ApiError, within};
use super::item::Item;
use super::status::Link;
use crate::domains;
use crate::private_link::{self, Fact, Resolved};

/// The wait while a link is being built: from, to.
const PENDING: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));
/// The wait while nothing is pending.
const SETTLED: Duration = Duration::from_secs(300);
const DEADLINE: Duration = Duration::from_secs(30);

/// What an ImagePullSecret wants resolved.
#[derive(Clone, Debug, PartialEq)]
struct Want {
    name: String,
    tcr: Tcr,
    /// The instance's default domain, once it is known.
    public_domain: Option<RegistryHost>,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct LinkNews {
    /// For each ImagePullSecret; none for one that wants nothing.
    pub(super) links: Vec<(String, Option<Link>)>,
    /// Those whose entries may be in the ConfigMap.
    pub(super) applied: BTreeSet<String>,
}

/// What is wanted, and what is in the ConfigMap.
#[derive(Debug)]
pub(super) struct Links {
    orders: watch::Sender<Vec<Want>>,
    applied: BTreeSet<String>,
}

impl Links {
    /// Starts the task that asks and writes.
    pub(super) fn start(client: &Client, settings: &Arc<Settings>, news: mpsc::Sender<LinkNews>) -> Self {
        let (orders, receiver) = watch::channel(Vec::new());
        let poller = Poller {
            settings: settings.clone(),
            maps: Api::namespaced(client.clone(), SYSTEM_NAMESPACE),
            orders: receiver,
            news,
            known: BTreeMap::new(),
        };
        tokio::spawn(poller.run());
        Self { orders, applied: BTreeSet::new() }
    }

    /// Asks for what the ImagePullSecrets want now.
    pub(super) fn settle(&self, items: &BTreeMap<String, Item>, _settings: &Arc<Settings>) {
        let want = |item: &Item| {
            let tcr = item.object.spec.as_ref().ok()?.tcr.as_ref()?;
            let wanted = tcr.private_network.resolve && !item.released;
            let public_domain = item.held.as_ref().map(|held| held.public_domain.clone());
            wanted.then(|| Want { name: item.object.name.clone(), tcr: tcr.clone(), public_domain })
        };
        let wants: Vec<Want> = items.values().filter_map(want).collect();
        self.orders.send_if_modified(|now| {
            let differs = *now != wants;
            *now = wants;
            differs
        });
    }

    /// Whether none of its entries is left.
    pub(super) fn is_withdrawn(&self, name: &str) -> bool {
        !self.applied.contains(name) && !self.orders.borrow().iter().any(|want| want.name == name)
    }

    pub(super) fn take(&mut self, news: &LinkNews) {
        self.applied.clone_from(&news.applied);
    }
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
    orders: watch::Receiver<Vec<Want>>,
    news: mpsc::Sender<LinkNews>,
    /// ImagePullSecrets that were told of.
    known: BTreeMap<String, ()>,
}

impl Poller {
    async fn run(mut self) {
        let mut drift = Box::pin(watcher::watch_object(self.maps.clone(), UPDATER_CONFIG).default_backoff());
        let mut written: Option<String> = None;
        let mut pause = PENDING.0;
        loop {
            let wants = self.orders.borrow_and_update().clone();
            let (news, pending) = self.once(&wants, &mut written).await;
            if self.news.send(news).await.is_err() {
                return;
            }
            let wait = if pending { pause } else { SETTLED };
            pause = if pending { (pause * 2).min(PENDING.1) } else { PENDING.0 };
            let wait = tokio::time::sleep(wait);
            tokio::pin!(wait);
            loop {
                tokio::select! {
                    () = &mut wait => break,
                    changed = self.orders.changed() => match changed {
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
    async fn once(&mut self, wants: &[Want], written: &mut Option<String>) -> (LinkNews, bool) {
        let mut links: Vec<(String, Option<Link>)> = Vec::new();
        let mut resolved = Vec::new();
        for want in wants {
            let (link, one) = self.ask(want).await;
            links.push((want.name.clone(), Some(link)));
            resolved.push(one);
        }
        if let Some(registry) = &self.settings.registry {
            registry.set_links(addresses(&resolved));
        }
        let mut pending = links.iter().any(|(_, link)| link.as_ref().is_some_and(|link| !link.is_up));
        let mut applied: BTreeSet<String> = wants.iter().map(|want| want.name.clone()).collect();
        match self.write(&resolved).await {
            Ok(text) => *written = text,
            Err(error) => {
                tracing::warn!(%error, "cannot write the entries for the nodes' hosts files; trying again");
                pending = true;
                applied.extend(self.known.keys().cloned());
                for (_, link) in &mut links {
                    *link = Some(Link {
                        is_up: false,
                        reason: "WriteFailed",
                        message: format!("cannot write {UPDATER_CONFIG}: {error}"),
                    });
                }
            }
        }
        let gone: Vec<String> =
            self.known.keys().filter(|name| !wants.iter().any(|want| want.name == **name)).cloned().collect();
        links.extend(gone.into_iter().map(|name| (name, None)));
        self.known = applied.iter().map(|name| (name.clone(), ())).collect();
        (LinkNews { links, applied }, pending)
    }

    async fn ask(&self, want: &Want) -> (Link, Resolved) {
        let Tcr { instance_id, region, private_network, .. } = &want.tcr;
        let PrivateNetwork { vpc_id, domains, when_link_down, .. } = private_network;
        let down = |reason, message: String| Link { is_up: false, reason, message };
        let unknown = |hosts| Resolved { hosts, fact: Fact::Unknown, when_down: *when_link_down };
        let Some(public) = &want.public_domain else {
            let message = format!("the domain of {instance_id} is known once it has a credential");
            return (down("Pending", message), unknown(Vec::new()));
        };
        let hosts = match domains::hosts(domains, public, &self.settings.allowed_roots) {
            Ok(hosts) => hosts.into_iter().collect::<Vec<_>>(),
            Err(error) => {
                return (
                    down("InvalidDomain", format!("spec.tcr.privateNetwork.domains: {error}")),
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
                    return (down("VpcUnknown", message), unknown(hosts));
                }
            },
        };
        let vpc_id = &vpc_id;
        let fact = match self.settings.cloud.internal_endpoints(region, instance_id).await {
            Ok(links) => private_link::fact(&links, vpc_id),
            Err(error) => return (down("CloudFailed", error.to_string()), unknown(hosts)),
        };
        let names = hosts.iter().map(|host| host.as_str()).collect::<Vec<_>>().join(", ");
        let link = match &fact {
            Fact::Up(address) => Link {
                is_up: true,
                reason: "Resolved",
                message: format!("nodes resolve {names} to {address}"),
            },
            Fact::Down(Some(status)) => down(
                "LinkPending",
                format!("the private link from {vpc_id} to {instance_id} is {status:?} and not Running"),
            ),
            Fact::Down(None) | Fact::Unknown => down(
                "NoLink",
                format!(
                    "there is no private link from {vpc_id} to {instance_id}: add it to the instance's access control"
                ),
            ),
        };
        (link, Resolved { hosts, fact, when_down: *when_link_down })
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
    async fn write(&self, resolved: &[Resolved]) -> Result<Option<String>, ApiError> {
        let map = within(DEADLINE, self.maps.get_opt(UPDATER_CONFIG)).await?;
        let text = map.as_ref().and_then(|map| map.data.as_ref()?.get(HOSTS_KEY));
        let before: Vec<HostsEntry> = text
            .and_then(|text| serde_saphyr::from_str::<HostsList>(text).ok())
            .map(|list| list.entries().to_vec())
            .unwrap_or_default();
        let other = |error: &dyn std::fmt::Display| ApiError::Other(error.to_string());
        let entries = private_link::entries(&self.settings.static_hosts, resolved, &before)
            .map_err(|error| other(&error))?;
        let wanted = HostsList::new(entries).map_err(|error| other(&error))?;
        let yaml = wanted.to_yaml();
        let is_same = match text {
            Some(text) => serde_saphyr::from_str::<HostsList>(text).is_ok_and(|list| list == wanted),
            None => wanted.entries().is_empty(),
        };
        if is_same {
            return Ok(text.cloned());
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
        Ok(Some(yaml))
    }
}

//! Which private links are requested, and what is known of them. Pure.

use std::collections::BTreeSet;
use std::net::IpAddr;

use custom_resource::ImagePullSecretStatus;
use tcr::image_pull_secret::Tcr;
use tcr::registry_host::RegistryHost;

use crate::effect::Effect;
use crate::input::LinkEvent;
use crate::item::{Item, Items};
use crate::nodes::Nodes;
use crate::status::Link;

/// The private link of an ImagePullSecret with an instance: it is looked at, and nodes resolve to it where that is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkRequest {
    /// The ImagePullSecret.
    pub name: String,
    /// Its `spec.tcr`.
    pub tcr: Tcr,
    /// The instance's default domain, where its credential tells it.
    pub public_domain: Option<RegistryHost>,
    /// What the status told of the link when this process began: of each where nodes are in several VPCs.
    pub last: Vec<LastLink>,
}

/// A link as a status tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastLink {
    /// The VPC that it leads from.
    pub vpc_id: String,
    /// Its address in the VPC.
    pub address: IpAddr,
}

impl LastLink {
    /// Those that the status tells of; none where that is about another spec.
    pub(crate) fn of(status: &ImagePullSecretStatus, generation: i64) -> Vec<Self> {
        let told = status.private_link.iter().filter(|_| status.observed_generation == Some(generation));
        told.flat_map(|told| {
            let several = told.links.iter().map(|link| (Some(&link.vpc_id), link.address.as_ref()));
            several.chain([(told.vpc_id.as_ref(), told.address.as_ref())])
        })
        .filter_map(|(vpc_id, address)| {
            Some(Self { vpc_id: vpc_id?.clone(), address: address?.parse().ok()? })
        })
        .collect()
    }
}

impl LinkRequest {
    /// Whether nodes shall resolve to it.
    pub fn resolves(&self) -> bool {
        self.tcr.private_network.resolve
    }

    fn wanted(&self) -> Wanted<'_> {
        let Self { name, tcr, public_domain, last } = self;
        Wanted { name, tcr, public_domain: public_domain.as_ref(), last }
    }
}

/// The same, borrowed.
#[derive(Clone, Copy, PartialEq)]
struct Wanted<'a> {
    name: &'a str,
    tcr: &'a Tcr,
    public_domain: Option<&'a RegistryHost>,
    last: &'a [LastLink],
}

impl<'a> Wanted<'a> {
    /// What an ImagePullSecret wants now.
    fn of(item: &'a Item) -> Option<Self> {
        let tcr = item.object.spec.as_ref().ok()?.tcr.as_ref().filter(|_| !item.released)?;
        Some(Self {
            name: &item.object.name,
            tcr,
            public_domain: item.held.as_ref().map(|held| &held.public_domain),
            last: &item.last_links,
        })
    }

    fn to_request(self) -> LinkRequest {
        let Self { name, tcr, public_domain, last } = self;
        LinkRequest {
            name: name.to_owned(),
            tcr: tcr.clone(),
            public_domain: public_domain.cloned(),
            last: last.to_vec(),
        }
    }
}

/// An ImagePullSecret whose spec cannot be carried out: what it asks for nobody knows, and nodes keep what they have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptEntries {
    /// The ImagePullSecret.
    pub name: String,
    /// The hosts that its private link led to.
    pub hosts: Vec<String>,
}

impl KeptEntries {
    /// What is kept for an ImagePullSecret now.
    fn of(item: &Item) -> Option<Self> {
        if item.object.spec.is_ok() || item.object.deleting || item.released {
            return None;
        }
        let told = item.written.private_link.as_ref();
        let hosts = match &item.link {
            Some(link) if !link.hosts.is_empty() => {
                link.hosts.iter().map(|host| host.name().to_owned()).collect()
            }
            _ => told?.hosts.clone(),
        };
        Some(Self { name: item.object.name.clone(), hosts })
    }
}

/// All private links that are requested.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LinkRequests {
    /// Higher than that of all requests before.
    pub number: u64,
    /// Every link.
    pub links: Vec<LinkRequest>,
    /// Entries that stay as they are.
    pub kept: Vec<KeptEntries>,
}

impl LinkRequests {
    /// ImagePullSecrets whose entries may be in the list.
    fn may_have_entries(&self) -> impl Iterator<Item = String> {
        let resolving = self.links.iter().filter(|it| it.resolves()).map(|it| &it.name);
        resolving.chain(self.kept.iter().map(|it| &it.name)).cloned()
    }
}

/// What is requested, and what is in the ConfigMap.
#[derive(Debug, Default)]
pub(crate) struct Links {
    /// None before everything is known.
    requested: Option<LinkRequests>,
    /// ImagePullSecrets whose entries may be in the ConfigMap: each to which nodes were to resolve, until a round of the
    /// newest requests has written the list without it.
    may_be_applied: BTreeSet<String>,
    nodes: Option<Nodes>,
}

impl Links {
    /// Requests what the ImagePullSecrets want now; to be called when all of them are known, for what nobody wants is
    /// taken off the nodes.
    pub(crate) fn settle(&mut self, items: &Items, effects: &mut Vec<Effect>) {
        let wanted = || items.values().filter_map(Wanted::of);
        let kept: Vec<KeptEntries> = items.values().filter_map(KeptEntries::of).collect();
        // Asked after every change: what stays the same is not copied.
        if let Some(requests) = &self.requested
            && requests.links.iter().map(LinkRequest::wanted).eq(wanted())
            && requests.kept == kept
        {
            return;
        }
        let links: Vec<LinkRequest> = wanted().map(Wanted::to_request).collect();
        let number = self.requested.as_ref().map_or(1, |before| before.number + 1);
        let requests = LinkRequests { number, links, kept };
        self.may_be_applied.extend(requests.may_have_entries());
        self.requested = Some(requests.clone());
        effects.push(Effect::ResolveLinks(requests));
    }

    /// Whether none of its entries is left.
    pub(crate) fn is_withdrawn(&self, name: &str) -> bool {
        self.requested.is_some() && !self.may_be_applied.contains(name)
    }

    /// How far the nodes are.
    pub(crate) fn nodes(&self) -> Option<&Nodes> {
        self.nodes.as_ref()
    }

    /// Takes an event in; gives what it says of links.
    pub(crate) fn take(&mut self, event: LinkEvent) -> Vec<(String, Option<Link>)> {
        match event {
            LinkEvent::Links { number, links, applied } => {
                let newest = self.requested.as_ref().filter(|requests| requests.number == number);
                if let (Some(newest), Some(applied)) = (newest, applied) {
                    self.may_be_applied = applied;
                    self.may_be_applied.extend(newest.may_have_entries());
                }
                links
            }
            LinkEvent::Nodes(nodes) => {
                self.nodes = Some(nodes);
                Vec::new()
            }
        }
    }
}

//! Which private links are requested, and what is known of them. Pure.

use std::collections::BTreeSet;

use tcr::image_pull_secret::Tcr;
use tcr::registry_host::RegistryHost;

use crate::effect::Effect;
use crate::input::LinkEvent;
use crate::item::{Item, Items};
use crate::link_request::{KeptEntries, LastLink, LinkRequest, LinkRequests};
use crate::nodes::Nodes;
use custom_resource::link::Link;

/// A request, borrowed.
#[derive(Clone, Copy, PartialEq)]
struct Wanted<'a> {
    name: &'a str,
    tcr: &'a Tcr,
    public_domain: Option<&'a RegistryHost>,
    last: &'a [LastLink],
}

impl<'a> Wanted<'a> {
    fn requested(request: &'a LinkRequest) -> Self {
        let LinkRequest { name, tcr, public_domain, last } = request;
        Self { name, tcr, public_domain: public_domain.as_ref(), last }
    }

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

/// The entries that stay as they are for an ImagePullSecret now.
fn kept_entries(item: &Item) -> Option<KeptEntries> {
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
    Some(KeptEntries { name: item.object.name.clone(), hosts })
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
        let kept: Vec<KeptEntries> = items.values().filter_map(kept_entries).collect();
        // Asked after every change: what stays the same is not copied.
        if let Some(requests) = &self.requested
            && requests.links.iter().map(Wanted::requested).eq(wanted())
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

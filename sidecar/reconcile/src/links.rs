//! The private links that are requested, and their state. Pure.

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

    /// The link that an ImagePullSecret requests now.
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

/// The entries of an ImagePullSecret that stay unchanged for now.
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

/// Requested links, and ImagePullSecrets with entries in the ConfigMap.
#[derive(Debug, Default)]
pub(crate) struct Links {
    /// None before the first lists are complete.
    requested: Option<LinkRequests>,
    /// ImagePullSecrets whose entries may be in the ConfigMap: each whose nodes were to resolve its link,
    /// until the newest requests have been written to the list without it.
    may_be_applied: BTreeSet<String>,
    nodes: Option<Nodes>,
}

impl Links {
    /// Requests the links that the ImagePullSecrets ask for. To be called only after the first lists are
    /// complete, because entries that no ImagePullSecret asks for are removed from the nodes.
    pub(crate) fn settle(&mut self, items: &Items, effects: &mut Vec<Effect>) {
        let wanted = || items.values().filter_map(Wanted::of);
        let kept: Vec<KeptEntries> = items.values().filter_map(kept_entries).collect();
        // Called after every change: nothing is copied when nothing differs.
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

    /// Whether none of its entries is left in the ConfigMap.
    pub(crate) fn is_withdrawn(&self, name: &str) -> bool {
        self.requested.is_some() && !self.may_be_applied.contains(name)
    }

    /// The progress of the nodes.
    pub(crate) fn nodes(&self) -> Option<&Nodes> {
        self.nodes.as_ref()
    }

    /// Takes in an event; returns the links that it reports.
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

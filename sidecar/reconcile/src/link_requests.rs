//! Which private links are requested, and what is known of them. Pure.

use std::collections::BTreeSet;

use tcr::image_pull_secret::Tcr;
use tcr::registry_host::RegistryHost;

use crate::effect::Effect;
use crate::input::LinkEvent;
use crate::item::{Item, Items};
use crate::nodes::Nodes;
use crate::status::Link;

/// A private link that an ImagePullSecret requests.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkRequest {
    /// The ImagePullSecret.
    pub name: String,
    /// Its `spec.tcr`.
    pub tcr: Tcr,
    /// The instance's default domain, once it is known.
    pub public_domain: Option<RegistryHost>,
}

/// What is requested, and what is in the ConfigMap.
#[derive(Debug, Default)]
pub(crate) struct Links {
    /// None before everything is known.
    requested: Option<Vec<LinkRequest>>,
    applied: BTreeSet<String>,
    nodes: Option<Nodes>,
}

impl Links {
    /// Requests what the ImagePullSecrets want now; to be called when all of them are known, for what nobody wants is
    /// taken off the nodes.
    pub(crate) fn settle(&mut self, items: &Items, effects: &mut Vec<Effect>) {
        let request = |item: &Item| {
            let tcr = item.object.spec.as_ref().ok()?.tcr.as_ref()?;
            let wanted = tcr.private_network.resolve && !item.released;
            let public_domain = item.held.as_ref().map(|held| held.public_domain.clone());
            wanted.then(|| LinkRequest { name: item.object.name.clone(), tcr: tcr.clone(), public_domain })
        };
        let requests: Vec<LinkRequest> = items.values().filter_map(request).collect();
        if self.requested.as_ref() != Some(&requests) {
            self.requested = Some(requests.clone());
            effects.push(Effect::ResolveLinks(requests));
        }
    }

    /// Whether none of its entries is left.
    pub(crate) fn is_withdrawn(&self, name: &str) -> bool {
        let is_requested = |requests: &Vec<LinkRequest>| requests.iter().any(|request| request.name == name);
        !self.applied.contains(name)
            && self.requested.as_ref().is_some_and(|requests| !is_requested(requests))
    }

    /// How far the nodes are.
    pub(crate) fn nodes(&self) -> Option<&Nodes> {
        self.nodes.as_ref()
    }

    /// Takes an event in; gives what it says of links.
    pub(crate) fn take(&mut self, event: LinkEvent) -> Vec<(String, Option<Link>)> {
        match event {
            LinkEvent::Links { links, applied } => {
                self.applied = applied;
                links
            }
            LinkEvent::Nodes(nodes) => {
                self.nodes = Some(nodes);
                Vec::new()
            }
        }
    }
}

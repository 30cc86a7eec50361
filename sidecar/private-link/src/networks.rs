//! The networks of an ImagePullSecret: the VPCs whose nodes get entries of their own, and one condition for
//! all links.

use std::collections::BTreeSet;

use tcr::hosts_entry::HostsEntry;
use tcr::image_pull_secret::{PrivateNetwork, Tcr};

use custom_resource::condition::ConditionReason;
use custom_resource::link::{Link, VpcLink};

/// VPCs that are looked at without being in the spec: as many as the spec may name.
const MOST_FOUND: usize = 16;

/// Nodes that resolve the domains to one address.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// The VPC whose nodes take the entries; none where all nodes do.
    pub vpc_id: Option<String>,
    /// The spec for this network.
    pub tcr: Tcr,
    /// The VPC is not in the spec, but nodes are in it: as long as it has no link of its own, they resolve to
    /// the link for all nodes.
    pub is_found: bool,
}

/// The VPCs that nodes are in, as far as agents have told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeVpcs {
    /// The VPCs that agents reported.
    pub vpc_ids: BTreeSet<String>,
    /// Every agent has reported its VPC.
    pub is_complete: bool,
}

impl NodeVpcs {
    /// These VPCs and those of existing entries, which an earlier process wrote for nodes there.
    pub fn with(&self, before: &[HostsEntry]) -> BTreeSet<String> {
        let of_links = before.iter().filter(|entry| !self.is_complete && entry.when_link_down().is_some());
        let of_links = of_links.filter_map(|entry| entry.vpc_id().map(str::to_owned));
        self.vpc_ids.iter().cloned().chain(of_links).collect()
    }
}

/// One network for each of `vpcIds`. Without them, one for all nodes; and where the spec names no VPC and
/// nodes are in several, one for each of these before it, up to as many as `vpcIds` takes.
pub fn of(tcr: &Tcr, of_nodes: &BTreeSet<String>) -> Vec<Network> {
    let PrivateNetwork { resolve, vpc_id, vpc_ids, address, .. } = &tcr.private_network;
    let network = |vpc_id: &String, is_found: bool| {
        let vpc_id = Some(vpc_id.clone());
        let private_network =
            PrivateNetwork { vpc_id: vpc_id.clone(), vpc_ids: Vec::new(), ..tcr.private_network.clone() };
        Network { vpc_id, tcr: Tcr { private_network, ..tcr.clone() }, is_found }
    };
    if !vpc_ids.is_empty() {
        return vpc_ids.iter().map(|vpc_id| network(vpc_id, false)).collect();
    }
    let mut networks = Vec::new();
    if *resolve && vpc_id.is_none() && address.is_none() && of_nodes.len() > 1 {
        networks.extend(of_nodes.iter().take(MOST_FOUND).map(|vpc_id| network(vpc_id, true)));
    }
    networks.push(Network { vpc_id: None, tcr: tcr.clone(), is_found: false });
    networks
}

impl Network {
    /// The entries of the list that are for the nodes of this network.
    pub fn before(&self, entries: &[HostsEntry]) -> Vec<HostsEntry> {
        let vpc_id = self.vpc_id.as_deref();
        let has_own = |domain: &str| entries.iter().any(|it| it.vpc_id() == vpc_id && it.domain() == domain);
        let is_had =
            |it: &&HostsEntry| it.vpc_id() == vpc_id || (it.vpc_id().is_none() && !has_own(it.domain()));
        entries.iter().filter(is_had).cloned().collect()
    }

    /// The regions that its VPC may be in, the likeliest first: the machines' region, and where nodes are in
    /// several VPCs also the instance's, because the API does not tell a link's region.
    pub(crate) fn regions(&self, of_machines: Option<String>) -> Vec<String> {
        let of_instance = &self.tcr.region;
        let mut regions = Vec::from_iter(of_machines);
        if self.vpc_id.is_some() && !regions.contains(of_instance) {
            regions.push(of_instance.clone());
        }
        regions
    }

    /// The key of this network in state that is kept between rounds. An ImagePullSecret's name has no slash.
    pub fn key(&self, name: &str) -> String {
        self.vpc_id.as_ref().map_or_else(|| name.to_owned(), |vpc_id| format!("{name}/{vpc_id}"))
    }
}

/// The ImagePullSecret of a [`Network::key`].
pub(crate) fn name_of(key: &str) -> &str {
    key.split_once('/').map_or(key, |(name, _)| name)
}

/// One link state for all networks: up where all are up, with the reason of the first that is not, else of
/// the first whose reason is more than that its link runs. VPCs that the spec does not name count only where
/// the VPC of the controller's node is unknown. None where there is no network.
pub fn join(mut judged: Vec<(Network, Link)>) -> Option<Link> {
    if judged.iter().all(|(network, _)| network.vpc_id.is_none()) {
        return judged.pop().map(|(_, judgement)| judgement);
    }
    let has_found = judged.iter().any(|(network, _)| network.is_found);
    if has_found && judged.iter().any(|(_, it)| it.reason == ConditionReason::VpcUnknown) {
        judged.retain(|(network, _)| network.is_found);
        judged.iter_mut().for_each(|(network, _)| network.is_found = false);
    }
    let named = || judged.iter().filter(|(network, _)| !network.is_found).map(|(_, judgement)| judgement);
    let is_up = match named().any(|it| it.is_up == Some(false)) {
        true => Some(false),
        false => named().all(|it| it.is_up == Some(true)).then_some(true),
    };
    let first_that = |wanted: &dyn Fn(&Link) -> bool| named().find(|it| wanted(it));
    let told = first_that(&|it| it.is_up == Some(false))
        .or_else(|| first_that(&|it| it.is_up.is_none()))
        .or_else(|| first_that(&|it| it.reason != ConditionReason::Running))
        .or_else(|| first_that(&|_| true))?;
    let (resolves, reason) = (told.resolves, told.reason);
    // The link for all nodes, beside which those of single VPCs are.
    let of_all = judged.iter().find(|(network, _)| network.vpc_id.is_none()).map(|(_, it)| it);
    let (vpc_id, address) = (of_all.and_then(|it| it.vpc_id.clone()), of_all.and_then(|it| it.address));
    let mut hosts = Vec::new();
    let mut links = Vec::new();
    for (network, judgement) in &judged {
        for host in &judgement.hosts {
            if !hosts.contains(host) {
                hosts.push(host.clone());
            }
        }
        links.extend(network.vpc_id.clone().map(|vpc_id| VpcLink {
            vpc_id,
            reason: judgement.reason,
            address: judgement.address,
        }));
    }
    // Those that are not up come first, so that the beginning of the message says what to do.
    judged.sort_by_key(|(network, it)| (network.is_found, it.is_up == Some(true)));
    let said = judged.iter().map(|(network, it)| match &network.vpc_id {
        Some(vpc_id) => format!("{vpc_id}: {}", it.message),
        None => it.message.clone(),
    });
    let message = said.collect::<Vec<_>>().join("; ");
    Some(Link { resolves, is_up, reason, message, vpc_id, address, hosts, links })
}

#[cfg(test)]
mod tests;

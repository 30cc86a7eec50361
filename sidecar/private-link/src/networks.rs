//! The networks of an ImagePullSecret: in which VPCs nodes take entries of their own, and one judgement of all the links.

use tcr::hosts_entry::HostsEntry;
use tcr::image_pull_secret::{PrivateNetwork, Tcr};

use crate::poll::{Judgement, VpcLink};
use custom_resource::condition::ConditionReason;

/// Nodes that resolve the domains to one address.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// The VPC whose nodes alone take the entries; none where all nodes do.
    pub vpc_id: Option<String>,
    /// What is asked for there.
    pub tcr: Tcr,
}

/// One for each of `vpcIds`; without them one of all nodes.
pub fn of(tcr: &Tcr) -> Vec<Network> {
    let vpc_ids = &tcr.private_network.vpc_ids;
    if vpc_ids.is_empty() {
        return vec![Network { vpc_id: None, tcr: tcr.clone() }];
    }
    let network = |vpc_id: &String| {
        let vpc_id = Some(vpc_id.clone());
        let private_network =
            PrivateNetwork { vpc_id: vpc_id.clone(), vpc_ids: Vec::new(), ..tcr.private_network.clone() };
        Network { vpc_id, tcr: Tcr { private_network, ..tcr.clone() } }
    };
    vpc_ids.iter().map(network).collect()
}

impl Network {
    /// Of the entries that are in the list, those that nodes of this network have.
    pub fn before(&self, entries: &[HostsEntry]) -> Vec<HostsEntry> {
        let vpc_id = self.vpc_id.as_deref();
        let has_own = |domain: &str| entries.iter().any(|it| it.vpc_id() == vpc_id && it.domain() == domain);
        let is_had =
            |it: &&HostsEntry| it.vpc_id() == vpc_id || (it.vpc_id().is_none() && !has_own(it.domain()));
        entries.iter().filter(is_had).cloned().collect()
    }

    /// The regions that its VPC may be in, the likeliest first: the one of the machines, and where nodes are in several VPCs
    /// the instance's too, since the API tells no link's.
    pub(crate) fn regions(&self, of_machines: Option<String>) -> Vec<String> {
        let of_instance = &self.tcr.region;
        let mut regions = Vec::from_iter(of_machines);
        if self.vpc_id.is_some() && !regions.contains(of_instance) {
            regions.push(of_instance.clone());
        }
        regions
    }

    /// What is remembered about it between two rounds. The ImagePullSecret's name has no slash.
    pub fn key(&self, name: &str) -> String {
        self.vpc_id.as_ref().map_or_else(|| name.to_owned(), |vpc_id| format!("{name}/{vpc_id}"))
    }
}

/// The ImagePullSecret of a [`Network::key`].
pub(crate) fn name_of(key: &str) -> &str {
    key.split_once('/').map_or(key, |(name, _)| name)
}

/// One judgement of those of all networks: up where all of them are, with the reason of the first that is not, else of the
/// first that says more than that its link runs. None where there is no network.
pub fn join(mut judged: Vec<(Network, Judgement)>) -> Option<Judgement> {
    if judged.iter().all(|(network, _)| network.vpc_id.is_none()) {
        return judged.pop().map(|(_, judgement)| judgement);
    }
    let is_up = match judged.iter().any(|(_, it)| it.is_up == Some(false)) {
        true => Some(false),
        false => judged.iter().all(|(_, it)| it.is_up == Some(true)).then_some(true),
    };
    let first_that =
        |wanted: &dyn Fn(&Judgement) -> bool| judged.iter().map(|(_, it)| it).find(|it| wanted(it));
    let told = first_that(&|it| it.is_up == Some(false))
        .or_else(|| first_that(&|it| it.is_up.is_none()))
        .or_else(|| first_that(&|it| it.reason != ConditionReason::Running))
        .or_else(|| first_that(&|_| true))?;
    let (resolves, reason) = (told.resolves, told.reason);
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
    // Those that are not up come first: whoever reads only the beginning reads what to do.
    judged.sort_by_key(|(_, it)| it.is_up == Some(true));
    let said = judged.iter().map(|(network, it)| match &network.vpc_id {
        Some(vpc_id) => format!("{vpc_id}: {}", it.message),
        None => it.message.clone(),
    });
    let message = said.collect::<Vec<_>>().join("; ");
    Some(Judgement { resolves, is_up, reason, message, vpc_id: None, address: None, hosts, links })
}

#[cfg(test)]
mod tests;

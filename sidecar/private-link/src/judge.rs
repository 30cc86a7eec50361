//! The condition about a private link.

use std::net::IpAddr;

use custom_resource::condition::ConditionReason;
use tcr::registry_host::RegistryHost;

use crate::Fact;

/// Whether TCR's private DNS serves the domains in the VPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrivateDns {
    /// It serves all of them.
    Serves,
    /// It does not serve all of them.
    DoesNot,
    /// Not known, and why.
    Unknown(&'static str),
}

/// All inputs about one ImagePullSecret's private link.
#[derive(Clone, Debug)]
pub struct Known<'a> {
    /// The id of the instance.
    pub instance_id: &'a str,
    /// The VPC that the link leads from; none for an address from the spec.
    pub vpc_id: Option<&'a str>,
    /// Nodes are to resolve the domains to the link.
    pub resolves: bool,
    /// The state of the link.
    pub fact: &'a Fact,
    /// The domains that resolve to it, or could.
    pub hosts: &'a [RegistryHost],
    /// Its previous address, if it changed lately.
    pub changed_from: Option<IpAddr>,
    /// Whether TCR's private DNS serves the domains in the VPC.
    pub private_dns: PrivateDns,
    /// Custom domains that the instance does not have, or that are not ready, with their status.
    pub unusable: &'a [(String, Option<String>)],
}

/// Whether the link is as desired, the condition's reason, and its message. Where nodes do not resolve to the
/// link, it only has to run.
pub fn judge(known: &Known<'_>) -> (bool, ConditionReason, String) {
    let Known { instance_id, resolves, fact, unusable, .. } = known;
    let link = link(known);
    let address = match fact {
        Fact::Up(address) => *address,
        Fact::Down(Some(status)) => {
            let message = format!("the {link} is {status:?}, and not Running yet");
            return (false, ConditionReason::Pending, message);
        }
        Fact::Down(None) | Fact::Unknown => {
            let message = format!(
                "there is no {link}: connect the VPC in the TCR console, under Access Control > Private Network Access of \
                 the instance"
            );
            return (false, ConditionReason::NoLink, message);
        }
    };
    if !resolves {
        let (reason, message) = unresolved(known, address);
        return (true, reason, message);
    }
    if let Some((domain, status)) = unusable.first() {
        let message = match status {
            Some(status) => {
                format!("the domain {domain} of {instance_id} is {status:?}, and not usable yet")
            }
            None => format!(
                "{instance_id} has no custom domain {domain}: add it in the TCR console, or take it out of \
                 spec.tcr.privateNetwork.domains"
            ),
        };
        return (false, ConditionReason::DomainUnusable, message);
    }
    let (reason, message) = resolved(known, address);
    (true, reason, message)
}

fn link(Known { instance_id, vpc_id, .. }: &Known<'_>) -> String {
    format!("private link from {} to {instance_id}", vpc_id.unwrap_or("the VPC of the nodes"))
}

fn names(hosts: &[RegistryHost]) -> String {
    hosts.iter().map(|host| host.name()).collect::<Vec<_>>().join(", ")
}

/// The condition of a running link that nodes resolve to.
fn resolved(known: &Known<'_>, address: IpAddr) -> (ConditionReason, String) {
    let Known { vpc_id, hosts, changed_from, private_dns, .. } = known;
    let names = names(hosts);
    if *private_dns == PrivateDns::Serves {
        let message = format!(
            "TCR's private DNS already resolves {names} to {address} in {}: entries in hosts files are not needed; set \
             spec.tcr.privateNetwork.resolve to false",
            vpc_id.unwrap_or("the VPC of the nodes")
        );
        return (ConditionReason::PrivateDNSAlreadyServes, message);
    }
    let public = "these domains can no longer be reached over the public network from the cluster";
    match changed_from {
        Some(old) => (
            ConditionReason::AddressChanged,
            format!("nodes resolve {names} to {address}, and no longer to {old}; {public}"),
        ),
        None => {
            let is_link = vpc_id.is_some();
            let reason = if is_link { ConditionReason::Running } else { ConditionReason::FixedAddress };
            (reason, format!("nodes resolve {names} to {address}; {public}"))
        }
    }
}

/// The condition of a running link that this add-on adds no entries for.
fn unresolved(known: &Known<'_>, address: IpAddr) -> (ConditionReason, String) {
    let Known { hosts, changed_from, private_dns, .. } = known;
    let link = format!("the {}", link(known));
    if let Some(old) = changed_from {
        let message = format!(
            "{link} has the address {address}, and no longer {old}: hosts files and name servers that were set by hand have \
             to follow"
        );
        return (ConditionReason::AddressChanged, message);
    }
    match private_dns {
        PrivateDns::Serves => (
            ConditionReason::PrivateDNSAlreadyServes,
            format!("{link} runs at {address}, and TCR's private DNS resolves {} to it", names(hosts)),
        ),
        PrivateDns::DoesNot | PrivateDns::Unknown(_) => {
            let mut message = format!(
                "{link} runs at {address}; spec.tcr.privateNetwork.resolve is false, so that nodes have no entries for it"
            );
            if let PrivateDns::Unknown(why) = private_dns {
                message += &format!("; whether TCR's private DNS serves it is not known: {why}");
            }
            (ConditionReason::Running, message)
        }
    }
}

#[cfg(test)]
mod tests;

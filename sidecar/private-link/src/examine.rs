//! What is asked about one private link, and what the answers mean.

use std::collections::BTreeMap;
use std::net::IpAddr;

use tcr::hosts_entry::HostsEntry;
use tcr::image_pull_secret::{PrivateNetwork, Tcr};
use tcr::registry_host::RegistryHost;

use crate::{Fact, fact};
use credential_plan::domains;
use custom_resource::condition::ConditionReason;
use tencent_cloud::customized_domain;
use tencent_cloud::internal_endpoint::InternalEndpoint;

/// Something that has to be known first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// The VPC of the node that the controller runs on.
    MachineVpc,
    /// The instance's private links.
    Endpoints,
    /// The instance's custom domains, with their status.
    CustomDomains,
    /// Whether TCR's private DNS serves a host in the VPC.
    Dns {
        /// The host: the instance's default domain, or its private twin.
        host: RegistryHost,
        /// Whether it is the default domain.
        is_default_domain: bool,
        /// The nodes' VPC.
        vpc_id: String,
        /// The link's address.
        address: IpAddr,
    },
}

/// What was answered so far; an error is told to the user.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// To [`Question::MachineVpc`].
    pub machine_vpc: Option<Result<String, String>>,
    /// To [`Question::Endpoints`].
    pub endpoints: Option<Result<Vec<InternalEndpoint>, String>>,
    /// To [`Question::CustomDomains`].
    pub custom_domains: Option<Result<BTreeMap<String, String>, String>>,
    /// To [`Question::Dns`]. Without an answer it is false: entries do no harm where DNS says the same.
    pub is_served_by_dns: BTreeMap<RegistryHost, bool>,
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Examined {
    /// Find this out, and examine again.
    Ask(Question),
    /// The link is not known, and why.
    Unknown {
        /// Domains that shall resolve to it, as far as they are known.
        hosts: Vec<RegistryHost>,
        /// The condition's reason.
        reason: ConditionReason,
        /// The condition's message.
        message: String,
    },
    /// All that there is to know.
    Found(Found),
}

/// What there is to know of an instance's private link from a VPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The nodes' VPC.
    pub vpc_id: String,
    /// The link.
    pub fact: Fact,
    /// Domains that shall resolve to it.
    pub hosts: Vec<RegistryHost>,
    /// TCR's private DNS serves all of them in the VPC.
    pub is_served_by_dns: bool,
    /// Custom domains that the instance does not have, or not yet, with their status.
    pub unusable: Vec<(String, Option<String>)>,
}

/// Examines the private link that `tcr` asks for. `public` is the instance's default domain, once that is known, and
/// `before` the entries that nodes have.
pub fn examine(
    tcr: &Tcr,
    public: Option<&RegistryHost>,
    allowed_roots: &[String],
    before: &[HostsEntry],
    answers: &Answers,
) -> Examined {
    let Tcr { instance_id, private_network: PrivateNetwork { vpc_id, domains, .. }, .. } = tcr;
    let unknown = |hosts, reason, message| Examined::Unknown { hosts, reason, message };
    let Some(public) = public else {
        let message = format!("the domain of {instance_id} is known once it has a credential");
        return unknown(Vec::new(), ConditionReason::Pending, message);
    };
    let mut hosts: Vec<RegistryHost> = match domains::hosts(domains, public, allowed_roots) {
        Ok(hosts) => hosts.into_iter().collect(),
        Err(error) => {
            let message = format!("spec.tcr.privateNetwork.domains: {error}");
            return unknown(Vec::new(), ConditionReason::InvalidDomain, message);
        }
    };
    let vpc_id = match (vpc_id, &answers.machine_vpc) {
        (Some(vpc_id), _) | (None, Some(Ok(vpc_id))) => vpc_id.clone(),
        (None, None) => return Examined::Ask(Question::MachineVpc),
        (None, Some(Err(why))) => {
            let message = format!("spec.tcr.privateNetwork.vpcId: set it to the VPC of the nodes; {why}");
            return unknown(hosts, ConditionReason::VpcUnknown, message);
        }
    };
    let fact = match &answers.endpoints {
        None => return Examined::Ask(Question::Endpoints),
        Some(Ok(links)) => fact(links, &vpc_id),
        Some(Err(error)) => return unknown(hosts, ConditionReason::CloudFailed, error.clone()),
    };
    let twin = public.vpc();
    let is_standard = |host: &RegistryHost| host == public || Some(host) == twin.as_ref();
    let mut unusable = Vec::new();
    if !hosts.iter().all(is_standard) {
        let custom = match &answers.custom_domains {
            None => return Examined::Ask(Question::CustomDomains),
            Some(Ok(custom)) => custom,
            Some(Err(error)) => return unknown(hosts, ConditionReason::CloudFailed, error.clone()),
        };
        hosts.retain(|host| match custom.get(host.name()) {
            _ if is_standard(host) => true,
            Some(status) if customized_domain::is_ready(status) => true,
            status => {
                unusable.push((host.name().to_owned(), status.cloned()));
                // What nodes resolve already stays until it is certain that it is gone.
                status.is_some() && before.iter().any(|entry| entry.domain() == host.name())
            }
        });
    }
    let mut is_served_by_dns = false;
    if let Fact::Up(address) = fact
        && !hosts.is_empty()
        && hosts.iter().all(is_standard)
    {
        let is_served = |host| answers.is_served_by_dns.get(host).copied();
        // One that is not served is enough.
        if let Some(host) = hosts.iter().find(|host| is_served(host) != Some(true))
            && is_served(host).is_none()
        {
            let is_default_domain = host == public;
            return Examined::Ask(Question::Dns { host: host.clone(), is_default_domain, vpc_id, address });
        }
        is_served_by_dns = hosts.iter().all(|host| is_served(host) == Some(true));
    }
    Examined::Found(Found { vpc_id, fact, hosts, is_served_by_dns, unusable })
}

#[cfg(test)]
mod tests;

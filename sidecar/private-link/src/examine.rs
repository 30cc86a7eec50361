//! What is asked about one private link, and what the answers mean.

use std::collections::BTreeMap;
use std::net::IpAddr;

use tcr::hosts_entry::HostsEntry;
use tcr::image_pull_secret::{Destination, PrivateNetwork, Tcr};
use tcr::registry_host::RegistryHost;

use crate::judge::PrivateDns;
use crate::networks::Network;
use crate::{Fact, fact};
use credential_plan::domains;
use custom_resource::condition::ConditionReason;
use tencent_cloud::customized_domain;
use tencent_cloud::instance::{Instance, Readiness};
use tencent_cloud::internal_endpoint::InternalEndpoint;

/// Why it is not known what private DNS serves: the API wants the region of the VPC.
const NO_REGION: &str =
    "the region of the nodes is not known; set the chart's global.cluster.longregion (--region)";
/// The same where it did not answer.
const NO_ANSWER: &str = "Tencent Cloud could not be asked, as the controller's log says";

/// Something that has to be known first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// The instance, for its default domain.
    Instance,
    /// The VPC of the node that the controller runs on.
    MachineVpc,
    /// The region that the VPC is in.
    VpcRegion,
    /// The instance's private links.
    Endpoints,
    /// The instance's custom domains, with their status.
    CustomDomains,
    /// Whether TCR's private DNS serves a host in the VPC.
    Dns {
        /// What is asked for, and where.
        place: DnsPlace,
        /// Whether it is the default domain.
        is_default_domain: bool,
        /// The link's address.
        address: IpAddr,
    },
}

/// A host in a VPC, as TCR's private DNS is asked about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DnsPlace {
    /// The nodes' VPC.
    pub vpc_id: String,
    /// The region that the VPC is in, or may be.
    pub region: String,
    /// The host: the instance's default domain, or its private twin.
    pub host: RegistryHost,
}

/// What was answered so far in one round, in which nothing is asked twice; an error is told to the user.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// To [`Question::MachineVpc`].
    pub machine_vpc: Option<Result<String, String>>,
    /// To [`Question::VpcRegion`]; none inside where nobody tells.
    pub vpc_region: Option<Option<String>>,
    /// By role, region and id: who asks in another role may see another thing.
    instances: BTreeMap<(Option<String>, String, String), OfInstance>,
}

/// What was answered so far about one instance.
#[derive(Clone, Debug, Default)]
pub struct OfInstance {
    /// To [`Question::Instance`]; none inside where there is no such instance.
    pub instance: Option<Result<Option<Instance>, String>>,
    /// To [`Question::Endpoints`].
    pub endpoints: Option<Result<Vec<InternalEndpoint>, String>>,
    /// To [`Question::CustomDomains`].
    pub custom_domains: Option<Result<BTreeMap<String, String>, String>>,
    /// To [`Question::Dns`]; none inside where it was not answered.
    pub is_served_by_dns: BTreeMap<DnsPlace, Option<bool>>,
}

impl Answers {
    /// What was answered about the instance.
    pub fn of(&mut self, tcr: &Tcr) -> &mut OfInstance {
        let asked = (tcr.role_arn.clone(), tcr.region.clone(), tcr.instance_id.clone());
        self.instances.entry(asked).or_default()
    }
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
    /// The VPC that the link leads from; none of an address that the spec gives.
    pub vpc_id: Option<String>,
    /// The link.
    pub fact: Fact,
    /// Domains that shall resolve to it, or could.
    pub hosts: Vec<RegistryHost>,
    /// Whether TCR's private DNS serves all of them in the VPC.
    pub private_dns: PrivateDns,
    /// Custom domains that the instance does not have, or not yet, with their status. Not looked for where nodes do not
    /// resolve them.
    pub unusable: Vec<(String, Option<String>)>,
}

/// Examines the private link of a network, also where nodes shall not resolve to it. `public` is the instance's default
/// domain where a credential tells it, and `before` the entries that nodes of the network have.
pub fn examine(
    network: &Network,
    public: Option<&RegistryHost>,
    allowed_roots: &[String],
    before: &[HostsEntry],
    answers: &mut Answers,
) -> Examined {
    let tcr = &network.tcr;
    let PrivateNetwork { resolve, domains, .. } = &tcr.private_network;
    let (machine_vpc, vpc_region) = (answers.machine_vpc.clone(), answers.vpc_region.clone());
    let answers = answers.of(tcr);
    let unknown = |hosts, reason, message| Examined::Unknown { hosts, reason, message };
    let public = match (public, &answers.instance) {
        (Some(public), _) => public.clone(),
        (None, None) => return Examined::Ask(Question::Instance),
        (None, Some(answer)) => match default_domain(tcr, answer) {
            Ok(public) => public,
            Err((reason, message)) => return unknown(Vec::new(), reason, message),
        },
    };
    let mut hosts: Vec<RegistryHost> = match domains::hosts(domains, &public, allowed_roots) {
        Ok(hosts) => hosts.into_iter().collect(),
        // Nobody is led there.
        Err(_) if !resolve => Vec::new(),
        Err(error) => {
            let message = format!("spec.tcr.privateNetwork.domains: {error}");
            return unknown(Vec::new(), ConditionReason::InvalidDomain, message);
        }
    };
    let link = match link(&tcr.private_network, machine_vpc, answers) {
        Ok(link) => link,
        Err(Missing::Answer(question)) => return Examined::Ask(question),
        Err(Missing::Told(reason, message)) => return unknown(hosts, reason, message),
    };
    let twin = public.vpc();
    let is_standard = |host: &RegistryHost| *host == public || Some(host) == twin.as_ref();
    let mut unusable = Vec::new();
    if !resolve {
        hosts.retain(is_standard);
    } else if !hosts.iter().all(is_standard) {
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
    let private_dns = match &link {
        Link { vpc_id: Some(vpc_id), fact: Fact::Up(address), is_own: true }
            if !hosts.is_empty() && hosts.iter().all(is_standard) =>
        {
            let Some(region) = vpc_region else { return Examined::Ask(Question::VpcRegion) };
            match private_dns(&hosts, &public, (vpc_id, &network.regions(region)), *address, answers) {
                Ok(private_dns) => private_dns,
                Err(question) => return Examined::Ask(question),
            }
        }
        _ => PrivateDns::DoesNot,
    };
    let Link { vpc_id, fact, .. } = link;
    Examined::Found(Found { vpc_id, fact, hosts, private_dns, unusable })
}

/// Where the domains lead.
struct Link {
    /// As in [`Found`].
    vpc_id: Option<String>,
    fact: Fact,
    /// It is the link of the nodes' own VPC, where private DNS may lead to it too.
    is_own: bool,
}

/// Why a link is not known.
enum Missing {
    Answer(Question),
    Told(ConditionReason, String),
}

fn link(
    network: &PrivateNetwork,
    machine_vpc: Option<Result<String, String>>,
    answers: &OfInstance,
) -> Result<Link, Missing> {
    let destination = network.destination().filter(|_| network.resolve);
    let (vpc_id, is_own) = match (destination, &network.vpc_id, machine_vpc) {
        (Some(Destination::Address(address)), ..) => {
            return Ok(Link { vpc_id: None, fact: Fact::Up(address), is_own: false });
        }
        (Some(Destination::LinkOf(vpc_id)), own, _) => {
            let is_own = own.as_ref() == Some(&vpc_id);
            (vpc_id, is_own)
        }
        (None, Some(vpc_id), _) => (vpc_id.clone(), true),
        (None, None, Some(Ok(vpc_id))) => (vpc_id, true),
        (None, None, None) => return Err(Missing::Answer(Question::MachineVpc)),
        (None, None, Some(Err(why))) => {
            let message = format!("spec.tcr.privateNetwork.vpcId: set it to the VPC of the nodes; {why}");
            return Err(Missing::Told(ConditionReason::VpcUnknown, message));
        }
    };
    match &answers.endpoints {
        None => Err(Missing::Answer(Question::Endpoints)),
        Some(Ok(links)) => Ok(Link { fact: fact(links, &vpc_id), vpc_id: Some(vpc_id), is_own }),
        Some(Err(error)) => Err(Missing::Told(ConditionReason::CloudFailed, error.clone())),
    }
}

/// The default domain of the instance, or what its absence is told as.
fn default_domain(
    tcr: &Tcr,
    answer: &Result<Option<Instance>, String>,
) -> Result<RegistryHost, (ConditionReason, String)> {
    let Tcr { instance_id, region, .. } = tcr;
    match answer {
        Err(error) => Err((ConditionReason::CloudFailed, error.clone())),
        Ok(None) => {
            let message = format!("the API credential sees no instance {instance_id} in {region}");
            Err((ConditionReason::InstanceNotFound, message))
        }
        Ok(Some(instance)) if instance.readiness() == Readiness::Ready => Ok(instance.public_domain.clone()),
        Ok(Some(instance)) => {
            let message = format!("instance {instance_id} is {} and not Running", instance.status);
            Err((ConditionReason::InstanceNotRunning, message))
        }
    }
}

/// Whether private DNS serves all of the hosts in the VPC, which is in one of the regions, or what is to be asked first.
fn private_dns(
    hosts: &[RegistryHost],
    public: &RegistryHost,
    (vpc_id, regions): (&str, &[String]),
    address: IpAddr,
    answers: &OfInstance,
) -> Result<PrivateDns, Question> {
    if regions.is_empty() {
        return Ok(PrivateDns::Unknown(NO_REGION));
    }
    let mut private_dns = PrivateDns::Serves;
    for host in hosts {
        let mut is_served = None;
        for region in regions {
            let place = DnsPlace { vpc_id: vpc_id.to_owned(), region: region.clone(), host: host.clone() };
            match answers.is_served_by_dns.get(&place) {
                None => return Err(Question::Dns { is_default_domain: host == public, place, address }),
                Some(answer) => is_served = is_served.or(*answer),
            }
            if is_served.is_some() {
                break;
            }
        }
        match is_served {
            Some(true) => {}
            // One that is not served is enough.
            Some(false) => return Ok(PrivateDns::DoesNot),
            None => private_dns = PrivateDns::Unknown(NO_ANSWER),
        }
    }
    Ok(private_dns)
}

#[cfg(test)]
mod tests;

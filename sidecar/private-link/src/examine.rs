//! What is asked about one private link, and what the answers mean.

use std::collections::BTreeMap;
use std::net::IpAddr;

use tcr::hosts_entry::HostsEntry;
use tcr::image_pull_secret::{PrivateNetwork, Tcr};
use tcr::registry_host::RegistryHost;

use crate::judge::PrivateDns;
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
        /// The host: the instance's default domain, or its private twin.
        host: RegistryHost,
        /// Whether it is the default domain.
        is_default_domain: bool,
        /// The nodes' VPC.
        vpc_id: String,
        /// The region of that VPC.
        region: String,
        /// The link's address.
        address: IpAddr,
    },
}

/// What was answered so far in one round, in which nothing is asked twice; an error is told to the user.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// To [`Question::MachineVpc`].
    pub machine_vpc: Option<Result<String, String>>,
    /// To [`Question::VpcRegion`]; none inside where nobody tells.
    pub vpc_region: Option<Option<String>>,
    /// By region and id.
    instances: BTreeMap<(String, String), OfInstance>,
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
    /// To [`Question::Dns`], by VPC and host; none inside where it was not answered.
    pub is_served_by_dns: BTreeMap<(String, RegistryHost), Option<bool>>,
}

impl Answers {
    /// What was answered about the instance.
    pub fn of(&mut self, tcr: &Tcr) -> &mut OfInstance {
        self.instances.entry((tcr.region.clone(), tcr.instance_id.clone())).or_default()
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
    /// The nodes' VPC.
    pub vpc_id: String,
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

/// Examines the private link of `tcr`, also where nodes shall not resolve to it. `public` is the instance's default domain
/// where a credential tells it, and `before` the entries that nodes have.
pub fn examine(
    tcr: &Tcr,
    public: Option<&RegistryHost>,
    allowed_roots: &[String],
    before: &[HostsEntry],
    answers: &mut Answers,
) -> Examined {
    let PrivateNetwork { resolve, vpc_id, domains, .. } = &tcr.private_network;
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
    let vpc_id = match (vpc_id, machine_vpc) {
        (Some(vpc_id), _) => vpc_id.clone(),
        (None, Some(Ok(vpc_id))) => vpc_id,
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
    let private_dns = match fact {
        Fact::Up(address) if !hosts.is_empty() && hosts.iter().all(is_standard) => {
            let region = match vpc_region {
                None => return Examined::Ask(Question::VpcRegion),
                Some(region) => region,
            };
            match private_dns(&hosts, &public, &vpc_id, region, address, answers) {
                Ok(private_dns) => private_dns,
                Err(question) => return Examined::Ask(question),
            }
        }
        _ => PrivateDns::DoesNot,
    };
    Examined::Found(Found { vpc_id, fact, hosts, private_dns, unusable })
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

/// Whether private DNS serves all of the hosts, or what is to be asked first.
fn private_dns(
    hosts: &[RegistryHost],
    public: &RegistryHost,
    vpc_id: &str,
    region: Option<String>,
    address: IpAddr,
    answers: &OfInstance,
) -> Result<PrivateDns, Question> {
    let Some(region) = region else { return Ok(PrivateDns::Unknown(NO_REGION)) };
    let mut private_dns = PrivateDns::Serves;
    for host in hosts {
        match answers.is_served_by_dns.get(&(vpc_id.to_owned(), host.clone())) {
            Some(Some(true)) => {}
            // One that is not served is enough.
            Some(Some(false)) => return Ok(PrivateDns::DoesNot),
            Some(None) => private_dns = PrivateDns::Unknown(NO_ANSWER),
            None => {
                return Err(Question::Dns {
                    host: host.clone(),
                    is_default_domain: host == public,
                    vpc_id: vpc_id.to_owned(),
                    region,
                    address,
                });
            }
        }
    }
    Ok(private_dns)
}

#[cfg(test)]
mod tests;

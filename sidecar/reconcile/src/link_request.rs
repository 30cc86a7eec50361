//! Private links as they are requested: values that go out with an effect.

use std::net::IpAddr;

use custom_resource::ImagePullSecretStatus;
use tcr::image_pull_secret::Tcr;
use tcr::registry_host::RegistryHost;

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
    pub(crate) fn may_have_entries(&self) -> impl Iterator<Item = String> {
        let resolving = self.links.iter().filter(|it| it.resolves()).map(|it| &it.name);
        resolving.chain(self.kept.iter().map(|it| &it.name)).cloned()
    }
}

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
}

/// An ImagePullSecret whose spec cannot be carried out: what it asks for nobody knows, and nodes keep what they have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptEntries {
    /// The ImagePullSecret.
    pub name: String,
    /// The hosts that its private link led to.
    pub hosts: Vec<String>,
}

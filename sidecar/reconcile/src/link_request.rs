//! Requests for private links, which an effect hands to the resolver.

use std::net::IpAddr;

use custom_resource::ImagePullSecretStatus;
use tcr::image_pull_secret::Tcr;
use tcr::registry_host::RegistryHost;

/// All requested private links.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LinkRequests {
    /// Higher than the number of all earlier requests.
    pub number: u64,
    /// The links to resolve.
    pub links: Vec<LinkRequest>,
    /// Entries that stay unchanged.
    pub kept: Vec<KeptEntries>,
}

impl LinkRequests {
    /// ImagePullSecrets whose entries may be in the list.
    pub(crate) fn may_have_entries(&self) -> impl Iterator<Item = String> {
        let resolving = self.links.iter().filter(|it| it.resolves()).map(|it| &it.name);
        resolving.chain(self.kept.iter().map(|it| &it.name)).cloned()
    }
}

/// A request for the private link of an ImagePullSecret with an instance. The link is resolved; nodes get
/// entries for it only where the spec asks for them.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkRequest {
    /// The ImagePullSecret.
    pub name: String,
    /// Its `spec.tcr`.
    pub tcr: Tcr,
    /// The instance's default domain, where its credential tells it.
    pub public_domain: Option<RegistryHost>,
    /// The links that the status named when this process began, one for each VPC that nodes are in.
    pub last: Vec<LastLink>,
}

/// A link as a status states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastLink {
    /// The VPC that it leads from.
    pub vpc_id: String,
    /// Its address in the VPC.
    pub address: IpAddr,
}

impl LastLink {
    /// The links that the status states; none where it is of another generation of the spec.
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
    /// Whether nodes are to resolve the link.
    pub fn resolves(&self) -> bool {
        self.tcr.private_network.resolve
    }
}

/// An ImagePullSecret whose spec is invalid, so that its request is unknown: nodes keep their entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptEntries {
    /// The ImagePullSecret.
    pub name: String,
    /// The hosts of its entries.
    pub hosts: Vec<String>,
}

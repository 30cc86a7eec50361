//! What is known of the private link of an instance, before it is told in a status.

use std::net::IpAddr;

use tcr::registry_host::RegistryHost;

use crate::condition::ConditionReason;

/// The private link of an ImagePullSecret with its instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Nodes shall resolve the domains to it.
    pub resolves: bool,
    /// It runs, and nodes resolve the domains to it where they shall; none where nobody knows and nobody waits for it.
    pub is_up: Option<bool>,
    /// The reason of the condition `PrivateLink`.
    pub reason: ConditionReason,
    /// The condition's message.
    pub message: String,
    /// The VPC that it leads from.
    pub vpc_id: Option<String>,
    /// Its address in the VPC, while it runs.
    pub address: Option<IpAddr>,
    /// The domains that lead to it, or could.
    pub hosts: Vec<RegistryHost>,
    /// The link of each VPC, where nodes are in several.
    pub links: Vec<VpcLink>,
}

/// The link of one of several VPCs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VpcLink {
    /// The VPC of the nodes.
    pub vpc_id: String,
    /// The condition's reason, were it the only one.
    pub reason: ConditionReason,
    /// Where its nodes resolve the domains to, or could.
    pub address: Option<IpAddr>,
}

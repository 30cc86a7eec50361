//! The custom resource as Kubernetes sees it: the spec is [`tcr::image_pull_secret`]'s, the status
//! is here, and the definition is made from both.
//!
//! Imports no other crate of this folder. Absent: clients, clocks, and what becomes of an object.

use std::borrow::Cow;

use k8s_openapi::ClusterResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta, Time};
use kube_core::Resource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tcr::image_pull_secret::ImagePullSecretSpec;
use tcr::names::{API_GROUP, API_VERSION, IMAGE_PULL_SECRET_KIND, IMAGE_PULL_SECRET_PLURAL};

pub mod condition;
mod definition;
pub mod link;
pub mod manifest;
pub mod request;

pub use definition::{definition, yaml};
pub use request::RequestStatus;

/// An ImagePullSecret: what was asked for, and what came of it.
///
/// Written by hand, because a derive would want the spec's type to be in this crate; it is in
/// `tcr`, where the admission policy reads it too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImagePullSecret {
    /// Group and version.
    #[serde(default = "api_version")]
    pub api_version: String,
    /// The kind.
    #[serde(default = "kind")]
    pub kind: String,
    /// Name, labels and the rest of the API's own fields.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// What was asked for.
    #[serde(default)]
    pub spec: ImagePullSecretSpec,
    /// What came of it; only the controller writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<ImagePullSecretStatus>,
}

fn api_version() -> String {
    format!("{API_GROUP}/{API_VERSION}")
}

fn kind() -> String {
    IMAGE_PULL_SECRET_KIND.to_owned()
}

impl ImagePullSecret {
    /// A new object, not yet seen by an API server.
    pub fn new(name: &str, spec: ImagePullSecretSpec) -> Self {
        let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
        Self { api_version: api_version(), kind: kind(), metadata, spec, status: None }
    }
}

impl Resource for ImagePullSecret {
    type DynamicType = ();
    type Scope = ClusterResourceScope;

    fn kind(_: &()) -> Cow<'_, str> {
        IMAGE_PULL_SECRET_KIND.into()
    }

    fn group(_: &()) -> Cow<'_, str> {
        API_GROUP.into()
    }

    fn version(_: &()) -> Cow<'_, str> {
        API_VERSION.into()
    }

    fn plural(_: &()) -> Cow<'_, str> {
        IMAGE_PULL_SECRET_PLURAL.into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// Failures kept in a status at most: an object must stay small in a cluster of any size.
pub const MOST_FAILURES: usize = 10;

/// What came of an ImagePullSecret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ImagePullSecretStatus {
    /// The generation of the spec that this status is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready, CredentialValid, Distributed, PrivateLink and Conflicts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Hosts that the Secret holds a credential for, sorted. The policy's discovery reads them here,
    /// because an instance's id does not tell its domains: the controller must fill them, for
    /// `spec.docker` too, as soon as they are known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// Namespaces that shall have the Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secrets_desired: Option<i64>,
    /// Namespaces that have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secrets_success: Option<i64>,
    /// ServiceAccounts that shall refer to the Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s_as_desired: Option<i64>,
    /// ServiceAccounts that do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s_as_success: Option<i64>,
    /// Id of the long-term credential in TCR, or name of the service account, by which it is found and deleted there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    /// When the credential ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// Who pulls, and what it may pull, where the credential is one of an instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<IdentityStatus>,
    /// A changed credential, such as a password of `spec.docker`, that is not distributed yet, because its registry has not
    /// let it in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_credential: Option<PendingCredential>,
    /// The private link of the cluster's VPC to the instance, also where nodes do not resolve to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_link: Option<PrivateLinkStatus>,
    /// How far the nodes are with the entries for their hosts files, where the private network is resolved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<NodesStatus>,
    /// What came of the request in the annotation `tcr.tencentcloudcr.com/request`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestStatus>,
    /// Some of the writes that failed, at most 10 of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<WriteFailure>,
}

/// Who pulls with the credential of an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct IdentityStatus {
    /// The user name: the number of the CAM identity that the controller calls as, or the service account's name.
    pub username: String,
    /// Registry namespaces that a service account may pull from. Empty for others: what they may pull is what CAM allows
    /// their identity at the time of the pull.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub registry_namespaces: Vec<String>,
    /// The role in which Tencent's API made the credential, where that was not the controller's own identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
}

/// A changed credential that waits for its registry's verdict, while the one before it stays distributed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PendingCredential {
    /// The generation of the spec and the resourceVersion of the Secret that it is from.
    pub version: String,
    /// When it is distributed without a verdict.
    pub until: Time,
    /// What the registry said when it refused it, so that it is not distributed; empty while it has not.
    #[serde(default)]
    pub refused: String,
}

/// The private link of the cluster's VPC to the instance, or those of its VPCs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PrivateLinkStatus {
    /// The reason of the condition PrivateLink, and the address while there is one, for people; where nodes are in several
    /// VPCs, how many of these have an address, and how many there are.
    pub summary: String,
    /// The VPC that it leads from; absent where nodes are in several, and where the spec gives the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vpc_id: Option<String>,
    /// The instance's address in the VPC, while the link runs; absent where nodes are in several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Domains that lead to it, or could: those of `spec.tcr.privateNetwork.domains` that the instance has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// The link of each VPC, where nodes are in several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<VpcLinkStatus>,
}

/// The private link of one of several VPCs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct VpcLinkStatus {
    /// The VPC of the nodes.
    pub vpc_id: String,
    /// A reason of the condition `PrivateLink`.
    pub reason: String,
    /// The address that its nodes resolve the domains to, or could.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// How far the nodes are with the entries for their hosts files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NodesStatus {
    /// Generation of the list, as the nodes' agents report it.
    pub generation: String,
    /// `CURRENT/DESIRED` and the agents without Landlock, for people; `?` where agents may not be asked.
    pub summary: String,
    /// Nodes that shall have the list.
    pub desired: i64,
    /// Nodes that have it.
    pub current: i64,
    /// Nodes whose agent did not answer.
    pub silent: i64,
    /// Nodes that leave entries out because the private link does not answer them.
    pub withholding: i64,
    /// Nodes whose agent is confined by seccomp alone, because their kernel has no Landlock.
    pub by_seccomp: i64,
    /// Nodes whose agent is not confined, or does not say.
    pub unconfined: i64,
    /// Nodes that do not resolve what they shall, by the reason: at most one of each.
    pub not_resolving: Vec<NotResolving>,
}

/// Nodes that do not resolve what they shall, for one reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NotResolving {
    /// A reason of the condition `NodesResolve`.
    pub reason: String,
    /// How many nodes.
    pub count: i64,
    /// At most five of them.
    pub nodes: Vec<String>,
}

/// A write that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct WriteFailure {
    /// What could not be written: `Secret` or `ServiceAccount`.
    pub kind: String,
    /// Its namespace and name, joined by a slash.
    pub namespaced_name: String,
    /// Why.
    pub message: String,
}

#[cfg(test)]
mod tests;

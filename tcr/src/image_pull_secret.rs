//! The custom resource `imagepullsecrets.tcr.tencentcloudcr.com` as plain values.
//!
//! A drop-in for Tencent's own resource: every object that one accepts reads here and means the
//! same. Types are lenient on purpose (an unknown field or an impossible combination still
//! reads), because the controller must be able to report on an object; [`crate::rules`] refuses.

use core::time::Duration;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::go_duration;
use crate::label_selector::LabelSelector;
use crate::registry_host::RegistryHost;
use crate::resource_id::is_vpc_id;
use crate::sensitive::Sensitive;

/// What a cluster wants: which namespaces and ServiceAccounts may pull from which registry.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transform = crate::schema::object, extend("x-kubernetes-validations" = [
    { "rule": "has(self.docker) != has(self.tcr)", "message": "exactly one of docker and tcr must be set" },
])))]
pub struct ImagePullSecretSpec {
    /// Namespaces that get the Secret: `*` or empty for all, future ones too; else names and
    /// globs joined by commas, `!name` to exclude.
    pub namespaces: String,
    /// ServiceAccounts that refer to the Secret, in the same grammar as `namespaces`.
    pub service_accounts: String,
    /// Limits `namespaces` further, by the labels of the Namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
    /// What to do with a Secret of our name that is not ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conflict_policy: Option<ConflictPolicy>,
    /// A static credential. Exactly one of `docker` and `tcr` is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docker: Option<Docker>,
    /// A TCR Enterprise instance whose credential the controller obtains.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcr: Option<Tcr>,
}

/// What to do with a Secret of our name that is not ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(inline, transform = crate::schema::choice))]
pub enum ConflictPolicy {
    /// Leave it alone and report it.
    #[default]
    Never,
    /// Take over a Secret that holds a credential for the same registry, and keep its name and uid.
    Adopt,
    /// Take over whatever has the name.
    Overwrite,
}

/// A static credential for one registry host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transform = crate::schema::object, extend("required" = ["server", "username"]), extend("x-kubernetes-validations" = [
    {
        "rule": "(has(self.password) && self.password != '') != has(self.passwordSecretRef)",
        "message": "exactly one of password and passwordSecretRef must be set",
    },
])))]
pub struct Docker {
    /// The registry's host, without scheme or path.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 259)))]
    pub server: String,
    /// The user name.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 1024)))]
    pub username: String,
    /// The password in plain text. Prefer `passwordSecretRef`: who may read the object reads it.
    #[serde(skip_serializing_if = "Sensitive::is_empty")]
    #[cfg_attr(feature = "schema", schemars(extend("maxLength" = 65536)))]
    pub password: Sensitive,
    /// A Secret of tcr-assistant-system that holds the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_secret_ref: Option<SecretKeyRef>,
}

/// One key of a Secret in tcr-assistant-system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transform = crate::schema::object, extend("required" = ["name", "key"])))]
pub struct SecretKeyRef {
    /// Name of the Secret.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 253)))]
    pub name: String,
    /// Key in its data.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 253), extend("pattern" = "^[-._a-zA-Z0-9]+$")))]
    pub key: String,
}

/// A TCR Enterprise instance and how its credential is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transform = crate::schema::object, extend("required" = ["instanceId", "region"]), extend("x-kubernetes-validations" = [
    {
        "rule": "!has(self.roleArn) || (has(self.credential) && has(self.credential.type) && self.credential.type != 'longterm')",
        "message": "roleArn is not for longterm credentials; set credential.type to serviceAccount or temp",
        "fieldPath": ".roleArn",
    },
])))]
pub struct Tcr {
    /// The instance's id, `tcr-` and letters or digits; that of a replica has the number of its region behind it, such as
    /// `tcr-06d62e1r-5`.
    #[cfg_attr(feature = "schema", schemars(length(min = 5, max = 63), extend("pattern" = "^tcr-[a-z0-9]{1,32}(-[0-9]{1,4}(-[a-z0-9]{1,32})?)?$")))]
    pub instance_id: String,
    /// The instance's region, such as `ap-guangzhou`.
    #[cfg_attr(feature = "schema", schemars(length(min = 4, max = 32), extend("pattern" = "^[a-z]{2}(-[a-z]+)+$")))]
    pub region: String,
    /// The role in which Tencent's API is called for this object, `qcs::cam::uin/NUMBER:roleName/NAME`, one of those that the
    /// operator allows; by default the controller's own identity calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("maxLength" = 256, "pattern" = "^qcs::cam::uin/[0-9]{1,20}:roleName/[A-Za-z0-9_+=,.@-]{1,128}$")))]
    pub role_arn: Option<String>,
    /// How the credential is made, renewed and removed.
    pub credential: CredentialSpec,
    /// Domains that the Secret holds the credential for: `default`, `vpc`, or full custom names.
    #[cfg_attr(feature = "schema", schemars(length(max = 32), inner(length(min = 1, max = 259)), extend("x-kubernetes-list-type" = "set")))]
    pub domains: Vec<String>,
    /// Further hosts that the Secret holds the credential for: pull-through caches and mirrors of the instance. The
    /// credential is sent to them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 32), inner(length(min = 1, max = 259)), extend("x-kubernetes-list-type" = "set")))]
    pub aliases: Vec<String>,
    /// Resolution of the instance's domains to its private address on every node.
    pub private_network: PrivateNetwork,
}

/// How the credential of an instance is made, renewed and removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transform = crate::schema::object, extend("x-kubernetes-validations" = [
    {
        "rule": "!has(self.rotateAfter) || !has(self.type) || self.type == 'longterm'",
        "message": "rotateAfter is for longterm credentials: others are renewed at half their life",
        "fieldPath": ".rotateAfter",
    },
    {
        "rule": "!has(self.rotateAfter) || duration(self.rotateAfter) >= duration('1h')",
        "message": "rotateAfter must be at least 1h",
        "fieldPath": ".rotateAfter",
    },
    {
        "rule": "(has(self.type) && self.type == 'serviceAccount') == (has(self.registryNamespaces) && size(self.registryNamespaces) > 0)",
        "message": "registryNamespaces is needed by serviceAccount credentials, and is for no others",
        "fieldPath": ".registryNamespaces",
    },
    {
        "rule": "(has(self.type) && self.type == 'serviceAccount') || (!has(self.validity) && !has(self.shared))",
        "message": "validity and shared are for serviceAccount credentials",
    },
    {
        "rule": "!has(self.validity) || duration(self.validity) >= duration('24h')",
        "message": "validity must be at least 24h",
        "fieldPath": ".validity",
    },
])))]
pub struct CredentialSpec {
    /// Long-term (the default), temporary, a service account of the instance, or `none`: no credential is made and no Secret,
    /// and what there was is taken back; the private network is resolved all the same.
    #[serde(rename = "type")]
    pub kind: CredentialKind,
    /// Registry namespaces that a service account may pull from, and nothing else; each must exist in the instance.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 32), inner(length(min = 2, max = 30), regex(pattern = "^[a-z0-9]+([._-][a-z0-9]+)*$")), extend("x-kubernetes-list-type" = "set")))]
    pub registry_namespaces: Vec<String>,
    /// How long each service account is valid, at least `24h`; by default `2160h`. It is renewed at half of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("maxLength" = 64, "pattern" = "^([0-9]+(\\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$")))]
    pub validity: Option<String>,
    /// Whether objects that ask for the same service account share one, which is the default; `false` gives this
    /// object its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared: Option<bool>,
    /// Renew a long-term credential after this long, such as `2160h`; never when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("maxLength" = 64, "pattern" = "^([0-9]+(\\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$")))]
    pub rotate_after: Option<String>,
    /// The credential's description in TCR; by default it names the cluster's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("maxLength" = 1024)))]
    pub description: Option<String>,
    /// What becomes of the credential in TCR when the object is deleted: by default Revoke for a service account, and
    /// Retain for others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_delete: Option<OnDelete>,
}

/// The kind of a credential.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(inline, transform = crate::schema::choice))]
pub enum CredentialKind {
    /// Valid until it is revoked; can be listed and revoked.
    #[default]
    Longterm,
    /// Valid for an hour, renewed at half its life; cannot be listed or revoked.
    Temp,
    /// A service account of the instance, which pulls from the named registry namespaces and has no person behind it.
    #[serde(rename = "serviceAccount")]
    ServiceAccount,
    /// There is none, and no Secret: Pods pull with what they have of their own.
    None,
}

impl CredentialKind {
    /// As it is written in `type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Longterm => "longterm",
            Self::Temp => "temp",
            Self::ServiceAccount => "serviceAccount",
            Self::None => "none",
        }
    }

    /// Whether the instance lists it, so that it can be found again and deleted.
    pub const fn is_listed(self) -> bool {
        matches!(self, Self::Longterm | Self::ServiceAccount)
    }
}

/// What becomes of the credential in TCR when the object is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(inline, transform = crate::schema::choice))]
pub enum OnDelete {
    /// It stays until somebody removes it in the console.
    #[default]
    Retain,
    /// It is revoked with the last object that uses it.
    Revoke,
}

/// How long a service account is valid where `validity` does not say: 90 days.
pub const DEFAULT_VALIDITY: Duration = Duration::from_hours(2160);

/// Resolution of the instance's domains to its private address on every node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transform = crate::schema::object, extend("x-kubernetes-validations" = [
    {
        "rule": "!has(self.vpcId) || !has(self.vpcIds) || size(self.vpcIds) == 0",
        "message": "vpcId and vpcIds cannot both be set: name all VPCs in vpcIds",
        "fieldPath": ".vpcIds",
    },
    {
        "rule": "!has(self.vpcId) || !has(self.address)",
        "message": "vpcId and address cannot both be set: the address takes the place of the link of that VPC",
        "fieldPath": ".address",
    },
])))]
pub struct PrivateNetwork {
    /// Whether nodes resolve the domains to the private address.
    pub resolve: bool,
    /// The cluster's VPC; by default the nodes' own, from instance metadata.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("minLength" = 5, "maxLength" = 36, "pattern" = "^vpc-[a-z0-9]{1,32}$")))]
    pub vpc_id: Option<String>,
    /// The VPCs that nodes are in, where they are several: each resolves the domains to its own link, and its nodes take
    /// those entries alone. Instead of vpcId. Without either, those that nodes are in and that have a link.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 16), inner(length(min = 5, max = 36), regex(pattern = r"^vpc-[a-z0-9]{1,32}$")), extend("x-kubernetes-list-type" = "set")))]
    pub vpc_ids: Vec<String>,
    /// Where the domains lead instead of the nodes' own link, over a Cloud Connect Network: a private address, or the VPC
    /// whose link it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("minLength" = 2, "maxLength" = 45, "pattern" = "^(vpc-[a-z0-9]{1,32}|[0-9a-fA-F.:]+)$")))]
    pub address: Option<String>,
    /// Domains to resolve privately: `default`, `vpc`, or full custom names.
    #[cfg_attr(feature = "schema", schemars(length(max = 32), inner(length(min = 1, max = 259)), extend("x-kubernetes-list-type" = "set")))]
    pub domains: Vec<String>,
    /// What to do with the entries when the link is down.
    pub when_link_down: WhenLinkDown,
}

/// What to do with the private entries when the link is down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(inline, transform = crate::schema::choice))]
pub enum WhenLinkDown {
    /// Keep them: pulls fail until the link is back, and never leave the private network.
    #[default]
    Keep,
    /// Remove them: pulls go to whatever the public name resolves to.
    Remove,
}

impl Default for Tcr {
    fn default() -> Self {
        Self {
            instance_id: String::new(),
            region: String::new(),
            role_arn: None,
            credential: CredentialSpec::default(),
            domains: default_domains(),
            aliases: Vec::new(),
            private_network: PrivateNetwork::default(),
        }
    }
}

impl Default for PrivateNetwork {
    fn default() -> Self {
        Self {
            resolve: false,
            vpc_id: None,
            vpc_ids: Vec::new(),
            address: None,
            domains: default_domains(),
            when_link_down: WhenLinkDown::default(),
        }
    }
}

impl ImagePullSecretSpec {
    /// The registry hosts that the object itself names: `docker.server`, the custom ones of
    /// `tcr.domains`, and `tcr.aliases`. What `default` and `vpc` stand for only the instance's API knows. A value
    /// that is no host is left out; [`crate::rules::check`] reports it.
    ///
    /// Without a credential there are none: nothing is pulled with it.
    pub fn hosts(&self) -> Vec<RegistryHost> {
        let server = self.docker.iter().map(|docker| &docker.server);
        let tcr = self.tcr.iter().filter(|tcr| tcr.has_credential());
        let custom = tcr.clone().flat_map(|tcr| &tcr.domains);
        let custom = custom.filter(|domain| !STANDARD_DOMAINS.contains(&domain.as_str()));
        let aliases = tcr.flat_map(|tcr| &tcr.aliases);
        server.chain(custom).chain(aliases).filter_map(|host| host.parse().ok()).collect()
    }

    /// The registry namespaces that its credential pulls from; without any it pulls whatever its identity may.
    pub fn registry_namespaces(&self) -> &[String] {
        let credential = self.tcr.as_ref().map(|tcr| &tcr.credential);
        let limited = credential.filter(|it| it.kind == CredentialKind::ServiceAccount);
        limited.map_or(&[], |it| &it.registry_namespaces)
    }

    /// Whether it leads to Secrets: without a credential it is about the private network alone.
    pub fn has_credential(&self) -> bool {
        self.tcr.as_ref().is_none_or(Tcr::has_credential)
    }
}

impl Tcr {
    /// Whether a credential of the instance is asked for.
    pub fn has_credential(&self) -> bool {
        self.credential.kind != CredentialKind::None
    }
}

/// What `privateNetwork.address` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// This address, which nobody follows.
    Address(IpAddr),
    /// The link of this VPC, wherever it moves.
    LinkOf(String),
}

impl PrivateNetwork {
    /// Where the domains lead instead of the link of the nodes' own VPC; none where that is not asked for, or is neither an
    /// address nor a VPC's id, which [`crate::rules::check`] reports.
    pub fn destination(&self) -> Option<Destination> {
        let text = self.address.as_deref()?;
        match text.parse() {
            Ok(address) => Some(Destination::Address(address)),
            Err(_) => is_vpc_id(text).then(|| Destination::LinkOf(text.to_owned())),
        }
    }
}

impl CredentialSpec {
    /// What becomes of the credential with its last user: what the object says, else Revoke for a service account,
    /// which is nobody else's, and Retain for others.
    pub fn on_delete(&self) -> OnDelete {
        self.on_delete.unwrap_or(match self.kind {
            CredentialKind::ServiceAccount => OnDelete::Revoke,
            CredentialKind::Longterm | CredentialKind::Temp | CredentialKind::None => OnDelete::Retain,
        })
    }

    /// How long each service account is valid; none for other kinds.
    pub fn validity(&self) -> Option<Duration> {
        let said = self.validity.as_deref().and_then(|text| go_duration::parse(text).ok());
        (self.kind == CredentialKind::ServiceAccount).then(|| said.unwrap_or(DEFAULT_VALIDITY))
    }

    /// Whether objects that ask for the same share it.
    pub fn is_shared(&self) -> bool {
        self.kind != CredentialKind::ServiceAccount || self.shared != Some(false)
    }

    /// The description that the credential gets in TCR: the object's own, or the default with the
    /// cluster's id (`cls-...`); None when there is neither.
    pub fn description_in(&self, cluster_id: Option<&str>) -> Option<String> {
        match (self.description.as_deref(), cluster_id) {
            (Some(own), _) if !own.trim().is_empty() => Some(own.to_owned()),
            (_, Some(id)) => Some(format!("TKE cluster ({id}) dedicated access credential")),
            (_, None) => None,
        }
    }
}

/// VPCs of a list: more than an instance may have links (10 in its largest edition).
pub const MAX_VPCS: usize = 16;

/// Domains of a list: the schema's own limit, which the API server only looks at after admission.
pub const MAX_DOMAINS: usize = 32;

/// What `domains` may name besides full host names: the instance's default domain and its private
/// one.
pub const STANDARD_DOMAINS: [&str; 2] = ["default", "vpc"];

/// `default` and `vpc`: every domain that an instance has from the start.
pub fn default_domains() -> Vec<String> {
    STANDARD_DOMAINS.map(str::to_owned).to_vec()
}

#[cfg(test)]
mod tests;

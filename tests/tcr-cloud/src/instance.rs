//! Registry instances, and what hangs on them: VPC links, custom domains, private DNS.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The states an instance can be in; only `Running` is of use.
pub(crate) const STATUSES: &[&str] = &[
    "Pending",
    "Deploying",
    "Running",
    "Unhealthy",
    "FailedCreated",
    "FailedUpdated",
    "Bucket-Error",
    "Isolate",
    "Deleting",
    "DeleteBucketFailed",
    "DeleteFailed",
];

/// A TCR Enterprise instance.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Instance {
    /// `tcr-` and eight characters.
    pub id: String,
    /// The first label of its domains.
    pub name: String,
    /// The root account whose it is; everybody's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_uin: Option<String>,
    /// Where it lives, `ap-guangzhou`. Requests for another region do not find it.
    pub region: String,
    /// One of the documented states; token actions need `Running`.
    #[serde(default = "running")]
    pub status: String,
    /// `basic`, `standard` or `premium`.
    #[serde(default = "premium")]
    pub edition: String,
    /// The default domain; `<name>.tencentcloudcr.com` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_domain: Option<String>,
    /// How long a long-term token lives, in hours.
    #[serde(default = "ten_years")]
    pub token_valid_hours: u32,
    /// How long a temporary token lives, in seconds: an hour at the real cloud, less where a test is to see the end.
    #[serde(default = "an_hour")]
    pub temporary_token_seconds: u32,
    /// When it was made.
    #[serde(default)]
    pub created_at: Timestamp,
    /// What the `Tags` filter of DescribeInstances looks at.
    #[serde(default)]
    pub tags: Vec<Tag>,
    /// Its links into VPCs. Absent, the API answers `null` in place of a list: the field is documented
    /// as nullable, and clients must take both.
    #[serde(default)]
    pub links: Option<Vec<VpcLink>>,
    /// Domains of the user's own.
    #[serde(default)]
    pub custom_domains: Vec<CustomDomain>,
    /// Where TCR's private DNS serves it.
    #[serde(default)]
    pub private_dns: Vec<PrivateDns>,
    /// Namespaces of its registry, on which service accounts have rights.
    #[serde(default)]
    pub namespaces: Vec<String>,
    /// Whether it has service accounts: some accounts have to ask for the feature first.
    #[serde(default = "switched_on")]
    pub service_accounts: bool,
    /// How many service accounts it holds. The real number is not documented.
    #[serde(default = "roomy")]
    pub service_account_quota: u32,
}

/// A label that Tencent's tag service puts on an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tag {
    /// Left of the colon in a filter.
    pub key: String,
    /// Right of it.
    pub value: String,
}

/// A link of an instance into one VPC, as DescribeInternalEndpoints tells it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VpcLink {
    /// The VPC, `vpc-...`.
    pub vpc_id: String,
    /// The region that the VPC is in; the instance's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The subnet that gave the address, `subnet-...`.
    pub subnet_id: String,
    /// The link's state; `Running` is the only one whose spelling is documented.
    #[serde(default = "running")]
    pub status: String,
    /// The private address. Any string: clients must survive what is not an address.
    pub access_ip: String,
    /// How many polls find the link still being built.
    #[serde(default)]
    pub pending_polls: u32,
    /// What those polls see as its state; the address is empty meanwhile.
    #[serde(default = "pending")]
    pub pending_status: String,
}

/// A domain of the user's own on an instance.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CustomDomain {
    pub name: String,
    /// `SUCCESS`, `FAILURE`, `CREATING` or `DELETING`, which the API writes in any case.
    #[serde(default = "success")]
    pub status: String,
    /// Its certificate in Tencent's SSL service.
    #[serde(default)]
    pub cert_id: String,
}

/// Whether TCR's private DNS serves an instance's domain in a VPC.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PrivateDns {
    pub vpc_id: String,
    /// True for the default domain, false for its `-vpc` twin.
    #[serde(default)]
    pub use_public_domain: bool,
    /// `ENABLED`, `ENABLE`, `DISABLED`, `DISABLE` or `ERROR`: documentation and samples differ.
    #[serde(default = "enabled")]
    pub status: String,
}

impl Instance {
    /// A running instance without links, domains or tags.
    pub fn new(id: impl Into<String>, name: impl Into<String>, region: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            owner_uin: None,
            region: region.into(),
            status: running(),
            edition: premium(),
            public_domain: None,
            token_valid_hours: ten_years(),
            temporary_token_seconds: an_hour(),
            created_at: Timestamp::UNIX_EPOCH,
            tags: Vec::new(),
            links: None,
            custom_domains: Vec::new(),
            private_dns: Vec::new(),
            namespaces: Vec::new(),
            service_accounts: true,
            service_account_quota: roomy(),
        }
    }

    pub fn domain(&self) -> String {
        self.public_domain.clone().unwrap_or_else(|| format!("{}.tencentcloudcr.com", self.name))
    }
}

impl VpcLink {
    /// A link that is ready.
    pub fn running(
        vpc_id: impl Into<String>,
        subnet_id: impl Into<String>,
        access_ip: impl Into<String>,
    ) -> Self {
        Self {
            vpc_id: vpc_id.into(),
            region: None,
            subnet_id: subnet_id.into(),
            status: running(),
            access_ip: access_ip.into(),
            pending_polls: 0,
            pending_status: pending(),
        }
    }
}

fn switched_on() -> bool {
    true
}

fn roomy() -> u32 {
    1000
}

fn running() -> String {
    "Running".to_owned()
}

fn pending() -> String {
    "Pending".to_owned()
}

fn premium() -> String {
    "premium".to_owned()
}

fn success() -> String {
    "SUCCESS".to_owned()
}

fn enabled() -> String {
    "ENABLED".to_owned()
}

/// What the official sample's claims give.
fn an_hour() -> u32 {
    3600
}

/// 3650 days: the life of the official sample's long-term token.
fn ten_years() -> u32 {
    87_600
}

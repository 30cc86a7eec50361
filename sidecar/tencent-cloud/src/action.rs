//! The actions of TCR's API that the controller uses.

use std::fmt;

/// Version of TCR's API, sent as `X-TC-Version`.
pub const API_VERSION: &str = "2019-09-24";
/// The product's name in signatures.
pub const SERVICE: &str = "tcr";

/// One action of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Makes a credential. Not idempotent: a repeated call makes a second one.
    CreateInstanceToken,
    /// Lists long-term credentials, without their secrets.
    DescribeInstanceToken,
    /// Switches a long-term credential on or off, or changes its description.
    ModifyInstanceToken,
    /// Deletes a long-term credential.
    DeleteInstanceToken,
    /// Lists the instances of an account.
    DescribeInstances,
    /// Lists an instance's private links.
    DescribeInternalEndpoints,
    /// Tells whether TCR's private DNS serves a domain in a VPC.
    DescribeInternalEndpointDnsStatus,
    /// Lists an instance's own domains.
    DescribeInstanceCustomizedDomain,
}

/// What it takes to send a call once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// Sending it twice does the same as sending it once.
    Safe,
    /// Only when the first one has certainly done nothing.
    OnlyIfNotDone,
}

impl Action {
    /// The name as sent in `X-TC-Action`.
    pub fn name(self) -> &'static str {
        match self {
            Self::CreateInstanceToken => "CreateInstanceToken",
            Self::DescribeInstanceToken => "DescribeInstanceToken",
            Self::ModifyInstanceToken => "ModifyInstanceToken",
            Self::DeleteInstanceToken => "DeleteInstanceToken",
            Self::DescribeInstances => "DescribeInstances",
            Self::DescribeInternalEndpoints => "DescribeInternalEndpoints",
            Self::DescribeInternalEndpointDnsStatus => "DescribeInternalEndpointDnsStatus",
            Self::DescribeInstanceCustomizedDomain => "DescribeInstanceCustomizedDomain",
        }
    }

    /// Calls per second that the cloud takes from an account, as documented.
    pub fn per_second(self) -> u32 {
        match self {
            Self::CreateInstanceToken | Self::DescribeInstances => 100,
            Self::DescribeInstanceToken
            | Self::ModifyInstanceToken
            | Self::DeleteInstanceToken
            | Self::DescribeInternalEndpoints
            | Self::DescribeInternalEndpointDnsStatus
            | Self::DescribeInstanceCustomizedDomain => 20,
        }
    }

    /// Whether a call whose outcome is unknown may be sent again.
    pub fn repeat(self) -> Repeat {
        match self {
            Self::CreateInstanceToken => Repeat::OnlyIfNotDone,
            // Deleting or setting twice ends in the same state.
            Self::ModifyInstanceToken | Self::DeleteInstanceToken => Repeat::Safe,
            Self::DescribeInstanceToken
            | Self::DescribeInstances
            | Self::DescribeInternalEndpoints
            | Self::DescribeInternalEndpointDnsStatus
            | Self::DescribeInstanceCustomizedDomain => Repeat::Safe,
        }
    }

    /// The CAM resource that a policy statement for this action needs, for one instance.
    pub fn cam_resource(self, instance: &str) -> String {
        match self {
            // Not known to be checked per instance; a narrower statement might silently not grant it.
            Self::DescribeInternalEndpoints
            | Self::DescribeInternalEndpointDnsStatus
            | Self::DescribeInstanceCustomizedDomain => "*".to_owned(),
            _ => format!("qcs::tcr:::instance/{instance}"),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

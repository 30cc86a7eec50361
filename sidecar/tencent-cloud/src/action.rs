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
    /// Lists the namespaces of an instance.
    DescribeNamespaces,
    /// Makes a service account. Not idempotent: its password is told once.
    CreateServiceAccount,
    /// Lists the service accounts of an instance, without their passwords.
    DescribeServiceAccounts,
    /// Changes a service account, but not its password.
    ModifyServiceAccount,
    /// Deletes a service account.
    DeleteServiceAccount,
}

/// When a call may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// Repeating the call has no further effect.
    Safe,
    /// Only when the first call certainly did nothing.
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
            Self::DescribeNamespaces => "DescribeNamespaces",
            Self::CreateServiceAccount => "CreateServiceAccount",
            Self::DescribeServiceAccounts => "DescribeServiceAccounts",
            Self::ModifyServiceAccount => "ModifyServiceAccount",
            Self::DeleteServiceAccount => "DeleteServiceAccount",
        }
    }

    /// Calls per second that the cloud takes from an account, as documented.
    pub fn per_second(self) -> u32 {
        match self {
            Self::CreateInstanceToken | Self::DescribeInstances | Self::DescribeNamespaces => 100,
            Self::DescribeInstanceToken
            | Self::ModifyInstanceToken
            | Self::DeleteInstanceToken
            | Self::DescribeInternalEndpoints
            | Self::DescribeInternalEndpointDnsStatus
            | Self::DescribeInstanceCustomizedDomain
            | Self::CreateServiceAccount
            | Self::DescribeServiceAccounts
            | Self::ModifyServiceAccount
            | Self::DeleteServiceAccount => 20,
        }
    }

    /// Whether the action is about service accounts.
    pub fn is_of_service_accounts(self) -> bool {
        matches!(
            self,
            Self::CreateServiceAccount
                | Self::DescribeServiceAccounts
                | Self::ModifyServiceAccount
                | Self::DeleteServiceAccount
        )
    }

    /// Whether a call whose outcome is unknown may be sent again.
    pub fn repeat(self) -> Repeat {
        match self {
            Self::CreateInstanceToken | Self::CreateServiceAccount => Repeat::OnlyIfNotDone,
            // Deleting or setting twice leads to the same state.
            Self::ModifyInstanceToken
            | Self::DeleteInstanceToken
            | Self::ModifyServiceAccount
            | Self::DeleteServiceAccount => Repeat::Safe,
            Self::DescribeInstanceToken
            | Self::DescribeInstances
            | Self::DescribeInternalEndpoints
            | Self::DescribeInternalEndpointDnsStatus
            | Self::DescribeInstanceCustomizedDomain
            | Self::DescribeNamespaces
            | Self::DescribeServiceAccounts => Repeat::Safe,
        }
    }

    /// The CAM resource that a policy statement for this action needs, for one instance.
    pub fn cam_resource(self, instance: &str) -> String {
        match self {
            // CAM is not known to check these per instance; a narrower statement might silently not grant the
            // action.
            Self::DescribeInternalEndpoints
            | Self::DescribeInternalEndpointDnsStatus
            | Self::DescribeInstanceCustomizedDomain
            | Self::DescribeNamespaces
            | Self::CreateServiceAccount
            | Self::DescribeServiceAccounts
            | Self::ModifyServiceAccount
            | Self::DeleteServiceAccount => "*".to_owned(),
            _ => format!("qcs::tcr:::instance/{instance}"),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

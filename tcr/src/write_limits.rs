//! Whether ValidatingAdmissionPolicies restrict the controller to the writes that it makes: the form in which
//! the controller publishes it and commands read it.

use std::fmt;
use std::str::FromStr;

/// The kinds that the controller writes, each with a policy of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Secrets, the distributed ones and its own.
    Secrets,
    /// The references of ServiceAccounts to pull secrets.
    ServiceAccounts,
    /// The list of hosts entries.
    ConfigMaps,
    /// An annotation of hosts-updater's Pods.
    Pods,
    /// The finalizers of ImagePullSecrets.
    ImagePullSecrets,
    /// The start-up taint of nodes.
    Nodes,
    /// The caBundle of its webhook configurations.
    Webhooks,
}

impl Kind {
    /// All kinds that are written.
    pub const ALL: [Self; 7] = [
        Self::Secrets,
        Self::ServiceAccounts,
        Self::ConfigMaps,
        Self::Pods,
        Self::ImagePullSecrets,
        Self::Nodes,
        Self::Webhooks,
    ];

    /// The resource as RBAC names it.
    pub fn resource(self) -> &'static str {
        match self {
            Self::Secrets => "secrets",
            Self::ServiceAccounts => "serviceaccounts",
            Self::ConfigMaps => "configmaps",
            Self::Pods => "pods",
            Self::ImagePullSecrets => "imagepullsecrets",
            Self::Nodes => "nodes",
            Self::Webhooks => "webhookconfigurations",
        }
    }

    /// The name of the policy and of its binding.
    pub fn policy(self) -> &'static str {
        match self {
            Self::Secrets => "tcr-assistant-secret-writes",
            Self::ServiceAccounts => "tcr-assistant-serviceaccount-writes",
            Self::ConfigMaps => "tcr-assistant-configmap-writes",
            Self::Pods => "tcr-assistant-pod-writes",
            Self::ImagePullSecrets => "tcr-assistant-imagepullsecret-writes",
            Self::Nodes => "tcr-assistant-node-writes",
            Self::Webhooks => "tcr-assistant-webhook-writes",
        }
    }
}

/// The verdict on all policies together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteLimits {
    /// Each policy refuses what it has to.
    InForce,
    /// Nothing limits writes of these kinds beyond RBAC.
    Absent(Vec<Kind>),
    /// The API server knows no such policies: Kubernetes before 1.30.
    Unsupported,
}

const IN_FORCE: &str = "in-force";
const ABSENT: &str = "absent:";
const UNSUPPORTED: &str = "unsupported";

impl fmt::Display for WriteLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InForce => f.write_str(IN_FORCE),
            Self::Absent(kinds) => {
                f.write_str(ABSENT)?;
                kinds.iter().try_for_each(|kind| write!(f, " {}", kind.resource()))
            }
            Self::Unsupported => f.write_str(UNSUPPORTED),
        }
    }
}

/// The text is none of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoWriteLimits;

impl FromStr for WriteLimits {
    type Err = NoWriteLimits;

    fn from_str(text: &str) -> Result<Self, NoWriteLimits> {
        if let Some(kinds) = text.strip_prefix(ABSENT) {
            let kind = |word: &str| Kind::ALL.into_iter().find(|kind| kind.resource() == word);
            let kinds = kinds.split_ascii_whitespace().map(kind).collect::<Option<Vec<_>>>();
            return kinds.map(Self::Absent).ok_or(NoWriteLimits);
        }
        match text {
            IN_FORCE => Ok(Self::InForce),
            UNSUPPORTED => Ok(Self::Unsupported),
            _ => Err(NoWriteLimits),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_read() {
        let absent = WriteLimits::Absent(vec![Kind::Pods, Kind::Nodes]);
        assert_eq!(absent.to_string(), "absent: pods nodes");
        for limits in
            [WriteLimits::InForce, absent, WriteLimits::Absent(Kind::ALL.to_vec()), WriteLimits::Unsupported]
        {
            assert_eq!(limits.to_string().parse(), Ok(limits));
        }
        for text in ["", "in-force ", "absent: pods leases", "absent"] {
            assert_eq!(text.parse::<WriteLimits>(), Err(NoWriteLimits), "{text}");
        }
    }
}

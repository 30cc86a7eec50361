//! Who may call, and what for.

use std::ffi::OsString;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{scope::Rights, secret::Secret, session_policy::SessionPolicy};

/// A CAM identity with one API key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Account {
    /// The public half of the key, `AKID...`.
    pub secret_id: String,
    /// The key that signs.
    pub secret_key: Secret,
    /// For temporary keys (STS, CVM role): what `X-TC-Token` must say. Absent for permanent keys,
    /// which must not send the header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
    /// The identity's own number, `operatorUin`; also the user name of what it mints.
    pub uin: String,
    /// The root account's number, `ownerUin`; the identity itself when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_uin: Option<String>,
    /// The operations CAM grants it: `tcr:*`, `tcr:Describe*`, `tcr:CreateInstanceToken`.
    #[serde(default = "everything")]
    pub allow: Vec<String>,
    /// Whether what it mints may also push, given that CAM grants it tcr:PushRepository. Off by default, although
    /// `allow` is wide: a cluster's identity may only pull, and a test of the other kind has to say so.
    #[serde(default)]
    pub push: bool,
    /// Narrows `allow` further, for the session of a role that was taken on with a policy.
    #[serde(skip)]
    pub(crate) policy: Option<SessionPolicy>,
    /// When a temporary key ends: from then on it is refused as if its token were wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

pub(crate) fn everything() -> Vec<String> {
    vec!["tcr:*".to_owned()]
}

impl Account {
    /// An account with a permanent key that may do everything in TCR.
    pub fn new(secret_id: impl Into<String>, secret_key: impl Into<String>, uin: impl Into<String>) -> Self {
        Self {
            secret_id: secret_id.into(),
            secret_key: Secret::new(secret_key),
            token: None,
            uin: uin.into(),
            owner_uin: None,
            allow: everything(),
            push: false,
            policy: None,
            expires_at: None,
        }
    }

    /// The account of [`Config::demo`](crate::Config::demo): what it mints may pull.
    pub fn demo() -> Self {
        let mut account = Self::new(
            "AKIDdemo0000000000000000000000EXAMPLE",
            "demoSecretKey00000000000EXAMPLE",
            "100012345678",
        );
        account.owner_uin = Some("100000000001".to_owned());
        account
    }

    /// An account whose credentials may push too.
    pub fn demo_pusher() -> Self {
        let mut account =
            Self::new("AKIDpush0000000000000000000000EXAMPLE", "pushKey0EXAMPLE", "100087654321");
        account.push = true;
        account
    }

    /// The variables of an environment that has this account's key, by the names of Tencent Cloud's SDKs.
    pub fn variables(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let token = self.token.as_ref().map(|token| ("TENCENTCLOUD_TOKEN", token.expose()));
        let key = [
            ("TENCENTCLOUD_SECRET_ID", self.secret_id.as_str()),
            ("TENCENTCLOUD_SECRET_KEY", self.secret_key.expose()),
        ];
        key.into_iter().chain(token)
    }

    /// One of these variables.
    pub fn variable(&self, name: &str) -> Option<OsString> {
        self.variables().find(|(known, _)| *known == name).map(|(_, value)| value.into())
    }

    /// The root account's number.
    pub(crate) fn owner(&self) -> &str {
        self.owner_uin.as_deref().unwrap_or(&self.uin)
    }

    /// What the credentials it minted may do in a registry.
    pub(crate) fn rights(&self) -> Rights {
        Rights { pull: self.may("tcr:PullRepository"), push: self.push && self.may("tcr:PushRepository") }
    }

    /// Whether CAM grants `operation` (`tcr:CreateInstanceToken`) on something.
    pub(crate) fn may(&self, operation: &str) -> bool {
        self.allow.iter().any(|granted| covers(granted, operation))
            && self.policy.as_ref().is_none_or(|policy| policy.allows(operation, None))
    }

    /// Whether it does on an instance.
    pub(crate) fn may_on(&self, operation: &str, registry_id: Option<&str>) -> bool {
        self.may(operation)
            && self
                .policy
                .as_ref()
                .is_none_or(|policy| registry_id.is_none() || policy.allows(operation, registry_id))
    }
}

/// Whether a granted operation, which may end in `*`, is or covers this one.
pub(crate) fn covers(granted: &str, operation: &str) -> bool {
    match granted.strip_suffix('*') {
        Some(prefix) => operation.starts_with(prefix),
        None => granted == operation,
    }
}

//! CAM roles: identities without a key of their own, which others take on for a while.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{account::Account, random::Random, secret::Secret};

/// A role, and who may take it on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Role {
    /// The last part of its ARN.
    pub name: String,
    /// The role session's own number, `operatorUin`; also the user name of what it mints. What a real one is, is not
    /// documented.
    pub uin: String,
    /// The root account's number, which stands in the ARN.
    pub owner_uin: String,
    /// The operations CAM grants it.
    #[serde(default = "crate::account::everything")]
    pub allow: Vec<String>,
    /// Accounts whose identities may take it on by AssumeRole, by the root account's number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trusts: Vec<String>,
    /// What they have to say besides, `sts:external_id` of the trust policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// A caller with a token of this OIDC provider may take it on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<OidcProvider>,
}

/// An OIDC provider that CAM trusts: a TKE cluster.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OidcProvider {
    /// `ProviderId`.
    pub id: String,
    /// The tokens it is known to have signed, in the double instead of a signature. A test takes one out when it
    /// expires.
    pub tokens: Vec<Secret>,
}

impl Role {
    /// A role that may do everything in TCR, and that nobody may take on but by the machine it is bound to.
    pub fn new(name: impl Into<String>, owner_uin: impl Into<String>, uin: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            uin: uin.into(),
            owner_uin: owner_uin.into(),
            allow: crate::account::everything(),
            trusts: Vec::new(),
            external_id: None,
            provider: None,
        }
    }

    /// `qcs::cam::uin/OWNER:roleName/NAME`.
    pub fn arn(&self) -> String {
        format!("qcs::cam::uin/{}:roleName/{}", self.owner_uin, self.name)
    }

    /// A temporary key of the role.
    pub(crate) fn session(&self, now: Timestamp, life: SignedDuration, random: &mut Random) -> Account {
        let text = |random: &mut Random| crate::random::hex(&random.bytes::<20>());
        Account {
            secret_id: format!("AKID{}", text(random)),
            secret_key: Secret::new(text(random)),
            token: Some(Secret::new(text(random))),
            uin: self.uin.clone(),
            owner_uin: Some(self.owner_uin.clone()),
            allow: self.allow.clone(),
            push: false,
            policy: None,
            expires_at: Some(now.checked_add(life).unwrap_or(Timestamp::MAX)),
        }
    }
}

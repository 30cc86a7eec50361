//! Docker credentials: minted here, told once, looked up ever after.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::json;

use crate::{account::Account, instance::Instance, random::Random, secret::Secret};

/// The two kinds of `TokenType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenKind {
    /// An hour; cannot be listed, disabled or revoked, and has no id.
    Temp,
    /// Ten years by default; has an id, and its secret is told only once.
    Longterm,
}

/// A credential that was minted. Deleted ones stay on record.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenRecord {
    /// `TokenId`; empty for temporary tokens.
    pub id: String,
    /// The instance it opens.
    pub registry_id: String,
    /// The identity that asked for it: its `Username`.
    pub uin: String,
    /// Temporary or long-term.
    pub kind: TokenKind,
    /// `Desc`; always empty for temporary tokens.
    pub description: String,
    /// False once ModifyInstanceToken has switched it off.
    pub enabled: bool,
    /// When it was minted, by the double's clock.
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    /// When DeleteInstanceToken took it away.
    pub deleted_at: Option<Timestamp>,
    /// The password. Not serialized: `/_admin/tokens` shows it only when asked to.
    #[serde(skip)]
    pub secret: Secret,
}

impl TokenRecord {
    /// Mints a credential of `account` for `instance`.
    ///
    /// The password has the form and the claims of a real one: a JWT with RS256 in its header. Its last
    /// part is chance and not a signature, because nobody ever verifies it: clients must not, and this
    /// cloud recognises what it minted by looking it up.
    pub(crate) fn mint(
        account: &Account,
        instance: &Instance,
        kind: TokenKind,
        description: &str,
        now: Timestamp,
        random: &mut Random,
    ) -> Self {
        let (id, life) = match kind {
            TokenKind::Temp => {
                (String::new(), SignedDuration::from_secs(i64::from(instance.temporary_token_seconds)))
            }
            TokenKind::Longterm => {
                (random.xid(now), SignedDuration::from_hours(i64::from(instance.token_valid_hours)))
            }
        };
        let expires_at = now.checked_add(life).unwrap_or(Timestamp::MAX);
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": random.key_id()});
        let mut claims = json!({
            "ownerUin": account.owner(),
            "operatorUin": account.uin,
            "exp": expires_at.as_second(),
            "nbf": now.as_second(),
            "iat": now.as_second(),
        });
        if kind == TokenKind::Longterm {
            claims["tokenId"] = id.clone().into();
        }
        let password = format!(
            "{}.{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(claims.to_string()),
            URL_SAFE_NO_PAD.encode(random.bytes::<256>()),
        );
        Self {
            id,
            registry_id: instance.id.clone(),
            uin: account.uin.clone(),
            kind,
            description: if kind == TokenKind::Longterm { description.to_owned() } else { String::new() },
            enabled: true,
            created_at: now,
            expires_at,
            deleted_at: None,
            secret: Secret::new(password),
        }
    }

    /// Whether it opens the registry at that time.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.enabled && self.deleted_at.is_none() && now < self.expires_at
    }
}

//! Access credentials of an instance: CreateInstanceToken and the actions on existing credentials.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};
use tcr::credential_id::is_account;
use tcr::image_pull_secret::CredentialKind;
use tcr::sensitive::Sensitive;

use super::action::Action;
use super::client::{Call, Client};
use super::envelope::Reply;
use super::error::{CloudError, Failure};
use super::jwt;

/// Tokens asked for at once; the highest limit is not documented.
const PAGE: usize = 100;
/// Pages read at most, so that a cloud that always returns more does not block a caller for ever.
const MOST_PAGES: usize = 100;

/// A newly made credential. The cloud never returns its secret again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedToken {
    /// The docker user name.
    pub username: String,
    /// The password for docker login.
    pub token: Sensitive,
    /// When it expires; none for a long-term one whose answer does not say.
    pub expires_at: Option<Timestamp>,
    /// The id by which a long-term one is listed and deleted; a temporary one has none.
    pub token_id: Option<String>,
}

/// A long-term credential in a list, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceToken {
    /// The id by which it is deleted.
    pub id: String,
    /// The description it was made with.
    pub description: String,
    /// Whether it can be used.
    pub enabled: bool,
    /// When it was made, as the API writes it (RFC 3339).
    pub created_at: Option<Timestamp>,
    /// When it expires; none for one that does not.
    pub expires_at: Option<Timestamp>,
}

impl Client {
    /// Makes a token, long-term where `kind` says so and else temporary. Every call makes another one;
    /// `description` is for long-term ones.
    ///
    /// An answer without a usable credential is an error: an empty one must never replace a valid one.
    pub async fn create_instance_token(
        &self,
        region: &str,
        instance: &str,
        kind: CredentialKind,
        description: &str,
    ) -> Result<IssuedToken, CloudError> {
        let body = match kind == CredentialKind::Longterm {
            true => json!({ "RegistryId": instance, "TokenType": "longterm", "Desc": description }),
            false => json!({ "RegistryId": instance, "TokenType": "temp" }),
        };
        let call = Call { action: Action::CreateInstanceToken, region, instance, body };
        let reply = self.call(&call).await?;
        read_issued(&reply, kind, self.now()).map_err(|failure| self.content_error(&call, failure))
    }

    /// All long-term credentials that the calling identity can see, in the API's order.
    pub async fn instance_tokens(
        &self,
        region: &str,
        instance: &str,
    ) -> Result<Vec<InstanceToken>, CloudError> {
        let (mut tokens, mut seen, mut offset) = (Vec::new(), BTreeSet::new(), 0);
        for _ in 0..MOST_PAGES {
            let body = json!({ "RegistryId": instance, "Limit": PAGE, "Offset": offset });
            let call = Call { action: Action::DescribeInstanceToken, region, instance, body };
            let reply = self.call(&call).await?;
            let page = read_page(&reply, instance).map_err(|failure| self.content_error(&call, failure))?;
            offset += page.tokens.len();
            let last = page.tokens.is_empty() || offset >= page.total;
            // A token that is made or deleted meanwhile shifts the pages.
            tokens.extend(page.tokens.into_iter().filter(|token| seen.insert(token.id.clone())));
            if last {
                break;
            }
        }
        Ok(tokens)
    }

    /// Deletes a long-term credential: from then on it cannot pull. Only a list tells whether it existed
    /// before.
    pub async fn delete_instance_token(
        &self,
        region: &str,
        instance: &str,
        token_id: &str,
    ) -> Result<(), CloudError> {
        let body = json!({ "RegistryId": instance, "TokenId": token_id });
        self.change(Action::DeleteInstanceToken, region, instance, body).await
    }

    /// Deletes a credential that is listed, whether it is a long-term credential or a service account.
    pub async fn delete_credential(&self, region: &str, instance: &str, id: &str) -> Result<(), CloudError> {
        match is_account(id) {
            true => self.delete_service_account(region, instance, id).await,
            false => self.delete_instance_token(region, instance, id).await,
        }
    }

    /// Switches a long-term credential on or off.
    pub async fn enable_instance_token(
        &self,
        region: &str,
        instance: &str,
        token_id: &str,
        enable: bool,
    ) -> Result<(), CloudError> {
        let body = json!({ "RegistryId": instance, "TokenId": token_id, "Enable": enable, "ModifyFlag": 2 });
        self.change(Action::ModifyInstanceToken, region, instance, body).await
    }

    async fn change(
        &self,
        action: Action,
        region: &str,
        instance: &str,
        body: Value,
    ) -> Result<(), CloudError> {
        self.call(&Call { action, region, instance, body }).await.map(|_| ())
    }
}

fn read_issued(reply: &Reply, kind: CredentialKind, now: Timestamp) -> Result<IssuedToken, Failure> {
    let token_id = reply.text("TokenId")?.filter(|id| !id.is_empty());
    // Whatever is wrong with the rest: the caller needs the id to delete the credential again.
    check_issued(reply, kind, now, token_id.clone()).map_err(|failure| failure.leaving(token_id))
}

fn check_issued(
    reply: &Reply,
    kind: CredentialKind,
    now: Timestamp,
    token_id: Option<String>,
) -> Result<IssuedToken, Failure> {
    let lie = |reason: &str| Err(reply.implausible(reason));
    let token = Sensitive::new(reply.text("Token")?.unwrap_or_default());
    if token.is_empty() {
        return lie("the token is empty");
    }
    if !token.expose().chars().all(|c| c.is_ascii_graphic()) {
        return lie("the token contains characters that no token has");
    }
    let username = reply.text("Username")?.unwrap_or_default();
    if username.is_empty() {
        return lie("the user name is empty");
    }
    // Basic authentication splits at the first colon.
    if username.contains(|c: char| c == ':' || c.is_whitespace() || c.is_control()) {
        return lie("the user name contains a colon or a blank");
    }
    let claims = jwt::claims(&token);
    let stated = match reply.integer("ExpTime")?.filter(|&milliseconds| milliseconds != 0) {
        Some(milliseconds) => Some(
            Timestamp::from_millisecond(milliseconds)
                .map_err(|_| reply.implausible(format!("it expires at {milliseconds} ms")))?,
        ),
        None => None,
    };
    let expires_at = stated.or(claims.expires_at);
    match expires_at {
        Some(end) if end <= now => return lie(&format!("it expired at {end}, before it was made")),
        // Without its end the time of its renewal is unknown.
        None if kind != CredentialKind::Longterm => return lie("a temporary credential without an end"),
        _ => {}
    }
    match (kind, &token_id, &claims.token_id) {
        (CredentialKind::Longterm, None, _) => lie("a long-term credential without an id cannot be revoked"),
        (CredentialKind::Longterm, Some(id), Some(claimed)) if id != claimed => {
            lie(&format!("its id is {id}, and the token says {claimed}"))
        }
        _ => Ok(IssuedToken { username, token, expires_at, token_id }),
    }
}

struct Page {
    tokens: Vec<InstanceToken>,
    total: usize,
}

fn read_page(reply: &Reply, instance: &str) -> Result<Page, Failure> {
    let mut tokens = Vec::new();
    for fields in reply.list("Tokens")? {
        if let Some(other) = fields.text("RegistryId")?.filter(|id| !id.is_empty() && id != instance) {
            return Err(reply.implausible(format!("asked for {instance}, it lists credentials of {other}")));
        }
        let Some(id) = fields.text("Id")?.filter(|id| !id.is_empty()) else {
            return Err(reply.implausible("a credential without an id"));
        };
        let milliseconds = fields.integer("ExpiredAt")?.filter(|&milliseconds| milliseconds != 0);
        tokens.push(InstanceToken {
            id,
            description: fields.text("Desc")?.unwrap_or_default(),
            enabled: fields.boolean("Enabled")?.unwrap_or(true),
            created_at: fields.text("CreatedAt")?.and_then(|time| time.parse().ok()),
            expires_at: milliseconds.and_then(|ms| Timestamp::from_millisecond(ms).ok()),
        });
    }
    let total = reply.integer("TotalCount")?.and_then(|total| usize::try_from(total).ok()).unwrap_or(0);
    Ok(Page { tokens, total })
}

#[cfg(test)]
mod tests;

//! Service accounts of an instance: CreateServiceAccount and the actions on existing accounts.
//!
//! Such an account is not a CAM user: it has its own rights, for each namespace of the registry.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};
use tcr::credential_id::SERVICE_ACCOUNT_PREFIX;
use tcr::sensitive::Sensitive;

use super::action::Action;
use super::client::{Call, Client};
use super::envelope::{Fields, Reply};
use super::error::{CloudError, Failure};
use super::instance_token::IssuedToken;

/// The only right that accounts are given here.
pub const PULL: &str = "tcr:PullRepository";
/// Accounts asked for at once: the highest limit.
const PAGE: usize = 100;
/// Pages read at most.
const MOST_PAGES: usize = 100;

/// The desired state of an account. It may pull, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccountSpec {
    /// Its name, with or without the prefix that TCR adds.
    pub name: String,
    pub description: String,
    /// The namespaces of the registry that it may pull from.
    pub registry_namespaces: Vec<String>,
    pub expires_at: Timestamp,
}

/// An account in a list, without its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccount {
    /// Its name, `tcr$...`, which is also the docker user name.
    pub name: String,
    pub description: String,
    /// Whether it can be used.
    pub enabled: bool,
    /// When it ends; none where the list does not say.
    pub expires_at: Option<Timestamp>,
    /// Its rights.
    pub permissions: Vec<Permission>,
}

/// The rights of an account in one namespace of the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    pub resource: String,
    /// Actions such as [`PULL`].
    pub actions: Vec<String>,
}

impl Client {
    /// Makes an account. TCR refuses a second one of the same name.
    ///
    /// An answer without a usable password is an error: an empty one must never replace a valid one.
    pub async fn create_service_account(
        &self,
        region: &str,
        instance: &str,
        account: &ServiceAccountSpec,
    ) -> Result<IssuedToken, CloudError> {
        let body = body(instance, account);
        let call = Call { action: Action::CreateServiceAccount, region, instance, body };
        let reply = self.call(&call).await?;
        read_issued(&reply, account, self.now()).map_err(|failure| self.content_error(&call, failure))
    }

    /// Gives an account this description, these rights and this end, and switches it on.
    pub async fn modify_service_account(
        &self,
        region: &str,
        instance: &str,
        account: &ServiceAccountSpec,
    ) -> Result<(), CloudError> {
        let body = body(instance, account);
        self.call(&Call { action: Action::ModifyServiceAccount, region, instance, body }).await.map(drop)
    }

    /// Deletes an account: from then on it cannot pull. Only a list tells whether it existed before.
    pub async fn delete_service_account(
        &self,
        region: &str,
        instance: &str,
        name: &str,
    ) -> Result<(), CloudError> {
        let body = json!({ "RegistryId": instance, "Name": name });
        self.call(&Call { action: Action::DeleteServiceAccount, region, instance, body }).await.map(drop)
    }

    /// All accounts of the instance, no matter who made them, in the API's order.
    pub async fn service_accounts(
        &self,
        region: &str,
        instance: &str,
    ) -> Result<Vec<ServiceAccount>, CloudError> {
        let (mut accounts, mut seen, mut offset) = (Vec::new(), BTreeSet::new(), 0);
        for _ in 0..MOST_PAGES {
            let body =
                json!({ "RegistryId": instance, "EmbedPermission": true, "Limit": PAGE, "Offset": offset });
            let call = Call { action: Action::DescribeServiceAccounts, region, instance, body };
            let reply = self.call(&call).await?;
            let (page, total) = read_page(&reply).map_err(|failure| self.content_error(&call, failure))?;
            offset += page.len();
            let is_last = page.is_empty() || offset >= total;
            // An account that is made or deleted meanwhile shifts the pages.
            accounts.extend(page.into_iter().filter(|it| seen.insert(it.name.clone())));
            if is_last {
                break;
            }
        }
        Ok(accounts)
    }
}

fn body(instance: &str, account: &ServiceAccountSpec) -> Value {
    let ServiceAccountSpec { name, description, registry_namespaces, expires_at } = account;
    let permissions = registry_namespaces.iter().map(|name| json!({ "Resource": name, "Actions": [PULL] }));
    json!({
        "RegistryId": instance,
        "Name": name,
        "Description": description,
        "Permissions": permissions.collect::<Vec<Value>>(),
        "ExpiresAt": expires_at.as_millisecond(),
        "Disable": false,
    })
}

fn read_issued(reply: &Reply, account: &ServiceAccountSpec, now: Timestamp) -> Result<IssuedToken, Failure> {
    let name = account.name.strip_prefix(SERVICE_ACCOUNT_PREFIX).unwrap_or(&account.name);
    let expected = format!("{SERVICE_ACCOUNT_PREFIX}{name}");
    // Whatever is wrong with the rest: the caller needs the name to delete the account again. Another name
    // may be another client's account.
    let name = reply.text("Name")?.filter(|name| *name == expected);
    check_issued(reply, account, now, name.clone()).map_err(|failure| failure.leaving(name))
}

fn check_issued(
    reply: &Reply,
    account: &ServiceAccountSpec,
    now: Timestamp,
    name: Option<String>,
) -> Result<IssuedToken, Failure> {
    let lie = |reason: &str| Err(reply.implausible(reason));
    let Some(name) = name else {
        return lie(&format!("asked for {}, it names another account or none", account.name));
    };
    let password = Sensitive::new(reply.text("Password")?.unwrap_or_default());
    if password.is_empty() {
        return lie("the password is empty");
    }
    if !password.expose().chars().all(|c| c.is_ascii_graphic()) {
        return lie("the password contains characters that no password has");
    }
    let expires_at = match reply.integer("ExpiresAt")?.filter(|&milliseconds| milliseconds != 0) {
        Some(milliseconds) => Timestamp::from_millisecond(milliseconds)
            .map_err(|_| reply.implausible(format!("it expires at {milliseconds} ms")))?,
        None => account.expires_at,
    };
    if expires_at <= now {
        return lie(&format!("it expired at {expires_at}, before it was made"));
    }
    Ok(IssuedToken {
        username: name.clone(),
        token: password,
        expires_at: Some(expires_at),
        token_id: Some(name),
    })
}

fn read_page(reply: &Reply) -> Result<(Vec<ServiceAccount>, usize), Failure> {
    let accounts = reply.list("ServiceAccounts")?;
    let accounts = accounts.iter().map(|fields| read_account(reply, fields)).collect::<Result<_, _>>()?;
    let total = reply.integer("TotalCount")?.and_then(|total| usize::try_from(total).ok()).unwrap_or(0);
    Ok((accounts, total))
}

fn read_account(reply: &Reply, fields: &Fields<'_>) -> Result<ServiceAccount, Failure> {
    let Some(name) = fields.text("Name")?.filter(|name| !name.is_empty()) else {
        return Err(reply.implausible("a service account without a name"));
    };
    let milliseconds = fields.integer("ExpiresAt")?.filter(|&milliseconds| milliseconds > 0);
    let permission = |it: &Fields<'_>| {
        Ok(Permission { resource: it.text("Resource")?.unwrap_or_default(), actions: it.texts("Actions")? })
    };
    Ok(ServiceAccount {
        name,
        description: fields.text("Description")?.unwrap_or_default(),
        enabled: !fields.boolean("Disable")?.unwrap_or(false),
        expires_at: milliseconds.and_then(|ms| Timestamp::from_millisecond(ms).ok()),
        permissions: fields.list("Permissions")?.iter().map(permission).collect::<Result<_, Failure>>()?,
    })
}

#[cfg(test)]
mod tests;

//! What the cloud holds: identities, instances and the credentials it has minted.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::{
    account::Account, envelope::ApiError, instance::Instance, machine::Machine, random::Random, role::Role,
    scope::Rights, token::TokenRecord,
};

/// Everything that actions read and change.
pub(crate) struct World {
    pub(crate) accounts: Vec<Account>,
    pub(crate) roles: Vec<Role>,
    pub(crate) instances: Vec<Instance>,
    pub(crate) machine: Option<Machine>,
    /// The secret id that the machine's role handed out last.
    pub(crate) machine_key: Option<String>,
    pub(crate) tokens: Vec<TokenRecord>,
    /// How often DescribeInternalEndpoints has looked at each instance.
    pub(crate) polls: HashMap<String, u32>,
    pub(crate) random: Random,
}

/// Who calls, from which region's endpoint, and when.
pub(crate) struct Caller {
    pub(crate) account: Account,
    pub(crate) region: String,
    pub(crate) now: Timestamp,
}

impl World {
    /// The instance of that id in the request's region: a region knows only its own.
    pub(crate) fn instance(&self, id: &str, caller: &Caller) -> Result<&Instance, ApiError> {
        self.instances
            .iter()
            .find(|instance| instance.id == id && instance.region == caller.region)
            .ok_or_else(|| {
                ApiError::new(
                    "ResourceNotFound.TcrResourceNotFound",
                    format!("The registry instance `{id}` is not found in `{}`.", caller.region),
                )
            })
    }

    /// The same, provided that it runs.
    pub(crate) fn running_instance(&self, id: &str, caller: &Caller) -> Result<&Instance, ApiError> {
        let instance = self.instance(id, caller)?;
        if instance.status == "Running" {
            return Ok(instance);
        }
        Err(ApiError::new(
            "ResourceInsufficient.ErrorInstanceNotRunning",
            format!("The registry instance `{id}` is `{}`, not `Running`.", instance.status),
        ))
    }

    /// A long-term token of the caller's: others' are not to be seen, and deleted ones are gone.
    pub(crate) fn token(&mut self, registry: &str, id: &str, caller: &Caller) -> Option<&mut TokenRecord> {
        self.tokens.iter_mut().find(|token| is_listed(token, registry, caller) && token.id == id)
    }

    /// The long-term tokens that the caller can see, newest first.
    pub(crate) fn listed_tokens(&self, registry: &str, caller: &Caller) -> Vec<&TokenRecord> {
        self.tokens.iter().rev().filter(|token| is_listed(token, registry, caller)).collect()
    }

    /// Whether an instance's registry lets this user name and password in.
    pub(crate) fn login(&self, registry: &str, username: &str, password: &str, now: Timestamp) -> bool {
        self.credential(registry, username, password).is_some_and(|token| token.is_live(now))
    }

    /// The credential of that instance with this user name and password, live or not.
    pub(crate) fn credential(&self, registry: &str, username: &str, password: &str) -> Option<&TokenRecord> {
        self.tokens.iter().find(|token| {
            token.registry_id == registry && token.uin == username && token.secret.expose() == password
        })
    }

    /// Whether that is the number of somebody who may call, or once did.
    pub(crate) fn knows_identity(&self, uin: &str) -> bool {
        self.accounts.iter().any(|account| account.uin == uin)
            || self.tokens.iter().any(|token| token.uin == uin)
    }

    /// What a credential may do: what its identity may now, by any of its keys.
    pub(crate) fn rights(&self, credential: &TokenRecord) -> Rights {
        let accounts = self.accounts.iter().filter(|account| account.uin == credential.uin);
        accounts.map(Account::rights).fold(Rights::default(), Rights::or)
    }
}

fn is_listed(token: &TokenRecord, registry: &str, caller: &Caller) -> bool {
    !token.id.is_empty()
        && token.registry_id == registry
        && token.uin == caller.account.uin
        && token.deleted_at.is_none()
}

//! What the cloud holds: identities, instances and the credentials it has minted.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use crate::token_request::TokenRefusal;
use crate::{
    account::Account, envelope::ApiError, instance::Instance, machine::Machine, random::Random, role::Role,
    scope::Rights, service_account::ServiceAccountRecord, token::TokenRecord,
};

/// Everything that actions read and change.
pub(crate) struct World {
    pub(crate) accounts: Vec<Account>,
    pub(crate) roles: Vec<Role>,
    pub(crate) instances: Vec<Instance>,
    pub(crate) machine: Option<Machine>,
    /// The secret id that the machine's role handed out last.
    pub(crate) machine_key: Option<String>,
    /// The numbers of CAM users that were deleted.
    pub(crate) deleted_users: BTreeSet<String>,
    pub(crate) tokens: Vec<TokenRecord>,
    pub(crate) service_accounts: Vec<ServiceAccountRecord>,
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

impl Caller {
    /// Whether an instance is one of the caller's account.
    pub(crate) fn owns(&self, instance: &Instance) -> bool {
        instance.owner_uin.as_deref().is_none_or(|owner| owner == self.account.owner())
    }
}

impl World {
    /// The instance of that id in the request's region: a region knows only its own.
    pub(crate) fn instance(&self, id: &str, caller: &Caller) -> Result<&Instance, ApiError> {
        self.instances
            .iter()
            .find(|instance| instance.id == id && instance.region == caller.region && caller.owns(instance))
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

    /// The service accounts of an instance that were not deleted, newest first.
    pub(crate) fn listed_accounts(&self, registry: &str) -> Vec<&ServiceAccountRecord> {
        let is_listed = |it: &&ServiceAccountRecord| it.registry_id == registry && it.deleted_at.is_none();
        self.service_accounts.iter().rev().filter(is_listed).collect()
    }

    /// A service account by its whole name: deleted ones are gone.
    pub(crate) fn service_account(
        &mut self,
        registry: &str,
        name: &str,
    ) -> Option<&mut ServiceAccountRecord> {
        let mut accounts = self.service_accounts.iter_mut();
        accounts.find(|it| it.registry_id == registry && it.name == name && it.deleted_at.is_none())
    }

    /// Whether an instance's registry lets this user name and password in.
    pub(crate) fn login(&self, registry: &str, username: &str, password: &str, now: Timestamp) -> bool {
        self.credential(registry, username, password).is_some_and(|it| self.refusal(it, now).is_none())
    }

    /// The credential of that instance with this user name and password, live or not.
    pub(crate) fn credential(&self, registry: &str, username: &str, password: &str) -> Option<Shown<'_>> {
        let mut tokens = self.tokens.iter().filter(|it| it.registry_id == registry && it.uin == username);
        let mut accounts =
            self.service_accounts.iter().filter(|it| it.registry_id == registry && it.name == username);
        let token = tokens.find(|it| it.secret.expose() == password).map(Shown::Token);
        token.or_else(|| accounts.find(|it| it.secret.expose() == password).map(Shown::Account))
    }

    /// Why a credential does not open the registry at that time; none where it does. A token ends with its user.
    pub(crate) fn refusal(&self, credential: Shown<'_>, now: Timestamp) -> Option<TokenRefusal> {
        match credential {
            Shown::Token(token) if self.deleted_users.contains(&token.uin) => Some(TokenRefusal::UserDeleted),
            _ => credential.refusal(now),
        }
    }

    /// Deletes a CAM user, with its keys.
    pub(crate) fn delete_user(&mut self, uin: &str) -> bool {
        let keys = self.accounts.len();
        self.accounts.retain(|account| account.uin != uin);
        self.deleted_users.insert(uin.to_owned());
        self.accounts.len() < keys
    }

    /// Whether that is the number of somebody who may call, or once did.
    pub(crate) fn knows_identity(&self, uin: &str) -> bool {
        self.accounts.iter().any(|account| account.uin == uin)
            || self.tokens.iter().any(|token| token.uin == uin)
            || self.service_accounts.iter().any(|account| account.name == uin)
    }

    /// What a credential may do in a repository: a token what its identity may now, by any of its keys; a service
    /// account what it may itself.
    pub(crate) fn rights(&self, credential: Shown<'_>, repository: &str) -> Rights {
        let token = match credential {
            Shown::Account(account) => return account.rights(repository),
            Shown::Token(token) => token,
        };
        let accounts = self.accounts.iter().filter(|account| account.uin == token.uin);
        accounts.map(Account::rights).fold(Rights::default(), Rights::or)
    }
}

/// A credential that somebody shows to a registry.
#[derive(Clone, Copy)]
pub(crate) enum Shown<'a> {
    /// One that CreateInstanceToken made.
    Token(&'a TokenRecord),
    /// One that CreateServiceAccount made.
    Account(&'a ServiceAccountRecord),
}

impl Shown<'_> {
    /// Its id, or its name.
    pub(crate) fn id(self) -> String {
        match self {
            Self::Token(token) => token.id.clone(),
            Self::Account(account) => account.name.clone(),
        }
    }

    /// The same of the credential by itself.
    fn refusal(self, now: Timestamp) -> Option<TokenRefusal> {
        let (is_live, is_deleted, is_disabled) = match self {
            Self::Token(token) => (token.is_live(now), token.deleted_at.is_some(), !token.enabled),
            Self::Account(it) => (it.is_live(now), it.deleted_at.is_some(), it.disabled),
        };
        match (is_live, is_deleted, is_disabled) {
            (true, ..) => None,
            (_, true, _) => Some(TokenRefusal::Deleted),
            (_, _, true) => Some(TokenRefusal::Disabled),
            _ => Some(TokenRefusal::Expired),
        }
    }
}

fn is_listed(token: &TokenRecord, registry: &str, caller: &Caller) -> bool {
    !token.id.is_empty()
        && token.registry_id == registry
        && token.uin == caller.account.uin
        && token.deleted_at.is_none()
}

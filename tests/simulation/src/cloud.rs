//! Tencent's API and the registry: tokens, and what either says to them.

use credential_plan::Key;
use credential_plan::plan::ListedToken;
use jiff::{SignedDuration, Timestamp};
use tcr::credential_id::is_account;
use tcr::registry_host::RegistryHost;
use tcr::sensitive::Sensitive;
use tcr::verdict::Verdict;
use tencent_cloud::error::Failure;
use tencent_cloud::instance::Instance;
use tencent_cloud::instance_token::IssuedToken;
use tencent_cloud::service_account::ServiceAccountSpec;

/// How long a temporary token lives.
const TEMPORARY: SignedDuration = SignedDuration::from_hours(1);
/// How long a long-term one lives.
const LONG: SignedDuration = SignedDuration::from_hours(24 * 3650);

/// A token at the cloud.
#[derive(Clone, Debug)]
pub struct Token {
    /// By which it is listed and deleted.
    pub id: String,
    /// The name of the Secret that it was made for; none for somebody else's.
    pub owner: Option<String>,
    /// As it was made.
    pub description: String,
    /// It may be used.
    pub enabled: bool,
    /// When it ends.
    pub ends: Timestamp,
    /// It is of the list; a temporary one is not.
    pub is_listed: bool,
    /// The call that made it.
    pub call: u32,
    /// The process that made it.
    pub maker: u32,
    /// Its maker does not know of it, or is gone.
    pub abandoned: bool,
    /// It was left behind on purpose.
    pub retained: bool,
}

/// What Tencent has of us.
#[derive(Debug, Default)]
pub struct Cloud {
    /// Those that live.
    pub tokens: Vec<Token>,
    made: u64,
    /// The instance does not run for a while.
    pub is_stopped: bool,
}

/// What the registry is like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RegistryState {
    /// It tells the truth.
    #[default]
    Well,
    /// It cannot be reached.
    Unreachable,
    /// It refuses whatever comes.
    Refusing,
}

impl Cloud {
    /// Makes a token.
    pub fn create(
        &mut self,
        key: &Key,
        description: &str,
        now: Timestamp,
        call: u32,
        maker: u32,
    ) -> IssuedToken {
        self.made += 1;
        let is_listed = key.kind.is_listed();
        let id = format!("token-{}", self.made);
        let ends = now + if is_listed { LONG } else { TEMPORARY };
        self.tokens.push(Token {
            id: id.clone(),
            owner: Some(key.secret_name()),
            description: description.to_owned(),
            enabled: true,
            ends,
            is_listed,
            call,
            maker,
            abandoned: false,
            retained: false,
        });
        IssuedToken {
            username: "100012345678".to_owned(),
            token: Sensitive::new(id.clone()),
            expires_at: Some(ends),
            token_id: is_listed.then_some(id),
        }
    }

    /// Makes a service account; none where there is one of the name.
    pub fn create_account(
        &mut self,
        key: &Key,
        account: &ServiceAccountSpec,
        call: u32,
        maker: u32,
    ) -> Option<IssuedToken> {
        let id = format!("tcr${}", account.name);
        if self.token(&id).is_some() {
            return None;
        }
        self.tokens.push(Token {
            id: id.clone(),
            owner: Some(key.secret_name()),
            description: account.description.clone(),
            enabled: true,
            ends: account.expires_at,
            is_listed: true,
            call,
            maker,
            abandoned: false,
            retained: false,
        });
        Some(IssuedToken {
            username: id.clone(),
            token: Sensitive::new(id.clone()),
            expires_at: Some(account.expires_at),
            token_id: Some(id),
        })
    }

    /// Makes a service account what it shall be; false where there is none of the name.
    pub fn set_account(&mut self, account: &ServiceAccountSpec) -> bool {
        let found = self.tokens.iter_mut().find(|token| token.id == account.name);
        found.is_some_and(|token| {
            (token.ends, token.enabled) = (account.expires_at, true);
            true
        })
    }

    /// Somebody else makes one.
    pub fn create_foreign(&mut self, now: Timestamp) {
        self.made += 1;
        self.tokens.push(Token {
            id: format!("token-{}", self.made),
            owner: None,
            description: "for the build".to_owned(),
            enabled: true,
            ends: now + LONG,
            is_listed: true,
            call: 0,
            maker: 0,
            abandoned: false,
            retained: false,
        });
    }

    /// The list.
    pub fn list(&self) -> Vec<ListedToken> {
        let listed = self.tokens.iter().filter(|token| token.is_listed);
        listed
            .map(|token| ListedToken {
                id: token.id.clone(),
                description: token.description.clone(),
                enabled: token.enabled,
                expires_at: is_account(&token.id).then_some(token.ends),
                drift: None,
            })
            .collect()
    }

    /// Deletes a token; whether there was one.
    pub fn delete(&mut self, id: &str) -> bool {
        let before = self.tokens.len();
        self.tokens.retain(|token| token.id != id);
        self.tokens.len() != before
    }

    /// The token of this id.
    pub fn token(&self, id: &str) -> Option<&Token> {
        self.tokens.iter().find(|token| token.id == id)
    }

    /// The instance.
    pub fn instance(&self, key: &Key, public_domain: &RegistryHost) -> Instance {
        Instance {
            id: key.instance_id.clone(),
            name: "demo".to_owned(),
            public_domain: public_domain.clone(),
            status: if self.is_stopped { "Isolated" } else { "Running" }.to_owned(),
            region: key.region.clone(),
        }
    }

    /// Whether the registry lets the password in, when it tells the truth.
    pub fn lets_in(&self, password: &str, now: Timestamp) -> bool {
        match self.token(password) {
            Some(token) => token.enabled && token.ends > now,
            None => password.starts_with("good"),
        }
    }

    /// What the registry says.
    pub fn verdict(&self, state: RegistryState, password: &str, now: Timestamp) -> Verdict {
        let refused = || Verdict::Refused { reason: "HTTP 401: unauthorized".to_owned() };
        match state {
            RegistryState::Unreachable => Verdict::Unknown { reason: "connection timed out".to_owned() },
            RegistryState::Refusing => refused(),
            RegistryState::Well if self.lets_in(password, now) => Verdict::Accepted { can_push: false },
            RegistryState::Well => refused(),
        }
    }
}

/// Tencent's refusal of a service account whose name there is, or is not.
pub fn denied() -> Failure {
    Failure::Refused {
        code: "OperationDenied".to_owned(),
        message: "the name is taken, or nobody's".to_owned(),
        request_id: None,
    }
}

/// Ways for a call to fail, and whether it may have been carried out nevertheless.
pub const FAILURES: usize = 18;

/// One of them.
pub fn failure(number: usize) -> Failure {
    let refused = |code: &str| Failure::Refused {
        code: code.to_owned(),
        message: "the service says so".to_owned(),
        request_id: None,
    };
    let reason = || "connection reset by peer".to_owned();
    match number % FAILURES {
        0 => refused("RequestLimitExceeded"),
        1 => refused("InternalError"),
        2 => refused("ServiceUnavailable"),
        3 => refused("FailedOperation.DbError"),
        4 => refused("FailedOperation.DependenceError"),
        5 => refused("ResourceInsufficient.ErrorInstanceNotRunning"),
        6 => refused("ResponseTimeout"),
        7 => refused("AuthFailure.TokenFailure"),
        8 => refused("AuthFailure.SecretIdNotFound"),
        9 => refused("AuthFailure.SignatureExpire"),
        10 => refused("UnauthorizedOperation.CamNoAuth"),
        11 => Failure::Status { status: 429, message: None },
        12 => Failure::Status { status: 502, message: None },
        13 => Failure::Unreachable { reason: reason() },
        14 => Failure::Interrupted { reason: reason() },
        15 => Failure::Deadline { after: std::time::Duration::from_secs(30) },
        16 => Failure::Unreadable { reason: reason(), request_id: None },
        _ => Failure::Implausible { reason: reason(), request_id: None, token_id: None },
    }
}

//! What a keeper of a credential talks to, in the simulation: the keeper itself is the product's.

use std::rc::Rc;
use std::time::Duration;

use credential::keeper::Services;
use credential::store::{Document, Read};
use credential_plan::plan::ListedToken;
use credential_plan::{CredentialEvent, Key};
use jiff::Timestamp;
use kubernetes::api_error::ApiError;
use reconcile::input::Input;
use tcr::registry_host::RegistryHost;
use tcr::sensitive::Sensitive;
use tcr::verdict::Verdict;
use tencent_cloud::action::Action;
use tencent_cloud::error::{CloudError, Failure};
use tencent_cloud::instance::Instance;
use tencent_cloud::instance_token::IssuedToken;
use tencent_cloud::retry::{History, Next, Policy};
use tencent_cloud::service_account::ServiceAccountSpec;

use crate::call::{Call, Reply};
use crate::caller::Caller;
use crate::cluster::Stored;
use crate::process::Inbox;

/// How long one call of the cloud's client may take, its repetitions included.
const CLOUD_DEADLINE: u64 = 30_000;
/// The cluster, as the cloud tells it from others.
const INSTALLATION: &str = "1a2b3c4d";

/// Of one keeper.
#[derive(Debug)]
pub struct Simulated {
    /// Who calls.
    pub caller: Caller,
    /// Where events go.
    pub inbox: Inbox,
    /// Root domains that a password may be sent under.
    pub allowed_roots: Rc<[String]>,
}

impl Simulated {
    /// A call with the repetitions of the cloud's client.
    async fn cloud<T>(
        &self,
        action: Action,
        key: &Key,
        call: impl Fn() -> Call,
        read: impl Fn(Reply) -> Option<Result<T, Failure>>,
    ) -> Result<T, CloudError> {
        let ends = self.caller.world.borrow().now + CLOUD_DEADLINE;
        let mut history = History::default();
        loop {
            let Some(result) = read(self.caller.call(call()).await) else { continue };
            let failure = match result {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            let (now, random) = self.caller.world.borrow_mut().now_and_random();
            let again = match history.next(&failure, action, &Policy::default(), random) {
                Next::Stop => false,
                Next::Wait(wait) if now + milliseconds(wait) >= ends => false,
                Next::Wait(wait) => {
                    self.caller.sleep(milliseconds(wait)).await;
                    true
                }
                Next::CorrectClock => true,
                Next::RenewCredential => random % 2 == 0,
            };
            if !again {
                return Err(Caller::cloud_error(action, key, failure));
            }
        }
    }
}

fn milliseconds(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}

fn read_of(stored: Stored) -> Read {
    let Stored { document, version, uid } = stored;
    Read { document, resource_version: version.to_string(), uid: uid.to_string() }
}

fn identity(read: &Read) -> (u64, u64) {
    (read.resource_version.parse().unwrap_or_default(), read.uid.parse().unwrap_or_default())
}

impl Services for Simulated {
    fn now(&self) -> Timestamp {
        self.caller.world.borrow().timestamp()
    }

    fn random(&self) -> u64 {
        self.caller.world.borrow_mut().random.draw()
    }

    async fn sleep(&mut self, wait: Duration) {
        self.caller.sleep(milliseconds(wait)).await;
    }

    async fn pause(&self, wait: Duration) {
        self.caller.sleep(milliseconds(wait)).await;
    }

    fn cluster_id(&self) -> Option<&str> {
        Some("cls-12345678")
    }

    fn allowed_roots(&self) -> &[String] {
        &self.allowed_roots
    }

    fn asks_registries(&self) -> bool {
        true
    }

    async fn instance(&self, key: &Key) -> Result<Option<Instance>, CloudError> {
        self.cloud(
            Action::DescribeInstances,
            key,
            || Call::Instance(key.clone()),
            |reply| match reply {
                Reply::Instance(result) => Some(result),
                _ => None,
            },
        )
        .await
    }

    async fn create_token(&self, key: &Key, description: &str) -> Result<IssuedToken, CloudError> {
        let call = || Call::CreateToken(key.clone(), description.to_owned());
        self.cloud(Action::CreateInstanceToken, key, call, |reply| match reply {
            Reply::Issued(result) => Some(result),
            _ => None,
        })
        .await
    }

    fn installation(&self) -> &str {
        INSTALLATION
    }

    async fn create_account(
        &self,
        key: &Key,
        account: &ServiceAccountSpec,
    ) -> Result<IssuedToken, CloudError> {
        let call = || Call::CreateAccount(key.clone(), account.clone());
        self.cloud(Action::CreateServiceAccount, key, call, |reply| match reply {
            Reply::Issued(result) => Some(result),
            _ => None,
        })
        .await
    }

    async fn set_account(&self, key: &Key, account: &ServiceAccountSpec) -> Result<(), CloudError> {
        let call = || Call::SetAccount(account.clone());
        self.cloud(Action::ModifyServiceAccount, key, call, |reply| match reply {
            Reply::Deleted(result) => Some(result),
            _ => None,
        })
        .await
    }

    async fn missing_namespaces(&self, _: &Key) -> Result<Vec<String>, CloudError> {
        Ok(Vec::new())
    }

    async fn tokens(&self, key: &Key) -> Result<Vec<ListedToken>, CloudError> {
        self.cloud(
            Action::DescribeInstanceToken,
            key,
            || Call::ListTokens,
            |reply| match reply {
                Reply::Tokens(result) => Some(result),
                _ => None,
            },
        )
        .await
    }

    async fn delete_token(&self, key: &Key, token_id: &str) -> Result<(), CloudError> {
        let call = || Call::DeleteToken(token_id.to_owned());
        self.cloud(Action::DeleteInstanceToken, key, call, |reply| match reply {
            Reply::Deleted(result) => Some(result),
            _ => None,
        })
        .await
    }

    async fn read(&self, key: &Key) -> Result<Option<Read>, ApiError> {
        match self.caller.call(Call::ReadStored(key.secret_name())).await {
            Reply::Stored(result) => result.map(|stored| stored.map(read_of)),
            _ => Err(crate::refusal::broken()),
        }
    }

    async fn write(&self, document: Document, before: Option<&Read>) -> Result<Read, ApiError> {
        let call = Call::WriteStored(Box::new(document), before.map(identity));
        let written = match self.caller.call(call).await {
            Reply::Stored(result) => result,
            _ => Err(crate::refusal::broken()),
        };
        match written {
            Ok(Some(stored)) => Ok(read_of(stored)),
            Ok(None) => Err(crate::refusal::broken()),
            // As the product's store reads them.
            Err(error) if error.is_conflict() || error.is_already_exists() || error.is_not_found() => {
                Err(ApiError::Overtaken)
            }
            Err(error) => Err(error),
        }
    }

    async fn delete(&self, read: &Read) -> Result<(), ApiError> {
        let (version, uid) = identity(read);
        let call = Call::DeleteStored(read.document.key.secret_name(), version, uid);
        let deleted = match self.caller.call(call).await {
            Reply::Stored(result) => result,
            _ => Err(crate::refusal::broken()),
        };
        match deleted {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) if error.is_conflict() => Err(ApiError::Overtaken),
            Err(error) => Err(error),
        }
    }

    async fn check(&self, _: &[RegistryHost], _: &str, password: &Sensitive) -> Verdict {
        match self.caller.call(Call::Check(password.expose().to_owned())).await {
            Reply::Verdict(verdict) => verdict,
            _ => Verdict::Unknown { reason: "no answer".to_owned() },
        }
    }

    async fn tell(&self, key: &Key, event: CredentialEvent) -> bool {
        self.inbox.borrow_mut().push_back(Input::Credential(key.clone(), event));
        true
    }
}

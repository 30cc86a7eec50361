//! The services that a keeper uses.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::Client as Kube;
use tcr::image_pull_secret::CredentialKind;
use tcr::registry_host::RegistryHost;
use tcr::sensitive::Sensitive;
use tokio::sync::{Semaphore, mpsc, watch};

use crate::keeper::account_lists::AccountLists;
use crate::listed;
use crate::store::{Document, Read, Store};
use credential_plan::plan::ListedToken;
use credential_plan::{CredentialEvent, Key};
use kubernetes::api_error::ApiError;
use registry_client::{Checker, Verdict};
use tencent_cloud::client::Client;
use tencent_cloud::error::CloudError;
use tencent_cloud::instance::Instance;
use tencent_cloud::instance_token::IssuedToken;
use tencent_cloud::service_account::ServiceAccountSpec;

/// All I/O of a keeper: clock, random numbers, the cloud, the stored Secret, the registry.
#[expect(
    async_fn_in_trait,
    reason = "a keeper is spawned with its services known, so that its future is Send"
)]
pub trait Services {
    /// The time, corrected by the cloud's.
    fn now(&self) -> Timestamp;
    /// An unpredictable number that was not drawn before: markers of credentials are made of it.
    fn random(&self) -> u64;
    /// Waits this long, or until the clock was corrected.
    async fn sleep(&mut self, wait: Duration);
    /// Waits this long.
    async fn pause(&self, wait: Duration);
    /// The cluster's id, for the default description.
    fn cluster_id(&self) -> Option<&str>;
    /// Root domains that a password may be sent under.
    fn allowed_roots(&self) -> &[String];
    /// Whether login checks are on.
    fn asks_registries(&self) -> bool;
    /// The instance of the key; none where the account has no such instance.
    async fn instance(&self, key: &Key) -> Result<Option<Instance>, CloudError>;
    /// The id of this installation; a copy of the cluster has another one.
    fn installation(&self) -> &str;
    /// Makes a token; every call makes another one.
    async fn create_token(&self, key: &Key, description: &str) -> Result<IssuedToken, CloudError>;
    /// Makes a service account; a second one of the name is refused.
    async fn create_account(
        &self,
        key: &Key,
        account: &ServiceAccountSpec,
    ) -> Result<IssuedToken, CloudError>;
    /// Gives a service account this description, end and rights.
    async fn set_account(&self, key: &Key, account: &ServiceAccountSpec) -> Result<(), CloudError>;
    /// Those of the key's registry namespaces that the instance does not have.
    async fn missing_namespaces(&self, key: &Key) -> Result<Vec<String>, CloudError>;
    /// Every credential of the key's kind that the instance lists.
    async fn tokens(&self, key: &Key) -> Result<Vec<ListedToken>, CloudError>;
    /// Deletes a credential that the instance lists.
    async fn delete_token(&self, key: &Key, token_id: &str) -> Result<(), CloudError>;
    /// Reads the stored Secret; none where it does not exist.
    async fn read(&self, key: &Key) -> Result<Option<Read>, ApiError>;
    /// Writes the Secret, if it is still as `before`.
    async fn write(&self, document: Document, before: Option<&Read>) -> Result<Read, ApiError>;
    /// Deletes the Secret, if it is still as it was read.
    async fn delete(&self, read: &Read) -> Result<(), ApiError>;
    /// Tries a login at its registry.
    async fn check(&self, hosts: &[RegistryHost], username: &str, password: &Sensitive) -> Verdict;
    /// Sends an event. Returns false when the receiver is gone.
    async fn tell(&self, key: &Key, event: CredentialEvent) -> bool;
}

/// The services of a running controller.
#[derive(Clone)]
pub struct Tools {
    /// The client of Tencent Cloud.
    pub cloud: Arc<Client>,
    /// The client of the API server.
    pub kube: Kube,
    /// The cluster's id, for the default description.
    pub cluster_id: Option<String>,
    /// Tries logins at registries; none where login checks are off.
    pub registry: Option<Arc<Checker>>,
    /// Root domains that a password may be sent under.
    pub allowed_roots: Vec<String>,
    /// Where the keeper's events go.
    pub events: mpsc::Sender<(Key, CredentialEvent)>,
    /// Tells when the clock was corrected.
    pub clock: watch::Receiver<i64>,
    /// The id of this installation.
    pub installation: Arc<str>,
    /// The lists of service accounts, shared by all keepers of a process.
    pub accounts: Arc<AccountLists>,
    /// Limits concurrent calls of the API server to [`CALLS_AT_A_TIME`].
    pub api_calls: Arc<Semaphore>,
}

/// Concurrent calls of the API server, of which there could be one for each ImagePullSecret: each is a
/// connection, and TLS keeps tens of kilobytes for it.
pub const CALLS_AT_A_TIME: usize = 16;

impl Tools {
    fn store(&self) -> Store {
        Store::new(self.kube.clone())
    }
}

impl Services for Tools {
    fn now(&self) -> Timestamp {
        self.cloud.now()
    }

    /// From the operating system. Without random numbers a process must not make a credential: it ends.
    fn random(&self) -> u64 {
        getrandom::u64().unwrap_or_else(|error| panic!("the machine has no random numbers: {error}"))
    }

    async fn sleep(&mut self, wait: Duration) {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            // The sender is part of the client that is held here.
            _ = self.clock.changed() => {}
        }
    }

    async fn pause(&self, wait: Duration) {
        tokio::time::sleep(wait).await;
    }

    fn cluster_id(&self) -> Option<&str> {
        self.cluster_id.as_deref()
    }

    fn installation(&self) -> &str {
        &self.installation
    }

    fn allowed_roots(&self) -> &[String] {
        &self.allowed_roots
    }

    fn asks_registries(&self) -> bool {
        self.registry.is_some()
    }

    async fn instance(&self, key: &Key) -> Result<Option<Instance>, CloudError> {
        self.cloud.instance(&key.region, &key.instance_id).await
    }

    async fn create_token(&self, key: &Key, description: &str) -> Result<IssuedToken, CloudError> {
        self.cloud.create_instance_token(&key.region, &key.instance_id, key.kind, description).await
    }

    async fn create_account(
        &self,
        key: &Key,
        account: &ServiceAccountSpec,
    ) -> Result<IssuedToken, CloudError> {
        self.cloud.create_service_account(&key.region, &key.instance_id, account).await
    }

    async fn set_account(&self, key: &Key, account: &ServiceAccountSpec) -> Result<(), CloudError> {
        self.cloud.modify_service_account(&key.region, &key.instance_id, account).await
    }

    async fn missing_namespaces(&self, key: &Key) -> Result<Vec<String>, CloudError> {
        let mut missing = Vec::new();
        for name in &key.registry_namespaces {
            if !self.cloud.has_namespace(&key.region, &key.instance_id, name).await? {
                missing.push(name.clone());
            }
        }
        Ok(missing)
    }

    async fn tokens(&self, key: &Key) -> Result<Vec<ListedToken>, CloudError> {
        let Key { region, instance_id, .. } = key;
        if key.kind == CredentialKind::ServiceAccount {
            let accounts = self.accounts.read(&self.cloud, region, instance_id).await?;
            return Ok(accounts.iter().map(|account| listed::account(key, account)).collect());
        }
        let tokens = self.cloud.instance_tokens(region, instance_id).await?;
        Ok(tokens.into_iter().map(listed::token).collect())
    }

    async fn delete_token(&self, key: &Key, token_id: &str) -> Result<(), CloudError> {
        self.cloud.delete_credential(&key.region, &key.instance_id, token_id).await
    }

    // The semaphore is never closed, so each of these gets a permit.
    async fn read(&self, key: &Key) -> Result<Option<Read>, ApiError> {
        let _turn = self.api_calls.acquire().await;
        self.store().read(key).await
    }

    async fn write(&self, document: Document, before: Option<&Read>) -> Result<Read, ApiError> {
        let _turn = self.api_calls.acquire().await;
        self.store().write(document, before).await
    }

    async fn delete(&self, read: &Read) -> Result<(), ApiError> {
        let _turn = self.api_calls.acquire().await;
        self.store().delete(read).await
    }

    async fn check(&self, hosts: &[RegistryHost], username: &str, password: &Sensitive) -> Verdict {
        match &self.registry {
            Some(registry) => registry.check(hosts, username, password).await,
            None => Verdict::Unknown { reason: "registries are not asked".to_owned() },
        }
    }

    async fn tell(&self, key: &Key, event: CredentialEvent) -> bool {
        self.events.send((key.clone(), event)).await.is_ok()
    }
}

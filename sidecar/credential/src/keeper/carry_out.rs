//! The steps of a keeper that change something, or call the cloud or a registry.

use jiff::Timestamp;
use tcr::image_pull_secret::{CredentialKind, DEFAULT_VALIDITY};
use tcr::registry_host::RegistryHost;

use super::{Keeper, Services, stored_in};
use crate::keeping::step_error::{self, StepError};
use crate::keeping::{AfterWrite, after_write, hosts, transition};
use crate::store::Document;
use credential_plan::plan::{self, Stored};
use credential_plan::{CredentialEvent, Key, Order, request};
use custom_resource::condition::{ConditionReason, EventReason};
use kubernetes::api_error::ApiError;
use tencent_cloud::instance_token::IssuedToken;
use tencent_cloud::service_account::ServiceAccountSpec;

impl<S: Services> Keeper<S> {
    pub(super) async fn list(&mut self, now: Timestamp, order: &Order) -> Result<(), StepError> {
        let tokens = match self.services.tokens(&self.keeping.key).await.map_err(StepError::from) {
            Ok(tokens) => tokens,
            Err(error) => {
                // Only the registry tells whether the credential in use ended together with the API key.
                if error.is_unknown_key() && self.keeping.is_login_due(now) {
                    self.ask_registry(false).await;
                }
                return Err(error);
            }
        };
        self.keeping.listed(now, tokens, stored_in(&self.read), order.request.as_ref());
        Ok(())
    }

    /// Extends the life of the service account in use: at the cloud first, so that the stored end is never
    /// later than the real one.
    pub(super) async fn extend(&mut self, order: &Order) -> Result<(), StepError> {
        let Some(stored) = self.stored().cloned() else { return Ok(()) };
        let current = stored.current.as_ref();
        let Some(name) = current.and_then(|held| held.token_id.clone()) else { return Ok(()) };
        let now = self.services.now();
        let expires_at = account_ends_at(now, order);
        self.has_namespaces().await?;
        self.set_account(&stored, &name, expires_at).await?;
        self.write(transition::extend(stored, expires_at, now), order).await?;
        self.keeping.put_off();
        Ok(())
    }

    /// Restores a service account's rights.
    pub(super) async fn amend(&mut self, name: &str, drift: &str) -> Result<(), StepError> {
        let Some(stored) = self.stored().cloned() else { return Ok(()) };
        let Some(expires_at) = stored.current.as_ref().and_then(|held| held.expires_at) else {
            return Ok(());
        };
        let restored = match self.has_namespaces().await {
            Ok(()) => self.set_account(&stored, name, expires_at).await,
            missing => missing,
        };
        if restored.is_err() {
            // A new list shows what else has changed in the accounts.
            self.keeping.forget_list();
        }
        restored?;
        self.keeping.amended(name);
        self.tell(transition::amended(&self.keeping.key, name, drift)).await;
        Ok(())
    }

    /// TCR does not document what becomes of parameters that a change leaves out, so it gets all of them.
    async fn set_account(&self, stored: &Stored, name: &str, expires_at: Timestamp) -> Result<(), StepError> {
        let key = &self.keeping.key;
        let text = step_error::description(key, self.services.cluster_id())?;
        let account = account(key, name.to_owned(), plan::description(&text, &stored.marker), expires_at);
        Ok(self.services.set_account(key, &account).await?)
    }

    pub(super) async fn delete(
        &mut self,
        token_id: &str,
        is_listed: bool,
        order: &Order,
    ) -> Result<(), StepError> {
        if is_listed {
            self.delete_at_cloud(token_id).await?;
        }
        tracing::info!(instance = self.keeping.key.instance_id, token_id, "deleted a credential");
        self.keeping.deleted(token_id);
        match self.stored().and_then(|stored| transition::delete(stored, token_id)) {
            Some(next) => self.write(next, order).await,
            None => Ok(()),
        }
    }

    pub(super) async fn delete_at_cloud(&mut self, token_id: &str) -> Result<(), StepError> {
        let deleted = self.services.delete_token(&self.keeping.key, token_id).await;
        if deleted.is_err() {
            self.keeping.forget_list();
        }
        Ok(deleted?)
    }

    /// Stores that a credential is to be revoked, or why the request is refused.
    pub(super) async fn take_up(&mut self, refused: Option<String>, order: &Order) -> Result<(), StepError> {
        let Some(mut next) = self.stored().cloned() else { return Ok(()) };
        request::take_up_revocation(order.request.as_ref(), refused, &mut next);
        self.write(next, order).await
    }

    /// Stores that the revoked credential is gone.
    pub(super) async fn revoked(&mut self, order: &Order) -> Result<(), StepError> {
        let Some(mut next) = self.stored().cloned() else { return Ok(()) };
        let Some(token_id) = request::finish_revocation(&mut next) else { return Ok(()) };
        self.write(next, order).await?;
        let message =
            format!("deleted credential {token_id} of {}, as was asked for", self.keeping.key.instance_id);
        self.tell(CredentialEvent::Happened { reason: EventReason::CredentialRevoked, message }).await;
        Ok(())
    }

    pub(super) async fn record(
        &mut self,
        why: Option<String>,
        ended: bool,
        order: &Order,
    ) -> Result<(), StepError> {
        if let (Some(why), true) = (&why, ended) {
            let message = format!("another credential is being made: {why}");
            let event = self.keeping.complain(ConditionReason::CredentialEnded, message);
            self.warn(event).await;
        }
        // Before anything is written or made, so that an unusable instance has no effect.
        self.public_domain().await?;
        self.has_namespaces().await?;
        let stored = self.stored().cloned().unwrap_or_default();
        let now = self.services.now();
        self.keeping.wait_for_another(now, &stored);
        let installation = self.services.installation();
        let (mut next, intent, is_clean) =
            transition::record(stored, why, installation, || self.services.random());
        request::take_up_rotation(order.request.as_ref(), &mut next);
        self.write(next, order).await?;
        self.keeping.recorded(now, intent, is_clean);
        Ok(())
    }

    async fn public_domain(&self) -> Result<RegistryHost, StepError> {
        let key = &self.keeping.key;
        step_error::public_domain(key, self.services.instance(key).await?)
    }

    /// A right on a missing namespace is refused, or would be valid for a namespace of that name that is
    /// created later.
    async fn has_namespaces(&self) -> Result<(), StepError> {
        let key = &self.keeping.key;
        match key.kind {
            CredentialKind::ServiceAccount => {
                step_error::namespaces(key, &self.services.missing_namespaces(key).await?)
            }
            CredentialKind::Longterm | CredentialKind::Temp | CredentialKind::None => Ok(()),
        }
    }

    async fn create(&self, stored: &Stored, order: &Order) -> Result<IssuedToken, StepError> {
        let key = &self.keeping.key;
        let text = step_error::description(key, self.services.cluster_id())?;
        let description = plan::description(&text, &stored.marker);
        let created = match key.kind {
            CredentialKind::Longterm | CredentialKind::Temp | CredentialKind::None => {
                self.services.create_token(key, &description).await
            }
            CredentialKind::ServiceAccount => {
                let intent = stored.intent.as_deref().unwrap_or_default();
                let name = plan::account_name(self.services.installation(), intent);
                let expires_at = account_ends_at(self.services.now(), order);
                let account = account(key, name, description, expires_at);
                self.services.create_account(key, &account).await
            }
        };
        Ok(created?)
    }

    pub(super) async fn mint(&mut self, order: &Order) -> Result<(), StepError> {
        let public_domain = self.public_domain().await?;
        let Some(stored) = self.stored().cloned() else { return Ok(()) };
        let issued = match self.create(&stored, order).await {
            Ok(issued) => issued,
            Err(StepError::Cloud(error)) => {
                if let Some(id) = self.keeping.not_created(&error, self.services.now()) {
                    self.services.delete_token(&self.keeping.key, &id).await?;
                }
                return Err(StepError::Cloud(error));
            }
            Err(other) => return Err(other),
        };
        let token_id = issued.token_id.clone();
        let (next, is_first) = transition::mint(stored, issued, public_domain, self.services.now());
        if let Err(error) = self.keep_it(next, order).await {
            if let Some(id) = self.keeping.not_stored(error.is_overtaken(), token_id) {
                self.services.delete_token(&self.keeping.key, &id).await?;
            }
            return Err(error);
        }
        self.keeping.made();
        if is_first {
            self.tell_made().await;
        }
        Ok(())
    }

    pub(super) async fn ask_registry(&mut self, candidate: bool) {
        let held = self.stored().and_then(|stored| match candidate {
            true => stored.candidate.clone(),
            false => stored.current.clone(),
        });
        let Some(held) = held.filter(|_| self.services.asks_registries()) else { return };
        let hosts = hosts(&held, self.services.allowed_roots());
        let Keeper { services, orders, .. } = self;
        let verdict = tokio::select! {
            biased;
            // A keeper that is to end does not wait for a registry.
            Ok(()) = orders.changed() => return,
            verdict = services.check(&hosts, &held.username, &held.token) => verdict,
        };
        tracing::debug!(credential = %self.keeping.key, candidate, ?verdict, "asked the registry");
        if let Some(event) = self.keeping.checked(candidate, verdict, self.services.now()) {
            self.warn(event).await;
        }
    }

    pub(super) async fn promote(&mut self, order: &Order) -> Result<(), StepError> {
        let now = self.services.now();
        let Some(next) = self.stored().cloned().and_then(|stored| transition::promote(stored, now)) else {
            return Ok(());
        };
        self.write(next, order).await?;
        let let_in = self.keeping.promoted();
        // Events about a credential follow the event that announces it.
        self.tell_what_there_is().await;
        if let Some(event) = let_in {
            self.tell(event).await;
        }
        self.tell_made().await;
        Ok(())
    }

    /// Removes a successor that the registry refuses: at the cloud first, so that it is not forgotten there.
    pub(super) async fn discard(&mut self, reason: &str, order: &Order) -> Result<(), StepError> {
        let Some((next, candidate)) = self.stored().cloned().and_then(transition::discard) else {
            return Ok(());
        };
        if let Some(token_id) = &candidate.token_id
            && let Err(error) = self.services.delete_token(&self.keeping.key, token_id).await
        {
            // Only the list tells that it is gone already.
            let tokens = self.services.tokens(&self.keeping.key).await?;
            if tokens.iter().any(|token| token.id == *token_id) {
                return Err(error.into());
            }
        }
        self.write(next, order).await?;
        let event: CredentialEvent = self.keeping.discarded(reason, self.services.now());
        self.warn(event).await;
        Ok(())
    }

    /// Stores the credential that was just made. The cloud returns its secret only once, so an unanswered
    /// write is repeated, and one that was carried out without an answer is recognised.
    async fn keep_it(&mut self, next: Stored, order: &Order) -> Result<(), StepError> {
        for failures in 1.. {
            let Err(error) = self.write(next.clone(), order).await else { break };
            match after_write(&error, failures) {
                AfterWrite::Retry(wait) => self.services.pause(wait).await,
                AfterWrite::Fail => return Err(error),
                AfterWrite::Read => {
                    self.read = self.services.read(&self.keeping.key).await?;
                    self.is_fresh = true;
                    return if self.stored() == Some(&next) { Ok(()) } else { Err(error) };
                }
            }
        }
        Ok(())
    }

    pub(super) async fn write(&mut self, stored: Stored, order: &Order) -> Result<(), StepError> {
        let document = Document { key: self.keeping.key.clone(), on_delete: order.on_delete, stored };
        match self.services.write(document, self.read.as_ref()).await {
            Ok(read) => {
                self.read = Some(read);
                Ok(())
            }
            Err(error) => {
                // Until an answer says otherwise the write may have been carried out.
                if matches!(error, ApiError::Overtaken) {
                    self.is_fresh = false;
                }
                Err(error.into())
            }
        }
    }
}

/// The service account that the key asks for.
fn account(key: &Key, name: String, description: String, expires_at: Timestamp) -> ServiceAccountSpec {
    let registry_namespaces = key.registry_namespaces.clone();
    ServiceAccountSpec { name, description, registry_namespaces, expires_at }
}

/// The end of a service account whose life begins now.
fn account_ends_at(now: Timestamp, order: &Order) -> Timestamp {
    plan::later(now, order.validity.unwrap_or(DEFAULT_VALIDITY))
}

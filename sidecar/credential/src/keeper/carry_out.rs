//! The steps of a keeper that change something, or ask somebody.

use jiff::Timestamp;

use super::{Keeper, Services, Trouble, WAITS};
use crate::store::Document;
use credential_plan::plan::{self, APPEARS_WITHIN, Held, Listed, ListedToken, Mine, Replaced, Stored};
use credential_plan::request;
use credential_plan::trial::Trial;
use credential_plan::{CredentialEvent, Order, domains};
use custom_resource::condition::{ConditionReason, EventReason};
use kubernetes::api_error::ApiError;
use registry_client::Verdict;
use tencent_cloud::error::Failure;
use tencent_cloud::instance_token::{InstanceToken, IssuedToken};

impl<S: Services> Keeper<S> {
    pub(super) async fn list(&mut self, now: Timestamp) -> Result<(), Trouble> {
        let tokens = self.services.tokens(&self.key).await?;
        let listed =
            |InstanceToken { id, description, enabled, .. }| ListedToken { id, description, enabled };
        let tokens: Vec<ListedToken> = tokens.into_iter().map(listed).collect();
        let current = self.stored().and_then(|stored| stored.current.as_ref()?.token_id.clone());
        let is_there = current.is_none_or(|id| tokens.iter().any(|token| token.id == id));
        let before = self.listed.as_ref().map_or(0, |listed| listed.missing);
        let missing = if is_there { 0 } else { before + 1 };
        self.listed = Some(Listed { at: now, tokens, missing });
        Ok(())
    }

    pub(super) async fn delete(&mut self, token_id: &str, order: &Order) -> Result<(), Trouble> {
        let listed =
            self.listed.as_ref().is_some_and(|it| it.tokens.iter().any(|token| token.id == token_id));
        if listed {
            self.delete_at_cloud(token_id).await?;
        }
        tracing::info!(instance = self.key.instance_id, token_id, "deleted a credential");
        if let Some(listed) = &mut self.listed {
            listed.tokens.retain(|token| token.id != token_id);
        }
        let stored =
            self.stored().filter(|stored| stored.previous.iter().any(|old| old.token_id == token_id));
        if let Some(mut next) = stored.cloned() {
            next.previous.retain(|old| old.token_id != token_id);
            self.write(next, order).await?;
        }
        Ok(())
    }

    /// Deletes a token. No error says that it is gone already, such as after an answer that was lost: that, only a new
    /// list tells.
    pub(super) async fn delete_at_cloud(&mut self, token_id: &str) -> Result<(), Trouble> {
        let deleted = self.services.delete_token(&self.key, token_id).await;
        if deleted.is_err() {
            self.listed = None;
        }
        Ok(deleted?)
    }

    /// Stores that a credential is to be revoked, or why it is not.
    pub(super) async fn take_up(&mut self, refused: Option<String>, order: &Order) -> Result<(), Trouble> {
        let Some(mut next) = self.stored().cloned() else { return Ok(()) };
        request::take_up_revocation(order.request.as_ref(), refused, &mut next);
        self.write(next, order).await
    }

    /// Stores that a credential that was to be revoked is gone.
    pub(super) async fn revoked(&mut self, order: &Order) -> Result<(), Trouble> {
        let Some(mut next) = self.stored().cloned() else { return Ok(()) };
        let Some(token_id) = request::finish_revocation(&mut next) else { return Ok(()) };
        self.write(next, order).await?;
        let message = format!("deleted credential {token_id} of {}, as was asked for", self.key.instance_id);
        self.tell(CredentialEvent::Happened { reason: EventReason::CredentialRevoked, message }).await;
        Ok(())
    }

    pub(super) async fn record(
        &mut self,
        why: Option<String>,
        ended: bool,
        order: &Order,
    ) -> Result<(), Trouble> {
        if let (Some(why), true) = (&why, ended) {
            self.warn(ConditionReason::CredentialEnded, format!("another credential is being made: {why}"))
                .await;
        }
        // Before anything is written or made: an instance that cannot be used costs nothing.
        self.public_domain().await?;
        let mut next = self.stored().cloned().unwrap_or_default();
        if next.intent.is_some() && self.mine.as_ref().map(|mine| &mine.intent) != next.intent.as_ref() {
            // Whoever wrote it may have sent its creation just now.
            self.appears_until = Some(plan::later(self.services.now(), APPEARS_WITHIN));
        }
        // With a marker that nobody ever used, or without an unfinished attempt, nothing can be left.
        let clean = next.marker.is_empty();
        if next.marker.is_empty() {
            next.marker = format!("tcr-assistant {:012x}", self.services.random() >> 16);
        }
        let intent = format!("{:016x}", self.services.random());
        next.intent = Some(intent.clone());
        next.why = why.or(next.why);
        request::take_up_rotation(order.request.as_ref(), &mut next);
        self.write(next, order).await?;
        self.mine = Some(Mine { intent, clean });
        self.listed = None;
        Ok(())
    }

    pub(super) async fn mint(&mut self, order: &Order) -> Result<(), Trouble> {
        let public_domain = self.public_domain().await?;
        let Some(mut next) = self.stored().cloned() else { return Ok(()) };
        let text = self.description()?;
        let description = plan::description(&text, &next.marker);
        let issued = match self.services.create_token(&self.key, &description).await {
            Ok(issued) => issued,
            Err(error) => {
                if error.outcome_unknown() {
                    self.appears_until = Some(plan::later(self.services.now(), APPEARS_WITHIN));
                }
                // Whatever it left behind is found by its marker.
                if let Some(mine) = self.mine.as_mut().filter(|_| error.outcome_unknown()) {
                    mine.clean = false;
                    self.listed = None;
                }
                if let Failure::Implausible { token_id: Some(id), .. } = &error.failure {
                    self.services.delete_token(&self.key, id).await?;
                }
                return Err(error.into());
            }
        };
        let now = self.services.now();
        let IssuedToken { username, token, expires_at, token_id } = issued;
        let held =
            Held { username, token, token_id: token_id.clone(), issued_at: now, expires_at, public_domain };
        // Whatever works is not given up for one that nobody has tried.
        let is_first = next.current.is_none();
        match is_first {
            true => next.current = Some(held),
            false => next.candidate = Some(held),
        }
        next.intent = None;
        match self.keep_it(next, order).await {
            Ok(()) => {
                self.mine = None;
                self.listed = None;
                self.trials.candidate = None;
                if is_first {
                    self.tell_made().await;
                }
                Ok(())
            }
            Err(trouble) => {
                // Another one leads: its credential counts, and ours goes.
                if let Some(id) = token_id.filter(|_| matches!(trouble, Trouble::Api(ApiError::Overtaken))) {
                    self.mine = None;
                    self.services.delete_token(&self.key, &id).await?;
                } else if let Some(mine) = &mut self.mine {
                    mine.clean = false;
                    self.listed = None;
                }
                Err(trouble)
            }
        }
    }

    pub(super) async fn ask_registry(&mut self, candidate: bool) {
        let held = self.stored().and_then(|stored| match candidate {
            true => stored.candidate.clone(),
            false => stored.current.clone(),
        });
        let Some(held) = held.filter(|_| self.services.asks_registries()) else { return };
        let standard = [String::from("default"), String::from("vpc")];
        let roots = self.services.allowed_roots();
        let host = |domain: &String| {
            domains::hosts(std::slice::from_ref(domain), &held.public_domain, roots).ok()?.pop_first()
        };
        let hosts: Vec<_> = standard.iter().filter_map(host).collect();
        let Keeper { services, orders, .. } = self;
        let verdict = tokio::select! {
            biased;
            // Who is to end does not wait for a registry first.
            Ok(()) = orders.changed() => return,
            verdict = services.check(&hosts, &held.username, &held.token) => verdict,
        };
        tracing::debug!(credential = %self.key, candidate, ?verdict, "asked the registry");
        let now = self.services.now();
        if !candidate {
            if let Verdict::Accepted { can_push } = verdict {
                self.tell(CredentialEvent::LetIn { can_push }).await;
            }
            self.trials.current = Some(Trial::after(self.trials.current.as_ref(), now, verdict));
            return;
        }
        if let Verdict::Unknown { reason } = &verdict {
            let message = format!(
                "another credential was made, and the registry cannot be asked whether it is good: {reason}; it stays \
                 aside until then (--check-registry=false: use it at once)"
            );
            self.warn(ConditionReason::SuccessorUntried, message).await;
        }
        self.trials.candidate = Some(Trial::after(self.trials.candidate.as_ref(), now, verdict));
    }

    pub(super) async fn promote(&mut self, order: &Order) -> Result<(), Trouble> {
        let Some(mut next) = self.stored().cloned() else { return Ok(()) };
        let Some(candidate) = next.candidate.take() else { return Ok(()) };
        let now = self.services.now();
        if let Some(old) = next.current.replace(candidate) {
            let delete_at = request::delete_at(&next, &old, now);
            next.previous.extend(old.token_id.map(|token_id| Replaced { token_id, delete_at }));
        }
        self.write(next, order).await?;
        self.trials.promote();
        self.listed = None;
        // What is said of a credential comes after it.
        self.tell_what_there_is().await;
        if let Some(Trial { verdict: Verdict::Accepted { can_push }, .. }) = self.trials.current {
            self.tell(CredentialEvent::LetIn { can_push }).await;
        }
        self.tell_made().await;
        Ok(())
    }

    /// Removes a successor that the registry does not let in: at the cloud first, so that it is not forgotten there.
    pub(super) async fn discard(&mut self, reason: &str, order: &Order) -> Result<(), Trouble> {
        let Some(mut next) = self.stored().cloned() else { return Ok(()) };
        let Some(candidate) = next.candidate.take() else { return Ok(()) };
        if let Some(token_id) = &candidate.token_id
            && let Err(error) = self.services.delete_token(&self.key, token_id).await
        {
            // That it is gone already, only the list tells.
            let tokens = self.services.tokens(&self.key).await?;
            if tokens.iter().any(|token| token.id == *token_id) {
                return Err(error.into());
            }
        }
        self.write(next, order).await?;
        self.trials.discard(self.services.now());
        self.listed = None;
        let has_ended = self.trials.current.as_ref().is_some_and(Trial::has_ended);
        let reason_word =
            if has_ended { ConditionReason::CredentialRefused } else { ConditionReason::SuccessorRefused };
        self.warn(reason_word, format!("another credential was made and removed again: {reason}")).await;
        Ok(())
    }

    /// Stores what was just made. The secret is told only once, so a write without an answer is tried
    /// again, and one that was carried out unheard is recognised.
    async fn keep_it(&mut self, next: Stored, order: &Order) -> Result<(), Trouble> {
        let mut tries = 0;
        loop {
            match self.write(next.clone(), order).await {
                Ok(()) => return Ok(()),
                Err(Trouble::Api(ApiError::Overtaken)) => {
                    self.read = self.services.read(&self.key).await?;
                    self.fresh = true;
                    return match self.stored() == Some(&next) {
                        true => Ok(()),
                        false => Err(ApiError::Overtaken.into()),
                    };
                }
                Err(trouble) if tries >= 5 => return Err(trouble),
                Err(_) => {
                    self.services.pause(WAITS.0.saturating_mul(1 << tries)).await;
                    tries += 1;
                }
            }
        }
    }

    pub(super) async fn write(&mut self, stored: Stored, order: &Order) -> Result<(), Trouble> {
        let document = Document { key: self.key.clone(), on_delete: order.on_delete, stored };
        match self.services.write(document, self.read.as_ref()).await {
            Ok(read) => {
                self.read = Some(read);
                Ok(())
            }
            Err(error) => {
                // Until an answer says otherwise it may have been written.
                if matches!(error, ApiError::Overtaken) {
                    self.fresh = false;
                }
                Err(error.into())
            }
        }
    }
}

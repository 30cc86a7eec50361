//! Keeps one credential: carries out what [`keeping`](super::keeping) decides, and sends events about it.

use std::time::Duration;

use tokio::sync::watch;
use tracing::Instrument as _;

mod account_lists;
mod carry_out;
mod services;

pub use account_lists::AccountLists;
pub use services::{CALLS_AT_A_TIME, Services, Tools};

use super::keeping::step_error::StepError;
use super::keeping::{Failure, Keeping, Task, transition};
use super::store::Read;
use credential_plan::plan::Stored;
use credential_plan::{CredentialEvent, Key, Order};

struct Keeper<S> {
    keeping: Keeping,
    services: S,
    orders: watch::Receiver<Order>,
    read: Option<Read>,
    /// Whether `read` is up to date.
    is_fresh: bool,
}

/// Keeps the credential until an order ends it, or the receiver of the events is gone.
pub async fn keep<S: Services>(key: Key, services: S, orders: watch::Receiver<Order>) {
    let mut keeper = Keeper { keeping: Keeping::new(key), services, orders, read: None, is_fresh: false };
    loop {
        let order = keeper.orders.borrow_and_update().clone();
        let wait = match keeper.step(&order).await {
            Ok(Some(wait)) => {
                let stored = stored_in(&keeper.read);
                if keeper.keeping.recovered(keeper.services.now(), stored)
                    && !keeper.tell(CredentialEvent::Recovered).await
                {
                    return;
                }
                if wait.is_zero() {
                    continue;
                }
                wait
            }
            Ok(None) => {
                keeper.tell(CredentialEvent::Ended).await;
                return;
            }
            Err(error) => match keeper.fail(&error).await {
                Some(wait) => wait,
                None => return,
            },
        };
        let Keeper { services, orders, .. } = &mut keeper;
        tokio::select! {
            // The wait may be over earlier, because the clock was corrected.
            () = services.sleep(wait) => {}
            changed = orders.changed() => if changed.is_err() { return },
        }
    }
}

impl<S: Services> Keeper<S> {
    /// One step. Returns how long to wait before the next one; none when the keeper is to end.
    async fn step(&mut self, order: &Order) -> Result<Option<Duration>, StepError> {
        if !self.is_fresh {
            let read = self.services.read(&self.keeping.key).await?;
            if stored_in(&read) != stored_in(&self.read) {
                // The cloud's list was read before another process's last write, and may lack that process's
                // credential.
                self.keeping.forget_list();
            }
            self.read = read;
            self.is_fresh = true;
        }
        self.keeping.follow(order, stored_in(&self.read));
        self.tell_what_there_is().await;
        let installation = self.services.installation();
        let adopted = self.read.as_ref().and_then(|it| transition::adopt(&it.document, order, installation));
        if let Some(next) = adopted {
            self.write(next, order).await?;
        }
        if let Some(event) = self.keeping.extended(stored_in(&self.read)) {
            self.warn(event).await;
        }
        if let Some(event) = self.keeping.answer(order, stored_in(&self.read)) {
            self.tell(event).await;
        }
        let now = self.services.now();
        let document = self.read.as_ref().map(|read| &read.document);
        let asks_registries = self.services.asks_registries();
        match self.keeping.next(now, document, order, asks_registries, self.services.installation()) {
            Task::Wait(wait) => return Ok(Some(wait)),
            Task::End => return Ok(None),
            Task::Forget => return self.forget(order).await.map(|()| None),
            Task::List => self.list(now, order).await?,
            Task::Delete { token_id, is_listed } => self.delete(&token_id, is_listed, order).await?,
            Task::TakeUp { refused } => self.take_up(refused, order).await?,
            Task::Revoked => self.revoked(order).await?,
            Task::Record { why, ended } => self.record(why, ended, order).await?,
            Task::Mint => self.mint(order).await?,
            Task::CheckLogin { candidate } => self.ask_registry(candidate).await,
            Task::Promote => self.promote(order).await?,
            Task::Discard { reason } => self.discard(&reason, order).await?,
            Task::Extend => self.extend(order).await?,
            Task::Amend { token_id, drift } => self.amend(&token_id, &drift).await?,
            Task::Revoke { token_id } => {
                self.delete_at_cloud(&token_id).await?;
                self.keeping.forget_list();
            }
        }
        Ok(Some(Duration::ZERO))
    }

    /// Deletes the Secret.
    async fn forget(&mut self, order: &Order) -> Result<(), StepError> {
        let Some(read) = &self.read else { return Ok(()) };
        if let Err(error) = self.services.delete(read).await {
            self.is_fresh = false;
            self.keeping.not_forgotten();
            return Err(error.into());
        }
        let (stored, installation) = (&read.document.stored, self.services.installation());
        if let Some(event) = transition::removed(&self.keeping.key, stored, order.on_delete, installation) {
            self.tell(event).await;
        }
        Ok(())
    }

    /// Reports why a step failed. Returns how long to wait, or none when the receiver is gone.
    async fn fail(&mut self, error: &StepError) -> Option<Duration> {
        let Failure { wait, event, is_stale } = self.keeping.failed(error, self.services.random());
        if is_stale {
            self.is_fresh = false;
        }
        // The failed call as log fields too: the cloud's support asks for the request id.
        let call = match error {
            StepError::Cloud(error) => {
                let request_id = error.failure.request_id();
                tracing::error_span!("cloud_call", action = error.action.name(), request_id)
            }
            _ => tracing::Span::none(),
        };
        let is_heard = match event {
            Some(event) => self.warn(event).instrument(call).await,
            None => {
                tracing::info!(credential = %self.keeping.key, "another process keeps this credential too; reading it again");
                true
            }
        };
        is_heard.then_some(wait)
    }

    fn stored(&self) -> Option<&Stored> {
        stored_in(&self.read)
    }

    async fn tell_what_there_is(&mut self) {
        if let Some(event) = self.keeping.available(self.services.now(), stored_in(&self.read)) {
            self.tell(event).await;
        }
    }

    async fn tell_made(&self) {
        if let Some(stored) = self.stored() {
            self.tell(transition::made(&self.keeping.key, stored)).await;
        }
    }

    /// Sends the event of a failure. Returns false when the receiver is gone.
    async fn warn(&self, event: CredentialEvent) -> bool {
        if let CredentialEvent::Failing { reason, message } = &event {
            tracing::warn!(credential = %self.keeping.key, reason = reason.as_str(), message, "a credential needs attention");
        }
        self.tell(event).await
    }

    /// Sends an event. Returns false when the receiver is gone.
    async fn tell(&self, event: CredentialEvent) -> bool {
        self.services.tell(&self.keeping.key, event).await
    }
}

/// The Secret's content as it was read; none where there is no such Secret.
fn stored_in(read: &Option<Read>) -> Option<&Stored> {
    read.as_ref().map(|read| &read.document.stored)
}

#[cfg(test)]
mod tests;

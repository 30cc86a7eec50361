//! What the keeper of a credential remembers, what it does next, and what follows from what it did: values in, values out.
//! There is no clock, client, channel or task in here.

use std::time::Duration;

use jiff::Timestamp;
use tcr::backoff::Backoff;
use tcr::image_pull_secret::{CredentialKind, OnDelete};
use tcr::registry_host::RegistryHost;

use super::store::Document;
use credential_plan::login_check::{LoginCheck, LoginChecks};
use credential_plan::plan::{
    self, ANOTHERS_APPEARS_WITHIN, APPEARS_WITHIN, Desired, FULL_FOR, Held, INTENT_HOLDS, Listed,
    ListedToken, Observed, OwnIntent, RemovalStep, Step, Stored,
};
use credential_plan::request::{self, Answer};
use credential_plan::{CredentialEvent, Key, Order, domains};
use custom_resource::condition::ConditionReason;
use custom_resource::request::{Asked, Request, RequestId};
use registry_client::Verdict;
use step_error::StepError;

pub(crate) mod step_error;
pub(crate) mod transition;

/// The wait after a failure.
pub(crate) const WAITS: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(300));
/// The shortest and the longest wait for a time: the clock may be set meanwhile.
const WAIT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3600));

/// What a keeper remembers beside the stored Secret.
pub(crate) struct Keeping {
    pub(crate) key: Key,
    own_intent: Option<OwnIntent>,
    listed: Option<Listed>,
    login_checks: LoginChecks,
    told: Option<Held>,
    /// A creation had no answer: until then its credential may still appear.
    appears_until: Option<Timestamp>,
    /// The intent of another process for which that waits.
    anothers: Option<String>,
    /// The instance had no room for another service account, and is asked again then.
    full_until: Option<Timestamp>,
    /// That the end of the service account in use was put off, users were told of it.
    told_extension: Option<Timestamp>,
    /// Users were told that something stands in the way.
    is_complaining: bool,
    /// Failures in a row.
    failures: u32,
    /// The request that the list was read for.
    asked: Option<RequestId>,
    /// How far users were told that the request is.
    answered: Option<Answer>,
}

/// The one thing to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Nothing for so long.
    Wait(Duration),
    /// Read the cloud's list.
    List,
    /// Delete a credential that is nobody's, or that was replaced; at the cloud only where it is in the list.
    Delete { token_id: String, is_listed: bool },
    /// Store that a credential is to be revoked, or why it is not.
    TakeUp { refused: Option<String> },
    /// Store that a credential that was to be revoked is gone.
    Revoked,
    /// Write an intent.
    Record { why: Option<String>, ended: bool },
    /// Make a credential and store it.
    Mint,
    /// Ask the registry about the credential in use, or about its successor.
    CheckLogin { candidate: bool },
    /// Put the successor in the place of the credential in use.
    Promote,
    /// Delete the successor, which the registry does not let in.
    Discard { reason: String },
    /// Put off the end of the service account in use.
    Extend,
    /// Give a service account the rights again that it shall have.
    Amend { token_id: String, drift: String },
    /// Delete a credential at the cloud because its last user is gone.
    Revoke { token_id: String },
    /// Delete the Secret.
    Forget,
    /// Nothing is left.
    End,
}

/// What follows from a failure.
pub(crate) struct Failure {
    /// How long to wait before the next try.
    pub(crate) wait: Duration,
    /// What users are told; none where nothing stands in the way.
    pub(crate) event: Option<CredentialEvent>,
    /// The Secret has to be read again.
    pub(crate) is_stale: bool,
}

impl Keeping {
    pub(crate) fn new(key: Key) -> Self {
        Self {
            key,
            own_intent: None,
            listed: None,
            login_checks: LoginChecks::default(),
            told: None,
            appears_until: None,
            anothers: None,
            full_until: None,
            told_extension: None,
            is_complaining: false,
            failures: 0,
            asked: None,
            answered: None,
        }
    }

    /// What to do next. `asks_registries`: registries are asked about credentials. `installation`: by which what is ours at
    /// the cloud is told from what a copy of this cluster has there.
    pub(crate) fn next(
        &mut self,
        now: Timestamp,
        document: Option<&Document>,
        order: &Order,
        asks_registries: bool,
        installation: &str,
    ) -> Task {
        let desired = self.desired(order, document.map(|it| &it.stored), asks_registries);
        let asked = order.request.as_ref().map(|it| it.id);
        if self.asked != asked {
            self.asked = asked;
            // What a request is about may be younger than the list.
            self.listed = None;
        }
        if order.is_over {
            return match document {
                None => Task::End,
                Some(document) if plan::is_copied(&document.stored, Some(installation)) => Task::Forget,
                Some(document) => self.removal(now, &document.stored, order, &desired),
            };
        }
        let observed = Observed {
            own_intent: self.own_intent.as_ref(),
            listed: self.listed.as_ref(),
            login_checks: Some(&self.login_checks),
            asked: order.request.as_ref(),
            installation: Some(installation),
            full_until: self.full_until,
        };
        match plan::decide(now, &desired, document.map(|it| &it.stored), observed) {
            Step::Wait { until } => {
                Task::Wait(until.duration_since(now).unsigned_abs().clamp(WAIT.0, WAIT.1))
            }
            Step::List => Task::List,
            Step::Delete { token_id } => Task::Delete { is_listed: self.lists(&token_id), token_id },
            Step::TakeUp { refused } => Task::TakeUp { refused },
            Step::Revoked => Task::Revoked,
            Step::Record { why, ended } => Task::Record { why, ended },
            Step::Mint => Task::Mint,
            Step::CheckLogin { candidate } => Task::CheckLogin { candidate },
            Step::Promote => Task::Promote,
            Step::Discard { reason } => Task::Discard { reason },
            Step::Extend => Task::Extend,
            Step::Amend { token_id, drift } => Task::Amend { token_id, drift },
        }
    }

    fn removal(&mut self, now: Timestamp, stored: &Stored, order: &Order, desired: &Desired) -> Task {
        self.wait_for_another(now, stored);
        if let Some(until) = self.appears_until.filter(|until| *until > now) {
            self.listed = None;
            return Task::Wait(until.duration_since(now).unsigned_abs());
        }
        let revoke = order.on_delete == OnDelete::Revoke;
        match plan::removal(desired, stored, revoke, self.appears_until.is_some(), self.listed.as_ref()) {
            RemovalStep::List => Task::List,
            RemovalStep::Delete { token_id } => Task::Revoke { token_id },
            RemovalStep::Forget => Task::Forget,
        }
    }

    fn desired(&self, order: &Order, stored: Option<&Stored>, asks_registries: bool) -> Desired {
        Desired {
            kind: self.key.kind,
            rotate_after: order.rotate_after.filter(|_| self.key.kind.is_listed()),
            checks_logins: asks_registries,
            is_rolled_out: order.rolled_out.is_some()
                && order.rolled_out == stored.and_then(|it| it.current.as_ref()).map(Held::version),
            is_needed: order.is_needed,
        }
    }

    /// How far the request of the order is, where that is news.
    pub(crate) fn answer(&mut self, order: &Order, stored: Option<&Stored>) -> Option<CredentialEvent> {
        let asked = order.request.as_ref().filter(|_| !order.is_over)?;
        let answer = request::answer(asked, stored?, &self.desired(order, stored, false))?;
        let is_news = self.answered.as_ref() != Some(&answer);
        self.answered = Some(answer.clone());
        is_news.then_some(CredentialEvent::Answered(answer))
    }

    fn lists(&self, token_id: &str) -> bool {
        self.listed.as_ref().is_some_and(|it| it.tokens.iter().any(|token| token.id == token_id))
    }

    /// What is to be told of the credential in use, if that is new. One that has expired would only replace another one by
    /// something as useless.
    pub(crate) fn available(&mut self, now: Timestamp, stored: Option<&Stored>) -> Option<CredentialEvent> {
        let stored = stored?;
        let held = stored.current.as_ref().filter(|held| held.expires_at.is_none_or(|end| end > now))?;
        if self.told.as_ref() == Some(held) {
            return None;
        }
        self.told = Some(held.clone());
        Some(CredentialEvent::Available { held: held.clone(), why: stored.why.clone() })
    }

    /// A step succeeded. Whether complaints are taken back: only once nothing is under way.
    pub(crate) fn recovered(&mut self, now: Timestamp, stored: Option<&Stored>) -> bool {
        let has_failed = std::mem::take(&mut self.failures) > 0;
        // Once the rest is over another one is made, or none is needed any more.
        let is_resting = self.login_checks.rest_until.is_some_and(|until| until > now);
        let is_under_way = stored.is_some_and(|it| it.intent.is_some() || it.candidate.is_some());
        // Told until another one has taken its place.
        let is_extended = stored.is_some_and(|it| extension(it).is_some());
        if is_extended && has_failed {
            // Users were told of something else meanwhile.
            self.told_extension = None;
        }
        if !self.is_complaining || is_under_way || is_resting || is_extended {
            return false;
        }
        self.is_complaining = false;
        true
    }

    /// A step failed. `random` spreads the waits of many.
    pub(crate) fn failed(&mut self, error: &StepError, random: u64) -> Failure {
        let wait = WAITS.jittered(self.failures, random);
        self.failures = self.failures.saturating_add(1);
        let event = error.condition(&self.key).map(|(reason, message)| self.complain(reason, message));
        let is_stale = event.is_some() && error.is_of_store();
        Failure { wait, event, is_stale }
    }

    /// What is to be told of a service account whose end was put off, if that is new.
    pub(crate) fn extended(&mut self, stored: Option<&Stored>) -> Option<CredentialEvent> {
        let stored = stored?;
        let at = extension(stored)?;
        if self.told_extension.replace(at) == Some(at) {
            return None;
        }
        let (id, end) =
            stored.current.as_ref().and_then(|held| held.token_id.as_ref().zip(held.expires_at))?;
        let message = format!(
            "instance {} has no room for another service account, so the end of {id} was put off to {}: delete service \
             accounts that are no longer used, or ask Tencent Cloud for a larger quota",
            self.key.instance_id,
            end.strftime("%F %T UTC")
        );
        Some(self.complain(ConditionReason::QuotaExceeded, message))
    }

    /// What tells users that something stands in the way.
    pub(crate) fn complain(&mut self, reason: ConditionReason, message: String) -> CredentialEvent {
        self.is_complaining = true;
        CredentialEvent::Failing { reason, message }
    }

    /// The cloud's list was read.
    pub(crate) fn listed(
        &mut self,
        now: Timestamp,
        tokens: Vec<ListedToken>,
        stored: Option<&Stored>,
        asked: Option<&Asked>,
    ) {
        // An instance lists those of everybody, and every keeper has its list.
        let is_asked_for = |token: &ListedToken| {
            asked.is_some_and(
                |it| matches!(&it.request, Request::Revoke { token_id } if *token_id == token.id),
            )
        };
        let concerns_us =
            |token: &ListedToken| stored.is_some_and(|it| plan::is_ours(it, token)) || is_asked_for(token);
        let tokens: Vec<ListedToken> = tokens.into_iter().filter(concerns_us).collect();
        let current = stored.and_then(|stored| stored.current.as_ref()?.token_id.as_ref());
        let is_there = current.is_none_or(|id| tokens.iter().any(|token| token.id == *id));
        let before = self.listed.as_ref().map_or(0, |listed| listed.missing);
        self.listed = Some(Listed { at: now, tokens, missing: if is_there { 0 } else { before + 1 } });
    }

    /// What the cloud has is to be read anew. No error of a deletion says that a token is gone already, such as after an
    /// answer that was lost: that, only a new list tells.
    pub(crate) fn forget_list(&mut self) {
        self.listed = None;
    }

    /// A service account has its own rights again.
    pub(crate) fn amended(&mut self, token_id: &str) {
        let tokens = self.listed.iter_mut().flat_map(|listed| &mut listed.tokens);
        tokens.filter(|token| token.id == token_id).for_each(|token| token.drift = None);
    }

    /// A token is gone from the cloud.
    pub(crate) fn deleted(&mut self, token_id: &str) {
        if let Some(listed) = &mut self.listed {
            listed.tokens.retain(|token| token.id != token_id);
        }
    }

    /// What is stored is about to be written over or deleted: the process that wrote its intent may have sent the creation
    /// just now.
    pub(crate) fn wait_for_another(&mut self, now: Timestamp, stored: &Stored) {
        let Some(intent) = &stored.intent else { return };
        let is_own = self.own_intent.as_ref().is_some_and(|own| own.intent == *intent);
        if !is_own && self.anothers.as_ref() != Some(intent) {
            self.anothers = Some(intent.clone());
            self.appears_until = Some(plan::later(now, ANOTHERS_APPEARS_WITHIN));
        }
    }

    /// An intent was written, at `now` or later. `is_clean`: nothing can be at the cloud that is not stored.
    pub(crate) fn recorded(&mut self, now: Timestamp, intent: String, is_clean: bool) {
        self.own_intent =
            Some(OwnIntent { intent, clean: is_clean, holds_until: plan::later(now, INTENT_HOLDS) });
        self.listed = None;
    }

    /// A creation failed. `is_unknown`: it may have been carried out, and what it left behind is found by its marker.
    /// `is_full`: the instance had no room for it.
    pub(crate) fn not_made(&mut self, is_unknown: bool, is_full: bool, now: Timestamp) {
        self.full_until = is_full.then(|| plan::later(now, FULL_FOR));
        if is_unknown {
            self.appears_until = self.appears_until.max(Some(plan::later(now, APPEARS_WITHIN)));
        }
        // A name is refused where an earlier call of the same intent was carried out late.
        if is_unknown || self.key.kind == CredentialKind::ServiceAccount {
            self.is_unclean();
        }
    }

    /// What was made is stored.
    pub(crate) fn made(&mut self) {
        self.intent_done();
        self.login_checks.candidate = None;
    }

    /// What was made could not be stored. The token to delete at once: where another process leads, its credential counts,
    /// and ours goes.
    pub(crate) fn not_stored(&mut self, is_overtaken: bool, token_id: Option<String>) -> Option<String> {
        let ours = token_id.filter(|_| is_overtaken);
        match ours.is_some() {
            true => self.own_intent = None,
            false => self.is_unclean(),
        }
        ours
    }

    fn is_unclean(&mut self) {
        if let Some(own_intent) = &mut self.own_intent {
            own_intent.clean = false;
            self.listed = None;
        }
    }

    /// The registry gave its verdict on the credential in use, or on its successor. What is to be told.
    pub(crate) fn checked(
        &mut self,
        candidate: bool,
        verdict: Verdict,
        now: Timestamp,
    ) -> Option<CredentialEvent> {
        let event = match (&verdict, candidate) {
            (Verdict::Accepted { can_push }, false) => Some(CredentialEvent::LetIn { can_push: *can_push }),
            (Verdict::Unknown { reason }, true) => {
                let message = format!(
                    "another credential was made, and the registry cannot be asked whether it is good: {reason}; it stays \
                     aside until then (--check-registry=false: use it at once)"
                );
                Some(self.complain(ConditionReason::SuccessorUntried, message))
            }
            _ => None,
        };
        let login_check =
            if candidate { &mut self.login_checks.candidate } else { &mut self.login_checks.current };
        *login_check = Some(LoginCheck::after(login_check.as_ref(), now, verdict));
        event
    }

    /// The successor has taken the place of the credential in use. What is to be told after the credential itself.
    pub(crate) fn promoted(&mut self) -> Option<CredentialEvent> {
        self.login_checks.promote();
        self.listed = None;
        match self.login_checks.current {
            Some(LoginCheck { verdict: Verdict::Accepted { can_push }, .. }) => {
                Some(CredentialEvent::LetIn { can_push })
            }
            _ => None,
        }
    }

    /// The successor was deleted. What is to be told.
    pub(crate) fn discarded(&mut self, reason: &str, now: Timestamp) -> CredentialEvent {
        self.login_checks.discard(now);
        self.listed = None;
        let has_ended = self.login_checks.current.as_ref().is_some_and(LoginCheck::has_ended);
        let word =
            if has_ended { ConditionReason::CredentialRefused } else { ConditionReason::SuccessorRefused };
        self.complain(word, format!("another credential was made and removed again: {reason}"))
    }

    /// The end of the service account in use was put off, and that is stored.
    pub(crate) fn put_off(&mut self) {
        self.intent_done();
    }

    fn intent_done(&mut self) {
        self.own_intent = None;
        self.full_until = None;
        self.listed = None;
    }

    /// The Secret could not be deleted. It may be deleted yet: whatever goes on is written first.
    pub(crate) fn not_forgotten(&mut self) {
        self.own_intent = None;
    }
}

/// When the end of the credential in use was put off, where it was.
fn extension(stored: &Stored) -> Option<Timestamp> {
    stored.current.as_ref()?.extended_at
}

/// The hosts at which a credential is tried: the instance's own, as far as a password may be sent there.
pub(crate) fn hosts(held: &Held, allowed_roots: &[String]) -> Vec<RegistryHost> {
    let host = |domain: &str| {
        domains::hosts(&[domain.to_owned()], &held.public_domain, allowed_roots).ok()?.pop_first()
    };
    ["default", "vpc"].into_iter().filter_map(host).collect()
}

#[cfg(test)]
mod tests;

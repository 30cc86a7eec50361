//! What the result of a task changes.

use std::time::Duration;

use jiff::Timestamp;
use tcr::image_pull_secret::CredentialKind;

use super::{Keeping, StepError, WAITS};
use credential_plan::CredentialEvent;
use credential_plan::login_check::LoginCheck;
use credential_plan::plan::{
    self, ANOTHERS_APPEARS_WITHIN, APPEARS_WITHIN, FULL_FOR, INTENT_HOLDS, Listed, ListedToken, OwnIntent,
    Stored,
};
use custom_resource::condition::ConditionReason;
use custom_resource::request::{Asked, Request};
use registry_client::Verdict;
use tencent_cloud::error::{CloudError, Failure, Refusal};

/// Attempts to write a new credential's Secret before the step fails.
const MOST_WRITES: u32 = 6;

/// What to do after a new credential's Secret could not be written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum AfterWrite {
    /// Read the Secret: another process wrote it, or this one's write was not answered.
    Read,
    /// Write it again after this time: the cloud returns the credential only once.
    Retry(Duration),
    /// Give up.
    Fail,
}

/// How to go on after `error`, the failure number `failures` (from 1) in a row to write a new credential's
/// Secret.
pub(crate) fn after_write(error: &StepError, failures: u32) -> AfterWrite {
    match error.is_overtaken() {
        true => AfterWrite::Read,
        false if failures >= MOST_WRITES => AfterWrite::Fail,
        false => AfterWrite::Retry(WAITS.wait(failures.saturating_sub(1))),
    }
}

impl Keeping {
    /// The cloud's list was read.
    pub(crate) fn listed(
        &mut self,
        now: Timestamp,
        tokens: Vec<ListedToken>,
        stored: Option<&Stored>,
        asked: Option<&Asked>,
    ) {
        // An instance lists the credentials of all its users, and every keeper holds its list.
        let is_asked_for = |token: &ListedToken| {
            asked.is_some_and(
                |it| matches!(&it.request, Request::Revoke { token_id } if *token_id == token.id),
            )
        };
        let concerns_us =
            |token: &ListedToken| stored.is_some_and(|it| plan::is_ours(it, token)) || is_asked_for(token);
        let mut tokens: Vec<ListedToken> = tokens.into_iter().filter(concerns_us).collect();
        // Collecting in place keeps the capacity of the whole list, in every keeper.
        tokens.shrink_to_fit();
        let current = stored.and_then(|stored| stored.current.as_ref()?.token_id.as_ref());
        let is_there = current.is_none_or(|id| tokens.iter().any(|token| token.id == *id));
        let before = self.listed.as_ref().map_or(0, |listed| listed.missing);
        self.listed = Some(Listed { at: now, tokens, missing: if is_there { 0 } else { before + 1 } });
    }

    /// The cloud's list has to be read again. No error of a deletion tells that a token is already gone, for
    /// example after a lost answer: only a new list does.
    pub(crate) fn forget_list(&mut self) {
        self.listed = None;
    }

    /// A service account has its desired rights again.
    pub(crate) fn amended(&mut self, token_id: &str) {
        let tokens = self.listed.iter_mut().flat_map(|listed| &mut listed.tokens);
        tokens.filter(|token| token.id == token_id).for_each(|token| token.drift = None);
    }

    /// A token was deleted at the cloud.
    pub(crate) fn deleted(&mut self, token_id: &str) {
        if let Some(listed) = &mut self.listed {
            listed.tokens.retain(|token| token.id != token_id);
        }
    }

    /// The stored state is about to be overwritten or deleted: the process that wrote its intent may have
    /// sent the creation just now.
    pub(crate) fn wait_for_another(&mut self, now: Timestamp, stored: &Stored) {
        let Some(intent) = &stored.intent else { return };
        let is_own = self.own_intent.as_ref().is_some_and(|own| own.intent == *intent);
        if !is_own && self.anothers.as_ref() != Some(intent) {
            self.anothers = Some(intent.clone());
            self.appears_until = Some(plan::later(now, ANOTHERS_APPEARS_WITHIN));
        }
    }

    /// An intent was written, at `now` or later. `is_clean`: no credential can be at the cloud that is not
    /// stored.
    pub(crate) fn recorded(&mut self, now: Timestamp, intent: String, is_clean: bool) {
        self.own_intent =
            Some(OwnIntent { intent, clean: is_clean, holds_until: plan::later(now, INTENT_HOLDS) });
        self.listed = None;
    }

    /// A creation failed. Returns the credential that it nevertheless made, which is to be deleted at once. A
    /// credential of a creation with an unknown result is found by its marker.
    pub(crate) fn not_created(&mut self, error: &CloudError, now: Timestamp) -> Option<String> {
        let is_full = error.refusal() == Some(Refusal::NoRoom);
        self.not_made(error.outcome_unknown(), is_full, now);
        match &error.failure {
            Failure::Implausible { token_id, .. } => token_id.clone(),
            _ => None,
        }
    }

    /// `is_unknown`: the creation may have been carried out. `is_full`: the instance had no room.
    pub(super) fn not_made(&mut self, is_unknown: bool, is_full: bool, now: Timestamp) {
        self.full_until = is_full.then(|| plan::later(now, FULL_FOR));
        if is_unknown {
            self.appears_until = self.appears_until.max(Some(plan::later(now, APPEARS_WITHIN)));
        }
        // TCR also refuses a name when an earlier call for the same intent was carried out late.
        if is_unknown || self.key.kind == CredentialKind::ServiceAccount {
            self.is_unclean();
        }
    }

    /// The new credential is stored.
    pub(crate) fn made(&mut self) {
        self.intent_done();
        self.login_checks.candidate = None;
    }

    /// The new credential could not be stored. Returns the token to delete at once: where another process
    /// leads, only that process's credential is used.
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

    /// Whether the credential in use is to be tried at the registry.
    pub(crate) fn is_login_due(&self, now: Timestamp) -> bool {
        self.login_checks.current.as_ref().is_none_or(|last| last.next_of_current() <= now)
    }

    /// The registry's verdict on the credential in use, or on its successor. Returns the event to send.
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

    /// The successor is in use. Returns the event to send after the one about the credential itself.
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

    /// The successor was deleted. Returns the event to send.
    pub(crate) fn discarded(&mut self, reason: &str, now: Timestamp) -> CredentialEvent {
        self.login_checks.discard(now);
        self.listed = None;
        let has_ended = self.login_checks.current.as_ref().is_some_and(LoginCheck::has_ended);
        let word =
            if has_ended { ConditionReason::CredentialRefused } else { ConditionReason::SuccessorRefused };
        self.complain(word, format!("another credential was made and removed again: {reason}"))
    }

    /// The extended life of the service account in use is stored.
    pub(crate) fn put_off(&mut self) {
        self.intent_done();
    }

    fn intent_done(&mut self) {
        self.own_intent = None;
        self.full_until = None;
        self.listed = None;
    }

    /// The Secret could not be deleted. The deletion may still be carried out, so the next step begins with a
    /// write.
    pub(crate) fn not_forgotten(&mut self) {
        self.own_intent = None;
    }
}

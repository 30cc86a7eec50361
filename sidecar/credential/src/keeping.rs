//! The state of a credential's keeper, its next task, and what each result changes: values in, values out. It
//! has no clock, client, channel or task.

use std::time::Duration;

use jiff::Timestamp;
use tcr::backoff::Backoff;
use tcr::image_pull_secret::OnDelete;
use tcr::registry_host::RegistryHost;

use super::store::Document;
use credential_plan::login_check::{LoginCheck, LoginChecks};
use credential_plan::plan::{self, Desired, Held, Listed, Observed, OwnIntent, RemovalStep, Step, Stored};
use credential_plan::request::{self, Answer};
use credential_plan::{CredentialEvent, Key, Order, domains};
use custom_resource::condition::ConditionReason;
use custom_resource::request::RequestId;
use step_error::StepError;

mod outcome;
pub(crate) mod step_error;
pub(crate) mod transition;

pub(crate) use outcome::{AfterWrite, after_write};

/// The wait after a failure.
pub(crate) const WAITS: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(300));
/// The shortest and the longest wait for a time: the clock may be set meanwhile.
const WAIT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3600));

/// A keeper's state besides the stored Secret.
pub(crate) struct Keeping {
    pub(crate) key: Key,
    own_intent: Option<OwnIntent>,
    listed: Option<Listed>,
    login_checks: LoginChecks,
    told: Option<Held>,
    /// How often its end was taken back, as far as it knows.
    taken_back: u32,
    /// The credential whose end was ordered and taken back: a call to delete it may have been carried out. It is not
    /// handed out before a list of the cloud has it.
    in_doubt: Option<String>,
    /// A creation had no answer: its credential may still appear until this time.
    appears_until: Option<Timestamp>,
    /// The intent of another process that `appears_until` is about.
    anothers: Option<String>,
    /// The instance had no room for another service account; it is tried again at this time.
    full_until: Option<Timestamp>,
    /// The last extension of the service account in use of which an event was sent.
    told_extension: Option<Timestamp>,
    /// An event of a failure was sent and not taken back.
    is_complaining: bool,
    /// Failures in a row.
    failures: u32,
    /// The request that the list was read for.
    asked: Option<RequestId>,
    /// The last answer to the request that was sent.
    answered: Option<Answer>,
}

/// The next task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Wait this long.
    Wait(Duration),
    /// Read the cloud's list.
    List,
    /// Delete a credential that is ours and not stored, or that was replaced; at the cloud only if the list
    /// contains it.
    Delete { token_id: String, is_listed: bool },
    /// Store that a credential is to be revoked, or why the request is refused.
    TakeUp { refused: Option<String> },
    /// Store that the revoked credential is gone.
    Revoked,
    /// Write an intent.
    Record { why: Option<String>, ended: bool },
    /// Make a credential and store it.
    Mint,
    /// Try the credential in use, or its successor, at the registry.
    CheckLogin { candidate: bool },
    /// Put the successor in use.
    Promote,
    /// Delete the successor, which the registry refuses.
    Discard { reason: String },
    /// Extend the life of the service account in use.
    Extend,
    /// Restore a service account's desired rights.
    Amend { token_id: String, drift: String },
    /// Delete a credential at the cloud because no ImagePullSecret uses it any more.
    Revoke { token_id: String },
    /// Delete the Secret.
    Forget,
    /// End the keeper: nothing is left.
    End,
}

/// The consequences of a failure.
pub(crate) struct Failure {
    /// How long to wait before the next try.
    pub(crate) wait: Duration,
    /// The event to send; none where users need not know.
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
            taken_back: 0,
            in_doubt: None,
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

    /// Takes in an order, before anything is done by it.
    pub(crate) fn follow(&mut self, order: &Order, stored: Option<&Stored>) {
        if std::mem::replace(&mut self.taken_back, order.taken_back) != order.taken_back {
            let current = stored.and_then(|stored| stored.current.as_ref());
            self.in_doubt = current.and_then(|current| current.token_id.clone());
            self.told = None;
            self.listed = None;
        }
    }

    /// The next task. `asks_registries`: login checks are on. `installation`: distinguishes our credentials
    /// at the cloud from those of a copy of this cluster.
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
            // The credential that a request is about may be younger than the list.
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

    /// The progress of the order's request, if it changed.
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

    /// The event about the credential in use, if it is new. An expired one is not announced: it would replace
    /// another credential with one that is just as useless.
    pub(crate) fn available(&mut self, now: Timestamp, stored: Option<&Stored>) -> Option<CredentialEvent> {
        let stored = stored?;
        let held = stored.current.as_ref().filter(|held| held.expires_at.is_none_or(|end| end > now))?;
        if self.in_doubt.is_some() && self.in_doubt == held.token_id {
            if !held.token_id.as_ref().is_some_and(|token_id| self.lists(token_id)) {
                return None;
            }
            self.in_doubt = None;
        }
        if self.told.as_ref() == Some(held) {
            return None;
        }
        self.told = Some(held.clone());
        Some(CredentialEvent::Available { held: held.clone(), why: stored.why.clone() })
    }

    /// A step succeeded. Returns whether the event of a failure is to be taken back, which waits until
    /// nothing is under way.
    pub(crate) fn recovered(&mut self, now: Timestamp, stored: Option<&Stored>) -> bool {
        let has_failed = std::mem::take(&mut self.failures) > 0;
        // After the pause another one is made, or none is needed any more.
        let is_resting = self.login_checks.rest_until.is_some_and(|until| until > now);
        let is_under_way = stored.is_some_and(|it| it.intent.is_some() || it.candidate.is_some());
        // Reported until another credential is in use.
        let is_extended = stored.is_some_and(|it| extension(it).is_some());
        if is_extended && has_failed {
            // Another event has replaced the one about the extension.
            self.told_extension = None;
        }
        if !self.is_complaining || is_under_way || is_resting || is_extended {
            return false;
        }
        self.is_complaining = false;
        true
    }

    /// A step failed. `random` spreads retries over time.
    pub(crate) fn failed(&mut self, error: &StepError, random: u64) -> Failure {
        let wait = WAITS.jittered(self.failures, random);
        self.failures = self.failures.saturating_add(1);
        let refused = self.login_checks.current.as_ref().and_then(LoginCheck::end);
        let told = error.condition(&self.key, refused);
        let event = told.map(|(reason, message)| self.complain(reason, message));
        let is_stale = event.is_some() && error.is_of_store();
        Failure { wait, event, is_stale }
    }

    /// The event about an extended service account, if it is new.
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

    /// The event of a failure.
    pub(crate) fn complain(&mut self, reason: ConditionReason, message: String) -> CredentialEvent {
        self.is_complaining = true;
        CredentialEvent::Failing { reason, message }
    }
}

/// When the life of the credential in use was last extended, if it was.
fn extension(stored: &Stored) -> Option<Timestamp> {
    stored.current.as_ref()?.extended_at
}

/// The hosts at which a credential is tried: the instance's own, if they may receive a password.
pub(crate) fn hosts(held: &Held, allowed_roots: &[String]) -> Vec<RegistryHost> {
    let host = |domain: &str| {
        domains::hosts(&[domain.to_owned()], &held.public_domain, allowed_roots).ok()?.pop_first()
    };
    ["default", "vpc"].into_iter().filter_map(host).collect()
}

#[cfg(test)]
mod tests;

//! When a changed login of an ImagePullSecret replaces the one that is distributed. Pure.
//!
//! A login that its registry has accepted is replaced
//! - by one that its registry accepts,
//! - or, when the registry gives no verdict, after a time-out that begins with the edit,
//! - and never by one that its registry refuses.
//!
//! Where no login is distributed yet, or no registry ever accepted the distributed one, nothing can get
//! worse: the new login is distributed at once.
//!
//! # After a restart
//! A new process starts from the status ([`Recorded`]): the login that is found in the cluster counts as
//! accepted unless the condition says otherwise, and a login that waited goes on waiting until the time that
//! the status names. A refusal is remembered too.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::later::later;
use custom_resource::PendingCredential;
use custom_resource::condition::ConditionReason;
use distribution::Digest;
use login::Checked;
use tcr::verdict::Verdict;

mod answer;
mod login;

pub use answer::{Answer, Recorded};
pub use login::{ASK_EVERY, ASK_REFUSED};

/// The login that is distributed, and the one that is to replace it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rollout {
    distributed: Option<Checked>,
    next: Option<Next>,
    recorded: Recorded,
}

/// The login that is to replace the distributed one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Next {
    login: Checked,
    version: String,
    /// When it is distributed without a verdict.
    until: Timestamp,
    /// The spec gives it now; false while the Secret with the password is missing.
    is_given: bool,
}

/// What the namespaces hold now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InPlace {
    /// Nothing is distributed yet.
    Nothing,
    /// The login that is given.
    Same,
    /// Another login than the given one.
    Other,
}

/// A login from the spec.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// The digest of the bytes to distribute.
    pub digest: Digest,
    /// The version of the spec and of the Secret with the password: equal versions mean the same login, in
    /// any process.
    pub version: &'a str,
}

/// The state of the credential, for the condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether the distributed login works; none when that is not known.
    pub is_valid: Option<bool>,
    pub reason: ConditionReason,
    /// The condition's message, a sentence.
    pub message: String,
}

impl Rollout {
    /// The state of an object whose status was read.
    pub fn restored(recorded: Recorded) -> Self {
        Self { recorded, ..Self::default() }
    }

    /// Whether a login waits, in this process or by the status.
    pub fn waits(&self) -> bool {
        self.next.is_some() || self.recorded.pending.is_some()
    }

    /// The spec gives this login. Returns whether it is to be distributed from now on.
    pub fn give(
        &mut self,
        given: Given<'_>,
        in_place: InPlace,
        timeout: SignedDuration,
        now: Timestamp,
    ) -> bool {
        let Given { digest, version } = given;
        let recorded = std::mem::take(&mut self.recorded);
        if in_place != InPlace::Other {
            let had_waited = recorded.pending.is_some_and(|pending| pending.version == version);
            self.begin(digest, in_place, if had_waited { Answer::NOT_YET } else { recorded.answer }, now);
            return true;
        }
        if self.distributed.is_none() {
            self.distributed = Some(Checked { digest: None, ..Checked::new(digest, recorded.answer, now) });
        }
        let latest = whole_second(later(now, timeout));
        if !self.next.as_ref().is_some_and(|next| next.login.is(digest)) {
            let known = recorded.pending.filter(|pending| pending.version == version);
            let answer = match known.as_ref().map(|pending| pending.refused.clone()) {
                Some(reason) if !reason.is_empty() => Answer::Refused { reason },
                _ => Answer::NOT_YET,
            };
            self.next = Some(Next {
                login: Checked::new(digest, answer, now),
                version: version.to_owned(),
                until: known.map_or(latest, |pending| pending.until.0),
                is_given: true,
            });
        }
        let may_be_let_in = self.distributed.as_ref().is_none_or(|it| it.answer.may_be_let_in());
        let Some(next) = &mut self.next else { return true };
        version.clone_into(&mut next.version);
        if !std::mem::replace(&mut next.is_given, true) {
            // It was missing, so no login check was possible meanwhile.
            next.login.failures = 0;
            next.login.due = now;
        }
        // A clock that was set back prolongs no wait.
        next.until = next.until.min(latest);
        let may_replace = match &next.login.answer {
            Answer::LetIn { .. } => true,
            Answer::Refused { .. } => false,
            Answer::Nothing { .. } => !may_be_let_in || next.has_waited(now),
        };
        if may_replace {
            self.distributed = self.next.take().map(|next| next.login);
        }
        may_replace
    }

    /// The given login is distributed, whatever the registry says.
    fn begin(&mut self, digest: Digest, in_place: InPlace, recorded: Answer, now: Timestamp) {
        let waited = self.next.take().map(|next| next.login).filter(|login| login.is(digest));
        if self.distributed.as_ref().is_some_and(|login| login.is(digest)) {
            return;
        }
        let before = self.distributed.take().filter(|login| login.digest.is_none()).map(|login| login.answer);
        let answer = match in_place {
            InPlace::Same => before.unwrap_or(recorded),
            InPlace::Nothing | InPlace::Other => Answer::NOT_YET,
        };
        self.distributed = Some(waited.unwrap_or_else(|| Checked::new(digest, answer, now)));
    }

    /// The spec gives no login now: the distributed one stays.
    pub fn give_none(&mut self) {
        if let Some(next) = &mut self.next {
            next.is_given = false;
        }
    }

    /// Logins that are to be tried at the registry now.
    pub fn due(&self, now: Timestamp) -> Vec<Digest> {
        // A due time beyond the longest interval was computed before the clock was set back.
        let due = self.to_ask().filter(|login| login.due <= now || login.due > later(now, ASK_EVERY));
        due.filter_map(|login| login.digest).collect()
    }

    /// The login is being tried; [`Rollout::answer`] follows.
    pub fn ask(&mut self, digest: Digest) {
        self.of(digest).for_each(|login| login.in_flight = true);
    }

    /// The registry's verdict. Returns its message if it refuses the login for the first time.
    pub fn answer(&mut self, digest: Digest, verdict: Verdict, now: Timestamp) -> Option<String> {
        let mut news = None;
        for login in self.of(digest) {
            if let Verdict::Refused { reason } = &verdict
                && !matches!(login.answer, Answer::Refused { .. })
            {
                news = Some(reason.clone());
            }
            login.take(verdict.clone(), now);
        }
        news
    }

    /// When something is to be done next: [`Rollout::due`] returns a login, or the waiting login is to be
    /// passed to [`Rollout::give`] again. None while an answer is outstanding.
    pub fn next(&self) -> Option<Timestamp> {
        let asks = self.to_ask().map(|login| login.due);
        asks.chain(self.gives_up_at()).min()
    }

    /// Whether the waiting login is to be passed to [`Rollout::give`] again, because its time-out is over.
    pub fn has_waited(&self, now: Timestamp) -> bool {
        self.gives_up_at().is_some_and(|at| at <= now)
    }

    /// Whether the distributed login may push; none while that is not known.
    pub fn can_push(&self) -> Option<bool> {
        match self.distributed.as_ref()?.answer {
            Answer::LetIn { can_push } => can_push,
            _ => None,
        }
    }

    /// The login that waits, for the status.
    pub fn pending(&self) -> Option<PendingCredential> {
        let next = self.next.as_ref()?;
        let refused = match &next.login.answer {
            Answer::Refused { reason } => reason.clone(),
            _ => String::new(),
        };
        Some(PendingCredential { version: next.version.clone(), until: Time(next.until), refused })
    }

    /// The state of the credential; none before there is one.
    pub fn standing(&self) -> Option<Standing> {
        let answer = &self.distributed.as_ref()?.answer;
        let is_valid = match answer {
            Answer::LetIn { .. } => Some(true),
            Answer::Refused { .. } => Some(false),
            Answer::Nothing { .. } => None,
        };
        let (reason, message) = match self.next.as_ref().filter(|next| next.is_given) {
            Some(next) => next.explained(),
            None => answer.explained(),
        };
        Some(Standing { is_valid, reason, message })
    }

    /// When the waiting login is distributed without a verdict; none before the first login check.
    fn gives_up_at(&self) -> Option<Timestamp> {
        let next = self.next.as_ref().filter(|next| next.is_given && next.login.failures > 0)?;
        (!matches!(next.login.answer, Answer::Refused { .. })).then_some(next.until)
    }

    fn to_ask(&self) -> impl Iterator<Item = &Checked> {
        let next = self.next.as_ref().filter(|next| next.is_given).map(|next| &next.login);
        self.distributed.iter().chain(next).filter(|login| login.can_be_asked())
    }

    fn of(&mut self, digest: Digest) -> impl Iterator<Item = &mut Checked> {
        let next = self.next.as_mut().map(|next| &mut next.login);
        self.distributed.iter_mut().chain(next).filter(move |login| login.is(digest))
    }
}

impl Next {
    /// The time-out is over, and the registry gave no verdict.
    fn has_waited(&self, now: Timestamp) -> bool {
        self.until <= now && self.login.failures > 0
    }

    fn explained(&self) -> (ConditionReason, String) {
        let why = match &self.login.answer {
            Answer::Refused { reason } => {
                let message =
                    format!("{reason}; the credential before it stays distributed: correct the new one");
                return (ConditionReason::SuccessorRefused, message);
            }
            Answer::Nothing { reason: Some(reason), .. } => format!(": {reason}"),
            Answer::Nothing { reason: None, .. } | Answer::LetIn { .. } => String::new(),
        };
        let until = self.until.strftime("%Y-%m-%dT%H:%M:%SZ");
        let message = format!(
            "the new credential waits for its registry's verdict, until {until} at the latest; the one before it stays \
             distributed{why}"
        );
        (ConditionReason::AwaitingVerdict, message)
    }
}

/// The precision that the status keeps.
fn whole_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[cfg(test)]
mod tests;

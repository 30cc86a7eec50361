//! A registry's answers to the credentials of one keeper, and what they mean. Pure.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::later::later;
use tcr::backoff::Backoff;
use tcr::verdict::Verdict;

/// How often the credential in use is tried at its registry.
pub const ASK_EVERY: SignedDuration = SignedDuration::from_mins(10);
/// A refusal of the credential in use is checked once more after this: a registry may be wrong for a moment.
pub const ASK_TWICE: SignedDuration = SignedDuration::from_secs(60);
/// The pauses after the first refusals of a new credential: it may take a moment until it is known
/// everywhere. One more refusal in a row is final.
pub const REFUSALS: [SignedDuration; 3] =
    [SignedDuration::from_secs(2), SignedDuration::from_secs(4), SignedDuration::from_secs(8)];
/// The pause while a registry gives no verdict on a new credential.
pub const CANNOT_ASK: SignedDuration = SignedDuration::from_secs(30);
/// The pause before another credential is made after one was refused.
pub const REST: Backoff = Backoff::new(Duration::from_mins(10), Duration::from_hours(6));

/// The last answer about one credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginCheck {
    /// The time of the answer.
    pub at: Timestamp,
    /// What the registry answered.
    pub verdict: Verdict,
    /// Refusals in a row, including this one.
    pub refusals: usize,
}

/// The answers about the credential in use and about its successor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoginChecks {
    /// The last answer about the credential in use.
    pub current: Option<LoginCheck>,
    /// The last answer about its successor.
    pub candidate: Option<LoginCheck>,
    /// No other credential is made before this time, because the last new one was refused.
    pub rest_until: Option<Timestamp>,
    /// New credentials refused in a row.
    pub discarded: u32,
}

impl LoginCheck {
    /// The answer that follows `before`.
    pub fn after(before: Option<&Self>, at: Timestamp, verdict: Verdict) -> Self {
        let refusals = match &verdict {
            Verdict::Accepted { .. } => 0,
            Verdict::Refused { .. } => before.map_or(0, |before| before.refusals) + 1,
            // An answer without a verdict takes no earlier refusal back.
            Verdict::Unknown { .. } => before.map_or(0, |before| before.refusals),
        };
        Self { at, verdict, refusals }
    }

    /// Whether the credential in use is refused for good.
    pub fn has_ended(&self) -> bool {
        matches!(self.verdict, Verdict::Refused { .. }) && self.refusals >= 2
    }

    /// The registry's message, where the credential in use is refused for good.
    pub fn end(&self) -> Option<&str> {
        match &self.verdict {
            Verdict::Refused { reason } if self.has_ended() => Some(reason),
            _ => None,
        }
    }

    /// When the credential in use is to be tried again.
    pub fn next_of_current(&self) -> Timestamp {
        match self.verdict {
            Verdict::Refused { .. } if self.refusals == 1 => later(self.at, ASK_TWICE),
            _ => later(self.at, ASK_EVERY),
        }
    }

    /// When a new credential is to be tried again; none when it was refused for good.
    pub fn next_of_candidate(&self) -> Option<Timestamp> {
        match self.verdict {
            Verdict::Refused { .. } => Some(later(self.at, *REFUSALS.get(self.refusals.checked_sub(1)?)?)),
            _ => Some(later(self.at, CANNOT_ASK)),
        }
    }
}

impl LoginChecks {
    /// A new credential was refused for good.
    pub fn discard(&mut self, now: Timestamp) {
        self.rest_until = Some(later(now, REST.wait(self.discarded)));
        self.discarded += 1;
        self.candidate = None;
    }

    /// A new credential has become the one in use.
    pub fn promote(&mut self) {
        *self = Self { current: self.candidate.take(), ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn refused() -> Verdict {
        Verdict::Refused { reason: "HTTP 401".to_owned() }
    }

    #[test]
    fn one_refusal_is_not_believed_of_a_credential_in_use() {
        let once = LoginCheck::after(None, at(0), refused());
        assert!(!once.has_ended());
        assert_eq!(once.next_of_current(), at(60));
        let unknown = LoginCheck::after(Some(&once), at(60), Verdict::Unknown { reason: String::new() });
        assert!(!unknown.has_ended());
        assert!(LoginCheck::after(Some(&unknown), at(660), refused()).has_ended());
        let accepted = LoginCheck::after(Some(&once), at(60), Verdict::Accepted { can_push: false });
        assert!(!LoginCheck::after(Some(&accepted), at(660), refused()).has_ended());
    }

    #[test]
    fn a_new_credential_has_a_moment_to_be_known_everywhere() {
        let mut login_check = LoginCheck::after(None, at(0), refused());
        let mut asked = vec![0];
        while let Some(next) = login_check.next_of_candidate() {
            asked.push(next.as_second() - at(0).as_second());
            login_check = LoginCheck::after(Some(&login_check), next, refused());
        }
        assert_eq!(asked, [0, 2, 6, 14]);
    }

    #[test]
    fn each_refused_one_makes_the_pause_longer_up_to_a_limit() {
        let mut login_checks = LoginChecks::default();
        let mut pauses = Vec::new();
        for _ in 0..8 {
            login_checks.discard(at(0));
            pauses.push((login_checks.rest_until.unwrap().as_second() - at(0).as_second()) / 60);
        }
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 360, 360]);
        login_checks.promote();
        assert_eq!(login_checks, LoginChecks::default());
    }
}

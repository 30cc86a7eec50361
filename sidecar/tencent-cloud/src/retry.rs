//! Whether and when a failed call is sent again: a decision over values.

use std::time::Duration;

use tcr::backoff::Backoff;

use super::action::{Action, Repeat};
use super::error::{Class, Failure};

/// How often and how fast to repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Attempts at most, including the first.
    pub attempts: u32,
    /// The wait after the first failure; it doubles with each.
    pub base: Duration,
    /// The longest wait between two attempts.
    pub cap: Duration,
}

impl Default for Policy {
    /// Four attempts within about two seconds: enough for a rate limit (which is per second), and short
    /// enough for a person to wait.
    fn default() -> Self {
        Self { attempts: 4, base: Duration::from_millis(300), cap: Duration::from_secs(5) }
    }
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Give up and report the failure.
    Stop,
    /// Send again after this wait.
    Wait(Duration),
    /// Take the time from the answer and send again at once.
    CorrectClock,
    /// Look for another API credential and send again at once.
    RenewCredential,
}

/// The failures of one call so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct History {
    failures: u32,
    clock_corrected: bool,
    credential_renewed: bool,
}

impl History {
    /// Decides after another failure. `random` is uniform over all values and spreads the retries of callers
    /// that failed together.
    pub fn next(&mut self, failure: &Failure, action: Action, policy: &Policy, random: u64) -> Next {
        self.failures += 1;
        match failure.class() {
            Class::Terminal => Next::Stop,
            // Each is tried once: a second refusal shows that it does not help.
            Class::RefreshCredential if failure.is_clock_skew() => {
                once(&mut self.clock_corrected, Next::CorrectClock)
            }
            Class::RefreshCredential => once(&mut self.credential_renewed, Next::RenewCredential),
            Class::Retryable => {
                let allowed = action.repeat() == Repeat::Safe || failure.certainly_not_done();
                match allowed && self.failures < policy.attempts {
                    true => Next::Wait(wait(policy, self.failures, random)),
                    false => Next::Stop,
                }
            }
        }
    }
}

fn once(done: &mut bool, next: Next) -> Next {
    if std::mem::replace(done, true) { Next::Stop } else { next }
}

/// The wait after this many failures.
pub(crate) fn wait(policy: &Policy, failures: u32, random: u64) -> Duration {
    Backoff::new(policy.base, policy.cap).jittered(failures - 1, random)
}

/// A random number that spreads retries; 0 on a machine that gives none, where only the spread is lost.
pub(crate) fn random() -> u64 {
    getrandom::u64().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: &str) -> Failure {
        Failure::Refused { code: code.to_owned(), message: String::new(), request_id: None }
    }

    const POLICY: Policy =
        Policy { attempts: 4, base: Duration::from_millis(100), cap: Duration::from_millis(250) };

    fn decisions(action: Action, failure: &Failure, random: u64) -> Vec<Next> {
        let mut history = History::default();
        (0..4).map(|_| history.next(failure, action, &POLICY, random)).collect()
    }

    #[test]
    fn reading_waits_longer_each_time_up_to_the_cap_and_gives_up() {
        let ms = |ms| Next::Wait(Duration::from_millis(ms));
        let busy = refused("InternalError");
        assert_eq!(
            decisions(Action::DescribeInstances, &busy, u64::MAX),
            [ms(100), ms(200), ms(250), Next::Stop]
        );
        assert_eq!(decisions(Action::DescribeInstances, &busy, 0), [ms(50), ms(100), ms(125), Next::Stop]);
    }

    #[test]
    fn creating_is_never_repeated_when_it_may_have_happened() {
        for failure in [
            refused("InternalError"),
            refused("ServiceUnavailable"),
            Failure::Deadline { after: Duration::ZERO },
            Failure::Interrupted { reason: String::new() },
            Failure::Status { status: 502, message: None },
        ] {
            assert_eq!(decisions(Action::CreateInstanceToken, &failure, 0), [Next::Stop; 4], "{failure}");
        }
    }

    #[test]
    fn creating_is_repeated_when_it_certainly_did_not_happen() {
        for failure in [refused("RequestLimitExceeded"), Failure::Unreachable { reason: String::new() }] {
            assert!(
                matches!(decisions(Action::CreateInstanceToken, &failure, 0)[..], [Next::Wait(_), ..]),
                "{failure}"
            );
        }
    }

    #[test]
    fn clock_and_credential_are_tried_once_each_for_any_action() {
        let mut history = History::default();
        let mut next = |code| history.next(&refused(code), Action::CreateInstanceToken, &POLICY, 0);
        assert_eq!(next("AuthFailure.SignatureExpire"), Next::CorrectClock);
        assert_eq!(next("AuthFailure.TokenFailure"), Next::RenewCredential);
        assert_eq!(next("AuthFailure.SignatureExpire"), Next::Stop);
        assert_eq!(next("AuthFailure.SecretIdNotFound"), Next::Stop);
    }
}

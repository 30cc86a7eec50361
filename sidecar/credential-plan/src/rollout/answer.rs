//! A registry's answer to a login, and its form in the status, from which the next process reads it.

use tcr::verdict::Verdict;

use custom_resource::condition::{ConditionReason, ConditionType};
use custom_resource::{ImagePullSecretStatus, PendingCredential};

/// The beginning and the end of such messages; the text between is the registry's.
const NO_VERDICT: &str = "the registry has given no verdict on the credential, which is distributed: ";
const CORRECT_IT: &str = ": correct spec.docker, or make its credential valid again";

/// What a new process reads from the status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    pub(super) answer: Answer,
    pub(super) pending: Option<PendingCredential>,
}

/// A registry's answer to a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// No answer so far.
    Nothing {
        /// Why there was no verdict; none before the first login check.
        reason: Option<String>,
        /// An earlier process may have had the answer that the login is valid.
        may_be_good: bool,
    },
    /// The registry accepts the login.
    LetIn {
        /// Whether the login may also push; none while only the status is known.
        can_push: Option<bool>,
    },
    /// The registry refuses the login.
    Refused {
        /// The registry's message.
        reason: String,
    },
}

impl Recorded {
    /// Reads the answer from a status.
    pub fn of(status: &ImagePullSecretStatus) -> Self {
        let condition = |kind: ConditionType| status.conditions.iter().find(|it| it.type_ == kind.as_str());
        let pending = status.pending_credential.clone();
        let Some(valid) = condition(ConditionType::CredentialValid) else {
            return Self { pending, ..Self::default() };
        };
        let answer = match (valid.status.as_str(), ConditionReason::of(&valid.reason)) {
            ("True", _) => {
                Answer::LetIn { can_push: condition(ConditionType::CanPush).map(|it| it.status == "True") }
            }
            ("Unknown", Some(ConditionReason::Unverified)) => Answer::Nothing {
                reason: valid.message.strip_prefix(NO_VERDICT).map(str::to_owned),
                may_be_good: false,
            },
            ("False", Some(ConditionReason::CredentialRefused)) => {
                let reason = valid.message.strip_suffix(CORRECT_IT).unwrap_or(&valid.message);
                Answer::Refused { reason: reason.to_owned() }
            }
            _ => Answer::default(),
        };
        Self { answer, pending }
    }
}

impl Default for Answer {
    /// For a login that another process distributed.
    fn default() -> Self {
        Self::Nothing { reason: None, may_be_good: true }
    }
}

impl Answer {
    pub(super) const NOT_YET: Self = Self::Nothing { reason: None, may_be_good: false };

    pub(super) fn after(&self, verdict: Verdict) -> Self {
        match (verdict, self) {
            (Verdict::Accepted { can_push }, _) => Self::LetIn { can_push: Some(can_push) },
            (Verdict::Refused { reason }, _) => Self::Refused { reason },
            (Verdict::Unknown { reason }, Self::Nothing { may_be_good, .. }) => {
                Self::Nothing { reason: Some(reason), may_be_good: *may_be_good }
            }
            // An answer without a verdict takes no earlier one back.
            (Verdict::Unknown { .. }, Self::LetIn { .. } | Self::Refused { .. }) => self.clone(),
        }
    }

    pub(super) fn may_be_let_in(&self) -> bool {
        matches!(self, Self::LetIn { .. } | Self::Nothing { may_be_good: true, .. })
    }
}

impl Answer {
    /// The condition's reason and message for a login that is distributed.
    pub(super) fn explained(&self) -> (ConditionReason, String) {
        match self {
            Self::LetIn { .. } => (ConditionReason::Valid, "there is a credential".to_owned()),
            Self::Refused { reason } => (ConditionReason::CredentialRefused, format!("{reason}{CORRECT_IT}")),
            Self::Nothing { reason: Some(reason), .. } => {
                (ConditionReason::Unverified, format!("{NO_VERDICT}{reason}"))
            }
            Self::Nothing { reason: None, .. } => {
                (ConditionReason::Unverified, "the registry is being asked about the credential".to_owned())
            }
        }
    }
}

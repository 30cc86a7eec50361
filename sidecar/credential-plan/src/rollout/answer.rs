//! What a registry said to a login, and how the status tells it, also to the next process.

use tcr::verdict::Verdict;

use custom_resource::condition::{ConditionReason, ConditionType};
use custom_resource::{ImagePullSecretStatus, PendingCredential};

/// How its messages begin and end, and what is between is the registry's.
const NO_VERDICT: &str = "the registry has given no verdict on the credential, which is distributed: ";
const CORRECT_IT: &str = ": correct spec.docker, or make its credential valid again";

/// What the status tells a process that has just started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    pub(super) answer: Answer,
    pub(super) pending: Option<PendingCredential>,
}

/// What the registry said to a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The registry has said nothing so far.
    Nothing {
        /// Why it could not be asked; none before it was.
        reason: Option<String>,
        /// An earlier process may have been told that the login is good.
        may_be_good: bool,
    },
    /// It lets it in.
    LetIn {
        /// The login may also push; none while that is known from the status only.
        can_push: Option<bool>,
    },
    /// The registry does not let it in.
    Refused {
        /// What the registry answered.
        reason: String,
    },
}

impl Recorded {
    /// What the status says.
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
    /// Of a login that another process distributed.
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
            // Not being able to ask takes nothing back that was said.
            (Verdict::Unknown { .. }, Self::LetIn { .. } | Self::Refused { .. }) => self.clone(),
        }
    }

    pub(super) fn may_be_let_in(&self) -> bool {
        matches!(self, Self::LetIn { .. } | Self::Nothing { may_be_good: true, .. })
    }
}

impl Answer {
    /// About a login that is distributed.
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

//! Events from the keeper of a credential to the ImagePullSecrets that use it.

use super::plan::Held;
use super::request::Answer;
use custom_resource::condition::{ConditionReason, EventReason};

/// An event of a keeper.
#[derive(Clone, Debug)]
pub enum CredentialEvent {
    /// A credential to distribute.
    Available {
        /// The credential that is in use from now on.
        held: Held,
        /// Why the previous credential was replaced.
        why: Option<String>,
    },
    /// The registry let the credential in.
    LetIn {
        /// It may also push.
        can_push: bool,
    },
    /// A step fails. A credential that was made available stays valid.
    Failing {
        /// The condition's reason.
        reason: ConditionReason,
        /// What happened, as a sentence.
        message: String,
    },
    /// No step fails any longer.
    Recovered,
    /// An Event for every ImagePullSecret that uses the credential.
    Happened {
        /// The Event's reason.
        reason: EventReason,
        /// What happened, as a sentence.
        message: String,
    },
    /// The progress of the request in the last order.
    Answered(Answer),
    /// The keeper has ended: the credential is no longer kept.
    Ended,
}

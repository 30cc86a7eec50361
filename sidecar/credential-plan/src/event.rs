//! What the users of a credential are told by who keeps it.

use super::plan::Held;
use super::request::Answer;
use custom_resource::condition::{ConditionReason, EventReason};

/// What a keeper tells.
#[derive(Clone, Debug)]
pub enum CredentialEvent {
    /// There is a credential to distribute.
    Available {
        /// The credential that is in use from now on.
        held: Held,
        /// Why the one before it was replaced.
        why: Option<String>,
    },
    /// The registry let the credential in.
    LetIn {
        /// It may also push.
        can_push: bool,
    },
    /// Something stands in the way. A credential that was told of stays good.
    Failing {
        /// That of the condition.
        reason: ConditionReason,
        /// What happened, as a sentence.
        message: String,
    },
    /// Nothing stands in the way any longer.
    Recovered,
    /// For an Event on every user.
    Happened {
        /// Why, in one word.
        reason: EventReason,
        /// What happened, as a sentence.
        message: String,
    },
    /// How far the request is that the last order has.
    Answered(Answer),
    /// The credential is no longer kept. The keeper has ended.
    Ended,
}

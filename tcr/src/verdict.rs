//! What a registry says to a credential.

/// What a registry says to a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It lets it in.
    Accepted {
        /// The credential may also push, at least somewhere.
        can_push: bool,
    },
    /// The registry does not let the login in.
    Refused {
        /// What the registry answered.
        reason: String,
    },
    /// It could not be asked, or its answer says nothing about the credential.
    Unknown {
        /// Why there is no answer.
        reason: String,
    },
}

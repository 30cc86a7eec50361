//! A registry's verdict on a credential.

/// A registry's verdict on a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The registry accepts it.
    Accepted {
        /// The credential may also push, at least somewhere.
        can_push: bool,
    },
    /// The registry does not let the login in.
    Refused {
        /// What the registry answered.
        reason: String,
    },
    /// The registry could not be asked, or its answer says nothing about the credential.
    Unknown {
        /// Why there is no answer.
        reason: String,
    },
}

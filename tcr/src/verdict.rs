//! What a registry says to a credential.

/// What a registry says to a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It lets it in.
    Accepted {
        /// The credential may also push, at least somewhere.
        can_push: bool,
    },
    /// It does not.
    Refused {
        /// Its answer.
        reason: String,
    },
    /// It could not be asked, or its answer says nothing about the credential.
    Unknown {
        /// Why.
        reason: String,
    },
}

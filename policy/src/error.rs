//! Why there is no verdict.

use crate::json::Malformed;

/// Why a request has no verdict. The host answers such a request with its own refusal (Kubewarden:
/// code 500), except for [`Error::Undecided`], which is turned into one with a reason and a code.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The payload is not what a Kubewarden host sends.
    #[error("cannot read the request: {0}")]
    Malformed(#[from] Malformed),
    /// The payload has no request.
    #[error("cannot read the request: the payload has no member \"request\"")]
    NoRequest,
    /// A setting that `validate_settings` refuses; the host should have asked it first.
    #[error("cannot use the settings: {field}: {problem}")]
    Settings {
        /// Path of the setting, such as `registries[0].namespaces`.
        field: String,
        /// The value and what is wrong with it.
        problem: String,
    },
    /// The cluster could not be asked, and the setting `onDiscoveryFailure` is `reject`.
    #[error("{0}")]
    Undecided(String),
}

impl Error {
    pub(crate) fn settings(field: impl Into<String>, problem: impl ToString) -> Self {
        Self::Settings { field: field.into(), problem: problem.to_string() }
    }
}

//! An API credential, its origin, and why there is none.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;
use tcr::sensitive::Sensitive;

use super::environment;

/// A secret id and key, with a session token when they are temporary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiCredential {
    /// Public part, shown in the console.
    pub secret_id: String,
    /// Signs requests; never leaves the process.
    pub secret_key: Sensitive,
    /// Sent as `X-TC-Token` with temporary credentials.
    pub token: Option<Sensitive>,
    /// The source that it was found in.
    pub origin: Origin,
    /// When a temporary one expires.
    pub expires_at: Option<Timestamp>,
    /// When another one should be looked for.
    pub renew_at: Option<Timestamp>,
}

impl ApiCredential {
    /// Whether both sign with the same keys.
    pub(super) fn same_keys(&self, other: &Self) -> bool {
        (&self.secret_id, &self.secret_key, &self.token)
            == (&other.secret_id, &other.secret_key, &other.token)
    }
}

/// A source of API credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A folder where a Secret is mounted.
    Directory(PathBuf),
    /// `TENCENTCLOUD_SECRET_ID` and its companions.
    Environment,
    /// The role that TKE lends to the Pod.
    PodIdentity,
    /// A profile file at this path.
    Profile(PathBuf),
    /// The role that is bound to the machine; empty while its name is not known.
    MachineRole(String),
    /// A role that another of these credentials takes on.
    AssumedRole(String),
}

impl Origin {
    /// Whether the source may be rewritten at any time.
    pub(super) fn is_a_file(&self) -> bool {
        matches!(self, Self::Directory(_) | Self::Profile(_))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "the Secret at {}", path.display()),
            Self::Environment => f.write_str("the environment"),
            Self::PodIdentity => f.write_str("the Pod's TKE identity"),
            Self::MachineRole(role) if role.is_empty() => f.write_str("the machine's metadata"),
            Self::MachineRole(role) => write!(f, "the machine's role {role}"),
            Self::AssumedRole(arn) => write!(f, "the role {arn}"),
            Self::Profile(path) => write!(f, "profile file {}", path.display()),
        }
    }
}

/// Why there is no API credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiCredentialError {
    /// Every source is empty.
    #[error(
        "no Tencent Cloud API credential: set {} and {}, or write a profile file (looked for {looked_for})",
        environment::SECRET_ID,
        environment::SECRET_KEY
    )]
    Absent {
        /// The profile files that do not exist.
        looked_for: String,
    },
    /// A source has an unusable credential.
    #[error("cannot use the Tencent Cloud API credential from {origin}: {reason}")]
    Broken {
        /// The source.
        origin: Origin,
        /// The fault; never quotes a key.
        reason: String,
    },
    /// A role may not be assumed.
    #[error("cannot take on the role {arn}: {reason}")]
    RoleRefused {
        /// The role.
        arn: String,
        /// The service's message, and what to do; never quotes a key.
        reason: String,
    },
    /// A role cannot be assumed while this machine's clock is wrong.
    #[error(
        "cannot take on the role {arn}: this machine's clock differs from the cloud's, which says {date}"
    )]
    ClockSkew {
        /// The role.
        arn: String,
        /// The time at the cloud.
        date: Timestamp,
    },
}

/// Looks a variable up, as [`std::env::var_os`] does.
pub type Variables = dyn Fn(&str) -> Option<OsString> + Send + Sync;

/// A part that can be sent in a header: the service would otherwise answer with a signature error
/// that explains nothing. The message never quotes the value.
pub(super) fn usable(name: &str, value: &str) -> Result<(), String> {
    let problem = if value.is_empty() {
        "is empty"
    } else if value.chars().any(char::is_whitespace) {
        "contains blanks or line ends"
    } else if value.starts_with(['"', '\'']) {
        "is quoted; write it without quotes"
    } else if !value.chars().all(|c| c.is_ascii_graphic()) {
        "contains characters that no key has"
    } else {
        return Ok(());
    };
    Err(format!("{name} {problem}"))
}

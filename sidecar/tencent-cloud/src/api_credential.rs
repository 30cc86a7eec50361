//! The credential that signs Tencent API calls, and the chain of places it is looked for in.
//!
//! A place where there is nothing falls through to the next. A place where there is something
//! that cannot be used is an error that names it: falling through would sign with an identity
//! that nobody meant.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;
use tcr::sensitive::Sensitive;

use super::endpoint::Endpoint;
use super::metadata::Metadata;

pub mod directory;
pub mod environment;
pub mod keeper;
pub(crate) mod machine_role;
pub mod pod_identity;
pub mod profile;

pub use pod_identity::PodIdentity;

/// A secret id and key, with a session token when they are temporary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiCredential {
    /// Public part, shown in the console.
    pub secret_id: String,
    /// Signs requests; never leaves the process.
    pub secret_key: Sensitive,
    /// Sent as `X-TC-Token` with temporary credentials.
    pub token: Option<Sensitive>,
    /// Where it was found.
    pub origin: Origin,
    /// When a temporary one ends.
    pub expires_at: Option<Timestamp>,
    /// When another one should be looked for.
    pub renew_at: Option<Timestamp>,
}

impl ApiCredential {
    /// Whether both sign alike.
    fn same_keys(&self, other: &Self) -> bool {
        (&self.secret_id, &self.secret_key, &self.token)
            == (&other.secret_id, &other.secret_key, &other.token)
    }
}

/// A place where an API credential can be.
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
}

impl Origin {
    /// Whether it may be rewritten at any time.
    fn is_a_file(&self) -> bool {
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
            Self::Profile(path) => write!(f, "profile file {}", path.display()),
        }
    }
}

/// Why there is no API credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiCredentialError {
    /// Every place is empty.
    #[error(
        "no Tencent Cloud API credential: set {} and {}, or write a profile file (looked for {looked_for})",
        environment::SECRET_ID,
        environment::SECRET_KEY
    )]
    Absent {
        /// The profile files that are not there.
        looked_for: String,
    },
    /// A place has something that cannot be used.
    #[error("cannot use the Tencent Cloud API credential from {origin}: {reason}")]
    Broken {
        /// The place that it was found at.
        origin: Origin,
        /// What is wrong with it; never quotes a key.
        reason: String,
    },
}

/// Looks a variable up, as [`std::env::var_os`] does.
pub type Variables = dyn Fn(&str) -> Option<OsString> + Send + Sync;

/// The places, in order: a mounted Secret, the environment, the role of the Pod, a profile file, the role of the
/// machine.
pub struct Chain {
    variables: Box<Variables>,
    directory: Option<PathBuf>,
}

/// Where the chain ends on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// At a credential that can be used.
    Credential(ApiCredential),
    /// At a role that the Pod may take on.
    PodIdentity(PodIdentity),
    /// Nowhere; these files are not there.
    Nothing {
        /// The places that were searched, as a list.
        looked_for: String,
    },
}

/// What is asked for credentials that are nowhere on this machine.
#[derive(Debug)]
pub(crate) struct Web {
    /// For the security token service.
    pub(crate) http: reqwest::Client,
    /// Where that service is, unless where everybody finds it.
    pub(crate) sts: Option<Endpoint>,
    /// Instance metadata, where it may be asked.
    pub(crate) metadata: Option<Metadata>,
}

impl Chain {
    /// The chain over this process's environment.
    pub fn of_process() -> Self {
        Self::over(|name| std::env::var_os(name))
    }

    /// The chain over other variables.
    pub fn over(variables: impl Fn(&str) -> Option<OsString> + Send + Sync + 'static) -> Self {
        Self { variables: Box::new(variables), directory: None }
    }

    /// The same, after a folder where a Secret is mounted.
    pub fn after_directory(self, directory: Option<PathBuf>) -> Self {
        Self { directory, ..self }
    }

    /// The first place on this machine with something in it. Reads everything anew, so that a rewritten file
    /// counts.
    ///
    /// # Errors
    /// What is there cannot be used.
    pub fn find(&self) -> Result<Found, ApiCredentialError> {
        if let Some(directory) = &self.directory
            && let Some(found) = directory::read(directory)?
        {
            return Ok(Found::Credential(found));
        }
        if let Some(found) = environment::read(&*self.variables)? {
            return Ok(Found::Credential(found));
        }
        if let Some(identity) = pod_identity::find(&*self.variables)? {
            return Ok(Found::PodIdentity(identity));
        }
        let candidates = profile::candidates(&*self.variables)?;
        for candidate in &candidates {
            if let Some(found) = profile::read(candidate)? {
                return Ok(Found::Credential(found));
            }
        }
        let files = candidates.iter().map(|file| &file.path).chain(&self.directory);
        let looked_for: Vec<_> = files.map(|path| path.display().to_string()).collect();
        Ok(Found::Nothing { looked_for: looked_for.join(", ") })
    }

    /// The first credential found.
    pub(crate) async fn load(&self, web: &Web, now: Timestamp) -> Result<ApiCredential, ApiCredentialError> {
        let looked_for = match self.find()? {
            Found::Credential(found) => return Ok(found),
            Found::PodIdentity(identity) => {
                return pod_identity::assume(&identity, &web.http, web.sts.as_ref(), now).await;
            }
            Found::Nothing { looked_for } => looked_for,
        };
        let Some(metadata) = &web.metadata else { return Err(ApiCredentialError::Absent { looked_for }) };
        match machine_role::read(metadata, now).await? {
            Some(found) => Ok(found),
            None => Err(ApiCredentialError::Absent {
                looked_for: format!("{looked_for}, a role at {}", metadata.endpoint()),
            }),
        }
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain").field("directory", &self.directory).finish_non_exhaustive()
    }
}

/// A part that can be sent in a header: the service would otherwise answer with a signature error
/// that explains nothing. The message never quotes the value.
fn usable(name: &str, value: &str) -> Result<(), String> {
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

#[cfg(test)]
mod tests;

//! The credential that signs Tencent API calls, and the chain of places it is looked for in.
//!
//! A place where there is nothing falls through to the next. A place where there is something
//! that cannot be used is an error that names it: falling through would sign with an identity
//! that nobody meant.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use tcr::sensitive::Sensitive;
use tokio::sync::Mutex;

pub mod environment;
pub mod profile;

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
}

/// A place where an API credential can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `TENCENTCLOUD_SECRET_ID` and its companions.
    Environment,
    /// A profile file.
    Profile(PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => f.write_str("the environment"),
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
        /// The place.
        origin: Origin,
        /// What is wrong with it; never quotes a key.
        reason: String,
    },
}

/// Looks a variable up, as [`std::env::var_os`] does.
pub type Variables = dyn Fn(&str) -> Option<OsString> + Send + Sync;

/// The places, in order: the environment, then a profile file.
pub struct Chain {
    variables: Box<Variables>,
}

impl Chain {
    /// The chain over this process's environment.
    pub fn of_process() -> Self {
        Self::over(|name| std::env::var_os(name))
    }

    /// The chain over other variables.
    pub fn over(variables: impl Fn(&str) -> Option<OsString> + Send + Sync + 'static) -> Self {
        Self { variables: Box::new(variables) }
    }

    /// The first credential found. Reads everything anew, so that a rewritten file counts.
    pub fn load(&self) -> Result<ApiCredential, ApiCredentialError> {
        if let Some(found) = environment::read(&*self.variables)? {
            return Ok(found);
        }
        let candidates = profile::candidates(&*self.variables)?;
        for candidate in &candidates {
            if let Some(found) = profile::read(candidate)? {
                return Ok(found);
            }
        }
        let looked_for: Vec<_> = candidates.iter().map(|file| file.path.display().to_string()).collect();
        Err(ApiCredentialError::Absent { looked_for: looked_for.join(", ") })
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Chain")
    }
}

/// The credential in use. Callers at the same moment share one look-up.
#[derive(Debug)]
pub struct ApiCredentials {
    chain: Chain,
    current: Mutex<Option<Arc<ApiCredential>>>,
}

impl ApiCredentials {
    /// Nothing is read before the first use.
    pub fn new(chain: Chain) -> Self {
        Self { chain, current: Mutex::new(None) }
    }

    /// The credential, looked up when there is none yet.
    pub async fn current(&self) -> Result<Arc<ApiCredential>, ApiCredentialError> {
        let mut current = self.current.lock().await;
        match &*current {
            Some(credential) => Ok(credential.clone()),
            None => Ok(current.insert(Arc::new(self.chain.load()?)).clone()),
        }
    }

    /// A credential other than `refused`, which the service no longer takes; none when the places
    /// still hold the same.
    pub async fn renewed(
        &self,
        refused: &ApiCredential,
    ) -> Result<Option<Arc<ApiCredential>>, ApiCredentialError> {
        let mut current = self.current.lock().await;
        let differs = |credential: &ApiCredential| {
            (&credential.secret_id, &credential.secret_key, &credential.token)
                != (&refused.secret_id, &refused.secret_key, &refused.token)
        };
        // Somebody else may have renewed it while this caller waited for the lock.
        if let Some(credential) = current.as_ref().filter(|credential| differs(credential)) {
            return Ok(Some(credential.clone()));
        }
        let loaded = self.chain.load()?;
        if !differs(&loaded) {
            return Ok(None);
        }
        Ok(Some(current.insert(Arc::new(loaded)).clone()))
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

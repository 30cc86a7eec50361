//! The credential that signs Tencent API calls, and the chain of sources in which it is looked for.
//!
//! An empty source leads to the next one. A source with an unusable credential is an error that names it:
//! going on would sign with an unintended identity.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;

pub mod assumed_role;
pub(crate) mod credential;
pub mod directory;
pub mod environment;
pub mod keeper;
pub(crate) mod machine_role;
pub mod pod_identity;
pub mod profile;
mod security_token;
pub(crate) mod web;

pub use assumed_role::AssumedRole;
pub use credential::{ApiCredential, ApiCredentialError, Origin, Variables};
pub use pod_identity::PodIdentity;
pub(crate) use web::Web;

/// The sources, in order: a mounted Secret, the environment, the role of the Pod, a profile file, the role of
/// the machine.
pub struct Chain {
    variables: Box<Variables>,
    directory: Option<PathBuf>,
}

/// The end of the chain on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A usable credential.
    Credential(ApiCredential),
    /// A role that the Pod may assume.
    PodIdentity(PodIdentity),
    /// No source has a credential; these files do not exist.
    Nothing {
        /// The sources that were searched, as a list.
        looked_for: String,
    },
}

impl Chain {
    /// The chain with this process's environment.
    pub fn of_process() -> Self {
        Self::over(|name| std::env::var_os(name))
    }

    /// The chain with other variables.
    pub fn over(variables: impl Fn(&str) -> Option<OsString> + Send + Sync + 'static) -> Self {
        Self { variables: Box::new(variables), directory: None }
    }

    /// The chain with the folder of a mounted Secret before it.
    pub fn after_directory(self, directory: Option<PathBuf>) -> Self {
        Self { directory, ..self }
    }

    /// The first source on this machine that is not empty. Reads everything again, so that a rewritten file
    /// is used.
    ///
    /// # Errors
    /// The credential there is unusable.
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

    /// The role that the Pod may assume, and its token, whatever other sources have.
    pub(crate) fn pod_identity(&self) -> Result<Option<PodIdentity>, ApiCredentialError> {
        pod_identity::find(&*self.variables)
    }

    /// The first credential found.
    pub(crate) async fn load(&self, web: &Web, now: Timestamp) -> Result<ApiCredential, ApiCredentialError> {
        let looked_for = match self.find()? {
            Found::Credential(found) => return Ok(found),
            Found::PodIdentity(identity) => {
                return pod_identity::assume(&identity, Origin::PodIdentity, web, now).await;
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

#[cfg(test)]
mod tests;

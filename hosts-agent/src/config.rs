//! The list as the kubelet mounts it: `hosts.yaml` in the ConfigMap's directory.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use tcr::hosts_entry::{HOSTS_KEY, HostsList};

use crate::bounds::{Bounds, Refusal};

mod list;

/// The API server accepts no larger ConfigMap.
const MAX_BYTES: u64 = 1 << 20;

/// Why there is no list that may be written.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// More than a ConfigMap can hold.
    #[error("cannot read {}: it has more than {MAX_BYTES} bytes", path.display())]
    Large {
        /// The file.
        path: PathBuf,
    },
    /// Not a list of entries.
    #[error("cannot read {}: {reason}", path.display())]
    List {
        /// The file.
        path: PathBuf,
        /// The field or place, and what is wrong there.
        reason: String,
    },
    /// An entry that the arguments do not allow.
    #[error("refused {}: {refusal}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// The entry and the reason.
        refusal: Refusal,
    },
}

impl ConfigError {
    /// The directory is there and has no list: nobody has asked for anything yet.
    pub fn is_absence(&self) -> bool {
        match self {
            Self::Read { path, source } => {
                source.kind() == io::ErrorKind::NotFound && path.parent().is_some_and(Path::is_dir)
            }
            _ => false,
        }
    }
}

/// The whole list, or why no part of it may be written.
pub fn read(directory: &Path, bounds: &Bounds) -> Result<HostsList, ConfigError> {
    let path = directory.join(HOSTS_KEY);
    let text = match read_limited(&path) {
        Ok(Some(text)) => text,
        Ok(None) => return Err(ConfigError::Large { path }),
        Err(source) => return Err(ConfigError::Read { path, source }),
    };
    let list = match parse(&text) {
        Ok(list) => list,
        Err(reason) => return Err(ConfigError::List { path, reason }),
    };
    match bounds.check(&list) {
        Ok(()) => Ok(list),
        Err(refusal) => Err(ConfigError::Refused { path, refusal }),
    }
}

/// Reads the YAML text of the key.
fn parse(text: &[u8]) -> Result<HostsList, String> {
    let text = std::str::from_utf8(text).map_err(|error| error.to_string())?;
    list::read(text).map_err(|error| error.to_string())
}

fn read_limited(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut text = Vec::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut text)?;
    Ok((text.len() as u64 <= MAX_BYTES).then_some(text))
}

#[cfg(test)]
mod tests;

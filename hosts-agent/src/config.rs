//! The list as the kubelet mounts it: `hosts.yaml` in the ConfigMap's directory.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use tcr::hosts_entry::{HOSTS_KEY, HostsList};

use crate::bounds::{Bounds, Refusal};
use crate::hosts_file::HostsFileError;
use crate::location::{self, LocationError};
use crate::message::Message;

mod list;

/// The API server accepts no larger ConfigMap.
const MAX_BYTES: u64 = 1 << 20;

/// The list's file. Symlinks are followed while they stay in the ConfigMap's directory.
#[derive(Clone, Debug)]
pub struct ListFile {
    path: PathBuf,
    opener: Rc<dyn Opener>,
}

/// Opens a file for reading.
pub(crate) trait Opener: fmt::Debug {
    /// The file, open for reading.
    fn open(&self) -> Result<OwnedFd, ConfigError>;
}

/// This process opens it itself.
#[derive(Debug)]
pub(crate) struct Direct(PathBuf);

/// The path of the list in the ConfigMap's `directory`.
pub fn path(directory: &Path) -> PathBuf {
    directory.join(HOSTS_KEY)
}

/// Why there is no list that may be written.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The directory exists and has no list: no entries have been asked for yet.
    #[error("cannot read {}: it is not there", .0.display())]
    Absent(PathBuf),
    /// No file at the path may be opened.
    #[error(transparent)]
    Location(LocationError),
    /// The keeper of the file refused it.
    #[error(transparent)]
    Kept(HostsFileError),
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The path of the file.
        path: PathBuf,
        /// Why it cannot be read.
        source: io::Error,
    },
    /// More than a ConfigMap can hold.
    #[error("cannot read {}: it has more than {MAX_BYTES} bytes", path.display())]
    Large {
        /// The path of the file.
        path: PathBuf,
    },
    /// Not a list of entries.
    #[error("cannot read {}: {reason}", path.display())]
    List {
        /// The path of the file.
        path: PathBuf,
        /// The field or place, and the mistake.
        reason: Message,
    },
    /// An entry that the arguments do not allow.
    #[error("refused {}: {refusal}", path.display())]
    Refused {
        /// The path of the file.
        path: PathBuf,
        /// The entry and the reason.
        refusal: Box<Refusal>,
    },
}

impl ConfigError {
    /// Whether the directory exists and has no list: no entries have been asked for yet.
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::Absent(_))
    }
}

impl ListFile {
    /// The list in the ConfigMap's `directory`.
    pub fn new(directory: &Path) -> Self {
        let path = path(directory);
        Self::kept(&path, Rc::new(Direct::new(&path)))
    }

    /// The list at `path`, which `opener` opens.
    pub(crate) fn kept(path: &Path, opener: Rc<dyn Opener>) -> Self {
        Self { path: path.to_owned(), opener }
    }

    /// The whole list, or why no part of it may be written.
    pub fn read(&self, bounds: &Bounds) -> Result<HostsList, ConfigError> {
        let path = || self.path.clone();
        let text = match read_limited(self.opener.open()?) {
            Ok(Some(text)) => text,
            Ok(None) => return Err(ConfigError::Large { path: path() }),
            Err(source) => return Err(ConfigError::Read { path: path(), source }),
        };
        let list = parse(&text).map_err(|reason| ConfigError::List { path: path(), reason })?;
        match bounds.check(&list) {
            Ok(()) => Ok(list),
            Err(refusal) => Err(ConfigError::Refused { path: path(), refusal: refusal.into() }),
        }
    }
}

impl Direct {
    /// The file at `path`.
    pub(crate) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }
}

impl Opener for Direct {
    fn open(&self) -> Result<OwnedFd, ConfigError> {
        location::open(&self.0).map_err(|error| {
            if error.is_absence() {
                ConfigError::Absent(self.0.clone())
            } else {
                ConfigError::Location(error)
            }
        })
    }
}

/// Reads the YAML text of the key.
fn parse(text: &[u8]) -> Result<HostsList, Message> {
    let text = std::str::from_utf8(text).map_err(Message::new)?;
    list::read(text).map_err(Message::new)
}

fn read_limited(file: OwnedFd) -> io::Result<Option<Vec<u8>>> {
    let mut text = Vec::new();
    File::from(file).take(MAX_BYTES + 1).read_to_end(&mut text)?;
    Ok((text.len() as u64 <= MAX_BYTES).then_some(text))
}

#[cfg(test)]
mod tests;

//! The node's hosts file: read it, and replace its whole content so that no reader ever finds a
//! part of it.
//!
//! *Expected flow.* [`HostsFile::read`] gives the content and remembers which version it was.
//! The caller decides which lines are to be ours. [`HostsFile::replace`] takes a lock on the directory,
//! makes sure that the version is still there, writes its own copy of it with that one block changed
//! to a temporary file beside it with the same mode, owner, label and extended attributes, syncs it,
//! renames it over the old one and syncs the directory. A confined process leaves all of that to
//! another one, see [`crate::keeper`].
//!
//! *Guarantees.* A reader that opens the file finds the old or the new content, also when this
//! program or the machine dies at any moment. Where the file cannot be renamed over (it is a mount
//! of its own, or its directory is read-only), the content is overwritten in place, never shorter
//! than it must be; see [`Mode::InPlace`].
//!
//! *Caveats.* A container that mounted the file itself, not its directory, keeps the old version.
//! Another writer that reads before and writes after us undoes the change: the agent sees that and
//! writes again.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::Stat;
use rustix::io::Errno;
use tcr::hosts_entry::HostsEntry;

mod directory;
mod in_place;
mod renamed;
mod version;

use crate::location::{Location, LocationError, parent};
use crate::message::Message;
pub(crate) use directory::{Direct, Directory};
pub use renamed::TEMPORARY_NAME;
pub use version::Version;

/// Larger files are not changed: they would not fit into the memory that the chart gives the program, and no
/// resolver reads them in time.
const MAX_BYTES: u64 = 8 << 20;

/// A hosts file by its path. A symlink is followed while it stays in the path's directory.
#[derive(Clone, Debug)]
pub struct HostsFile {
    path: PathBuf,
    directory: Rc<dyn Directory>,
}

/// The content at one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// Every byte of the file.
    pub bytes: Vec<u8>,
    stat: Stat,
}

/// How a new content was put in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A new file was renamed over the old one: readers see one or the other.
    Rename,
    /// The old file was overwritten from the first byte that differs, because a new one cannot take
    /// its place or cannot have its attributes. What stands before our block is never touched.
    InPlace,
}

/// Why the file could not be read or replaced.
#[derive(Debug, thiserror::Error)]
pub enum HostsFileError {
    /// A step of the operation failed.
    #[error("cannot {operation} {}: {source}", path.display())]
    Step {
        /// The operation that failed.
        operation: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// Why the operation failed.
        source: io::Error,
    },
    /// The path leads to no file.
    #[error(transparent)]
    Location(#[from] LocationError),
    /// More bytes than a hosts file may have.
    #[error("cannot use {}: it has more than {MAX_BYTES} bytes", .0.display())]
    Large(PathBuf),
    /// The path shows a file that no directory of the node names any more.
    #[error(
        "cannot write {}: the node has replaced this file, and its mount shows the old one; mount the directory, \
         not the file",
        .0.display()
    )]
    Orphan(PathBuf),
    /// Another program wrote between reading and replacing: read again and retry.
    #[error("cannot replace {}: it was changed in the meantime", .0.display())]
    Changed(PathBuf),
    /// Another program emptied the file just now, and will probably write it: retry.
    #[error("cannot use {}: it was emptied just now, and somebody may be writing it", .0.display())]
    Emptied(PathBuf),
    /// Another process holds the lock on the directory: retry.
    #[error("cannot replace {}: another process is replacing it", .0.display())]
    Locked(PathBuf),
    /// The keeper of the directory reports an error.
    #[error("{0}")]
    Told(Message),
    /// The keeper reports that the file cannot be written at all.
    #[error("{0}")]
    ReadOnly(Message),
    /// The keeper of the directory is no more.
    #[error("the process that opens {} for this one has ended", .0.display())]
    Alone(PathBuf),
}

impl HostsFileError {
    /// Whether the file cannot be written on this node at all: its file system is read-only, or the file is
    /// immutable.
    pub fn is_read_only(&self) -> bool {
        let is_denied = |error: &io::Error| {
            matches!(Errno::from_io_error(error), Some(Errno::ROFS | Errno::PERM | Errno::ACCESS))
        };
        match self {
            Self::ReadOnly(_) => true,
            // Reading has its own reasons to be denied.
            Self::Step { operation: "open for writing", source, .. } => is_denied(source),
            _ => false,
        }
    }

    /// Whether the same again, a little later, may succeed.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Changed(_) | Self::Emptied(_) | Self::Locked(_))
    }
}

impl HostsFile {
    /// The file at `path`, which need not be there yet.
    pub fn new(path: &Path) -> Self {
        Self::kept(path, Rc::new(Direct::new(path)))
    }

    /// The file at `path`, which `directory` opens and replaces.
    pub(crate) fn kept(path: &Path, directory: Rc<dyn Directory>) -> Self {
        Self { path: path.to_owned(), directory }
    }

    /// The path as given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directories in which a change of the file is seen: that of the path, and where a symlink leads
    /// elsewhere that of the file itself, each with the name there.
    pub fn places(&self) -> Vec<(PathBuf, OsString)> {
        let mut places = Vec::new();
        if let Some(name) = self.path.file_name() {
            places.push((parent(&self.path).to_owned(), name.to_owned()));
        }
        if let Ok(location) = Location::of(&self.path) {
            let place = (location.directory(), location.name().to_owned());
            if !places.contains(&place) {
                places.push(place);
            }
        }
        places
    }

    /// The content as a program that opens the path now reads it.
    pub fn read(&self) -> Result<Snapshot, HostsFileError> {
        let file = self.directory.read()?;
        let stat = rustix::fs::fstat(&file).map_err(|source| HostsFileError::Step {
            operation: "inspect",
            path: self.path.clone(),
            source: source.into(),
        })?;
        Snapshot::of(file, stat, &self.path)
    }

    /// Whether the path still leads to this version. Opens nothing.
    pub fn is_at(&self, version: &Version) -> bool {
        Location::of(&self.path)
            .ok()
            .and_then(|location| location.stat().ok())
            .is_some_and(|stat| Version::of(&stat) == *version)
    }

    /// Makes the file's block that of `entries` (none: no block), if the file is still `version`. Writes in any case:
    /// a caller that finds nothing to change has no reason to call.
    pub fn replace(&self, version: &Version, entries: &[&HostsEntry]) -> Result<Mode, HostsFileError> {
        self.directory.replace(version, entries)
    }

    /// Removes the temporary file that a killed process may have left.
    pub fn clean(&self) -> Result<(), HostsFileError> {
        self.directory.clean()
    }
}

impl Snapshot {
    /// The content of `file`, which is at `path`.
    fn of(file: OwnedFd, stat: Stat, path: &Path) -> Result<Self, HostsFileError> {
        let mut file = File::from(file);
        let size = usize::try_from(stat.st_size.min(MAX_BYTES as i64)).unwrap_or(0);
        let mut bytes = Vec::with_capacity(size + 1);
        let read = (&mut file).take(MAX_BYTES + 1).read_to_end(&mut bytes);
        read.map_err(|source| HostsFileError::Step { operation: "read", path: path.to_owned(), source })?;
        check_size(bytes.len() as u64, &stat, path)?;
        Ok(Self { bytes, stat })
    }

    /// The version that this is the content of.
    pub fn version(&self) -> Version {
        Version::of(&self.stat)
    }

    /// The version that this is the content of; none while it is so young that a write within the
    /// same tick of the file system's clock would not show.
    pub fn settled_version(&self) -> Option<Version> {
        (!is_fresh(&self.stat)).then(|| Version::of(&self.stat))
    }
}

/// Whether a file of this size can be used now.
fn check_size(size: u64, stat: &Stat, path: &Path) -> Result<(), HostsFileError> {
    // A program that overwrites a file empties it first. Its next bytes must not go into a file that ours has
    // replaced.
    if size == 0 && is_fresh(stat) {
        return Err(HostsFileError::Emptied(path.to_owned()));
    }
    if size > MAX_BYTES {
        return Err(HostsFileError::Large(path.to_owned()));
    }
    Ok(())
}

/// Why a new file could not be made ready.
enum Failure {
    /// A step failed, and would in every other way of writing.
    Failed(&'static str, io::Error),
    /// A new file cannot have what the old one has; nothing has changed.
    Impossible,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Rename => "rename",
            Mode::InPlace => "overwrite",
        })
    }
}

/// Whether the file was written within the last second.
fn is_fresh(stat: &Stat) -> bool {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    now.tv_sec.saturating_sub(stat.st_ctime).unsigned_abs() <= 1
}

/// Makes `file`'s modification time later than `old`'s when they have the same size. Resolvers that
/// keep the hosts file in memory (Go's: containerd, kubelet) compare only time and size, and the
/// clock of a file system has steps of milliseconds to seconds.
fn make_distinct(file: &OwnedFd, old: &Stat, size: u64) -> Result<(), Errno> {
    let now = rustix::fs::fstat(file)?;
    let later = (now.st_mtime, now.st_mtime_nsec) > (old.st_mtime, old.st_mtime_nsec);
    // A time far ahead comes from a broken clock, and any other time differs from it.
    let is_far = old.st_mtime.saturating_sub(now.st_mtime) > 60;
    if later || is_far || u64::try_from(old.st_size) != Ok(size) {
        return Ok(());
    }
    let modified = rustix::fs::Timespec { tv_sec: old.st_mtime + 1, tv_nsec: 0 };
    let accessed = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT };
    rustix::fs::futimens(file, &rustix::fs::Timestamps { last_access: accessed, last_modification: modified })
}

#[cfg(test)]
mod tests;

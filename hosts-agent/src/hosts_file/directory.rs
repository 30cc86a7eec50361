//! The steps of reading and replacing that take rights on the hosts file's directory.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FlockOperation, Mode as Permissions, OFlags, SeekFrom, Stat};
use rustix::io::Errno;
use tcr::hosts_entry::HostsEntry;

use super::{
    Failure, HostsFileError, Mode, Snapshot, TEMPORARY_NAME, Version, check_size, in_place, renamed,
};
use crate::block;
use crate::location::{self, Location};

/// The rights to read and write the file.
pub(crate) trait Directory: fmt::Debug {
    /// The file, open for reading.
    fn read(&self) -> Result<OwnedFd, HostsFileError>;
    /// If the file is still this version: makes its block that of `entries`, and changes no other byte.
    fn replace(&self, version: &Version, entries: &[&HostsEntry]) -> Result<Mode, HostsFileError>;
    /// Removes the new file that a killed process may have left.
    fn clean(&self) -> Result<(), HostsFileError>;
}

/// The directory as this process opens it itself.
#[derive(Debug)]
pub(crate) struct Direct {
    path: PathBuf,
}

impl Direct {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Locks out other instances, and makes sure that the file is this version.
    pub(super) fn hold(&self, version: &Version) -> Result<Held<'_>, HostsFileError> {
        let location = Location::of(&self.path)?;
        let directory = location.open_directory()?;
        let lock = self.lock(&directory)?;
        let (file, stat) = location.open_in(&directory)?;
        if Version::of(&stat) != *version {
            return Err(self.changed());
        }
        if stat.st_nlink == 0 {
            return Err(HostsFileError::Orphan(self.path.clone()));
        }
        check_size(u64::try_from(stat.st_size).unwrap_or(0), &stat, &self.path)?;
        Ok(Held { direct: self, location, directory, lock, file, stat })
    }

    /// A lock that another instance of this program waits for, on a descriptor of its own so that
    /// it ends with the guard.
    fn lock(&self, directory: &OwnedFd) -> Result<Lock, HostsFileError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let lock = rustix::fs::openat(directory, ".", flags, Permissions::empty())
            .map_err(|source| self.step("open the directory of", source))?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => Err(HostsFileError::Locked(self.path.clone())),
            // On a file system without locks the comparison of versions has to be enough.
            Ok(()) | Err(_) => Ok(Lock(lock)),
        }
    }

    fn step(&self, operation: &'static str, source: impl Into<io::Error>) -> HostsFileError {
        HostsFileError::Step { operation, path: self.path.clone(), source: source.into() }
    }

    fn changed(&self) -> HostsFileError {
        HostsFileError::Changed(self.path.clone())
    }
}

impl Directory for Direct {
    fn read(&self) -> Result<OwnedFd, HostsFileError> {
        Ok(location::open(&self.path)?)
    }

    fn replace(&self, version: &Version, entries: &[&HostsEntry]) -> Result<Mode, HostsFileError> {
        self.hold(version)?.put(&|old, new| block::copy(old, new, entries))
    }

    fn clean(&self) -> Result<(), HostsFileError> {
        let directory = Location::of(&self.path)?.open_directory()?;
        let _lock = self.lock(&directory)?;
        remove_temporary(&directory);
        Ok(())
    }
}

/// A version of the file that no other part of this program replaces meanwhile.
#[derive(Debug)]
pub(super) struct Held<'a> {
    direct: &'a Direct,
    location: Location,
    directory: OwnedFd,
    lock: Lock,
    file: OwnedFd,
    stat: Stat,
}

/// Writes a new content, made of the old one.
pub(super) type Copy<'a> = dyn Fn(&mut dyn Read, &mut dyn Write) -> io::Result<()> + 'a;

impl Held<'_> {
    /// Puts what `copy` makes of the old content in its place.
    pub(super) fn put(&self, copy: &Copy<'_>) -> Result<Mode, HostsFileError> {
        let failed = |(operation, source)| self.direct.step(operation, source);
        if let Some(beside) = self.create()? {
            match renamed::fill(beside, &self.file, &self.stat, copy) {
                Ok(()) => {
                    if self.rename()? {
                        return Ok(Mode::Rename);
                    }
                }
                Err(Failure::Impossible) => {}
                Err(Failure::Failed(operation, source)) => return Err(failed((operation, source))),
            }
        }
        // Read only now: most directories need no copy in memory.
        let Snapshot { bytes, .. } = Snapshot::of(self.reader()?, self.stat, &self.direct.path)?;
        let mut new = Vec::with_capacity(bytes.len());
        copy(&mut bytes.as_slice(), &mut new).map_err(|error| failed(("change", error)))?;
        let old = self.open_for_writing()?;
        in_place::replace(&old, &self.stat, &bytes, &new).map(|()| Mode::InPlace).map_err(failed)
    }

    /// The old file, from its beginning.
    fn reader(&self) -> Result<OwnedFd, HostsFileError> {
        let file = self.file.try_clone().map_err(|error| self.direct.step("open", error))?;
        rustix::fs::seek(&file, SeekFrom::Start(0)).map_err(|error| self.direct.step("read", error))?;
        Ok(file)
    }

    /// A new empty file beside the old one; none where there cannot be one.
    fn create(&self) -> Result<Option<OwnedFd>, HostsFileError> {
        remove_temporary(&self.directory);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let permissions = Permissions::RUSR | Permissions::WUSR;
        match rustix::fs::openat(&self.directory, TEMPORARY_NAME, flags, permissions) {
            Ok(file) => Ok(Some(file)),
            // The file itself may still be writable: a mount of its own in a read-only directory.
            Err(Errno::ROFS | Errno::ACCESS | Errno::PERM) => Ok(None),
            Err(error) => Err(self.direct.step("create a file beside", error)),
        }
    }

    /// Renames the new file over the old one, if that is still the same version, and syncs the
    /// directory. False, and nothing done, where the old one cannot be renamed over.
    fn rename(&self) -> Result<bool, HostsFileError> {
        let (directory, name) = (&self.directory, self.location.name());
        // Again, because syncing takes long enough for another program's write.
        match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(now) if self.is_still(&now) => {}
            Ok(_) | Err(Errno::NOENT) => return Err(self.direct.changed()),
            Err(error) => return Err(self.direct.step("inspect", error)),
        }
        match rustix::fs::renameat(directory, TEMPORARY_NAME, directory, name) {
            Ok(()) => {}
            // BUSY: the old file is a mount point. XDEV: the kernel's word for it on some systems.
            Err(Errno::BUSY | Errno::XDEV | Errno::PERM | Errno::ACCESS) => return Ok(false),
            Err(error) => return Err(self.direct.step("rename a file over", error)),
        }
        match rustix::fs::fsync(&self.lock.0) {
            // A file system that has nothing to sync for directories.
            Ok(()) | Err(Errno::INVAL) => Ok(true),
            Err(error) => Err(self.direct.step("sync the directory of", error)),
        }
    }

    /// The old file, if it is still the same version.
    fn open_for_writing(&self) -> Result<OwnedFd, HostsFileError> {
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.directory, self.location.name(), flags, Permissions::empty())
            .map_err(|error| self.direct.step("open for writing", error))?;
        let stat = rustix::fs::fstat(&file).map_err(|error| self.direct.step("inspect", error))?;
        if self.is_still(&stat) { Ok(file) } else { Err(self.direct.changed()) }
    }

    fn is_still(&self, stat: &Stat) -> bool {
        Version::of(stat) == Version::of(&self.stat)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        remove_temporary(&self.directory);
    }
}

/// Removes what a killed process may have left, or what did not take the old file's place.
fn remove_temporary(directory: &OwnedFd) {
    // Usually it is not there; if it cannot be removed, creating it will say why.
    let _ = rustix::fs::unlinkat(directory, TEMPORARY_NAME, AtFlags::empty());
}

/// A lock on a directory until it is dropped.
#[derive(Debug)]
struct Lock(OwnedFd);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing alone would leave it to a child that another thread is just starting.
        let _ = rustix::fs::flock(&self.0, FlockOperation::Unlock);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_instances_do_not_write_at_once() {
        let node = tempfile::tempdir().unwrap();
        let hosts = node.path().join("hosts");
        std::fs::write(&hosts, "old\n").unwrap();
        let (one, other) = (Direct::new(&hosts), Direct::new(&hosts));
        let version = Version::of(&rustix::fs::stat(&hosts).unwrap());
        let held = one.hold(&version).unwrap();
        let error = other.hold(&version).unwrap_err();
        assert!(matches!(error, HostsFileError::Locked(_)) && error.is_passing(), "{error}");
        drop(held);
        other.hold(&version).unwrap();
    }
}

//! The steps of reading and replacing that take rights on the hosts file's directory. They take no
//! data and give open files; whoever reads and writes those needs no rights on any path.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::location::{Location, locate};
use super::{HostsFileError, TEMPORARY_NAME, Version};

/// A replacement is `begin`, then `commit` or `overwrite`, then `end` in any case.
pub(super) trait Directory: fmt::Debug {
    /// The file, open for reading.
    fn read(&self) -> Result<OwnedFd, HostsFileError>;
    /// Locks out other instances, makes sure that the file is this version, and gives a new empty
    /// file beside it; none where there cannot be one.
    fn begin(&self, version: &Version) -> Result<Option<OwnedFd>, HostsFileError>;
    /// Renames the new file over the old one, if that is still the same version, and syncs the
    /// directory. False, and nothing done, where the old one cannot be renamed over.
    fn commit(&self) -> Result<bool, HostsFileError>;
    /// The old file, if it is still the same version, open for writing.
    fn overwrite(&self) -> Result<OwnedFd, HostsFileError>;
    /// Removes the new file if it has not taken the old one's place, and unlocks.
    fn end(&self);
    /// Removes the new file that a killed process may have left.
    fn clean(&self) -> Result<(), HostsFileError>;
}

/// The steps done by this process.
#[derive(Debug)]
pub(super) struct Direct {
    path: PathBuf,
    replacement: RefCell<Option<Replacement>>,
}

#[derive(Debug)]
struct Replacement {
    location: Location,
    lock: Lock,
    version: Version,
}

impl Direct {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), replacement: RefCell::new(None) }
    }

    fn open(&self, location: &Location) -> Result<(OwnedFd, Stat), HostsFileError> {
        // NONBLOCK: opening a pipe must not wait for its writer.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&location.directory, &location.name, flags, Mode::empty())
            .map_err(|source| self.step("open", source))?;
        let stat = rustix::fs::fstat(&file).map_err(|source| self.step("inspect", source))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(HostsFileError::NotAFile(self.path.clone()));
        }
        Ok((file, stat))
    }

    /// A lock that another instance of this program waits for, on a descriptor of its own so that
    /// it ends with the guard.
    fn lock(&self, location: &Location) -> Result<Lock, HostsFileError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let lock = rustix::fs::openat(&location.directory, ".", flags, Mode::empty())
            .map_err(|source| self.step("open the directory of", source))?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => Err(HostsFileError::Locked(self.path.clone())),
            // A file system without locks: the check of the version has to do.
            Ok(()) | Err(_) => Ok(Lock(lock)),
        }
    }

    fn create(&self, directory: &OwnedFd) -> Result<Option<OwnedFd>, HostsFileError> {
        remove_temporary(directory);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(directory, TEMPORARY_NAME, flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) => Ok(Some(file)),
            // The file itself may still be writable: a mount of its own in a read-only directory.
            Err(Errno::ROFS | Errno::ACCESS | Errno::PERM) => Ok(None),
            Err(error) => Err(self.step("create a file beside", error)),
        }
    }

    fn step(&self, operation: &'static str, source: impl Into<io::Error>) -> HostsFileError {
        HostsFileError::Step { operation, path: self.path.clone(), source: source.into() }
    }

    fn changed(&self) -> HostsFileError {
        HostsFileError::Changed(self.path.clone())
    }

    fn with<T>(
        &self,
        work: impl FnOnce(&Replacement) -> Result<T, HostsFileError>,
    ) -> Result<T, HostsFileError> {
        // Nothing was begun: nothing of what was seen can be relied on.
        self.replacement.borrow().as_ref().map_or_else(|| Err(self.changed()), work)
    }
}

impl Directory for Direct {
    fn read(&self) -> Result<OwnedFd, HostsFileError> {
        Ok(self.open(&locate(&self.path)?)?.0)
    }

    fn begin(&self, version: &Version) -> Result<Option<OwnedFd>, HostsFileError> {
        let location = locate(&self.path)?;
        let lock = self.lock(&location)?;
        let (_, stat) = self.open(&location)?;
        if Version::of(&stat) != *version {
            return Err(self.changed());
        }
        if stat.st_nlink == 0 {
            return Err(HostsFileError::Orphan(self.path.clone()));
        }
        let beside = self.create(&location.directory)?;
        self.replacement.replace(Some(Replacement { location, lock, version: version.clone() }));
        Ok(beside)
    }

    fn commit(&self) -> Result<bool, HostsFileError> {
        self.with(|Replacement { location: Location { directory, name, .. }, lock, version }| {
            // Again, because syncing takes long enough for somebody else's write.
            match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(now) if Version::of(&now) == *version => {}
                Ok(_) | Err(Errno::NOENT) => return Err(self.changed()),
                Err(error) => return Err(self.step("inspect", error)),
            }
            match rustix::fs::renameat(directory, TEMPORARY_NAME, directory, name) {
                Ok(()) => {}
                // BUSY: the old file is a mount point. XDEV: the kernel's word for it on some systems.
                Err(Errno::BUSY | Errno::XDEV | Errno::PERM | Errno::ACCESS) => return Ok(false),
                Err(error) => return Err(self.step("rename a file over", error)),
            }
            match rustix::fs::fsync(&lock.0) {
                // A file system that has nothing to sync for directories.
                Ok(()) | Err(Errno::INVAL) => Ok(true),
                Err(error) => Err(self.step("sync the directory of", error)),
            }
        })
    }

    fn overwrite(&self) -> Result<OwnedFd, HostsFileError> {
        self.with(|Replacement { location: Location { directory, name, .. }, version, .. }| {
            let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let file = rustix::fs::openat(directory, name, flags, Mode::empty())
                .map_err(|error| self.step("open for writing", error))?;
            let stat = rustix::fs::fstat(&file).map_err(|error| self.step("inspect", error))?;
            if Version::of(&stat) == *version { Ok(file) } else { Err(self.changed()) }
        })
    }

    fn end(&self) {
        if let Some(Replacement { location, .. }) = self.replacement.take() {
            remove_temporary(&location.directory);
        }
    }

    fn clean(&self) -> Result<(), HostsFileError> {
        let location = locate(&self.path)?;
        let _lock = self.lock(&location)?;
        remove_temporary(&location.directory);
        Ok(())
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
    fn nothing_is_written_before_a_replacement_has_begun() {
        let node = tempfile::tempdir().unwrap();
        let hosts = node.path().join("hosts");
        std::fs::write(&hosts, "old\n").unwrap();
        let directory = Direct::new(&hosts);
        assert!(matches!(directory.commit(), Err(HostsFileError::Changed(_))));
        assert!(matches!(directory.overwrite(), Err(HostsFileError::Changed(_))));
        directory.end();
    }

    #[test]
    fn two_instances_do_not_write_at_once() {
        let node = tempfile::tempdir().unwrap();
        let hosts = node.path().join("hosts");
        std::fs::write(&hosts, "old\n").unwrap();
        let (one, other) = (Direct::new(&hosts), Direct::new(&hosts));
        let version = Version::of(&rustix::fs::stat(&hosts).unwrap());
        assert!(one.begin(&version).unwrap().is_some());
        let error = other.begin(&version).unwrap_err();
        assert!(matches!(error, HostsFileError::Locked(_)) && error.is_passing(), "{error}");
        one.end();
        assert!(other.begin(&version).unwrap().is_some());
    }
}

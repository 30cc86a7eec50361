//! A new file in the place of the old one, with everything that the old one had but its bytes.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::os::fd::OwnedFd;

use rustix::fs::{Gid, Mode, Stat, Uid, XattrFlags};
use rustix::io::Errno;

use super::Failure;
use super::directory::Copy;

/// The temporary file's name, in the hosts file's own directory. One name, so that killed processes
/// leave one file at most; the next write, and the next start, remove it.
pub const TEMPORARY_NAME: &str = ".hosts-updater.new";

/// The integrity of the old bytes, which the new ones must not claim.
const NOT_COPIED: [&[u8]; 2] = [b"security.ima", b"security.evm"];

/// Fills the new file beside the old one, which is open as `old` with `stat` at its beginning, and syncs it.
pub(super) fn fill(file: OwnedFd, old: &OwnedFd, stat: &Stat, copy: &Copy<'_>) -> Result<(), Failure> {
    let copied = |error| Failure::Failed("write the file beside", error);
    let mut file = File::from(file);
    // A process that makes it longer meanwhile is noticed before the new file takes its place.
    let mut old_bytes = File::from(old.try_clone().map_err(copied)?).take(super::MAX_BYTES);
    copy(&mut old_bytes, &mut file).map_err(copied)?;
    let size = file.stream_position().map_err(copied)?;
    let file = OwnedFd::from(file);
    // A file that readers may not read, or that a confined reader may not open, is worse than one
    // that is overwritten.
    keep_attributes(&file, old, stat).map_err(|_| Failure::Impossible)?;
    super::make_distinct(&file, stat, size)
        .map_err(|error| Failure::Failed("set the time of the file beside", error.into()))?;
    rustix::fs::fsync(&file).map_err(|error| Failure::Failed("sync the file beside", error.into()))
}

fn keep_attributes(file: &OwnedFd, old: &OwnedFd, stat: &Stat) -> Result<(), Errno> {
    let created = rustix::fs::fstat(file)?;
    if (created.st_uid, created.st_gid) != (stat.st_uid, stat.st_gid) {
        rustix::fs::fchown(file, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))?;
    }
    // After the owner, whose change takes bits away.
    rustix::fs::fchmod(file, Mode::from_raw_mode(stat.st_mode))?;
    for name in attribute_names(old)?.split(|byte| *byte == 0) {
        if name.is_empty() || NOT_COPIED.contains(&name) {
            continue;
        }
        let value = attribute(old, name)?;
        if attribute(file, name).is_ok_and(|present| present == value) {
            continue;
        }
        rustix::fs::fsetxattr(file, name, &value, XattrFlags::empty())?;
    }
    Ok(())
}

fn attribute_names(file: &OwnedFd) -> Result<Vec<u8>, Errno> {
    let size = match rustix::fs::flistxattr_query(file) {
        Ok(size) => size,
        Err(Errno::OPNOTSUPP) => 0,
        Err(error) => return Err(error),
    };
    let mut names = vec![0; size];
    if size > 0 {
        let length = rustix::fs::flistxattr(file, &mut names[..])?;
        names.truncate(length);
    }
    Ok(names)
}

fn attribute(file: &OwnedFd, name: &[u8]) -> Result<Vec<u8>, Errno> {
    let size = rustix::fs::fgetxattr_query(file, name)?;
    let mut value = vec![0; size];
    if size > 0 {
        let length = rustix::fs::fgetxattr(file, name, &mut value[..])?;
        value.truncate(length);
    }
    Ok(value)
}

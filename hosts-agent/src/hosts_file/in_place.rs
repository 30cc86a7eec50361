//! New bytes in the old file, for one that no other can take the place of.
//!
//! The order of the steps keeps the file readable after each: room is reserved before anything is
//! changed; one write covers the new bytes and, where the old content was longer, fills its rest
//! with empty lines; only then is the file cut. Never is it shorter than both contents, and never
//! does the end of an old line stand after the new last one, where it could read as another
//! address.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{FallocateFlags, Stat};
use rustix::io::Errno;

/// Overwrites `file`, whose content is `old`, by `new`. The error is the failed step and its cause.
pub(super) fn replace(
    file: &OwnedFd,
    stat: &Stat,
    old: &[u8],
    new: &[u8],
) -> Result<(), (&'static str, io::Error)> {
    let step = |operation: &'static str| move |error: Errno| (operation, io::Error::from(error));
    match rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, new.len() as u64) {
        // Where the file system cannot reserve space, only the write itself can tell.
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {}
        Err(error) => return Err(step("reserve space for")(error)),
    }
    let same = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let mut rest = new[same..].to_vec();
    rest.resize(old.len().max(new.len()) - same, b'\n');
    let mut written = 0;
    while written < rest.len() {
        match rustix::io::pwrite(file, &rest[written..], (same + written) as u64) {
            Ok(0) => return Err(("write", io::ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(Errno::INTR) => {}
            Err(error) => return Err(step("write")(error)),
        }
    }
    if new.len() < old.len() {
        rustix::fs::ftruncate(file, new.len() as u64).map_err(step("shorten"))?;
    }
    super::make_distinct(file, stat, new.len() as u64).map_err(step("set the time of"))?;
    rustix::fs::fsync(file).map_err(step("sync"))
}

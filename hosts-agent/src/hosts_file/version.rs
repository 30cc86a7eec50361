//! Which version of a file one has seen.

use rustix::fs::Stat;

/// What changes with every write and every replacement, as bytes that another process of this
/// machine can compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(Vec<u8>);

impl Version {
    pub(super) fn of(stat: &Stat) -> Self {
        let mut bytes = Vec::with_capacity(56);
        bytes.extend(stat.st_dev.to_ne_bytes());
        bytes.extend(stat.st_ino.to_ne_bytes());
        bytes.extend(stat.st_size.to_ne_bytes());
        bytes.extend(stat.st_mtime.to_ne_bytes());
        bytes.extend(stat.st_mtime_nsec.to_ne_bytes());
        bytes.extend(stat.st_ctime.to_ne_bytes());
        bytes.extend(stat.st_ctime_nsec.to_ne_bytes());
        Self(bytes)
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.to_owned())
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

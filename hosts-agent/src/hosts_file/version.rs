//! Which version of a file one has seen.

use rustix::fs::Stat;

/// Changes with every write and every replacement; bytes that another process of this machine can compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version([u8; Version::LENGTH]);

impl Version {
    /// The length in bytes: seven numbers of eight.
    pub(crate) const LENGTH: usize = 56;

    pub(crate) fn of(stat: &Stat) -> Self {
        let numbers: [[u8; 8]; 7] = [
            stat.st_dev.to_ne_bytes(),
            stat.st_ino.to_ne_bytes(),
            stat.st_size.to_ne_bytes(),
            stat.st_mtime.to_ne_bytes(),
            stat.st_mtime_nsec.to_ne_bytes(),
            stat.st_ctime.to_ne_bytes(),
            stat.st_ctime_nsec.to_ne_bytes(),
        ];
        let mut bytes = [0; Self::LENGTH];
        bytes.copy_from_slice(numbers.as_flattened());
        Self(bytes)
    }

    pub(crate) fn from_bytes(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

//! Files that are there as a whole or not at all.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Replaces a file by what `write` puts into a new one beside it, so that readers find the old one or the new one. Of
/// several who do it at once the last one's stays.
///
/// # Errors
/// It cannot be written or renamed; nothing is left beside the old one.
pub(crate) fn replace(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.{:?}.new", std::process::id(), std::thread::current().id()));
    let beside = PathBuf::from(beside);
    let written = File::create(&beside).and_then(|mut file| write(&mut file));
    let renamed = written.and_then(|()| fs::rename(&beside, path));
    if renamed.is_err() {
        let _ = fs::remove_file(&beside);
    }
    renamed
}

//! The folder outside the checkout where things that take long to make are kept.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// `${XDG_CACHE_HOME:-~/.cache}/tcr-assistant`, made when it is not there.
///
/// # Errors
/// Neither variable names an absolute folder, or the folder cannot be made.
pub fn folder() -> Result<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .context("no cache folder: set HOME or XDG_CACHE_HOME to an absolute path")?
        .join("tcr-assistant");
    make(&folder)?;
    Ok(folder)
}

pub(crate) fn make(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))
}

/// Takes the lock file at `path`; nobody else gets it until the returned file is dropped, or its owner dies.
/// `waiting` is called once when somebody else has it. `None`: somebody else had it all the time.
pub(crate) fn lock(path: &Path, timeout: Duration, waiting: impl FnOnce()) -> Result<Option<File>> {
    let file = File::options()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("cannot open the lock file {}", path.display()))?;
    let start = Instant::now();
    let mut waiting = Some(waiting);
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
            Err(TryLockError::WouldBlock) if start.elapsed() > timeout => return Ok(None),
            Err(TryLockError::WouldBlock) => {
                if let Some(waiting) = waiting.take() {
                    waiting();
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }
}

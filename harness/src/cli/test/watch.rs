//! Tries again whenever a file has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How often files are looked at. They are looked at, and not watched: editors replace files, and so do compilers.
const INTERVAL: Duration = Duration::from_millis(250);

/// When files were changed last, and how long they are; what is not there has neither.
type State = BTreeMap<PathBuf, Option<(SystemTime, u64)>>;

/// Calls `attempt` now and after each change of a file that it read, or of a folder in which one is. Ends with the
/// process.
pub(super) fn watch(
    mut attempt: impl FnMut() -> (anyhow::Result<()>, BTreeSet<PathBuf>),
) -> anyhow::Result<()> {
    loop {
        let (result, seen) = attempt();
        if let Err(error) = result {
            crate::cli::files::print(&format!("error: {error:#}\n"))?;
        }
        let before = state(&seen);
        crate::cli::files::print("\nwaiting for a change\n\n")?;
        while state(&seen) == before {
            std::thread::sleep(INTERVAL);
        }
    }
}

fn state(seen: &BTreeSet<PathBuf>) -> State {
    let folders =
        seen.iter().filter_map(|path| path.parent()).map(|folder| match folder.as_os_str().is_empty() {
            true => PathBuf::from("."),
            false => folder.to_owned(),
        });
    let of = |path: &Path| {
        let found = std::fs::metadata(path).ok()?;
        Some((found.modified().ok()?, found.len()))
    };
    seen.iter().cloned().chain(folders).map(|path| (path.clone(), of(&path))).collect()
}

//! Files and standard streams, as commands read and write them.

use std::io::{self, Write as _};
use std::path::Path;

use anyhow::Context as _;

use crate::whole_file;

/// Writes to standard output. A reader that has gone (`harness … | head`) is not an error.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write to standard output"),
    }
}

/// Reads a file, or standard input for `-`.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut io::stdin().lock(), &mut bytes).context("cannot read standard input")?;
        return Ok(bytes);
    }
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

pub(super) fn read_text(path: &Path) -> anyhow::Result<String> {
    String::from_utf8(read(path)?).with_context(|| format!("cannot read {}: not UTF-8", path.display()))
}

/// Replaces a file as a whole: readers see the old one or the new one.
pub(super) fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    whole_file::replace(path, |file| file.write_all(bytes))
        .with_context(|| format!("cannot write {}", path.display()))
}

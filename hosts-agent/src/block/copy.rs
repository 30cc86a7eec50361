//! [`merge`](super::merge) of a file that is not held in memory: the first touch of each page of a large one takes longer
//! than reading and searching it.

use std::io::{self, Read, Write};

use memchr::memrchr;
use tcr::hosts_entry::HostsEntry;

use super::{owned, render, says_newline_added};

/// What is read at a time; a longer line is held whole.
const WINDOW: usize = 64 << 10;

/// Writes to `new` what [`merge`](super::merge) makes of `old` and `entries`.
///
/// # Errors
/// Reading or writing failed; then `new` has a part.
pub fn copy(old: &mut dyn Read, new: &mut dyn Write, entries: &[&HostsEntry]) -> io::Result<()> {
    in_windows(WINDOW, old, new, entries)
}

pub(super) fn in_windows(
    window: usize,
    old: &mut dyn Read,
    new: &mut dyn Write,
    entries: &[&HostsEntry],
) -> io::Result<()> {
    let mut copy = Copy { new, entries, place: Place::Before, last: None, holds_newline: false };
    let mut window = vec![0; window];
    let mut filled = 0;
    loop {
        if filled == window.len() {
            window.resize(2 * window.len(), 0);
        }
        let read = match old.read(&mut window[filled..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        filled += read;
        let lines = match read {
            0 => filled,
            _ => memrchr(b'\n', &window[..filled]).map_or(0, |newline| newline + 1),
        };
        copy.lines(&window[..lines])?;
        window.copy_within(lines..filled, 0);
        filled -= lines;
        if read == 0 {
            return copy.end();
        }
    }
}

struct Copy<'a> {
    new: &'a mut dyn Write,
    entries: &'a [&'a HostsEntry],
    place: Place,
    /// The last byte before our first line, without a newline that is held back.
    last: Option<u8>,
    /// The newline before our first line is not written yet: it may be ours.
    holds_newline: bool,
}

/// Where the copy is, seen from our block.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Before,
    /// Our first lines, the first of which says whether the newline before it is ours.
    In {
        newline_added: bool,
    },
    Behind,
}

impl Copy<'_> {
    /// Whole lines; only the file's last one may lack its newline.
    fn lines(&mut self, lines: &[u8]) -> io::Result<()> {
        let mut from = 0;
        for range in owned(lines).0 {
            self.foreign(&lines[from..range.start])?;
            if self.place == Place::Before {
                let first = lines[range.clone()].split(|byte| *byte == b'\n').next().unwrap_or_default();
                self.place = Place::In { newline_added: says_newline_added(first) };
            }
            from = range.end;
        }
        self.foreign(&lines[from..])
    }

    fn foreign(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        match self.place {
            Place::Before => {
                self.release_newline()?;
                let (bytes, holds_newline) = match bytes.strip_suffix(b"\n") {
                    Some(bytes) => (bytes, true),
                    None => (bytes, false),
                };
                self.last = bytes.last().copied().or(self.last);
                self.holds_newline = holds_newline;
                self.new.write_all(bytes)
            }
            Place::In { .. } => {
                // Once others have added lines after the block, the newline separates theirs.
                self.release_newline()?;
                self.block()?;
                self.new.write_all(bytes)
            }
            Place::Behind => self.new.write_all(bytes),
        }
    }

    fn end(mut self) -> io::Result<()> {
        match self.place {
            Place::In { newline_added: true } => {}
            _ => self.release_newline()?,
        }
        if self.place != Place::Behind {
            self.block()?;
        }
        Ok(())
    }

    fn release_newline(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.holds_newline) {
            self.last = Some(b'\n');
            self.new.write_all(b"\n")?;
        }
        Ok(())
    }

    fn block(&mut self) -> io::Result<()> {
        self.place = Place::Behind;
        if self.entries.is_empty() {
            return Ok(());
        }
        let newline_added = self.last.is_some_and(|last| last != b'\n');
        if newline_added {
            self.new.write_all(b"\n")?;
        }
        self.new.write_all(render(self.entries, newline_added).as_bytes())
    }
}

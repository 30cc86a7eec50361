//! The one block of the hosts file that is ours.
//!
//! ```text
//! 127.0.0.1 localhost
//! # BEGIN tcr-assistant hosts-updater checksum=2f1d0c9b8a7e6d5c
//! 10.0.0.2 demo.tencentcloudcr.com # tcr-assistant hosts-updater
//! # END tcr-assistant hosts-updater
//! ```
//!
//! *Ownership* is a line's own mark, not its place between BEGIN and END: whatever happened to the
//! block (its end cut off, a copy of it, a block in a block, a foreign line inside), removing the
//! lines that carry the mark removes all that is ours and no byte that is not.
//! The checksum tells whether the block was changed by others; nothing is removed because of it.

use std::net::IpAddr;
use std::ops::Range;

use memchr::{memchr, memmem, memrchr};
use tcr::checksum::fnv1a;
use tcr::hosts_entry::{HostsEntry, MAX_ENTRIES};

mod copy;

pub use copy::copy;

const BEGIN: &str = "# BEGIN tcr-assistant hosts-updater";
const END: &str = "# END tcr-assistant hosts-updater";
/// The end of each line between BEGIN and END.
const MARK: &str = " # tcr-assistant hosts-updater";
/// The text that each line of ours contains.
const SIGN: &[u8] = b"tcr-assistant hosts-updater";
/// In the first line when the newline before it is ours, because the file had no final newline.
const NEWLINE_ADDED: &str = " newline=added";

/// The part of a hosts file that is ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// No line is ours.
    Absent,
    /// One block, as it was written, with these lines.
    Intact(Vec<HostsEntry>),
    /// Lines of ours that are not exactly one block with its checksum: others changed them.
    Damaged,
}

/// The lines of a hosts file that are ours. A large file is searched for them once, for all that is
/// asked about it.
#[derive(Debug)]
pub struct Found<'a> {
    file: &'a [u8],
    /// Whole lines that are ours, in order, neighbours joined.
    owned: Vec<Range<usize>>,
    /// The length of the part before the first owned line that is others': all of it, or all but the newline
    /// that was added to a file without a final one.
    head: usize,
}

/// A new content in pieces, most of which are the old one's: no second copy of a large file is made.
#[derive(Debug)]
pub struct Merged<'a> {
    old: &'a [u8],
    head: &'a [u8],
    block: String,
    rest: Vec<&'a [u8]>,
}

/// The hosts file `old` with exactly the lines of `entries` as ours (none: no block), and every
/// byte of others in its order. The block stays where it is; a new one comes last.
///
/// For lists `a` and `b` that are not empty, `merge(merge(x, a), b) == merge(x, b)`; and
/// `merge(merge(x, a), &[]) == x` for a file without lines of ours, with or without a final newline.
pub fn merge(old: &[u8], entries: &[&HostsEntry]) -> Vec<u8> {
    Found::new(old).merge(entries).pieces().concat()
}

/// The state of our block in `file`, and whether others changed it.
pub fn state(file: &[u8]) -> State {
    Found::new(file).state()
}

impl<'a> Found<'a> {
    /// Finds our lines in `file`.
    pub fn new(file: &'a [u8]) -> Self {
        let (owned, newline_added) = owned(file);
        let first = owned.first().map_or(file.len(), |range| range.start);
        // Once others have added lines after the block, the newline separates theirs.
        let is_last = matches!(owned.as_slice(), [block] if block.end == file.len());
        let is_ours = newline_added && is_last && file[..first].ends_with(b"\n");
        Self { file, owned, head: first - usize::from(is_ours) }
    }

    /// The [`state`] of the file.
    pub fn state(&self) -> State {
        match self.owned.as_slice() {
            [] => State::Absent,
            [block] => intact(&self.file[block.clone()]).map_or(State::Damaged, State::Intact),
            _ => State::Damaged,
        }
    }

    /// The result of [`merge`] on the file.
    pub fn merge(&self, entries: &[&HostsEntry]) -> Merged<'a> {
        let Self { file: old, owned, head } = self;
        let head = &old[..*head];
        let mut block = String::new();
        if !entries.is_empty() {
            let newline_added = head.last().is_some_and(|last| *last != b'\n');
            if newline_added {
                block.push('\n');
            }
            block += &render(entries, newline_added);
        }
        let mut rest = Vec::with_capacity(owned.len() + 1);
        let mut from = owned.first().map_or(old.len(), |range| range.start);
        for range in owned {
            rest.push(&old[from..range.start]);
            from = range.end;
        }
        rest.push(&old[from..]);
        Merged { old, head, block, rest }
    }
}

impl Merged<'_> {
    /// The new content, as pieces that follow one another.
    pub fn pieces(&self) -> Vec<&[u8]> {
        let pieces = std::iter::once(self.head).chain(self.behind_head());
        pieces.filter(|piece| !piece.is_empty()).collect()
    }

    /// Whether the new file differs from the old one.
    pub fn is_change(&self) -> bool {
        // The bytes before the block are the same.
        let mut left = &self.old[self.head.len()..];
        for piece in self.behind_head() {
            let Some(rest) = left.strip_prefix(piece) else { return true };
            left = rest;
        }
        !left.is_empty()
    }

    fn behind_head(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(self.block.as_bytes()).chain(self.rest.iter().copied())
    }
}

/// Whether `line`, without its newline, is one that only this program writes.
pub fn is_owned(line: &[u8]) -> bool {
    // An editor that converts the file to CRLF converts our lines too.
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line == END.as_bytes() {
        return true;
    }
    match line.strip_prefix(BEGIN.as_bytes()) {
        Some(rest) => rest.is_empty() || rest.starts_with(b" "),
        // Exactly one address and one name: a line to which a user added a name, or that begins with another
        // line's bytes, has bytes of others and is not ours.
        None => entry(line).is_some(),
    }
}

fn entry(line: &[u8]) -> Option<HostsEntry> {
    let line = std::str::from_utf8(line.strip_suffix(MARK.as_bytes())?).ok()?;
    let (ip, domain) = line.split_once(' ')?;
    HostsEntry::new(domain, ip, false).ok()
}

/// The places of lines of ours, neighbours joined, and whether the first line says that the newline before it
/// is ours.
fn owned(file: &[u8]) -> (Vec<Range<usize>>, bool) {
    let mut owned: Vec<Range<usize>> = Vec::new();
    let mut newline_added = false;
    let mut looked_at = 0;
    // Every line of ours has it: a large file of others is passed over at the speed of a search.
    for found in memmem::find_iter(file, SIGN) {
        if found < looked_at {
            continue;
        }
        let start = memrchr(b'\n', &file[..found]).map_or(0, |newline| newline + 1);
        let end = memchr(b'\n', &file[found..]).map_or(file.len(), |newline| found + newline + 1);
        looked_at = end;
        let line = &file[start..end];
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        if !is_owned(text) {
            continue;
        }
        match owned.last_mut() {
            Some(last) if last.end == start => last.end = end,
            Some(_) => owned.push(start..end),
            None => {
                newline_added = says_newline_added(text);
                owned.push(start..end);
            }
        }
    }
    (owned, newline_added)
}

fn says_newline_added(line: &[u8]) -> bool {
    line.starts_with(BEGIN.as_bytes())
        && line.strip_suffix(b"\r").unwrap_or(line).ends_with(NEWLINE_ADDED.as_bytes())
}

/// The entries of a block that is, byte for byte, what [`render`] makes of them.
fn intact(block: &[u8]) -> Option<Vec<HostsEntry>> {
    let text = std::str::from_utf8(block).ok()?;
    let mut lines = text.strip_suffix('\n')?.split('\n');
    let newline_added = says_newline_added(lines.next()?.as_bytes());
    let mut entries = Vec::new();
    for line in lines {
        if line != END {
            // No list is longer: it was not written by us.
            if entries.len() == MAX_ENTRIES {
                return None;
            }
            entries.push(entry(line.as_bytes())?);
        }
    }
    let again = render(&entries.iter().collect::<Vec<_>>(), newline_added);
    (again.as_bytes() == block).then_some(entries)
}

fn render(entries: &[&HostsEntry], newline_added: bool) -> String {
    let lines: String = entries.iter().map(|entry| line(entry.ip(), entry.domain()) + "\n").collect();
    let flag = if newline_added { NEWLINE_ADDED } else { "" };
    let checksum = fnv1a(format!("{flag}\n{lines}").as_bytes());
    format!("{BEGIN} checksum={checksum:016x}{flag}\n{lines}{END}\n")
}

fn line(ip: IpAddr, domain: &str) -> String {
    format!("{ip} {domain}{MARK}")
}

#[cfg(test)]
mod tests;

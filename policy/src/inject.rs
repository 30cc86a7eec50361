//! The one edit that the policy makes: entries added to `imagePullSecrets`, and no other byte
//! of the object touched.
//!
//! The object with the edit is the object with one inserted span. The only exception is a list
//! written as `null`: the list takes the place of those four bytes, because there is no list to
//! insert into and a second member of the same name would leave it to the reader which one counts.

use crate::json::{Container, Span, write_string};

#[cfg(test)]
mod tests;

/// Where an entry of `imagePullSecrets` is added. Offsets are into the scanned text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// The list is there.
    Element {
        /// After the last element, or after the opening bracket.
        at: usize,
        /// Whether the list is empty.
        first: bool,
    },
    /// The list is written as `null`.
    Null(Span),
    /// There is no such member.
    Member {
        /// After the object's last member, or after its opening brace.
        at: usize,
        /// Whether the object is empty.
        first: bool,
    },
    /// The member is something else, which the API server refuses: nothing is added.
    Unusable,
}

impl Slot {
    /// The slot of a list.
    pub(crate) fn element_of(list: Container) -> Self {
        Self::Element { at: list.tail, first: list.empty }
    }

    /// The slot of an object that has no list.
    pub(crate) fn member_of(object: Container) -> Self {
        Self::Member { at: object.tail, first: object.empty }
    }

    /// The edit that adds an entry for each of `names`, in their order. `None` when there is
    /// nothing to add, or nothing to add it to.
    pub(crate) fn add<'n>(self, names: impl IntoIterator<Item = &'n str>) -> Option<Edit> {
        let entries = entries(names);
        if entries.is_empty() {
            return None;
        }
        let here = |at| Span { start: at, end: at };
        let (removed, parts): (Span, [&[u8]; 3]) = match self {
            Slot::Element { at, first: true } => (here(at), [b"", &entries, b""]),
            Slot::Element { at, first: false } => (here(at), [b",", &entries, b""]),
            Slot::Member { at, first: true } => (here(at), [b"\"imagePullSecrets\":[", &entries, b"]"]),
            Slot::Member { at, first: false } => (here(at), [b",\"imagePullSecrets\":[", &entries, b"]"]),
            Slot::Null(span) => (span, [b"[", &entries, b"]"]),
            Slot::Unusable => return None,
        };
        let mut inserted = Vec::new();
        parts.iter().for_each(|part| inserted.extend_from_slice(part));
        Some(Edit { removed, inserted })
    }
}

/// Text that takes the place of a span, which is empty but for a list written as `null`.
/// Offsets are into the scanned text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edit {
    pub(crate) removed: Span,
    pub(crate) inserted: Vec<u8>,
}

impl Edit {
    /// Appends the bytes `object` of `text`, edited, to `out`.
    pub(crate) fn write(&self, text: &[u8], object: Span, out: &mut Vec<u8>) {
        out.extend_from_slice(Span { start: object.start, end: self.removed.start }.of(text));
        out.extend_from_slice(&self.inserted);
        out.extend_from_slice(Span { start: self.removed.end, end: object.end }.of(text));
    }
}

/// `{"name":"a"},{"name":"b"}`
fn entries<'n>(names: impl IntoIterator<Item = &'n str>) -> Vec<u8> {
    let mut entries = Vec::new();
    for name in names {
        let before: &[u8] = if entries.is_empty() { b"{\"name\":" } else { b",{\"name\":" };
        entries.extend_from_slice(before);
        write_string(name, &mut entries);
        entries.push(b'}');
    }
    entries
}

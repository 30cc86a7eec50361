//! The outline of a scanned text: positions of its members, for looking up a place in it afterwards.

use super::{JsonError, Scanner, string_end};

#[cfg(test)]
mod tests;

/// How many levels of containers are noted. An object's own members and those of its `spec` are
/// where most of a Pod is, and most changes are made.
pub(super) const LEVELS: usize = 2;

/// A JSON value as it is written, and where its outermost containers begin, go on and end.
#[derive(Debug, Clone)]
pub(crate) struct Outline<'a> {
    text: &'a str,
    /// Offsets of the noted brackets and commas, in their order; a container is noted whole or not.
    marks: Vec<usize>,
}

impl<'a> Outline<'a> {
    pub(super) fn new(text: &'a str, marks: Vec<usize>) -> Self {
        Self { text, marks }
    }

    /// A text that is known to be JSON, of which nothing is noted.
    pub(crate) fn unknown(text: &'a str) -> Self {
        Self::new(text, Vec::new())
    }

    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    /// The containers that are open at the offset `until`, the outermost first.
    pub(crate) fn open_at(&self, until: usize) -> Vec<Open> {
        let bytes = self.text.as_bytes();
        // Deeper than most objects are.
        let mut open = Vec::with_capacity(16);
        let noted = &self.marks[..self.marks.partition_point(|mark| *mark < until)];
        for mark in noted {
            Open::follow(&mut open, bytes[*mark], *mark);
        }
        // A place deeper than the outline is searched from its last mark on.
        let mut at = noted.last().map_or(0, |mark| mark + 1);
        while at < until {
            if bytes[at] == b'"' {
                at = string_end(bytes, at);
            } else {
                Open::follow(&mut open, bytes[at], at);
                at += 1;
            }
        }
        open
    }
}

/// A container that is open at some place, and its member there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Open {
    pub(crate) is_object: bool,
    /// Offset of its bracket.
    pub(crate) start: usize,
    /// Offset behind the bracket or comma before the member.
    pub(crate) member: usize,
    pub(crate) index: usize,
}

impl Open {
    /// The bracket it begins with.
    pub(super) fn bracket(&self) -> u8 {
        if self.is_object { b'{' } else { b'[' }
    }

    /// The member's key as written, in the text that the offsets are of.
    pub(crate) fn key<'a>(&self, text: &'a str) -> Result<&'a str, JsonError> {
        Scanner::from(text, self.member).key()
    }

    /// Applies a byte outside strings to the open containers.
    fn follow(open: &mut Vec<Self>, byte: u8, at: usize) {
        match byte {
            b'{' | b'[' => {
                open.push(Self { is_object: byte == b'{', start: at, member: at + 1, index: 0 });
            }
            b'}' | b']' => {
                open.pop();
            }
            b',' => {
                if let Some(container) = open.last_mut() {
                    container.member = at + 1;
                    container.index += 1;
                }
            }
            _ => {}
        }
    }
}

/// How many bytes both begin with.
pub(crate) fn common_prefix(one: &[u8], other: &[u8]) -> usize {
    const BLOCK: usize = 64;
    let blocks = one.chunks_exact(BLOCK).zip(other.chunks_exact(BLOCK));
    let equal = blocks.take_while(|(one, other)| one == other).count() * BLOCK;
    equal + one[equal..].iter().zip(&other[equal..]).take_while(|(one, other)| one == other).count()
}

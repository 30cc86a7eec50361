//! The containers of a JSON text, and their members as they are written.

use std::fmt::Write as _;

use crate::json::{JsonError, Scanner, string_end, unescape};

/// A container that is still open where the two texts part.
pub(super) struct Open<'a> {
    pub(super) is_object: bool,
    /// Offset of its bracket.
    pub(super) start: usize,
    /// Offset behind the bracket or comma before the member in which the texts part.
    pub(super) member: usize,
    /// That member's key as written, where it is complete.
    key: Option<&'a str>,
    /// That member's index.
    pub(super) index: usize,
}

impl Open<'_> {
    /// Appends the step from this container to the member in which the texts part.
    pub(super) fn push_step(&self, path: &mut String) -> Result<(), JsonError> {
        match (self.is_object, self.key) {
            (true, Some(key)) => push_key(path, key),
            _ => {
                let _ = write!(path, "/{}", self.index);
                Ok(())
            }
        }
    }
}

/// Appends a step to a JSON pointer (RFC 6901).
pub(super) fn push_key(path: &mut String, written: &str) -> Result<(), JsonError> {
    let key = unescape(written).map_err(|_| JsonError { at: 0, expected: "a key".into() })?;
    path.push('/');
    for character in key.chars() {
        match character {
            '~' => path.push_str("~0"),
            '/' => path.push_str("~1"),
            character => path.push(character),
        }
    }
    Ok(())
}

/// The containers of `text` that are open at `until`, the outermost first.
pub(super) fn open_containers(text: &str, until: usize) -> Vec<Open<'_>> {
    let bytes = text.as_bytes();
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut at = 0;
    let mut key_next = false;
    while at < until {
        match bytes[at] {
            bracket @ (b'{' | b'[') => {
                key_next = bracket == b'{';
                open.push(Open { is_object: key_next, start: at, member: at + 1, key: None, index: 0 });
            }
            b'}' | b']' => {
                open.pop();
                key_next = false;
            }
            b',' => {
                if let Some(container) = open.last_mut() {
                    container.member = at + 1;
                    container.index += 1;
                    key_next = container.is_object;
                }
            }
            b'"' => {
                let end = string_end(bytes, at);
                if key_next && end <= until {
                    if let Some(container) = open.last_mut() {
                        container.key = Some(&text[at..end]);
                    }
                    key_next = false;
                }
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    open
}

/// A member of a container: its key as written (objects only) and its value.
pub(super) struct Member<'a> {
    pub(super) key: Option<&'a str>,
    pub(super) value: &'a str,
}

/// The members of one text's container from the first different one up to where the texts meet.
pub(super) struct Members<'a> {
    pub(super) members: Vec<Member<'a>>,
    /// Offset behind the last of them.
    pub(super) end: usize,
}

/// Reads both texts' members from where they part until both have the same rest before them.
/// `None` when the container ends before that, so that the difference reaches outside of it.
pub(super) fn differing_members<'a>(
    old: &'a str,
    new: &'a str,
    container: &Open<'_>,
    suffix: usize,
) -> Result<Option<(Members<'a>, Members<'a>)>, JsonError> {
    let mut olds = MemberScan::new(old, container);
    let mut news = MemberScan::new(new, container);
    let mut rest = (usize::MAX, usize::MAX);
    loop {
        // Whoever has more before it reads on; in step, both do until the rest is the common one.
        if rest.0 >= rest.1 && (rest.0 > rest.1 || rest.0 > suffix) {
            match olds.next()? {
                Some(end) => rest.0 = old.len() - end,
                None => return Ok(None),
            }
        } else if rest.1 > rest.0 {
            match news.next()? {
                Some(end) => rest.1 = new.len() - end,
                None => return Ok(None),
            }
        } else {
            return Ok(Some((olds.finish(old.len() - rest.0), news.finish(new.len() - rest.1))));
        }
    }
}

/// All members of one text's container, and the container as written.
pub(super) fn all_members<'a>(
    text: &'a str,
    container: &Open<'_>,
) -> Result<(Vec<Member<'a>>, &'a str), JsonError> {
    let whole = Open { member: container.start + 1, key: None, index: 0, ..*container };
    let mut scan = MemberScan::new(text, &whole);
    let mut end = container.start;
    while let Some(position) = scan.next()? {
        end = position;
    }
    Ok((scan.members, &text[container.start..=end]))
}

struct MemberScan<'a> {
    scanner: Scanner<'a>,
    is_object: bool,
    members: Vec<Member<'a>>,
    first: bool,
    closed: bool,
}

impl<'a> MemberScan<'a> {
    fn new(text: &'a str, container: &Open<'_>) -> Self {
        Self {
            scanner: Scanner::from(text, container.member),
            is_object: container.is_object,
            members: Vec::new(),
            first: true,
            closed: false,
        }
    }

    /// Reads one more member; the offset behind it, or that of the closing bracket after the last.
    fn next(&mut self) -> Result<Option<usize>, JsonError> {
        if self.closed {
            return Ok(None);
        }
        if let Some(b'}' | b']') = self.scanner.peek() {
            self.closed = true;
            return Ok(Some(self.scanner.position()));
        }
        if !self.first && !self.scanner.take(b',') {
            return Err(self.scanner.error("\",\""));
        }
        self.first = false;
        let key = if self.is_object { Some(self.scanner.key()?) } else { None };
        let value = self.scanner.value()?;
        self.members.push(Member { key, value });
        Ok(Some(self.scanner.position()))
    }

    fn finish(self, end: usize) -> Members<'a> {
        Members { members: self.members, end }
    }
}

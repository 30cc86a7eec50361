//! The containers of a JSON text, and their members as they are written.

use std::fmt::Write as _;

use crate::json::{JsonError, Open, Scanner, unescape};

/// Appends the step from an open container of `text` to its member.
pub(super) fn push_step(path: &mut String, container: &Open, text: &str) -> Result<(), JsonError> {
    if container.is_object {
        push_key(path, container.key(text)?)
    } else {
        let _ = write!(path, "/{}", container.index);
        Ok(())
    }
}

/// Appends a step to a JSON pointer (RFC 6901).
pub(super) fn push_key(path: &mut String, written: &str) -> Result<(), JsonError> {
    let key = unescape(written).map_err(|_| JsonError { at: 0, expected: "a key".into() })?;
    path.reserve(1 + key.len());
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
    container: &Open,
    suffix: usize,
) -> Result<Option<(Members<'a>, Members<'a>)>, JsonError> {
    let mut olds = MemberScan::new(old, container);
    let mut news = MemberScan::new(new, container);
    let mut rest = (usize::MAX, usize::MAX);
    loop {
        // The side that has more before it reads on; in step, both do until the rest is the common one.
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
    container: &Open,
) -> Result<(Vec<Member<'a>>, &'a str), JsonError> {
    let whole = Open { member: container.start + 1, index: 0, ..*container };
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
    fn new(text: &'a str, container: &Open) -> Self {
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

//! A scanner over JSON text that the host has already validated.
//!
//! The policy changes a few bytes of an object it otherwise does not understand, so it works on
//! the text: it walks to the members it needs in one pass, skips the rest, and remembers where
//! things stand. What is skipped is not validated (brackets are counted, strings are followed),
//! but no input makes it panic, recurse or read out of bounds: text that cannot be followed is
//! [`Malformed`].
//!
//! Of members with the same name the last one wins, as it does for the API server and for
//! `serde_json::Value`: a callback that assigns what it reads gets this by itself.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU32;

mod escape;
#[cfg(test)]
pub(crate) mod tests;
mod value;

pub(crate) use escape::write_string;
pub(crate) use value::value;

/// JSON text that cannot be followed. One word, because most functions here return it and wasm
/// has no cheap way to return more.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Malformed(NonZeroU32);

/// What the text should have had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Value = 1,
    Key,
    Colon,
    CommaOrEnd,
    ClosingBracket,
    ClosingQuote,
    Text,
    SmallerNumber,
    FewerLevels,
    End,
}

const EXPECTED: [&str; 11] = [
    "",
    "a value",
    "a key",
    "a colon",
    "a comma or the closing bracket",
    "a closing bracket",
    "a closing quote",
    "a string of valid UTF-8 and escapes",
    "a smaller number",
    "fewer levels",
    "the end",
];

impl Malformed {
    /// `at` is the offset in bytes from the start of the scanned text; the last one that fits
    /// stands for those behind it.
    fn new(at: usize, expected: Expected) -> Self {
        const LAST: u32 = u32::MAX >> 4;
        let at = u32::try_from(at).unwrap_or(LAST).min(LAST);
        Self(NonZeroU32::MIN.saturating_add(((at << 4) | expected as u32) - 1))
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, expected) = (self.0.get() >> 4, (self.0.get() & 15) as usize);
        let expected = EXPECTED.get(expected).copied().unwrap_or_default();
        write!(f, "malformed JSON at byte {at}: expected {expected}")
    }
}

impl fmt::Debug for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Malformed {}

/// The bytes of one value, without the blanks around it: offsets into the scanned text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset after the last byte.
    pub end: usize,
}

impl Span {
    /// The spanned bytes of `text`; empty when the span is not of this text.
    pub fn of(self, text: &[u8]) -> &[u8] {
        text.get(self.start..self.end).unwrap_or_default()
    }
}

/// An object or array that was walked to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Container {
    /// From the opening to the closing bracket, both included.
    pub span: Span,
    /// Where another member or element goes: after the last one, or after the opening bracket.
    pub tail: usize,
    /// Whether it has no member or element.
    pub empty: bool,
}

/// Whether a walk over an object's members goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walk {
    /// With the next member.
    Continue,
    /// No further: what follows is not even scanned.
    Stop,
}

/// A position in JSON text, standing before a value.
///
/// Every method that reads a value leaves the scanner behind that value, whatever its type is.
#[derive(Clone, Debug)]
pub struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

// The callbacks of the walks, for each member, element or step. Traits of our own instead of `dyn FnMut`,
// whose table holds a second copy of every closure for `FnOnce`, which is never called.

trait OnMember<'a> {
    fn member(&mut self, key: &[u8], value: &mut Scanner<'a>) -> Result<Walk, Malformed>;
}

impl<'a, F: FnMut(&[u8], &mut Scanner<'a>) -> Result<Walk, Malformed>> OnMember<'a> for F {
    fn member(&mut self, key: &[u8], value: &mut Scanner<'a>) -> Result<Walk, Malformed> {
        self(key, value)
    }
}

trait OnElement<'a> {
    fn element(&mut self, value: &mut Scanner<'a>) -> Result<(), Malformed>;
}

impl<'a, F: FnMut(&mut Scanner<'a>) -> Result<(), Malformed>> OnElement<'a> for F {
    fn element(&mut self, value: &mut Scanner<'a>) -> Result<(), Malformed> {
        self(value)
    }
}

trait OnPath<'a> {
    /// Nothing for a member on the path, a value at its end.
    fn step(&mut self, value: Option<&mut Scanner<'a>>) -> Result<(), Malformed>;
}

impl<'a, F: FnMut(Option<&mut Scanner<'a>>) -> Result<(), Malformed>> OnPath<'a> for F {
    fn step(&mut self, value: Option<&mut Scanner<'a>>) -> Result<(), Malformed> {
        self(value)
    }
}

impl<'a> Scanner<'a> {
    /// Stands before the value that starts at the offset `at` of `text` (after blanks, if any).
    pub fn new(text: &'a [u8], at: usize) -> Self {
        Self { text, at }
    }

    /// The next value's first byte, which tells its type; `None` at the end of the text.
    #[inline]
    pub fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.text.get(self.at) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    /// The offset of the next value's first byte.
    pub fn position(&mut self) -> usize {
        self.peek();
        self.at
    }

    /// Skips a value of any type.
    pub fn pass(&mut self) -> Result<(), Malformed> {
        match self.peek() {
            Some(b'"') => self.at = self.string_end(self.at + 1)?.0,
            Some(b'{' | b'[') => self.pass_nested(|_, _| {})?,
            Some(b'}' | b']' | b',' | b':') | None => return Err(self.expected(Expected::Value)),
            Some(_) => self.pass_scalar(),
        }
        Ok(())
    }

    /// Skips a value, unless it is an object or array and a string in it, key or value at any depth,
    /// `is_wanted`: then the scanner stays before it, and the answer is false. A string with escapes
    /// may be anything and counts as wanted. This costs a fraction of a walk, so the elements of long
    /// lists are asked before they are read.
    pub fn pass_unless(&mut self, is_wanted: impl Fn(&[u8]) -> bool) -> Result<bool, Malformed> {
        if !matches!(self.peek(), Some(b'{' | b'[')) {
            return self.pass().map(|()| true);
        }
        let start = self.at;
        let mut is_found = false;
        self.pass_nested(|string, escaped| is_found |= escaped || is_wanted(string))?;
        if is_found {
            self.at = start;
        }
        Ok(!is_found)
    }

    /// Skips a value of any type and says where it was.
    pub fn skip(&mut self) -> Result<Span, Malformed> {
        let start = self.position();
        self.pass()?;
        Ok(Span { start, end: self.at })
    }

    /// A string's value; `None` when the next value is of another type.
    pub fn string(&mut self) -> Result<Option<Cow<'a, str>>, Malformed> {
        if self.peek() != Some(b'"') {
            self.pass()?;
            return Ok(None);
        }
        let start = self.at;
        let (end, escaped) = self.string_end(start + 1)?;
        self.at = end;
        let written = &self.text[start + 1..end - 1];
        let text = if escaped {
            escape::decode(written).map(Cow::Owned)
        } else {
            std::str::from_utf8(written).ok().map(Cow::Borrowed)
        };
        match text {
            Some(text) => Ok(Some(text)),
            None => Err(Malformed::new(start, Expected::Text)),
        }
    }

    /// A string's value; empty when the next value is of another type, `null` included.
    pub fn string_or_empty(&mut self) -> Result<Cow<'a, str>, Malformed> {
        Ok(self.string()?.unwrap_or_default())
    }

    /// A boolean's value; `None` when the next value is of another type.
    pub fn boolean(&mut self) -> Result<Option<bool>, Malformed> {
        Ok(match self.skip()?.of(self.text) {
            b"true" => Some(true),
            b"false" => Some(false),
            _ => None,
        })
    }

    /// Walks an object: `member` gets each decoded key and must read its value from the scanner.
    /// `None`, and nothing walked, when the next value is not an object.
    pub fn object(
        &mut self,
        mut member: impl FnMut(&[u8], &mut Self) -> Result<(), Malformed>,
    ) -> Result<Option<Container>, Malformed> {
        self.walk_object(&mut |key: &[u8], value: &mut Self| member(key, value).map(|()| Walk::Continue))
    }

    /// Walks an object like [`Scanner::object`], as far as `member` wants. `None` when the next
    /// value is not an object, and when the walk was stopped.
    pub fn members(
        &mut self,
        mut member: impl FnMut(&[u8], &mut Self) -> Result<Walk, Malformed>,
    ) -> Result<Option<Container>, Malformed> {
        self.walk_object(&mut member)
    }

    /// Walks an array: `element` must read each element from the scanner.
    /// `None`, and nothing walked, when the next value is not an array.
    pub fn array(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), Malformed>,
    ) -> Result<Option<Container>, Malformed> {
        self.walk_array(&mut element)
    }

    /// Reads the value at the end of a path of member names; `None` when there is none.
    pub fn at_path<T>(
        &mut self,
        path: &[&str],
        mut read: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        let mut found = None;
        self.walk_path(path, &mut |value: Option<&mut Self>| {
            // A second member of the same name hides the first one, and what was found in it.
            found = value.map(&mut read).transpose()?;
            Ok(())
        })?;
        Ok(found)
    }

    // The walks take `dyn` callbacks: an indirect call for each member costs nanoseconds, and a
    // copy of the loop for each of the forty callers would be a tenth of the wasm.

    fn walk_object(&mut self, member: &mut dyn OnMember<'a>) -> Result<Option<Container>, Malformed> {
        let Some(start) = self.enter(b'{')? else { return Ok(None) };
        let mut tail = self.at;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Some(Container { span: Span { start, end: self.at }, tail, empty: true }));
        }
        loop {
            let key = self.key()?;
            if self.peek() != Some(b':') {
                return Err(self.expected(Expected::Colon));
            }
            self.at += 1;
            if member.member(&key, self)? == Walk::Stop {
                return Ok(None);
            }
            tail = self.at;
            if self.end_or_comma(b'}')? {
                return Ok(Some(Container { span: Span { start, end: self.at }, tail, empty: false }));
            }
        }
    }

    fn walk_array(&mut self, element: &mut dyn OnElement<'a>) -> Result<Option<Container>, Malformed> {
        let Some(start) = self.enter(b'[')? else { return Ok(None) };
        let mut tail = self.at;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Some(Container { span: Span { start, end: self.at }, tail, empty: true }));
        }
        loop {
            element.element(self)?;
            tail = self.at;
            if self.end_or_comma(b']')? {
                return Ok(Some(Container { span: Span { start, end: self.at }, tail, empty: false }));
            }
        }
    }

    /// Calls `visit` with nothing for each member on the path, and with each value at its end.
    fn walk_path(&mut self, path: &[&str], visit: &mut dyn OnPath<'a>) -> Result<(), Malformed> {
        let Some((first, rest)) = path.split_first() else { return visit.step(Some(self)) };
        self.walk_object(&mut |key: &[u8], value: &mut Self| {
            if key == first.as_bytes() {
                visit.step(None)?;
                value.walk_path(rest, visit)?;
            } else {
                value.pass()?;
            }
            Ok(Walk::Continue)
        })?;
        Ok(())
    }

    /// Passes the opening bracket, or skips a value that does not start with it.
    #[inline]
    fn enter(&mut self, open: u8) -> Result<Option<usize>, Malformed> {
        if self.peek() != Some(open) {
            self.pass()?;
            return Ok(None);
        }
        self.at += 1;
        Ok(Some(self.at - 1))
    }

    /// Passes what follows a member or element; true when that was the closing bracket.
    #[inline]
    fn end_or_comma(&mut self, close: u8) -> Result<bool, Malformed> {
        match self.peek() {
            Some(b',') => self.at += 1,
            Some(byte) if byte == close => {
                self.at += 1;
                return Ok(true);
            }
            _ => return Err(self.expected(Expected::CommaOrEnd)),
        }
        Ok(false)
    }

    /// A key, decoded. A key that no text equals (half a surrogate pair) stays as it is written:
    /// its backslash keeps it different from every name that is asked for.
    #[inline]
    fn key(&mut self) -> Result<Cow<'a, [u8]>, Malformed> {
        if self.peek() != Some(b'"') {
            return Err(self.expected(Expected::Key));
        }
        let start = self.at;
        let (end, escaped) = self.string_end(start + 1)?;
        self.at = end;
        let written = &self.text[start + 1..end - 1];
        if escaped && let Some(decoded) = escape::decode(written) {
            return Ok(Cow::Owned(decoded.into_bytes()));
        }
        Ok(Cow::Borrowed(written))
    }

    /// Passes an object or array and calls `string` with each string in it, keys included: as it is
    /// written between its quotes, and whether it has escapes.
    #[inline]
    fn pass_nested(&mut self, mut string: impl FnMut(&'a [u8], bool)) -> Result<(), Malformed> {
        let mut at = self.at;
        let mut depth = 0_usize;
        loop {
            let Some(&byte) = self.text.get(at) else {
                self.at = at;
                return Err(self.expected(Expected::ClosingBracket));
            };
            at += 1;
            match byte {
                b'"' => {
                    let (end, escaped) = self.string_end(at)?;
                    string(self.text.get(at..end - 1).unwrap_or_default(), escaped);
                    // A colon or comma is what mostly comes next, and means nothing here.
                    let next = self.text.get(end);
                    at = end + usize::from(matches!(next, Some(b':' | b',')));
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => {
                    depth -= 1; // cannot pass zero: the first byte was an opening bracket
                    if depth == 0 {
                        self.at = at;
                        return Ok(());
                    }
                }
                _ => {}
            }
        }
    }

    #[inline]
    fn pass_scalar(&mut self) {
        while let Some(byte) = self.text.get(self.at) {
            if matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t') {
                return;
            }
            self.at += 1;
        }
    }

    /// The offset behind the closing quote of the string whose content starts at `at`, and
    /// whether it has escapes. Eight bytes at a time: most of a request is inside strings.
    #[inline]
    fn string_end(&self, mut at: usize) -> Result<(usize, bool), Malformed> {
        let mut escaped = false;
        loop {
            while let Some(eight) = self.text.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
                let word = u64::from_le_bytes(*eight);
                let hits = zero_bytes(word ^ (EACH_BYTE * 0x22)) | zero_bytes(word ^ (EACH_BYTE * 0x5c));
                if hits != 0 {
                    at += (hits.trailing_zeros() / 8) as usize;
                    break;
                }
                at += 8;
            }
            match self.text.get(at) {
                Some(b'"') => return Ok((at + 1, escaped)),
                Some(b'\\') => {
                    escaped = true;
                    at += 2;
                }
                Some(_) => at += 1,
                None => return Err(Malformed::new(self.text.len(), Expected::ClosingQuote)),
            }
        }
    }

    #[cold]
    fn expected(&self, expected: Expected) -> Malformed {
        Malformed::new(self.at, expected)
    }
}

const EACH_BYTE: u64 = 0x0101_0101_0101_0101;

/// The highest bit of each zero byte, exact up to the first one; later bytes may be marked wrongly, and are
/// not used. <https://graphics.stanford.edu/~seander/bithacks.html#ZeroInWord>
#[inline]
fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(EACH_BYTE) & !word & (EACH_BYTE * 0x80)
}

//! A JSON scanner that finds where values lie in a text without building anything from them.
//!
//! An admission review is passed on as the bytes it came in, so that reading it means finding the
//! spans of a few members. The scanner checks the grammar of what it passes over (RFC 8259), does
//! not recurse, and allocates one byte for each level of nesting.

use std::borrow::Cow;
use std::fmt;

mod outline;
#[cfg(test)]
mod tests;

pub(crate) use outline::{Open, Outline, common_prefix};

/// Why a text is not the JSON that was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    /// Offset into the text, in bytes.
    pub at: usize,
    /// What the text should have had.
    pub expected: Cow<'static, str>,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not the expected JSON at byte {}: expected {}", self.at, self.expected)
    }
}

impl std::error::Error for JsonError {}

/// Where in a text the scan is.
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// The open brackets of the value being skipped; kept to use its allocation again.
    open: Vec<u8>,
    /// The objects around it that are passed over member by member.
    around: usize,
}

/// How many containers may be in each other: serde_json's limit, by which Kubewarden's hosts read requests and answers.
/// Those who compare or print what was scanned may recurse.
const DEEPEST: usize = 127;

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self::from(text, 0)
    }

    /// Starts in the middle of a text, at the beginning of a token.
    pub(crate) fn from(text: &'a str, at: usize) -> Self {
        Self { text, at, open: Vec::new(), around: 0 }
    }

    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// The next byte that is not white space, which stays where it is.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.as_bytes().get(self.at)?;
            // Between tokens there is mostly nothing: one comparison tells.
            if byte > b' ' || !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Takes `byte` if it is next.
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    pub(crate) fn error(&self, expected: impl Into<Cow<'static, str>>) -> JsonError {
        JsonError { at: self.at, expected: expected.into() }
    }

    /// The end of the text: nothing but white space may be left.
    pub(crate) fn end(&mut self) -> Result<(), JsonError> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.error("the end of the text")),
        }
    }

    /// Passes over an object and calls `member` with each key; `member` must pass over the value.
    pub(crate) fn object(
        &mut self,
        mut member: impl FnMut(&str, &mut Self) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        if !self.take(b'{') {
            return Err(self.error("an object"));
        }
        if self.take(b'}') {
            return Ok(());
        }
        self.around += 1;
        loop {
            let key = unescape(self.key()?).map_err(|_| self.error("a key"))?;
            member(&key, self)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    self.around -= 1;
                    return Ok(());
                }
                _ => return Err(self.error("\",\" or \"}\"")),
            }
        }
    }

    /// Passes over a key and its colon; the key as written, with its quotes.
    pub(crate) fn key(&mut self) -> Result<&'a str, JsonError> {
        self.peek();
        let start = self.at;
        let end = self.skip_key()?;
        Ok(&self.text[start..end])
    }

    /// Passes over a key and its colon; the offset behind the key.
    fn skip_key(&mut self) -> Result<usize, JsonError> {
        if self.peek() != Some(b'"') {
            return Err(self.error("a key"));
        }
        self.string()?;
        let end = self.at;
        match self.take(b':') {
            true => Ok(end),
            false => Err(self.error("\":\"")),
        }
    }

    /// Passes over a value of any kind; the value as written.
    pub(crate) fn value(&mut self) -> Result<&'a str, JsonError> {
        self.peek();
        let start = self.at;
        self.open.clear();
        self.skip(false, |_, _| ())?;
        Ok(&self.text[start..self.at])
    }

    /// Passes over a value of any kind, with a note of what is where in it.
    pub(crate) fn outline(&mut self) -> Result<Outline<'a>, JsonError> {
        self.peek();
        let start = self.at;
        let mut marks = Vec::with_capacity(64);
        self.open.clear();
        self.skip(false, |level, at| {
            if level <= outline::LEVELS {
                marks.push(at - start);
            }
        })?;
        Ok(Outline::new(&self.text[start..self.at], marks))
    }

    /// Passes over a value that may be `original` with changes: how both begin was scanned there
    /// and is not scanned again.
    pub(crate) fn edited(&mut self, original: &Outline<'_>) -> Result<&'a str, JsonError> {
        self.peek();
        let start = self.at;
        let same = common_prefix(&self.text.as_bytes()[start..], original.text().as_bytes());
        let open = original.open_at(same);
        let Some(innermost) = open.last() else { return self.value() };
        self.open.clear();
        self.open.extend(open.iter().map(Open::bracket));
        // The member in which they part is scanned whole: it may be a longer word, string or number.
        self.at = start + innermost.member;
        let is_first = innermost.member == innermost.start + 1;
        let ended = is_first && self.take(closing(innermost.bracket()));
        if ended {
            self.open.pop();
        } else if innermost.is_object {
            self.skip_key()?;
        }
        self.skip(ended, |_, _| ())?;
        Ok(&self.text[start..self.at])
    }

    /// Passes over a value, or from the end of one on (`ended`), to the end of all that is open.
    /// `mark` gets each bracket and comma of a container that is not empty, with its level.
    fn skip(&mut self, mut ended: bool, mut mark: impl FnMut(usize, usize)) -> Result<(), JsonError> {
        loop {
            if !std::mem::take(&mut ended) {
                // A value begins here.
                match self.peek() {
                    Some(bracket @ (b'{' | b'[')) => {
                        let start = self.at;
                        self.at += 1;
                        if self.around + self.open.len() >= DEEPEST {
                            return Err(self.error("no more than 127 containers in each other"));
                        }
                        if !self.take(closing(bracket)) {
                            self.open.push(bracket);
                            mark(self.open.len(), start);
                            if bracket == b'{' {
                                self.skip_key()?;
                            }
                            continue;
                        }
                    }
                    Some(b'"') => self.string()?,
                    Some(b'-' | b'0'..=b'9') => self.number()?,
                    Some(b't') => self.literal("true")?,
                    Some(b'f') => self.literal("false")?,
                    Some(b'n') => self.literal("null")?,
                    _ => return Err(self.error("a value")),
                }
            }
            // A value ended here.
            loop {
                let Some(bracket) = self.open.last().copied() else { return Ok(()) };
                match self.peek() {
                    Some(b',') => {
                        mark(self.open.len(), self.at);
                        self.at += 1;
                        if bracket == b'{' {
                            self.skip_key()?;
                        }
                        break;
                    }
                    Some(byte) if byte == closing(bracket) => {
                        mark(self.open.len(), self.at);
                        self.at += 1;
                        self.open.pop();
                    }
                    _ if bracket == b'{' => return Err(self.error("\",\" or \"}\"")),
                    _ => return Err(self.error("\",\" or \"]\"")),
                }
            }
        }
    }

    fn string(&mut self) -> Result<(), JsonError> {
        let bytes = self.text.as_bytes();
        self.at += 1;
        loop {
            self.at = plain_end(bytes, self.at);
            match bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    let length = match bytes.get(self.at + 1) {
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
                        Some(b'u')
                            if bytes
                                .get(self.at + 2..self.at + 6)
                                .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) =>
                        {
                            6
                        }
                        _ => return Err(self.error("an escape")),
                    };
                    self.at += length;
                }
                Some(_) => return Err(self.error("no control character in a string")),
                None => return Err(self.error("the end of a string")),
            }
        }
    }

    fn number(&mut self) -> Result<(), JsonError> {
        let bytes = self.text.as_bytes();
        if bytes[self.at] == b'-' {
            self.at += 1;
        }
        match bytes.get(self.at) {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = bytes.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = bytes.get(self.at) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        while bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        match self.at > start {
            true => Ok(()),
            false => Err(self.error("a digit")),
        }
    }

    fn literal(&mut self, word: &'static str) -> Result<(), JsonError> {
        match self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            true => {
                self.at += word.len();
                Ok(())
            }
            false => Err(self.error(word)),
        }
    }
}

/// The bracket that closes what `bracket` opens.
fn closing(bracket: u8) -> u8 {
    if bracket == b'{' { b'}' } else { b']' }
}

/// Where the run of plain characters from `at` on ends: at a quote, a backslash, a control
/// character, or the end of the text. Strings are most of a review, so eight bytes go at a time.
fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    while let Some(chunk) = bytes.get(at..at + 8) {
        let word = u64::from_le_bytes([
            chunk[0], chunk[1], chunk[2], chunk[3], chunk[4], chunk[5], chunk[6], chunk[7],
        ]);
        let zero_where = |pattern: u64| {
            let mixed = word ^ (ONES * pattern);
            mixed.wrapping_sub(ONES) & !mixed
        };
        // "Less than 0x20" needs the same trick: a borrow into the high bit of a byte without one.
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let special = (zero_where(u64::from(b'"')) | zero_where(u64::from(b'\\')) | control) & HIGHS;
        if special != 0 {
            // The lowest marked byte is exact; a borrow can only mark bytes above it.
            return at + (special.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while bytes.get(at).is_some_and(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)) {
        at += 1;
    }
    at
}

/// Where the string that begins at `at` ends, in a text that is known to be JSON.
pub(crate) fn string_end(bytes: &[u8], mut at: usize) -> usize {
    at += 1;
    loop {
        at = plain_end(bytes, at);
        match bytes.get(at) {
            Some(b'"') => return at + 1,
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
            None => return bytes.len(),
        }
    }
}

/// The value of a JSON string as written, quotes included.
pub(crate) fn unescape(written: &str) -> Result<Cow<'_, str>, serde_json::Error> {
    // The search among bytes, because the one in a text costs more than the rest of a short key.
    match written.len() >= 2 && written.starts_with('"') && !written.as_bytes().contains(&b'\\') {
        true => Ok(Cow::Borrowed(&written[1..written.len() - 1])),
        false => serde_json::from_str::<String>(written).map(Cow::Owned),
    }
}

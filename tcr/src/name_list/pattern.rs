//! One element of a list of names: a name or a glob.

use super::NameListProblem;

/// A name, or a glob of `*` (any characters, none too) and `?` (one character).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    text: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Any,
    Exact,
    Glob,
}

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Self, NameListProblem> {
        if text == "_" {
            return Ok(Self { text: "*".to_owned(), kind: Kind::Any });
        }
        check(text)?;
        let kind = if !text.contains(['*', '?']) {
            Kind::Exact
        } else if text.bytes().all(|byte| byte == b'*') {
            Kind::Any
        } else {
            Kind::Glob
        };
        Ok(Self { text: text.to_owned(), kind })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn is_any(&self) -> bool {
        self.kind == Kind::Any
    }

    pub(super) fn is_exact(&self) -> bool {
        self.kind == Kind::Exact
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        match self.kind {
            Kind::Any => true,
            Kind::Exact => self.text == name,
            Kind::Glob => glob(self.text.as_bytes(), name.as_bytes()),
        }
    }
}

/// A pattern that no name could match is a mistake, and an error.
fn check(text: &str) -> Result<(), NameListProblem> {
    if text.is_empty() {
        return Err(NameListProblem::NothingExcluded);
    }
    if text.contains(char::is_whitespace) {
        return Err(NameListProblem::Blank);
    }
    let is_wild = |c: char| c == '*' || c == '?';
    let is_alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    for c in text.chars() {
        if c.is_ascii_uppercase() {
            return Err(NameListProblem::UpperCase);
        }
        if !is_alphanumeric(c) && !is_wild(c) && c != '-' && c != '.' {
            return Err(NameListProblem::Character(c));
        }
    }
    for part in text.split('.') {
        let edge = |c: char| is_alphanumeric(c) || is_wild(c);
        if !part.starts_with(edge) || !part.ends_with(edge) {
            return Err(NameListProblem::Edge);
        }
    }
    if text.bytes().filter(|&byte| byte != b'*').count() > 253 {
        return Err(NameListProblem::Long);
    }
    Ok(())
}

/// On a mismatch only the last star takes one more byte: earlier stars need never be tried again,
/// so the time is at most the product of the two lengths, whatever the pattern.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, n));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((after_star, taken)) => {
                    star = Some((after_star, taken + 1));
                    p = after_star;
                    n = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

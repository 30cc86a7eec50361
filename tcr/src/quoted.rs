//! A value from outside, as an error message shows it.

use std::borrow::Cow;
use std::fmt;

use crate::registry_host::split_scheme;

/// Longest part of a value that a message repeats, in characters: enough to recognise it, and a
/// hostile megabyte stays out of logs and admission answers.
const SHOWN: usize = 80;

/// Displays `value` in double quotes, escaped, and cut after 80 characters.
pub(crate) fn quoted(value: &str) -> Quoted<'_> {
    Quoted(value)
}

/// A text that [`quoted`] shows.
pub(crate) struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut = self.0.char_indices().nth(SHOWN).and_then(|(end, _)| self.0.get(..end));
        match cut {
            Some(head) => fmt::Debug::fmt(&format!("{head}..."), f),
            None => fmt::Debug::fmt(self.0, f),
        }
    }
}

/// A host without the user information that was pasted along
/// (`https://user:password@host`), because that may hold a password.
pub(crate) fn without_user_information(host: &str) -> Cow<'_, str> {
    match host.rsplit_once('@') {
        Some((before, host)) => {
            let scheme = split_scheme(before).map(|(scheme, _)| format!("{scheme}://"));
            Cow::Owned(format!("{}[redacted]@{host}", scheme.unwrap_or_default()))
        }
        None => Cow::Borrowed(host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_is_cut_and_control_characters_are_escaped() {
        assert_eq!(quoted("a\n\"b\u{1b}").to_string(), r#""a\n\"b\u{1b}""#);
        assert_eq!(quoted(&"\u{e9}".repeat(81)).to_string(), format!("\"{}...\"", "\u{e9}".repeat(80)));
    }

    #[test]
    fn user_information_is_hidden() {
        assert_eq!(without_user_information("https://a:b@c@host/x"), "https://[redacted]@host/x");
        assert_eq!(without_user_information("a:b@host"), "[redacted]@host");
        assert_eq!(without_user_information("host"), "host");
    }
}

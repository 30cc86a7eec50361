//! Error messages for people: one line of bounded length, whatever they quote.
//!
//! Errors quote parts of a list, a file or a path. They become state, logs and answers only as a [`Message`],
//! so that a value of a megabyte costs none of them more than [`MOST_BYTES`].

use std::fmt::{self, Display, Write};

/// Longest message: several quoted values with the words around them, and a line that a log still shows.
pub const MOST_BYTES: usize = 1000;
/// The end of a message that was cut.
const CUT: &str = "...";

/// One line of at most [`MOST_BYTES`] bytes, without control characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message(String);

impl Message {
    /// The text of `value`, cut to the limit while it is written.
    pub fn new(value: impl Display) -> Self {
        let mut line = Line(String::new());
        // An error means that it is cut; nothing else fails.
        let _ = write!(line, "{value}");
        Self(line.0)
    }

    /// The message as a text of one line.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Takes text until it is full.
struct Line(String);

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            let character = if character == '\n' { ' ' } else { character };
            if character.is_control() {
                self.0.extend(character.escape_default());
            } else {
                self.0.push(character);
            }
            if self.0.len() > MOST_BYTES {
                let mut end = MOST_BYTES - CUT.len();
                while !self.0.is_char_boundary(end) {
                    end -= 1;
                }
                self.0.truncate(end);
                self.0.push_str(CUT);
                return Err(fmt::Error);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_short_text_is_as_it_was_but_on_one_line() {
        assert_eq!(Message::new("cannot read \"\u{e9}\"").as_str(), "cannot read \"\u{e9}\"");
        assert_eq!(Message::new("two\nlines\u{1b}[31m\0").as_str(), "two lines\\u{1b}[31m\\u{0}");
    }

    #[test]
    fn of_a_megabyte_no_more_is_kept_than_a_message_has() {
        for text in ["x".repeat(1 << 20), "\u{1f600}".repeat(1 << 18), "\0".repeat(1 << 20)] {
            let message = Message::new(&text);
            assert!(message.as_str().len() <= MOST_BYTES && message.as_str().ends_with("..."));
            assert!(message.0.capacity() <= 2 * MOST_BYTES);
        }
    }

    proptest! {
        #[test]
        fn any_text_becomes_a_bounded_line(text in ".{0,400}", repeated in 1..40usize) {
            let message = Message::new(text.repeat(repeated));
            prop_assert!(message.as_str().len() <= MOST_BYTES);
            prop_assert!(!message.as_str().contains(char::is_control));
            prop_assert_eq!(Message::new(&message), message);
        }
    }
}

//! Texts of others, made fit for a log line or a message.

use std::fmt::Write as _;

/// At most `most` bytes of a text, with what would steer a terminal or forge a line escaped, and
/// how long it was where some of it is missing. Every text that a guest, a caller or an object's
/// author wrote goes through this before it is logged.
pub fn shortened(text: &str, most: usize) -> String {
    let kept = cut(text, most);
    let mut out = String::with_capacity(kept.len() + 24);
    for character in kept.chars() {
        match character {
            '"' | '\'' | '\\' => out.push(character),
            // Control characters, and characters that hide or reorder the text around them.
            other => out.extend(other.escape_debug()),
        }
    }
    if kept.len() < text.len() {
        // Writing to a text does not fail.
        let _ = write!(out, "… ({} bytes)", text.len());
    }
    out
}

/// The beginning of a text: `most` bytes, or fewer so that no character is cut in two.
pub fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(text: &str, expected: Expect) {
        expected.assert_eq(&shortened(text, 12));
    }

    #[test]
    fn a_text_stays_on_its_line_and_within_its_bound() {
        check("plain \"text\"", expect![[r#"plain "text""#]]);
        check("", expect![""]);
        check("镜像 ok", expect!["镜像 ok"]);
        check("a\nERROR b", expect![[r"a\nERROR b"]]);
        check("\u{1b}[31mred\0", expect![[r"\u{1b}[31mred\0"]]);
        check("a\u{202e}b\u{2028}c", expect![[r"a\u{202e}b\u{2028}c"]]);
        check("0123456789abcd", expect!["0123456789ab… (14 bytes)"]);
        check("0123456789a镜", expect!["0123456789a… (14 bytes)"]);
    }

    #[test]
    fn a_megabyte_costs_what_is_kept() {
        assert_eq!(shortened(&"x".repeat(1 << 20), 3), "xxx… (1048576 bytes)");
    }
}

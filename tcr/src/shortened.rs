//! Texts of others, cut to what a message may repeat of them.

const MARK: &str = "...";

/// At most `most` bytes of a text, ending in `...` where some of it is missing.
pub fn shortened(mut text: String, most: usize) -> String {
    if text.len() > most {
        let room = most.saturating_sub(MARK.len());
        let end = (0..=room).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push_str(&MARK[..MARK.len().min(most)]);
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_missing_is_marked() {
        let check = |text: &str, most, expected: &str| assert_eq!(shortened(text.to_owned(), most), expected);
        check("1234567890", 10, "1234567890");
        check("12345678901", 10, "1234567...");
        check("123456\u{e9}8901", 10, "123456...");
        check("1234", 2, "..");
        check("", 0, "");
    }

    proptest! {
        #[test]
        fn nothing_is_longer_and_what_fits_stays(text in any::<String>(), most in 0..40_usize) {
            let cut = shortened(text.clone(), most);
            prop_assert!(cut.len() <= most);
            prop_assert!(cut == text || text.len() > most);
        }
    }
}

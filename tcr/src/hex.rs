//! Bytes as lower-case hexadecimal digits.

/// The digits of `bytes`.
pub fn encode(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value & 0xf)]);
    // Allocated once: a growing text would leave parts of a key behind in freed memory.
    let mut text = String::with_capacity(bytes.len() * 2);
    text.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]));
    text
}

/// The `N` bytes whose digits `text` has; none where it is anything else, capitals included, so that compared
/// texts have one form.
pub fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != N * 2 {
        return None;
    }
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn anything_but_as_many_lower_case_digits_is_nothing() {
        assert_eq!(encode(&[0x00, 0x0f, 0xa0, 0xff]), "000fa0ff");
        assert_eq!(decode("00ff"), Some([0x00, 0xff]));
        for text in ["", "00f", "00fff", "00FF", "00f ", "0\u{e9}f"] {
            assert_eq!(decode::<2>(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(bytes in any::<[u8; 7]>()) {
            prop_assert_eq!(decode(&encode(&bytes)), Some(bytes));
        }

        #[test]
        fn what_is_read_has_no_other_form(text in "[0-9a-f]{8}|.{0,9}") {
            if let Some(bytes) = decode::<4>(&text) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }
    }
}

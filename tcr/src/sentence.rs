//! Lists in sentences.

/// The parts with a separator between each two. Not the standard library's `join`, which is two
/// kilobytes of wasm for each type of parts.
pub fn joined<T: AsRef<str>>(parts: &[T], separator: &str) -> String {
    let mut text = String::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            text.push_str(separator);
        }
        text.push_str(part.as_ref());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_joined_as_the_standard_library_joins_them() {
        for parts in [&[][..], &[""], &["a"], &["", "b"], &["a", "", "c"]] {
            assert_eq!(joined(parts, ", "), parts.join(", "));
        }
    }
}

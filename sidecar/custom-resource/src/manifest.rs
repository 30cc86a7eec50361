//! Objects as YAML text.

use serde::Serialize;

/// One object as YAML, every value on one line however long, unless it has line ends of its own: a
/// fold would move with each change, and hide values from a search by line.
///
/// # Errors
/// The object has no form in YAML.
pub fn yaml<T: Serialize>(object: &T) -> anyhow::Result<String> {
    let mut options = serde_saphyr::SerializerOptions::default();
    options.min_fold_chars = usize::MAX;
    options.folded_wrap_chars = usize::MAX;
    Ok(serde_saphyr::to_string_with_options(object, options)?)
}

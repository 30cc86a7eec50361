//! Texts of an object, to be looked up often: an object has as many as its author likes, and looking
//! through them for each of them would cost their square.

use std::collections::BinaryHeap;

/// Distinct texts in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TextSet<'t>(Vec<&'t str>);

impl TextSet<'_> {
    pub(crate) fn has(&self, text: &str) -> bool {
        self.0.binary_search(&text).is_ok()
    }

    /// Takes a text out; whether it was there.
    pub(crate) fn take(&mut self, text: &str) -> bool {
        let found = self.0.binary_search(&text);
        found.map(|at| self.0.remove(at)).is_ok()
    }
}

impl<'t> TextSet<'t> {
    pub(crate) fn as_slice(&self) -> &[&'t str] {
        &self.0
    }
}

impl<'t> FromIterator<&'t str> for TextSet<'t> {
    fn from_iter<I: IntoIterator<Item = &'t str>>(texts: I) -> Self {
        Self(sorted(texts.into_iter().collect()))
    }
}

/// Heapsort, once for all kinds of iterators: a slice's own sort is 9 KB of wasm.
fn sorted(texts: Vec<&str>) -> Vec<&str> {
    let mut texts = BinaryHeap::from(texts).into_sorted_vec();
    texts.dedup();
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_is_there_once_and_is_taken_once() {
        let mut set: TextSet<'_> = ["b", "a", "b", ""].into_iter().collect();
        assert_eq!(set.as_slice(), ["", "a", "b"]);
        assert!(set.has("b") && !set.has("c"));
        assert!(set.take("b") && !set.take("b") && !set.has("b"));
    }
}

//! What a new list does not have.

use std::borrow::Borrow;
use std::collections::BTreeSet;

/// What was known when a list began and has not been in it so far. It stays known until the list is complete: nothing
/// seems to be missing because a watch broke off.
#[derive(Clone, Debug)]
pub(crate) struct Unlisted<K>(BTreeSet<K>);

impl<K> Default for Unlisted<K> {
    fn default() -> Self {
        Self(BTreeSet::new())
    }
}

impl<K: Ord> Unlisted<K> {
    /// A list begins, perhaps instead of one that came to no end.
    pub(crate) fn begin(&mut self, known: impl IntoIterator<Item = K>) {
        self.0 = known.into_iter().collect();
    }

    /// The list has it.
    pub(crate) fn saw<Q>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.0.remove(key);
    }

    /// The list is complete: these are gone.
    pub(crate) fn end(&mut self) -> impl Iterator<Item = K> + use<K> {
        std::mem::take(&mut self.0).into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complete_list_tells_what_it_did_not_have_once() {
        let mut unlisted = Unlisted::default();
        unlisted.begin(["gone", "kept"]);
        unlisted.saw("kept");
        unlisted.saw("new");
        assert_eq!(unlisted.end().collect::<Vec<_>>(), ["gone"]);
        assert_eq!(unlisted.end().count(), 0);
    }

    #[test]
    fn a_list_that_came_to_no_end_tells_nothing() {
        let mut unlisted = Unlisted::default();
        unlisted.begin(["a", "b"]);
        unlisted.saw("b");
        unlisted.begin(["a", "b"]);
        unlisted.saw("a");
        assert_eq!(unlisted.end().collect::<Vec<_>>(), ["b"]);
    }
}

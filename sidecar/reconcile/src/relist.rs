//! The full list of a kind, which a watch receives again after it broke off.

use std::borrow::Borrow;
use std::collections::BTreeSet;

/// Keys that were known when the list began and have not been in it yet. They stay known until the list is
/// complete, so that a broken watch never makes an object seem to be gone.
#[derive(Clone, Debug)]
pub(crate) struct Relist<K>(BTreeSet<K>);

impl<K> Default for Relist<K> {
    fn default() -> Self {
        Self(BTreeSet::new())
    }
}

impl<K: Ord> Relist<K> {
    /// A list begins; an earlier one that did not complete is dropped.
    pub(crate) fn begin(&mut self, known: impl IntoIterator<Item = K>) {
        self.0 = known.into_iter().collect();
    }

    /// The list contains the key.
    pub(crate) fn saw<Q>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.0.remove(key);
    }

    /// The list is complete. Returns the keys that it did not contain.
    pub(crate) fn end(&mut self) -> impl Iterator<Item = K> + use<K> {
        std::mem::take(&mut self.0).into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complete_list_tells_what_it_did_not_have_once() {
        let mut relist = Relist::default();
        relist.begin(["gone", "kept"]);
        relist.saw("kept");
        relist.saw("new");
        assert_eq!(relist.end().collect::<Vec<_>>(), ["gone"]);
        assert_eq!(relist.end().count(), 0);
    }

    #[test]
    fn a_list_that_came_to_no_end_tells_nothing() {
        let mut relist = Relist::default();
        relist.begin(["a", "b"]);
        relist.saw("b");
        relist.begin(["a", "b"]);
        relist.saw("a");
        assert_eq!(relist.end().collect::<Vec<_>>(), ["b"]);
    }
}

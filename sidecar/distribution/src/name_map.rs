//! A map by name for a handful of entries: one sorted allocation, with shared names.
//!
//! A `BTreeMap` allocates room for eleven entries at once, which for the one Secret and the three
//! ServiceAccounts of each of 10,000 namespaces is most of the memory that the controller may use.

use std::sync::Arc;

/// Few entries, sorted by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameMap<V> {
    entries: Vec<Entry<V>>,
}

/// An entry; only iteration shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<V> {
    name: Arc<str>,
    /// Not seen again since [`NameMap::mark`].
    marked: bool,
    value: V,
}

impl<V> Default for NameMap<V> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

impl<V> NameMap<V> {
    /// The entry of this name.
    pub fn get(&self, name: &str) -> Option<&V> {
        self.find(name).ok().map(|index| &self.entries[index].value)
    }

    /// The entry of this name, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut V> {
        self.find(name).ok().map(|index| &mut self.entries[index].value)
    }

    /// Whether there is an entry of this name.
    pub fn contains_key(&self, name: &str) -> bool {
        self.find(name).is_ok()
    }

    /// Puts an entry in, and returns the one that it replaces.
    pub fn insert(&mut self, name: impl Into<Arc<str>>, value: V) -> Option<V> {
        let name = name.into();
        match self.find(&name) {
            Ok(index) => {
                self.entries[index].marked = false;
                Some(std::mem::replace(&mut self.entries[index].value, value))
            }
            Err(index) => {
                // Exactly as much as needed: most maps never grow again.
                self.entries.reserve_exact(1);
                self.entries.insert(index, Entry { name, marked: false, value });
                None
            }
        }
    }

    /// Takes an entry out.
    pub fn remove(&mut self, name: &str) -> Option<V> {
        self.find(name).ok().map(|index| self.entries.remove(index).value)
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Entries in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        self.entries.iter().map(|entry| (&*entry.name, &entry.value))
    }

    /// The values in the order of names.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.iter().map(|entry| &entry.value)
    }

    /// The values in the order of names, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.entries.iter_mut().map(|entry| &mut entry.value)
    }

    /// Marks every entry as not seen again. [`NameMap::insert`] and [`NameMap::unmark`] take the mark off.
    pub fn mark(&mut self) {
        self.entries.iter_mut().for_each(|entry| entry.marked = true);
    }

    /// The entry is still there.
    pub fn unmark(&mut self, name: &str) {
        if let Ok(index) = self.find(name) {
            self.entries[index].marked = false;
        }
    }

    /// Drops the marked entries that `may_go`; whether there were any.
    pub fn sweep(&mut self, may_go: impl Fn(&V) -> bool) -> bool {
        let before = self.entries.len();
        self.entries.retain(|entry| !(entry.marked && may_go(&entry.value)));
        self.entries.len() != before
    }

    fn find(&self, name: &str) -> Result<usize, usize> {
        self.entries.binary_search_by(|entry| (*entry.name).cmp(name))
    }
}

impl<V> IntoIterator for NameMap<V> {
    type Item = (Arc<str>, V);
    type IntoIter = std::iter::Map<std::vec::IntoIter<Entry<V>>, fn(Entry<V>) -> (Arc<str>, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter().map(|entry| (entry.name, entry.value))
    }
}

impl<V, N: Into<Arc<str>>> FromIterator<(N, V)> for NameMap<V> {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(entries: I) -> Self {
        let mut map = Self::default();
        entries.into_iter().for_each(|(name, value)| drop(map.insert(name, value)));
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_by_name_and_listed_in_order() {
        let map: NameMap<i32> = [("b", 2), ("a", 1), ("c", 3), ("a", 4)].into_iter().collect();
        assert_eq!(map.iter().collect::<Vec<_>>(), [("a", &4), ("b", &2), ("c", &3)]);
        assert_eq!((map.get("b"), map.get("d")), (Some(&2), None));
    }

    #[test]
    fn what_was_not_seen_again_is_swept() {
        let mut map: NameMap<i32> = [("a", 1), ("b", 2), ("c", 3), ("d", 4)].into_iter().collect();
        map.mark();
        map.insert("a", 1);
        map.unmark("b");
        assert!(map.sweep(|value| *value != 3));
        assert_eq!(map.iter().map(|(name, _)| name).collect::<String>(), "abc");
        assert!(!map.sweep(|value| *value != 3));
    }
}

//! Names and lists that most namespaces have in common, each once in memory.

use std::collections::HashSet;
use std::sync::Arc;

use distribution::References;

/// Names, and lists, that are shared at most; beyond this each use has its own copy.
const MOST: usize = 4096;

/// The shared names and lists: `default`, the names of our Secrets, and lists of references.
#[derive(Debug, Default)]
pub(super) struct SharedNames {
    names: HashSet<Arc<str>>,
    lists: HashSet<References>,
}

impl SharedNames {
    /// The shared copy of a name.
    pub(super) fn name(&mut self, name: &str) -> Arc<str> {
        if let Some(shared) = self.names.get(name) {
            return shared.clone();
        }
        let name: Arc<str> = name.into();
        if self.names.len() < MOST {
            self.names.insert(name.clone());
        }
        name
    }

    /// The shared copy of a list.
    pub(super) fn list(&mut self, list: References) -> References {
        if let Some(shared) = self.lists.get(&list) {
            return shared.clone();
        }
        let list: References = list.iter().map(|name| self.name(name)).collect();
        if self.lists.len() >= MOST {
            // Lists that no namespace uses any more.
            self.lists.retain(|list| Arc::strong_count(list) > 1);
        }
        if self.lists.len() < MOST {
            self.lists.insert(list.clone());
        }
        list
    }
}

//! What the words stand for by which marks call contents.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use distribution::Digest;
use distribution::mark::InstallationKey;

/// Contents whose words are remembered; of another one a Secret is read.
const MOST: usize = 4096;

/// The words of the contents that were told.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// Makes the words; without one marks say nothing.
    key: Option<Arc<InstallationKey>>,
    /// Contents by their words.
    contents: HashMap<Digest, Digest>,
    /// The same contents: making a word costs more than looking here.
    known: HashSet<Digest>,
}

impl Words {
    /// None yet, of the marks that this key makes.
    pub(super) fn new(key: Arc<InstallationKey>) -> Self {
        Self { key: Some(key), ..Self::default() }
    }

    /// What the word stands for; the word itself where that is not known.
    pub(super) fn content(&self, word: Digest) -> Digest {
        self.contents.get(&word).copied().unwrap_or(word)
    }

    /// Remembers the word of a content; gives it where it is new.
    pub(super) fn learn(&mut self, content: Digest) -> Option<Digest> {
        let key = self.key.as_ref().filter(|_| !self.known.contains(&content))?;
        let word = key.tag(content).unknown();
        if self.contents.len() >= MOST {
            self.contents.clear();
            self.known.clear();
        }
        self.contents.insert(word, content);
        self.known.insert(content);
        Some(word)
    }
}

//! Maps the words by which marks name contents (HMACs of their digests) to those contents.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use distribution::Digest;
use distribution::mark::InstallationKey;

/// Contents whose words are remembered. A Secret with any other content is read.
const MOST: usize = 4096;

/// The words of the known contents.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// Makes the words; without a key marks tell nothing.
    key: Option<Arc<InstallationKey>>,
    /// Contents by their words.
    contents: HashMap<Digest, Digest>,
    /// The contents: this look-up is cheaper than making a word.
    known: HashSet<Digest>,
}

impl Words {
    /// An empty one, for the marks that this key makes.
    pub(super) fn new(key: Arc<InstallationKey>) -> Self {
        Self { key: Some(key), ..Self::default() }
    }

    /// The content that the word stands for; the word itself where that is not known.
    pub(super) fn content(&self, word: Digest) -> Digest {
        self.contents.get(&word).copied().unwrap_or(word)
    }

    /// Remembers the word of a content; returns it if it is new.
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

//! The ConfigMap with the nodes' entries: its content when read, and the content to write.

use tcr::hosts_entry::{HostsEntry, HostsEntryError, HostsList, TooManyEntries};

use crate::{Fact, Resolved, entries};

/// The ConfigMap as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostsMap {
    /// The text under its key; none where the key or the ConfigMap does not exist.
    pub text: Option<String>,
    /// The add-on is being removed: nodes are to have no entries.
    pub is_withdrawn: bool,
}

/// The planned write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The new text; none where the present one means the same.
    pub write: Option<String>,
    /// The list's generation, by which nodes identify it: empty while there is none.
    pub generation: String,
}

/// Why no list can be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The present text cannot be parsed, and the links are not known yet. The nodes have kept the last valid
    /// list, and a list without knowledge of it would be worse.
    #[error("it has no list that can be read, and not all links are known yet")]
    NotKnown,
    /// An entry has an address that no registry can have.
    #[error(transparent)]
    Entry(#[from] HostsEntryError),
    /// There are more entries than nodes accept.
    #[error(transparent)]
    TooMany(#[from] TooManyEntries),
}

impl HostsMap {
    fn list(&self) -> Option<HostsList> {
        serde_saphyr::from_str(self.text.as_ref()?).ok()
    }

    /// The entries that nodes have; empty where they cannot be parsed.
    pub fn entries(&self) -> Vec<HostsEntry> {
        self.list().map(|list| list.entries().to_vec()).unwrap_or_default()
    }

    /// The write for these links, which keeps the administrator's own entries.
    ///
    /// # Errors
    /// No valid list can be written.
    pub fn plan(
        &self,
        own: &[HostsEntry],
        resolved: &[Resolved],
        is_whose_known: impl Fn(&HostsEntry) -> bool,
    ) -> Result<Planned, PlanError> {
        let list = self.list();
        let is_broken = self.text.is_some() && list.is_none();
        if is_broken && resolved.iter().any(|one| one.fact == Fact::Unknown) {
            return Err(PlanError::NotKnown);
        }
        let before = list.as_ref().map(HostsList::entries).unwrap_or_default();
        let entries = entries(own, resolved, before, is_whose_known)?;
        let wanted = HostsList::new(if self.is_withdrawn { Vec::new() } else { entries })?;
        let is_same = match (&self.text, &list) {
            (Some(_), list) => list.as_ref() == Some(&wanted),
            (None, _) => wanted.entries().is_empty(),
        };
        Ok(match (is_same, &self.text) {
            (true, None) => Planned { write: None, generation: String::new() },
            (true, Some(_)) => Planned { write: None, generation: wanted.generation() },
            (false, _) => Planned { write: Some(wanted.to_yaml()), generation: wanted.generation() },
        })
    }
}

#[cfg(test)]
mod tests;

//! The ConfigMap with the nodes' entries: how it was read, and what is written to it.

use tcr::hosts_entry::{HostsEntry, HostsEntryError, HostsList, TooManyEntries};

use crate::{Fact, Resolved, entries};

/// The ConfigMap as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostsMap {
    /// What is under its key; none while there is nothing.
    pub text: Option<String>,
    /// The add-on is being removed: nodes shall have no entries.
    pub is_withdrawn: bool,
}

/// What is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// What the key shall hold instead; none where it says the same already.
    pub write: Option<String>,
    /// The list's generation, by which nodes tell which one they have: empty while there is none.
    pub generation: String,
}

/// Why no list can be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// What is there cannot be read, and what should be there is not known yet. The nodes have kept the last good list,
    /// and without knowing it ours would be a worse one.
    #[error("it has no list that can be read, and not all links are known yet")]
    NotKnown,
    /// An address that no registry can have.
    #[error(transparent)]
    Entry(#[from] HostsEntryError),
    /// More entries than nodes take.
    #[error(transparent)]
    TooMany(#[from] TooManyEntries),
}

impl HostsMap {
    fn list(&self) -> Option<HostsList> {
        serde_saphyr::from_str(self.text.as_ref()?).ok()
    }

    /// The entries that nodes have; none where they cannot be read.
    pub fn entries(&self) -> Vec<HostsEntry> {
        self.list().map(|list| list.entries().to_vec()).unwrap_or_default()
    }

    /// What is to be written for these links, beside the administrator's own entries.
    ///
    /// # Errors
    /// There is no good list to write.
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

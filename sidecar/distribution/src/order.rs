//! Which writes of a plan may go on when others failed. Pure.
//!
//! ```text
//!   Secret made or taken over ──► reference added
//!   reference removed from every ServiceAccount ──► Secret deleted
//! ```
//!
//! Nothing else depends on another write: a write that is refused, overtaken or held back stops only what
//! these two arrows lead to. A ServiceAccount's list is changed in one patch, so additions that have to wait
//! are left out of it and the rest is written.

use std::collections::BTreeSet;

use super::contest::TargetKind;
use super::plan::Change;

/// What must not be written because of writes that were not carried out.
#[derive(Clone, Debug, Default)]
pub struct Stopped {
    /// Secrets that do not exist, or are not ours yet: no reference may be added.
    missing: BTreeSet<String>,
    /// Secrets that a ServiceAccount still refers to: they may not be deleted.
    referred: BTreeSet<String>,
}

impl Stopped {
    /// The write is not carried out.
    pub fn stop(&mut self, change: &Change) {
        match change {
            Change::CreateSecret { .. }
            | Change::ReplaceSecret { .. }
            | Change::UpdateSecret { is_foreign: true, .. } => {
                self.missing.insert(change.target().1.into_owned());
            }
            Change::EditReferences { edit, .. } => {
                self.referred.extend(edit.removed().map(str::to_owned));
            }
            // The old Secret stays, and no write depends on its deletion.
            Change::UpdateSecret { is_foreign: false, .. }
            | Change::MarkSecret { .. }
            | Change::DeleteSecret { .. } => {}
        }
    }

    /// The part of the write that depends on no stopped write; none where nothing is left of it.
    pub fn admit(&self, change: Change) -> Option<Change> {
        match change {
            Change::EditReferences { account, edit } => {
                let edit = edit.without(|secret| self.missing.contains(secret))?;
                Some(Change::EditReferences { account, edit })
            }
            Change::DeleteSecret { ref secret, .. } if self.referred.contains(secret) => None,
            other => Some(other),
        }
    }
}

/// The part of a plan that may be carried out while the objects that are `held` are left as they are.
pub fn hold_back(changes: Vec<Change>, is_held: impl Fn(TargetKind, &str) -> bool) -> Vec<Change> {
    let mut stopped = Stopped::default();
    let admit = |change: Change| {
        let (kind, name) = change.target();
        if is_held(kind, &name) {
            stopped.stop(&change);
            return None;
        }
        stopped.admit(change)
    };
    changes.into_iter().filter_map(admit).collect()
}

#[cfg(test)]
mod tests;

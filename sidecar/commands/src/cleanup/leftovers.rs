//! The objects that are left in a namespace, and why. Pure.

use std::collections::BTreeMap;

use distribution::job::Written;
use distribution::{Change, Namespace, TargetKind};

/// Why writes were refused, in the API server's words.
pub(super) type Refused = BTreeMap<(TargetKind, String), String>;

/// An object that is left unchanged.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) kind: TargetKind,
    pub(super) name: String,
    /// Its write was refused; else it waits for another object that is left.
    pub(super) is_refused: bool,
    pub(super) why: String,
    /// The ImagePullSecrets that led to it.
    pub(super) image_pull_secrets: Vec<String>,
}

/// Takes in what was written.
pub(super) fn apply(written: &[Written], seen: &mut Namespace) {
    for one in written {
        match one {
            Written::Secret { name, seen: Some(found) } => {
                seen.secrets.insert(name.as_str(), found.clone());
            }
            Written::Secret { name, seen: None } => drop(seen.secrets.remove(name)),
            Written::Account(placed) => {
                seen.accounts.insert(placed.name.clone(), placed.seen.clone());
            }
            Written::AccountGone { name } => drop(seen.accounts.remove(name)),
        }
    }
}

/// The objects that a plan made now would still change. `otherwise` is the reason where no other is known.
pub(super) fn left(seen: &Namespace, plan: Vec<Change>, refused: &Refused, otherwise: &str) -> Vec<Left> {
    let one = |change: Change| {
        let (kind, name) = change.target();
        let refusal = refused.get(&(kind, name.clone().into_owned()));
        let why =
            refusal.cloned().or_else(|| referring(seen, &change)).unwrap_or_else(|| otherwise.to_owned());
        Left {
            kind,
            name: name.into_owned(),
            is_refused: refusal.is_some(),
            why,
            image_pull_secrets: change.image_pull_secrets().into_iter().map(str::to_owned).collect(),
        }
    };
    plan.into_iter().map(one).collect()
}

/// The ServiceAccounts that keep a Secret from being deleted.
fn referring(seen: &Namespace, change: &Change) -> Option<String> {
    let Change::DeleteSecret { secret, .. } = change else { return None };
    let mut accounts =
        seen.accounts.iter().filter(|(_, account)| account.refers_to(secret)).map(|(name, _)| name);
    let first = accounts.next()?;
    Some(match accounts.count() {
        0 => format!("ServiceAccount {first} still refers to it"),
        count => format!("ServiceAccounts {first} and {count} more still refer to it"),
    })
}

#[cfg(test)]
mod tests;

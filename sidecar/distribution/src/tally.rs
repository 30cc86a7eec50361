//! Counts of one namespace's progress, which are summed for an ImagePullSecret's status.

use std::collections::BTreeMap;
use std::ops::{AddAssign, SubAssign};

use super::desired::{Desired, Distribution, owner};
use super::observed::{Namespace, SeenSecret};
use super::plan::is_conflict;

/// Counts for one ImagePullSecret, of one namespace or summed over all. Sums are kept by
/// subtracting a namespace's old tally and adding its new one, so a change costs one namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Namespaces that are to have the Secret.
    pub secrets_desired: i64,
    /// Namespaces that have it, with the right bytes.
    pub secrets_success: i64,
    /// ServiceAccounts that are to refer to it.
    pub accounts_desired: i64,
    /// ServiceAccounts that refer to it.
    pub accounts_success: i64,
    /// Namespaces that have it with the right bytes and its mark.
    pub secrets_marked: i64,
    /// Namespaces in which another owner's Secret has the name.
    pub conflicts: i64,
    /// Secrets and references that are still to be removed.
    pub leftovers: i64,
}

impl Tally {
    /// Whether something was undone from `before` to this, while the desired state stayed the same: fewer
    /// objects are as desired, or more are left to be removed.
    pub fn is_undone_from(&self, before: &Self) -> bool {
        (self.secrets_desired, self.accounts_desired) == (before.secrets_desired, before.accounts_desired)
            && (self.secrets_success < before.secrets_success
                || self.accounts_success < before.accounts_success
                || self.secrets_marked < before.secrets_marked
                || self.leftovers > before.leftovers)
    }
}

/// The tally of one namespace for each ImagePullSecret; entries that are all zero are left out.
pub fn tally(namespace: &str, seen: &Namespace, desired: &Desired) -> BTreeMap<String, Tally> {
    let of = |(secret, distribution): (&str, &Distribution)| {
        (owner(secret).to_owned(), tally_one(namespace, seen, secret, distribution))
    };
    desired.secrets().map(of).filter(|(_, tally)| *tally != Tally::default()).collect()
}

/// The tally of one namespace for the ImagePullSecret whose Secret is `secret`.
pub fn tally_one(namespace: &str, seen: &Namespace, secret: &str, distribution: &Distribution) -> Tally {
    let mut tally = Tally::default();
    if !seen.is_live() {
        return tally;
    }
    let found = seen.secrets.get(secret);
    let wanted = distribution.wants(namespace, seen);
    if wanted {
        tally.secrets_desired = 1;
        tally.conflicts = i64::from(is_conflict(found, distribution.conflict_policy));
        let digest = distribution.content.as_ref().map(|content| content.digest());
        if let Some(SeenSecret::Ours { digest: Some(found), labelled: true, mendable: true, marked, .. }) =
            found
            && Some(*found) == digest
        {
            tally.secrets_success = 1;
            tally.secrets_marked = i64::from(*marked);
        }
    } else {
        tally.leftovers += i64::from(found.is_some_and(SeenSecret::is_ours));
    }
    // As in the plan: another owner's, or not known yet to be ours.
    let may_be_theirs = match found {
        Some(SeenSecret::Foreign { .. }) => true,
        Some(SeenSecret::Ours { .. }) => false,
        None => wanted && distribution.content.is_none(),
    };
    for (account, seen_account) in seen.accounts.iter() {
        let refers = seen_account.refers_to(secret);
        if wanted && distribution.wants_account(account) {
            tally.accounts_desired += 1;
            tally.accounts_success += i64::from(refers);
        } else if refers && !may_be_theirs {
            tally.leftovers += 1;
        }
    }
    tally
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.secrets_desired += other.secrets_desired;
        self.secrets_success += other.secrets_success;
        self.secrets_marked += other.secrets_marked;
        self.accounts_desired += other.accounts_desired;
        self.accounts_success += other.accounts_success;
        self.conflicts += other.conflicts;
        self.leftovers += other.leftovers;
    }
}

impl SubAssign for Tally {
    fn sub_assign(&mut self, other: Self) {
        self.secrets_desired -= other.secrets_desired;
        self.secrets_success -= other.secrets_success;
        self.secrets_marked -= other.secrets_marked;
        self.accounts_desired -= other.accounts_desired;
        self.accounts_success -= other.accounts_success;
        self.conflicts -= other.conflicts;
        self.leftovers -= other.leftovers;
    }
}

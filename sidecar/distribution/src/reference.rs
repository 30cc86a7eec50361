//! The patch that adds and removes our entries of a ServiceAccount's `imagePullSecrets`.
//!
//! The list is atomic (`+listType=atomic`, k8s.io/api core/v1 ServiceAccount): a client that applies it owns
//! all of it. So it is never applied, and never sent whole where it exists; single elements are added at the
//! end or removed, under a test of the version that was read.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::identity::ResourceVersion;
use super::observed::Account;

/// The changes to the list of one ServiceAccount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The ServiceAccount as it was read.
    account: Account,
    /// Indices of the entries to remove.
    remove: BTreeSet<usize>,
    /// Secrets to add references to.
    add: Vec<String>,
}

/// One operation of an [`Edit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation<'a> {
    /// Remove the entry at this index.
    Remove(usize),
    /// Add an entry at the end.
    Append(&'a str),
    /// Create the list, which does not exist, with these entries.
    Create(&'a [String]),
}

impl Edit {
    /// An edit; none where there is nothing to do.
    pub fn new(account: &Account, remove: BTreeSet<usize>, add: Vec<String>) -> Option<Self> {
        let is_needed = !(remove.is_empty() && add.is_empty());
        is_needed.then(|| Self { account: account.clone(), remove, add })
    }

    /// Secrets to which references are added.
    pub fn added(&self) -> impl Iterator<Item = &str> {
        self.add.iter().map(String::as_str)
    }

    /// Secrets to which references are removed.
    pub fn removed(&self) -> impl Iterator<Item = &str> {
        self.remove.iter().filter_map(|index| self.account.references.get(*index)).map(|name| &**name)
    }

    /// The edit without additions of Secrets that `is_missing`; none where nothing is left of it.
    pub fn without(mut self, is_missing: impl Fn(&str) -> bool) -> Option<Self> {
        self.add.retain(|secret| !is_missing(secret));
        let is_needed = !(self.remove.is_empty() && self.add.is_empty());
        is_needed.then_some(self)
    }

    /// The version that the list was read from.
    pub fn version(&self) -> &ResourceVersion {
        &self.account.resource_version
    }

    /// The operations, to be applied in this order.
    pub fn operations(&self) -> impl Iterator<Item = Operation<'_>> {
        let Self { account, remove, add } = self;
        // From the end, so that the remaining indices stay valid.
        let removals = remove.iter().rev().copied().map(Operation::Remove);
        let (added, made) = if account.has_list { (&**add, None) } else { (&[][..], Some(&**add)) };
        removals.chain(added.iter().map(|name| Operation::Append(name))).chain(made.map(Operation::Create))
    }

    /// A JSON patch (RFC 6902), which tests the version that the list was read from.
    pub fn patch(&self) -> Vec<Value> {
        let version = self.version().to_string();
        let test = json!({"op": "test", "path": "/metadata/resourceVersion", "value": version});
        std::iter::once(test).chain(self.operations().map(|operation| operation.to_json())).collect()
    }
}

impl Operation<'_> {
    fn to_json(self) -> Value {
        match self {
            Self::Remove(index) => json!({"op": "remove", "path": format!("/imagePullSecrets/{index}")}),
            Self::Append(name) => {
                json!({"op": "add", "path": "/imagePullSecrets/-", "value": {"name": name}})
            }
            Self::Create(names) => {
                let list: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
                json!({"op": "add", "path": "/imagePullSecrets", "value": list})
            }
        }
    }
}

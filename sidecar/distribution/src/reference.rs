//! The patch that adds and removes our entries of a ServiceAccount's `imagePullSecrets`.
//!
//! The list is atomic (`+listType=atomic`, k8s.io/api core/v1 ServiceAccount): who applies it owns
//! all of it. So it is never applied, and never sent whole where it exists; single elements are
//! added at the end or removed, under a test of the version that was read.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::observed::Account;

/// What is to be changed in the list of one ServiceAccount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The ServiceAccount as it was read.
    account: Account,
    /// Places of the entries that go.
    remove: BTreeSet<usize>,
    /// Secrets that are added.
    add: Vec<String>,
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

    /// A JSON patch (RFC 6902), which tests the version that the list was read from.
    pub fn patch(&self) -> Vec<Value> {
        let Self { account, remove, add } = self;
        let version = account.resource_version.to_string();
        let mut operations =
            vec![json!({"op": "test", "path": "/metadata/resourceVersion", "value": version})];
        // From the back, so that the indices in front stay what they were.
        let removals = remove.iter().rev();
        operations.extend(
            removals.map(|index| json!({"op": "remove", "path": format!("/imagePullSecrets/{index}")})),
        );
        let entries = add.iter().map(|name| json!({"name": name}));
        match account.has_list {
            true => operations.extend(
                entries.map(|entry| json!({"op": "add", "path": "/imagePullSecrets/-", "value": entry})),
            ),
            false => {
                let list: Vec<Value> = entries.collect();
                operations.push(json!({"op": "add", "path": "/imagePullSecrets", "value": list}));
            }
        }
        operations
    }
}

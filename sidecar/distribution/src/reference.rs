//! The patch that adds and removes our entries of a ServiceAccount's `imagePullSecrets`.
//!
//! The list is atomic (`+listType=atomic`, k8s.io/api core/v1 ServiceAccount): who applies it owns
//! all of it. So it is never applied, and never sent whole where it exists; single elements are
//! added at the end or removed, under a test of the version that was read.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::observed::Account;

/// A JSON patch (RFC 6902) that removes the entries at `remove` and appends `add`; none where
/// there is nothing to do.
pub fn patch(account: &Account, remove: &BTreeSet<usize>, add: &[String]) -> Option<Value> {
    if remove.is_empty() && add.is_empty() {
        return None;
    }
    let mut operations = vec![
        json!({"op": "test", "path": "/metadata/resourceVersion", "value": account.resource_version.to_string()}),
    ];
    // From the back, so that the indices in front stay what they were.
    let removals = remove.iter().rev();
    operations
        .extend(removals.map(|index| json!({"op": "remove", "path": format!("/imagePullSecrets/{index}")})));
    if account.has_list {
        operations.extend(
            add.iter()
                .map(|name| json!({"op": "add", "path": "/imagePullSecrets/-", "value": {"name": name}})),
        );
    } else {
        let list: Vec<Value> = add.iter().map(|name| json!({"name": name})).collect();
        operations.push(json!({"op": "add", "path": "/imagePullSecrets", "value": list}));
    }
    Some(Value::Array(operations))
}

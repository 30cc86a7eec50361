//! The writes that bring one namespace to the desired state.

use std::borrow::Cow;
use std::collections::BTreeSet;

use tcr::image_pull_secret::ConflictPolicy;
use tcr::names::SECRET_PREFIX;

use super::contest::TargetKind;
use super::desired::{Content, Desired, Distribution, owner, secret_name};
use super::identity::Uid;
use super::observed::{Account, Namespace, SeenSecret};
use super::reference::Edit;

/// One write. A plan's writes are in the order of their stages: a reference is never written before its
/// Secret, and a Secret is never deleted before its references. [`super::order`] decides what goes on when
/// one of them fails.
#[derive(Clone, Debug)]
pub enum Change {
    /// Create the Secret of the ImagePullSecret `name`.
    CreateSecret {
        /// The name of the ImagePullSecret.
        name: String,
        /// The content to write.
        content: Content,
    },
    /// Write bytes and labels in place, so that the uid stays.
    UpdateSecret {
        /// The name of the ImagePullSecret.
        name: String,
        /// The uid of the Secret that was observed; another one of the name is not touched.
        uid: Uid,
        /// The content to write.
        content: Content,
        /// It is another owner's, so no reference may be added before.
        is_foreign: bool,
    },
    /// Delete and create, because it is immutable or of another type, which no update can repair.
    ReplaceSecret {
        /// The name of the ImagePullSecret.
        name: String,
        /// The uid of the Secret that was observed.
        uid: Uid,
        /// The content to write.
        content: Content,
    },
    /// Put the mark on a Secret that is otherwise as desired, such as one of a release without marks.
    MarkSecret {
        /// The name of the ImagePullSecret.
        name: String,
        /// The uid of the Secret that was observed.
        uid: Uid,
        /// The bytes that it holds.
        content: Content,
    },
    /// Add and remove our references of one ServiceAccount, in one patch.
    EditReferences {
        /// The name of the ServiceAccount.
        account: String,
        /// What is added and removed.
        edit: Edit,
    },
    /// Delete a Secret of ours.
    DeleteSecret {
        /// The Secret's own name.
        secret: String,
        /// The uid of the Secret that was observed.
        uid: Uid,
    },
}

/// The order of writes. Writes of one stage do not depend on each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Secrets are created and updated.
    Secrets,
    /// References are added and removed.
    References,
    /// Secrets are deleted in this stage.
    Deletions,
    /// Writes that no other write depends on.
    Marks,
}

impl Change {
    /// The stage of this write.
    pub fn stage(&self) -> Stage {
        match self {
            Self::CreateSecret { .. } | Self::UpdateSecret { .. } | Self::ReplaceSecret { .. } => {
                Stage::Secrets
            }
            Self::EditReferences { .. } => Stage::References,
            Self::DeleteSecret { .. } => Stage::Deletions,
            Self::MarkSecret { .. } => Stage::Marks,
        }
    }

    /// The kind and name of the object that is written.
    pub fn target(&self) -> (TargetKind, Cow<'_, str>) {
        match self {
            Self::CreateSecret { name, .. }
            | Self::UpdateSecret { name, .. }
            | Self::ReplaceSecret { name, .. }
            | Self::MarkSecret { name, .. } => (TargetKind::Secret, secret_name(name).into()),
            Self::DeleteSecret { secret, .. } => (TargetKind::Secret, secret.into()),
            Self::EditReferences { account, .. } => (TargetKind::ServiceAccount, account.into()),
        }
    }

    /// The ImagePullSecrets that the write is for, in the order of names.
    pub fn image_pull_secrets(&self) -> BTreeSet<&str> {
        match self {
            Self::CreateSecret { name, .. }
            | Self::UpdateSecret { name, .. }
            | Self::ReplaceSecret { name, .. }
            | Self::MarkSecret { name, .. } => [name.as_str()].into(),
            Self::DeleteSecret { secret, .. } => secret.strip_prefix(SECRET_PREFIX).into_iter().collect(),
            Self::EditReferences { edit, .. } => {
                edit.added().chain(edit.removed()).filter_map(|it| it.strip_prefix(SECRET_PREFIX)).collect()
            }
        }
    }
}

/// The writes that bring the namespace to the desired state; empty when there is nothing to do.
pub fn plan(namespace: &str, seen: &Namespace, desired: &Desired) -> Vec<Change> {
    if !seen.is_live() {
        return Vec::new();
    }
    let (mut changes, mut marks) = (Vec::new(), Vec::new());
    let wanted_ones = desired.secrets().filter(|(_, it)| !it.is_on_hold() && it.wants(namespace, seen));
    for (secret, distribution) in wanted_ones {
        let found = seen.secrets.get(secret);
        let change = distribution
            .content
            .clone()
            .and_then(|content| write(owner(secret), found, content, distribution));
        match change {
            Some(Change::MarkSecret { .. }) => marks.extend(change),
            other => changes.extend(other),
        }
    }
    for (account_name, account) in seen.accounts.iter() {
        let edit = edit(account_name, account, namespace, seen, desired);
        changes.extend(edit.map(|edit| Change::EditReferences { account: account_name.to_owned(), edit }));
    }
    for (secret, found) in seen.secrets.iter() {
        if let SeenSecret::Ours { uid, .. } = found
            && !wanted(secret, namespace, seen, desired)
        {
            changes.push(Change::DeleteSecret { secret: secret.to_owned(), uid: uid.clone() });
        }
    }
    // Last: no other write depends on them.
    changes.append(&mut marks);
    changes
}

/// Whether the Secret of this name blocks ours and may not be taken over.
pub(super) fn is_conflict(found: Option<&SeenSecret>, policy: ConflictPolicy) -> bool {
    match found {
        Some(SeenSecret::Foreign { same_registry, .. }) => match policy {
            ConflictPolicy::Never => true,
            ConflictPolicy::Adopt => !same_registry,
            ConflictPolicy::Overwrite => false,
        },
        _ => false,
    }
}

fn write(
    name: &str,
    found: Option<&SeenSecret>,
    content: Content,
    distribution: &Distribution,
) -> Option<Change> {
    let name = name.to_owned();
    let (uid, mendable, is_foreign) = match found {
        None => return Some(Change::CreateSecret { name, content }),
        Some(_) if is_conflict(found, distribution.conflict_policy) => return None,
        // It has to be read first.
        Some(SeenSecret::Ours { unread: true, .. }) => return None,
        Some(SeenSecret::Ours { uid, digest, labelled: true, mendable: true, marked, .. })
            if *digest == Some(content.digest()) =>
        {
            return (!marked).then(|| Change::MarkSecret { name, uid: uid.clone(), content });
        }
        Some(SeenSecret::Ours { uid, mendable, .. }) => (uid.clone(), *mendable, false),
        Some(SeenSecret::Foreign { uid, mendable, .. }) => (uid.clone(), *mendable, true),
    };
    Some(match mendable {
        true => Change::UpdateSecret { name, uid, content, is_foreign },
        false => Change::ReplaceSecret { name, uid, content },
    })
}

/// Whether the Secret `secret` is desired in the namespace, or may stay there.
fn wanted(secret: &str, namespace: &str, seen: &Namespace, desired: &Desired) -> bool {
    let stays = |it: &Distribution| it.is_on_hold() || it.wants(namespace, seen);
    desired.of_secret(secret).is_some_and(|(_, distribution)| stays(distribution))
}

/// Whether ServiceAccounts may refer to the Secret: it exists and is ours, or this plan writes it.
pub(super) fn is_delivered(found: Option<&SeenSecret>, distribution: &Distribution) -> bool {
    match found {
        Some(SeenSecret::Ours { .. }) => true,
        None | Some(SeenSecret::Foreign { .. }) => {
            distribution.content.is_some() && !is_conflict(found, distribution.conflict_policy)
        }
    }
}

fn edit(
    account_name: &str,
    account: &Account,
    namespace: &str,
    seen: &Namespace,
    desired: &Desired,
) -> Option<Edit> {
    let wants = |secret: &str, distribution: &Distribution| {
        !account.refers_to(secret)
            && !distribution.is_on_hold()
            && distribution.wants(namespace, seen)
            && distribution.wants_account(account_name)
            && is_delivered(seen.secrets.get(secret), distribution)
    };
    let add: Vec<String> = desired
        .secrets()
        .filter(|(secret, distribution)| wants(secret, distribution))
        .map(|(secret, _)| secret.to_owned())
        .collect();
    // A reference is ours when its ImagePullSecret exists, or when the Secret that it names is ours (of an
    // ImagePullSecret that was deleted unseen). Where another owner's Secret has the name, the reference may
    // be that owner's, and stays, unless this plan takes the Secret over.
    let remove: BTreeSet<usize> = (0..account.references.len())
        .filter(|index| {
            let secret = &*account.references[*index];
            let found = seen.secrets.get(secret);
            match desired.of_secret(secret) {
                _ if !secret.starts_with(SECRET_PREFIX) => false,
                Some((_, it)) if it.is_on_hold() => false,
                Some((_, it))
                    if matches!(found, Some(SeenSecret::Foreign { .. }))
                        && !(it.wants(namespace, seen) && is_delivered(found, it)) =>
                {
                    false
                }
                // Without a credential no Secret of ours was looked for, so the owner of this one is not
                // known yet.
                Some((_, it)) if found.is_none() && it.content.is_none() && it.wants(namespace, seen) => {
                    false
                }
                Some((_, it)) => !(it.wants(namespace, seen) && it.wants_account(account_name)),
                None => found.is_some_and(SeenSecret::is_ours),
            }
        })
        .collect();
    Edit::new(account, remove, add)
}

#[cfg(test)]
mod tests;

//! What the ImagePullSecrets of the cluster ask for.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tcr::image_pull_secret::ConflictPolicy;
use tcr::names::{SECRET_PREFIX, derived_secret_name};
use tcr::selection::Selection;
use tcr::sensitive::SensitiveBytes;

use super::observed::Namespace;

/// Every ImagePullSecret.
#[derive(Clone, Debug, Default)]
pub struct Desired {
    /// By the name of the derived Secret; each entry holds the name of its ImagePullSecret.
    by_secret: BTreeMap<String, Distribution>,
}

/// What one ImagePullSecret asks for.
#[derive(Clone, Debug)]
pub struct Distribution {
    /// The namespaces that get the Secret.
    pub selection: Selection,
    /// What to do with a Secret of its name that is not ours.
    pub conflict_policy: ConflictPolicy,
    /// The Secret's bytes; none until there is a credential. Without them nothing new is written, and
    /// existing Secrets stay: the last good credential is better than none.
    pub content: Option<Content>,
    /// The object is being deleted: no namespace is selected any more.
    pub withdrawn: bool,
    /// The spec is invalid: existing Secrets and references stay as they are until it is corrected or the
    /// object is deleted.
    pub frozen: bool,
}

/// The bytes of a derived Secret, the same in every namespace.
#[derive(Clone)]
pub struct Content {
    bytes: Arc<SensitiveBytes>,
    digest: Digest,
}

/// A short digest of a Secret's bytes, for comparisons. It is not secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest([u8; 16]);

impl Digest {
    /// The digest of a Secret's bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut short = [0; 16];
        short.copy_from_slice(&Sha256::digest(bytes)[..16]);
        Self(short)
    }

    /// A value for bytes of which only something else is known, such as a mark's tag for them. It equals no
    /// digest of bytes.
    pub fn of_unknown(word: [u8; 16]) -> Self {
        Self(word)
    }

    /// The digest as its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Content {
    /// Wraps the bytes of the Secret's one key.
    pub fn new(bytes: impl Into<SensitiveBytes>) -> Self {
        let bytes = bytes.into();
        Self { digest: Digest::of(bytes.expose()), bytes: Arc::new(bytes) }
    }

    /// The content as its bytes.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.expose()
    }

    /// The digest that contents are compared by.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({:?})", self.digest)
    }
}

impl Desired {
    /// Sets what an ImagePullSecret asks for.
    pub fn set(&mut self, name: &str, distribution: Distribution) {
        self.by_secret.insert(secret_name(name), distribution);
    }

    /// Forgets an ImagePullSecret that is gone.
    pub fn remove(&mut self, name: &str) {
        self.by_secret.remove(&secret_name(name));
    }

    /// What the ImagePullSecret `name` asks for.
    pub fn get(&self, name: &str) -> Option<&Distribution> {
        self.by_secret.get(&secret_name(name))
    }

    /// Every ImagePullSecret in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Distribution)> {
        self.by_secret.iter().map(|(secret, distribution)| (owner(secret), distribution))
    }

    /// Every ImagePullSecret by the name of its derived Secret.
    pub fn secrets(&self) -> impl Iterator<Item = (&str, &Distribution)> {
        self.by_secret.iter().map(|(secret, distribution)| (secret.as_str(), distribution))
    }

    /// The ImagePullSecret whose derived Secret has this name.
    pub fn of_secret(&self, secret: &str) -> Option<(&str, &Distribution)> {
        let (secret, distribution) = self.by_secret.get_key_value(secret)?;
        Some((owner(secret), distribution))
    }
}

impl Distribution {
    /// Whether the namespace shall have the Secret.
    pub fn wants(&self, name: &str, namespace: &Namespace) -> bool {
        !self.withdrawn && self.selection.selects_labelled(name, |key| namespace.labels.get(name, key))
    }

    /// Whether a ServiceAccount of a namespace that has the Secret shall refer to it.
    pub fn wants_account(&self, account: &str) -> bool {
        !self.withdrawn && self.selection.selects_service_account(account)
    }

    /// Whether nothing is to be changed for now.
    pub fn is_on_hold(&self) -> bool {
        self.frozen && !self.withdrawn
    }

    /// Whether both lead to the same plans.
    pub fn plans_like(&self, other: &Self) -> bool {
        let digest = |it: &Self| it.content.as_ref().map(Content::digest);
        let Self { selection, conflict_policy, content: _, withdrawn, frozen } = self;
        (selection, conflict_policy, withdrawn, frozen, digest(self))
            == (&other.selection, &other.conflict_policy, &other.withdrawn, &other.frozen, digest(other))
    }
}

/// The name of the Secret in every namespace.
pub(super) fn secret_name(image_pull_secret: &str) -> String {
    derived_secret_name(image_pull_secret)
}

/// The ImagePullSecret of a Secret of our names.
pub(super) fn owner(secret: &str) -> &str {
    secret.strip_prefix(SECRET_PREFIX).unwrap_or(secret)
}

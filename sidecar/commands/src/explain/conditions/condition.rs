//! A condition: the words of a program, what they mean, and what to do about it.

use super::super::findings::Who;

/// What else has to be known before it can be said what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::explain) enum Meaning {
    /// Nothing: neither a credential nor an answer of the registry changes it.
    Final,
    /// Nothing: the image was pulled, and by it the container does not start.
    Start,
    /// A host was not reached: which, and how nodes come to it.
    Network,
    /// A certificate is not trusted: whose.
    Certificate,
    /// A registry wants another credential: which the kubelet has.
    Credential,
    /// There is no such image: what the registry says now.
    NotFound,
}

#[derive(Debug, PartialEq, Eq)]
pub(in crate::explain) struct Condition {
    /// A word, for programs.
    pub(in crate::explain) reason: &'static str,
    /// What else decides.
    pub(in crate::explain) meaning: Meaning,
    /// Whose the remedy is.
    pub(in crate::explain) who: Who,
    /// How programs say it.
    pub(in crate::explain) wordings: &'static [Wording],
    /// A clause. `{host}` is the host that was asked, `{registry}` the image's.
    pub(in crate::explain) cause: &'static str,
    /// What to do, after the one who can.
    pub(in crate::explain) to_do: &'static str,
}

/// One way in which a program says it.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::explain) struct Wording {
    /// By which program.
    pub(in crate::explain) by: &'static str,
    /// By these words, in lower case; `*` is any text.
    pub(in crate::explain) words: &'static str,
    /// In this sentence, for example.
    pub(in crate::explain) example: &'static str,
}

/// Programs, in the releases that have the words.
pub(super) mod by {
    pub(in super::super) const KUBELET: &str = "kubelet 1.28 to 1.36";
    pub(in super::super) const KUBELET_TO_132: &str = "kubelet 1.28 to 1.32";
    pub(in super::super) const KUBELET_129: &str = "kubelet 1.29 to 1.36";
    pub(in super::super) const KUBELET_VERIFYING: &str = "kubelet 1.33 to 1.36";
    pub(in super::super) const KUBELET_135: &str = "kubelet 1.35 and 1.36";
    pub(in super::super) const CONTAINERD: &str = "containerd 1.6 to 2.2";
    pub(in super::super) const CONTAINERD_1: &str = "containerd 1.6 and 1.7";
    pub(in super::super) const CONTAINERD_TO_20: &str = "containerd 1.6 to 2.0";
    pub(in super::super) const CONTAINERD_17: &str = "containerd 1.7 to 2.2";
    pub(in super::super) const CONTAINERD_2: &str = "containerd 2.0 to 2.2";
    pub(in super::super) const CONTAINERD_20: &str = "containerd 2.0";
    pub(in super::super) const CONTAINERD_22: &str = "containerd 2.2";
    pub(in super::super) const CONTAINERD_LATER: &str = "containerd after 2.2";
    pub(in super::super) const CRIO: &str = "CRI-O";
    pub(in super::super) const GO: &str = "any runtime";
    pub(in super::super) const SYSTEM: &str = "the node's kernel";
    pub(in super::super) const REGISTRY: &str = "registry";
    pub(in super::super) const STORAGE: &str = "object storage";
}

pub(super) const fn wording(by: &'static str, words: &'static str, example: &'static str) -> Wording {
    Wording { by, words, example }
}

impl Condition {
    /// Whether a message, in lower case, is one of its wordings.
    pub(in crate::explain) fn matches(&self, message: &str) -> bool {
        self.wordings.iter().any(|it| it.is_in(message))
    }
}

impl Wording {
    /// Whether a message, in lower case, has the words.
    pub(in crate::explain) fn is_in(&self, message: &str) -> bool {
        is_in(self.words, message)
    }
}

/// Whether the parts of `pattern` between its `*` come in this order. Both are in lower case.
fn is_in(pattern: &str, message: &str) -> bool {
    let mut rest = message;
    pattern.split('*').all(|part| match rest.find(part) {
        Some(at) => {
            rest = rest.get(at + part.len()..).unwrap_or_default();
            true
        }
        None => false,
    })
}

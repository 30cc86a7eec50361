//! A condition: a program's words, their meaning, and what to do.

use super::super::findings::Who;

/// The facts that are needed before a remedy can be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::explain) enum Meaning {
    /// None: neither a credential nor an answer of the registry changes it.
    Final,
    /// None: the image was pulled, and because of it the container does not start.
    Start,
    /// A host was not reached: which one, and how nodes resolve it.
    Network,
    /// A certificate is not trusted: which host's.
    Certificate,
    /// The registry wants another credential: which ones the kubelet has.
    Credential,
    /// The image does not exist: the registry's answer now.
    NotFound,
}

#[derive(Debug, PartialEq, Eq)]
pub(in crate::explain) struct Condition {
    /// The reason in one word, for programs.
    pub(in crate::explain) reason: &'static str,
    /// The facts that are needed.
    pub(in crate::explain) meaning: Meaning,
    /// Who can apply the remedy.
    pub(in crate::explain) who: Who,
    /// The words of programs.
    pub(in crate::explain) wordings: &'static [Wording],
    /// The cause, as a clause. `{host}` is the host that was asked, `{registry}` the image's registry.
    pub(in crate::explain) cause: &'static str,
    /// The remedy; printed after the one who can apply it.
    pub(in crate::explain) to_do: &'static str,
}

/// The words of one program.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::explain) struct Wording {
    /// The program.
    pub(in crate::explain) by: &'static str,
    /// Its words, in lower case; `*` stands for any text.
    pub(in crate::explain) words: &'static str,
    /// An example of a whole message.
    pub(in crate::explain) example: &'static str,
}

/// Programs, with the releases that have the words.
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
    /// Whether a message, in lower case, has one of its wordings.
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

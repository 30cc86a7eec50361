//! What a node says about a pull that failed: the words, the cause, the one remedy and whose it is.
//!
//! The words are those of the programs' own sources: kubelet (`pkg/kubelet/images`, `pkg/credentialprovider`),
//! containerd (`remotes/docker`, `unpack`, `content`, `cri`), CRI-O (`containers/image`), Go's `net`, `net/http` and
//! `crypto/x509` below them, and what registries and storage answer. `docs/pull-errors.md` is printed from here.

mod access;
mod answers;
mod content;
mod kubelet;
mod network;
mod node;
mod page;
mod tls;

use super::findings::Who;

pub use page::page;

/// What else has to be known before it can be said what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
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

/// A condition.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Condition {
    /// A word, for programs.
    pub(super) reason: &'static str,
    /// What else decides.
    pub(super) meaning: Meaning,
    /// Whose the remedy is.
    pub(super) who: Who,
    /// How programs say it.
    pub(super) wordings: &'static [Wording],
    /// A clause. `{host}` is the host that was asked, `{registry}` the image's.
    pub(super) cause: &'static str,
    /// What to do, after the one who can.
    pub(super) to_do: &'static str,
}

/// One way in which a program says it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wording {
    /// By which program.
    pub(super) by: &'static str,
    /// By these words, in lower case; `*` is any text.
    pub(super) words: &'static str,
    /// In this sentence, for example.
    pub(super) example: &'static str,
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

const fn wording(by: &'static str, words: &'static str, example: &'static str) -> Wording {
    Wording { by, words, example }
}

/// The surest first: a message may hold words of several.
pub(super) fn all() -> impl Iterator<Item = &'static Condition> {
    let lists: [&'static [Condition]; 9] = [
        node::DISK,
        kubelet::CONDITIONS,
        network::PROXY,
        node::CONDITIONS,
        answers::CONDITIONS,
        content::CONDITIONS,
        tls::CONDITIONS,
        network::CONDITIONS,
        access::CONDITIONS,
    ];
    lists.into_iter().flatten()
}

impl Condition {
    /// Whether a message, in lower case, is one of its wordings.
    pub(super) fn matches(&self, message: &str) -> bool {
        self.wordings.iter().any(|it| is_in(it.words, message))
    }
}

/// Whether the parts of `pattern` between its `*` come in this order. Both are in lower case.
pub(super) fn is_in(pattern: &str, message: &str) -> bool {
    let mut rest = message;
    pattern.split('*').all(|part| match rest.find(part) {
        Some(at) => {
            rest = rest.get(at + part.len()..).unwrap_or_default();
            true
        }
        None => false,
    })
}

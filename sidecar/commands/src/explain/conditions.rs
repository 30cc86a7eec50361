//! Messages of a node about a failed pull: the words, the cause, the one remedy and who can apply it.
//!
//! The words are from the programs' sources: kubelet (`pkg/kubelet/images`, `pkg/credentialprovider`),
//! containerd (`remotes/docker`, `unpack`, `content`, `cri`), CRI-O (`containers/image`), Go's `net`,
//! `net/http` and `crypto/x509` below them, and answers of registries and storage. `docs/pull-errors.md` is
//! printed from here.

mod access;
mod answers;
mod condition;
mod content;
mod kubelet;
mod network;
mod node;
mod page;
mod tls;

pub(super) use condition::{Condition, Meaning};
pub use page::page;

/// The most specific first: a message may contain the words of several.
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

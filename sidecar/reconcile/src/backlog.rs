//! Namespaces with work that nobody waits for, such as marking what a release before this one wrote: let in a few
//! at a time, so that a start or an upgrade is no storm. Pure: time is an argument.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often some are let in.
const EVERY: Duration = Duration::from_millis(100);
/// How many at once: 10,000 namespaces take two minutes.
const AT_ONCE: usize = 8;

/// What waits, and what was let in and has not been worked on yet.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    waiting: BTreeSet<Arc<str>>,
    let_in: HashSet<Arc<str>>,
    next: Option<Instant>,
}

impl Backlog {
    /// There is such work in the namespace.
    pub(crate) fn push(&mut self, namespace: &Arc<str>) {
        self.waiting.insert(namespace.clone());
    }

    /// Those whose turn it is now.
    pub(crate) fn let_in(&mut self, now: Instant) -> Vec<Arc<str>> {
        if self.waiting.is_empty() || self.next.is_some_and(|next| next > now) {
            return Vec::new();
        }
        self.next = Some(now + EVERY);
        let some: Vec<_> = std::iter::from_fn(|| self.waiting.pop_first()).take(AT_ONCE).collect();
        self.let_in.extend(some.iter().cloned());
        some
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// When the next are let in.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.next.filter(|_| !self.waiting.is_empty())
    }

    /// The namespace is being worked on: whether it was let in.
    pub(crate) fn enters(&mut self, namespace: &str) -> bool {
        self.let_in.remove(namespace)
    }

    /// Forgets a namespace that is gone.
    pub(crate) fn forget(&mut self, namespace: &str) {
        self.waiting.remove(namespace);
        self.let_in.remove(namespace);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_at_a_time_are_let_in_and_each_once() {
        let mut backlog = Backlog::default();
        let now = Instant::now();
        let names: Vec<Arc<str>> = (0..AT_ONCE + 1).map(|it| format!("ns-{it:02}").into()).collect();
        for name in names.iter().chain(&names) {
            backlog.push(name);
        }
        assert_eq!(backlog.let_in(now), names[..AT_ONCE]);
        assert!(backlog.let_in(now).is_empty(), "not all at once");
        assert_eq!(backlog.next(), Some(now + EVERY));
        assert_eq!(backlog.let_in(now + EVERY), names[AT_ONCE..]);
        assert_eq!(backlog.next(), None);
        assert!(backlog.enters("ns-00"));
        assert!(!backlog.enters("ns-00"));
    }
}

//! Namespaces with work that is not urgent, such as marking Secrets that an older release wrote. A few are
//! admitted at a time, so that a start or an upgrade causes no burst of requests. Pure: time is an argument.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The interval between two admissions.
const EVERY: Duration = Duration::from_millis(100);
/// Namespaces per admission: 10,000 namespaces take two minutes.
const AT_ONCE: usize = 8;

/// Waiting namespaces, and admitted ones whose job has not begun.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    waiting: BTreeSet<Arc<str>>,
    let_in: HashSet<Arc<str>>,
    next: Option<Instant>,
}

impl Backlog {
    /// Adds a namespace with work of this kind.
    pub(crate) fn push(&mut self, namespace: &Arc<str>) {
        self.waiting.insert(namespace.clone());
    }

    /// Admits the namespaces whose turn it is.
    pub(crate) fn let_in(&mut self, now: Instant) -> Vec<Arc<str>> {
        if self.waiting.is_empty() || self.next.is_some_and(|next| next > now) {
            return Vec::new();
        }
        self.next = Some(now + EVERY);
        let some: Vec<_> = std::iter::from_fn(|| self.waiting.pop_first()).take(AT_ONCE).collect();
        self.let_in.extend(some.iter().cloned());
        some
    }

    /// The number of waiting namespaces.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// When the next namespaces are admitted; none while none waits.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.next.filter(|_| !self.waiting.is_empty())
    }

    /// A job begins in the namespace. Returns whether the backlog had admitted it.
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

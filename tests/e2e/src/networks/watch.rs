//! What the nodes' hosts files say of the registry, all the time: no node ever has another network's address.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::DOMAINS;
use crate::world::addresses;

/// Between two looks: shorter than from one write of an agent to the next.
const INTERVAL: Duration = Duration::from_millis(5);

/// A node's hosts file, and which addresses it must never have.
pub(super) struct Watched {
    pub(super) node: String,
    /// There is none before the node is.
    pub(super) file: PathBuf,
    pub(super) foreign: Vec<Ipv4Addr>,
}

/// Looks until it is dropped.
pub(super) struct Watch {
    seen: Arc<Mutex<Seen>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Seen {
    /// By the node: the addresses of each name, as they are now.
    now: BTreeMap<String, Addresses>,
    /// How often each node's have changed.
    changes: BTreeMap<String, usize>,
    /// What must not be.
    wrong: Vec<String>,
    looks: usize,
    is_over: bool,
}

/// What is given for each of the names.
type Addresses = Vec<Vec<String>>;

impl Watch {
    pub(super) fn of(files: Vec<Watched>) -> Result<Self> {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let thread = std::thread::Builder::new().name("watch".to_owned());
        let shared = Arc::clone(&seen);
        let thread = thread.spawn(move || {
            while !lock(&shared).look(&files) {
                std::thread::sleep(INTERVAL);
            }
        });
        Ok(Self { seen, thread: Some(thread.context("cannot start a thread")?) })
    }

    /// Fails with the first thing that was seen and must not be, and where nobody has looked since the last time.
    pub(super) fn check(&self) -> Result<()> {
        let mut seen = lock(&self.seen);
        if let Some(wrong) = seen.wrong.first() {
            bail!("{wrong}");
        }
        ensure!(std::mem::take(&mut seen.looks) > 0, "nobody looks at the nodes' hosts files");
        Ok(())
    }

    /// How often each node's addresses have changed.
    pub(super) fn changes(&self) -> BTreeMap<String, usize> {
        lock(&self.seen).changes.clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        lock(&self.seen).is_over = true;
        if let Some(thread) = self.thread.take() {
            // It has nothing to say that was not said.
            let _ = thread.join();
        }
    }
}

impl Seen {
    /// Looks at each file; whether that was the last time.
    fn look(&mut self, files: &[Watched]) -> bool {
        for Watched { node, file, foreign } in files {
            match std::fs::read_to_string(file) {
                Ok(text) => self.take_in(node, &text, foreign),
                Err(error) if self.now.contains_key(node) && !self.is_over => {
                    self.wrong.push(format!("the hosts file of {node} cannot be read: {error}"));
                }
                Err(_) => {}
            }
        }
        self.looks += 1;
        self.is_over
    }

    fn take_in(&mut self, node: &str, text: &str, foreign: &[Ipv4Addr]) {
        let of = |domain: &str| addresses(text, domain).into_iter().map(str::to_owned).collect();
        let found: Addresses = DOMAINS.iter().map(|domain| of(domain)).collect();
        let before = self.now.insert(node.to_owned(), found.clone());
        if before.as_ref() == Some(&found) {
            return;
        }
        if before.is_some() {
            *self.changes.entry(node.to_owned()).or_default() += 1;
        }
        let is_foreign = |address: &&String| foreign.iter().any(|it| it.to_string() == **address);
        if let Some(address) = found.iter().flatten().find(is_foreign) {
            self.wrong.push(format!("{node} had {address}, which is another network's"));
        }
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_another_network_is_seen_and_own_ones_are_counted() {
        let mut seen = Seen::default();
        for (text, changes, wrong) in [
            ("127.0.0.1 localhost\n", 0, 0),
            ("10.0.0.1 demo.tencentcloudcr.com\n", 1, 0),
            ("10.0.0.1 demo.tencentcloudcr.com # more\n", 1, 0),
            ("10.0.0.1 demo.tencentcloudcr.com\n10.0.0.2 demo-vpc.tencentcloudcr.com\n", 2, 1),
            ("10.0.0.1 demo.tencentcloudcr.com\n", 3, 1),
        ] {
            seen.take_in("node-1", text, &[Ipv4Addr::new(10, 0, 0, 2)]);
            let counted = seen.changes.get("node-1").copied().unwrap_or_default();
            assert_eq!((counted, seen.wrong.len()), (changes, wrong), "{text:?}: {:?}", seen.wrong);
        }
    }
}

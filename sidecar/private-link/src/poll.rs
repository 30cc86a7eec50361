//! What is remembered between two rounds of asking, and what a round tells.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use tcr::backoff::Backoff;
use tcr::hosts_entry::HostsEntry;
use tcr::image_pull_secret::Tcr;
use tcr::names::UPDATER_CONFIG;

use crate::examine::Found;
use crate::{Fact, Known, Resolved, judge};
use custom_resource::condition::ConditionReason;

/// The wait while a link is being built.
const PENDING: Backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(60));
/// How long the condition tells of a changed address.
const TELL_CHANGE: Duration = Duration::from_secs(600);

/// What is remembered between two rounds.
#[derive(Clone, Debug, Default)]
pub struct Poll {
    /// ImagePullSecrets whose entries may be in the ConfigMap.
    applied: BTreeSet<String>,
    /// Domains that have been one of theirs: whose they are is known.
    domains: BTreeSet<String>,
    changes: BTreeMap<String, Change>,
}

/// An address that took the place of another.
#[derive(Clone, Copy, Debug)]
struct Change {
    from: IpAddr,
    to: IpAddr,
    at: Instant,
}

/// What a condition says of one link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Nodes resolve the domains to it.
    pub is_up: bool,
    /// The condition's reason.
    pub reason: ConditionReason,
    /// The condition's message.
    pub message: String,
}

/// What a round tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// For each ImagePullSecret; none for one that requests nothing any more.
    pub links: Vec<(String, Option<Judgement>)>,
    /// Those whose entries may be in the ConfigMap.
    pub applied: BTreeSet<String>,
    /// Something may soon be otherwise.
    pub is_pending: bool,
}

impl Poll {
    /// Judges the link of the ImagePullSecret `name`. `before` are the entries that nodes have.
    pub fn judge(
        &mut self,
        name: &str,
        tcr: &Tcr,
        found: &Found,
        before: &[HostsEntry],
        now: Instant,
    ) -> Judgement {
        let Found { vpc_id, fact, hosts, is_served_by_dns, unusable } = found;
        let changed_from = self.changed_from(name, found, before, now);
        let (is_up, reason, message) = judge(&Known {
            instance_id: &tcr.instance_id,
            vpc_id,
            fact,
            hosts,
            changed_from,
            is_served_by_dns: *is_served_by_dns,
            unusable,
        });
        Judgement { is_up, reason, message }
    }

    /// The address that nodes were told before this one, for a while.
    fn changed_from(
        &mut self,
        name: &str,
        found: &Found,
        before: &[HostsEntry],
        now: Instant,
    ) -> Option<IpAddr> {
        let Fact::Up(address) = found.fact else { return None };
        let is_other = |entry: &&HostsEntry| {
            entry.when_link_down().is_some()
                && entry.ip() != address
                && found.hosts.iter().any(|host| host.name() == entry.domain())
        };
        if let Some(entry) = before.iter().find(is_other) {
            self.changes.insert(name.to_owned(), Change { from: entry.ip(), to: address, at: now });
        }
        let Change { from, to, at } = *self.changes.get(name)?;
        (to == address && now.saturating_duration_since(at) < TELL_CHANGE).then_some(from)
    }

    /// Remembers whose these domains are.
    pub fn learn(&mut self, resolved: &[Resolved]) {
        let hosts = resolved.iter().flat_map(|one| &one.hosts);
        self.domains.extend(hosts.map(|host| host.name().to_owned()));
    }

    /// Whether it is known whose entry it is, or was.
    pub fn knows(&self, entry: &HostsEntry) -> bool {
        self.domains.contains(entry.domain())
    }

    /// Ends a round, in which these links were judged and the list was written, unless there is an error.
    pub fn finish(&mut self, judged: Vec<(String, Judgement)>, written: Result<(), String>) -> Told {
        let mut applied: BTreeSet<String> = judged.iter().map(|(name, _)| name.clone()).collect();
        let gone: Vec<String> = self.applied.difference(&applied).cloned().collect();
        let mut is_pending = judged.iter().any(|(_, link)| !link.is_up);
        let mut links: Vec<(String, Option<Judgement>)> =
            judged.into_iter().map(|(name, link)| (name, Some(link))).collect();
        if let Err(error) = written {
            is_pending = true;
            applied.extend(gone.iter().cloned());
            for (_, link) in &mut links {
                *link = Some(Judgement {
                    is_up: false,
                    reason: ConditionReason::WriteFailed,
                    message: format!("cannot write {UPDATER_CONFIG}: {error}"),
                });
            }
        }
        for name in &gone {
            self.changes.remove(name);
        }
        links.extend(gone.into_iter().map(|name| (name, None)));
        self.applied.clone_from(&applied);
        Told { links, applied, is_pending }
    }
}

/// How long until the next round, after `before` rounds in a row in which something was pending; `interval` is the wait
/// while nothing is.
pub fn wait(is_pending: bool, before: u32, interval: Duration) -> Duration {
    if is_pending { PENDING.wait(before).min(interval) } else { interval }
}

#[cfg(test)]
mod tests;

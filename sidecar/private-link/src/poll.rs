//! The state between two rounds of polling, and the result of a round.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use tcr::backoff::Backoff;
use tcr::hosts_entry::HostsEntry;
use tcr::image_pull_secret::Tcr;
use tcr::names::UPDATER_CONFIG;
use tcr::registry_host::RegistryHost;

use crate::examine::Found;
use crate::judge::{Known, judge};
use crate::networks::name_of;
use crate::{Fact, Resolved};
use custom_resource::condition::ConditionReason;
use custom_resource::link::Link;

/// The wait while a link is being built.
const PENDING: Backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(60));
/// How long the condition mentions a changed address.
const TELL_CHANGE: Duration = Duration::from_secs(600);

/// The state between two rounds.
#[derive(Clone, Debug, Default)]
pub struct Poll {
    /// ImagePullSecrets whose link was reported.
    told: BTreeSet<String>,
    /// ImagePullSecrets whose entries may be in the ConfigMap, without entries that earlier processes wrote.
    applied: BTreeSet<String>,
    /// The list was written, or found up to date, so entries of earlier processes are gone.
    was_written: bool,
    /// Domains that belong, or once belonged, to a known ImagePullSecret.
    domains: BTreeSet<String>,
    /// The last address of each link, by [`Network::key`](crate::networks::Network::key), as in the following
    /// fields.
    addresses: BTreeMap<String, LastAddress>,
    /// The message about each link whose state is unknown.
    failures: BTreeMap<String, String>,
    changes: BTreeMap<String, Change>,
}

/// The last address of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
struct LastAddress {
    instance_id: String,
    vpc_id: Option<String>,
    address: IpAddr,
}

/// A change of the address.
#[derive(Clone, Copy, Debug)]
struct Change {
    from: IpAddr,
    to: IpAddr,
    at: Instant,
}

/// Whether its state may change soon.
fn is_pending(link: &Link) -> bool {
    match link.resolves {
        true => link.is_up != Some(true),
        // No entries wait for it: only a link that is being built is polled sooner.
        false => link.reason == ConditionReason::Pending,
    }
}

/// The result of a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The link of each ImagePullSecret; none for one that has no link any more.
    pub links: Vec<(String, Option<Link>)>,
    /// ImagePullSecrets whose entries may be in the ConfigMap; none before it was first written, or found up
    /// to date.
    pub applied: Option<BTreeSet<String>>,
    /// The state of a link may change soon.
    pub is_pending: bool,
}

impl Poll {
    /// The link of this key had this address when this process began.
    pub fn recall(&mut self, key: &str, tcr: &Tcr, vpc_id: &str, address: IpAddr) {
        let (instance_id, vpc_id) = (tcr.instance_id.clone(), Some(vpc_id.to_owned()));
        let last = LastAddress { instance_id, vpc_id, address };
        self.addresses.entry(key.to_owned()).or_insert(last);
    }

    /// The state of a link about which a call failed. While calls keep failing in the same way the first
    /// message stays, although each call has another request id: otherwise the status would be written again
    /// and again.
    pub fn judge_unknown(
        &mut self,
        key: &str,
        tcr: &Tcr,
        hosts: Vec<RegistryHost>,
        reason: ConditionReason,
        message: String,
    ) -> Link {
        let last =
            self.failures.get(key).filter(|last| without_request_id(last) == without_request_id(&message));
        let message = last.cloned().unwrap_or(message);
        self.failures.insert(key.to_owned(), message.clone());
        let resolves = tcr.private_network.resolve;
        let is_up = resolves.then_some(false);
        Link { resolves, is_up, reason, message, vpc_id: None, address: None, hosts, links: Vec::new() }
    }

    /// The state of the link of this key. `before` are the entries that nodes have.
    pub fn judge(&mut self, key: &str, tcr: &Tcr, found: Found, before: &[HostsEntry], now: Instant) -> Link {
        self.failures.remove(key);
        let changed_from = self.changed_from(key, tcr, &found, before, now);
        let resolves = tcr.private_network.resolve;
        let Found { vpc_id, fact, hosts, private_dns, unusable } = found;
        let (is_up, reason, message) = judge(&Known {
            instance_id: &tcr.instance_id,
            vpc_id: vpc_id.as_deref(),
            resolves,
            fact: &fact,
            hosts: &hosts,
            changed_from,
            private_dns,
            unusable: &unusable,
        });
        let address = match fact {
            Fact::Up(address) => Some(address),
            Fact::Down(_) | Fact::Unknown => None,
        };
        let (is_up, links) = (Some(is_up), Vec::new());
        Link { resolves, is_up, reason, message, vpc_id, address, hosts, links }
    }

    /// The previous address, for a while after a change: the one in the nodes' entries, else the link's last
    /// one.
    fn changed_from(
        &mut self,
        key: &str,
        tcr: &Tcr,
        found: &Found,
        before: &[HostsEntry],
        now: Instant,
    ) -> Option<IpAddr> {
        let Fact::Up(address) = found.fact else { return None };
        let (instance_id, vpc_id) = (tcr.instance_id.clone(), found.vpc_id.clone());
        let last = self.addresses.insert(key.to_owned(), LastAddress { instance_id, vpc_id, address });
        let from = match tcr.private_network.resolve {
            true => {
                let is_other = |entry: &&HostsEntry| {
                    entry.when_link_down().is_some()
                        && entry.ip() != address
                        && found.hosts.iter().any(|host| host.name() == entry.domain())
                };
                before.iter().find(is_other).map(HostsEntry::ip)
            }
            false => last
                .filter(|last| last.instance_id == tcr.instance_id && last.vpc_id == found.vpc_id)
                .map(|last| last.address)
                .filter(|last| *last != address),
        };
        if let Some(from) = from {
            self.changes.insert(key.to_owned(), Change { from, to: address, at: now });
        }
        let Change { from, to, at } = *self.changes.get(key)?;
        (to == address && now.saturating_duration_since(at) < TELL_CHANGE).then_some(from)
    }

    /// Remembers that these domains belong to known ImagePullSecrets.
    pub fn learn(&mut self, resolved: &[Resolved]) {
        let hosts = resolved.iter().flat_map(|one| &one.hosts);
        self.domains.extend(hosts.map(|host| host.name().to_owned()));
    }

    /// Whether the entry belongs, or once belonged, to a known ImagePullSecret.
    pub fn knows(&self, entry: &HostsEntry) -> bool {
        self.domains.contains(entry.domain())
    }

    /// The list was written for these links, which nodes are to resolve to, unless there is an error.
    /// `requested` are all ImagePullSecrets that request a link.
    pub fn finish(
        &mut self,
        judged: Vec<(String, Link)>,
        requested: &BTreeSet<String>,
        written: Result<(), String>,
    ) -> Told {
        let mut applied: BTreeSet<String> = judged.iter().map(|(name, _)| name.clone()).collect();
        let mut told = self.tell(judged);
        self.was_written |= written.is_ok();
        if let Err(error) = written {
            told.is_pending = true;
            // Their entries may still be in the list.
            applied.extend(self.applied.iter().cloned());
            for (_, link) in &mut told.links {
                if let Some(link) = link {
                    link.is_up = Some(false);
                    link.reason = ConditionReason::WriteFailed;
                    link.message = format!("cannot write {UPDATER_CONFIG}: {error}");
                }
            }
        }
        let is_requested = |name: &String| requested.contains(name);
        let (kept, gone): (BTreeSet<_>, BTreeSet<_>) =
            mem::take(&mut self.told).into_iter().partition(is_requested);
        self.told = kept;
        let is_kept = |key: &str| requested.contains(name_of(key));
        self.addresses.retain(|key, _| is_kept(key));
        self.changes.retain(|key, _| is_kept(key));
        self.failures.retain(|key, _| is_kept(key));
        told.links.extend(gone.into_iter().map(|name| (name, None)));
        self.applied.clone_from(&applied);
        Told { applied: self.was_written.then_some(applied), ..told }
    }

    /// The result of a round in which nothing was written.
    pub fn tell(&mut self, judged: Vec<(String, Link)>) -> Told {
        self.told.extend(judged.iter().map(|(name, _)| name.clone()));
        let is_pending = judged.iter().any(|(_, link)| is_pending(link));
        let links = judged.into_iter().map(|(name, link)| (name, Some(link))).collect();
        let applied = self.was_written.then(|| self.applied.clone());
        Told { links, applied, is_pending }
    }
}

fn without_request_id(message: &str) -> (&str, &str) {
    let Some((before, rest)) = message.split_once(" (request id ") else { return (message, "") };
    (before, rest.split_once(')').map_or("", |(_, after)| after))
}

/// How long until the next round, after `before` pending rounds in a row; `interval` is the wait while
/// nothing is pending.
pub fn wait(is_pending: bool, before: u32, interval: Duration) -> Duration {
    if is_pending { PENDING.wait(before).min(interval) } else { interval }
}

#[cfg(test)]
mod tests;

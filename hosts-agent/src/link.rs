//! Whether the addresses of private links answer, and which entries are therefore taken. Pure: times and
//! answers are arguments.
//!
//! A new address is taken once it has answered. One that has not answered [`FAILURES`] times in a row is down
//! until it answers again; each time it goes down it has to answer for longer before it counts, because an
//! entry that is added and removed repeatedly is worse than a missing one.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use tcr::backoff::Backoff;
use tcr::image_pull_secret::WhenLinkDown;

/// Failed probes in a row after which an address is down.
pub const FAILURES: u32 = 3;
/// The time between two probes of an address that did not answer the last one.
const RETRY: Duration = Duration::from_secs(5);
/// How long an address must answer the second time it comes back; then twice as long each time.
const HOLD: Backoff = Backoff::new(Duration::from_secs(10), LONGEST_HOLD);
const LONGEST_HOLD: Duration = Duration::from_secs(600);
/// An address that was up for this long starts again with the shortest wait.
const STEADY: Duration = Duration::from_secs(1800);

/// The state of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has never answered.
    Untried,
    /// It answers, or has failed too few times to be down.
    Up,
    /// It does not answer, or not for long enough yet.
    Down,
}

/// The addresses that are looked after.
#[derive(Clone, Debug)]
pub struct Links {
    /// The time between two probes of an address that answers.
    interval: Duration,
    by_address: BTreeMap<IpAddr, Link>,
}

#[derive(Clone, Debug)]
struct Link {
    standing: Standing,
    /// When it got this state.
    since: Instant,
    /// Failures in a row.
    failures: u32,
    /// When it began to answer, while it is down.
    answering: Option<Instant>,
    /// How often it went down recently.
    falls: u32,
    next: Instant,
}

impl Links {
    /// No addresses yet; those that answer are probed every `interval`.
    pub fn new(interval: Duration) -> Self {
        Self { interval, by_address: BTreeMap::new() }
    }

    /// Looks after `addresses` and no others. One that the hosts file has already (true) has
    /// answered before this process began.
    pub fn follow(&mut self, addresses: &BTreeMap<IpAddr, bool>, now: Instant) {
        self.by_address.retain(|address, _| addresses.contains_key(address));
        for (address, is_written) in addresses {
            self.by_address.entry(*address).or_insert_with(|| Link {
                standing: if *is_written { Standing::Up } else { Standing::Untried },
                since: now,
                failures: 0,
                answering: None,
                falls: 0,
                next: now,
            });
        }
    }

    /// The addresses to probe now.
    pub fn due(&self, now: Instant) -> Vec<IpAddr> {
        self.by_address.iter().filter(|(_, link)| link.next <= now).map(|(address, _)| *address).collect()
    }

    /// When the next look is due.
    pub fn next(&self) -> Option<Instant> {
        self.by_address.values().map(|link| link.next).min()
    }

    /// `address` has answered at `now`, or has not.
    pub fn answered(&mut self, address: IpAddr, does: bool, now: Instant) {
        let Some(link) = self.by_address.get_mut(&address) else { return };
        if does {
            link.failures = 0;
            let answering = *link.answering.get_or_insert(now);
            if link.standing != Standing::Up && now.duration_since(answering) >= hold(link.falls) {
                (link.standing, link.since) = (Standing::Up, now);
            }
        } else {
            link.answering = None;
            link.failures = link.failures.saturating_add(1);
            if link.standing == Standing::Up && link.failures >= FAILURES {
                if now.duration_since(link.since) >= STEADY {
                    link.falls = 0;
                }
                link.falls += 1;
                (link.standing, link.since) = (Standing::Down, now);
            }
        }
        let is_settled = link.standing == Standing::Up && link.failures == 0;
        // The longer it is away, the rarer the looks.
        let retry = Backoff::new(RETRY, self.interval).wait(link.failures.saturating_sub(FAILURES));
        link.next = now + if is_settled { self.interval } else { retry };
    }

    /// The state of `address`; an unknown one counts as untried.
    pub fn standing(&self, address: IpAddr) -> Standing {
        self.by_address.get(&address).map_or(Standing::Untried, |link| link.standing)
    }

    /// Every address with its state.
    pub fn standings(&self) -> Vec<(IpAddr, Standing)> {
        self.by_address.iter().map(|(address, link)| (*address, link.standing)).collect()
    }
}

/// Whether a line for such an address belongs in the file.
pub fn is_carried(standing: Standing, when_down: WhenLinkDown) -> bool {
    match standing {
        Standing::Untried => false,
        Standing::Up => true,
        Standing::Down => when_down == WhenLinkDown::Keep,
    }
}

fn hold(falls: u32) -> Duration {
    match falls {
        0 | 1 => Duration::ZERO,
        more => HOLD.wait(more - 2),
    }
}

#[cfg(test)]
mod tests;

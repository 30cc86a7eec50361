//! Which VPC the node is in, so that it takes the entries of its own network and never another one's.
//!
//! Arguments say it, or the machine's metadata does. Metadata is asked while the list has entries by VPC, and rarely while it
//! has entries of private links, which the controller tells apart by what the agents say, until it has answered once: a
//! machine's VPC does not change while it runs. What an earlier process of the same Pod was told
//! holds until then. A node that does not know its VPC, or is in two, takes what is for all nodes and nothing else.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::{Duration, Instant};

use tcr::backoff::Backoff;
use tcr::hosts_entry::HostsList;
use tcr::resource_id::is_vpc_id;

use crate::address_range::AddressRange;
use crate::message::Message;

pub mod metadata;

/// Between two questions to metadata that did not answer.
const RETRY: Duration = Duration::from_secs(5);
/// The longest between two questions whose answer changes nothing on this node.
const RARELY: Duration = Duration::from_secs(3600);

/// What is known of the node's network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// The node is in this VPC.
    Vpc(String),
    /// It is in several, so that nobody can say which entries are its own.
    Several(BTreeSet<String>),
    /// It is not known, and why.
    Unknown(Message),
}

/// The VPC of the nodes whose address is in the range, as `VPC=CIDR`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VpcRange {
    /// The VPC.
    pub vpc_id: String,
    /// Its addresses, or some of them.
    pub range: AddressRange,
}

/// Finds out which VPC the node is in.
pub struct Locator {
    network: Network,
    /// None where nothing more will be learnt.
    search: Option<Search>,
}

struct Search {
    ask: Box<Ask>,
    longest: Duration,
    failures: u32,
    next: Option<Instant>,
}

/// Asks for the VPCs of the machine's network interfaces.
type Ask = dyn Fn() -> Result<BTreeSet<String>, Message>;

impl Network {
    /// The one VPC that the node is certainly in.
    pub fn vpc_id(&self) -> Option<&str> {
        match self {
            Self::Vpc(vpc_id) => Some(vpc_id),
            Self::Several(_) | Self::Unknown(_) => None,
        }
    }

    /// The network of a node in these VPCs.
    fn of(mut vpc_ids: BTreeSet<String>) -> Self {
        match (vpc_ids.pop_first(), vpc_ids.is_empty()) {
            (None, _) => Self::Unknown(Message::new("it is in no VPC")),
            (Some(vpc_id), true) => Self::Vpc(vpc_id),
            (Some(vpc_id), false) => {
                vpc_ids.insert(vpc_id);
                Self::Several(vpc_ids)
            }
        }
    }

    /// Why the node takes none of the entries that are for one VPC, where the list has such entries.
    pub fn problem(&self, list: &HostsList) -> Option<Message> {
        if !list.is_by_vpc() {
            return None;
        }
        let without = "it takes the entries without a vpcId only";
        Some(match self {
            Self::Vpc(vpc_id) => {
                let has_one = |domain: &str| {
                    let mut of_domain = list.entries().iter().filter(|entry| entry.domain() == domain);
                    of_domain.any(|entry| entry.is_for(Some(vpc_id)))
                };
                let mut by_vpc =
                    list.entries().iter().filter(|entry| !entry.disabled() && entry.vpc_id().is_some());
                if by_vpc.all(|entry| has_one(entry.domain())) {
                    return None;
                }
                Message::new(format_args!("no entry is for {vpc_id}, the VPC of this node: {without}"))
            }
            Self::Several(vpc_ids) => {
                let vpc_ids = vpc_ids.iter().map(String::as_str).collect::<Vec<_>>().join(" and ");
                Message::new(format_args!(
                    "this node is in {vpc_ids}: {without}; name one of them with --vpc-id"
                ))
            }
            Self::Unknown(why) => Message::new(format_args!(
                "the VPC of this node is not known ({why}): {without}; name it with --vpc-id or --vpc-range"
            )),
        })
    }
}

impl Default for Network {
    fn default() -> Self {
        Self::Unknown(Message::new("instance metadata was not asked"))
    }
}

impl Default for Locator {
    fn default() -> Self {
        Self::knowing(Network::default())
    }
}

impl Locator {
    /// What `vpc_id` says, or else the ranges that `address`, the node's own, is in; none where they say nothing.
    pub fn given(vpc_id: Option<&str>, ranges: &[VpcRange], address: Option<IpAddr>) -> Option<Self> {
        if let Some(vpc_id) = vpc_id {
            return Some(Self::knowing(Network::Vpc(vpc_id.to_owned())));
        }
        let address = address?;
        let matching = ranges.iter().filter(|it| it.range.contains(address));
        let vpc_ids: BTreeSet<String> = matching.map(|it| it.vpc_id.clone()).collect();
        (!vpc_ids.is_empty()).then(|| Self::knowing(Network::of(vpc_ids)))
    }

    /// Nothing more will be learnt.
    pub fn knowing(network: Network) -> Self {
        Self { network, search: None }
    }

    /// Asks, at the latest every `longest` while there is no answer. `remembered` is what an earlier process was told.
    pub fn asking(
        remembered: Option<String>,
        longest: Duration,
        ask: impl Fn() -> Result<BTreeSet<String>, Message> + 'static,
    ) -> Self {
        let network = remembered.map_or_else(Network::default, Network::Vpc);
        Self { network, search: Some(Search { ask: Box::new(ask), longest, failures: 0, next: None }) }
    }

    /// What is known so far.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Asks if that is due. To be called while the node needs to know only.
    pub fn look(&mut self, now: Instant) {
        if let Some(search) = &self.search {
            self.look_within(search.longest, now);
        }
    }

    /// Asks if that is due, ever more rarely.
    pub fn look_rarely(&mut self, now: Instant) {
        self.look_within(RARELY, now);
    }

    fn look_within(&mut self, longest: Duration, now: Instant) {
        let is_due = |next: Instant| next <= now || next > now + longest;
        let Some(search) = self.search.as_mut().filter(|it| it.next.is_none_or(is_due)) else {
            return;
        };
        match (search.ask)() {
            Ok(vpc_ids) => {
                let is_nowhere = vpc_ids.is_empty();
                self.network = Network::of(vpc_ids);
                if !is_nowhere {
                    self.search = None;
                    return;
                }
            }
            Err(why) => {
                if self.network.vpc_id().is_none() {
                    self.network = Network::Unknown(why);
                }
            }
        }
        search.next = Some(now + Backoff::new(RETRY, longest).wait(search.failures));
        search.failures = search.failures.saturating_add(1);
    }

    /// Whether metadata may be asked.
    pub fn is_asking(&self) -> bool {
        self.search.is_some()
    }

    /// When the next question is due.
    pub fn next(&self) -> Option<Instant> {
        self.search.as_ref().and_then(|search| search.next)
    }
}

impl fmt::Debug for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Locator").field("network", &self.network).finish_non_exhaustive()
    }
}

impl FromStr for VpcRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (vpc_id, range) = text
            .split_once('=')
            .ok_or_else(|| "write it as VPC=CIDR, such as vpc-12345678=10.0.0.0/16".to_owned())?;
        if !is_vpc_id(vpc_id) {
            return Err(format!("{vpc_id:?} is not the id of a VPC, such as vpc-12345678"));
        }
        let range = range.parse::<AddressRange>().map_err(|error| error.to_string())?;
        Ok(Self { vpc_id: vpc_id.to_owned(), range })
    }
}

#[cfg(test)]
mod tests;

//! The entries that the node accepts from the list. The bounds are arguments of the program, so that a user
//! who may edit the ConfigMap cannot redirect other names, or send these names to other addresses.

use std::fmt;

use tcr::hosts_entry::{HostsEntry, HostsList};

use crate::address_range::AddressRange;

/// The limits of entries, whatever the list says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Domains that are one of these, or under one, may be listed. Lower case.
    pub roots: Vec<String>,
    /// Exactly these names may be listed too: the administrator's own. Lower case.
    pub names: Vec<String>,
    /// Addresses outside of these ranges are refused, for every name.
    pub ranges: Vec<AddressRange>,
    /// The node's names. Neither they nor their first labels may be listed. Lower case.
    pub own_names: Vec<String>,
}

/// Why a list is refused: its first entry that is out of bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The entry's number, from 1.
    pub number: usize,
    /// The entry that is left out.
    pub entry: HostsEntry,
    /// Why it is refused.
    pub reason: Reason,
}

/// Why an entry is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The node's own name.
    OwnName,
    /// A domain that is neither under a root nor an allowed name.
    Domain {
        /// The roots that are allowed.
        roots: Vec<String>,
    },
    /// An address outside of the ranges.
    Address {
        /// The ranges that are allowed.
        ranges: Vec<AddressRange>,
    },
}

impl Bounds {
    /// No error when every entry that is not disabled is within the bounds.
    pub fn check(&self, list: &HostsList) -> Result<(), Refusal> {
        for (index, entry) in list.entries().iter().enumerate().filter(|(_, entry)| !entry.disabled()) {
            if let Some(reason) = self.reason(entry) {
                return Err(Refusal { number: index + 1, entry: entry.clone(), reason });
            }
        }
        Ok(())
    }

    /// Why `entry` is refused; none when it is within the bounds.
    pub fn reason(&self, entry: &HostsEntry) -> Option<Reason> {
        let domain = entry.domain();
        let is_own = |own: &String| domain == own || Some(domain) == own.split('.').next();
        if self.own_names.iter().any(is_own) {
            return Some(Reason::OwnName);
        }
        let is_under = |root: &String| {
            domain.strip_suffix(root.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        if !self.roots.iter().any(is_under) && !self.names.iter().any(|name| name == domain) {
            return Some(Reason::Domain { roots: self.roots.clone() });
        }
        if !self.ranges.iter().any(|range| range.contains(entry.ip())) {
            return Some(Reason::Address { ranges: self.ranges.clone() });
        }
        None
    }
}

impl std::error::Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Refusal { number, entry, reason } = self;
        write!(f, "entry {number}: ")?;
        match reason {
            Reason::OwnName => write!(f, "domain: \"{}\" is the node's own name", entry.domain()),
            Reason::Domain { roots } => write!(
                f,
                "domain: \"{}\" is not under {}: allow it with --allowed-name or --allowed-root",
                entry.domain(),
                any_of(roots)
            ),
            Reason::Address { ranges } => write!(
                f,
                "ip: \"{}\" of \"{}\" is not in {}: allow it with --allowed-range",
                entry.ip(),
                entry.domain(),
                any_of(ranges)
            ),
        }
    }
}

fn any_of<T: fmt::Display>(list: &[T]) -> String {
    if list.is_empty() {
        return "anything (none is allowed)".to_owned();
    }
    list.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;

//! The state of each name of the list on this node: whether programs that resolve it get the list's address,
//! and whether that answers. Pure.

use std::collections::BTreeSet;
use std::net::IpAddr;

use tcr::hosts_entry::HostsEntry;

use crate::nsswitch::Lookup;
use crate::resolver::Conflict;

/// Names that are reported one by one.
const TOLD: usize = 10;

/// The state of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It resolves to the list's address, as far as is known.
    Used,
    /// A line of others comes first in the hosts file and gives it another address.
    Shadowed,
    /// The node's `nsswitch.conf` does not ask the hosts file, or asks something else first.
    NotAsked,
    /// The address does not answer.
    LinkDown,
    /// It is not in the hosts file.
    Missing,
}

impl State {
    /// All states, in the order of the metrics.
    pub const ALL: [Self; 5] = [Self::Used, Self::Shadowed, Self::NotAsked, Self::LinkDown, Self::Missing];

    /// The label of the metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Used => "used",
            Self::Shadowed => "shadowed",
            Self::NotAsked => "not_asked",
            Self::LinkDown => "link_down",
            Self::Missing => "missing",
        }
    }
}

/// The names, counted, and the first few that are not used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    counts: [usize; State::ALL.len()],
    /// The names that are not used, at most ten.
    pub told: Vec<(String, State)>,
}

/// The facts about a node.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The entries of the list that are for the node.
    pub own: &'a [&'a HostsEntry],
    /// The lines that its hosts file carries.
    pub carried: &'a [HostsEntry],
    /// The node's `nsswitch.conf`; none where it is not known.
    pub lookup: Option<&'a Lookup>,
    /// Lines of others that come first for a name.
    pub shadows: &'a [Conflict],
    /// Addresses of links that do not answer.
    pub down: &'a BTreeSet<IpAddr>,
}

impl Names {
    /// The states of the names.
    pub fn of(known: &Known<'_>) -> Self {
        let mut names = Self::default();
        let mut seen = BTreeSet::new();
        for domain in known.own.iter().map(|entry| entry.domain()) {
            if seen.insert(domain) {
                names.add(domain, state(domain, known));
            }
        }
        names
    }

    fn add(&mut self, domain: &str, state: State) {
        self.counts[state as usize] += 1;
        if state != State::Used && self.told.len() < TOLD {
            self.told.push((domain.to_owned(), state));
        }
    }

    /// The number of names in this state.
    pub fn count(&self, state: State) -> usize {
        self.counts[state as usize]
    }
}

fn state(domain: &str, known: &Known<'_>) -> State {
    let Known { own, carried, lookup, shadows, down } = known;
    let of_list = |line: &&HostsEntry| own.iter().any(|it| (it.domain(), it.ip()) == (domain, line.ip()));
    let mut lines = carried.iter().filter(|line| line.domain() == domain).filter(of_list).peekable();
    if lines.peek().is_none() {
        let mut entries = own.iter().filter(|entry| entry.domain() == domain);
        let is_withheld = entries.all(|entry| entry.when_link_down().is_some() && down.contains(&entry.ip()));
        return if is_withheld { State::LinkDown } else { State::Missing };
    }
    if lookup.is_some_and(|lookup| *lookup != Lookup::Asked) {
        return State::NotAsked;
    }
    if shadows.iter().any(|shadow| shadow.domain == domain) {
        return State::Shadowed;
    }
    if lines.all(|line| down.contains(&line.ip())) { State::LinkDown } else { State::Used }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;
    use tcr::image_pull_secret::WhenLinkDown;

    fn entry(domain: &str, ip: &str) -> HostsEntry {
        HostsEntry::new(domain, ip, false).unwrap()
    }

    #[test]
    fn each_name_has_the_first_reason_for_which_it_is_not_used() {
        let link = |domain: &str, ip: &str| entry(domain, ip).of_link(WhenLinkDown::Keep);
        let own = [
            link("good.com", "10.0.0.1"),
            link("twice.com", "10.0.0.1"),
            link("twice.com", "10.0.0.2"),
            link("down.com", "10.0.0.2"),
            link("withheld.com", "10.0.0.2"),
            entry("own.com", "10.0.0.9"),
            entry("missing.com", "10.0.0.9"),
            entry("shadowed.com", "10.0.0.9"),
        ];
        let own: Vec<&HostsEntry> = own.iter().collect();
        let is_carried = |entry: &&&HostsEntry| !["withheld.com", "missing.com"].contains(&entry.domain());
        let carried: Vec<HostsEntry> = own.iter().filter(is_carried).map(|entry| entry.line()).collect();
        let shadows = [Conflict { line: 1, ip: [9, 9, 9, 9].into(), domain: "shadowed.com".to_owned() }];
        let down = BTreeSet::from([[10, 0, 0, 2].into()]);
        let known = Known { own: &own, carried: &carried, lookup: None, shadows: &shadows, down: &down };
        let shown = |known: &Known<'_>| {
            let names = Names::of(known);
            let told: Vec<String> =
                names.told.iter().map(|(domain, state)| format!("{domain} {}", state.as_str())).collect();
            let counts: Vec<String> = State::ALL
                .iter()
                .map(|state| format!("{}={}", state.as_str(), names.count(*state)))
                .collect();
            format!("{}: {}", counts.join(" "), told.join(", "))
        };
        let asked = Known { lookup: Some(&Lookup::Asked), ..known };
        assert_eq!(
            shown(&asked),
            "used=3 shadowed=1 not_asked=0 link_down=2 missing=1: down.com link_down, withheld.com link_down, \
             missing.com missing, shadowed.com shadowed"
        );
        assert_eq!(shown(&known), shown(&asked), "what is not known is held against nobody");
        let after = Lookup::After(Message::new("dns"));
        assert_eq!(
            shown(&Known { lookup: Some(&after), ..known }),
            "used=0 shadowed=0 not_asked=5 link_down=1 missing=1: good.com not_asked, twice.com not_asked, down.com \
             not_asked, withheld.com link_down, own.com not_asked, missing.com missing, shadowed.com not_asked"
        );
    }

    #[test]
    fn of_many_names_the_first_are_told_and_all_are_counted() {
        let own: Vec<HostsEntry> = (0..200).map(|n| entry(&format!("r{n}.com"), "10.0.0.1")).collect();
        let own: Vec<&HostsEntry> = own.iter().collect();
        let known = Known { own: &own, carried: &[], lookup: None, shadows: &[], down: &BTreeSet::new() };
        let names = Names::of(&known);
        assert_eq!((names.count(State::Missing), names.told.len()), (200, TOLD));
    }
}

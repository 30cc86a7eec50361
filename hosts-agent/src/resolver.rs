//! The hosts file as a resolver reads it: glibc's, musl's and Go's agree on what is here.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;

use tcr::hosts_entry::HostsEntry;

use crate::block;

/// An own line of the node for a name that the list has, with another address: resolvers return
/// both, so pulls may take the wrong one. Reported, never changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Number of the line in the file, from 1.
    pub line: usize,
    /// The address it gives.
    pub ip: IpAddr,
    /// The name it gives it to, as the list has it.
    pub domain: String,
}

/// Conflicts that are reported one by one.
const TOLD: usize = 10;

/// The first few conflicts, and how many there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conflicts {
    /// The first ones in the file.
    pub first: Vec<Conflict>,
    /// How many lookups there were in all.
    pub count: usize,
}

impl Conflicts {
    fn push(&mut self, conflict: Conflict) {
        self.count += 1;
        if self.first.len() < TOLD {
            self.first.push(conflict);
        }
    }
}

/// The names of the list as a resolver sees them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View<'a> {
    /// The entries that it would not find.
    pub missing: Vec<&'a HostsEntry>,
    /// Lines of others that give a name of the list an address that the list does not.
    pub conflicts: Conflicts,
    /// Conflicts that come before every line of the list for their name: a resolver that takes the first
    /// address takes theirs. At most one for a name.
    pub shadows: Vec<Conflict>,
}

/// A name that is looked for.
#[derive(Default)]
struct Wanted {
    /// The list's addresses, each with whether it was found.
    addresses: Vec<(IpAddr, bool)>,
    /// Some line has given it an address.
    is_resolved: bool,
}

/// How the names of `entries` are resolved by `file`.
pub fn view<'a>(file: &[u8], entries: &[&'a HostsEntry]) -> View<'a> {
    // Only names of the list are kept: the file may have many more.
    let mut wanted: HashMap<&str, Wanted> = HashMap::new();
    for entry in entries {
        wanted.entry(entry.domain()).or_default().addresses.push((entry.ip(), false));
    }
    let (mut conflicts, mut shadows) = (Conflicts::default(), Vec::new());
    for line in lines(file) {
        for domain in line.names() {
            let Some(Wanted { addresses, is_resolved }) = wanted.get_mut(&*domain) else { continue };
            let Some(ip) = line.ip() else { continue };
            let mut is_listed = false;
            for (_, is_found) in addresses.iter_mut().filter(|(address, _)| *address == ip) {
                (is_listed, *is_found) = (true, true);
            }
            let is_first = !std::mem::replace(is_resolved, true);
            if !is_listed && !block::is_owned(line.whole) {
                let conflict = Conflict { line: line.number, ip, domain: domain.into_owned() };
                shadows.extend(is_first.then(|| conflict.clone()));
                conflicts.push(conflict);
            }
        }
    }
    let is_missing = |entry: &&HostsEntry| {
        wanted.get(entry.domain()).is_some_and(|it| it.addresses.contains(&(entry.ip(), false)))
    };
    View { missing: entries.iter().copied().filter(is_missing).collect(), conflicts, shadows }
}

/// A line that may have an address and names.
struct Line<'a> {
    number: usize,
    whole: &'a [u8],
    address: &'a [u8],
    names: &'a [u8],
}

impl Line<'_> {
    /// None for what is no address, and for a scoped one such as `fe80::1%eth0`, which no list can have.
    fn ip(&self) -> Option<IpAddr> {
        std::str::from_utf8(self.address).ok()?.parse().ok()
    }

    /// In lower case: resolvers compare without regard to it.
    fn names(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let words = self.names.split(is_blank).filter(|word| !word.is_empty());
        words.filter_map(|name| {
            let name = std::str::from_utf8(name).ok()?;
            let has_upper_case = name.bytes().any(|byte| byte.is_ascii_uppercase());
            Some(if has_upper_case { Cow::Owned(name.to_ascii_lowercase()) } else { Cow::Borrowed(name) })
        })
    }
}

fn lines(file: &[u8]) -> impl Iterator<Item = Line<'_>> {
    file.split(|byte| *byte == b'\n').enumerate().filter_map(|(index, whole)| {
        let text = whole.split(|byte| *byte == b'#').next()?;
        let start = text.iter().position(|byte| !is_blank(byte))?;
        let text = &text[start..];
        let (address, names) = text.split_at(text.iter().position(is_blank).unwrap_or(text.len()));
        Some(Line { number: index + 1, whole, address, names })
    })
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | 0x0b | 0x0c)
}

#[cfg(test)]
mod tests;

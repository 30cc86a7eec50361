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

/// The entries that a resolver would not find in `file`.
pub fn missing<'a>(file: &[u8], entries: &[&'a HostsEntry]) -> Vec<&'a HostsEntry> {
    // Only what is asked for is kept: the file may have many more names.
    let mut wanted: HashMap<&str, Vec<IpAddr>> = HashMap::new();
    for entry in entries {
        wanted.entry(entry.domain()).or_default().push(entry.ip());
    }
    for line in lines(file) {
        for name in line.names() {
            if let Some(addresses) = wanted.get_mut(&*name) {
                addresses.retain(|address| *address != line.ip);
            }
        }
    }
    let is_missing =
        |entry: &&HostsEntry| wanted.get(entry.domain()).is_some_and(|left| left.contains(&entry.ip()));
    entries.iter().copied().filter(is_missing).collect()
}

/// Lines of others that give a name of `entries` an address that the list does not.
pub fn conflicts(file: &[u8], entries: &[&HostsEntry]) -> Vec<Conflict> {
    let mut wanted: HashMap<&str, Vec<IpAddr>> = HashMap::new();
    for entry in entries {
        wanted.entry(entry.domain()).or_default().push(entry.ip());
    }
    let foreign = lines(file).filter(|line| !line.is_ours);
    let mut conflicts = Vec::new();
    for line in foreign {
        for domain in line.names() {
            if wanted.get(&*domain).is_some_and(|addresses| !addresses.contains(&line.ip)) {
                let domain = domain.into_owned();
                conflicts.push(Conflict { line: line.number, ip: line.ip, domain });
            }
        }
    }
    conflicts
}

struct Line<'a> {
    number: usize,
    is_ours: bool,
    ip: IpAddr,
    names: &'a [u8],
}

impl Line<'_> {
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
    file.split(|byte| *byte == b'\n').enumerate().filter_map(|(index, line)| {
        let text = line.split(|byte| *byte == b'#').next()?;
        let start = text.iter().position(|byte| !is_blank(byte))?;
        let text = &text[start..];
        let (address, names) = text.split_at(text.iter().position(is_blank).unwrap_or(text.len()));
        // A scoped address such as fe80::1%eth0 is none that a list can have.
        let ip = std::str::from_utf8(address).ok()?.parse().ok()?;
        Some(Line { number: index + 1, is_ours: block::is_owned(line), ip, names })
    })
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | 0x0b | 0x0c)
}

#[cfg(test)]
mod tests;

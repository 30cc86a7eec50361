//! One line that a node's hosts file is to have, and the list of them in the key `hosts.yaml` of
//! the ConfigMap `updater-config`: what the controller writes and hosts-updater reads.

use std::fmt::{self, Write as _};
use std::net::IpAddr;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::address::{self, AddressProblem};
use crate::checksum::fnv1a;
use crate::dns::{HostNameProblem, host_name_problem};
use crate::image_pull_secret::WhenLinkDown;
use crate::quoted::quoted;
use crate::resource_id::is_vpc_id;

/// Key of the ConfigMap that holds the list.
pub const HOSTS_KEY: &str = "hosts.yaml";
/// Longest list there may be: every lookup on the node reads every line.
pub const MAX_ENTRIES: usize = 256;

/// A domain and the address that nodes resolve it to. In YAML: `domain`, `ip`, and `disabled`
/// (default false), the fields of the original's ConfigMap. An entry of a private link also has
/// `whenLinkDown`: nodes try its address before they take it, and again from time to time. An entry with
/// `vpcId` is for the nodes in that VPC, where it takes the place of those of its domain that are for all; one
/// without it is for all. Releases that do not know the field refuse the whole list, so that none of them takes
/// another network's entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HostsEntry {
    domain: String,
    ip: IpAddr,
    disabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    vpc_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    when_link_down: Option<WhenLinkDown>,
}

/// Why a domain and an address are no entry. Displays as the field, the value and the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostsEntryError {
    /// The domain cannot stand in a hosts file, or must not.
    #[error("domain: {} {reason}", quoted(domain))]
    Domain {
        /// The domain as written.
        domain: String,
        /// What is wrong with it.
        reason: DomainProblem,
    },
    /// The address cannot be that of a registry.
    #[error("ip: {} {reason}", quoted(ip))]
    Address {
        /// The address as written.
        ip: String,
        /// What is wrong with it.
        reason: AddressProblem,
    },
    /// The id cannot be that of a VPC.
    #[error("vpcId: {} is not the id of a VPC, such as vpc-12345678", quoted(.0))]
    VpcId(String),
}

/// What is wrong with a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DomainProblem {
    /// The domain is an empty text.
    #[error("is empty")]
    Empty,
    /// A wildcard: hosts files have none.
    #[error("has a wildcard, which hosts files do not know: list each name")]
    Wildcard,
    /// A character that is in no host name.
    #[error("has the character {0:?}: use letters, digits, hyphens and dots")]
    Character(char),
    /// Two dots in a row, or one at an end.
    #[error("has nothing before or after one of its dots")]
    EmptyLabel,
    /// A label begins or ends with a hyphen.
    #[error("has a part that begins or ends with a hyphen")]
    Hyphen,
    /// A label is longer than DNS allows.
    #[error("has a part of more than 63 characters")]
    LongLabel,
    /// The name is longer than DNS allows.
    #[error("has more than 253 characters")]
    Long,
    /// The last label has digits only, so the name is, or looks like, an address.
    #[error("is not a name: its last part is a number")]
    Number,
    /// A name of the machine itself.
    #[error("is the machine's own: it must keep its loopback address")]
    Localhost,
}

impl HostsEntry {
    /// An entry of `domain`, in any case, and the literal address `ip`.
    pub fn new(domain: &str, ip: &str, disabled: bool) -> Result<Self, HostsEntryError> {
        if let Some(reason) = domain_problem(domain) {
            return Err(HostsEntryError::Domain { domain: domain.to_owned(), reason });
        }
        let refused = |reason| HostsEntryError::Address { ip: ip.to_owned(), reason };
        let address: IpAddr = ip.parse().map_err(|_| refused(AddressProblem::NotLiteral))?;
        if let Some(reason) = address_problem(address) {
            return Err(refused(reason));
        }
        Ok(Self {
            domain: domain.to_ascii_lowercase(),
            ip: address,
            disabled,
            vpc_id: None,
            when_link_down: None,
        })
    }

    /// The same as an entry for the nodes in one VPC.
    ///
    /// # Errors
    /// `vpc_id` is no VPC's id.
    pub fn of_vpc(self, vpc_id: &str) -> Result<Self, HostsEntryError> {
        if !is_vpc_id(vpc_id) {
            return Err(HostsEntryError::VpcId(vpc_id.to_owned()));
        }
        Ok(Self { vpc_id: Some(vpc_id.to_owned()), ..self })
    }

    /// The same as an entry of a private link.
    #[must_use]
    pub fn of_link(self, when_link_down: WhenLinkDown) -> Self {
        Self { when_link_down: Some(when_link_down), ..self }
    }

    /// The same as a line of a hosts file has it: domain and address.
    #[must_use]
    pub fn line(&self) -> Self {
        Self { disabled: false, vpc_id: None, when_link_down: None, ..self.clone() }
    }

    /// The name, in lower case and without a final dot.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The address that the name resolves to.
    pub fn ip(&self) -> IpAddr {
        self.ip
    }

    /// Whether the entry is kept in the list but not on the nodes.
    pub fn disabled(&self) -> bool {
        self.disabled
    }

    /// The VPC whose nodes the entry is for; none for an entry that is for all.
    pub fn vpc_id(&self) -> Option<&str> {
        self.vpc_id.as_deref()
    }

    /// Whether a node in that VPC takes the entry. One whose VPC is not known takes what is for all.
    pub fn is_for(&self, vpc_id: Option<&str>) -> bool {
        self.vpc_id.is_none() || self.vpc_id() == vpc_id
    }

    /// What nodes do with the entry while its address does not answer; none for an entry that is
    /// not a private link's, which they write as it is.
    pub fn when_link_down(&self) -> Option<WhenLinkDown> {
        self.when_link_down
    }
}

/// The list of `hosts.yaml`: at most [`MAX_ENTRIES`], in the order written. Reads from any serde
/// format; one bad entry, named by its number from 1, makes the whole list bad.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct HostsList(Vec<HostsEntry>);

/// A list of more than [`MAX_ENTRIES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the list has more than {MAX_ENTRIES} entries")]
pub struct TooManyEntries;

impl HostsList {
    /// A list of `entries`.
    pub fn new(entries: Vec<HostsEntry>) -> Result<Self, TooManyEntries> {
        if entries.len() > MAX_ENTRIES { Err(TooManyEntries) } else { Ok(Self(entries)) }
    }

    /// All entries, disabled ones included, in the order written.
    pub fn entries(&self) -> &[HostsEntry] {
        &self.0
    }

    /// What the hosts file of a node in that VPC gets: the entries for it that are not disabled, each
    /// domain and address once. Entries of its own VPC, disabled ones too, take the place of those of their domain
    /// that are for all. A node whose VPC is not known gets those that are for all.
    pub fn enabled_for(&self, vpc_id: Option<&str>) -> Vec<&HostsEntry> {
        let mut enabled: Vec<&HostsEntry> = Vec::new();
        for entry in self.0.iter().filter(|entry| !entry.disabled && entry.is_for(vpc_id)) {
            if entry.vpc_id.is_none() && self.has_own(&entry.domain, vpc_id) {
                continue;
            }
            if !enabled.iter().any(|other| (&other.domain, other.ip) == (&entry.domain, entry.ip)) {
                enabled.push(entry);
            }
        }
        enabled
    }

    /// Whether the domain has an entry of that VPC alone.
    fn has_own(&self, domain: &str, vpc_id: Option<&str>) -> bool {
        vpc_id.is_some() && self.0.iter().any(|it| it.vpc_id() == vpc_id && it.domain == domain)
    }

    /// Whether nodes have to know their VPC to take what is theirs.
    pub fn is_by_vpc(&self) -> bool {
        self.0.iter().any(|entry| !entry.disabled && entry.vpc_id.is_some())
    }

    /// Whether nodes resolve a domain to a private link.
    pub fn has_links(&self) -> bool {
        self.0.iter().any(|entry| !entry.disabled && entry.when_link_down.is_some())
    }

    /// Whether the list gives this domain this address in other VPCs only.
    pub fn is_of_another_vpc(&self, line: &HostsEntry, vpc_id: Option<&str>) -> bool {
        let mut same = self.0.iter().filter(|it| (&it.domain, it.ip) == (&line.domain, line.ip)).peekable();
        same.peek().is_some() && same.all(|entry| !entry.is_for(vpc_id))
    }

    /// The list as YAML, as the original's ConfigMap has it; `[]` when there is none. Reading it
    /// gives the list back.
    pub fn to_yaml(&self) -> String {
        if self.0.is_empty() {
            return "[]\n".to_owned();
        }
        let mut yaml = String::new();
        for HostsEntry { domain, ip, disabled, vpc_id, when_link_down } in &self.0 {
            // Without quotes YAML would read "no", "1.5e3" or an address's final colon as its own.
            let is_plain = domain
                .rsplit_once('.')
                .is_some_and(|(_, last)| last.bytes().all(|byte| byte.is_ascii_alphabetic()));
            let quote = if is_plain { "" } else { "\"" };
            let _ = writeln!(yaml, "- domain: {quote}{domain}{quote}");
            let quote = if ip.is_ipv4() { "" } else { "\"" };
            let _ = writeln!(yaml, "  ip: {quote}{ip}{quote}\n  disabled: {disabled}");
            if let Some(vpc_id) = vpc_id {
                let _ = writeln!(yaml, "  vpcId: {vpc_id}");
            }
            if let Some(when) = when_link_down {
                let _ = writeln!(yaml, "  whenLinkDown: {when:?}");
            }
        }
        yaml
    }

    /// Sixteen hexadecimal digits that stand for this list: the controller compares them with what
    /// each node says it carries. FNV-1a over [`HostsList::to_yaml`]; equal lists have equal
    /// generations in every version of the program.
    pub fn generation(&self) -> String {
        format!("{:016x}", fnv1a(self.to_yaml().as_bytes()))
    }
}

impl<'de> Deserialize<'de> for HostsList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ListVisitor)
    }
}

/// An entry before its rules were looked at. An unknown field is an error, because a misspelt
/// `disabled` would switch an entry on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Written {
    domain: String,
    ip: String,
    #[serde(default)]
    disabled: bool,
    vpc_id: Option<String>,
    when_link_down: Option<WhenLinkDown>,
}

struct ListVisitor;

impl<'de> Visitor<'de> for ListVisitor {
    type Value = HostsList;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of entries with the fields domain, ip, disabled, vpcId and whenLinkDown, or []")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<HostsList, A::Error> {
        let mut entries = Vec::new();
        while let Some(Written { domain, ip, disabled, vpc_id, when_link_down }) = list.next_element()? {
            // Counted while reading, so that a hostile list costs no memory.
            if entries.len() == MAX_ENTRIES {
                return Err(A::Error::custom(TooManyEntries));
            }
            let entry = HostsEntry::new(&domain, &ip, disabled).and_then(|entry| match &vpc_id {
                Some(vpc_id) => entry.of_vpc(vpc_id),
                None => Ok(entry),
            });
            let entry = entry
                .map_err(|error| A::Error::custom(format_args!("entry {}: {error}", entries.len() + 1)))?;
            entries.push(HostsEntry { when_link_down, ..entry });
        }
        Ok(HostsList(entries))
    }
}

fn domain_problem(domain: &str) -> Option<DomainProblem> {
    use DomainProblem as Problem;
    if domain.is_empty() {
        return Some(Problem::Empty);
    }
    if domain.contains('*') {
        return Some(Problem::Wildcard);
    }
    if let Some(problem) = host_name_problem(domain) {
        return Some(match problem {
            HostNameProblem::Character(character) => Problem::Character(character),
            HostNameProblem::EmptyLabel => Problem::EmptyLabel,
            HostNameProblem::Hyphen => Problem::Hyphen,
            HostNameProblem::LongLabel => Problem::LongLabel,
            HostNameProblem::Long => Problem::Long,
        });
    }
    let (first, last) = (domain.split('.').next().unwrap_or(""), domain.rsplit('.').next().unwrap_or(""));
    if last.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Problem::Number);
    }
    // localhost and all under it (RFC 6761), localhost.localdomain, and the names that Debian and
    // Red Hat give to ::1.
    let is_local = last.eq_ignore_ascii_case("localhost")
        || last.eq_ignore_ascii_case("localdomain")
        || [first, last].iter().all(|label| {
            ["localhost", "localhost4", "localhost6", "localdomain4", "localdomain6"]
                .iter()
                .any(|own| label.eq_ignore_ascii_case(own))
        })
        || ["ip6-localhost", "ip6-loopback"].iter().any(|own| domain.eq_ignore_ascii_case(own));
    is_local.then_some(Problem::Localhost)
}

/// Why no hosts entry leads to the address; none where one may.
pub(crate) fn address_problem(address: IpAddr) -> Option<AddressProblem> {
    match address {
        IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some() => Some(AddressProblem::Mapped),
        _ => address::problem(address),
    }
}

#[cfg(test)]
mod tests;

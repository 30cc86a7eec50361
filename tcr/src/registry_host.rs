//! The host of a registry: a DNS name or an IP literal, with an optional port.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::dns::{HostNameProblem, host_name_problem};
use crate::names::TCR_ROOT_DOMAIN;
use crate::quoted::{quoted, without_user_information};

/// A registry's host in lower case, such as `demo.tencentcloudcr.com`, `localhost:5000` or
/// `[::1]:5000`: the `domain` of the distribution reference grammar within the limits of DNS
/// (labels of at most 63 characters, names of at most 253). No scheme, no path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(with = "String"))]
pub struct RegistryHost(String);

/// Why a text is not a registry host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} is not a registry host: {reason}", quoted(host))]
pub struct RegistryHostError {
    /// The text as it was given, except that user information before an @ is hidden.
    pub host: String,
    /// What is wrong with it.
    pub reason: RegistryHostProblem,
}

/// What is wrong with a registry host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryHostProblem {
    /// The host is an empty text.
    #[error("it is empty")]
    Empty,
    /// `https://` or the like stands before the host.
    #[error("leave out the scheme and its ://")]
    Scheme,
    /// A path follows the host.
    #[error("leave out the / and what follows")]
    Path,
    /// User information stands before the host.
    #[error("leave out the user name and the @")]
    UserInformation,
    /// A blank is before, after or inside the host.
    #[error("it contains a blank")]
    Blank,
    /// Two dots in a row, or one at an end.
    #[error("a label between its dots is empty")]
    EmptyLabel,
    /// A label begins or ends with a hyphen.
    #[error("a label begins or ends with a hyphen")]
    Hyphen,
    /// A label is longer than DNS allows.
    #[error("a label has more than 63 characters")]
    LongLabel,
    /// The name is longer than DNS allows.
    #[error("it has more than 253 characters")]
    Long,
    /// A character that no host name has.
    #[error("{0:?} is not allowed in a host; use letters, digits, hyphens and dots")]
    Character(char),
    /// Brackets without an IPv6 address between them.
    #[error("brackets enclose an IPv6 address, as in [2001:db8::1]")]
    Brackets,
    /// The port is no port.
    #[error("the port after the colon is a number from 1 to 65535, without leading zeros")]
    Port,
}

impl RegistryHost {
    /// The whole host, with its port if there is one.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host without its port; an IPv6 address keeps its brackets.
    pub fn name(&self) -> &str {
        split_port(&self.0).0
    }

    /// The port, if one is given.
    pub fn port(&self) -> Option<u16> {
        split_port(&self.0).1.and_then(|port| port.parse().ok())
    }

    /// Whether the name is `root` or ends with a dot and `root`, whatever the case: the boundary
    /// is a label's, so `eviltencentcloudcr.com` is not under `tencentcloudcr.com`.
    pub fn is_under(&self, root: &str) -> bool {
        let name = self.name().as_bytes();
        let root = root.as_bytes();
        if root.is_empty() || name.len() < root.len() {
            return false;
        }
        let (before, tail) = name.split_at(name.len() - root.len());
        tail.eq_ignore_ascii_case(root) && (before.is_empty() || before.ends_with(b"."))
    }

    /// The private domain `<name>-vpc.tencentcloudcr.com` of the instance whose default domain
    /// this is. None for a host that is no default domain: not exactly one label under
    /// `tencentcloudcr.com`, or one too long for the suffix.
    ///
    /// The instance's own name may end in `-vpc`, so only the caller knows that a host is a
    /// default domain (the API's `PublicDomain`) and not already a private one.
    pub fn vpc(&self) -> Option<RegistryHost> {
        let (name, port) = split_port(&self.0);
        let instance = name.strip_suffix(TCR_ROOT_DOMAIN)?.strip_suffix('.')?;
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        if instance.contains('.') {
            return None;
        }
        format!("{instance}-vpc.{TCR_ROOT_DOMAIN}{port}").parse().ok()
    }
}

impl FromStr for RegistryHost {
    type Err = RegistryHostError;

    fn from_str(host: &str) -> Result<Self, Self::Err> {
        match problem(host) {
            Some(reason) => {
                Err(RegistryHostError { host: without_user_information(host).into_owned(), reason })
            }
            None => Ok(Self(host.to_ascii_lowercase())),
        }
    }
}

impl TryFrom<String> for RegistryHost {
    type Error = RegistryHostError;

    fn try_from(host: String) -> Result<Self, Self::Error> {
        host.parse()
    }
}

impl From<RegistryHost> for String {
    fn from(host: RegistryHost) -> String {
        host.0
    }
}

impl AsRef<str> for RegistryHost {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RegistryHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn problem(host: &str) -> Option<RegistryHostProblem> {
    use RegistryHostProblem as Problem;
    if host.is_empty() {
        return Some(Problem::Empty);
    }
    // What people paste, before what the grammar says about single characters.
    if split_scheme(host).is_some() {
        return Some(Problem::Scheme);
    }
    if host.contains(char::is_whitespace) {
        return Some(Problem::Blank);
    }
    if host.contains('@') {
        return Some(Problem::UserInformation);
    }
    if host.contains('/') {
        return Some(Problem::Path);
    }
    if is_ipv6(host) || host.starts_with('[') && !host.contains(']') {
        return Some(Problem::Brackets);
    }
    let (name, port) = split_port(host);
    if let Some(port) = port {
        let digits = !port.starts_with('0') && port.bytes().all(|byte| byte.is_ascii_digit());
        if !digits || port.parse::<u16>().is_err() {
            return Some(Problem::Port);
        }
    }
    if name.starts_with('[') || name.ends_with(']') {
        return (!is_bracketed_ipv6(name)).then_some(Problem::Brackets);
    }
    if name.is_empty() {
        return Some(Problem::Empty);
    }
    Some(match host_name_problem(name)? {
        HostNameProblem::Character(character) => Problem::Character(character),
        HostNameProblem::EmptyLabel => Problem::EmptyLabel,
        HostNameProblem::Hyphen => Problem::Hyphen,
        HostNameProblem::LongLabel => Problem::LongLabel,
        HostNameProblem::Long => Problem::Long,
    })
}

fn is_bracketed_ipv6(name: &str) -> bool {
    name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).is_some_and(is_ipv6)
}

/// The reference grammar's IPv6 address: hexadecimal digits and colons, no zone, no dotted tail. Not the
/// standard library's parser, which reads that tail too and is kilobytes of wasm.
fn is_ipv6(text: &str) -> bool {
    let groups = |text: &str| {
        let mut count = 0;
        for group in text.split(':').filter(|_| !text.is_empty()) {
            let is_group =
                (1..=4).contains(&group.len()) && group.bytes().all(|byte| byte.is_ascii_hexdigit());
            count += is_group.then_some(1)?;
        }
        Some(count)
    };
    match text.as_bytes().windows(2).position(|pair| pair == b"::") {
        None => groups(text) == Some(8),
        Some(at) => {
            let sides = text.get(..at).and_then(groups).zip(text.get(at + 2..).and_then(groups));
            sides.is_some_and(|(head, tail)| head + tail < 8)
        }
    }
}

/// The host and what follows the colon that is not inside brackets.
fn split_port(host: &str) -> (&str, Option<&str>) {
    let after_brackets = host.rfind(']').map_or(0, |at| at + 1);
    let colon = host.bytes().enumerate().skip(after_brackets).find(|(_, byte)| *byte == b':');
    match colon.and_then(|(at, _)| Some((host.get(..at)?, host.get(at + 1..)?))) {
        Some((name, port)) => (name, Some(port)),
        None => (host, None),
    }
}

#[cfg(test)]
mod tests;

/// What stands before and behind the first `://`. Not `split_once`, whose general search for texts is
/// kilobytes of wasm.
pub(crate) fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let at = text.as_bytes().windows(3).position(|window| window == b"://")?;
    Some((text.get(..at)?, text.get(at + 3..)?))
}

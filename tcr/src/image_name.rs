//! The name of an image as kubelets take it, by `github.com/distribution/reference`.
//!
//! [`ImageRef`](crate::image_ref::ImageRef) is for what can be pulled from a registry; this is for what a kubelet
//! accepts, and for the name by which it looks for credentials: its host is as it is written, capitals and all.

use std::str::FromStr;

use crate::image_ref::host_of;

/// Longest path of a repository.
const PATH_MAX: usize = 255;
/// The longest tag, in characters.
const TAG_MAX: usize = 128;

/// A name without tag and digest, in full: `docker.io/library/nginx`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageName {
    name: String,
    domain: usize,
}

/// Why a kubelet says `InvalidImageName`, in its own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidImageName {
    /// The name is an image's id.
    #[error("invalid repository name, cannot specify 64-byte hexadecimal strings")]
    Identifier,
    /// A capital in the repository, or in a host with an underscore.
    #[error("repository name must be lowercase")]
    UpperCase,
    /// Anything else that the grammar does not have.
    #[error("invalid reference format")]
    Format,
    /// The repository is too long.
    #[error("repository name must not be more than 255 characters")]
    Long,
    /// The digest's algorithm is unknown.
    #[error("unsupported digest algorithm")]
    Algorithm,
    /// The digest has the wrong number of digits.
    #[error("invalid checksum digest length")]
    DigestLength,
    /// The digest is not in lower case, or not of the form `algorithm:hexadecimal`.
    #[error("invalid checksum digest format")]
    Digest,
}

impl ImageName {
    /// The name with its domain, without a tag.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The host, as it is written. Empty for a host with an underscore, which the grammar takes for a part of the path.
    pub fn domain(&self) -> &str {
        self.name.get(..self.domain).unwrap_or_default()
    }
}

impl FromStr for ImageName {
    type Err = InvalidImageName;

    fn from_str(reference: &str) -> Result<Self, Self::Err> {
        use InvalidImageName as Invalid;
        if reference.len() == 64 && reference.bytes().all(is_lower_hex) {
            return Err(Invalid::Identifier);
        }
        // Go takes a first component with a capital for a host, in whatever alphabet; a host is ASCII.
        let first = reference.split_once('/').map_or("", |(first, _)| first);
        if !first.is_ascii() && first.to_lowercase() != first {
            return Err(Invalid::Format);
        }
        let domain = host_of(reference);
        let rest = match reference.split_once('/') {
            Some((first, rest)) if first == domain || first == "index.docker.io" => rest,
            _ => reference,
        };
        let library = if domain == "docker.io" && !rest.contains('/') { "library/" } else { "" };
        let remote = rest.split(':').next().unwrap_or(rest);
        if remote.to_lowercase() != remote {
            return Err(Invalid::UpperCase);
        }
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (rest, None),
        };
        let (path, tag) = match rest.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (rest, None),
        };
        let path = format!("{library}{path}");
        let name = format!("{domain}/{path}");
        if !path.split('/').all(is_component) || !tag.is_none_or(is_tag) || !digest.is_none_or(is_digest_like)
        {
            return Err(Invalid::Format);
        }
        let (domain, path) = match is_domain(domain) {
            true => (domain.len(), path.len()),
            false if is_component(domain) => (0, name.len()),
            false if is_component(&domain.to_lowercase()) => return Err(Invalid::UpperCase),
            false => return Err(Invalid::Format),
        };
        if path > PATH_MAX {
            return Err(Invalid::Long);
        }
        digest.map_or(Ok(()), check_digest)?;
        Ok(Self { name, domain })
    }
}

/// A host with an optional port; an IPv6 address in brackets.
fn is_domain(text: &str) -> bool {
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !text.ends_with(']') => (name, Some(port)),
        _ => (text, None),
    };
    if port.is_some_and(|port| port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit())) {
        return false;
    }
    if let Some(address) = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return !address.is_empty() && address.bytes().all(|byte| byte == b':' || byte.is_ascii_hexdigit());
    }
    name.split('.').all(|label| {
        let inner = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        inner && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
    })
}

/// `[a-z0-9]+` separated by one dot, one or two underscores, or any number of hyphens.
fn is_component(text: &str) -> bool {
    let is_alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let edges = text.starts_with(is_alphanumeric) && text.ends_with(is_alphanumeric);
    edges
        && text.split(is_alphanumeric).all(|separator| {
            matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-')
        })
}

fn is_tag(tag: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    tag.starts_with(is_word)
        && tag.len() <= TAG_MAX
        && tag.chars().all(|c| is_word(c) || c == '.' || c == '-')
}

/// The grammar's digest, which is looser than those that are known.
fn is_digest_like(digest: &str) -> bool {
    let Some((algorithm, digits)) = digest.split_once(':') else { return false };
    let is_part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    algorithm.split(['-', '_', '+', '.']).all(is_part)
        && digits.len() >= 32
        && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn check_digest(digest: &str) -> Result<(), InvalidImageName> {
    let (algorithm, digits) = digest.split_once(':').unwrap_or_default();
    let expected = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ if algorithm.bytes().any(|byte| byte.is_ascii_uppercase()) => return Err(InvalidImageName::Digest),
        _ => return Err(InvalidImageName::Algorithm),
    };
    if digits.len() != expected {
        return Err(InvalidImageName::DigestLength);
    }
    if digits.bytes().all(is_lower_hex) { Ok(()) } else { Err(InvalidImageName::Digest) }
}

fn is_lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

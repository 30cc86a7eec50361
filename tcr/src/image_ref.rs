//! Image references, by the grammar of `github.com/distribution/reference` (what kubelet and
//! containerd read them with), normalised as that package normalises them.

use std::fmt;
use std::str::FromStr;

use crate::quoted::{quoted, without_user_information};
use crate::registry_host::{RegistryHost, RegistryHostError, RegistryHostProblem, split_scheme};

/// The registry of a reference that names none.
const DEFAULT_HOST: &str = "docker.io";
/// The older name of [`DEFAULT_HOST`].
const LEGACY_DEFAULT_HOST: &str = "index.docker.io";
/// The prefix that `docker.io` adds to a name of one component.
const OFFICIAL_PREFIX: &str = "library/";
/// The tag of a reference that has neither tag nor digest.
const DEFAULT_TAG: &str = "latest";
/// Longest repository name, without the host.
const REPOSITORY_MAX: usize = 255;
/// The longest tag, in characters.
const TAG_MAX: usize = 128;

/// An image reference in full: nothing is left to a default.
///
/// Stricter than the Go package in two places, for names that can never be pulled: the host obeys
/// DNS ([`RegistryHost`]), and `Team/app` is refused as an upper-case name although the package
/// takes `Team` for a registry. The host is folded to lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ImageRef {
    /// The registry; `docker.io` when the text names none.
    pub host: RegistryHost,
    /// The repository in the registry, such as `team/app`.
    pub repository: String,
    /// The tag; `latest` when the text has neither tag nor digest.
    pub tag: Option<String>,
    /// The digest with its algorithm, such as `sha256:` and 64 hexadecimal digits.
    pub digest: Option<String>,
}

/// Why a text is not an image reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} is not an image reference: {reason}", quoted(reference))]
pub struct ImageRefError {
    /// The text as it was given, except that user information before the host is hidden.
    pub reference: String,
    /// What is wrong with it.
    pub reason: ImageRefProblem,
}

/// What is wrong with an image reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageRefProblem {
    /// The reference is an empty text.
    #[error("it is empty")]
    Empty,
    /// `https://` or the like stands before the host.
    #[error("leave out the scheme and its ://")]
    Scheme,
    /// A blank is before, after or inside the reference.
    #[error("it contains a blank")]
    Blank,
    /// 64 hexadecimal digits are an image's id, not a name.
    #[error("64 hexadecimal digits are an image's id; name the repository")]
    Identifier,
    /// What stands before the first slash looks like a host and is none.
    #[error("{0}")]
    Host(RegistryHostError),
    /// The host is not followed by a repository.
    #[error("no repository follows the host")]
    NoRepository,
    /// An upper-case letter in the repository.
    #[error("the repository {} must be lower case", quoted(.0))]
    UpperCase(String),
    /// Two slashes in a row, or one at an end.
    #[error("a component between the slashes of the repository is empty")]
    EmptyComponent,
    /// A component of the repository breaks the grammar.
    #[error(
        "{} is no component of a repository; use lower-case letters and digits, separated by one dot, \
         one or two underscores, or hyphens",
        quoted(.0)
    )]
    Component(String),
    /// The repository is too long.
    #[error("the repository has {0} characters, and 255 are allowed")]
    LongRepository(usize),
    /// The tag breaks the grammar.
    #[error(
        "{} is no tag; use letters, digits, dots, underscores and hyphens, not beginning with a dot or a hyphen",
        quoted(.0)
    )]
    Tag(String),
    /// The tag is too long.
    #[error("the tag has {0} characters, and 128 are allowed")]
    LongTag(usize),
    /// The digest is not `algorithm:hexadecimal`.
    #[error("the digest {} is not an algorithm, a colon and hexadecimal digits", quoted(.0))]
    Digest(String),
    /// The digest's algorithm is not one that runtimes know.
    #[error("the digest's algorithm {} is unknown; use sha256, sha384 or sha512", quoted(.0))]
    Algorithm(String),
    /// The digest has the wrong number of digits.
    #[error("a digest of {algorithm} has {expected} hexadecimal digits, not {found}")]
    DigestLength {
        /// The algorithm of the digest.
        algorithm: &'static str,
        /// How many digits it has.
        expected: usize,
        /// How many were given.
        found: usize,
    },
    /// Something other than lower-case hexadecimal digits.
    #[error("a digest's digits are 0 to 9 and lower-case a to f, not {0:?}")]
    DigestDigit(char),
}

/// The registry host part of a reference as it is written, or `docker.io` when it names none (or
/// the older `index.docker.io`). Says nothing about the rest, and never allocates: it is called
/// for every image of every Pod.
pub fn host_of(reference: &str) -> &str {
    split_host(reference).0
}

/// The registry namespace of a reference, as it is written: the first component of a repository that has several. TCR
/// keeps each repository in one. Like [`host_of`], it says nothing about the rest.
pub fn registry_namespace_of(reference: &str) -> Option<&str> {
    split_host(reference).1.split_once('/').map(|(namespace, _)| namespace)
}

/// `splitDockerDomain` of the Go package: the first component is a host when it has a dot or a
/// colon, is `localhost`, or has an upper-case letter, which no repository has.
fn split_host(reference: &str) -> (&str, &str) {
    match reference.split_once('/') {
        Some((LEGACY_DEFAULT_HOST, rest)) => (DEFAULT_HOST, rest),
        Some((first, rest)) if is_host(first) => (first, rest),
        _ => (DEFAULT_HOST, reference),
    }
}

fn is_host(first: &str) -> bool {
    first == "localhost" || first.bytes().any(|byte| matches!(byte, b'.' | b':' | b'A'..=b'Z'))
}

impl FromStr for ImageRef {
    type Err = ImageRefError;

    fn from_str(reference: &str) -> Result<Self, Self::Err> {
        parse(reference).map_err(|reason| {
            // Neither a repository nor a digest has an @ before a slash.
            let end = reference.rfind('/').unwrap_or(0);
            let (front, rest) = reference.split_at(end);
            let reference = format!("{}{rest}", without_user_information(front));
            ImageRefError { reference, reason }
        })
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

fn parse(reference: &str) -> Result<ImageRef, ImageRefProblem> {
    if reference.is_empty() {
        return Err(ImageRefProblem::Empty);
    }
    if reference.contains(char::is_whitespace) {
        return Err(ImageRefProblem::Blank);
    }
    if split_scheme(reference).is_some() {
        return Err(ImageRefProblem::Scheme);
    }
    if reference.len() == 64 && reference.bytes().all(is_lower_hex) {
        return Err(ImageRefProblem::Identifier);
    }
    let (host, rest) = split_host(reference);
    if host != "localhost" && !host.contains(['.', ':']) {
        // Go reads Team/app as the registry Team; its author always means a repository.
        return Err(ImageRefProblem::UpperCase(repository_of(reference).to_owned()));
    }
    let host = host.parse::<RegistryHost>().map_err(host_problem)?;
    let host = if host.as_str() == LEGACY_DEFAULT_HOST { default_host()? } else { host };

    let (name, digest) = match rest.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (rest, None),
    };
    let (repository, tag) = match name.split_once(':') {
        Some((repository, tag)) => (repository, Some(tag)),
        None => (name, None),
    };
    if repository.is_empty() {
        return Err(ImageRefProblem::NoRepository);
    }
    if repository.contains(|c: char| c.is_ascii_uppercase()) {
        return Err(ImageRefProblem::UpperCase(repository.to_owned()));
    }
    for component in repository.split('/') {
        check_component(component)?;
    }
    let official = host.as_str() == DEFAULT_HOST && !repository.contains('/');
    let repository = if official { format!("{OFFICIAL_PREFIX}{repository}") } else { repository.to_owned() };
    if repository.len() > REPOSITORY_MAX {
        return Err(ImageRefProblem::LongRepository(repository.len()));
    }
    tag.map(check_tag).transpose()?;
    digest.map(check_digest).transpose()?;
    let tag = match (tag, digest) {
        (None, None) => Some(DEFAULT_TAG),
        (tag, _) => tag,
    };
    Ok(ImageRef { host, repository, tag: tag.map(str::to_owned), digest: digest.map(str::to_owned) })
}

fn host_problem(error: RegistryHostError) -> ImageRefProblem {
    match error.reason {
        RegistryHostProblem::Scheme => ImageRefProblem::Scheme,
        RegistryHostProblem::Blank => ImageRefProblem::Blank,
        _ => ImageRefProblem::Host(error),
    }
}

fn default_host() -> Result<RegistryHost, ImageRefProblem> {
    DEFAULT_HOST.parse().map_err(ImageRefProblem::Host)
}

fn repository_of(reference: &str) -> &str {
    reference.split(['@', ':']).next().unwrap_or(reference)
}

/// `[a-z0-9]+` separated by one dot, one or two underscores, or any number of hyphens.
fn check_component(component: &str) -> Result<(), ImageRefProblem> {
    if component.is_empty() {
        return Err(ImageRefProblem::EmptyComponent);
    }
    let is_alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let edges = component.starts_with(is_alphanumeric) && component.ends_with(is_alphanumeric);
    let separators = component.split(is_alphanumeric).all(|separator| {
        matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-')
    });
    if edges && separators { Ok(()) } else { Err(ImageRefProblem::Component(component.to_owned())) }
}

/// A tag is `\w[\w.-]{0,127}`.
fn check_tag(tag: &str) -> Result<(), ImageRefProblem> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !tag.starts_with(is_word) || !tag.chars().all(|c| is_word(c) || c == '.' || c == '-') {
        return Err(ImageRefProblem::Tag(tag.to_owned()));
    }
    if tag.len() > TAG_MAX {
        return Err(ImageRefProblem::LongTag(tag.len()));
    }
    Ok(())
}

/// An algorithm that `github.com/opencontainers/go-digest` knows, and as many digits as it has.
fn check_digest(digest: &str) -> Result<(), ImageRefProblem> {
    let Some((algorithm, digits)) = digest.split_once(':') else {
        return Err(ImageRefProblem::Digest(digest.to_owned()));
    };
    let (algorithm, expected) = match algorithm {
        "sha256" => ("sha256", 64),
        "sha384" => ("sha384", 96),
        "sha512" => ("sha512", 128),
        "" => return Err(ImageRefProblem::Digest(digest.to_owned())),
        unknown => return Err(ImageRefProblem::Algorithm(unknown.to_owned())),
    };
    if let Some(other) = digits.chars().find(|&c| !matches!(c, '0'..='9' | 'a'..='f')) {
        return Err(ImageRefProblem::DigestDigit(other));
    }
    if digits.len() != expected {
        return Err(ImageRefProblem::DigestLength { algorithm, expected, found: digits.len() });
    }
    Ok(())
}

fn is_lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests;

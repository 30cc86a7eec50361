//! Parses a kubelet's message about a failed pull. Pure.

use std::net::SocketAddr;

use super::conditions::{self, Condition, Meaning};

/// Characters of a kubelet's message that are repeated: from its beginning, and from its end, where the cause
/// is.
const QUOTED: (usize, usize) = (120, 240);

/// The error of a pull.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PullError {
    /// A known condition.
    Known(&'static Condition),
    /// The kubelet backs off, without a reason.
    BackOff,
    /// Unknown words.
    Unknown,
}

/// A failed pull, from the kubelet's message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PullFailure {
    /// The error.
    pub(super) error: PullError,
    /// The message, shortened, without a URL's signature.
    pub(super) words: String,
    /// The last host in the message, from a URL or a look-up.
    pub(super) host: Option<String>,
    /// The address of the connection.
    pub(super) dialled: Option<SocketAddr>,
    /// It was about a layer, which comes from the registry's storage.
    pub(super) is_of_layer: bool,
    /// The request went to a mirror of another registry.
    pub(super) is_mirror: bool,
    /// The request was for a token.
    pub(super) is_of_token: bool,
}

impl PullFailure {
    /// The known condition, if it is one.
    pub(super) fn condition(&self) -> Option<&'static Condition> {
        match self.error {
            PullError::Known(condition) => Some(condition),
            PullError::BackOff | PullError::Unknown => None,
        }
    }

    /// The facts that are needed to explain it.
    pub(super) fn meaning(&self) -> Option<Meaning> {
        self.condition().map(|it| it.meaning)
    }

    /// The image was pulled, and because of it or of the disk the container does not start.
    pub(super) fn is_of_start(&self) -> bool {
        self.meaning() == Some(Meaning::Start)
            || self.condition().is_some_and(|it| matches!(it.reason, "NodeDiskFull" | "NodeDiskBroken"))
    }
}

/// Parses a message about an image; it begins with the kubelet's reason.
pub(super) fn parse(message: &str, image: &str) -> PullFailure {
    let lower = message.to_ascii_lowercase();
    PullFailure {
        error: classify(&without_image(&lower, image)),
        words: shortened(&without_secrets(message)),
        host: last_host(&lower),
        dialled: dialled(&lower),
        is_of_layer: ["httpreadseeker", "failed to copy", "myqcloud.com"].iter().any(|it| lower.contains(it)),
        is_mirror: lower.contains("?ns=") || lower.contains("&ns="),
        is_of_token: lower.contains("failed to authorize"),
    }
}

/// Without the image's name, which may contain words of other conditions.
fn without_image(message: &str, image: &str) -> String {
    let image = image.to_ascii_lowercase();
    let (_, repository) = image.split_once('/').unwrap_or_default();
    let repository = repository.split(['@', ':']).next().unwrap_or_default();
    let message = match image.contains('/') {
        true => message.replace(&image, ""),
        false => message.replace(&format!("\"{image}\""), "\"\""),
    };
    if repository.is_empty() { message } else { message.replace(&format!("/v2/{repository}/"), "/v2/") }
}

fn classify(message: &str) -> PullError {
    if let Some(condition) = conditions::all().find(|it| it.matches(message)) {
        return PullError::Known(condition);
    }
    let says_no_more = message.trim_end_matches(['"', ':', ' ']);
    let after =
        message.rsplit_once("back-off pulling image").map(|(_, rest)| rest.trim_matches(['"', ':', ' ']));
    let is_bare = after.is_some_and(|it| !it.contains(' '));
    // Without a message only the reason is left.
    if is_bare || matches!(says_no_more, "imagepullbackoff" | "errimagepull") {
        return PullError::BackOff;
    }
    PullError::Unknown
}

fn shortened(message: &str) -> String {
    let (first, last) = QUOTED;
    let length = message.chars().count();
    if length <= first + last {
        return message.to_owned();
    }
    let beginning: String = message.chars().take(first).collect();
    let end: String = message.chars().skip(length - last).collect();
    format!("{beginning} ... {end}")
}

/// Without the query of a URL, which may grant access, and without its user information, which is a password.
/// A mirror is recognised by its query.
fn without_secrets(message: &str) -> String {
    let mut out = String::new();
    let mut rest = message;
    while let Some(at) = rest.find("://") {
        let (before, url) = rest.split_at(at + "://".len());
        out.push_str(before);
        let ends = |(at, c): (usize, char)| {
            let is_end =
                c.is_whitespace() || c == '"' || url.get(at..).is_some_and(|it| it.starts_with(": "));
            is_end.then_some(at)
        };
        let (url, after) = url.split_at(url.char_indices().find_map(ends).unwrap_or(url.len()));
        let (place, query) = url.split_once('?').map_or((url, None), |(place, query)| (place, Some(query)));
        let (authority, path) = place.split_at(place.find('/').unwrap_or(place.len()));
        out.push_str(authority.rsplit('@').next().unwrap_or_default());
        out.push_str(path);
        match query {
            Some(query) if query.starts_with("ns=") && !query.contains('&') => {
                out.push('?');
                out.push_str(query);
            }
            Some(_) => out.push_str("?..."),
            None => {}
        }
        rest = after;
    }
    out + rest
}

/// The host of the last URL, else the one that was looked up.
fn last_host(message: &str) -> Option<String> {
    let until_end = |text: &str| {
        let end = text.find(|c: char| matches!(c, '/' | '"' | '?' | ',' | '\\') || c.is_whitespace());
        text.get(..end.unwrap_or(text.len())).unwrap_or_default().trim_end_matches(':').to_owned()
    };
    let url = message.rfind("https://").max(message.rfind("http://"));
    let url = url.and_then(|at| message.get(at..)?.split_once("://")).map(|(_, rest)| until_end(rest));
    let url = url.map(|it| it.rsplit('@').next().unwrap_or_default().to_owned());
    let looked_up = || message.rsplit_once("lookup ").map(|(_, rest)| until_end(rest));
    url.or_else(looked_up).filter(|host| !host.is_empty())
}

/// The address after `dial tcp`, or after the arrow of a connection, unless it is a name server's.
fn dialled(message: &str) -> Option<SocketAddr> {
    let address = |text: &str| -> Option<SocketAddr> {
        text.split([' ', '"', ',']).next()?.trim_end_matches(':').parse().ok()
    };
    let after = |mark: &str| message.rsplit_once(mark).and_then(|(_, rest)| address(rest));
    after("dial tcp ").or_else(|| after("->")).filter(|it| it.port() != 53)
}

#[cfg(test)]
mod tests;

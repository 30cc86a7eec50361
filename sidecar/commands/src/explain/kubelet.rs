//! What a kubelet's words about a failed pull mean. Pure.

use std::net::IpAddr;

use super::conditions::{CONDITIONS, Condition, is_in};

/// Letters of a kubelet's sentence that are repeated.
const MOST_QUOTED: usize = 300;

/// What a pull failed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PullError {
    /// What no credential changes.
    Node(&'static Condition),
    /// A host was not reached.
    Network,
    /// The registry's certificate is not trusted.
    Certificate,
    /// The registry wants another credential.
    Credential,
    /// There is no such image.
    NotFound,
    /// The image must be on the node, and is not.
    NeverPulled,
    /// The kubelet waits, and does not say why.
    BackOff,
    /// Words that are not known here.
    Unknown,
}

/// What the kubelet said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    /// What it means.
    pub(super) error: PullError,
    /// Its words, shortened.
    pub(super) words: String,
    /// The last host that the sentence has as a URL's or as one that was looked up.
    pub(super) host: Option<String>,
    /// The address that was dialled.
    pub(super) dialled: Option<IpAddr>,
    /// It was about a layer, which comes from the registry's storage.
    pub(super) is_of_layer: bool,
    /// It asked a mirror for another registry's image.
    pub(super) is_mirror: bool,
}

/// The words by which each is known, the surest first: a message may hold several.
const WORDS: [(PullError, &[&str]); 4] = [
    (PullError::Certificate, &["x509:", "certificate signed by unknown", "tls: failed to verify"]),
    (
        PullError::Network,
        &[
            "no such host",
            "i/o timeout",
            "connection refused",
            "no route to host",
            "network is unreachable",
            "tls handshake timeout",
            "server misbehaving",
            "context deadline exceeded",
            "timeout exceeded",
        ],
    ),
    (
        PullError::Credential,
        &[
            "401 unauthorized",
            "403 forbidden",
            "unauthorized",
            "authorization failed",
            "authentication required",
            "insufficient_scope",
            "insufficient scope",
            "no basic auth credentials",
            "access denied",
            "access to the resource is denied",
        ],
    ),
    (
        PullError::NotFound,
        &[
            "manifest unknown",
            "manifest_unknown",
            "name unknown",
            "name_unknown",
            "failed to resolve reference*not found",
            "failed to resolve image*not found",
            "manifest for *not found",
        ],
    ),
];

/// What the message tells; it begins with the reason that the kubelet has for it.
pub(super) fn hear(message: &str) -> Heard {
    let lower = message.to_ascii_lowercase();
    let words = message.chars().take(MOST_QUOTED).collect::<String>();
    let words = if words.len() < message.len() { format!("{words}...") } else { words };
    Heard {
        error: classify(&lower),
        words,
        host: last_host(&lower),
        dialled: dialled(&lower),
        is_of_layer: ["httpreadseeker", "failed to copy", "myqcloud.com"].iter().any(|it| lower.contains(it)),
        is_mirror: lower.contains("?ns="),
    }
}

fn classify(message: &str) -> PullError {
    let has = |words: &[&str]| words.iter().any(|word| is_in(word, message));
    if has(&["errimageneverpull", "with pull policy of never"]) {
        return PullError::NeverPulled;
    }
    if let Some(condition) = CONDITIONS.iter().find(|it| has(it.words)) {
        return PullError::Node(condition);
    }
    if let Some((error, _)) = WORDS.iter().find(|(_, words)| has(words)) {
        return *error;
    }
    let says_no_more = message.trim_end_matches(['"', ':', ' ']);
    let is_bare = says_no_more.rsplit("back-off pulling image \"").next();
    let is_bare = message.contains("back-off pulling image") && is_bare.is_some_and(|it| !it.contains(' '));
    // Without any sentence the reason is all there is.
    if is_bare || matches!(says_no_more, "imagepullbackoff" | "errimagepull") {
        return PullError::BackOff;
    }
    PullError::Unknown
}

/// The host of the last URL, else the one that was looked up.
fn last_host(message: &str) -> Option<String> {
    let until_end = |text: &str| {
        let end = text.find(|c: char| c == '/' || c == '"' || c == '?' || c == ',' || c.is_whitespace());
        text.get(..end.unwrap_or(text.len())).unwrap_or_default().trim_end_matches(':').to_owned()
    };
    let url = message.rfind("https://").or_else(|| message.rfind("http://"));
    let url = url.and_then(|at| message.get(at..)?.split_once("://")).map(|(_, rest)| until_end(rest));
    let looked_up = || message.rsplit_once("lookup ").map(|(_, rest)| until_end(rest));
    url.or_else(looked_up).filter(|host| !host.is_empty())
}

/// The address after `dial tcp`, or after the arrow of a connection.
fn dialled(message: &str) -> Option<IpAddr> {
    let after = |mark: &str| message.rsplit_once(mark).map(|(_, rest)| rest);
    let text = after("dial tcp ").or_else(|| after("->"))?;
    let text = text.split([' ', '"']).next()?.trim_end_matches(':');
    text.rsplit_once(':')?.0.trim_matches(['[', ']']).parse().ok()
}

/// Whether an address is one of the internet's, so that no private link has it.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(it) => {
            let shared =
                it.octets().first() == Some(&100) && it.octets().get(1).is_some_and(|it| it & 0xC0 == 64);
            !(it.is_private() || it.is_loopback() || it.is_link_local() || it.is_unspecified() || shared)
        }
        IpAddr::V6(it) => !(it.is_loopback() || it.is_unspecified() || (it.segments()[0] & 0xFE00) == 0xFC00),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_containerd_are_understood() {
        for (message, error) in [
            (
                "failed to pull and unpack image \"demo.tencentcloudcr.com/team/app:v1\": failed to resolve reference \
                 \"demo.tencentcloudcr.com/team/app:v1\": failed to do request: Head \
                 \"https://demo.tencentcloudcr.com/v2/team/app/manifests/v1\": dial tcp: lookup demo.tencentcloudcr.com \
                 on 10.0.0.10:53: no such host",
                PullError::Network,
            ),
            (
                "failed to resolve reference \"a\": failed to authorize: failed to fetch anonymous token: unexpected status \
                 from GET request to https://demo.tencentcloudcr.com/service/token: 401 Unauthorized",
                PullError::Credential,
            ),
            (
                "pull access denied, repository does not exist or may require authorization: server message: \
                 insufficient_scope: authorization failed",
                PullError::Credential,
            ),
            ("failed to resolve reference \"a/b:v9\": a/b:v9: not found", PullError::NotFound),
            (
                "failed to do request: Head \"https://a/v2/\": tls: failed to verify certificate: x509: certificate signed \
                 by unknown authority",
                PullError::Certificate,
            ),
            ("dial tcp 10.0.0.2:443: i/o timeout", PullError::Network),
            ("Back-off pulling image \"a\"", PullError::BackOff),
            ("rpc error: code = Unknown desc = the moon is full", PullError::Unknown),
        ] {
            assert_eq!(hear(message).error, error, "{message}");
        }
    }
}

//! What a kubelet's words about a failed pull mean. Pure.

/// What a pull failed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PullError {
    /// The registry was not reached.
    Network,
    /// The registry's certificate is not trusted.
    Certificate,
    /// The registry wants another credential.
    Credential,
    /// There is no such image.
    NotFound,
    /// The image must be on the node, and is not.
    NeverPulled,
}

/// The words by which each is known, the surest first: a message may hold several.
const WORDS: [(PullError, &[&str]); 5] = [
    (PullError::NeverPulled, &["errimageneverpull", "with pull policy of never"]),
    (PullError::Certificate, &["x509:", "certificate signed by unknown", "tls: failed to verify"]),
    (
        PullError::Network,
        &[
            "no such host",
            "i/o timeout",
            "connection refused",
            "connection reset",
            "no route to host",
            "network is unreachable",
            "tls handshake timeout",
            "server misbehaving",
            "context deadline exceeded",
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
            "denied:",
        ],
    ),
    (PullError::NotFound, &["manifest unknown", "not found", "name unknown"]),
];

/// What the message tells, when it tells anything.
pub(super) fn classify(message: &str) -> Option<PullError> {
    let message = message.to_ascii_lowercase();
    let is_in = |words: &[&str]| words.iter().any(|word| message.contains(word));
    WORDS.iter().find(|(_, words)| is_in(words)).map(|(error, _)| *error)
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
                Some(PullError::Network),
            ),
            (
                "failed to resolve reference \"a\": failed to authorize: failed to fetch anonymous token: unexpected status \
                 from GET request to https://demo.tencentcloudcr.com/service/token: 401 Unauthorized",
                Some(PullError::Credential),
            ),
            (
                "pull access denied, repository does not exist or may require authorization: server message: \
                 insufficient_scope: authorization failed",
                Some(PullError::Credential),
            ),
            ("failed to resolve reference \"a/b:v9\": a/b:v9: not found", Some(PullError::NotFound)),
            (
                "failed to do request: Head \"https://a/v2/\": tls: failed to verify certificate: x509: certificate signed \
                 by unknown authority",
                Some(PullError::Certificate),
            ),
            ("dial tcp 10.0.0.2:443: i/o timeout", Some(PullError::Network)),
            ("Back-off pulling image \"a\"", None),
        ] {
            assert_eq!(classify(message), error, "{message}");
        }
    }
}

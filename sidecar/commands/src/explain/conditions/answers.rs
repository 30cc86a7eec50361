//! Answers of a registry, its token service or its storage that do not depend on the credential.

use super::condition::by::{CONTAINERD, GO, KUBELET, REGISTRY, STORAGE};
use super::condition::{Condition, Meaning, wording};
use crate::explain::findings::Who;

pub(super) const CONDITIONS: &[Condition] = &[
    Condition {
        reason: "BlockedByPolicy",
        meaning: Meaning::Final,
        who: Who::Platform,
        wordings: &[
            wording(
                REGISTRY,
                "412 precondition failed",
                "unexpected status from HEAD request to https://demo.tencentcloudcr.com/v2/team/app/manifests/v1: 412 \
                 Precondition Failed",
            ),
            wording(
                REGISTRY,
                "projectpolicyviolation",
                "unknown: PROJECTPOLICYVIOLATION: current image with 5 vulnerabilities cannot be pulled",
            ),
            wording(
                REGISTRY,
                "cannot be pulled due to configured policy",
                "current image without vulnerability scanning cannot be pulled due to configured policy in 'Prevent images'",
            ),
        ],
        cause: "{host} blocks the image by a policy, such as one about vulnerabilities or signatures (HTTP 412)",
        to_do: "see the registry's blocking policy; the image has to be mended or exempted",
    },
    Condition {
        reason: "RateLimited",
        meaning: Meaning::Final,
        who: Who::Platform,
        wordings: &[
            wording(
                REGISTRY,
                "toomanyrequests",
                "unexpected status code https://registry-1.docker.io/v2/library/nginx/manifests/sha256:ab: 429 Too Many \
                 Requests - Server message: toomanyrequests: You have reached your pull rate limit.",
            ),
            wording(
                REGISTRY,
                "too many requests",
                "unexpected status from HEAD request to https://demo.tencentcloudcr.com/v2/team/app/manifests/v1: 429 Too \
                 Many Requests",
            ),
            wording(REGISTRY, "rate limit", "You have reached your unauthenticated pull rate limit."),
            wording(
                STORAGE,
                "503 slow down",
                "unexpected status code https://tcr-1250000000.cos.ap-guangzhou.myqcloud.com/docker/x: 503 Slow Down",
            ),
        ],
        cause: "{host} was asked more often than it allows (HTTP 429)",
        to_do: "pull less at a time (serializeImagePulls, fewer nodes at once), pull with a credential, or raise the \
                registry's limit; the kubelet tries again",
    },
    Condition {
        reason: "AccountSuspended",
        meaning: Meaning::Final,
        who: Who::Platform,
        wordings: &[
            wording(
                REGISTRY,
                "402 payment required",
                "unexpected status from HEAD request to https://demo.tencentcloudcr.com/v2/team/app/manifests/v1: 402 \
                 Payment Required",
            ),
            wording(
                STORAGE,
                "451 unavailable for legal reasons",
                "unexpected status code https://tcr-1250000000.cos.ap-guangzhou.myqcloud.com/docker/x: 451 Unavailable For \
                 Legal Reasons",
            ),
            wording(REGISTRY, "arrears", "denied: the account is in arrears"),
            wording(REGISTRY, "overdue", "denied: your account has an overdue payment"),
            wording(REGISTRY, "suspended", "denied: the account has been suspended"),
            wording(REGISTRY, "isolated", "denied: the instance tcr-demo0001 is isolated"),
        ],
        cause: "{host} does not serve because of the account that pays for it: it is in arrears, suspended or isolated",
        to_do: "see the account's balance and the state of the instance and its bucket in the cloud's console",
    },
    Condition {
        reason: "QuotaExceeded",
        meaning: Meaning::Final,
        who: Who::Platform,
        wordings: &[
            wording(
                REGISTRY,
                "quota exceeded",
                "unexpected status from GET request to https://demo.tencentcloudcr.com/v2/team/app/manifests/v1: 403 \
                 Forbidden - Server message: denied: traffic quota exceeded",
            ),
            wording(REGISTRY, "exceeded quota", "denied: exceeded quota of downloads"),
            wording(REGISTRY, "quota has been exceeded", "denied: the quota has been exceeded"),
        ],
        cause: "a quota of {host} is used up",
        to_do: "see the registry's quotas in the cloud's console",
    },
    Condition {
        reason: "RegistryUnavailable",
        meaning: Meaning::Final,
        who: Who::Platform,
        wordings: &[
            wording(
                KUBELET,
                "registry is unavailable",
                "image pull failed for demo.tencentcloudcr.com/team/app:v1 because the registry is unavailable: 503",
            ),
            wording(KUBELET, "registryunavailable", "Error: RegistryUnavailable"),
            wording(
                REGISTRY,
                "500 internal server error",
                "unexpected status from HEAD request to https://demo.tencentcloudcr.com/v2/team/app/manifests/v1: 500 \
                 Internal Server Error",
            ),
            wording(
                REGISTRY,
                "502 bad gateway",
                "failed to authorize: failed to fetch oauth token: unexpected status from POST request to \
                 https://demo.tencentcloudcr.com/service/token: 502 Bad Gateway",
            ),
            wording(
                REGISTRY,
                "503 service",
                "unexpected status from HEAD request to https://demo.tencentcloudcr.com/v2/team/app/manifests/v1: 503 \
                 Service Unavailable",
            ),
            wording(
                REGISTRY,
                "504 gateway",
                "unexpected status from GET request to https://demo.tencentcloudcr.com/v2/team/app/manifests/v1: 504 \
                 Gateway Timeout",
            ),
            wording(
                REGISTRY,
                "408 request time",
                "unexpected status from GET request to https://demo.tencentcloudcr.com/v2/team/app/blobs/sha256:ab: 408 \
                 Request Timeout",
            ),
        ],
        cause: "{host}, or what stands before it, does not serve",
        to_do: "see the state of {host}; the kubelet tries again",
    },
    Condition {
        reason: "NotARegistry",
        meaning: Meaning::Final,
        who: Who::Platform,
        wordings: &[
            wording(
                CONTAINERD,
                "media type text/html",
                "failed to pull and unpack image \"demo.tencentcloudcr.com/team/app:v1\": unexpected media type text/html \
                 for sha256:ab: not found",
            ),
            wording(
                CONTAINERD,
                "unable to decode token response",
                "failed to authorize: failed to fetch oauth token: unable to decode token response: invalid character '<' \
                 looking for beginning of value",
            ),
            wording(GO, "invalid character '<'", "invalid character '<' looking for beginning of value"),
            wording(
                CONTAINERD,
                "did not include a token",
                "failed to authorize: failed to fetch anonymous token: authorization server did not include a token in the \
                 response",
            ),
            wording(CONTAINERD, "no realm specified", "no realm specified for token auth challenge"),
            wording(
                CONTAINERD,
                "failed to find supported auth scheme",
                "failed to find supported auth scheme: not implemented",
            ),
            wording(
                CONTAINERD,
                "in header not a valid digest",
                "\"none\" in header not a valid digest: invalid checksum digest format",
            ),
            wording(
                GO,
                "stopped after 10 redirects",
                "failed to do request: Get \"https://demo.tencentcloudcr.com/v2/\": stopped after 10 redirects",
            ),
            wording(
                REGISTRY,
                "405 method not allowed",
                "unexpected status from POST request to https://demo.tencentcloudcr.com/v2/: 405 Method Not Allowed",
            ),
        ],
        cause: "what answers for {host} does not answer as a registry: a portal, a proxy or another server",
        to_do: "see what answers the node for {host}: curl -v https://{host}/v2/ on the node",
    },
    Condition {
        reason: "RequestNotUnderstood",
        meaning: Meaning::Final,
        who: Who::Platform,
        wordings: &[
            wording(
                REGISTRY,
                "400 bad request",
                "unexpected status from HEAD request to http://demo.tencentcloudcr.com:443/v2/team/app/manifests/v1: 400 \
                 Bad Request",
            ),
            wording(
                GO,
                "malformed http response",
                "failed to do request: Head \"http://demo.tencentcloudcr.com:443/v2/\": net/http: HTTP/1.x transport \
                 connection broken: malformed HTTP response \"\\x15\\x03\\x01\"",
            ),
            wording(
                GO,
                "client sent an http request to an https server",
                "Client sent an HTTP request to an HTTPS server.",
            ),
        ],
        cause: "{host} does not understand the request: it is asked without TLS on a port that speaks TLS, or what stands \
                between changes requests",
        to_do: "correct the node's hosts.toml (or plain-HTTP setting) for {registry}, or the proxy between",
    },
];

//! Failures that depend on the credential, or on the image's name.

use super::condition::by::{CONTAINERD, CRIO, REGISTRY};
use super::condition::{Condition, Meaning, wording};
use crate::explain::findings::Who;

pub(super) const CONDITIONS: &[Condition] = &[
    Condition {
        reason: "CredentialRefused",
        meaning: Meaning::Credential,
        who: Who::Workload,
        wordings: &[
            wording(
                CONTAINERD,
                "pull access denied",
                "failed to resolve reference \"demo.tencentcloudcr.com/team/app:v1\": pull access denied, repository does \
                 not exist or may require authorization: server message: insufficient_scope: authorization failed",
            ),
            wording(
                REGISTRY,
                "401 unauthorized",
                "failed to authorize: failed to fetch oauth token: unexpected status from POST request to \
                 https://demo.tencentcloudcr.com/service/token: 401 Unauthorized",
            ),
            wording(
                REGISTRY,
                "403 forbidden",
                "failed to authorize: failed to fetch anonymous token: unexpected status from GET request to \
                 https://demo.tencentcloudcr.com/service/token: 403 Forbidden",
            ),
            wording(REGISTRY, "unauthorized", "unauthorized: authentication required"),
            wording(
                CONTAINERD,
                "authorization failed",
                "server message: invalid_token: authorization failed",
            ),
            wording(
                CRIO,
                "authentication required",
                "reading manifest v1 in demo.tencentcloudcr.com/team/app: authentication required",
            ),
            wording(REGISTRY, "insufficient_scope", "server message: insufficient_scope"),
            wording(REGISTRY, "insufficient scope", "denied: insufficient scope"),
            wording(
                CONTAINERD,
                "no basic auth credentials",
                "failed to resolve reference \"demo.tencentcloudcr.com/team/app:v1\": authorization failed: no basic auth \
                 credentials",
            ),
            wording(
                CONTAINERD,
                "missing username or secret",
                "failed to handle basic auth because missing username or secret",
            ),
            wording(
                CRIO,
                "invalid username/password",
                "unable to retrieve auth token: invalid username/password",
            ),
            wording(
                REGISTRY,
                "access to the resource is denied",
                "denied: requested access to the resource is denied",
            ),
            wording(CRIO, "access denied", "errors: denied: access denied"),
            wording(
                REGISTRY,
                "is not authorized",
                "denied: User 100000000001 is not authorized to perform tcr:PullRepository",
            ),
        ],
        cause: "the registry had no credential for this image, or one that may not pull it",
        to_do: "let explain try each credential of the Pod: it names the one that is missing, refused, or allowed too little",
    },
    Condition {
        reason: "ImageNotFound",
        meaning: Meaning::NotFound,
        who: Who::Workload,
        wordings: &[
            wording(
                REGISTRY,
                "manifest unknown",
                "reading manifest v9 in demo.tencentcloudcr.com/team/app: manifest unknown",
            ),
            wording(REGISTRY, "manifest_unknown", "MANIFEST_UNKNOWN: manifest unknown; map[Tag:v9]"),
            wording(REGISTRY, "name unknown", "name unknown: repository team/none not found"),
            wording(REGISTRY, "name_unknown", "NAME_UNKNOWN: repository name not known to registry"),
            wording(
                CONTAINERD,
                "failed to resolve reference*not found",
                "failed to resolve reference \"demo.tencentcloudcr.com/team/app:v9\": \
                 demo.tencentcloudcr.com/team/app:v9: not found",
            ),
            wording(
                CONTAINERD,
                "failed to resolve image*not found",
                "failed to resolve image: demo.tencentcloudcr.com/team/app:v9: not found",
            ),
            wording(
                CRIO,
                "manifest for *not found",
                "manifest for demo.tencentcloudcr.com/team/app:v9 not found",
            ),
            wording(
                REGISTRY,
                "/manifests/*not found",
                "failed to copy: content at https://demo.tencentcloudcr.com/v2/team/app/manifests/v9 not found: not found",
            ),
            wording(
                REGISTRY,
                "/manifests/*404 not found",
                "unexpected status from HEAD request to https://demo.tencentcloudcr.com/v2/team/app/manifests/v9: 404 Not \
                 Found",
            ),
        ],
        cause: "the registry has no such image, or does not show it to whoever asks",
        to_do: "correct the image's name or tag, or push it",
    },
];

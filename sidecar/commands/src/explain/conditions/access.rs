//! What a credential, or the image's name, decides.

use super::by::{CONTAINERD, CRIO, REGISTRY};
use super::{Condition, Meaning, Who, said};

pub(super) const CONDITIONS: &[Condition] = &[
    Condition {
        reason: "CredentialRefused",
        meaning: Meaning::Credential,
        who: Who::Workload,
        said: &[
            said(
                CONTAINERD,
                "pull access denied",
                "failed to resolve reference \"demo.tencentcloudcr.com/team/app:v1\": pull access denied, repository does \
                 not exist or may require authorization: server message: insufficient_scope: authorization failed",
            ),
            said(
                REGISTRY,
                "401 unauthorized",
                "failed to authorize: failed to fetch oauth token: unexpected status from POST request to \
                 https://demo.tencentcloudcr.com/service/token: 401 Unauthorized",
            ),
            said(
                REGISTRY,
                "403 forbidden",
                "failed to authorize: failed to fetch anonymous token: unexpected status from GET request to \
                 https://demo.tencentcloudcr.com/service/token: 403 Forbidden",
            ),
            said(REGISTRY, "unauthorized", "unauthorized: authentication required"),
            said(CONTAINERD, "authorization failed", "server message: invalid_token: authorization failed"),
            said(
                CRIO,
                "authentication required",
                "reading manifest v1 in demo.tencentcloudcr.com/team/app: authentication required",
            ),
            said(REGISTRY, "insufficient_scope", "server message: insufficient_scope"),
            said(REGISTRY, "insufficient scope", "denied: insufficient scope"),
            said(
                CONTAINERD,
                "no basic auth credentials",
                "failed to resolve reference \"demo.tencentcloudcr.com/team/app:v1\": authorization failed: no basic auth \
                 credentials",
            ),
            said(
                CONTAINERD,
                "missing username or secret",
                "failed to handle basic auth because missing username or secret",
            ),
            said(
                CRIO,
                "invalid username/password",
                "unable to retrieve auth token: invalid username/password",
            ),
            said(
                REGISTRY,
                "access to the resource is denied",
                "denied: requested access to the resource is denied",
            ),
            said(CRIO, "access denied", "errors: denied: access denied"),
            said(
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
        said: &[
            said(
                REGISTRY,
                "manifest unknown",
                "reading manifest v9 in demo.tencentcloudcr.com/team/app: manifest unknown",
            ),
            said(REGISTRY, "manifest_unknown", "MANIFEST_UNKNOWN: manifest unknown; map[Tag:v9]"),
            said(REGISTRY, "name unknown", "name unknown: repository team/none not found"),
            said(REGISTRY, "name_unknown", "NAME_UNKNOWN: repository name not known to registry"),
            said(
                CONTAINERD,
                "failed to resolve reference*not found",
                "failed to resolve reference \"demo.tencentcloudcr.com/team/app:v9\": \
                 demo.tencentcloudcr.com/team/app:v9: not found",
            ),
            said(
                CONTAINERD,
                "failed to resolve image*not found",
                "failed to resolve image: demo.tencentcloudcr.com/team/app:v9: not found",
            ),
            said(
                CRIO,
                "manifest for *not found",
                "manifest for demo.tencentcloudcr.com/team/app:v9 not found",
            ),
            said(
                REGISTRY,
                "/manifests/*not found",
                "failed to copy: content at https://demo.tencentcloudcr.com/v2/team/app/manifests/v9 not found: not found",
            ),
            said(
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

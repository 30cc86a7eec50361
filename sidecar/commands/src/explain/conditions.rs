//! What a node says about pulls that no credential changes: the words, the cause, the one remedy and whose it is.
//!
//! Words of kubelets 1.28 to 1.36 (`pkg/kubelet/images`), containerd 1.6 to 2.x (`core/remotes/docker`, `core/unpack`,
//! CRI) and CRI-O (`containers/image`).

/// Who can do what is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// Whoever runs the Pod.
    Workload,
    /// Whoever runs the cluster.
    Platform,
    /// Whoever pushes the image.
    Author,
}

/// A condition.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Condition {
    /// A word, for programs.
    pub(super) reason: &'static str,
    /// Whose the remedy is.
    pub(super) who: Who,
    /// Any of these, in lower case; `*` is any text.
    pub(super) words: &'static [&'static str],
    /// A sentence after "NODE could not pull it: ".
    pub(super) cause: &'static str,
    /// What to do, after the one who can.
    pub(super) to_do: &'static str,
}

const fn condition(
    reason: &'static str,
    who: Who,
    words: &'static [&'static str],
    cause: &'static str,
    to_do: &'static str,
) -> Condition {
    Condition { reason, who, words, cause, to_do }
}

/// The surest first: a message may hold words of several.
pub(super) const CONDITIONS: &[Condition] = &[
    condition(
        "RuntimeAway",
        Who::Platform,
        &[
            "dial unix",
            "imageinspecterror",
            "failed to inspect image",
            "code = unavailable desc = connection error",
        ],
        "its container runtime does not answer the kubelet",
        "see why the node's container runtime does not answer: journalctl -u containerd",
    ),
    condition(
        "ProxyFailed",
        Who::Platform,
        &["proxyconnect", "proxy authentication required", "407 proxy"],
        "the proxy that its container runtime is told to use does not answer or does not let it through",
        "correct HTTPS_PROXY of the node's container runtime, or add the registry's host to its NO_PROXY, and restart it",
    ),
    condition(
        "PlatformMissing",
        Who::Author,
        &[
            "no match for platform",
            "no matching manifest for",
            "no image found in manifest list for architecture",
            "no image found in image index for architecture",
            "does not match the specified platform",
            "cannot be used on this platform",
        ],
        "the image has no variant for the node's operating system and architecture",
        "push it for the node's architecture too (docker buildx build --platform), or run the Pod on nodes of an \
         architecture that it has (nodeSelector kubernetes.io/arch)",
    ),
    condition(
        "NodeDiskFull",
        Who::Platform,
        &["no space left on device", "disk quota exceeded", "not enough free space"],
        "the node's disk is full",
        "free the node's disk or make it larger (crictl rmi --prune removes unused images)",
    ),
    condition(
        "NodeDiskBroken",
        Who::Platform,
        &[
            "read-only file system",
            "input/output error",
            "structure needs cleaning",
            "too many open files",
            "cannot allocate memory",
        ],
        "the node itself cannot store it: its disk, memory or limits",
        "drain the node and see its disk, memory and limits: dmesg, journalctl -u containerd",
    ),
    condition(
        "SignatureValidationFailed",
        Who::Author,
        &[
            "signaturevalidationfailed",
            "signature validation failed",
            "source image rejected",
            "a signature was required",
        ],
        "the node's policy wants a signature that the image does not have",
        "sign the image as the node's policy wants it",
    ),
    condition(
        "BlockedByPolicy",
        Who::Platform,
        &["projectpolicyviolation", "412 precondition failed", "cannot be pulled due to configured policy"],
        "the registry blocks the image by a policy, such as one about vulnerabilities",
        "see the registry's blocking policy; the image has to be mended or exempted",
    ),
    condition(
        "RateLimited",
        Who::Platform,
        &["toomanyrequests", "429 too many requests", "too many requests", "rate limit"],
        "it asked more often than the registry allows (HTTP 429)",
        "pull less at a time (serializeImagePulls, fewer nodes at once), or raise the registry's limit; the kubelet tries again",
    ),
    condition(
        "KubeletRateLimited",
        Who::Platform,
        &["pull qps exceeded"],
        "the kubelet's own limit of pulls is reached (registryPullQPS, registryBurst)",
        "raise registryPullQPS and registryBurst of the kubelet; it tries again",
    ),
    condition(
        "NotAnImage",
        Who::Author,
        &[
            "unsupported media type",
            "unexpected media type",
            "unsupported manifest media type",
            "is no longer supported",
            "encountered unknown type",
            "invalid mediatype",
            "unsupported schema version",
        ],
        "what is pushed there is no image that the runtime can run (a chart, an artifact or an old format)",
        "push an OCI or Docker v2 image under that name",
    ),
    condition(
        "LayerMissing",
        Who::Author,
        &["blob unknown", "blob not found", "/blobs/*not found", "blob_unknown"],
        "the registry has the image's manifest and not one of its layers",
        "push the image again",
    ),
    condition(
        "LayerDamaged",
        Who::Platform,
        &[
            "unexpected commit digest",
            "failed size validation",
            "digest verification failed",
            "invalid checksum",
            "digest did not match",
            "failed commit on ref",
        ],
        "what arrived is not what the manifest says: something on the way changes or cuts it",
        "see what is between node and registry (proxy, cache, mirror) and pull again",
    ),
    condition(
        "LayerUnpackFailed",
        Who::Author,
        &[
            "gzip: invalid header",
            "invalid tar header",
            "archive/tar",
            "unknown compression",
            "failed to extract layer",
            "failed to apply layer",
            "failed to unpack",
        ],
        "a layer arrived and cannot be unpacked",
        "build and push the image again, and see whether other nodes unpack it",
    ),
    condition(
        "RegistrySpeaksHttp",
        Who::Platform,
        &["server gave http response to https client"],
        "what answers speaks HTTP without TLS",
        "correct the port of the image's host, or the node's hosts.toml for it",
    ),
    condition(
        "InvalidImageName",
        Who::Workload,
        &["invalidimagename", "couldn't parse image name", "invalid reference format"],
        "the kubelet does not take it for the name of an image",
        "correct the image's name, and make the Pod again",
    ),
    condition(
        "RegistryUnavailable",
        Who::Platform,
        &[
            "500 internal server error",
            "502 bad gateway",
            "503 service unavailable",
            "504 gateway time",
            "registry is unavailable",
            "registryunavailable",
        ],
        "the registry, or what stands before it, does not serve",
        "see the registry's state; the kubelet tries again",
    ),
    condition(
        "TransferCut",
        Who::Platform,
        &[
            "unexpected eof",
            "\": eof",
            "stream error",
            "connection reset",
            "http2: server sent goaway",
            "broken pipe",
        ],
        "the connection was cut while the image came",
        "see what cuts connections between node and registry (firewall, proxy, MTU); the kubelet tries again",
    ),
    condition(
        "PullCancelled",
        Who::Platform,
        &["context canceled", "image pull progress timeout"],
        "the pull made no progress and was given up",
        "see the way from the node to the registry and its storage (speed, MTU), or raise the runtime's \
         image_pull_progress_timeout",
    ),
];

/// Whether the parts of `pattern` between its `*` come in this order. Both are in lower case.
pub(super) fn is_in(pattern: &str, message: &str) -> bool {
    let mut rest = message;
    pattern.split('*').all(|part| match rest.find(part) {
        Some(at) => {
            rest = rest.get(at + part.len()..).unwrap_or_default();
            true
        }
        None => false,
    })
}

impl Who {
    /// Before what is to be done.
    pub(super) fn asks(self, to_do: &str) -> String {
        match self {
            Self::Workload => to_do.to_owned(),
            Self::Platform => format!("ask the platform team: {to_do}"),
            Self::Author => format!("ask the image's author: {to_do}"),
        }
    }
}

//! Failures because of the node's resources or its configuration.

use super::condition::by::{
    CONTAINERD, CONTAINERD_1, CONTAINERD_2, CONTAINERD_17, CRIO, GO, KUBELET, KUBELET_135, KUBELET_TO_132,
    SYSTEM,
};
use super::condition::{Condition, Meaning, wording};
use crate::explain::findings::Who;

/// A full disk, which may cause any other message.
pub(super) const DISK: &[Condition] = &[
    Condition {
        reason: "NodeDiskFull",
        meaning: Meaning::Final,
        who: Who::Platform,
        wordings: &[
            wording(
                SYSTEM,
                "no space left on device",
                "failed to extract layer sha256:ab: write /var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/x: no \
                 space left on device: unknown",
            ),
            wording(
                SYSTEM,
                "disk quota exceeded",
                "failed to copy: write /var/lib/containerd/io.containerd.content.v1.content/ingest/x/data: disk quota \
                 exceeded",
            ),
            wording(
                KUBELET_135,
                "insufficient free disk space",
                "Insufficient free disk space on the node's image filesystem (96% of 40 GiB used)",
            ),
            wording(
                KUBELET_TO_132,
                "failed to garbage collect required amount of images",
                "Failed to garbage collect required amount of images. Attempted to free 4 bytes, but only found 0 bytes \
                 eligible to free.",
            ),
            wording(
                KUBELET,
                "the node was low on resource: ephemeral-storage",
                "The node was low on resource: ephemeral-storage. Threshold quantity: 10, available: 1.",
            ),
            wording(
                KUBELET,
                "the node had condition: [diskpressure]",
                "The node had condition: [DiskPressure].",
            ),
        ],
        cause: "the node's disk is full",
        to_do: "free the node's disk or make it larger (crictl rmi --prune removes unused images)",
    },
    Condition {
        reason: "NodeDiskBroken",
        meaning: Meaning::Final,
        who: Who::Platform,
        wordings: &[
            wording(
                SYSTEM,
                "read-only file system",
                "mkdir /var/lib/containerd/tmpmounts/x: read-only file system",
            ),
            wording(
                SYSTEM,
                "input/output error",
                "failed to extract layer sha256:ab: read /var/lib/containerd/x: input/output error",
            ),
            wording(
                SYSTEM,
                "structure needs cleaning",
                "open /var/lib/containerd/x: structure needs cleaning",
            ),
            wording(SYSTEM, "stale file handle", "stat /var/lib/containerd/x: stale file handle"),
            wording(
                SYSTEM,
                "/var/lib/containerd/*permission denied",
                "open /var/lib/containerd/x: permission denied",
            ),
            wording(
                SYSTEM,
                "too many open files",
                "failed to do request: Head \"https://demo.tencentcloudcr.com/v2/\": dial tcp: socket: too many open files",
            ),
            wording(
                SYSTEM,
                "cannot allocate memory",
                "failed to extract layer sha256:ab: fork/exec /usr/bin/unpigz: cannot allocate memory",
            ),
            wording(
                SYSTEM,
                "cannot assign requested address",
                "dial tcp 10.0.0.2:443: connect: cannot assign requested address",
            ),
        ],
        cause: "the node itself fails: its disk, memory or limits",
        to_do: "drain the node and see its disk, memory and limits: dmesg, journalctl -u containerd",
    },
];

pub(super) const CONDITIONS: &[Condition] = &[
    Condition {
        reason: "PlatformMissing",
        meaning: Meaning::Final,
        who: Who::Author,
        wordings: &[
            wording(
                CONTAINERD,
                "no match for platform",
                "failed to pull and unpack image \"demo.tencentcloudcr.com/team/app:v1\": no match for platform in \
                 manifest: not found",
            ),
            wording(
                CRIO,
                "no image found in manifest list for architecture",
                "choosing image instance: no image found in manifest list for architecture arm64, variant \"v8\", OS linux",
            ),
            wording(
                CRIO,
                "no image found in image index for architecture",
                "choosing an image from manifest list docker://demo.tencentcloudcr.com/team/app:v1: no image found in \
                 image index for architecture \"arm64\", variant \"v8\", OS \"linux\"",
            ),
            wording(
                GO,
                "no matching manifest for",
                "no matching manifest for linux/arm64/v8 in the manifest list entries",
            ),
            wording(
                CONTAINERD,
                "does not support platform",
                "snapshotter overlayfs does not support platform windows/amd64 for image sha256:ab",
            ),
            wording(
                GO,
                "does not match the specified platform",
                "image with reference demo.tencentcloudcr.com/team/app:v1 was found but does not match the specified \
                 platform: wanted linux/arm64, actual: linux/amd64",
            ),
            wording(
                GO,
                "cannot be used on this platform",
                "image operating system \"windows\" cannot be used on this platform",
            ),
        ],
        cause: "the image has no variant for the node's operating system and architecture",
        to_do: "push it for the node's architecture too (docker buildx build --platform), or run the Pod on nodes of an \
                architecture that it has (nodeSelector kubernetes.io/arch)",
    },
    Condition {
        reason: "PlatformWrong",
        meaning: Meaning::Start,
        who: Who::Author,
        wordings: &[
            wording(
                SYSTEM,
                "exec format error",
                "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create \
                 failed: unable to start container process: error during container init: exec: \"/app\": exec format error",
            ),
            wording(
                CRIO,
                "exec user process caused: exec format error",
                "exec container process `/app`: exec user process caused: exec format error",
            ),
        ],
        cause: "the image was pulled, and its program is for another architecture than the node's, or is no program",
        to_do: "push it for the node's architecture (docker buildx build --platform), or run the Pod on nodes of the \
                image's (nodeSelector kubernetes.io/arch); a script needs its first line, such as #!/bin/sh",
    },
    Condition {
        reason: "SignatureValidationFailed",
        meaning: Meaning::Final,
        who: Who::Author,
        wordings: &[
            wording(
                KUBELET,
                "signature validation failed",
                "image pull failed for demo.tencentcloudcr.com/team/app:v1 because the signature validation failed: Source \
                 image rejected",
            ),
            wording(
                CRIO,
                "signaturevalidationfailed",
                "SignatureValidationFailed: Source image rejected: Running image docker://demo.tencentcloudcr.com/team/app \
                 is rejected by policy.",
            ),
            wording(
                CRIO,
                "source image rejected",
                "Source image rejected: None of the signatures were accepted",
            ),
            wording(CRIO, "a signature was required", "A signature was required, but no signature exists"),
            wording(
                CONTAINERD_2,
                "image verifier *blocked pull",
                "image verifier bindir blocked pull of demo.tencentcloudcr.com/team/app:v1 with digest sha256:ab for \
                 reason: verifier cosign rejected image: no signatures found",
            ),
        ],
        cause: "the node's policy does not accept the image's signature, or wants one that the image does not have",
        to_do: "sign the image as the node's policy wants it",
    },
    Condition {
        reason: "ImageVerifierFailed",
        meaning: Meaning::Final,
        who: Who::Platform,
        wordings: &[wording(
            CONTAINERD_2,
            "blocking pull of *image verifier",
            "blocking pull of demo.tencentcloudcr.com/team/app:v1 with digest sha256:ab: image verifier bindir returned \
             error: context deadline exceeded",
        )],
        cause: "the program of the node that verifies images fails",
        to_do: "see the verifiers in /opt/containerd/image-verifier/bin of the node, and journalctl -u containerd",
    },
    Condition {
        reason: "ImageEncrypted",
        meaning: Meaning::Final,
        who: Who::Platform,
        wordings: &[
            wording(
                GO,
                "missing private key needed for decryption",
                "failed to extract layer sha256:ab: call to DecryptLayer failed: missing private key needed for decryption",
            ),
            wording(
                CONTAINERD,
                "ctd-decoder",
                "failed to extract layer sha256:ab: processor \"ctd-decoder\" exited 1",
            ),
        ],
        cause: "the image is encrypted, and the node has no key for it",
        to_do: "give the node the key (imgcrypt's ctd-decoder in containerd's configuration)",
    },
    Condition {
        reason: "RuntimeConfigurationWrong",
        meaning: Meaning::Final,
        who: Who::Platform,
        wordings: &[
            wording(CONTAINERD_1, "failed to parse toml", "failed to parse TOML: (3, 1): unexpected token"),
            wording(
                CONTAINERD,
                "failed to decode *hosts.toml",
                "failed to decode /etc/containerd/certs.d/demo.tencentcloudcr.com/hosts.toml: (3, 1): no value",
            ),
            wording(CONTAINERD_1, "invalid `host` tree", "invalid `host` tree"),
            wording(CONTAINERD, "unknown capability", "unknown capability fetch"),
            wording(
                CONTAINERD,
                "no resolve hosts",
                "failed to resolve reference \"demo.tencentcloudcr.com/team/app:v1\": no resolve hosts: not found",
            ),
            wording(
                CONTAINERD,
                "no pull hosts",
                "failed to copy: httpReadSeeker: failed open: no pull hosts: not found",
            ),
            wording(
                CONTAINERD,
                "unable to parse server",
                "unable to parse server https://mirror example.com: parse \"https://mirror example.com\": invalid character",
            ),
            wording(
                CONTAINERD,
                "unable to load ca cert",
                "unable to load CA cert \"/etc/containerd/certs.d/demo.tencentcloudcr.com/ca.crt\"",
            ),
            wording(
                CONTAINERD,
                "failed to load ca file",
                "get TLSConfig for registry \"https://demo.tencentcloudcr.com\": failed to load CA file: open ca.crt: no \
                 such file or directory",
            ),
            wording(
                CONTAINERD,
                "failed to load x509 key pair",
                "failed to load X509 key pair: tls: private key does not match public key",
            ),
            wording(
                CONTAINERD,
                "parse registry endpoint",
                "parse registry endpoint \"mirror\" from mirrors: parse \"mirror\": invalid URI",
            ),
            wording(
                CONTAINERD,
                "invalid decoded auth",
                "failed to resolve reference \"demo.tencentcloudcr.com/team/app:v1\": invalid decoded auth: \"...\"",
            ),
            wording(
                CRIO,
                "registries.conf",
                "loading registries configuration \"/etc/containers/registries.conf\": toml: line 3: expected value",
            ),
            wording(CRIO, "/policy.json", "open /etc/containers/policy.json: no such file or directory"),
        ],
        cause: "what its container runtime is told of registries, mirrors and certificates cannot be used",
        to_do: "correct the node's configuration of registries (containerd: hosts.toml below its config_path, such as \
                /etc/containerd/certs.d; CRI-O: /etc/containers), and see journalctl -u containerd",
    },
    Condition {
        reason: "SnapshotterFailed",
        meaning: Meaning::Final,
        who: Who::Platform,
        wordings: &[
            wording(
                CONTAINERD,
                "snapshotter not loaded",
                "failed to unpack image on snapshotter nydus: snapshotter not loaded: nydus: invalid argument",
            ),
            wording(
                CONTAINERD_17,
                "unable to resolve snapshotter",
                "unable to resolve snapshotter: no snapshotter is configured",
            ),
            wording(
                CONTAINERD,
                "failed to prepare extraction snapshot",
                "failed to prepare extraction snapshot \"extract-1-ab sha256:ab\": failed to create temp dir",
            ),
            wording(
                CONTAINERD,
                "unable to prepare extraction snapshot",
                "unable to prepare extraction snapshot: snapshot \"extract-1-ab\": already exists",
            ),
            wording(
                CONTAINERD,
                "failed to stat snapshot",
                "failed to stat snapshot sha256:ab: bucket does not exist",
            ),
            wording(
                CONTAINERD,
                "failed to commit snapshot",
                "failed to commit snapshot extract-1-ab: failed to stat",
            ),
            wording(
                CONTAINERD,
                "snapshot *does not exist",
                "parent snapshot sha256:ab does not exist: not found",
            ),
            wording(
                CONTAINERD,
                "failed to mount",
                "failed to extract layer sha256:ab: failed to mount /var/lib/containerd/tmpmounts/x: invalid argument",
            ),
        ],
        cause: "what keeps unpacked layers on the node, its snapshotter, fails",
        to_do: "see the snapshotter of the node's container runtime (journalctl -u containerd; a snapshotter of its own, \
                such as nydus or stargz, has its own service); removing the image (crictl rmi) and pulling anew mends what \
                is half there",
    },
    Condition {
        reason: "NodeContentMissing",
        meaning: Meaning::Start,
        who: Who::Platform,
        wordings: &[
            wording(
                CONTAINERD,
                "content digest *not found",
                "failed to create containerd container: failed to resolve rootfs: content digest sha256:ab: not found",
            ),
            wording(
                CONTAINERD,
                "blob sha256:*expected at",
                "failed to extract layer sha256:ab: blob sha256:cd expected at /var/lib/containerd/x: blob not found: not \
                 found",
            ),
            wording(
                CONTAINERD,
                "image might be filtered out",
                "failed to get image from containerd \"sha256:ab\": image might be filtered out",
            ),
            wording(
                CONTAINERD,
                "error unpacking image",
                "failed to create containerd container: error unpacking image: unexpected end of JSON input",
            ),
        ],
        cause: "the node has the image by name, and a part of it is gone from its disk",
        to_do: "remove the image from the node (crictl rmi IMAGE; if that does not help ctr -n k8s.io images rm IMAGE), so \
                that it is pulled anew",
    },
    Condition {
        reason: "PullInProgress",
        meaning: Meaning::Final,
        who: Who::Platform,
        wordings: &[
            wording(
                CONTAINERD,
                "ref *locked for",
                "failed to copy: ref layer-sha256:ab locked for 34.4s (since 2026-11-30 00:00:00): unavailable",
            ),
            wording(
                CONTAINERD,
                "lease does not exist",
                "failed to pull image: lease does not exist: not found",
            ),
            wording(CONTAINERD, "lease \"*does not exist", "lease \"1-ab\" does not exist: not found"),
        ],
        cause: "another pull of the same layers goes on there, or one that broke off still holds them",
        to_do: "wait some minutes: the kubelet tries again; if it stays so, restart the node's container runtime",
    },
];

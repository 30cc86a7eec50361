//! Failures because of the image itself, or of the data that arrived.

use super::condition::by::{
    CONTAINERD, CONTAINERD_2, CONTAINERD_17, CONTAINERD_20, CONTAINERD_TO_20, CRIO, GO, REGISTRY,
};
use super::condition::{Condition, Meaning, wording};
use crate::explain::findings::Who;

pub(super) const CONDITIONS: &[Condition] = &[
    Condition {
        reason: "NotAnImage",
        meaning: Meaning::Final,
        who: Who::Author,
        wordings: &[
            wording(
                CONTAINERD_2,
                "is no longer supported",
                "media type \"application/vnd.docker.distribution.manifest.v1+prettyjws\" is no longer supported since \
                 containerd v2.1, please rebuild the image",
            ),
            wording(
                CONTAINERD_17,
                "schema 1 image manifests are no longer supported",
                "schema 1 image manifests are no longer supported: invalid argument",
            ),
            wording(CONTAINERD, "schema 1 not supported", "media-type: schema 1 not supported"),
            wording(
                CONTAINERD_20,
                "schema 1 images have been deprecated",
                "Pulling Schema 1 images have been deprecated",
            ),
            wording(CONTAINERD_TO_20, "schema 1 conversion failed", "schema 1 conversion failed: no history"),
            wording(
                CONTAINERD,
                "unexpected media type",
                "failed to pull and unpack image \"demo.tencentcloudcr.com/team/chart:v1\": unexpected media type \
                 application/vnd.cncf.helm.config.v1+json for sha256:ab: not found",
            ),
            wording(
                CRIO,
                "unsupported media type",
                "unsupported media type application/vnd.cncf.helm.config.v1+json: not found",
            ),
            wording(
                CRIO,
                "unsupported manifest media type",
                "unsupported manifest media type and no default available: application/octet-stream",
            ),
            wording(
                CONTAINERD,
                "encountered unknown type",
                "encountered unknown type application/vnd.in-toto+json; children may not be fetched",
            ),
            wording(
                CRIO,
                "invalid mediatype",
                "invalid mediaType in manifest: application/vnd.oci.empty.v1+json",
            ),
            wording(CRIO, "unsupported schema version", "unsupported schema version 1"),
            wording(CONTAINERD, "mismatched image rootfs", "mismatched image rootfs and manifest layers"),
            wording(
                CONTAINERD,
                "number of layers and diffids don't match",
                "number of layers and diffIDs don't match: 3 != 0",
            ),
            wording(
                CONTAINERD,
                "unmarshal image config",
                "unmarshal image config: invalid character 'a' looking for beginning of value",
            ),
            wording(
                CONTAINERD,
                "byte manifest for",
                "rejecting 9437184 byte manifest for demo.tencentcloudcr.com/team/app:v1: not found",
            ),
        ],
        cause: "what is pushed there is no image that the runtime can run (a chart, an artifact, an old or a broken format)",
        to_do: "push an OCI or Docker v2 image under that name",
    },
    Condition {
        reason: "LayerMissing",
        meaning: Meaning::Final,
        who: Who::Author,
        wordings: &[
            wording(
                CONTAINERD,
                "/blobs/*not found",
                "failed to copy: httpReadSeeker: failed open: content at \
                 https://demo.tencentcloudcr.com/v2/team/app/blobs/sha256:ab not found: not found",
            ),
            wording(
                CONTAINERD,
                "/manifests/sha256:*not found",
                "failed to copy: httpReadSeeker: failed open: content at \
                 https://demo.tencentcloudcr.com/v2/team/app/manifests/sha256:ab not found: not found",
            ),
            wording(
                CONTAINERD,
                "could not fetch content descriptor *not found",
                "failed to copy: httpReadSeeker: failed open: could not fetch content descriptor sha256:ab \
                 (application/vnd.oci.image.layer.v1.tar+gzip) from remote: not found",
            ),
            wording(
                CONTAINERD,
                "failed to copy: httpreadseeker*not found",
                "failed to copy: httpReadSeeker: failed open: content at \
                 https://tcr-1250000000.cos.ap-guangzhou.myqcloud.com/docker/x not found: not found",
            ),
            wording(REGISTRY, "blob unknown", "blob unknown to registry"),
            wording(REGISTRY, "blob_unknown", "BLOB_UNKNOWN: blob unknown to registry"),
            wording(CRIO, "reading blob *not found", "reading blob sha256:ab: fetching blob: blob not found"),
            wording(
                CONTAINERD,
                "reports content size of zero",
                "unable to fetch descriptor (sha256:ab) which reports content size of zero: invalid argument",
            ),
        ],
        cause: "the name is there, and a part of the image (a manifest or a layer) is not: {host} says not found",
        to_do: "push the image again",
    },
    Condition {
        reason: "LayerDamaged",
        meaning: Meaning::Final,
        who: Who::Platform,
        wordings: &[
            wording(
                CONTAINERD,
                "unexpected commit digest",
                "failed commit on ref \"layer-sha256:ab\": unexpected commit digest sha256:cd, expected sha256:ab: failed \
                 precondition",
            ),
            wording(
                CONTAINERD,
                "unexpected commit size",
                "failed commit on ref \"layer-sha256:ab\": unexpected commit size 512, expected 1024: failed precondition",
            ),
            wording(
                CONTAINERD,
                "failed size validation",
                "failed commit on ref \"layer-sha256:ab\": \"layer-sha256:ab\" failed size validation: 512 != 1024: failed \
                 precondition",
            ),
            wording(GO, "digest mismatch", "digest mismatch: sha256:ab != sha256:cd"),
            wording(CRIO, "digest did not match", "Digest did not match, expected sha256:ab, got sha256:cd"),
            wording(
                CRIO,
                "manifest does not match provided manifest digest",
                "Manifest does not match provided manifest digest sha256:ab",
            ),
            wording(
                GO,
                "digest verification failed",
                "filesystem layer verification failed: digest verification failed",
            ),
            wording(
                GO,
                "filesystem layer verification failed",
                "filesystem layer verification failed for digest sha256:ab",
            ),
            wording(GO, "invalid checksum", "gzip: invalid checksum"),
            wording(
                CONTAINERD,
                "unhandled content range",
                "unhandled content range in response: bytes 0-10/20",
            ),
            wording(
                REGISTRY,
                "416 requested range",
                "failed to copy: httpReadSeeker: failed open: unexpected status code \
                 https://demo.tencentcloudcr.com/v2/team/app/blobs/sha256:ab: 416 Requested Range Not Satisfiable",
            ),
            wording(
                CONTAINERD,
                "discard to offset",
                "failed to copy: httpReadSeeker: failed open: failed to discard to offset: unexpected EOF",
            ),
        ],
        cause: "what arrived from {host} is not what the manifest says: something on the way changes or cuts it",
        to_do: "see what is between the node and {host} (proxy, cache, mirror); if nothing is, remove what is half there \
                (crictl rmi) and pull again",
    },
    Condition {
        reason: "LayerUnpackFailed",
        meaning: Meaning::Final,
        who: Who::Author,
        wordings: &[
            wording(CONTAINERD, "wrong diff id", "wrong diff id calculated on extraction \"sha256:ab\""),
            wording(GO, "gzip: invalid header", "failed to extract layer sha256:ab: gzip: invalid header"),
            wording(
                GO,
                "archive/tar",
                "failed to extract layer sha256:ab: archive/tar: invalid tar header: unknown",
            ),
            wording(CONTAINERD, "unsupported compression", "unsupported compression format .zst"),
            wording(GO, "unsupported content-encoding", "unsupported Content-Encoding algorithm: br"),
            wording(GO, "unknown compression", "failed to extract layer sha256:ab: unknown compression"),
            wording(
                CONTAINERD,
                "failed to extract layer",
                "failed to extract layer sha256:ab: failed to Lchown \"/app\" for UID 2000000, GID 0: invalid argument",
            ),
            wording(
                CONTAINERD_2,
                "apply layer error",
                "apply layer error for \"demo.tencentcloudcr.com/team/app:v1\": exit status 1",
            ),
            wording(
                GO,
                "failed to apply layer",
                "failed to apply layer: link /a /b: operation not permitted",
            ),
            wording(
                CONTAINERD,
                "failed to unpack",
                "failed to unpack image on snapshotter overlayfs: exit status 1",
            ),
            wording(
                CRIO,
                "potentially insufficient uids",
                "potentially insufficient UIDs or GIDs available in user namespace",
            ),
            wording(
                CRIO,
                "adding layer with blob",
                "writing blob: adding layer with blob \"sha256:ab\": processing tar file: exit status 1",
            ),
        ],
        cause: "a layer arrived and cannot be unpacked",
        to_do: "build and push the image again, and see whether other nodes unpack it",
    },
    Condition {
        reason: "NodeStoreFailed",
        meaning: Meaning::Final,
        who: Who::Platform,
        wordings: &[wording(
            CONTAINERD,
            "failed commit on ref",
            "failed commit on ref \"layer-sha256:ab\": rename data: no such file or directory",
        )],
        cause: "a layer arrived, and the node cannot keep it",
        to_do: "see the disk of the node and what its container runtime says: journalctl -u containerd",
    },
];

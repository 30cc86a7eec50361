//! Failures that the kubelet reports itself, before or instead of its container runtime.

use super::condition::by::{CONTAINERD, CONTAINERD_LATER, CRIO, GO, KUBELET, KUBELET_129, KUBELET_VERIFYING};
use super::condition::{Condition, Meaning, wording};
use crate::explain::findings::Who;

pub(super) const CONDITIONS: &[Condition] = &[
    Condition {
        reason: "ImageNeverPulled",
        meaning: Meaning::Final,
        who: Who::Workload,
        wordings: &[
            wording(
                KUBELET,
                "with pull policy of never",
                "Container image \"demo.tencentcloudcr.com/team/app:v1\" is not present with pull policy of Never",
            ),
            wording(KUBELET, "errimageneverpull", "Error: ErrImageNeverPull"),
        ],
        cause: "its imagePullPolicy is Never, and the image is not on the node; or it is there (from Kubernetes 1.35) and \
                was not verified for this Pod's credential, of which the kubelet says the same",
        to_do: "set imagePullPolicy to IfNotPresent, which verifies the credential or pulls; or put the image on the node",
    },
    Condition {
        reason: "ImageNameShort",
        meaning: Meaning::Final,
        who: Who::Workload,
        wordings: &[
            wording(
                CRIO,
                "short-name \"",
                "Failed to inspect image \"\": rpc error: code = Unknown desc = short-name \"team/app:v1\" did not resolve \
                 to an alias and no unqualified-search registries are defined in \"/etc/containers/registries.conf\"",
            ),
            wording(
                CRIO,
                "short name mode is enforcing",
                "Failed to inspect image \"\": rpc error: code = Unknown desc = short name mode is enforcing, but image \
                 name team/app:v1 returns ambiguous list",
            ),
        ],
        cause: "the image's name has no registry, and the node does not choose one",
        to_do: "write the image's name with its registry, and make the Pod again",
    },
    Condition {
        reason: "InvalidImageName",
        meaning: Meaning::Final,
        who: Who::Workload,
        wordings: &[
            wording(
                KUBELET,
                "invalidimagename",
                "InvalidImageName: Failed to apply default image tag \"demo.tencentcloudcr.com/Team/app\": couldn't parse \
                 image name \"demo.tencentcloudcr.com/Team/app\": invalid reference format",
            ),
            wording(
                KUBELET,
                "couldn't parse image name",
                "couldn't parse image name \"demo.tencentcloudcr.com/team/app:\": invalid reference format",
            ),
            wording(
                GO,
                "invalid reference format",
                "failed to parse image reference \"demo.tencentcloudcr.com//app\": invalid reference format",
            ),
        ],
        cause: "the kubelet does not take it for the name of an image",
        to_do: "correct the image's name, and make the Pod again",
    },
    Condition {
        reason: "KubeletRateLimited",
        meaning: Meaning::Final,
        who: Who::Platform,
        wordings: &[wording(KUBELET, "pull qps exceeded", "pull QPS exceeded")],
        cause: "the kubelet's own limit of pulls is reached (registryPullQPS, registryBurst)",
        to_do: "raise registryPullQPS and registryBurst of the kubelet; it tries again",
    },
    Condition {
        reason: "PullRecordFailed",
        meaning: Meaning::Final,
        who: Who::Platform,
        wordings: &[
            wording(
                KUBELET_VERIFYING,
                "failed to record image pull intent",
                "Failed to record image pull intent for container image \"demo.tencentcloudcr.com/team/app:v1\": failed to \
                 create directory \"/var/lib/kubelet/image_manager/pulling\": permission denied",
            ),
            wording(
                KUBELET_VERIFYING,
                "imagepulledrecord",
                "failed to decode ImagePulledRecord from file \"/var/lib/kubelet/image_manager/pulled/sha256-ab\": EOF",
            ),
            wording(
                KUBELET_VERIFYING,
                "imagepullintent",
                "failed to decode ImagePullIntent from file \"/var/lib/kubelet/image_manager/pulling/sha256-ab\": EOF",
            ),
        ],
        cause: "the kubelet cannot keep or read its records of pulled images",
        to_do: "see the disk and the rights of /var/lib/kubelet/image_manager on the node; a record that cannot be read may \
                be removed: the image is then verified anew",
    },
    Condition {
        reason: "CredentialProviderFailed",
        meaning: Meaning::Final,
        who: Who::Platform,
        wordings: &[
            wording(
                KUBELET,
                "credential provider plugin",
                "error execing credential provider plugin tcr for image demo.tencentcloudcr.com/team/app: exit status 1",
            ),
            wording(
                KUBELET,
                "external registry credential provider",
                "failed to get credential from external registry credential provider: exit status 1",
            ),
        ],
        cause: "the node's credential provider, a program that the kubelet asks after the Pod's Secrets, fails",
        to_do: "see why it fails (journalctl -u kubelet), or take the registry out of its matchImages: the Pod's Secrets \
                need it not",
    },
    Condition {
        reason: "RuntimeHandlerUnknown",
        meaning: Meaning::Final,
        who: Who::Platform,
        wordings: &[
            wording(
                KUBELET_129,
                "failed to lookup runtimehandler",
                "Failed to lookup runtimeHandler for runtimeClassName gvisor",
            ),
            wording(
                CONTAINERD,
                "failed to get sandbox runtime",
                "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get sandbox runtime: no runtime for \
                 \"gvisor\" is configured",
            ),
            wording(
                CONTAINERD_LATER,
                "unknown runtime handler",
                "unknown runtime handler \"gvisor\": invalid argument",
            ),
        ],
        cause: "its container runtime does not know the handler of the Pod's RuntimeClass",
        to_do: "configure the handler on the node, or run the Pod on nodes that have it (scheduling.nodeSelector of the \
                RuntimeClass)",
    },
    Condition {
        reason: "RuntimeAway",
        meaning: Meaning::Final,
        who: Who::Platform,
        wordings: &[
            wording(
                KUBELET,
                "dial unix",
                "rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while dialing: dial unix \
                 /run/containerd/containerd.sock: connect: connection refused\"",
            ),
            wording(
                KUBELET,
                "code = unavailable desc = connection error",
                "rpc error: code = Unavailable desc = connection error: desc = \"error reading server preface: EOF\"",
            ),
            wording(
                KUBELET,
                "code = unavailable desc = error reading from server",
                "rpc error: code = Unavailable desc = error reading from server: EOF",
            ),
            wording(
                KUBELET,
                "failed to inspect image",
                "Failed to inspect image \"\": rpc error: code = DeadlineExceeded desc = context deadline exceeded",
            ),
            wording(KUBELET, "imageinspecterror", "Error: ImageInspectError"),
        ],
        cause: "its container runtime does not answer the kubelet",
        to_do: "see why the node's container runtime does not answer: journalctl -u containerd",
    },
];

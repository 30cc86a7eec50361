//! Failures to reach a host.

use super::condition::by::{CONTAINERD, CONTAINERD_17, CONTAINERD_22, GO, KUBELET};
use super::condition::{Condition, Meaning, wording};
use crate::explain::findings::Who;

/// A proxy's failures contain words that otherwise mean another cause.
pub(super) const PROXY: &[Condition] = &[Condition {
    reason: "ProxyFailed",
    meaning: Meaning::Final,
    who: Who::Platform,
    wordings: &[
        wording(
            GO,
            "proxyconnect",
            "failed to do request: Head \"https://demo.tencentcloudcr.com/v2/team/app/manifests/v1\": proxyconnect tcp: dial \
             tcp 10.9.9.9:3128: i/o timeout",
        ),
        wording(
            GO,
            "proxy authentication required",
            "failed to do request: Head \"https://demo.tencentcloudcr.com/v2/\": Proxy Authentication Required",
        ),
        wording(
            GO,
            "407 proxy",
            "unexpected status from HEAD request to http://10.9.9.9:3128/: 407 Proxy Auth Required",
        ),
        wording(
            GO,
            "socks connect",
            "failed to do request: Head \"https://demo.tencentcloudcr.com/v2/\": socks connect tcp \
             10.9.9.9:1080->demo.tencentcloudcr.com:443: dial tcp 10.9.9.9:1080: connect: connection refused",
        ),
        wording(
            GO,
            "\": forbidden",
            "failed to do request: Head \"https://demo.tencentcloudcr.com/v2/team/app/manifests/v1\": Forbidden",
        ),
        wording(
            GO,
            "\": service unavailable",
            "failed to do request: Head \"https://demo.tencentcloudcr.com/v2/\": Service Unavailable",
        ),
        wording(
            GO,
            "\": bad gateway",
            "failed to do request: Head \"https://demo.tencentcloudcr.com/v2/\": Bad Gateway",
        ),
        wording(
            GO,
            "\": gateway time",
            "failed to do request: Head \"https://demo.tencentcloudcr.com/v2/\": Gateway Timeout",
        ),
        wording(GO, "invalid proxy address", "invalid proxy address \"http://10.9.9.9:port\": invalid port"),
    ],
    cause: "the proxy that its container runtime is told to use does not answer or does not let it through",
    to_do: "correct HTTPS_PROXY of the node's container runtime, or add {registry} to its NO_PROXY, and restart it",
}];

pub(super) const CONDITIONS: &[Condition] = &[
    Condition {
        reason: "NameServerFailed",
        meaning: Meaning::Network,
        who: Who::Platform,
        wordings: &[
            wording(
                GO,
                "lookup *i/o timeout",
                "dial tcp: lookup demo.tencentcloudcr.com on 10.0.0.10:53: read udp 10.1.1.1:4444->10.0.0.10:53: i/o timeout",
            ),
            wording(
                GO,
                "lookup *connection refused",
                "dial tcp: lookup demo.tencentcloudcr.com on 127.0.0.53:53: read udp 127.0.0.1:4444->127.0.0.53:53: read: \
                 connection refused",
            ),
            wording(
                GO,
                "lookup *server misbehaving",
                "dial tcp: lookup demo.tencentcloudcr.com on 10.0.0.10:53: server misbehaving",
            ),
            wording(
                GO,
                "lookup *network is unreachable",
                "dial tcp: lookup demo.tencentcloudcr.com on 10.0.0.10:53: dial udp 10.0.0.10:53: connect: network is \
                 unreachable",
            ),
            wording(
                GO,
                "temporary failure in name resolution",
                "dial tcp: lookup demo.tencentcloudcr.com: Temporary failure in name resolution",
            ),
            wording(
                GO,
                "no answer from dns server",
                "lookup demo.tencentcloudcr.com: no answer from DNS server",
            ),
            wording(
                GO,
                "cannot unmarshal dns message",
                "lookup demo.tencentcloudcr.com: cannot unmarshal DNS message",
            ),
        ],
        cause: "the node's name server does not answer, or answers with a failure",
        to_do: "mend the node's name server (/etc/resolv.conf): it has to resolve {host}",
    },
    Condition {
        reason: "NameUnknown",
        meaning: Meaning::Network,
        who: Who::Platform,
        wordings: &[wording(
            GO,
            "no such host",
            "failed to do request: Head \"https://demo.tencentcloudcr.com/v2/\": dial tcp: lookup demo.tencentcloudcr.com on \
             10.0.0.10:53: no such host",
        )],
        cause: "the node's name server does not know its name",
        to_do: "let the node resolve {host}",
    },
    Condition {
        reason: "TransferCut",
        meaning: Meaning::Final,
        who: Who::Platform,
        wordings: &[
            wording(GO, "unexpected eof", "failed to copy: httpReadSeeker: failed open: unexpected EOF"),
            wording(GO, "\": eof", "failed to do request: Head \"https://demo.tencentcloudcr.com/v2/\": EOF"),
            wording(
                CONTAINERD_22,
                "short read",
                "short read: expected 1024 bytes but got 512: unexpected EOF",
            ),
            wording(
                GO,
                "connection reset",
                "failed to copy: read tcp 10.1.1.1:3333->10.0.0.2:443: read: connection reset by peer",
            ),
            wording(
                GO,
                "read tcp *timed out",
                "failed to copy: read tcp 10.1.1.1:3333->10.0.0.2:443: read: connection timed out",
            ),
            wording(
                GO,
                "read tcp *i/o timeout",
                "failed to copy: read tcp 10.1.1.1:3333->10.0.0.2:443: i/o timeout",
            ),
            wording(GO, "broken pipe", "write tcp 10.1.1.1:3333->10.0.0.2:443: write: broken pipe"),
            wording(
                GO,
                "use of closed network connection",
                "read tcp 10.1.1.1:3333->10.0.0.2:443: use of closed network connection",
            ),
            wording(
                GO,
                "stream error",
                "failed to copy: stream error: stream ID 5; INTERNAL_ERROR; received from peer",
            ),
            wording(GO, "server sent goaway", "http2: server sent GOAWAY and closed the connection"),
            wording(GO, "http2: client connection lost", "failed to copy: http2: client connection lost"),
            wording(GO, "server closed idle connection", "http: server closed idle connection"),
        ],
        cause: "the connection to {host} was cut",
        to_do: "see what cuts connections between the node and {host} (firewall, proxy, MTU); the kubelet tries again",
    },
    Condition {
        reason: "ConnectionRefused",
        meaning: Meaning::Network,
        who: Who::Platform,
        wordings: &[wording(
            GO,
            "connection refused",
            "failed to do request: Head \"https://demo.tencentcloudcr.com/v2/\": dial tcp 10.0.0.2:443: connect: connection \
             refused",
        )],
        cause: "nothing listens at the address that it dialled, or a firewall refuses",
        to_do: "let the node resolve {host} to an address where it listens, port 443",
    },
    Condition {
        reason: "NoRoute",
        meaning: Meaning::Network,
        who: Who::Platform,
        wordings: &[
            wording(GO, "no route to host", "dial tcp 10.0.0.2:443: connect: no route to host"),
            wording(
                GO,
                "network is unreachable",
                "dial tcp [2402:4e00::1]:443: connect: network is unreachable",
            ),
            wording(GO, "host is down", "dial tcp 10.0.0.2:443: connect: host is down"),
            wording(
                GO,
                "connect: operation not permitted",
                "dial tcp 10.0.0.2:443: connect: operation not permitted",
            ),
        ],
        cause: "the node has no route to the address that it dialled",
        to_do: "give the node a route to {host} (an IPv6 address wants IPv6), port 443",
    },
    Condition {
        reason: "AddressSilent",
        meaning: Meaning::Network,
        who: Who::Platform,
        wordings: &[
            wording(GO, "i/o timeout", "dial tcp 10.0.0.2:443: i/o timeout"),
            wording(GO, "connection timed out", "dial tcp 10.0.0.2:443: connect: connection timed out"),
            wording(
                GO,
                "tls handshake timeout",
                "failed to do request: Head \"https://demo.tencentcloudcr.com/v2/\": net/http: TLS handshake timeout",
            ),
            wording(
                GO,
                "timeout awaiting response headers",
                "failed to do request: Get \"https://demo.tencentcloudcr.com/v2/\": net/http: timeout awaiting response \
                 headers",
            ),
            wording(
                GO,
                "timeout exceeded while awaiting headers",
                "Get \"https://demo.tencentcloudcr.com/v2/\": net/http: request canceled while waiting for connection \
                 (Client.Timeout exceeded while awaiting headers)",
            ),
            wording(
                GO,
                "\": context deadline exceeded",
                "failed to do request: Head \"https://demo.tencentcloudcr.com/v2/\": context deadline exceeded",
            ),
            wording(
                GO,
                "dial tcp *deadline exceeded",
                "failed to do request: Head \"https://demo.tencentcloudcr.com/v2/\": dial tcp 10.0.0.2:443: context deadline \
                 exceeded",
            ),
        ],
        cause: "what it dialled does not answer in time",
        to_do: "let the node reach {host}, port 443: security groups, routes, MTU",
    },
    Condition {
        reason: "PullTooSlow",
        meaning: Meaning::Final,
        who: Who::Platform,
        wordings: &[
            wording(
                CONTAINERD,
                "context canceled",
                "failed to pull and unpack image \"demo.tencentcloudcr.com/team/app:v1\": context canceled",
            ),
            wording(
                CONTAINERD_17,
                "because of no progress",
                "cancel pulling image demo.tencentcloudcr.com/team/app:v1 because of no progress in 5m0s",
            ),
            wording(CONTAINERD_17, "image pull progress timeout", "image pull progress timeout"),
            wording(
                KUBELET,
                "deadlineexceeded",
                "rpc error: code = DeadlineExceeded desc = failed to pull and unpack image \
                 \"demo.tencentcloudcr.com/team/app:v1\": failed to copy: context deadline exceeded",
            ),
            wording(CONTAINERD, "context deadline exceeded", "failed to copy: context deadline exceeded"),
        ],
        cause: "the pull made no progress, or took longer than it may, and was given up",
        to_do: "see the way from the node to the registry and its storage (speed, MTU), or raise the runtime's \
                image_pull_progress_timeout; a smaller image comes sooner",
    },
];

//! TLS failures: a certificate that the node does not trust, or no TLS at all.

use super::condition::by::GO;
use super::condition::{Condition, Meaning, wording};
use crate::explain::findings::Who;

pub(super) const CONDITIONS: &[Condition] = &[
    Condition {
        reason: "RegistrySpeaksHttp",
        meaning: Meaning::Final,
        who: Who::Platform,
        wordings: &[
            wording(
                GO,
                "server gave http response to https client",
                "failed to do request: Head \"https://demo.tencentcloudcr.com:5000/v2/team/app/manifests/v1\": http: server \
                 gave HTTP response to HTTPS client",
            ),
            wording(
                GO,
                "first record does not look like a tls handshake",
                "failed to do request: Head \"https://demo.tencentcloudcr.com/v2/\": tls: first record does not look like a \
                 TLS handshake",
            ),
        ],
        cause: "what answers for {host} does not speak TLS",
        to_do: "correct the port of the image's host, or the node's hosts.toml for {registry} (its server without TLS), or \
                see what answers in the registry's place",
    },
    Condition {
        reason: "CertificateWrongName",
        meaning: Meaning::Certificate,
        who: Who::Platform,
        wordings: &[
            wording(
                GO,
                "x509: certificate is valid for",
                "failed to do request: Head \"https://demo.tencentcloudcr.com/v2/\": tls: failed to verify certificate: \
                 x509: certificate is valid for *.example.com, not demo.tencentcloudcr.com",
            ),
            wording(
                GO,
                "x509: certificate is not valid for any names",
                "x509: certificate is not valid for any names, but wanted to match demo.tencentcloudcr.com",
            ),
            wording(
                GO,
                "doesn't contain any ip sans",
                "x509: cannot validate certificate for 10.0.0.2 because it doesn't contain any IP SANs",
            ),
            wording(
                GO,
                "legacy common name",
                "x509: certificate relies on legacy Common Name field, use SANs instead",
            ),
        ],
        cause: "the certificate that it is shown is for another name: another server answers, or the certificate lacks the \
                name",
        to_do: "see what answers the node for {host} (a proxy that opens TLS, a wrong entry in its hosts file or DNS), or \
                give {host} a certificate with its name (a custom domain of TCR has one of its own)",
    },
    Condition {
        reason: "CertificateExpired",
        meaning: Meaning::Certificate,
        who: Who::Platform,
        wordings: &[wording(
            GO,
            "certificate has expired or is not yet valid",
            "failed to do request: Head \"https://demo.tencentcloudcr.com/v2/\": tls: failed to verify certificate: x509: \
             certificate has expired or is not yet valid: current time 2026-11-30T00:00:00Z is after 2026-11-01T00:00:00Z",
        )],
        cause: "the certificate that it is shown has expired, or is not valid yet by the node's clock",
        to_do: "compare the node's clock with the times in the message: set the clock, or renew the certificate of {host}",
    },
    Condition {
        reason: "CertificateUntrusted",
        meaning: Meaning::Certificate,
        who: Who::Platform,
        wordings: &[
            wording(
                GO,
                "certificate signed by unknown authority",
                "failed to do request: Head \"https://demo.tencentcloudcr.com/v2/\": tls: failed to verify certificate: \
                 x509: certificate signed by unknown authority",
            ),
            wording(
                GO,
                "certificate is not standards compliant",
                "x509: \"demo\" certificate is not standards compliant",
            ),
            wording(
                GO,
                "failed to load system roots",
                "x509: failed to load system roots and no roots provided",
            ),
            wording(
                GO,
                "tls: failed to verify",
                "tls: failed to verify certificate: x509: negative serial number",
            ),
            wording(GO, "x509:", "x509: certificate specifies an incompatible key usage"),
        ],
        cause: "the certificate that it is shown is of no authority that it trusts",
        to_do: "see what answers the node for {host} (a proxy that opens TLS shows its own), or give the container runtime \
                the certificate authority (ca in hosts.toml, or the node's own certificates)",
    },
    Condition {
        reason: "TlsRefused",
        meaning: Meaning::Final,
        who: Who::Platform,
        wordings: &[
            wording(
                GO,
                "remote error: tls:",
                "failed to do request: Head \"https://demo.tencentcloudcr.com/v2/\": remote error: tls: handshake failure",
            ),
            wording(
                GO,
                "tls: server selected unsupported protocol version",
                "tls: server selected unsupported protocol version 301",
            ),
            wording(GO, "tls: no cipher suite", "tls: no cipher suite supported by both client and server"),
            wording(GO, "tls: bad record mac", "local error: tls: bad record MAC"),
        ],
        cause: "{host} and the node do not agree on TLS: its version, a client certificate that is asked for, or something \
                between that breaks it",
        to_do: "see what answers the node for {host} and which TLS it speaks: openssl s_client -connect {host}:443 on the \
                node",
    },
];

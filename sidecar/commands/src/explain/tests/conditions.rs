//! What kubelets and container runtimes say, and what is made of it, whatever the registry answers from here.

use super::*;

/// Words of a node, with the reason that they lead to and a piece of what is to be done.
const MESSAGES: &[(&str, &str, &str)] = &[
    (
        "rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while dialing: dial unix /run/containerd/containerd.sock: connect: connection refused\"",
        "RuntimeAway",
        "platform team",
    ),
    (
        "failed to do request: Head \"https://demo.tencentcloudcr.com/v2/\": proxyconnect tcp: dial tcp 10.9.9.9:3128: i/o timeout",
        "ProxyFailed",
        "NO_PROXY",
    ),
    (
        "choosing image for platform: no image found in image index for architecture \"arm64\", variant \"v8\", OS \"linux\"",
        "PlatformMissing",
        "image's author",
    ),
    (
        "no matching manifest for linux/arm64/v8 in the manifest list entries",
        "PlatformMissing",
        "image's author",
    ),
    (
        "failed to extract layer sha256:ab: write /var/lib/containerd/x: no space left on device: unknown",
        "NodeDiskFull",
        "free the node's disk",
    ),
    ("mkdir /var/lib/containerd/tmpmounts/x: read-only file system", "NodeDiskBroken", "drain the node"),
    (
        "image pull failed for a because the signature validation failed: Source image rejected: A signature was required, but no signature exists",
        "SignatureValidationFailed",
        "sign the image",
    ),
    (
        "unexpected status from HEAD request to https://demo.tencentcloudcr.com/v2/a/manifests/v1: 412 Precondition Failed",
        "BlockedByPolicy",
        "policy",
    ),
    (
        "unexpected status code https://demo.tencentcloudcr.com/v2/team/app/manifests/v1: 429 Too Many Requests - Server message: toomanyrequests",
        "RateLimited",
        "platform team",
    ),
    ("pull QPS exceeded", "KubeletRateLimited", "registryPullQPS"),
    (
        "unsupported media type application/vnd.cncf.helm.config.v1+json: not found",
        "NotAnImage",
        "push an OCI",
    ),
    (
        "media type \"application/vnd.docker.distribution.manifest.v1+prettyjws\" is no longer supported since containerd v2.1",
        "NotAnImage",
        "push an OCI",
    ),
    (
        "failed to copy: httpReadSeeker: failed open: content at https://demo.tencentcloudcr.com/v2/team/app/blobs/sha256:ab not found: not found",
        "LayerMissing",
        "push the image again",
    ),
    (
        "failed commit on ref \"layer-sha256:ab\": unexpected commit digest sha256:cd, expected sha256:ab: failed precondition",
        "LayerDamaged",
        "proxy, cache, mirror",
    ),
    (
        "failed to extract layer sha256:ab: archive/tar: invalid tar header: unknown",
        "LayerUnpackFailed",
        "image's author",
    ),
    (
        "failed to do request: Head \"https://demo.tencentcloudcr.com/v2/\": http: server gave HTTP response to HTTPS client",
        "RegistrySpeaksHttp",
        "hosts.toml",
    ),
    (
        "image pull failed for a because the registry is unavailable: 503",
        "RegistryUnavailable",
        "state of demo.tencentcloudcr.com",
    ),
    (
        "unexpected status from HEAD request to https://demo.tencentcloudcr.com/v2/a/manifests/v1: 502 Bad Gateway",
        "RegistryUnavailable",
        "state of demo.tencentcloudcr.com",
    ),
    (
        "failed to copy: read tcp 10.1.1.1:3333->10.0.0.2:443: read: connection reset by peer",
        "TransferCut",
        "MTU",
    ),
    ("httpReadSeeker: failed open: unexpected EOF", "TransferCut", "MTU"),
    (
        "failed to copy: httpReadSeeker: failed open: unexpected status code https://demo.tencentcloudcr.com/v2/team/app/blobs/sha256:ab: 403 Forbidden",
        "StorageRefused",
        "the registry's credential is not the cause",
    ),
    ("failed to pull and unpack image \"a\": context canceled", "PullTooSlow", "image_pull_progress_timeout"),
    (
        "failed to do request: Head \"https://mirror.example.com/v2/team/app/manifests/v1?ns=demo.tencentcloudcr.com\": dial tcp 10.8.8.8:443: connect: connection refused",
        "MirrorUnreachable",
        "mirror.example.com",
    ),
    (
        "failed to do request: Get \"https://demo.tencentcloudcr.com/v2/\": x509: certificate has expired or is not yet valid",
        "CertificateExpired",
        "demo.tencentcloudcr.com",
    ),
    ("lease \"x\" does not exist: not found", "PullInProgress", "wait some minutes"),
    ("snapshot sha256:ab does not exist: not found", "SnapshotterFailed", "snapshotter"),
    ("the moon is full", "PullErrorUnknown", "journalctl"),
    // What a proxy answers has no number.
    (
        "failed to do request: Head \"https://demo.tencentcloudcr.com/v2/team/app/manifests/v1\": Forbidden",
        "ProxyFailed",
        "NO_PROXY",
    ),
    // Nobody speaks HTTPS to the registry at this port but by a proxy.
    (
        "failed to do request: Head \"https://demo.tencentcloudcr.com/v2/team/app/manifests/v1\": read tcp 10.1.1.1:3333->10.9.9.9:3128: read: connection reset by peer",
        "ProxyFailed",
        "NO_PROXY",
    ),
    (
        "unexpected status from HEAD request to https://mirror.example.com/v2/team/app/manifests/v1?ns=demo.tencentcloudcr.com: 403 Forbidden",
        "MirrorRefused",
        "mirror.example.com",
    ),
    (
        "failed to copy: httpReadSeeker: failed open: unexpected status code https://b.cos.ap-guangzhou.myqcloud.com/x?sign=y: 503 Service Unavailable",
        "RegistryUnavailable",
        "see the state of b.cos.ap-guangzhou.myqcloud.com",
    ),
    (
        "failed to authorize: failed to fetch anonymous token: Get \"https://token.example.com/token?scope=x\": dial tcp 10.9.9.9:443: connect: connection refused",
        "OtherHostUnreachable",
        "token.example.com",
    ),
    (
        "failed to do request: Head \"https://demo.tencentcloudcr.com/v2/\": x509: certificate is valid for *.example.com, not demo.tencentcloudcr.com",
        "CertificateWrongName",
        "opens TLS",
    ),
];

#[test]
fn what_the_node_says_counts_whatever_the_registry_answers_from_here() {
    let answers = [Some(PullAnswer::Pulls), Some(refused()), None];
    for (message, reason, to_do) in MESSAGES {
        for (answer, word) in answers.iter().flat_map(|it| [(it, "ErrImagePull"), (it, "ImagePullBackOff")]) {
            let mut facts = well();
            facts.answers.clear();
            if let Some(answer) = answer {
                facts.answer("tcr.ipsdemo", answer.clone());
            }
            let told = match word {
                "ErrImagePull" => (*message).to_owned(),
                _ => format!("Back-off pulling image \"{IMAGE}\": ErrImagePull: {message}"),
            };
            facts.pod.images[0].waiting = Some((word.to_owned(), told));
            let found = findings(&facts);
            let problem = found.images[0].problem.as_ref();
            assert_eq!(problem.map(|it| it.reason), Some(*reason), "{message} with {answer:?}");
            assert!(found.to_do.contains(to_do), "{message}: {}", found.to_do);
            assert_ne!(found.verdict, Verdict::Pulls);
        }
    }
}

#[test]
fn a_sentence_for_a_reason_is_the_kubelets_own_error() {
    let mut facts = well();
    let reason = "invalid character 'h' looking for beginning of value".to_owned();
    facts.pod.images[0].waiting = Some((reason, String::new()));
    assert_eq!(findings(&facts).images[0].problem.as_ref().unwrap().reason, "PullErrorUnknown");
}

#[test]
fn an_image_that_was_pulled_may_keep_its_container_from_starting() {
    check(
        |facts| {
            let image = &mut facts.pod.images[0];
            image.is_there = true;
            image.waiting = Some(("CrashLoopBackOff".to_owned(), "back-off 5m0s restarting".to_owned()));
            let message = "failed to create containerd task: exec: \"/app\": exec format error".to_owned();
            image.ended = Some(("StartError".to_owned(), message));
        },
        expect![[r#"
            Fails PlatformWrong: node-a: the image was pulled, and its program is for another architecture than the node's, or is no program: StartError: failed to create containerd task: exec: "/app": exec format error
            to do: ask the image's author: push it for the node's architecture (docker buildx build --platform), or run the Pod on nodes of the image's (nodeSelector kubernetes.io/arch); a script needs its first line, such as #!/bin/sh"#]],
    );
    check(
        |facts| {
            let image = &mut facts.pod.images[0];
            image.is_there = true;
            image.waiting = Some(("CrashLoopBackOff".to_owned(), "back-off 5m0s restarting".to_owned()));
        },
        expect![[r#"
            Pulls
            note: container app does not run, for another reason than its image's pull: CrashLoopBackOff: back-off 5m0s restarting
            to do: nothing"#]],
    );
}

#[test]
fn a_back_off_without_a_cause_is_asked_for_its_cause() {
    check(
        |facts| {
            let message = format!("Back-off pulling image \"{IMAGE}\"");
            facts.pod.images[0].waiting = Some(("ImagePullBackOff".to_owned(), message));
        },
        expect![[r#"
            Likely
            note: the kubelet waits after pulls that failed, and does not say why they did
            to do: have it pulled again, for the kubelet says why it fails only then: delete the Pod, so that ReplicaSet web makes it again: kubectl -n shop delete pod web-1; then explain the new Pod"#]],
    );
}

#[test]
fn the_link_is_up_and_whatever_else_was_dialled_is_named() {
    let told = |message: &str| {
        let mut facts = well();
        facts.pull_failed(message);
        let link =
            "nodes resolve demo.tencentcloudcr.com to 10.0.0.2; these domains can no longer be reached";
        facts.link("True", "Running", link);
        let found = findings(&facts);
        found.images[0].problem.as_ref().map(|it| it.reason)
    };
    for beside in [
        "read tcp 10.1.1.1:3333->43.1.2.3:443: read: connection reset by peer",
        "failed to do request: Head \"https://demo.tencentcloudcr.com/v2/\": dial tcp 10.0.9.9:443: i/o timeout",
        "dial tcp: lookup demo.tencentcloudcr.com on 10.0.0.10:53: no such host",
        "dial tcp: lookup demo.tencentcloudcr.com on 10.0.0.10:53: server misbehaving",
    ] {
        assert_eq!(told(beside), Some("HostsFileNotUsed"), "{beside}");
    }
    assert_eq!(told("dial tcp 10.0.0.2:443: i/o timeout"), Some("PrivateLinkSilent"));
    assert_eq!(told("read tcp 10.1.1.1:3333->10.0.0.2:443: connection reset by peer"), Some("TransferCut"));
    let storage = "failed to copy: httpReadSeeker: failed open: failed to do request: Get \"https://b.cos.ap-guangzhou.myqcloud.com/x\": dial tcp 43.1.2.3:443: i/o timeout";
    assert_eq!(told(storage), Some("StorageUnreachable"));
}

#[test]
fn words_of_any_length_are_repeated_shortened() {
    let mut facts = well();
    facts.pull_failed(&"moon ".repeat(1000));
    let found = findings(&facts);
    let problem = found.images[0].problem.as_ref().unwrap();
    assert!(problem.reason == "PullErrorUnknown" && problem.message.len() < 500);
}

#[test]
fn an_image_volume_is_explained_by_the_pods_events() {
    let mut facts = well();
    facts.pod.images[0].user = "volume models".to_owned();
    let message = format!("Failed to pull image \"{IMAGE}\": no space left on device");
    facts.events =
        Seen::Known(vec![EventFact { at: Some(at(70)), reason: "Failed".to_owned(), message, count: 1 }]);
    assert_eq!(findings(&facts).images[0].problem.as_ref().unwrap().reason, "NodeDiskFull");
}

#[test]
fn debugging_with_a_private_image_is_done_in_a_copy() {
    check(
        |facts| {
            facts.lacking();
            facts.pod.images[0].user = "ephemeral container debugger".to_owned();
        },
        expect![[r#"
            Fails ReferenceMissing: the Pod does not refer to tcr.ipsdemo: it was made while admission was away, or before its ServiceAccount referred to it, and a Pod's list never changes
            to do: debug a copy of the Pod, which gets the Secret when it is made: kubectl -n shop debug web-1 -it --image=demo.tencentcloudcr.com/team/app:v1 --copy-to=web-1-debug"#]],
    );
}

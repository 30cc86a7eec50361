//! Which registry it is, and whether nodes reach it.

use super::*;
use custom_resource::{NodesStatus, NotResolving, PrivateLinkStatus};

#[test]
fn a_host_of_no_image_pull_secret() {
    for (image, expected) in [
        (
            "dmeo.tencentcloudcr.com/team/app:v1",
            expect![[r#"
            Fails RegistryUnknown: no ImagePullSecret is for dmeo.tencentcloudcr.com; the nearest registry is demo.tencentcloudcr.com
            to do: correct the image's host to demo.tencentcloudcr.com, and make the Pod again"#]],
        ),
        (
            "demo.tencentcloudrc.com/team/app:v1",
            expect![[r#"
            Fails RegistryUnknown: no ImagePullSecret is for demo.tencentcloudrc.com; the nearest registry is demo.tencentcloudcr.com
            to do: correct the image's host to demo.tencentcloudcr.com, and make the Pod again"#]],
        ),
        (
            "warehouse.tencentcloudcr.com/team/app:v1",
            expect![[r#"
                Fails RegistryUnknown: no ImagePullSecret is for warehouse.tencentcloudcr.com: they are for demo.tencentcloudcr.com, demo-vpc.tencentcloudcr.com
                to do: make an ImagePullSecret for the instance of warehouse.tencentcloudcr.com, or correct the image's host; then make the Pod again"#]],
        ),
        (
            "nginx:1.27",
            expect![[r#"
            Likely
            note: no Secret is for docker.io: it is pulled without a credential, as public images are
            to do: nothing"#]],
        ),
    ] {
        check(|facts| facts.image(image), expected);
    }
    let no = || PullAnswer::NotAllowed("registry.example.com asks for a credential".to_owned());
    check(
        |facts| {
            facts.image("registry.example.com/app:v1");
            facts.answer_nobody("registry.example.com/app:v1", no());
        },
        expect![[r#"
            Fails NoCredential: no Secret of the Pod is for registry.example.com, and no ImagePullSecret: registry.example.com asks for a credential
            to do: make a pull secret for registry.example.com and refer to it in the Pod, or correct the image's host"#]],
    );
    check(
        |facts| {
            facts.image("registry.example.com/app:v1");
            facts.answer_nobody("registry.example.com/app:v1", PullAnswer::Pulls);
        },
        expect![[r#"
            Pulls
            note: it needs no credential
            to do: nothing"#]],
    );
}

#[test]
fn a_link_that_has_moved_from_where_nodes_are_led_by_hand() {
    check(
        |facts| {
            facts.pull_failed(
                "failed to do request: Head \"https://demo.tencentcloudcr.com/v2/\": dial tcp 10.0.0.1:443: i/o timeout",
            );
            let address = Some("10.0.0.2".to_owned());
            facts.demo().link = Some(PrivateLinkStatus { address, ..PrivateLinkStatus::default() });
        },
        expect![[r#"
            Fails RegistryUnreachable: node-a does not reach demo.tencentcloudcr.com: what it dialled does not answer in time: ErrImagePull: failed to do request: Head "https://demo.tencentcloudcr.com/v2/": dial tcp 10.0.0.1:443: i/o timeout
            to do: ask the platform team: correct what leads demo.tencentcloudcr.com to 10.0.0.1 there, a hosts file or a name server of your own: the private link has the address 10.0.0.2; or have it kept by spec.tcr.privateNetwork.resolve"#]],
    );
}

#[test]
fn a_host_of_an_instance_whose_credential_nobody_asks_for() {
    let without = |facts: &mut Facts| {
        facts.spec(json!({"tcr": {"instanceId": "tcr-demo0001", "region": "ap-guangzhou", "credential": {"type": "none"},
            "privateNetwork": {"resolve": true}}}));
        let demo = facts.demo();
        demo.hosts.clear();
        let hosts = vec!["demo.tencentcloudcr.com".to_owned()];
        demo.link = Some(PrivateLinkStatus { hosts, ..PrivateLinkStatus::default() });
        facts.pod.references.clear();
        facts.secrets.clear();
    };
    check(
        without,
        expect![[r#"
            Fails CredentialNotRequested: ImagePullSecret demo is for demo.tencentcloudcr.com and asks for no credential (spec.tcr.credential.type is none), so that Pods have to bring a pull secret of their own, and this one brings none
            to do: make one (kubectl -n shop create secret docker-registry NAME --docker-server=demo.tencentcloudcr.com) and refer to it in the Pod's imagePullSecrets, or set spec.tcr.credential.type of ImagePullSecret demo to longterm"#]],
    );
}

#[test]
fn the_other_domain_of_an_instance() {
    check(
        |facts| {
            facts.demo().hosts = vec!["demo.tencentcloudcr.com".to_owned()];
            facts.image("demo-vpc.tencentcloudcr.com/team/app:v1");
            facts
                .secrets
                .insert("tcr.ipsdemo".to_owned(), secret(true, logins(&["demo.tencentcloudcr.com"])));
        },
        expect![[r#"
            Fails DomainNotListed: ImagePullSecret demo is for demo.tencentcloudcr.com, and not for demo-vpc.tencentcloudcr.com, the vpc domain of the same instance
            to do: add vpc to spec.tcr.domains of ImagePullSecret demo"#]],
    );
    check(
        |facts| {
            facts.demo().hosts = vec!["demo-vpc.tencentcloudcr.com".to_owned()];
            facts.image(IMAGE);
            facts
                .secrets
                .insert("tcr.ipsdemo".to_owned(), secret(true, logins(&["demo-vpc.tencentcloudcr.com"])));
        },
        expect![[r#"
            Fails DomainNotListed: ImagePullSecret demo is for demo-vpc.tencentcloudcr.com, and not for demo.tencentcloudcr.com, the default domain of the same instance
            to do: add default to spec.tcr.domains of ImagePullSecret demo"#]],
    );
}

#[test]
fn a_node_that_does_not_reach_the_registry() {
    let timeout = "failed to do request: Head \"https://demo.tencentcloudcr.com/v2/\": dial tcp 10.0.0.2:443: i/o timeout";
    check(
        |facts| facts.pull_failed(timeout),
        expect![[r#"
            Fails RegistryUnreachable: node-a does not reach demo.tencentcloudcr.com: what it dialled does not answer in time: ErrImagePull: failed to do request: Head "https://demo.tencentcloudcr.com/v2/": dial tcp 10.0.0.2:443: i/o timeout
            to do: ask the platform team: let the node reach demo.tencentcloudcr.com, port 443: security groups, routes, MTU"#]],
    );
    check(
        |facts| {
            facts.pull_failed(timeout);
            let message =
                "there is no private link from vpc-1 to tcr-demo0001: connect the VPC in the TCR console";
            facts.link("False", "NoLink", message);
        },
        expect![[r#"
            Fails PrivateLinkDown: node-a does not reach demo.tencentcloudcr.com: its private link is not up (NoLink): there is no private link from vpc-1 to tcr-demo0001: connect the VPC in the TCR console; what it dialled does not answer in time: ErrImagePull: failed to do request: Head "https://demo.tencentcloudcr.com/v2/": dial tcp 10.0.0.2:443: i/o timeout
            to do: ask the platform team: mend the private link: there is no private link from vpc-1 to tcr-demo0001: connect the VPC in the TCR console"#]],
    );
    let up = |facts: &mut Facts, nodes: NodesStatus| {
        facts.pull_failed(timeout);
        facts.link("True", "Running", "nodes resolve demo to 10.0.0.2");
        facts.demo().nodes = Some(nodes);
    };
    check(
        |facts| up(facts, NodesStatus { desired: 3, current: 2, ..NodesStatus::default() }),
        expect![[r#"
            Fails NodesBehind: node-a does not reach demo.tencentcloudcr.com: 2 of 3 nodes have the entries for their hosts file; what it dialled does not answer in time: ErrImagePull: failed to do request: Head "https://demo.tencentcloudcr.com/v2/": dial tcp 10.0.0.2:443: i/o timeout
            to do: ask the platform team: see why hosts-updater on node-a is behind: kubectl -n tcr-assistant-system get pods -o wide -l app.kubernetes.io/component=hosts-updater"#]],
    );
    let not_asked = |node: &str| {
        vec![NotResolving { reason: "HostsFileNotAsked".to_owned(), count: 1, nodes: vec![node.to_owned()] }]
    };
    check(
        |facts| {
            let not_resolving = not_asked("node-a");
            up(facts, NodesStatus { desired: 3, current: 3, not_resolving, ..NodesStatus::default() });
        },
        expect![[r#"
            Fails HostsFileNotAsked: node-a does not reach demo.tencentcloudcr.com, and hosts-updater says of it: Nodes ask something else before their hosts file, or never ask it; what it dialled does not answer in time: ErrImagePull: failed to do request: Head "https://demo.tencentcloudcr.com/v2/": dial tcp 10.0.0.2:443: i/o timeout
            to do: ask the platform team: Put `files` first in the line `hosts:` of their /etc/nsswitch.conf"#]],
    );
    check(
        |facts| up(facts, NodesStatus { desired: 3, current: 3, withholding: 1, ..NodesStatus::default() }),
        expect![[r#"
            Fails PrivateLinkSilent: node-a does not reach demo.tencentcloudcr.com: on 1 nodes the private link's address does not answer; what it dialled does not answer in time: ErrImagePull: failed to do request: Head "https://demo.tencentcloudcr.com/v2/": dial tcp 10.0.0.2:443: i/o timeout
            to do: ask the platform team: let the nodes reach the link's address, port 443: its security group, routes, network policies"#]],
    );
    check(
        |facts| up(facts, NodesStatus { desired: 3, current: 3, ..NodesStatus::default() }),
        expect![[r#"
            Fails PrivateLinkSilent: node-a does not reach demo.tencentcloudcr.com, though it resolves it to the private link: nodes resolve demo to 10.0.0.2; what it dialled does not answer in time: ErrImagePull: failed to do request: Head "https://demo.tencentcloudcr.com/v2/": dial tcp 10.0.0.2:443: i/o timeout
            to do: ask the platform team: let the nodes reach the link's address, port 443: its security group, routes, network policies"#]],
    );
    check(
        |facts| facts.pull_failed("x509: certificate signed by unknown authority"),
        expect![[r#"
            Fails CertificateUntrusted: node-a does not trust the certificate of demo.tencentcloudcr.com: the certificate that it is shown is of no authority that it trusts: ErrImagePull: x509: certificate signed by unknown authority
            to do: ask the platform team: see what answers the node for demo.tencentcloudcr.com (a proxy that opens TLS shows its own), or give the container runtime the certificate authority (ca in hosts.toml, or the node's own certificates)"#]],
    );
}

#[test]
fn a_pull_that_failed_before_the_secret_came_heals_by_itself() {
    check(
        |facts| facts.pull_failed("401 Unauthorized"),
        expect![[r#"
        Pulls
        note: the kubelet's last pull failed, and it tries again within five minutes: ErrImagePull: 401 Unauthorized
        to do: nothing: the kubelet pulls again within five minutes (or at once: kubectl -n shop delete pod web-1)"#]],
    );
}

/// A private image of a registry that no ImagePullSecret is for, and a Secret of the Pod's own.
fn partner(facts: &mut Facts, content: Option<Content>) {
    let image = "registry.example.com/team/app:v1";
    facts.image(image);
    facts.pod.references = vec!["tcr.ipsdemo".to_owned(), "partner".to_owned()];
    let found = content.map_or(Seen::Known(None), |content| secret(false, content));
    facts.secrets.insert("partner".to_owned(), found);
    facts.answer_nobody(
        image,
        PullAnswer::NotAllowed("registry.example.com asks for a credential".to_owned()),
    );
}

#[test]
fn a_secret_of_the_pods_own_is_looked_at_where_no_image_pull_secret_is_for_the_registry() {
    check(
        |facts| partner(facts, None),
        expect![[r#"
        Fails PullSecretNotFound: the Pod refers to the Secret partner, and there is none in namespace shop
        to do: make it (kubectl -n shop create secret docker-registry partner --docker-server=registry.example.com and a user name and a password), or correct its name in imagePullSecrets and make the Pod again"#]],
    );
    let opaque = "its type is Opaque, and kubelets read kubernetes.io/dockerconfigjson only";
    check(
        |facts| partner(facts, Some(Content::Ignored(opaque.to_owned()))),
        expect![[r#"
        Fails PullSecretIgnored: the kubelet passes over the Secret partner: its type is Opaque, and kubelets read kubernetes.io/dockerconfigjson only
        to do: delete the Secret partner and make it again as one for pulls: kubectl -n shop create secret docker-registry partner --docker-server=registry.example.com"#]],
    );
    check(
        |facts| partner(facts, Some(logins(&["https://registry.exmaple.com/v1/"]))),
        expect![[r#"
        Fails PullSecretForOther: the Secret partner of the Pod is for https://registry.exmaple.com/v1/, and no credential of it is for registry.example.com/team/app:v1
        to do: correct https://registry.exmaple.com/v1/ to registry.example.com in the Secret partner, or correct the image's host"#]],
    );
    check(
        |facts| partner(facts, Some(logins(&["registry.example.com/other"]))),
        expect![[r#"
        Fails PullSecretForOther: the Secret partner of the Pod is for registry.example.com/other, and no credential of it is for registry.example.com/team/app:v1
        to do: correct registry.example.com/other to registry.example.com in the Secret partner, or correct the image's host"#]],
    );
    check(
        |facts| partner(facts, Some(logins(&["quay.io"]))),
        expect![[r#"
        Fails NoCredential: no Secret of the Pod is for registry.example.com, and no ImagePullSecret: registry.example.com asks for a credential
        to do: make a pull secret for registry.example.com and refer to it in the Pod, or correct the image's host"#]],
    );
}

use expect_test::{Expect, expect};

use super::*;

fn asked(vpc_id: Option<&str>, vpc_ids: &[&str]) -> Tcr {
    let private_network = PrivateNetwork {
        vpc_id: vpc_id.map(str::to_owned),
        vpc_ids: vpc_ids.iter().map(|id| (*id).to_owned()).collect(),
        ..PrivateNetwork::default()
    };
    Tcr { private_network, ..Tcr::default() }
}

#[test]
fn without_several_vpcs_the_entries_are_for_all_nodes_as_they_have_been() {
    for vpc_id in [None, Some("vpc-a")] {
        let tcr = asked(vpc_id, &[]);
        assert_eq!(of(&tcr), [Network { vpc_id: None, tcr }]);
    }
}

#[test]
fn each_of_several_vpcs_is_asked_about_by_itself() {
    let networks = of(&asked(None, &["vpc-a", "vpc-b"]));
    let shown: Vec<String> = networks
        .iter()
        .map(|it| format!("{:?} {:?} {}", it.vpc_id, it.tcr.private_network.vpc_id, it.key("demo")))
        .collect();
    assert_eq!(
        shown,
        [r#"Some("vpc-a") Some("vpc-a") demo/vpc-a"#, r#"Some("vpc-b") Some("vpc-b") demo/vpc-b"#]
    );
    assert!(networks.iter().all(|network| name_of(&network.key("demo")) == "demo"));
    let entry = |ip: &str| HostsEntry::new("a.com", ip, false).unwrap();
    let entries = [entry("10.0.0.1"), entry("10.1.0.1").of_vpc("vpc-a").unwrap()];
    assert_eq!(networks[0].before(&entries), entries[1..]);
    assert_eq!(networks[1].before(&entries), entries[..1]);
}

#[track_caller]
fn check(judged: &[(&str, Option<bool>, ConditionReason)], expected: Expect) {
    let networks = of(&asked(None, &judged.iter().map(|(vpc_id, ..)| *vpc_id).collect::<Vec<_>>()));
    let judged = judged.iter().enumerate().map(|(number, (_, is_up, reason))| Judgement {
        resolves: true,
        is_up: *is_up,
        reason: *reason,
        message: format!("{reason} there"),
        vpc_id: None,
        address: u8::try_from(number).ok().filter(|_| *is_up == Some(true)).map(|it| [10, it, 0, 2].into()),
        hosts: vec!["demo.tencentcloudcr.com".parse().unwrap()],
        links: Vec::new(),
    });
    let Judgement { is_up, reason, message, hosts, links, .. } =
        join(networks.into_iter().zip(judged).collect()).unwrap();
    let links: Vec<String> =
        links.iter().map(|it| format!("{} {} {:?}", it.vpc_id, it.reason, it.address)).collect();
    expected.assert_eq(&format!("{is_up:?} {reason}: {message}\n{hosts:?}\n{}", links.join("\n")));
}

#[test]
fn a_vpc_without_a_link_is_named_first_and_the_others_are_told_too() {
    use ConditionReason::{AddressChanged, CloudFailed, NoLink, Pending, Running};
    let (up, down, unknown) = (Some(true), Some(false), None);
    check(
        &[("vpc-a", up, Running)],
        expect![[r#"
        Some(true) Running: vpc-a: Running there
        [RegistryHost("demo.tencentcloudcr.com")]
        vpc-a Running Some(10.0.0.2)"#]],
    );
    check(
        &[("vpc-a", up, Running), ("vpc-b", down, NoLink), ("vpc-c", down, Pending)],
        expect![[r#"
        Some(false) NoLink: vpc-b: NoLink there; vpc-c: Pending there; vpc-a: Running there
        [RegistryHost("demo.tencentcloudcr.com")]
        vpc-a Running Some(10.0.0.2)
        vpc-b NoLink None
        vpc-c Pending None"#]],
    );
    check(
        &[("vpc-a", up, Running), ("vpc-b", up, AddressChanged)],
        expect![[r#"
        Some(true) AddressChanged: vpc-a: Running there; vpc-b: AddressChanged there
        [RegistryHost("demo.tencentcloudcr.com")]
        vpc-a Running Some(10.0.0.2)
        vpc-b AddressChanged Some(10.1.0.2)"#]],
    );
    check(
        &[("vpc-a", up, Running), ("vpc-b", unknown, CloudFailed)],
        expect![[r#"
        None CloudFailed: vpc-b: CloudFailed there; vpc-a: Running there
        [RegistryHost("demo.tencentcloudcr.com")]
        vpc-a Running Some(10.0.0.2)
        vpc-b CloudFailed None"#]],
    );
}

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
        let none_or_one = [BTreeSet::new(), BTreeSet::from(["vpc-a".to_owned()])];
        for of_nodes in none_or_one {
            let network = Network { vpc_id: None, tcr: tcr.clone(), is_found: false };
            assert_eq!(of(&tcr, &of_nodes), [network]);
        }
    }
}

#[test]
fn where_nodes_are_in_several_vpcs_that_nobody_named_each_is_asked_about_before_that_of_all() {
    let of_nodes = BTreeSet::from(["vpc-a".to_owned(), "vpc-b".to_owned()]);
    let shown = |tcr: &Tcr| {
        let networks = of(tcr, &of_nodes);
        let shown =
            networks.iter().map(|it| format!("{}{}", it.key("demo"), if it.is_found { "?" } else { "" }));
        shown.collect::<Vec<_>>().join(" ")
    };
    let resolving = |vpc_id, vpc_ids: &[&str], address: Option<&str>| {
        let mut tcr = asked(vpc_id, vpc_ids);
        tcr.private_network.resolve = true;
        tcr.private_network.address = address.map(str::to_owned);
        tcr
    };
    assert_eq!(shown(&resolving(None, &[], None)), "demo/vpc-a? demo/vpc-b? demo");
    assert_eq!(shown(&resolving(Some("vpc-c"), &[], None)), "demo", "the one that is named is for all");
    assert_eq!(shown(&resolving(None, &["vpc-c"], None)), "demo/vpc-c");
    assert_eq!(shown(&resolving(None, &[], Some("10.0.0.9"))), "demo");
    assert_eq!(shown(&asked(None, &[])), "demo", "nobody resolves anything");
    let many = (0..40).map(|number| format!("vpc-{number}")).collect();
    assert_eq!(of(&resolving(None, &[], None), &many).len(), 17);
}

#[test]
fn entries_of_links_tell_of_vpcs_until_every_agent_has_told_its_own() {
    let entry = |vpc_id: &str| HostsEntry::new("a.com", "10.0.0.1", false).unwrap().of_vpc(vpc_id).unwrap();
    let before = [entry("vpc-a").of_link(tcr::image_pull_secret::WhenLinkDown::Keep), entry("vpc-b")];
    let mut vpcs = NodeVpcs { vpc_ids: ["vpc-c".to_owned()].into(), is_complete: false };
    let shown = |vpcs: &NodeVpcs| vpcs.with(&before).into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(shown(&vpcs), "vpc-a vpc-c", "an administrator's own entry tells nothing of nodes");
    vpcs.is_complete = true;
    assert_eq!(shown(&vpcs), "vpc-c");
}

#[test]
fn a_vpc_that_nobody_named_is_told_of_and_decides_nothing() {
    let mut tcr = asked(None, &[]);
    tcr.private_network.resolve = true;
    let networks = of(&tcr, &["vpc-a".to_owned(), "vpc-b".to_owned()].into());
    let judgement = |is_up, reason: ConditionReason, address: Option<[u8; 4]>| Link {
        resolves: true,
        is_up: Some(is_up),
        reason,
        message: format!("{reason} there"),
        vpc_id: address.map(|_| "vpc-a".to_owned()),
        address: address.map(Into::into),
        hosts: vec!["demo.tencentcloudcr.com".parse().unwrap()],
        links: Vec::new(),
    };
    let mut judged = [
        judgement(true, ConditionReason::AddressChanged, Some([10, 0, 0, 2])),
        judgement(false, ConditionReason::NoLink, None),
        judgement(true, ConditionReason::Running, Some([10, 0, 0, 2])),
    ];
    let joined = join(networks.iter().cloned().zip(judged.clone()).collect()).unwrap();
    let Link { is_up, reason, message, vpc_id, address, links, .. } = joined;
    assert_eq!((is_up, reason), (Some(true), ConditionReason::Running));
    assert_eq!((vpc_id.as_deref(), address), (Some("vpc-a"), Some([10, 0, 0, 2].into())));
    assert_eq!(message, "Running there; vpc-b: NoLink there; vpc-a: AddressChanged there");
    let links: Vec<String> = links.iter().map(|it| format!("{} {}", it.vpc_id, it.reason)).collect();
    assert_eq!(links, ["vpc-a AddressChanged", "vpc-b NoLink"]);

    // Where the controller does not know its own, they are what there is.
    judged[2] = judgement(false, ConditionReason::VpcUnknown, None);
    let Link { is_up, message, address, links, .. } =
        join(networks.into_iter().zip(judged).collect()).unwrap();
    assert_eq!((is_up, address, links.len()), (Some(false), None, 2));
    assert_eq!(message, "vpc-b: NoLink there; vpc-a: AddressChanged there");
}

#[test]
fn each_of_several_vpcs_is_asked_about_by_itself() {
    let networks = of(&asked(None, &["vpc-a", "vpc-b"]), &BTreeSet::new());
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
    let vpc_ids: Vec<&str> = judged.iter().map(|(vpc_id, ..)| *vpc_id).collect();
    let networks = of(&asked(None, &vpc_ids), &BTreeSet::new());
    let judged = judged.iter().enumerate().map(|(number, (_, is_up, reason))| Link {
        resolves: true,
        is_up: *is_up,
        reason: *reason,
        message: format!("{reason} there"),
        vpc_id: None,
        address: u8::try_from(number).ok().filter(|_| *is_up == Some(true)).map(|it| [10, it, 0, 2].into()),
        hosts: vec!["demo.tencentcloudcr.com".parse().unwrap()],
        links: Vec::new(),
    });
    let Link { is_up, reason, message, hosts, links, .. } =
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

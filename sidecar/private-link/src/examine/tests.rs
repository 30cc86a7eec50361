use std::collections::BTreeSet;

use expect_test::{Expect, expect};

use super::*;
use crate::networks;

const ROOTS: [&str; 2] = ["tencentcloudcr.com", "example.com"];

fn asked_for(domains: &[&str], vpc_id: Option<&str>) -> Tcr {
    let private_network = PrivateNetwork {
        resolve: true,
        vpc_id: vpc_id.map(str::to_owned),
        domains: domains.iter().map(|domain| (*domain).to_owned()).collect(),
        ..PrivateNetwork::default()
    };
    Tcr {
        instance_id: "tcr-demo0001".to_owned(),
        region: "ap-guangzhou".to_owned(),
        private_network,
        ..Tcr::default()
    }
}

fn link(status: &str) -> InternalEndpoint {
    InternalEndpoint {
        vpc_id: "vpc-a".to_owned(),
        subnet_id: "subnet-a".to_owned(),
        status: status.to_owned(),
        address: Some([10, 0, 0, 2].into()),
    }
}

/// The same where nodes shall not resolve to it.
fn looked_at(domains: &[&str], vpc_id: Option<&str>) -> Tcr {
    let tcr = asked_for(domains, vpc_id);
    Tcr { private_network: PrivateNetwork { resolve: false, ..tcr.private_network.clone() }, ..tcr }
}

fn instance(status: &str) -> Instance {
    Instance {
        id: "tcr-demo0001".to_owned(),
        name: "demo".to_owned(),
        public_domain: "demo.tencentcloudcr.com".parse().unwrap(),
        status: status.to_owned(),
        region: "ap-guangzhou".to_owned(),
    }
}

/// All the answers that there may be, one after the other as they are asked for.
struct Cloud {
    instance: Result<Option<Instance>, String>,
    machine_vpc: Result<String, String>,
    region: Option<&'static str>,
    endpoints: Result<Vec<InternalEndpoint>, String>,
    custom_domains: Result<BTreeMap<String, String>, String>,
    /// None where it does not answer.
    served: Option<&'static [&'static str]>,
    /// It answers only who asks with this region.
    vpc_region: &'static str,
}

impl Default for Cloud {
    fn default() -> Self {
        Self {
            instance: Ok(Some(instance("Running"))),
            machine_vpc: Ok("vpc-a".to_owned()),
            region: Some("ap-nanjing"),
            endpoints: Ok(vec![link("Running")]),
            custom_domains: Ok([("img.example.com", "SUCCESS"), ("new.example.com", "CREATING")]
                .map(|(name, status)| (name.to_owned(), status.to_owned()))
                .into()),
            served: Some(&[]),
            vpc_region: "ap-nanjing",
        }
    }
}

#[track_caller]
fn check(tcr: &Tcr, public: Option<&str>, before: &[&str], cloud: &Cloud, expected: Expect) {
    let public = public.map(|host| host.parse().unwrap());
    let roots = ROOTS.map(str::to_owned);
    let before: Vec<HostsEntry> =
        before.iter().map(|domain| HostsEntry::new(domain, "10.0.0.1", false).unwrap()).collect();
    let network = &networks::of(tcr, &BTreeSet::new())[0];
    let mut answers = Answers::default();
    let mut shown = Vec::new();
    loop {
        match examine(network, public.as_ref(), &roots, &before, &mut answers) {
            Examined::Ask(question) => {
                shown.push(match &question {
                    Question::Dns { place: DnsPlace { host, vpc_id, region }, is_default_domain, address } => format!(
                        "ask DNS of {host} (default: {is_default_domain}) in {vpc_id} of {region} for {address}"
                    ),
                    other => format!("ask {other:?}"),
                });
                let of_instance = answers.of(tcr);
                match question {
                    Question::Instance => of_instance.instance = Some(cloud.instance.clone()),
                    Question::MachineVpc => answers.machine_vpc = Some(cloud.machine_vpc.clone()),
                    Question::VpcRegion => answers.vpc_region = Some(cloud.region.map(str::to_owned)),
                    Question::Endpoints => of_instance.endpoints = Some(cloud.endpoints.clone()),
                    Question::CustomDomains => {
                        of_instance.custom_domains = Some(cloud.custom_domains.clone());
                    }
                    Question::Dns { place, .. } => {
                        let served = cloud.served.filter(|_| place.region == cloud.vpc_region);
                        let is_served = served.map(|served| served.contains(&place.host.name()));
                        of_instance.is_served_by_dns.insert(place, is_served);
                    }
                }
            }
            Examined::Unknown { hosts, reason, message } => {
                shown.push(format!("{reason}: {message} {hosts:?}"));
                break;
            }
            Examined::Found(Found { vpc_id, fact, hosts, private_dns, unusable }) => {
                let hosts: Vec<&str> = hosts.iter().map(RegistryHost::as_str).collect();
                let vpc_id = vpc_id.as_deref().unwrap_or("nowhere");
                shown
                    .push(format!("{fact:?} from {vpc_id} for {hosts:?}, DNS {private_dns:?}, {unusable:?}"));
                break;
            }
        }
    }
    expected.assert_eq(&shown.join("\n"));
}

const PUBLIC: Option<&str> = Some("demo.tencentcloudcr.com");

#[test]
fn the_instance_tells_its_domain_where_no_credential_does() {
    let tcr = asked_for(&["default"], Some("vpc-b"));
    check(
        &tcr,
        None,
        &[],
        &Cloud::default(),
        expect![[r#"
            ask Instance
            ask Endpoints
            Down(None) from vpc-b for ["demo.tencentcloudcr.com"], DNS DoesNot, []"#]],
    );
    let answers = [Ok(None), Ok(Some(instance("Isolate"))), Err("the API is away".to_owned())];
    let expected = [
        expect![[r#"
            ask Instance
            InstanceNotFound: the API credential sees no instance tcr-demo0001 in ap-guangzhou []"#]],
        expect![[r#"
            ask Instance
            InstanceNotRunning: instance tcr-demo0001 is Isolate and not Running []"#]],
        expect![[r#"
            ask Instance
            CloudFailed: the API is away []"#]],
    ];
    for (instance, expected) in answers.into_iter().zip(expected) {
        check(&tcr, None, &[], &Cloud { instance, ..Cloud::default() }, expected);
    }
}

#[test]
fn nothing_is_asked_before_the_hosts_are_known() {
    check(
        &asked_for(&["img.evil.com"], None),
        PUBLIC,
        &[],
        &Cloud::default(),
        expect![[
            r#"InvalidDomain: spec.tcr.privateNetwork.domains: domain "img.evil.com": img.evil.com is not under tencentcloudcr.com or example.com []"#
        ]],
    );
}

#[test]
fn a_link_that_nodes_do_not_resolve_to_is_looked_at_without_custom_domains() {
    let cloud = Cloud { served: Some(&["demo.tencentcloudcr.com"]), ..Cloud::default() };
    check(
        &looked_at(&["default", "img.example.com"], None),
        None,
        &[],
        &cloud,
        expect![[r#"
            ask Instance
            ask MachineVpc
            ask Endpoints
            ask VpcRegion
            ask DNS of demo.tencentcloudcr.com (default: true) in vpc-a of ap-nanjing for 10.0.0.2
            Up(10.0.0.2) from vpc-a for ["demo.tencentcloudcr.com"], DNS Serves, []"#]],
    );
    check(
        &looked_at(&["img.evil.com"], Some("vpc-a")),
        PUBLIC,
        &[],
        &cloud,
        expect![[r#"
            ask Endpoints
            Up(10.0.0.2) from vpc-a for [], DNS DoesNot, []"#]],
    );
}

#[test]
fn private_dns_is_not_known_without_the_region_of_the_vpc_or_an_answer() {
    let tcr = asked_for(&["default"], Some("vpc-a"));
    check(
        &tcr,
        PUBLIC,
        &[],
        &Cloud { region: None, ..Cloud::default() },
        expect![[r#"
            ask Endpoints
            ask VpcRegion
            Up(10.0.0.2) from vpc-a for ["demo.tencentcloudcr.com"], DNS Unknown("the region of the nodes is not known; set the chart's global.cluster.longregion (--region)"), []"#]],
    );
    check(
        &tcr,
        PUBLIC,
        &[],
        &Cloud { served: None, ..Cloud::default() },
        expect![[r#"
            ask Endpoints
            ask VpcRegion
            ask DNS of demo.tencentcloudcr.com (default: true) in vpc-a of ap-nanjing for 10.0.0.2
            Up(10.0.0.2) from vpc-a for ["demo.tencentcloudcr.com"], DNS Unknown("Tencent Cloud could not be asked, as the controller's log says"), []"#]],
    );
}

fn over_network(vpc_ids: &[&str], address: &str) -> Tcr {
    let tcr = asked_for(&["default"], None);
    let private_network = PrivateNetwork {
        vpc_ids: vpc_ids.iter().map(|id| (*id).to_owned()).collect(),
        address: Some(address.to_owned()),
        ..tcr.private_network.clone()
    };
    Tcr { private_network, ..tcr }
}

#[test]
fn an_address_that_the_spec_gives_is_taken_without_a_question_about_links() {
    check(
        &over_network(&[], "10.9.0.2"),
        None,
        &[],
        &Cloud::default(),
        expect![[r#"
        ask Instance
        Up(10.9.0.2) from nowhere for ["demo.tencentcloudcr.com"], DNS DoesNot, []"#]],
    );
    check(
        &over_network(&["vpc-b"], "10.9.0.2"),
        PUBLIC,
        &[],
        &Cloud::default(),
        expect![[r#"Up(10.9.0.2) from nowhere for ["demo.tencentcloudcr.com"], DNS DoesNot, []"#]],
    );
    let mut looked_at = over_network(&[], "10.9.0.2");
    looked_at.private_network.resolve = false;
    check(
        &looked_at,
        PUBLIC,
        &[],
        &Cloud::default(),
        expect![[r#"
        ask MachineVpc
        ask Endpoints
        ask VpcRegion
        ask DNS of demo.tencentcloudcr.com (default: true) in vpc-a of ap-nanjing for 10.0.0.2
        Up(10.0.0.2) from vpc-a for ["demo.tencentcloudcr.com"], DNS DoesNot, []"#]],
    );
}

#[test]
fn the_link_of_another_vpc_is_followed_and_private_dns_is_not_asked_about_it() {
    check(
        &over_network(&["vpc-b"], "vpc-a"),
        PUBLIC,
        &[],
        &Cloud::default(),
        expect![[r#"
        ask Endpoints
        Up(10.0.0.2) from vpc-a for ["demo.tencentcloudcr.com"], DNS DoesNot, []"#]],
    );
    check(
        &over_network(&[], "vpc-c"),
        PUBLIC,
        &[],
        &Cloud::default(),
        expect![[r#"
        ask Endpoints
        Down(None) from vpc-c for ["demo.tencentcloudcr.com"], DNS DoesNot, []"#]],
    );
}

#[test]
fn the_region_of_one_of_several_vpcs_is_the_machines_or_the_instances() {
    let mut tcr = asked_for(&["default"], None);
    tcr.private_network.vpc_ids = vec!["vpc-a".to_owned()];
    let served: Option<&'static [&'static str]> = Some(&["demo.tencentcloudcr.com"]);
    let cloud = Cloud { served, vpc_region: "ap-guangzhou", ..Cloud::default() };
    check(
        &tcr,
        PUBLIC,
        &[],
        &cloud,
        expect![[r#"
        ask Endpoints
        ask VpcRegion
        ask DNS of demo.tencentcloudcr.com (default: true) in vpc-a of ap-nanjing for 10.0.0.2
        ask DNS of demo.tencentcloudcr.com (default: true) in vpc-a of ap-guangzhou for 10.0.0.2
        Up(10.0.0.2) from vpc-a for ["demo.tencentcloudcr.com"], DNS Serves, []"#]],
    );
    let cloud = Cloud { region: None, ..cloud };
    check(
        &tcr,
        PUBLIC,
        &[],
        &cloud,
        expect![[r#"
        ask Endpoints
        ask VpcRegion
        ask DNS of demo.tencentcloudcr.com (default: true) in vpc-a of ap-guangzhou for 10.0.0.2
        Up(10.0.0.2) from vpc-a for ["demo.tencentcloudcr.com"], DNS Serves, []"#]],
    );
    let cloud = Cloud { vpc_region: "ap-beijing", ..cloud };
    check(
        &tcr,
        PUBLIC,
        &[],
        &cloud,
        expect![[r#"
        ask Endpoints
        ask VpcRegion
        ask DNS of demo.tencentcloudcr.com (default: true) in vpc-a of ap-guangzhou for 10.0.0.2
        Up(10.0.0.2) from vpc-a for ["demo.tencentcloudcr.com"], DNS Unknown("Tencent Cloud could not be asked, as the controller's log says"), []"#]],
    );
}

#[test]
fn what_was_answered_about_an_instance_is_not_asked_again_for_another_object() {
    let mut answers = Answers::default();
    let (one, other) = (asked_for(&["default"], Some("vpc-a")), looked_at(&["vpc"], Some("vpc-b")));
    answers.of(&one).instance = Some(Ok(Some(instance("Running"))));
    answers.of(&one).endpoints = Some(Ok(vec![link("Running")]));
    let examined = examine(
        &networks::of(&other, &BTreeSet::new())[0],
        None,
        &ROOTS.map(str::to_owned),
        &[],
        &mut answers,
    );
    assert!(matches!(examined, Examined::Found(Found { fact: Fact::Down(None), .. })), "{examined:?}");
    let elsewhere = Tcr { region: "ap-nanjing".to_owned(), ..other };
    let examined = examine(
        &networks::of(&elsewhere, &BTreeSet::new())[0],
        None,
        &ROOTS.map(str::to_owned),
        &[],
        &mut answers,
    );
    assert_eq!(examined, Examined::Ask(Question::Instance));
}

#[test]
fn the_vpc_is_the_objects_or_the_machines() {
    check(
        &asked_for(&["default"], Some("vpc-b")),
        PUBLIC,
        &[],
        &Cloud::default(),
        expect![[r#"
            ask Endpoints
            Down(None) from vpc-b for ["demo.tencentcloudcr.com"], DNS DoesNot, []"#]],
    );
    let cloud = Cloud { machine_vpc: Err("it names none".to_owned()), ..Cloud::default() };
    check(
        &asked_for(&["default"], None),
        PUBLIC,
        &[],
        &cloud,
        expect![[r#"
            ask MachineVpc
            VpcUnknown: spec.tcr.privateNetwork.vpcId: set it to the VPC of the nodes; it names none [RegistryHost("demo.tencentcloudcr.com")]"#]],
    );
}

#[test]
fn a_link_that_runs_is_asked_whether_dns_serves_each_host_until_one_is_not() {
    let both = asked_for(&["default", "vpc"], None);
    check(
        &both,
        PUBLIC,
        &[],
        &Cloud {
            served: Some(&["demo.tencentcloudcr.com", "demo-vpc.tencentcloudcr.com"]),
            ..Cloud::default()
        },
        expect![[r#"
            ask MachineVpc
            ask Endpoints
            ask VpcRegion
            ask DNS of demo-vpc.tencentcloudcr.com (default: false) in vpc-a of ap-nanjing for 10.0.0.2
            ask DNS of demo.tencentcloudcr.com (default: true) in vpc-a of ap-nanjing for 10.0.0.2
            Up(10.0.0.2) from vpc-a for ["demo-vpc.tencentcloudcr.com", "demo.tencentcloudcr.com"], DNS Serves, []"#]],
    );
    check(
        &both,
        PUBLIC,
        &[],
        &Cloud { served: Some(&["demo.tencentcloudcr.com"]), ..Cloud::default() },
        expect![[r#"
            ask MachineVpc
            ask Endpoints
            ask VpcRegion
            ask DNS of demo-vpc.tencentcloudcr.com (default: false) in vpc-a of ap-nanjing for 10.0.0.2
            Up(10.0.0.2) from vpc-a for ["demo-vpc.tencentcloudcr.com", "demo.tencentcloudcr.com"], DNS DoesNot, []"#]],
    );
}

#[test]
fn a_custom_domain_is_resolved_once_it_works_and_stays_until_it_is_gone() {
    let custom = asked_for(&["img.example.com", "new.example.com", "old.example.com"], Some("vpc-a"));
    check(
        &custom,
        PUBLIC,
        &[],
        &Cloud::default(),
        expect![[r#"
            ask Endpoints
            ask CustomDomains
            Up(10.0.0.2) from vpc-a for ["img.example.com"], DNS DoesNot, [("new.example.com", Some("CREATING")), ("old.example.com", None)]"#]],
    );
    check(
        &custom,
        PUBLIC,
        &["new.example.com", "old.example.com"],
        &Cloud::default(),
        expect![[r#"
            ask Endpoints
            ask CustomDomains
            Up(10.0.0.2) from vpc-a for ["img.example.com", "new.example.com"], DNS DoesNot, [("new.example.com", Some("CREATING")), ("old.example.com", None)]"#]],
    );
}

#[test]
fn a_cloud_that_cannot_be_asked_leaves_the_link_unknown() {
    let failed = || Err("the API is away".to_owned());
    let custom = asked_for(&["img.example.com"], Some("vpc-a"));
    check(
        &custom,
        PUBLIC,
        &[],
        &Cloud { endpoints: Err("the API is away".to_owned()), ..Cloud::default() },
        expect![[r#"
            ask Endpoints
            CloudFailed: the API is away [RegistryHost("img.example.com")]"#]],
    );
    check(
        &custom,
        PUBLIC,
        &[],
        &Cloud { custom_domains: failed(), ..Cloud::default() },
        expect![[r#"
            ask Endpoints
            ask CustomDomains
            CloudFailed: the API is away [RegistryHost("img.example.com")]"#]],
    );
}

#[test]
fn a_link_that_is_being_built_has_no_address_to_ask_dns_about() {
    check(
        &asked_for(&["default"], Some("vpc-a")),
        PUBLIC,
        &[],
        &Cloud { endpoints: Ok(vec![link("Creating")]), ..Cloud::default() },
        expect![[r#"
            ask Endpoints
            Down(Some("Creating")) from vpc-a for ["demo.tencentcloudcr.com"], DNS DoesNot, []"#]],
    );
}

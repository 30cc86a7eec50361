use expect_test::{Expect, expect};

use super::*;

const ROOTS: [&str; 2] = ["tencentcloudcr.com", "example.com"];

fn asked_for(domains: &[&str], vpc_id: Option<&str>) -> Tcr {
    let private_network = PrivateNetwork {
        resolve: true,
        vpc_id: vpc_id.map(str::to_owned),
        domains: domains.iter().map(|domain| (*domain).to_owned()).collect(),
        ..PrivateNetwork::default()
    };
    Tcr { instance_id: "tcr-demo0001".to_owned(), private_network, ..Tcr::default() }
}

fn link(status: &str) -> InternalEndpoint {
    InternalEndpoint {
        vpc_id: "vpc-a".to_owned(),
        subnet_id: "subnet-a".to_owned(),
        status: status.to_owned(),
        address: Some([10, 0, 0, 2].into()),
    }
}

/// All the answers that there may be, one after the other as they are asked for.
struct Cloud {
    machine_vpc: Result<String, String>,
    endpoints: Result<Vec<InternalEndpoint>, String>,
    custom_domains: Result<BTreeMap<String, String>, String>,
    served: &'static [&'static str],
}

impl Default for Cloud {
    fn default() -> Self {
        Self {
            machine_vpc: Ok("vpc-a".to_owned()),
            endpoints: Ok(vec![link("Running")]),
            custom_domains: Ok([("img.example.com", "SUCCESS"), ("new.example.com", "CREATING")]
                .map(|(name, status)| (name.to_owned(), status.to_owned()))
                .into()),
            served: &[],
        }
    }
}

#[track_caller]
fn check(tcr: &Tcr, public: Option<&str>, before: &[&str], cloud: &Cloud, expected: Expect) {
    let public = public.map(|host| host.parse().unwrap());
    let roots = ROOTS.map(str::to_owned);
    let before: Vec<HostsEntry> =
        before.iter().map(|domain| HostsEntry::new(domain, "10.0.0.1", false).unwrap()).collect();
    let mut answers = Answers::default();
    let mut shown = Vec::new();
    loop {
        match examine(tcr, public.as_ref(), &roots, &before, &answers) {
            Examined::Ask(question) => {
                shown.push(match &question {
                    Question::Dns { host, is_default_domain, vpc_id, address } => {
                        format!("ask DNS of {host} (default: {is_default_domain}) in {vpc_id} for {address}")
                    }
                    other => format!("ask {other:?}"),
                });
                match question {
                    Question::MachineVpc => answers.machine_vpc = Some(cloud.machine_vpc.clone()),
                    Question::Endpoints => answers.endpoints = Some(cloud.endpoints.clone()),
                    Question::CustomDomains => answers.custom_domains = Some(cloud.custom_domains.clone()),
                    Question::Dns { host, .. } => {
                        let is_served = cloud.served.contains(&host.name());
                        answers.is_served_by_dns.insert(host, is_served);
                    }
                }
            }
            Examined::Unknown { hosts, reason, message } => {
                shown.push(format!("{reason}: {message} {hosts:?}"));
                break;
            }
            Examined::Found(Found { vpc_id, fact, hosts, is_served_by_dns, unusable }) => {
                let hosts: Vec<&str> = hosts.iter().map(RegistryHost::as_str).collect();
                shown.push(format!(
                    "{fact:?} from {vpc_id} for {hosts:?}, by DNS: {is_served_by_dns}, {unusable:?}"
                ));
                break;
            }
        }
    }
    expected.assert_eq(&shown.join("\n"));
}

const PUBLIC: Option<&str> = Some("demo.tencentcloudcr.com");

#[test]
fn nothing_is_asked_before_the_hosts_are_known() {
    let cloud = Cloud::default();
    check(
        &asked_for(&["default"], None),
        None,
        &[],
        &cloud,
        expect!["Pending: the domain of tcr-demo0001 is known once it has a credential []"],
    );
    check(
        &asked_for(&["img.evil.com"], None),
        PUBLIC,
        &[],
        &cloud,
        expect![[
            r#"InvalidDomain: spec.tcr.privateNetwork.domains: domain "img.evil.com": img.evil.com is not under tencentcloudcr.com or example.com []"#
        ]],
    );
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
            Down(None) from vpc-b for ["demo.tencentcloudcr.com"], by DNS: false, []"#]],
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
        &Cloud { served: &["demo.tencentcloudcr.com", "demo-vpc.tencentcloudcr.com"], ..Cloud::default() },
        expect![[r#"
            ask MachineVpc
            ask Endpoints
            ask DNS of demo-vpc.tencentcloudcr.com (default: false) in vpc-a for 10.0.0.2
            ask DNS of demo.tencentcloudcr.com (default: true) in vpc-a for 10.0.0.2
            Up(10.0.0.2) from vpc-a for ["demo-vpc.tencentcloudcr.com", "demo.tencentcloudcr.com"], by DNS: true, []"#]],
    );
    check(
        &both,
        PUBLIC,
        &[],
        &Cloud { served: &["demo.tencentcloudcr.com"], ..Cloud::default() },
        expect![[r#"
            ask MachineVpc
            ask Endpoints
            ask DNS of demo-vpc.tencentcloudcr.com (default: false) in vpc-a for 10.0.0.2
            Up(10.0.0.2) from vpc-a for ["demo-vpc.tencentcloudcr.com", "demo.tencentcloudcr.com"], by DNS: false, []"#]],
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
            Up(10.0.0.2) from vpc-a for ["img.example.com"], by DNS: false, [("new.example.com", Some("CREATING")), ("old.example.com", None)]"#]],
    );
    check(
        &custom,
        PUBLIC,
        &["new.example.com", "old.example.com"],
        &Cloud::default(),
        expect![[r#"
            ask Endpoints
            ask CustomDomains
            Up(10.0.0.2) from vpc-a for ["img.example.com", "new.example.com"], by DNS: false, [("new.example.com", Some("CREATING")), ("old.example.com", None)]"#]],
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
            Down(Some("Creating")) from vpc-a for ["demo.tencentcloudcr.com"], by DNS: false, []"#]],
    );
}

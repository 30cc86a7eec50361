use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

/// What becomes of each pair of a domain and an address.
fn check(pairs: &[(&str, &str)], expect: Expect) {
    let lines = pairs.iter().map(|(domain, ip)| match HostsEntry::new(domain, ip, false) {
        Ok(entry) => format!("{} -> {}\n", entry.domain(), entry.ip()),
        Err(error) => format!("{error}\n"),
    });
    expect.assert_eq(&lines.collect::<String>());
}

#[test]
fn a_name_and_a_literal_address_are_an_entry() {
    check(
        &[
            ("demo.tencentcloudcr.com", "10.0.0.2"),
            ("Demo-VPC.TencentCloudCR.com", "fd00::2"),
            ("registry", "192.168.0.1"),
            ("1.2.x3", "8.8.8.8"),
        ],
        expect![[r#"
            demo.tencentcloudcr.com -> 10.0.0.2
            demo-vpc.tencentcloudcr.com -> fd00::2
            registry -> 192.168.0.1
            1.2.x3 -> 8.8.8.8
        "#]],
    );
}

#[test]
fn what_is_no_name_is_refused_by_name() {
    let long_label = format!("{}.com", "a".repeat(64));
    let long = vec!["a".repeat(49); 6].join(".");
    let domains = [
        "",
        "*.demo.com",
        "demo .com",
        "demo\n10.0.0.9 evil.com",
        "demo#.com",
        "d\u{e9}mo.com",
        "a_b.com",
        "demo.com.",
        ".com",
        "a..b",
        "-a.com",
        "a-.com",
        &long_label,
        &long,
        "10.0.0.1",
        "host.1",
        "7",
        "localhost",
        "LocalHost",
        "a.localhost",
        "localhost.localdomain",
        "localhost4.localdomain4",
        "localhost6",
        "ip6-loopback",
        "my.localdomain",
    ];
    let pairs: Vec<_> = domains.iter().map(|domain| (*domain, "10.0.0.2")).collect();
    check(
        &pairs,
        expect![[r#"
        domain: "" is empty
        domain: "*.demo.com" has a wildcard, which hosts files do not know: list each name
        domain: "demo .com" has the character ' ': use letters, digits, hyphens and dots
        domain: "demo\n10.0.0.9 evil.com" has the character '\n': use letters, digits, hyphens and dots
        domain: "demo#.com" has the character '#': use letters, digits, hyphens and dots
        domain: "démo.com" has the character 'é': use letters, digits, hyphens and dots
        domain: "a_b.com" has the character '_': use letters, digits, hyphens and dots
        domain: "demo.com." has nothing before or after one of its dots
        domain: ".com" has nothing before or after one of its dots
        domain: "a..b" has nothing before or after one of its dots
        domain: "-a.com" has a part that begins or ends with a hyphen
        domain: "a-.com" has a part that begins or ends with a hyphen
        domain: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.com" has a part of more than 63 characters
        domain: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa..." has more than 253 characters
        domain: "10.0.0.1" is not a name: its last part is a number
        domain: "host.1" is not a name: its last part is a number
        domain: "7" is not a name: its last part is a number
        domain: "localhost" is the machine's own: it must keep its loopback address
        domain: "LocalHost" is the machine's own: it must keep its loopback address
        domain: "a.localhost" is the machine's own: it must keep its loopback address
        domain: "localhost.localdomain" is the machine's own: it must keep its loopback address
        domain: "localhost4.localdomain4" is the machine's own: it must keep its loopback address
        domain: "localhost6" is the machine's own: it must keep its loopback address
        domain: "ip6-loopback" is the machine's own: it must keep its loopback address
        domain: "my.localdomain" is the machine's own: it must keep its loopback address
    "#]],
    );
}

#[test]
fn an_address_that_cannot_be_a_registrys_is_refused_by_name() {
    let addresses = [
        "",
        "demo",
        "10.0.0",
        "010.0.0.1",
        "10.0.0.2/32",
        "10.0.0.2:443",
        "10.0.0.2 ",
        "[fd00::2]",
        "fe80::1%eth0",
        "0.0.0.0",
        "0.1.2.3",
        "::",
        "127.0.0.1",
        "127.9.9.9",
        "::1",
        "224.0.0.1",
        "255.255.255.255",
        "ff02::1",
        "169.254.0.23",
        "fe80::1",
        "::ffff:10.0.0.2",
        "::ffff:127.0.0.1",
    ];
    let pairs: Vec<_> = addresses.iter().map(|ip| ("demo.com", *ip)).collect();
    check(
        &pairs,
        expect![[r#"
        ip: "" is not a literal address such as 10.0.0.2 or fd00::2
        ip: "demo" is not a literal address such as 10.0.0.2 or fd00::2
        ip: "10.0.0" is not a literal address such as 10.0.0.2 or fd00::2
        ip: "010.0.0.1" is not a literal address such as 10.0.0.2 or fd00::2
        ip: "10.0.0.2/32" is not a literal address such as 10.0.0.2 or fd00::2
        ip: "10.0.0.2:443" is not a literal address such as 10.0.0.2 or fd00::2
        ip: "10.0.0.2 " is not a literal address such as 10.0.0.2 or fd00::2
        ip: "[fd00::2]" is not a literal address such as 10.0.0.2 or fd00::2
        ip: "fe80::1%eth0" is not a literal address such as 10.0.0.2 or fd00::2
        ip: "0.0.0.0" is the unspecified address
        ip: "0.1.2.3" is the unspecified address
        ip: "::" is the unspecified address
        ip: "127.0.0.1" is a loopback address
        ip: "127.9.9.9" is a loopback address
        ip: "::1" is a loopback address
        ip: "224.0.0.1" is a multicast or broadcast address
        ip: "255.255.255.255" is a multicast or broadcast address
        ip: "ff02::1" is a multicast or broadcast address
        ip: "169.254.0.23" is a link-local address
        ip: "fe80::1" is a link-local address
        ip: "::ffff:10.0.0.2" is an IPv4 address in IPv6 form: write it as IPv4
        ip: "::ffff:127.0.0.1" is an IPv4 address in IPv6 form: write it as IPv4
    "#]],
    );
}

fn read(json: serde_json::Value) -> Result<HostsList, String> {
    serde_json::from_value(json).map_err(|error| error.to_string())
}

#[test]
fn a_list_names_the_entry_that_is_bad() {
    let good = serde_json::json!({"domain": "a.com", "ip": "10.0.0.2"});
    let problem =
        |json: serde_json::Value| read(json).map(|list| list.to_yaml()).unwrap_or_else(|error| error);
    let lines = [
        problem(serde_json::json!([good, {"domain": "localhost", "ip": "10.0.0.2"}])),
        problem(serde_json::json!([good, {"domain": "b.com", "ip": "x"}])),
        problem(serde_json::json!([{"domain": "b.com", "ip": "10.0.0.2", "disable": true}])),
        problem(serde_json::json!([{"domain": "b.com"}])),
        problem(serde_json::json!({"domain": "b.com"})),
        problem(serde_json::json!(null)),
        problem(serde_json::json!(vec![good.clone(); 257])),
        problem(serde_json::json!([])),
    ];
    expect![[r#"
        entry 2: domain: "localhost" is the machine's own: it must keep its loopback address
        entry 2: ip: "x" is not a literal address such as 10.0.0.2 or fd00::2
        unknown field `disable`, expected one of `domain`, `ip`, `disabled`, `vpcId`, `whenLinkDown`
        missing field `ip`
        invalid type: map, expected a list of entries with the fields domain, ip, disabled, vpcId and whenLinkDown, or []
        invalid type: null, expected a list of entries with the fields domain, ip, disabled, vpcId and whenLinkDown, or []
        the list has more than 256 entries
        []
    "#]]
    .assert_eq(&lines.join("\n"));
    assert_eq!(read(serde_json::json!(vec![good; 256])).unwrap().entries().len(), 256);
}

#[test]
fn disabled_entries_and_repetitions_stay_off_the_nodes() {
    let entry = |domain, ip, disabled| HostsEntry::new(domain, ip, disabled).unwrap();
    let list = HostsList::new(vec![
        entry("b.com", "10.0.0.2", false),
        entry("a.com", "10.0.0.2", true),
        entry("B.com", "10.0.0.2", false),
        entry("b.com", "fd00::2", false),
    ])
    .unwrap();
    let enabled: Vec<_> =
        list.enabled_for(None).iter().map(|entry| format!("{} {}", entry.ip(), entry.domain())).collect();
    assert_eq!(enabled, ["10.0.0.2 b.com", "fd00::2 b.com"]);
}

#[test]
fn the_yaml_is_the_originals_with_quotes_where_yaml_would_misread() {
    let entry = |domain, ip, disabled| HostsEntry::new(domain, ip, disabled).unwrap();
    let list = HostsList::new(vec![
        entry("demo.tencentcloudcr.com", "10.0.0.2", false),
        entry("no", "fd00::", true),
        entry("1.5e3", "10.0.0.2", false),
    ])
    .unwrap();
    expect![[r#"
        - domain: demo.tencentcloudcr.com
          ip: 10.0.0.2
          disabled: false
        - domain: "no"
          ip: "fd00::"
          disabled: true
        - domain: "1.5e3"
          ip: 10.0.0.2
          disabled: false
    "#]]
    .assert_eq(&list.to_yaml());
    expect!["14b62be1570a9fdb"].assert_eq(&list.generation());
    assert_eq!(HostsList::default().to_yaml(), "[]\n");
}

#[test]
fn an_entry_of_a_link_says_so_and_is_the_same_line() {
    let json = serde_json::json!([
        {"domain": "a.com", "ip": "10.0.0.2", "whenLinkDown": "Remove"},
        {"domain": "a.com", "ip": "10.0.0.2"},
    ]);
    let list: HostsList = serde_json::from_value(json).unwrap();
    assert_eq!(list.to_yaml().matches("whenLinkDown: Remove\n").count(), 1);
    assert_eq!(list.entries()[0].line(), list.entries()[1]);
    assert_eq!(list.enabled_for(None), [&list.entries()[0]], "one line, looked after");
    let again: HostsList = serde_json::from_value(serde_json::to_value(&list).unwrap()).unwrap();
    assert_eq!(again, list);
    assert!(
        read(serde_json::json!([{"domain": "a.com", "ip": "10.0.0.2", "whenLinkDown": "keep"}])).is_err()
    );
}

#[test]
fn a_node_gets_what_is_for_all_and_what_is_for_its_vpc() {
    let json = serde_json::json!([
        {"domain": "all.com", "ip": "10.0.0.1"},
        {"domain": "a.com", "ip": "10.1.0.2", "vpcId": "vpc-one", "whenLinkDown": "Keep"},
        {"domain": "a.com", "ip": "10.2.0.2", "vpcId": "vpc-two"},
        {"domain": "off.com", "ip": "10.1.0.3", "vpcId": "vpc-one", "disabled": true},
        {"domain": "both.com", "ip": "10.0.0.4", "vpcId": "vpc-two"},
        {"domain": "both.com", "ip": "10.0.0.4"},
    ]);
    let list: HostsList = serde_json::from_value(json).unwrap();
    let of = |vpc_id| {
        let enabled = list.enabled_for(vpc_id);
        enabled
            .iter()
            .map(|entry| format!("{} {}", entry.ip(), entry.domain()))
            .collect::<Vec<_>>()
            .join(", ")
    };
    assert_eq!(of(Some("vpc-one")), "10.0.0.1 all.com, 10.1.0.2 a.com, 10.0.0.4 both.com");
    assert_eq!(of(Some("vpc-two")), "10.0.0.1 all.com, 10.2.0.2 a.com, 10.0.0.4 both.com");
    assert_eq!(of(Some("vpc-three")), "10.0.0.1 all.com, 10.0.0.4 both.com");
    assert_eq!(of(None), "10.0.0.1 all.com, 10.0.0.4 both.com");
    let line = list.entries()[1].line();
    assert_eq!((line.vpc_id(), line.when_link_down()), (None, None));
    assert!(!list.is_of_another_vpc(&line, Some("vpc-one")));
    assert!(list.is_of_another_vpc(&line, Some("vpc-two")) && list.is_of_another_vpc(&line, None));
    assert!(!list.is_of_another_vpc(&list.entries()[4].line(), None), "it is for all, too");
    assert!(!list.is_of_another_vpc(&HostsEntry::new("x.com", "10.0.0.9", false).unwrap(), None));
    let again: HostsList = serde_json::from_value(serde_json::to_value(&list).unwrap()).unwrap();
    assert_eq!(again, list);
    expect![[r#"
        - domain: a.com
          ip: 10.1.0.2
          disabled: false
          vpcId: vpc-one
          whenLinkDown: Keep
    "#]]
    .assert_eq(&HostsList::new(vec![list.entries()[1].clone()]).unwrap().to_yaml());
}

#[test]
fn an_entry_of_a_vpc_takes_the_place_of_those_for_all_on_that_vpcs_nodes_alone() {
    let json = serde_json::json!([
        {"domain": "a.com", "ip": "10.0.0.1", "whenLinkDown": "Keep"},
        {"domain": "A.com", "ip": "10.1.0.1", "vpcId": "vpc-one"},
        {"domain": "a.com", "ip": "10.1.0.2", "vpcId": "vpc-one"},
        {"domain": "a.com", "ip": "10.0.0.1", "vpcId": "vpc-off", "disabled": true},
        {"domain": "b.com", "ip": "10.0.0.1"},
    ]);
    let list: HostsList = serde_json::from_value(json).unwrap();
    let of = |vpc_id| {
        let enabled = list.enabled_for(vpc_id);
        let lines = enabled.iter().map(|entry| format!("{} {}", entry.ip(), entry.domain()));
        lines.collect::<Vec<_>>().join(", ")
    };
    assert_eq!(of(Some("vpc-one")), "10.1.0.1 a.com, 10.1.0.2 a.com, 10.0.0.1 b.com");
    assert_eq!(of(Some("vpc-off")), "10.0.0.1 b.com");
    assert_eq!(of(Some("vpc-two")), "10.0.0.1 a.com, 10.0.0.1 b.com");
    assert_eq!(of(None), "10.0.0.1 a.com, 10.0.0.1 b.com");
}

#[test]
fn a_list_without_vpcs_has_the_generation_that_it_always_had() {
    let list: HostsList =
        serde_json::from_value(serde_json::json!([{"domain": "demo.tencentcloudcr.com", "ip": "10.0.0.2"}]))
            .unwrap();
    assert!(!list.is_by_vpc());
    assert_eq!(list.to_yaml(), "- domain: demo.tencentcloudcr.com\n  ip: 10.0.0.2\n  disabled: false\n");
}

#[test]
fn what_is_no_vpcs_id_is_refused_by_name() {
    for wrong in [
        "",
        "vpc-",
        "vpc",
        "VPC-a",
        "vpc-A",
        "vpc-a b",
        "vpc-a\n",
        "vpc-\u{e9}",
        &format!("vpc-{}", "a".repeat(33)),
    ] {
        let error = HostsEntry::new("a.com", "10.0.0.2", false).unwrap().of_vpc(wrong).unwrap_err();
        assert!(error.to_string().starts_with("vpcId: \""), "{error}");
        let json = serde_json::json!([{"domain": "a.com", "ip": "10.0.0.2", "vpcId": wrong}]);
        assert!(read(json).unwrap_err().starts_with("entry 1: vpcId: "), "{wrong:?}");
    }
    assert!(is_vpc_id("vpc-12345678") && is_vpc_id(&format!("vpc-{}", "a".repeat(32))));
}

proptest! {
    #[test]
    fn an_accepted_entry_is_one_word_of_a_hosts_file(domain in "\\PC{0,40}|[a-z0-9.-]{1,20}", ip in "\\PC{0,20}|[0-9]{1,3}(\\.[0-9]{1,3}){3}") {
        if let Ok(entry) = HostsEntry::new(&domain, &ip, false) {
            prop_assert!(entry.domain().bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'));
            prop_assert!(!entry.ip().is_loopback() && !entry.ip().is_unspecified());
            prop_assert_eq!(HostsEntry::new(entry.domain(), &entry.ip().to_string(), false).unwrap(), entry);
        }
    }
}

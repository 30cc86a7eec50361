use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

fn check(hosts: &[&str], expect: Expect) {
    let lines = hosts.iter().map(|host| match host.parse::<RegistryHost>() {
        Ok(host) => format!("{host} | {} | {:?}\n", host.name(), host.port()),
        Err(error) => format!("{error}\n"),
    });
    expect.assert_eq(&lines.collect::<String>());
}

#[test]
fn hosts_are_names_or_addresses_with_an_optional_port() {
    check(
        &[
            "demo.tencentcloudcr.com",
            "Demo-VPC.TencentCloudCR.com",
            "localhost",
            "localhost:5000",
            "10.0.0.7:443",
            "[2001:DB8::1]",
            "[::1]:65535",
            "x",
        ],
        expect![[r#"
            demo.tencentcloudcr.com | demo.tencentcloudcr.com | None
            demo-vpc.tencentcloudcr.com | demo-vpc.tencentcloudcr.com | None
            localhost | localhost | None
            localhost:5000 | localhost | Some(5000)
            10.0.0.7:443 | 10.0.0.7 | Some(443)
            [2001:db8::1] | [2001:db8::1] | None
            [::1]:65535 | [::1] | Some(65535)
            x | x | None
        "#]],
    );
}

#[test]
fn what_is_no_host_is_refused_with_the_reason() {
    let long_label = format!("{}.com", "a".repeat(64));
    let long = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(63)].join(".");
    check(
        &[
            "",
            "https://demo.tencentcloudcr.com",
            "https://robot:hunter2@demo.tencentcloudcr.com",
            "robot:hunter2@demo.tencentcloudcr.com",
            "demo.tencentcloudcr.com/team",
            " demo.tencentcloudcr.com",
            "demo tencentcloudcr.com",
            "demo..com",
            ".com",
            "demo.tencentcloudcr.com.",
            "-demo.com",
            "demo-.com",
            "demo_1.com",
            "démo.com",
            "demo.com:",
            "demo.com:0",
            "demo.com:080",
            "demo.com:65536",
            "demo.com:+80",
            "demo.com:80:90",
            ":5000",
            "::1",
            "[::1",
            "[::ffff:1.2.3.4]",
            "[fe80::1%eth0]",
            "[::1]x",
            &long_label,
            &long,
        ],
        expect![[r#"
            "" is not a registry host: it is empty
            "https://demo.tencentcloudcr.com" is not a registry host: leave out the scheme and its ://
            "https://[redacted]@demo.tencentcloudcr.com" is not a registry host: leave out the scheme and its ://
            "[redacted]@demo.tencentcloudcr.com" is not a registry host: leave out the user name and the @
            "demo.tencentcloudcr.com/team" is not a registry host: leave out the / and what follows
            " demo.tencentcloudcr.com" is not a registry host: it contains a blank
            "demo tencentcloudcr.com" is not a registry host: it contains a blank
            "demo..com" is not a registry host: a label between its dots is empty
            ".com" is not a registry host: a label between its dots is empty
            "demo.tencentcloudcr.com." is not a registry host: a label between its dots is empty
            "-demo.com" is not a registry host: a label begins or ends with a hyphen
            "demo-.com" is not a registry host: a label begins or ends with a hyphen
            "demo_1.com" is not a registry host: '_' is not allowed in a host; use letters, digits, hyphens and dots
            "démo.com" is not a registry host: 'é' is not allowed in a host; use letters, digits, hyphens and dots
            "demo.com:" is not a registry host: the port after the colon is a number from 1 to 65535, without leading zeros
            "demo.com:0" is not a registry host: the port after the colon is a number from 1 to 65535, without leading zeros
            "demo.com:080" is not a registry host: the port after the colon is a number from 1 to 65535, without leading zeros
            "demo.com:65536" is not a registry host: the port after the colon is a number from 1 to 65535, without leading zeros
            "demo.com:+80" is not a registry host: the port after the colon is a number from 1 to 65535, without leading zeros
            "demo.com:80:90" is not a registry host: the port after the colon is a number from 1 to 65535, without leading zeros
            ":5000" is not a registry host: it is empty
            "::1" is not a registry host: brackets enclose an IPv6 address, as in [2001:db8::1]
            "[::1" is not a registry host: brackets enclose an IPv6 address, as in [2001:db8::1]
            "[::ffff:1.2.3.4]" is not a registry host: brackets enclose an IPv6 address, as in [2001:db8::1]
            "[fe80::1%eth0]" is not a registry host: brackets enclose an IPv6 address, as in [2001:db8::1]
            "[::1]x" is not a registry host: brackets enclose an IPv6 address, as in [2001:db8::1]
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.com" is not a registry host: a label has more than 63 characters
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.bbbbbbbbbbbbbbbb..." is not a registry host: it has more than 253 characters
        "#]],
    );
}

#[test]
fn a_root_ends_at_a_label() {
    let under = |host: &str, root: &str| host.parse::<RegistryHost>().unwrap().is_under(root);
    assert!(under("demo.tencentcloudcr.com", "tencentcloudcr.com"));
    assert!(under("a.b.tencentcloudcr.com:5000", "TencentCloudCR.com"));
    assert!(under("tencentcloudcr.com", "tencentcloudcr.com"));
    assert!(!under("eviltencentcloudcr.com", "tencentcloudcr.com"));
    assert!(!under("demo.tencentcloudcr.com.evil.org", "tencentcloudcr.com"));
    assert!(!under("com", "tencentcloudcr.com"));
    assert!(!under("demo.tencentcloudcr.com", ""));
}

#[test]
fn the_private_twin_is_that_of_a_default_domain() {
    let vpc = |host: &str| host.parse::<RegistryHost>().unwrap().vpc().map(|host| host.to_string());
    assert_eq!(vpc("demo.tencentcloudcr.com").as_deref(), Some("demo-vpc.tencentcloudcr.com"));
    assert_eq!(vpc("demo.tencentcloudcr.com:5000").as_deref(), Some("demo-vpc.tencentcloudcr.com:5000"));
    assert_eq!(vpc("a.b.tencentcloudcr.com"), None);
    assert_eq!(vpc("tencentcloudcr.com"), None);
    assert_eq!(vpc("eviltencentcloudcr.com"), None);
    assert_eq!(vpc("demo.example.com"), None);
    assert_eq!(vpc(&format!("{}.tencentcloudcr.com", "a".repeat(60))), None);
}

#[test]
fn hosts_are_strings_in_json() {
    let host: RegistryHost = serde_json::from_str("\"Demo.example.com:5000\"").unwrap();
    assert_eq!(serde_json::to_string(&host).unwrap(), "\"demo.example.com:5000\"");
    let error = serde_json::from_str::<RegistryHost>("\"a b\"").unwrap_err().to_string();
    expect![[r#""a b" is not a registry host: it contains a blank"#]].assert_eq(&error);
}

proptest! {
    #[test]
    fn a_host_displays_as_what_parses_to_it(host in r"(\[[0-9a-fA-F:]{2,12}\]|[a-zA-Z0-9.-]{1,20})(:[0-9]{1,5})?") {
        if let Ok(parsed) = host.parse::<RegistryHost>() {
            prop_assert_eq!(parsed.as_str(), host.to_lowercase());
            prop_assert_eq!(&parsed.to_string().parse::<RegistryHost>().unwrap(), &parsed);
            let port = parsed.port().map(|port| format!(":{port}")).unwrap_or_default();
            prop_assert_eq!(format!("{}{port}", parsed.name()), parsed.as_str());
        }
    }

    #[test]
    fn ipv6_addresses_are_those_of_the_standard_library(
        text in proptest::collection::vec("[0-9a-fA-F]{0,5}", 0..10).prop_map(|groups| groups.join(":")),
        short in "[0-9a-f:]{0,12}",
    ) {
        for text in [text, short] {
            prop_assert_eq!(is_ipv6(&text), text.parse::<std::net::Ipv6Addr>().is_ok(), "{}", text);
        }
    }

    #[test]
    fn any_text_is_a_host_or_an_error(text in any::<String>()) {
        let _ = text.parse::<RegistryHost>().map_err(|error| error.to_string());
    }
}

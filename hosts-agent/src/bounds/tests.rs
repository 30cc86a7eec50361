use expect_test::{Expect, expect};

use super::*;

fn check(pairs: &[(&str, &str)], expect: Expect) {
    let bounds = Bounds {
        roots: vec!["tencentcloudcr.com".to_owned()],
        names: vec!["registry.example.com".to_owned(), "node-1".to_owned()],
        ranges: vec!["10.0.0.0/8".parse().unwrap(), "fc00::/7".parse().unwrap()],
        own_names: vec!["node-1.tencentcloudcr.com".to_owned()],
    };
    let lines = pairs.iter().map(|(domain, ip)| {
        let entries = vec![
            HostsEntry::new("off.org", "8.8.8.8", true).unwrap(),
            HostsEntry::new(domain, ip, false).unwrap(),
        ];
        match bounds.check(&HostsList::new(entries).unwrap()) {
            Ok(()) => format!("{domain} {ip}: allowed\n"),
            Err(refusal) => format!("{refusal}\n"),
        }
    });
    expect.assert_eq(&lines.collect::<String>());
}

#[test]
fn names_are_bounded_by_root_with_a_labels_boundary_and_by_exact_name() {
    check(
        &[
            ("tencentcloudcr.com", "10.0.0.2"),
            ("a.b.TencentCloudCR.com", "10.0.0.2"),
            ("eviltencentcloudcr.com", "10.0.0.2"),
            ("tencentcloudcr.com.evil.org", "10.0.0.2"),
            ("registry.example.com", "10.0.0.2"),
            ("x.registry.example.com", "10.0.0.2"),
            ("kubernetes.default", "10.0.0.2"),
        ],
        expect![[r#"
            tencentcloudcr.com 10.0.0.2: allowed
            a.b.TencentCloudCR.com 10.0.0.2: allowed
            entry 2: domain: "eviltencentcloudcr.com" is not under tencentcloudcr.com: allow it with --allowed-name or --allowed-root
            entry 2: domain: "tencentcloudcr.com.evil.org" is not under tencentcloudcr.com: allow it with --allowed-name or --allowed-root
            registry.example.com 10.0.0.2: allowed
            entry 2: domain: "x.registry.example.com" is not under tencentcloudcr.com: allow it with --allowed-name or --allowed-root
            entry 2: domain: "kubernetes.default" is not under tencentcloudcr.com: allow it with --allowed-name or --allowed-root
        "#]],
    );
}

#[test]
fn the_nodes_own_name_is_refused_even_if_it_is_allowed() {
    check(
        &[
            ("node-1.tencentcloudcr.com", "10.0.0.2"),
            ("node-1", "10.0.0.2"),
            ("node-1.x.tencentcloudcr.com", "10.0.0.2"),
        ],
        expect![[r#"
            entry 2: domain: "node-1.tencentcloudcr.com" is the node's own name
            entry 2: domain: "node-1" is the node's own name
            node-1.x.tencentcloudcr.com 10.0.0.2: allowed
        "#]],
    );
}

#[test]
fn addresses_are_bounded_for_every_name() {
    check(
        &[
            ("demo.tencentcloudcr.com", "fd00::2"),
            ("demo.tencentcloudcr.com", "11.0.0.1"),
            ("registry.example.com", "2402:4e00::1"),
        ],
        expect![[r#"
            demo.tencentcloudcr.com fd00::2: allowed
            entry 2: ip: "11.0.0.1" of "demo.tencentcloudcr.com" is not in 10.0.0.0/8, fc00::/7: allow it with --allowed-range
            entry 2: ip: "2402:4e00::1" of "registry.example.com" is not in 10.0.0.0/8, fc00::/7: allow it with --allowed-range
        "#]],
    );
}

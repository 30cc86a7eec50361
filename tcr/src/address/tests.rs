use std::fmt::Write as _;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(addresses: &[&str], expected: Expect) {
    let lines = addresses.iter().fold(String::new(), |mut lines, address| {
        let _ = match problem(address.parse().unwrap()) {
            Some(problem) => writeln!(lines, "{address} {problem}"),
            None => writeln!(lines, "{address} may be a registry's"),
        };
        lines
    });
    expected.assert_eq(&lines);
}

#[test]
fn public_addresses_and_those_of_private_links_may_be_a_registrys() {
    check(
        &[
            "43.1.2.3",
            "10.0.0.2",
            "172.16.1.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "100.127.255.255",
            "2402:4e00::1",
            "fc00::1",
            "fd00::2",
            "fd00:ec3::254",
        ],
        expect![[r#"
            43.1.2.3 may be a registry's
            10.0.0.2 may be a registry's
            172.16.1.1 may be a registry's
            172.31.255.255 may be a registry's
            192.168.1.1 may be a registry's
            100.64.0.1 may be a registry's
            100.127.255.255 may be a registry's
            2402:4e00::1 may be a registry's
            fc00::1 may be a registry's
            fd00::2 may be a registry's
            fd00:ec3::254 may be a registry's
        "#]],
    );
}

#[test]
fn metadata_of_every_large_cloud_is_refused_also_inside_ranges_of_private_links() {
    check(
        &[
            "169.254.169.254",
            "169.254.0.23",
            "169.254.170.2",
            "100.100.100.200",
            "100.96.0.96",
            "100.80.80.80",
            "168.63.129.16",
            "192.0.0.192",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd20:ce::254",
            "fd00:c1::a9fe:a9fe",
            "fd00:42::42",
            "fe80::a9fe:a9fe",
        ],
        expect![[r#"
            169.254.169.254 is a link-local address
            169.254.0.23 is a link-local address
            169.254.170.2 is a link-local address
            100.100.100.200 is instance metadata of a cloud
            100.96.0.96 is instance metadata of a cloud
            100.80.80.80 is instance metadata of a cloud
            168.63.129.16 is instance metadata of a cloud
            192.0.0.192 is instance metadata of a cloud
            fd00:ec2::254 is instance metadata of a cloud
            fd00:ec2::23 is instance metadata of a cloud
            fd20:ce::254 is instance metadata of a cloud
            fd00:c1::a9fe:a9fe is instance metadata of a cloud
            fd00:42::42 is instance metadata of a cloud
            fe80::a9fe:a9fe is a link-local address
        "#]],
    );
}

#[test]
fn special_purpose_blocks_are_refused_from_their_first_address_to_their_last() {
    check(
        &[
            "0.0.0.0",
            "0.255.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "192.0.0.0",
            "192.0.0.255",
            "192.0.2.1",
            "192.31.196.1",
            "192.52.193.1",
            "192.88.99.1",
            "192.175.48.1",
            "198.18.0.0",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.254",
            "255.255.255.255",
            "::",
            "::1",
            "100::1",
            "100:0:0:1::1",
            "2001:2::1",
            "2001:10::1",
            "2001:1ff:ffff::",
            "2001:db8::1",
            "2620:4f:8000::1",
            "3fff::1",
            "3fff:fff:ffff::",
            "5f00::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
        ],
        expect![[r#"
            0.0.0.0 is the unspecified address
            0.255.255.255 is the unspecified address
            127.0.0.1 is a loopback address
            127.255.255.255 is a loopback address
            192.0.0.0 is in 192.0.0.0/24, which is reserved for a special purpose
            192.0.0.255 is in 192.0.0.0/24, which is reserved for a special purpose
            192.0.2.1 is in 192.0.2.0/24, which is reserved for a special purpose
            192.31.196.1 is in 192.31.196.0/24, which is reserved for a special purpose
            192.52.193.1 is in 192.52.193.0/24, which is reserved for a special purpose
            192.88.99.1 is in 192.88.99.0/24, which is reserved for a special purpose
            192.175.48.1 is in 192.175.48.0/24, which is reserved for a special purpose
            198.18.0.0 is in 198.18.0.0/15, which is reserved for a special purpose
            198.19.255.255 is in 198.18.0.0/15, which is reserved for a special purpose
            198.51.100.1 is in 198.51.100.0/24, which is reserved for a special purpose
            203.0.113.1 is in 203.0.113.0/24, which is reserved for a special purpose
            224.0.0.1 is a multicast or broadcast address
            239.255.255.255 is a multicast or broadcast address
            240.0.0.1 is in 240.0.0.0/4, which is reserved for a special purpose
            255.255.255.254 is in 240.0.0.0/4, which is reserved for a special purpose
            255.255.255.255 is a multicast or broadcast address
            :: is the unspecified address
            ::1 is a loopback address
            100::1 is in 100::/64, which is reserved for a special purpose
            100:0:0:1::1 is in 100:0:0:1::/64, which is reserved for a special purpose
            2001:2::1 is in 2001::/23, which is reserved for a special purpose
            2001:10::1 is in 2001::/23, which is reserved for a special purpose
            2001:1ff:ffff:: is in 2001::/23, which is reserved for a special purpose
            2001:db8::1 is in 2001:db8::/32, which is reserved for a special purpose
            2620:4f:8000::1 is in 2620:4f:8000::/48, which is reserved for a special purpose
            3fff::1 is in 3fff::/20, which is reserved for a special purpose
            3fff:fff:ffff:: is in 3fff::/20, which is reserved for a special purpose
            5f00::1 is in 5f00::/16, which is reserved for a special purpose
            fe80::1 is a link-local address
            febf::1 is a link-local address
            fec0::1 is in fec0::/10, which is reserved for a special purpose
            ff02::1 is a multicast or broadcast address
        "#]],
    );
    // What is next to a block is not in it.
    for next in [
        "1.0.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "192.0.1.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
    ] {
        assert_eq!(problem(next.parse().unwrap()), None, "{next}");
    }
    for next in [
        "2001:200::",
        "2001:db7:ffff::",
        "2001:db9::",
        "3ffe::",
        "4000::",
        "5eff::",
        "5f01::",
        "fbff::",
        "101::",
    ] {
        assert_eq!(problem(next.parse().unwrap()), None, "{next}");
    }
}

#[test]
fn an_address_that_leads_to_another_is_judged_by_that() {
    check(
        &[
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.2",
            "::169.254.169.254",
            "::ffff:0:100.100.100.200",
            "64:ff9b::127.0.0.1",
            "64:ff9b::10.0.0.2",
            "64:ff9b:1::168.63.129.16",
            "64:ff9b:1::10.0.0.2",
            "64:ff9b:1:a9fe:a9:fe00::",
            "64:ff9b:1:a9:fe:a9fe::",
            "64:ff9b:1:1:a9:fea9:fe00:0",
            "64:ff9b:1:a00:0:200::",
            "64:ff9b:1::",
            "2002:7f00:1::",
            "2002:a00:2::1",
            "2001:0:7f00:1::f5ff:fffd",
            "2001:0:4136:e378:8000:63bf:80ff:fffe",
            "2001:0:4136:e378:8000:63bf:f5ff:fffd",
            "2402:4e00::5efe:127.0.0.1",
            "fd00::200:5efe:169.254.0.23",
            "fd00::5efe:10.0.0.2",
        ],
        expect![[r#"
            ::ffff:127.0.0.1 leads to 127.0.0.1, where no registry is
            ::ffff:10.0.0.2 may be a registry's
            ::169.254.169.254 leads to 169.254.169.254, where no registry is
            ::ffff:0:100.100.100.200 leads to 100.100.100.200, where no registry is
            64:ff9b::127.0.0.1 leads to 127.0.0.1, where no registry is
            64:ff9b::10.0.0.2 may be a registry's
            64:ff9b:1::168.63.129.16 leads to 168.63.129.16, where no registry is
            64:ff9b:1::10.0.0.2 may be a registry's
            64:ff9b:1:a9fe:a9:fe00:: leads to 169.254.169.254, where no registry is
            64:ff9b:1:a9:fe:a9fe:: leads to 0.169.254.169, where no registry is
            64:ff9b:1:1:a9:fea9:fe00:0 leads to 0.1.169.254, where no registry is
            64:ff9b:1:a00:0:200:: leads to 0.0.2.0, where no registry is
            64:ff9b:1:: leads to 0.0.0.0, where no registry is
            2002:7f00:1:: leads to 127.0.0.1, where no registry is
            2002:a00:2::1 may be a registry's
            2001:0:7f00:1::f5ff:fffd leads to 127.0.0.1, where no registry is
            2001:0:4136:e378:8000:63bf:80ff:fffe leads to 127.0.0.1, where no registry is
            2001:0:4136:e378:8000:63bf:f5ff:fffd may be a registry's
            2402:4e00::5efe:127.0.0.1 leads to 127.0.0.1, where no registry is
            fd00::200:5efe:169.254.0.23 leads to 169.254.0.23, where no registry is
            fd00::5efe:10.0.0.2 may be a registry's
        "#]],
    );
}

/// IPv4 addresses, those of refused blocks among them.
fn ipv4() -> impl Strategy<Value = Ipv4Addr> {
    let refused = (0..V4.len(), any::<u32>()).prop_map(|(which, rest)| {
        let Block { base, bits, .. } = V4[which];
        Ipv4Addr::from_bits(base | rest.checked_shr(bits).unwrap_or(0))
    });
    prop_oneof![any::<u32>().prop_map(Ipv4Addr::from_bits), refused]
}

/// Every way in which the address is written into an IPv6 one.
fn translations(inner: Ipv4Addr, other: Ipv4Addr, prefix: u64, rest: u64) -> Vec<Ipv6Addr> {
    let bits = |inner: Ipv4Addr| u128::from(inner.to_bits());
    let word = |text: &str| text.parse::<Ipv6Addr>().unwrap().to_bits();
    let behind = |prefix: &str| word(prefix) | bits(inner);
    // RFC 6052, 2.2: the octet from bit 64 on is zero.
    let local = |length: u32| {
        let spread = bits(inner) << (120 - 32 - length);
        let (high, low) = (spread >> 56, spread & ((1 << 56) - 1));
        word("64:ff9b:1::") | high << 64 | low
    };
    let translated = [
        behind("::"),
        behind("::ffff:0:0"),
        behind("::ffff:0:0:0"),
        behind("64:ff9b::"),
        behind("64:ff9b:1::"),
        local(48),
        local(56),
        local(64),
        word("2002::") | bits(inner) << 80 | u128::from(rest),
        word("2001::") | bits(inner) << 64 | !bits(other) & 0xffff_ffff,
        word("2001::") | bits(other) << 64 | !bits(inner) & 0xffff_ffff,
        u128::from(prefix) << 64 | word("::5efe:0:0") | bits(inner),
        u128::from(prefix) << 64 | word("::200:5efe:0:0") | bits(inner),
    ];
    translated.map(Ipv6Addr::from_bits).to_vec()
}

proptest! {
    #[test]
    fn a_translated_address_is_never_better_than_the_embedded_one(
        inner in ipv4(), other in ipv4(), prefix: u64, rest: u64,
    ) {
        for translated in translations(inner, other, prefix, rest) {
            let outcome = problem(translated.into());
            prop_assert!(
                outcome.is_some() || problem(inner.into()).is_none(),
                "{translated} may be a registry's, and leads to {inner}"
            );
        }
    }

    #[test]
    fn whatever_is_in_a_block_is_refused(which in 0..V6.len(), rest: u128, inner in ipv4()) {
        let Block { base, bits, .. } = V6[which];
        let address = Ipv6Addr::from_bits(base | rest.checked_shr(bits).unwrap_or(0));
        prop_assert!(problem(address.into()).is_some(), "{address}");
        let is_in = V4.iter().any(|block| (inner.to_bits() ^ block.base).leading_zeros() >= block.bits);
        prop_assert_eq!(problem(inner.into()).is_some(), is_in);
    }

    #[test]
    fn the_standard_library_agrees_on_what_it_knows(v4: u32, v6: u128) {
        let (v4, v6) = (Ipv4Addr::from_bits(v4), Ipv6Addr::from_bits(v6));
        if v4.is_loopback() || v4.is_link_local() || v4.is_multicast() || v4.is_documentation() || v4.is_broadcast() {
            prop_assert!(problem(v4.into()).is_some(), "{v4}");
        }
        if v6.is_multicast() || v6.is_unicast_link_local() || v6.is_loopback() || v6.is_unspecified() {
            prop_assert!(problem(v6.into()).is_some(), "{v6}");
        }
    }
}

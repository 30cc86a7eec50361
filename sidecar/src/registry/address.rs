//! Which addresses a password may be sent to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why nothing is sent to the address; none when it may be.
pub fn forbidden(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => forbidden_v4(address),
        IpAddr::V6(address) => forbidden_v6(address),
    }
}

fn forbidden_v4(address: Ipv4Addr) -> Option<&'static str> {
    match address.octets() {
        [0, ..] => Some("is of this network"),
        [127, ..] => Some("is of this machine"),
        // Instance metadata is among them: 169.254.0.23 at Tencent, 169.254.169.254 elsewhere.
        [169, 254, ..] => Some("is link-local"),
        // Instance metadata of another cloud, in a range that no registry is in.
        [100, 100, 100, 200] => Some("is instance metadata"),
        [224..=255, ..] => Some("is no single host's"),
        _ => None,
    }
}

fn forbidden_v6(address: Ipv6Addr) -> Option<&'static str> {
    if let Some(inner) = inner_v4(address) {
        return forbidden_v4(inner);
    }
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some("is of this network"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("is of this machine"),
        [0xfe80..=0xfebf, ..] => Some("is link-local"),
        [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254] => Some("is instance metadata"),
        [0xff00..=0xffff, ..] => Some("is no single host's"),
        _ => None,
    }
}

/// The IPv4 address that an IPv6 one leads to: mapped (`::ffff:0:0/96`), by NAT64 (`64:ff9b::/96`), or by 6to4
/// (`2002::/16`).
fn inner_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let of = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(of(high, low)),
        [0x2002, high, low, ..] => Some(of(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_addresses_public_and_private_are_allowed() {
        for allowed in
            ["10.0.0.2", "172.16.1.1", "192.168.1.1", "100.64.0.1", "43.1.2.3", "2402:4e00::1", "fd00::2"]
        {
            assert_eq!(forbidden(allowed.parse().unwrap()), None, "{allowed}");
        }
    }

    #[test]
    fn addresses_of_this_machine_its_links_and_metadata_are_not_however_they_are_written() {
        for refused in [
            "127.0.0.1",
            "127.8.9.1",
            "0.0.0.0",
            "169.254.0.23",
            "169.254.169.254",
            "100.100.100.200",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "fe80::1",
            "febf::1",
            "ff02::1",
            "fd00:ec2::254",
        ] {
            assert!(forbidden(refused.parse().unwrap()).is_some(), "{refused}");
        }
    }
}

//! Addresses at which no registry, token service or private link is: what the controller sends no password to, and what
//! no hosts entry leads to.
//!
//! Refused are the blocks of IANA's special-purpose registries
//! ([IPv4](https://www.iana.org/assignments/iana-ipv4-special-registry),
//! [IPv6](https://www.iana.org/assignments/iana-ipv6-special-registry)) and multicast, but for those where private links
//! are (RFC 1918, unique local addresses, and 100.64.0.0/10), and of these the addresses at which clouds serve instance
//! metadata. An IPv6 address that leads to an IPv4 one is no better than that.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use AddressProblem as Problem;

/// Why a registry cannot be at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressProblem {
    /// Not an IPv4 or IPv6 address in its usual form.
    #[error("is not a literal address such as 10.0.0.2 or fd00::2")]
    NotLiteral,
    /// In `0.0.0.0/8`, or `::`.
    #[error("is the unspecified address")]
    Unspecified,
    /// In `127.0.0.0/8`, or `::1`.
    #[error("is a loopback address")]
    Loopback,
    /// More than one machine: multicast or broadcast.
    #[error("is a multicast or broadcast address")]
    Multicast,
    /// `169.254.0.0/16` (where instance metadata lives) or `fe80::/10`.
    #[error("is a link-local address")]
    LinkLocal,
    /// Where a cloud tells machines about themselves, credentials included.
    #[error("is instance metadata of a cloud")]
    Metadata,
    /// In a block of IANA's special-purpose registries.
    #[error("is in {0}, which is reserved for a special purpose")]
    SpecialPurpose(&'static str),
    /// `::ffff:a.b.c.d`: resolvers disagree on what it means.
    #[error("is an IPv4 address in IPv6 form: write it as IPv4")]
    Mapped,
    /// Translated or tunnelled to an IPv4 address at which none is either.
    #[error("leads to {0}, where no registry is")]
    LeadsTo(Ipv4Addr),
}

/// Why no registry is at the address; none where one may be.
pub fn problem(address: IpAddr) -> Option<AddressProblem> {
    match address {
        IpAddr::V4(address) => problem_v4(address),
        IpAddr::V6(address) => problem_v6(address),
    }
}

/// Whether it is in one of the blocks that private networks have: RFC 1918, `100.64.0.0/10`, unique local.
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private() || matches!(address.octets(), [100, 64..=127, ..]),
        IpAddr::V6(address) => address.is_unique_local(),
    }
}

struct Block<A> {
    text: &'static str,
    base: A,
    bits: u32,
    problem: Option<Problem>,
}

const fn v4(text: &'static str, base: [u8; 4], bits: u32, problem: Option<Problem>) -> Block<u32> {
    Block { text, base: u32::from_be_bytes(base), bits, problem }
}

const fn v6(text: &'static str, base: [u16; 8], bits: u32, problem: Option<Problem>) -> Block<u128> {
    let [a, b, c, d, e, f, g, h] = base;
    Block { text, base: Ipv6Addr::new(a, b, c, d, e, f, g, h).to_bits(), bits, problem }
}

/// The first block that contains an address decides; an address in none may be a registry.
const V4: &[Block<u32>] = &[
    // Metadata: Alibaba Cloud, Volcano Engine, UCloud, Azure's wire server, Oracle Cloud.
    v4("100.100.100.200/32", [100, 100, 100, 200], 32, Some(Problem::Metadata)),
    v4("100.96.0.96/32", [100, 96, 0, 96], 32, Some(Problem::Metadata)),
    v4("100.80.80.80/32", [100, 80, 80, 80], 32, Some(Problem::Metadata)),
    v4("168.63.129.16/32", [168, 63, 129, 16], 32, Some(Problem::Metadata)),
    v4("192.0.0.192/32", [192, 0, 0, 192], 32, Some(Problem::Metadata)),
    v4("0.0.0.0/8", [0, 0, 0, 0], 8, Some(Problem::Unspecified)),
    v4("127.0.0.0/8", [127, 0, 0, 0], 8, Some(Problem::Loopback)),
    // Metadata of most clouds: 169.254.169.254, and 169.254.0.23 (metadata.tencentyun.com).
    v4("169.254.0.0/16", [169, 254, 0, 0], 16, Some(Problem::LinkLocal)),
    v4("192.0.0.0/24", [192, 0, 0, 0], 24, None),
    v4("192.0.2.0/24", [192, 0, 2, 0], 24, None),
    v4("192.31.196.0/24", [192, 31, 196, 0], 24, None),
    v4("192.52.193.0/24", [192, 52, 193, 0], 24, None),
    v4("192.88.99.0/24", [192, 88, 99, 0], 24, None),
    v4("192.175.48.0/24", [192, 175, 48, 0], 24, None),
    v4("198.18.0.0/15", [198, 18, 0, 0], 15, None),
    v4("198.51.100.0/24", [198, 51, 100, 0], 24, None),
    v4("203.0.113.0/24", [203, 0, 113, 0], 24, None),
    v4("224.0.0.0/4", [224, 0, 0, 0], 4, Some(Problem::Multicast)),
    v4("255.255.255.255/32", [255, 255, 255, 255], 32, Some(Problem::Multicast)),
    v4("240.0.0.0/4", [240, 0, 0, 0], 4, None),
];

/// As [`V4`]; blocks of addresses that stand for IPv4 addresses are [`embedded`]'s.
const V6: &[Block<u128>] = &[
    v6("::/128", [0; 8], 128, Some(Problem::Unspecified)),
    v6("::1/128", [0, 0, 0, 0, 0, 0, 0, 1], 128, Some(Problem::Loopback)),
    // Metadata: Amazon's services for machines, Google Cloud, Oracle Cloud, Scaleway.
    v6("fd00:ec2::/32", [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0], 32, Some(Problem::Metadata)),
    v6("fd20:ce::/32", [0xfd20, 0xce, 0, 0, 0, 0, 0, 0], 32, Some(Problem::Metadata)),
    v6("fd00:c1::/32", [0xfd00, 0xc1, 0, 0, 0, 0, 0, 0], 32, Some(Problem::Metadata)),
    v6("fd00:42::42/128", [0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42], 128, Some(Problem::Metadata)),
    v6("100::/64", [0x100, 0, 0, 0, 0, 0, 0, 0], 64, None),
    v6("100:0:0:1::/64", [0x100, 0, 0, 1, 0, 0, 0, 0], 64, None),
    v6("2001:db8::/32", [0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, None),
    v6("2620:4f:8000::/48", [0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48, None),
    v6("3fff::/20", [0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, None),
    v6("5f00::/16", [0x5f00, 0, 0, 0, 0, 0, 0, 0], 16, None),
    v6("fe80::/10", [0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, Some(Problem::LinkLocal)),
    // Site-local, as it was until RFC 3879.
    v6("fec0::/10", [0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, None),
    v6("ff00::/8", [0xff00, 0, 0, 0, 0, 0, 0, 0], 8, Some(Problem::Multicast)),
];

/// Protocols of the IETF. The block contains Teredo, whose addresses stand for IPv4 addresses.
const PROTOCOLS: Block<u128> = v6("2001::/23", [0x2001, 0, 0, 0, 0, 0, 0, 0], 23, None);

fn problem_v4(address: Ipv4Addr) -> Option<Problem> {
    let is_in = |block: &&Block<u32>| (address.to_bits() ^ block.base).leading_zeros() >= block.bits;
    V4.iter().find(is_in).map(|block| block.problem.unwrap_or(Problem::SpecialPurpose(block.text)))
}

fn problem_v6(address: Ipv6Addr) -> Option<Problem> {
    let is_in = |block: &Block<u128>| (address.to_bits() ^ block.base).leading_zeros() >= block.bits;
    let own = V6.iter().find(|block| is_in(block));
    if let Some(block) = own {
        return Some(block.problem.unwrap_or(Problem::SpecialPurpose(block.text)));
    }
    let embedded = embedded(address);
    if let Some(inner) = embedded.iter().flatten().find(|inner| problem_v4(**inner).is_some()) {
        return Some(Problem::LeadsTo(*inner));
    }
    let leads_nowhere = embedded.iter().flatten().next().is_none();
    (leads_nowhere && is_in(&PROTOCOLS)).then_some(Problem::SpecialPurpose(PROTOCOLS.text))
}

/// The IPv4 addresses that an IPv6 one leads to, by any reading of it.
fn embedded(address: Ipv6Addr) -> [Option<Ipv4Addr>; 5] {
    let bits = address.to_bits();
    // Four octets from this bit on.
    let at = |bit: u32| Ipv4Addr::from_bits((bits >> (96 - bit)) as u32);
    let [a, b, c, d, e, f, ..] = address.segments();
    // ISATAP (RFC 5214) is behind any prefix.
    let isatap = (matches!(e, 0 | 0x200) && f == 0x5efe).then(|| at(96));
    let (first, second) = match [a, b, c, d, e, f] {
        // Compatible (RFC 4291, 2.5.5.1), mapped (2.5.5.2), translated (RFC 2765), and NAT64 (RFC 6052).
        [0, 0, 0, 0, 0, 0 | 0xffff] | [0, 0, 0, 0, 0xffff, 0] | [0x64, 0xff9b, 0, 0, 0, 0] => {
            (Some(at(96)), None)
        }
        // 6to4 (RFC 3056).
        [0x2002, ..] => (Some(at(16)), None),
        // Teredo (RFC 4380): its server, and the client, each of its bits turned over.
        [0x2001, 0, ..] => (Some(at(32)), Some(Ipv4Addr::from_bits(!at(96).to_bits()))),
        // NAT64 with a prefix of one's own (RFC 8215), which may be of 48, 56, 64 or 96 bits (RFC 6052, 2.2).
        [0x64, 0xff9b, 1, ..] => return local_nat64(bits, at(96)),
        _ => (None, None),
    };
    [first, second, isatap, None, None]
}

/// The readings of an address in `64:ff9b:1::/48`. Zeros that a longer prefix explains are no reading of a shorter one.
fn local_nat64(bits: u128, last: Ipv4Addr) -> [Option<Ipv4Addr>; 5] {
    // The octet from bit 64 on is no part of the address.
    let without_octet = (bits >> 64 << 56) | (bits & ((1 << 56) - 1));
    let readings =
        [48, 56, 64].map(|prefix: u32| Ipv4Addr::from_bits((without_octet >> (88 - prefix)) as u32));
    let is_reading = |it: &Ipv4Addr| it.to_bits() > 0xff;
    let [a, b, c] = readings.map(|reading| Some(reading).filter(is_reading));
    [a, b, c, Some(last).filter(|it| is_reading(it) || [a, b, c] == [None; 3]), None]
}

#[cfg(test)]
mod tests;

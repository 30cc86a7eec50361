//! A range of addresses in CIDR notation.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// `10.0.0.0/8`: the addresses that begin with the same bits as `10.0.0.0` in the first 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange {
    base: IpAddr,
    bits: u8,
}

/// Why a text is no range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressRangeError {
    /// The text is not an address, a slash and a number.
    #[error("{0:?} is not an address range such as 10.0.0.0/8 or fd00::/8")]
    Form(String),
    /// More bits than an address has.
    #[error("{0:?} has more bits after the slash than the address has")]
    Bits(String),
    /// Bits are set that the range ignores: probably a mistake.
    #[error("{0:?} is not the beginning of its range, which is {1}")]
    Base(String, AddressRange),
}

impl AddressRange {
    /// Whether `ip` lies in the range.
    pub fn contains(&self, ip: IpAddr) -> bool {
        self.base.is_ipv4() == ip.is_ipv4() && masked(ip, self.bits) == self.base
    }
}

impl FromStr for AddressRange {
    type Err = AddressRangeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || AddressRangeError::Form(text.to_owned());
        let (address, bits) = text.split_once('/').ok_or_else(form)?;
        let ip: IpAddr = address.parse().map_err(|_| form())?;
        if bits.is_empty() || !bits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(form());
        }
        let width = if ip.is_ipv4() { 32 } else { 128 };
        let bits = bits
            .parse()
            .ok()
            .filter(|bits| *bits <= width)
            .ok_or_else(|| AddressRangeError::Bits(text.to_owned()))?;
        let range = AddressRange { base: masked(ip, bits), bits };
        if range.base == ip { Ok(range) } else { Err(AddressRangeError::Base(text.to_owned(), range)) }
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}

fn masked(ip: IpAddr, bits: u8) -> IpAddr {
    let bits = u32::from(bits);
    match ip {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(bits)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & mask))
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(bits)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & mask))
        }
    }
}

#[cfg(test)]
mod tests;

use super::*;

fn contains(range: &str, ip: &str) -> bool {
    range.parse::<AddressRange>().unwrap().contains(ip.parse().unwrap())
}

#[test]
fn a_range_ends_at_its_last_bit() {
    for (range, inside, outside) in [
        ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
        ("172.16.0.0/12", "172.31.255.255", "172.32.0.0"),
        ("10.0.0.2/32", "10.0.0.2", "10.0.0.3"),
        ("0.0.0.0/0", "255.255.255.255", "::"),
        ("fc00::/7", "fdff::1", "fe00::"),
        ("::/0", "ffff::", "1.1.1.1"),
        ("fd00::2/128", "fd00::2", "fd00::3"),
    ] {
        assert!(contains(range, inside), "{range} {inside}");
        assert!(!contains(range, outside), "{range} {outside}");
        assert_eq!(range.parse::<AddressRange>().unwrap().to_string(), range);
    }
}

#[test]
fn what_is_no_range_says_why() {
    for (text, message) in [
        ("10.0.0.0", "\"10.0.0.0\" is not an address range such as 10.0.0.0/8 or fd00::/8"),
        ("10/8", "\"10/8\" is not an address range such as 10.0.0.0/8 or fd00::/8"),
        ("10.0.0.0/", "\"10.0.0.0/\" is not an address range such as 10.0.0.0/8 or fd00::/8"),
        ("10.0.0.0/+8", "\"10.0.0.0/+8\" is not an address range such as 10.0.0.0/8 or fd00::/8"),
        ("10.0.0.0/33", "\"10.0.0.0/33\" has more bits after the slash than the address has"),
        ("10.0.0.0/999", "\"10.0.0.0/999\" has more bits after the slash than the address has"),
        ("10.0.0.1/8", "\"10.0.0.1/8\" is not the beginning of its range, which is 10.0.0.0/8"),
    ] {
        assert_eq!(text.parse::<AddressRange>().unwrap_err().to_string(), message);
    }
}

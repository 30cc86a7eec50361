//! Entries for the nodes' hosts files, from the instances' private links.
//!
//! The private link is a fact, not a wish: an entry is written only for a link that runs and has an
//! address. What was written before stays while the cloud cannot be asked.

use std::net::IpAddr;

use tcr::hosts_entry::{HostsEntry, HostsEntryError};
use tcr::image_pull_secret::WhenLinkDown;
use tcr::registry_host::RegistryHost;

use crate::cloud::internal_endpoint::InternalEndpoint;

/// What is known of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// It runs, with this address.
    Up(IpAddr),
    /// There is none, or it does not run (yet): its status, none when there is none.
    Down(Option<String>),
    /// The cloud could not be asked.
    Unknown,
}

/// Domains that shall resolve to a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The domains.
    pub hosts: Vec<RegistryHost>,
    /// The link.
    pub fact: Fact,
    /// What to do without it.
    pub when_down: WhenLinkDown,
}

/// What the links of an instance say about one VPC.
pub fn fact(links: &[InternalEndpoint], vpc_id: &str) -> Fact {
    if let Some(address) = links.iter().find_map(|link| link.usable_from(vpc_id)) {
        return Fact::Up(address);
    }
    Fact::Down(links.iter().find(|link| link.vpc_id == vpc_id).map(|link| link.status.clone()))
}

/// The whole list: the administrator's own entries first, which win, then those of the links.
pub fn entries(
    own: &[HostsEntry],
    resolved: &[Resolved],
    before: &[HostsEntry],
) -> Result<Vec<HostsEntry>, HostsEntryError> {
    let mut entries = own.to_vec();
    for Resolved { hosts, fact, when_down } in resolved {
        for host in hosts {
            // A hosts file knows no ports.
            let domain = host.name();
            if entries.iter().any(|entry| entry.domain() == domain) {
                continue;
            }
            match (fact, when_down) {
                (Fact::Up(address), _) => entries.push(HostsEntry::new(domain, &address.to_string(), false)?),
                (Fact::Down(_), WhenLinkDown::Remove) => {}
                (Fact::Down(_), WhenLinkDown::Keep) | (Fact::Unknown, _) => {
                    entries.extend(before.iter().find(|entry| entry.domain() == domain).cloned());
                }
            }
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn entry(domain: &str, ip: &str) -> HostsEntry {
        HostsEntry::new(domain, ip, false).unwrap()
    }

    #[track_caller]
    fn check(fact: Fact, when_down: WhenLinkDown, expected: Expect) {
        let own = [entry("own.example.com", "10.9.9.9"), entry("fixed.tencentcloudcr.com", "10.9.9.8")];
        let hosts = ["demo.tencentcloudcr.com", "demo-vpc.tencentcloudcr.com", "fixed.tencentcloudcr.com"];
        let hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
        let before =
            [entry("demo.tencentcloudcr.com", "10.0.0.1"), entry("stale.tencentcloudcr.com", "10.0.0.1")];
        let list = entries(&own, &[Resolved { hosts, fact, when_down }], &before).unwrap();
        let list: Vec<String> = list.iter().map(|it| format!("{} {}", it.domain(), it.ip())).collect();
        expected.assert_eq(&list.join("\n"));
    }

    #[test]
    fn a_running_link_has_every_domain_but_the_administrators_entries_win() {
        check(
            Fact::Up([10, 0, 0, 2].into()),
            WhenLinkDown::Keep,
            expect![[r#"
            own.example.com 10.9.9.9
            fixed.tencentcloudcr.com 10.9.9.8
            demo.tencentcloudcr.com 10.0.0.2
            demo-vpc.tencentcloudcr.com 10.0.0.2"#]],
        );
    }

    #[test]
    fn without_a_link_entries_stay_or_go_as_asked() {
        check(
            Fact::Down(None),
            WhenLinkDown::Keep,
            expect![[r#"
            own.example.com 10.9.9.9
            fixed.tencentcloudcr.com 10.9.9.8
            demo.tencentcloudcr.com 10.0.0.1"#]],
        );
        check(
            Fact::Down(None),
            WhenLinkDown::Remove,
            expect![[r#"
            own.example.com 10.9.9.9
            fixed.tencentcloudcr.com 10.9.9.8"#]],
        );
    }

    #[test]
    fn entries_stay_while_the_cloud_cannot_be_asked() {
        check(
            Fact::Unknown,
            WhenLinkDown::Remove,
            expect![[r#"
            own.example.com 10.9.9.9
            fixed.tencentcloudcr.com 10.9.9.8
            demo.tencentcloudcr.com 10.0.0.1"#]],
        );
    }

    #[test]
    fn an_address_that_no_registry_has_is_refused() {
        let host = || vec!["demo.tencentcloudcr.com".parse().unwrap()];
        let loopback =
            Resolved { hosts: host(), fact: Fact::Up([127, 0, 0, 1].into()), when_down: WhenLinkDown::Keep };
        assert!(entries(&[], &[loopback], &[]).is_err());
    }
}

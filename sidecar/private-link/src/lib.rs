//! Entries for the nodes' hosts files, from the instances' private links.
//!
//! The private link is a fact, not a wish: an entry is written only for a link that runs and has an
//! address. What was written before stays while the cloud cannot be asked.
//!
//! [`examine`] says what is asked about a link and what the answers mean, [`judge`] how that is told, [`hosts_map`] what is
//! written, and [`poll`] what is remembered between two rounds and what a round tells.
//!
//! Imports `tencent-cloud` for a link's form and `credential-plan` for an instance's hosts. Absent: clients, clocks and
//! Kubernetes.

use std::net::IpAddr;

use tcr::hosts_entry::{HostsEntry, HostsEntryError};
use tcr::image_pull_secret::WhenLinkDown;
use tcr::registry_host::RegistryHost;

use tencent_cloud::internal_endpoint::InternalEndpoint;

pub mod examine;
pub mod hosts_map;
pub mod judge;
pub mod poll;

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

/// Domains that shall resolve to a link. None with [`Fact::Unknown`]: which ones is not known yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The domains, as hosts of the registry.
    pub hosts: Vec<RegistryHost>,
    /// What is known of the link.
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

/// The whole list: the administrator's own entries first, which win, then those of the links. While it is not known
/// which domains are requested, the entries of links that were there before stay, except those of which it is known
/// whose they are.
pub fn entries(
    own: &[HostsEntry],
    resolved: &[Resolved],
    before: &[HostsEntry],
    is_whose_known: impl Fn(&HostsEntry) -> bool,
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
                (Fact::Up(address), _) => {
                    let entry = HostsEntry::new(domain, &address.to_string(), false)?;
                    entries.push(entry.of_link(*when_down));
                }
                (Fact::Down(_), WhenLinkDown::Remove) => {}
                (Fact::Down(_), WhenLinkDown::Keep) | (Fact::Unknown, _) => {
                    let last = before.iter().find(|entry| entry.domain() == domain).cloned();
                    entries.extend(last.map(|entry| entry.of_link(*when_down)));
                }
            }
        }
    }
    if resolved.iter().any(|one| one.hosts.is_empty() && one.fact == Fact::Unknown) {
        for entry in before.iter().filter(|it| it.when_link_down().is_some() && !is_whose_known(it)) {
            if !entries.iter().any(|other| other.domain() == entry.domain()) {
                entries.push(entry.clone());
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
        let list = entries(&own, &[Resolved { hosts, fact, when_down }], &before, |_| true).unwrap();
        expected.assert_eq(&shown(&list));
    }

    fn shown(list: &[HostsEntry]) -> String {
        let of_link =
            |it: &HostsEntry| it.when_link_down().map_or(String::new(), |when| format!(" {when:?}"));
        let list: Vec<String> =
            list.iter().map(|it| format!("{} {}{}", it.domain(), it.ip(), of_link(it))).collect();
        list.join("\n")
    }

    #[test]
    fn a_running_link_has_every_domain_but_the_administrators_entries_win() {
        check(
            Fact::Up([10, 0, 0, 2].into()),
            WhenLinkDown::Keep,
            expect![[r#"
            own.example.com 10.9.9.9
            fixed.tencentcloudcr.com 10.9.9.8
            demo.tencentcloudcr.com 10.0.0.2 Keep
            demo-vpc.tencentcloudcr.com 10.0.0.2 Keep"#]],
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
            demo.tencentcloudcr.com 10.0.0.1 Keep"#]],
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
            demo.tencentcloudcr.com 10.0.0.1 Remove"#]],
        );
    }

    #[test]
    fn entries_stay_while_it_is_not_known_whose_they_are() {
        let of_link = |domain: &str| entry(domain, "10.0.0.1").of_link(WhenLinkDown::Remove);
        let before = [
            of_link("demo.tencentcloudcr.com"),
            of_link("gone.tencentcloudcr.com"),
            entry("no-link.tencentcloudcr.com", "10.0.0.1"),
        ];
        let up = Resolved {
            hosts: vec!["up.tencentcloudcr.com".parse().unwrap()],
            fact: Fact::Up([10, 0, 0, 2].into()),
            when_down: WhenLinkDown::Keep,
        };
        let not_known_yet =
            Resolved { hosts: Vec::new(), fact: Fact::Unknown, when_down: WhenLinkDown::Keep };
        let is_gone = |entry: &HostsEntry| entry.domain() == "gone.tencentcloudcr.com";
        let list = entries(&[], &[not_known_yet, up.clone()], &before, is_gone).unwrap();
        expect![[r#"
            up.tencentcloudcr.com 10.0.0.2 Keep
            demo.tencentcloudcr.com 10.0.0.1 Remove"#]]
        .assert_eq(&shown(&list));
        let list = entries(&[], &[up], &before, is_gone).unwrap();
        expect!["up.tencentcloudcr.com 10.0.0.2 Keep"].assert_eq(&shown(&list));
    }

    #[test]
    fn an_address_that_no_registry_has_is_refused() {
        let host = || vec!["demo.tencentcloudcr.com".parse().unwrap()];
        let loopback =
            Resolved { hosts: host(), fact: Fact::Up([127, 0, 0, 1].into()), when_down: WhenLinkDown::Keep };
        assert!(entries(&[], &[loopback], &[], |_| true).is_err());
    }
}

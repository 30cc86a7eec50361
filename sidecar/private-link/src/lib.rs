//! Entries for the nodes' hosts files, from the instances' private links.
//!
//! The private link is a fact, not a wish: an entry is written only for a link that runs and has an
//! address. What was written before stays while the cloud cannot be asked.
//!
//! [`networks`] says in which VPCs there is a link to look at, [`examine`] what is asked about one and what the answers mean,
//! [`judge`] how that is told, [`hosts_map`] what is written, and [`poll`] what is remembered between two rounds and what a
//! round tells.
//!
//! Imports `tencent-cloud` for a link's form and `credential-plan` for an instance's hosts. Absent: clients, clocks and
//! Kubernetes.

use std::collections::BTreeMap;
use std::net::IpAddr;

use tcr::hosts_entry::{HostsEntry, HostsEntryError};
use tcr::image_pull_secret::WhenLinkDown;
use tcr::registry_host::RegistryHost;

use tencent_cloud::internal_endpoint::InternalEndpoint;

pub mod examine;
pub mod hosts_map;
pub mod judge;
pub mod networks;
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
    /// The VPC whose nodes alone take the entries; none where all nodes do.
    pub vpc_id: Option<String>,
    /// The domains, as hosts of the registry.
    pub hosts: Vec<RegistryHost>,
    /// What is known of the link.
    pub fact: Fact,
    /// What to do without it.
    pub when_down: WhenLinkDown,
}

impl Resolved {
    /// Of an object of which nobody knows what it asks for.
    pub fn unknown() -> Self {
        Self { vpc_id: None, hosts: Vec::new(), fact: Fact::Unknown, when_down: WhenLinkDown::Keep }
    }
}

/// Where nodes in the VPC reach the hosts of links that are up; those of other VPCs stand in where it has none.
pub fn addresses(resolved: &[Resolved], vpc_id: Option<&str>) -> BTreeMap<RegistryHost, IpAddr> {
    let is_own = |one: &&Resolved| one.vpc_id.is_none() || one.vpc_id.as_deref() == vpc_id;
    let (own, others): (Vec<_>, Vec<_>) = resolved.iter().partition(is_own);
    let mut addresses = BTreeMap::new();
    for one in own.into_iter().chain(others) {
        if let Fact::Up(address) = one.fact {
            for host in &one.hosts {
                addresses.entry(host.clone()).or_insert(address);
            }
        }
    }
    addresses
}

/// What the links of an instance say about one VPC.
pub fn fact(links: &[InternalEndpoint], vpc_id: &str) -> Fact {
    if let Some(address) = links.iter().find_map(|link| link.usable_from(vpc_id)) {
        return Fact::Up(address);
    }
    Fact::Down(links.iter().find(|link| link.vpc_id == vpc_id).map(|link| link.status.clone()))
}

/// Of one ImagePullSecret's networks, where one is of all nodes, those whose link runs come first: what was there before, and
/// is kept for another one's sake, gives way to them.
pub fn running_first(resolved: &mut [Resolved]) {
    if resolved.iter().any(|one| one.vpc_id.is_none()) {
        resolved.sort_by_key(|one| !matches!(one.fact, Fact::Up(_)));
    }
}

/// The whole list: the administrator's own entries first, which win, then those of the links. An own entry of one VPC wins
/// on the nodes of that VPC. While it is not known which domains are requested, the entries of links that were there before
/// stay, except those of which it is known whose they are.
pub fn entries(
    own: &[HostsEntry],
    resolved: &[Resolved],
    before: &[HostsEntry],
    is_whose_known: impl Fn(&HostsEntry) -> bool,
) -> Result<Vec<HostsEntry>, HostsEntryError> {
    let mut entries = own.to_vec();
    let is_taken = |entries: &[HostsEntry], domain: &str, vpc_id: Option<&str>| {
        own.iter().any(|it| it.domain() == domain && it.is_for(vpc_id))
            || entries.iter().any(|it| it.domain() == domain && it.vpc_id() == vpc_id)
    };
    let is_to_go = |entry: &HostsEntry| {
        resolved.iter().any(|one| {
            let is_its = one.vpc_id.is_some() && one.vpc_id.as_deref() == entry.vpc_id();
            let is_down = matches!(one.fact, Fact::Down(_)) && one.when_down == WhenLinkDown::Remove;
            is_its && is_down && one.hosts.iter().any(|host| host.name() == entry.domain())
        })
    };
    for Resolved { vpc_id, hosts, fact, when_down } in resolved {
        let vpc_id = vpc_id.as_deref();
        for host in hosts {
            // A hosts file knows no ports.
            let domain = host.name();
            if is_taken(&entries, domain, vpc_id) {
                continue;
            }
            match (fact, when_down) {
                (Fact::Up(address), _) => {
                    let entry = HostsEntry::new(domain, &address.to_string(), false)?;
                    let entry = match vpc_id {
                        Some(vpc_id) => entry.of_vpc(vpc_id)?,
                        None => entry,
                    };
                    entries.push(entry.of_link(*when_down));
                }
                (Fact::Down(_), WhenLinkDown::Remove) => {}
                (Fact::Down(_), WhenLinkDown::Keep) | (Fact::Unknown, _) => {
                    for entry in last(before, domain, vpc_id) {
                        // What is not known of all nodes keeps nothing of a VPC whose link is known to be gone.
                        let is_kept = entry.vpc_id() == vpc_id || !is_to_go(&entry);
                        if is_kept && !is_taken(&entries, domain, entry.vpc_id()) {
                            entries.push(entry.of_link(*when_down));
                        }
                    }
                }
            }
        }
    }
    if resolved.iter().any(|one| one.hosts.is_empty() && one.fact == Fact::Unknown) {
        for entry in before.iter().filter(|it| it.when_link_down().is_some() && !is_whose_known(it)) {
            if !is_taken(&entries, entry.domain(), entry.vpc_id()) {
                entries.push(entry.clone());
            }
        }
    }
    Ok(entries)
}

/// The entries by which nodes in the VPC, or all nodes, resolve the domain so far. Those of another network are not among
/// them; what was for all stays for all.
fn last(before: &[HostsEntry], domain: &str, vpc_id: Option<&str>) -> Vec<HostsEntry> {
    let of_domain = || before.iter().filter(|entry| entry.domain() == domain);
    if let Some(entry) = of_domain().find(|entry| entry.vpc_id() == vpc_id) {
        return vec![entry.clone()];
    }
    let is_part = |entry: &&HostsEntry| vpc_id.is_none() || entry.vpc_id().is_none();
    of_domain().filter(|entry| entry.when_link_down().is_some()).filter(is_part).cloned().collect()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

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
        let list =
            entries(&own, &[Resolved { vpc_id: None, hosts, fact, when_down }], &before, |_| true).unwrap();
        expected.assert_eq(&shown(&list));
    }

    fn shown(list: &[HostsEntry]) -> String {
        let of_link =
            |it: &HostsEntry| it.when_link_down().map_or(String::new(), |when| format!(" {when:?}"));
        let of_vpc = |it: &HostsEntry| it.vpc_id().map_or(String::new(), |vpc_id| format!(" in {vpc_id}"));
        let list: Vec<String> = list
            .iter()
            .map(|it| format!("{} {}{}{}", it.domain(), it.ip(), of_vpc(it), of_link(it)))
            .collect();
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
            vpc_id: None,
            hosts: vec!["up.tencentcloudcr.com".parse().unwrap()],
            fact: Fact::Up([10, 0, 0, 2].into()),
            when_down: WhenLinkDown::Keep,
        };
        let not_known_yet = Resolved::unknown();
        let is_gone = |entry: &HostsEntry| entry.domain() == "gone.tencentcloudcr.com";
        let list = entries(&[], &[not_known_yet, up.clone()], &before, is_gone).unwrap();
        expect![[r#"
            up.tencentcloudcr.com 10.0.0.2 Keep
            demo.tencentcloudcr.com 10.0.0.1 Remove"#]]
        .assert_eq(&shown(&list));
        let list = entries(&[], &[up], &before, is_gone).unwrap();
        expect!["up.tencentcloudcr.com 10.0.0.2 Keep"].assert_eq(&shown(&list));
    }

    fn of_vpc(vpc_id: Option<&str>, fact: Fact) -> Resolved {
        Resolved {
            vpc_id: vpc_id.map(str::to_owned),
            hosts: vec!["demo.tencentcloudcr.com".parse().unwrap()],
            fact,
            when_down: WhenLinkDown::Keep,
        }
    }

    fn up(network: u8) -> Fact {
        Fact::Up([10, network, 0, 2].into())
    }

    #[test]
    fn an_own_entry_of_one_vpc_takes_the_links_place_there_alone() {
        let own = [entry("demo.tencentcloudcr.com", "10.1.0.9").of_vpc("vpc-a").unwrap()];
        let list = entries(&own, &[of_vpc(None, up(0))], &[], |_| true).unwrap();
        expect![[r#"
            demo.tencentcloudcr.com 10.1.0.9 in vpc-a
            demo.tencentcloudcr.com 10.0.0.2 Keep"#]]
        .assert_eq(&shown(&list));
        let several = [of_vpc(Some("vpc-a"), up(1)), of_vpc(Some("vpc-b"), up(2))];
        let list = entries(&own, &several, &[], |_| true).unwrap();
        expect![[r#"
            demo.tencentcloudcr.com 10.1.0.9 in vpc-a
            demo.tencentcloudcr.com 10.2.0.2 in vpc-b Keep"#]]
        .assert_eq(&shown(&list));
        let for_all = [entry("demo.tencentcloudcr.com", "10.0.0.9")];
        let list = entries(&for_all, &several, &[], |_| true).unwrap();
        expect!["demo.tencentcloudcr.com 10.0.0.9"].assert_eq(&shown(&list));
    }

    #[test]
    fn nodes_of_a_vpc_without_a_link_keep_what_they_have_and_the_others_get_theirs() {
        let before = [entry("demo.tencentcloudcr.com", "10.0.0.1").of_link(WhenLinkDown::Keep)];
        let several = [of_vpc(Some("vpc-a"), up(1)), of_vpc(Some("vpc-b"), Fact::Down(None))];
        let first = entries(&[], &several, &before, |_| true).unwrap();
        expect![[r#"
            demo.tencentcloudcr.com 10.1.0.2 in vpc-a Keep
            demo.tencentcloudcr.com 10.0.0.1 Keep"#]]
        .assert_eq(&shown(&first));
        let several = [of_vpc(Some("vpc-a"), Fact::Unknown), of_vpc(Some("vpc-b"), up(2))];
        let second = entries(&[], &several, &first, |_| true).unwrap();
        expect![[r#"
            demo.tencentcloudcr.com 10.1.0.2 in vpc-a Keep
            demo.tencentcloudcr.com 10.2.0.2 in vpc-b Keep"#]]
        .assert_eq(&shown(&second));
        // And back to one network.
        let third = entries(&[], &[of_vpc(None, Fact::Unknown)], &second, |_| true).unwrap();
        assert_eq!(shown(&third), shown(&second));
        let fourth = entries(&[], &[of_vpc(None, up(3))], &third, |_| true).unwrap();
        expect!["demo.tencentcloudcr.com 10.3.0.2 Keep"].assert_eq(&shown(&fourth));
    }

    #[test]
    fn a_link_that_moves_is_followed_beside_one_that_is_not_there() {
        let before = [
            entry("demo.tencentcloudcr.com", "10.1.0.1").of_vpc("vpc-a").unwrap().of_link(WhenLinkDown::Keep),
            entry("demo.tencentcloudcr.com", "10.0.0.1").of_link(WhenLinkDown::Keep),
        ];
        let list = |of_b, of_all| {
            let mut resolved =
                [of_vpc(Some("vpc-b"), of_b), of_vpc(Some("vpc-a"), up(1)), of_vpc(None, of_all)];
            running_first(&mut resolved);
            shown(&entries(&[], &resolved, &before, |_| true).unwrap())
        };
        expect![[r#"
            demo.tencentcloudcr.com 10.1.0.2 in vpc-a Keep
            demo.tencentcloudcr.com 10.0.0.2 Keep"#]]
        .assert_eq(&list(Fact::Down(None), up(0)));
        expect![[r#"
            demo.tencentcloudcr.com 10.1.0.2 in vpc-a Keep
            demo.tencentcloudcr.com 10.0.0.1 Keep"#]]
        .assert_eq(&list(Fact::Down(None), Fact::Unknown));
    }

    #[test]
    fn a_link_that_goes_takes_its_entries_with_it_also_where_the_controllers_own_vpc_is_not_known() {
        let of_link = |ip: &str, vpc_id: &str, when_down| {
            entry("demo.tencentcloudcr.com", ip).of_vpc(vpc_id).unwrap().of_link(when_down)
        };
        let list = |when_down, of_b| {
            let before = [of_link("10.1.0.2", "vpc-a", when_down), of_link("10.2.0.2", "vpc-b", when_down)];
            let mut resolved =
                [of_vpc(Some("vpc-a"), up(1)), of_vpc(Some("vpc-b"), of_b), of_vpc(None, Fact::Unknown)];
            resolved.iter_mut().for_each(|one| one.when_down = when_down);
            running_first(&mut resolved);
            shown(&entries(&[], &resolved, &before, |_| true).unwrap())
        };
        expect![[r#"
            demo.tencentcloudcr.com 10.1.0.2 in vpc-a Remove
            demo.tencentcloudcr.com 10.2.0.2 in vpc-b Remove"#]]
        .assert_eq(&list(WhenLinkDown::Remove, Fact::Unknown));
        expect!["demo.tencentcloudcr.com 10.1.0.2 in vpc-a Remove"]
            .assert_eq(&list(WhenLinkDown::Remove, Fact::Down(None)));
        expect![[r#"
            demo.tencentcloudcr.com 10.1.0.2 in vpc-a Keep
            demo.tencentcloudcr.com 10.2.0.2 in vpc-b Keep"#]]
        .assert_eq(&list(WhenLinkDown::Keep, Fact::Down(None)));
    }

    proptest! {
        #[test]
        fn an_entry_of_a_vpc_never_has_the_address_of_another_ones_link(
            rounds in prop::collection::vec(
                (prop::collection::vec((1..4u8, 0..4u8, any::<bool>()), 0..4), any::<bool>()), 1..8),
        ) {
            let mut list = Vec::new();
            for (networks, is_whose_known) in rounds {
                let resolved: Vec<Resolved> = networks.iter().map(|(network, state, is_kept)| Resolved {
                    hosts: if *state == 3 { Vec::new() } else { of_vpc(None, Fact::Unknown).hosts },
                    when_down: if *is_kept { WhenLinkDown::Keep } else { WhenLinkDown::Remove },
                    ..of_vpc(Some(&format!("vpc-{network}")), match state {
                        0 => up(*network),
                        1 => Fact::Down(None),
                        _ => Fact::Unknown,
                    })
                }).collect();
                list = entries(&[], &resolved, &list, |_| is_whose_known).unwrap();
                for entry in &list {
                    let vpc_id = format!("vpc-{}", entry.ip().to_string().split('.').nth(1).unwrap());
                    prop_assert_eq!(entry.vpc_id(), Some(vpc_id.as_str()), "after {:?}", resolved);
                }
                for (network, ..) in networks.iter().filter(|(_, state, _)| *state == 0) {
                    let vpc_id = format!("vpc-{network}");
                    prop_assert!(list.iter().any(|it| it.vpc_id() == Some(&vpc_id)), "{} has none", vpc_id);
                }
            }
        }
    }

    #[test]
    fn an_address_that_no_registry_has_is_refused() {
        let loopback = of_vpc(None, Fact::Up([127, 0, 0, 1].into()));
        assert!(entries(&[], &[loopback], &[], |_| true).is_err());
    }
}

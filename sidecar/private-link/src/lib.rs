//! Entries for the nodes' hosts files, from the instances' private links.
//!
//! The private link is a fact, not a wish: an entry is written only for a link that runs and has an
//! address. What was written before stays while the cloud cannot be asked.
//!
//! [`examine`] says what is asked about a link and what the answers mean, [`hosts_map`] what is written, and [`poll`]
//! what is remembered between two rounds and what a round tells.
//!
//! Imports `tencent-cloud` for a link's form and `credential-plan` for an instance's hosts. Absent: clients, clocks and
//! Kubernetes.

use std::net::IpAddr;

use tcr::hosts_entry::{HostsEntry, HostsEntryError};
use tcr::image_pull_secret::WhenLinkDown;
use tcr::registry_host::RegistryHost;

use custom_resource::condition::ConditionReason;
use tencent_cloud::internal_endpoint::InternalEndpoint;

pub mod examine;
pub mod hosts_map;
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

/// Everything that is known of one ImagePullSecret's private network.
#[derive(Clone, Debug)]
pub struct Known<'a> {
    /// The id of the instance.
    pub instance_id: &'a str,
    /// The VPC that the nodes are in.
    pub vpc_id: &'a str,
    /// What is known of the link.
    pub fact: &'a Fact,
    /// The domains that lead to it.
    pub hosts: &'a [RegistryHost],
    /// The address that they led to before, if that has changed lately.
    pub changed_from: Option<IpAddr>,
    /// TCR's private DNS serves all of them in the VPC.
    pub is_served_by_dns: bool,
    /// Custom domains that the instance does not have, or not yet, with their status.
    pub unusable: &'a [(String, Option<String>)],
}

/// Whether nodes resolve to the link, a word for the condition, and a sentence.
pub fn judge(known: &Known<'_>) -> (bool, ConditionReason, String) {
    let Known { instance_id, vpc_id, fact, hosts, changed_from, is_served_by_dns, unusable } = known;
    let names = hosts.iter().map(|host| host.name()).collect::<Vec<_>>().join(", ");
    let address = match fact {
        Fact::Up(address) => address,
        Fact::Down(Some(status)) => {
            let message =
                format!("the private link from {vpc_id} to {instance_id} is {status:?}, and not Running yet");
            return (false, ConditionReason::Pending, message);
        }
        Fact::Down(None) | Fact::Unknown => {
            let message = format!(
                "there is no private link from {vpc_id} to {instance_id}: connect the VPC in the TCR console, under Access \
                 Control > Private Network Access of the instance"
            );
            return (false, ConditionReason::NoLink, message);
        }
    };
    if let Some((domain, status)) = unusable.first() {
        let message = match status {
            Some(status) => {
                format!("the domain {domain} of {instance_id} is {status:?}, and not usable yet")
            }
            None => format!(
                "{instance_id} has no custom domain {domain}: add it in the TCR console, or take it out of \
                 spec.tcr.privateNetwork.domains"
            ),
        };
        return (false, ConditionReason::DomainUnusable, message);
    }
    if *is_served_by_dns {
        let message = format!(
            "TCR's private DNS already resolves {names} to {address} in {vpc_id}: entries in hosts files are not needed; set \
             spec.tcr.privateNetwork.resolve to false"
        );
        return (true, ConditionReason::PrivateDNSAlreadyServes, message);
    }
    let public = "these domains can no longer be reached over the public network from the cluster";
    match changed_from {
        Some(old) => (
            true,
            ConditionReason::AddressChanged,
            format!("nodes resolve {names} to {address}, and no longer to {old}; {public}"),
        ),
        None => (true, ConditionReason::Running, format!("nodes resolve {names} to {address}; {public}")),
    }
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
    fn each_state_of_a_link_has_its_word_and_says_what_to_do() {
        let up = Fact::Up([10, 0, 0, 2].into());
        let hosts: [RegistryHost; 1] = ["demo.tencentcloudcr.com".parse().unwrap()];
        let known = |fact| Known {
            instance_id: "tcr-demo0001",
            vpc_id: "vpc-a",
            fact,
            hosts: &hosts,
            changed_from: None,
            is_served_by_dns: false,
            unusable: &[],
        };
        let creating = [("img.tencentcloudcr.com".to_owned(), Some("CREATING".to_owned()))];
        let missing = [("img.tencentcloudcr.com".to_owned(), None)];
        let said: Vec<String> = [
            known(&Fact::Down(None)),
            known(&Fact::Down(Some("Creating".to_owned()))),
            known(&up),
            Known { changed_from: Some([10, 0, 0, 1].into()), ..known(&up) },
            Known { is_served_by_dns: true, ..known(&up) },
            Known { unusable: &creating, ..known(&up) },
            Known { unusable: &missing, ..known(&up) },
        ]
        .iter()
        .map(judge)
        .map(|(is_up, reason, message)| format!("{is_up} {reason}: {message}"))
        .collect();
        expect![[r#"
            false NoLink: there is no private link from vpc-a to tcr-demo0001: connect the VPC in the TCR console, under Access Control > Private Network Access of the instance
            false Pending: the private link from vpc-a to tcr-demo0001 is "Creating", and not Running yet
            true Running: nodes resolve demo.tencentcloudcr.com to 10.0.0.2; these domains can no longer be reached over the public network from the cluster
            true AddressChanged: nodes resolve demo.tencentcloudcr.com to 10.0.0.2, and no longer to 10.0.0.1; these domains can no longer be reached over the public network from the cluster
            true PrivateDNSAlreadyServes: TCR's private DNS already resolves demo.tencentcloudcr.com to 10.0.0.2 in vpc-a: entries in hosts files are not needed; set spec.tcr.privateNetwork.resolve to false
            false DomainUnusable: the domain img.tencentcloudcr.com of tcr-demo0001 is "CREATING", and not usable yet
            false DomainUnusable: tcr-demo0001 has no custom domain img.tencentcloudcr.com: add it in the TCR console, or take it out of spec.tcr.privateNetwork.domains"#]]
        .assert_eq(&said.join("\n"));
    }

    #[test]
    fn an_address_that_no_registry_has_is_refused() {
        let host = || vec!["demo.tencentcloudcr.com".parse().unwrap()];
        let loopback =
            Resolved { hosts: host(), fact: Fact::Up([127, 0, 0, 1].into()), when_down: WhenLinkDown::Keep };
        assert!(entries(&[], &[loopback], &[], |_| true).is_err());
    }
}

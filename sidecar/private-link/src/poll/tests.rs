use expect_test::expect;
use tcr::image_pull_secret::{PrivateNetwork, WhenLinkDown};

use super::*;
use crate::judge::PrivateDns;

fn link(resolves: bool, reason: ConditionReason) -> Link {
    let is_up = reason == ConditionReason::Running;
    let (message, hosts) = (String::new(), Vec::new());
    let (is_up, links) = (Some(is_up), Vec::new());
    Link { resolves, is_up, reason, message, vpc_id: None, address: None, hosts, links }
}

fn running(names: &[&str]) -> Vec<(String, Link)> {
    names.iter().map(|name| ((*name).to_owned(), link(true, ConditionReason::Running))).collect()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn shown(told: &Told) -> String {
    let link = |(name, link): &(String, Option<Link>)| match link {
        Some(link) => format!("{name} {}", link.reason),
        None => format!("{name} gone"),
    };
    let links: Vec<String> = told.links.iter().map(link).collect();
    let applied = told.applied.as_ref().map_or_else(|| "unknown".to_owned(), |it| format!("{it:?}"));
    format!("{}; applied {applied}; pending {}", links.join(", "), told.is_pending)
}

#[test]
fn entries_may_be_in_the_list_until_it_was_written_without_them() {
    let mut poll = Poll::default();
    let rounds = [
        poll.finish(running(&["a", "b"]), &names(&["a", "b"]), Ok(())),
        poll.finish(running(&["a"]), &names(&["a"]), Err("denied".to_owned())),
        poll.finish(running(&["a"]), &names(&["a"]), Err("denied".to_owned())),
        poll.finish(running(&["a"]), &names(&["a"]), Ok(())),
    ];
    expect![[r#"
        a Running, b Running; applied {"a", "b"}; pending false
        a WriteFailed, b gone; applied {"a", "b"}; pending true
        a WriteFailed; applied {"a", "b"}; pending true
        a Running; applied {"a"}; pending false"#]]
    .assert_eq(&rounds.iter().map(shown).collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_link_that_is_resolved_no_longer_is_told_on_and_has_no_entries() {
    let mut poll = Poll::default();
    let unresolved = || vec![("a".to_owned(), link(false, ConditionReason::NoLink))];
    let rounds = [
        poll.finish(running(&["a"]), &names(&["a"]), Ok(())),
        poll.finish(Vec::new(), &names(&["a"]), Ok(())),
        poll.tell(unresolved()),
        poll.finish(Vec::new(), &names(&[]), Ok(())),
    ];
    expect![[r#"
        a Running; applied {"a"}; pending false
        ; applied {}; pending false
        a NoLink; applied {}; pending false
        a gone; applied {}; pending false"#]]
    .assert_eq(&rounds.iter().map(shown).collect::<Vec<_>>().join("\n"));
}

#[test]
fn what_was_in_the_list_before_is_not_known_until_it_is_written_once() {
    let mut poll = Poll::default();
    let rounds = [
        poll.finish(Vec::new(), &names(&[]), Err("denied".to_owned())),
        poll.finish(Vec::new(), &names(&[]), Ok(())),
        poll.finish(Vec::new(), &names(&[]), Err("denied".to_owned())),
    ];
    expect![[r#"
        ; applied unknown; pending true
        ; applied {}; pending false
        ; applied {}; pending true"#]]
    .assert_eq(&rounds.iter().map(shown).collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_link_that_somebody_waits_for_is_asked_about_again_soon() {
    let interval = Duration::from_secs(300);
    let is_pending =
        |resolves, reason| Poll::default().tell(vec![("a".to_owned(), link(resolves, reason))]).is_pending;
    assert!(is_pending(true, ConditionReason::NoLink) && is_pending(true, ConditionReason::Pending));
    assert!(!is_pending(false, ConditionReason::NoLink) && is_pending(false, ConditionReason::Pending));
    let waits: Vec<u64> = (0..7).map(|before| wait(true, before, interval).as_secs()).collect();
    assert_eq!(waits, [2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(wait(true, 9, Duration::from_secs(10)).as_secs(), 10);
    assert_eq!(wait(false, 9, interval), interval);
}

fn tcr(resolve: bool) -> Tcr {
    let private_network = PrivateNetwork { resolve, ..PrivateNetwork::default() };
    Tcr { instance_id: "tcr-demo0001".to_owned(), private_network, ..Tcr::default() }
}

fn found(last: u8) -> Found {
    Found {
        vpc_id: Some("vpc-a".to_owned()),
        fact: Fact::Up([10, 0, 0, last].into()),
        hosts: vec!["demo.tencentcloudcr.com".parse().unwrap()],
        private_dns: PrivateDns::DoesNot,
        unusable: Vec::new(),
    }
}

#[test]
fn a_link_that_nodes_do_not_resolve_to_has_moved_where_it_had_another_address_before() {
    let start = Instant::now();
    let mut poll = Poll::default();
    let mut reason = |last, seconds| {
        poll.judge("a", &tcr(false), found(last), &[], start + Duration::from_secs(seconds)).reason
    };
    assert_eq!(reason(1, 0), ConditionReason::Running);
    assert_eq!(reason(2, 10), ConditionReason::AddressChanged);
    assert_eq!(reason(2, 609), ConditionReason::AddressChanged);
    assert_eq!(reason(2, 610), ConditionReason::Running);
    // What the status told when the process began.
    let mut poll = Poll::default();
    poll.recall("a", &tcr(false), "vpc-a", [10, 0, 0, 1].into());
    let judged = poll.judge("a", &tcr(false), found(2), &[], start);
    assert_eq!(
        (judged.reason, judged.address),
        (ConditionReason::AddressChanged, Some([10, 0, 0, 2].into()))
    );
    // From another VPC it is another link.
    poll.recall("b", &tcr(false), "vpc-b", [10, 0, 0, 1].into());
    assert_eq!(poll.judge("b", &tcr(false), found(2), &[], start).reason, ConditionReason::Running);
}

#[test]
fn what_is_remembered_of_the_links_of_several_vpcs_goes_with_their_object() {
    let start = Instant::now();
    let mut poll = Poll::default();
    let reason = |poll: &mut Poll, last| poll.judge("a/vpc-a", &tcr(false), found(last), &[], start).reason;
    assert_eq!(reason(&mut poll, 1), ConditionReason::Running);
    poll.finish(Vec::new(), &names(&["a"]), Ok(()));
    assert_eq!(reason(&mut poll, 2), ConditionReason::AddressChanged);
    poll.finish(Vec::new(), &names(&[]), Ok(()));
    assert_eq!(reason(&mut poll, 3), ConditionReason::Running);
}

#[test]
fn a_call_that_fails_again_in_the_same_way_is_told_in_the_same_words() {
    let mut poll = Poll::default();
    let mut message = |text: &str| {
        let reason = ConditionReason::CloudFailed;
        poll.judge_unknown("a", &tcr(false), Vec::new(), reason, text.to_owned()).message
    };
    let denied = "UnauthorizedOperation (request id r-1); allow it";
    assert_eq!(message(denied), denied);
    assert_eq!(message("UnauthorizedOperation (request id r-2); allow it"), denied);
    assert_eq!(message("InternalError (request id r-3)"), "InternalError (request id r-3)");
}

#[test]
fn a_changed_address_is_told_for_ten_minutes() {
    let host: RegistryHost = "demo.tencentcloudcr.com".parse().unwrap();
    let entry = |last: u8| {
        let entry = HostsEntry::new(host.name(), &format!("10.0.0.{last}"), false).unwrap();
        [entry.of_link(WhenLinkDown::Keep)]
    };
    let tcr = tcr(true);
    let start = Instant::now();
    let mut poll = Poll::default();
    let mut reason = |last, before: &[HostsEntry], seconds| {
        poll.judge("a", &tcr, found(last), before, start + Duration::from_secs(seconds)).reason
    };
    assert_eq!(reason(1, &[], 0), ConditionReason::Running);
    assert_eq!(reason(1, &entry(1), 0), ConditionReason::Running);
    assert_eq!(reason(2, &entry(1), 10), ConditionReason::AddressChanged);
    assert_eq!(reason(2, &entry(2), 609), ConditionReason::AddressChanged);
    assert_eq!(reason(2, &entry(2), 610), ConditionReason::Running);
    // An administrator's own entry is no address that we told.
    let own = [HostsEntry::new(host.name(), "10.0.0.9", false).unwrap()];
    assert_eq!(reason(2, &own, 620), ConditionReason::Running);
}

#[test]
fn a_domain_that_was_known_once_stays_known() {
    let mut poll = Poll::default();
    let entry = HostsEntry::new("demo.tencentcloudcr.com", "10.0.0.1", false).unwrap();
    assert!(!poll.knows(&entry));
    let hosts = vec!["demo.tencentcloudcr.com:443".parse().unwrap()];
    poll.learn(&[Resolved { vpc_id: None, hosts, fact: Fact::Unknown, when_down: WhenLinkDown::Keep }]);
    assert!(poll.knows(&entry));
}

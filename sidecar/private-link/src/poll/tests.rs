use expect_test::expect;
use tcr::image_pull_secret::WhenLinkDown;

use super::*;

fn judgement(is_up: bool) -> Judgement {
    let reason = if is_up { ConditionReason::Running } else { ConditionReason::NoLink };
    Judgement { is_up, reason, message: String::new() }
}

fn shown(told: &Told) -> String {
    let link = |(name, link): &(String, Option<Judgement>)| match link {
        Some(link) => format!("{name} {}", link.reason),
        None => format!("{name} gone"),
    };
    let links: Vec<String> = told.links.iter().map(link).collect();
    format!("{}; applied {:?}; pending {}", links.join(", "), told.applied, told.is_pending)
}

#[test]
fn what_is_no_longer_requested_is_told_until_it_is_out_of_the_list() {
    let mut poll = Poll::default();
    let both = || vec![("a".to_owned(), judgement(true)), ("b".to_owned(), judgement(true))];
    let one = || vec![("a".to_owned(), judgement(true))];
    let rounds = [
        poll.finish(both(), Ok(())),
        poll.finish(one(), Err("denied".to_owned())),
        poll.finish(one(), Ok(())),
        poll.finish(one(), Ok(())),
    ];
    expect![[r#"
        a Running, b Running; applied {"a", "b"}; pending false
        a WriteFailed, b gone; applied {"a", "b"}; pending true
        a Running, b gone; applied {"a"}; pending false
        a Running; applied {"a"}; pending false"#]]
    .assert_eq(&rounds.iter().map(shown).collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_link_that_is_down_is_asked_about_again_soon() {
    let interval = Duration::from_secs(300);
    assert!(Poll::default().finish(vec![("a".to_owned(), judgement(false))], Ok(())).is_pending);
    let waits: Vec<u64> = (0..7).map(|before| wait(true, before, interval).as_secs()).collect();
    assert_eq!(waits, [2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(wait(true, 9, Duration::from_secs(10)).as_secs(), 10);
    assert_eq!(wait(false, 9, interval), interval);
}

#[test]
fn a_changed_address_is_told_for_ten_minutes() {
    let host: tcr::registry_host::RegistryHost = "demo.tencentcloudcr.com".parse().unwrap();
    let found = |last: u8| Found {
        vpc_id: "vpc-a".to_owned(),
        fact: Fact::Up([10, 0, 0, last].into()),
        hosts: vec![host.clone()],
        is_served_by_dns: false,
        unusable: Vec::new(),
    };
    let entry = |last: u8| {
        let entry = HostsEntry::new(host.name(), &format!("10.0.0.{last}"), false).unwrap();
        [entry.of_link(WhenLinkDown::Keep)]
    };
    let tcr = Tcr { instance_id: "tcr-demo0001".to_owned(), ..Tcr::default() };
    let start = Instant::now();
    let mut poll = Poll::default();
    let mut reason = |last, before: &[HostsEntry], seconds| {
        poll.judge("a", &tcr, &found(last), before, start + Duration::from_secs(seconds)).reason
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
    poll.learn(&[Resolved { hosts, fact: Fact::Unknown, when_down: WhenLinkDown::Keep }]);
    assert!(poll.knows(&entry));
}

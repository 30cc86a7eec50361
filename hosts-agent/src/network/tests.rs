use std::cell::{Cell, RefCell};
use std::rc::Rc;

use expect_test::{Expect, expect};
use tcr::hosts_entry::HostsEntry;

use super::*;

fn vpcs(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

fn range(text: &str) -> VpcRange {
    text.parse().unwrap()
}

/// What metadata answers.
type Answer = Rc<RefCell<Result<BTreeSet<String>, Message>>>;

/// Asks an answer that can be changed, and counts.
fn asking(remembered: Option<&str>) -> (Locator, Answer, Rc<Cell<u32>>) {
    let answer = Rc::new(RefCell::new(Err(Message::new("nobody there"))));
    let asked = Rc::new(Cell::new(0));
    let (answers, count) = (answer.clone(), asked.clone());
    let locator = Locator::asking(remembered.map(str::to_owned), Duration::from_secs(60), move || {
        count.set(count.get() + 1);
        answers.borrow().clone()
    });
    (locator, answer, asked)
}

#[test]
fn arguments_say_the_vpc_and_a_range_is_of_the_nodes_own_address() {
    let ranges = [range("vpc-a=10.1.0.0/16"), range("vpc-b=10.2.0.0/16"), range("vpc-c=10.2.8.0/24")];
    let of = |vpc_id: Option<&str>, address: Option<&str>| {
        let address = address.map(|text| text.parse().unwrap());
        Locator::given(vpc_id, &ranges, address).map(|locator| locator.network().clone())
    };
    assert_eq!(of(Some("vpc-x"), Some("10.1.0.7")), Some(Network::Vpc("vpc-x".to_owned())));
    assert_eq!(of(None, Some("10.1.0.7")), Some(Network::Vpc("vpc-a".to_owned())));
    assert_eq!(of(None, Some("10.2.8.1")), Some(Network::Several(vpcs(&["vpc-b", "vpc-c"]))));
    assert_eq!(of(None, Some("10.3.0.1")), None, "then metadata is asked");
    assert_eq!(of(None, None), None);
    for (wrong, part) in [
        ("vpc-a", "VPC=CIDR"),
        ("vpc-A=10.0.0.0/8", "is not the id of a VPC"),
        ("vpc-a=10.0.0.1/8", "which is 10.0.0.0/8"),
    ] {
        let error = wrong.parse::<VpcRange>().unwrap_err();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn metadata_is_asked_until_it_has_answered_once_and_ever_more_rarely() {
    let (mut locator, answer, asked) = asking(None);
    let mut now = Instant::now();
    let mut waits = Vec::new();
    for _ in 0..6 {
        locator.look(now);
        locator.look(now);
        let next = locator.next().unwrap();
        waits.push(next.duration_since(now).as_secs());
        now = next;
    }
    assert_eq!((waits, asked.get()), (vec![5, 10, 20, 40, 60, 60], 6));
    assert_eq!(*locator.network(), Network::Unknown(Message::new("nobody there")));
    *answer.borrow_mut() = Ok(vpcs(&["vpc-a"]));
    locator.look(now);
    assert_eq!((locator.network().vpc_id(), locator.next()), (Some("vpc-a"), None));
    *answer.borrow_mut() = Ok(vpcs(&["vpc-b"]));
    locator.look(now + Duration::from_secs(3600));
    assert_eq!((locator.network().vpc_id(), asked.get()), (Some("vpc-a"), 7));
}

#[test]
fn metadata_is_asked_rarely_while_the_node_needs_no_answer_and_at_once_when_it_does() {
    let (mut locator, _, asked) = asking(None);
    let mut now = Instant::now();
    for _ in 0..12 {
        locator.look_rarely(now);
        now = locator.next().unwrap();
    }
    locator.look_rarely(now);
    assert_eq!((locator.next().unwrap().duration_since(now).as_secs(), asked.get()), (3600, 13));
    locator.look_rarely(now + Duration::from_secs(1));
    assert_eq!(asked.get(), 13);
    locator.look(now + Duration::from_secs(1));
    assert_eq!(asked.get(), 14, "the wait of before was for another reason");
    locator.look(now + Duration::from_secs(2));
    assert_eq!(asked.get(), 14);
}

#[test]
fn what_was_remembered_holds_until_metadata_says_otherwise() {
    let (mut locator, answer, _) = asking(Some("vpc-a"));
    let now = Instant::now();
    locator.look(now);
    assert_eq!(locator.network().vpc_id(), Some("vpc-a"));
    *answer.borrow_mut() = Ok(vpcs(&["vpc-b"]));
    locator.look(locator.next().unwrap());
    assert_eq!(locator.network().vpc_id(), Some("vpc-b"));
    let (mut locator, answer, _) = asking(Some("vpc-a"));
    *answer.borrow_mut() = Ok(vpcs(&[]));
    locator.look(now);
    assert_eq!(locator.network().vpc_id(), None, "the machine is in none");
    *answer.borrow_mut() = Ok(vpcs(&["vpc-a", "vpc-b"]));
    locator.look(locator.next().unwrap());
    assert_eq!(*locator.network(), Network::Several(vpcs(&["vpc-a", "vpc-b"])));
}

#[track_caller]
fn check(network: Network, expected: Expect) {
    let entry = |ip: &str| HostsEntry::new("a.com", ip, false).unwrap();
    let of = |vpc_id: &str| HostsEntry::new("b.com", "10.0.0.2", false).unwrap().of_vpc(vpc_id).unwrap();
    // That name has an entry for all nodes beside.
    let other = entry("10.0.0.2").of_vpc("vpc-c").unwrap();
    let by_vpc = HostsList::new(vec![entry("10.0.0.1"), other, of("vpc-a")]).unwrap();
    let for_all = HostsList::new(vec![entry("10.0.0.1")]).unwrap();
    assert_eq!(network.problem(&for_all), None);
    expected.assert_eq(&network.problem(&by_vpc).map_or("none".to_owned(), |problem| problem.to_string()));
}

#[test]
fn a_node_in_no_network_of_the_list_or_in_two_says_so_where_entries_are_by_vpc() {
    check(Network::Vpc("vpc-a".to_owned()), expect!["none"]);
    check(
        Network::Vpc("vpc-b".to_owned()),
        expect!["no entry is for vpc-b, the VPC of this node: it takes the entries without a vpcId only"],
    );
    check(
        Network::Several(vpcs(&["vpc-a", "vpc-b"])),
        expect![
            "this node is in vpc-a and vpc-b: it takes the entries without a vpcId only; name one of them with --vpc-id"
        ],
    );
    check(
        Network::Unknown(Message::new("instance metadata at 169.254.0.23:80: timed out")),
        expect![
            "the VPC of this node is not known (instance metadata at 169.254.0.23:80: timed out): it takes the entries without a vpcId only; name it with --vpc-id or --vpc-range"
        ],
    );
}

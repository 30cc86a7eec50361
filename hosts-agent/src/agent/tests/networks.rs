//! Entries by VPC.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::network::Network;

const BY_VPC: &str = "- {domain: all.tencentcloudcr.com, ip: 10.0.0.9}\n\
                      - {domain: demo.tencentcloudcr.com, ip: 10.1.0.1, vpcId: vpc-1, whenLinkDown: Keep}\n\
                      - {domain: demo.tencentcloudcr.com, ip: 10.2.0.1, vpcId: vpc-2, whenLinkDown: Keep}\n";

/// What metadata answers now.
#[derive(Clone)]
struct Metadata(Rc<RefCell<Result<BTreeSet<String>, Message>>>);

impl Metadata {
    fn of(vpc_ids: &[&str]) -> Self {
        Self(Rc::new(RefCell::new(Ok(vpc_ids.iter().map(|id| (*id).to_owned()).collect()))))
    }

    fn failing() -> Self {
        Self(Rc::new(RefCell::new(Err(Message::new("nobody there")))))
    }

    fn set(&self, other: &Self) {
        *self.0.borrow_mut() = other.0.borrow().clone();
    }

    /// Asked anew in each pass.
    fn locator(&self, remembered: Option<&str>) -> Locator {
        let asked = self.clone();
        Locator::asking(remembered.map(str::to_owned), Duration::ZERO, move || asked.0.borrow().clone())
    }
}

impl Node {
    /// A new process, which asks that metadata and remembers what it was told before, and for which `addresses` answer.
    fn restart_in(&mut self, metadata: &Metadata, remembered: Option<&str>, addresses: &[&str]) -> Answering {
        let answering = self.restart_with(addresses);
        let agent = std::mem::replace(&mut self.agent, agent(self.directory.path(), None));
        self.agent = agent.located_by(metadata.locator(remembered));
        answering
    }

    fn problem(&self) -> Option<String> {
        self.agent.report().network_problem.as_ref().map(Message::to_string)
    }
}

#[test]
fn a_node_takes_the_entries_of_its_own_vpc_and_those_for_all() {
    for (vpc_id, expected) in [
        ("vpc-1", &["10.0.0.9", "10.1.0.1"][..]),
        ("vpc-2", &["10.0.0.9", "10.2.0.1"]),
        ("vpc-3", &["10.0.0.9"]),
    ] {
        let mut node = Node::new(LOCAL);
        node.restart_in(&Metadata::of(&[vpc_id]), None, &["10.1.0.1", "10.2.0.1"]);
        node.list(BY_VPC);
        node.agent.pass();
        assert_eq!(node.addresses(), expected, "{vpc_id}");
        let report = node.agent.report();
        assert_eq!((report.unready(), report.withheld, report.foreign_changes), (None, 0, 0));
        assert_eq!(report.generation, node.agent.last_good.as_ref().map(|list| list.generation()));
        assert_eq!(node.problem().is_some(), vpc_id == "vpc-3", "{:?}", node.problem());
        node.list("[]");
        node.agent.pass();
        assert_eq!((node.hosts(), node.problem()), (LOCAL.to_owned(), None));
    }
}

#[test]
fn a_node_whose_vpc_is_not_known_or_is_two_takes_what_is_for_all_and_says_so() {
    for (metadata, word) in [
        (Metadata::failing(), "nobody there"),
        (Metadata::of(&["vpc-1", "vpc-2"]), "this node is in vpc-1 and vpc-2"),
        (Metadata::of(&[]), "in no VPC"),
    ] {
        let mut node = Node::new(LOCAL);
        node.restart_in(&metadata, None, &["10.1.0.1", "10.2.0.1"]);
        node.list(BY_VPC);
        let before = node.agent.report().clone();
        node.agent.pass();
        assert_eq!(node.addresses(), ["10.0.0.9"]);
        let news = node.agent.report().news(&before);
        assert!(news.iter().any(|line| line.contains(word)), "{news:?}");
        assert!(node.agent.report().metrics().contains("hosts_updater_without_network 1\n"));
    }
}

#[test]
fn metadata_is_asked_only_where_entries_are_by_vpc_and_again_until_it_answers() {
    let metadata = Metadata::failing();
    let mut node = Node::new(LOCAL);
    node.restart_in(&metadata, None, &["10.1.0.1"]);
    node.list(ONE);
    assert_eq!(node.agent.pass().next_probe, None);
    assert_eq!(node.agent.report().network, Network::default());
    node.list(BY_VPC);
    assert!(node.agent.pass().next_probe.is_some());
    assert_eq!(node.addresses(), ["10.0.0.9"]);
    metadata.set(&Metadata::of(&["vpc-1"]));
    let before = node.agent.report().clone();
    node.agent.pass();
    assert_eq!(node.addresses(), ["10.0.0.9", "10.1.0.1"]);
    let news = node.agent.report().news(&before);
    assert!(news.contains(&"this node is in vpc-1".to_owned()), "{news:?}");
    assert!(news.contains(&"the network's problem is over".to_owned()), "{news:?}");
}

#[test]
fn a_restart_while_metadata_fails_goes_on_with_the_vpc_that_it_was_told_before() {
    let mut node = Node::new(LOCAL);
    node.restart_in(&Metadata::of(&["vpc-2"]), None, &["10.2.0.1"]);
    node.list(BY_VPC);
    node.agent.pass();
    node.restart_in(&Metadata::failing(), Some("vpc-2"), &["10.2.0.1"]);
    node.agent.pass();
    assert_eq!(
        (node.addresses(), node.agent.report().writes),
        (vec!["10.0.0.9".to_owned(), "10.2.0.1".to_owned()], 0)
    );
}

#[test]
fn an_old_address_is_not_kept_where_the_list_now_gives_it_to_another_network() {
    let old = "- {domain: demo.tencentcloudcr.com, ip: 10.1.0.1, whenLinkDown: Keep}\n";
    for (vpc_id, expected) in [("vpc-1", "10.1.0.1"), ("vpc-2", "Absent")] {
        let mut node = Node::new(LOCAL);
        node.restart_in(&Metadata::of(&[vpc_id]), None, &["10.1.0.1"]);
        node.list(old);
        node.agent.pass();
        assert_eq!(node.addresses(), ["10.1.0.1"], "it is for all");
        // The second network's own address does not answer yet.
        let by_vpc: String = BY_VPC.lines().skip(1).map(|line| format!("{line}\n")).collect();
        node.list(&by_vpc);
        node.agent.pass();
        assert_eq!(node.addresses(), [expected], "{vpc_id}");
    }
}

#[test]
fn an_address_that_moved_within_the_nodes_own_network_is_kept_until_the_new_one_answers() {
    let mut node = Node::new(LOCAL);
    let answering = node.restart_in(&Metadata::of(&["vpc-1"]), None, &["10.1.0.1"]);
    node.list(BY_VPC);
    node.agent.pass();
    node.list(&BY_VPC.replace("10.1.0.1", "10.1.0.7"));
    node.agent.pass();
    assert_eq!(node.addresses(), ["10.0.0.9", "10.1.0.1"]);
    answering.set(&["10.1.0.7"]);
    node.agent.pass();
    assert_eq!(node.addresses(), ["10.0.0.9", "10.1.0.7"]);
}

#[test]
fn a_node_learns_its_vpc_while_it_has_entries_of_a_link_and_says_it() {
    let mut node = Node::new(LOCAL);
    node.restart_in(&Metadata::of(&["vpc-1"]), None, &["10.1.0.1"]);
    node.list("- {domain: demo.tencentcloudcr.com, ip: 10.1.0.1}\n");
    node.agent.pass();
    node.agent.pass();
    assert_eq!(node.agent.report().network.vpc_id(), None, "nobody is led to a link");
    node.list("- {domain: demo.tencentcloudcr.com, ip: 10.1.0.1, whenLinkDown: Keep}\n");
    node.agent.pass();
    node.agent.pass();
    assert_eq!(node.agent.report().network.vpc_id(), Some("vpc-1"));
    assert_eq!((node.addresses(), node.problem()), (vec!["10.1.0.1".to_owned()], None));
}

/// What happens to a node.
#[derive(Clone, Debug)]
enum Step {
    List(String),
    Broken,
    Metadata(Told),
    Answering(BTreeSet<String>),
    /// A new process, of the same Pod or of another, which remembers nothing.
    Restart {
        is_same_pod: bool,
    },
    /// Somebody writes the file.
    Overwritten,
}

/// What metadata says.
#[derive(Clone, Copy, Debug)]
enum Told {
    Own,
    Two,
    None,
    Nothing,
}

fn told() -> impl Strategy<Value = Told> {
    prop_oneof![3 => Just(Told::Own), 1 => Just(Told::Two), 1 => Just(Told::None), 2 => Just(Told::Nothing)]
}

/// The addresses of a VPC are 10.VPC.0.x, and those for all 10.0.0.x.
fn step() -> impl Strategy<Value = Step> {
    let when = prop_oneof![Just(""), Just(", whenLinkDown: Keep"), Just(", whenLinkDown: Remove")];
    let entry = (0..3u8, 0..4u8, 1..4u8, when, prop::bool::weighted(0.1));
    let entry = entry.prop_map(|(name, vpc, host, when, disabled)| {
        let vpc_id = if vpc == 0 { String::new() } else { format!(", vpcId: vpc-{vpc}") };
        format!("- {{domain: r{name}.tencentcloudcr.com, ip: 10.{vpc}.0.{host}, disabled: {disabled}{vpc_id}{when}}}\n")
    });
    let list = prop::collection::vec(entry, 1..7).prop_map(|entries| Step::List(entries.concat()));
    let answering = prop::collection::btree_set("10\\.[0-3]\\.0\\.[1-3]", 0..9).prop_map(Step::Answering);
    prop_oneof![
        4 => list,
        1 => Just(Step::Broken),
        2 => told().prop_map(Step::Metadata),
        3 => answering,
        2 => any::<bool>().prop_map(|is_same_pod| Step::Restart { is_same_pod }),
        1 => Just(Step::Overwritten),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn a_node_never_has_another_networks_entry(
        own in 1..4u8,
        first in told(),
        steps in prop::collection::vec(step(), 1..12),
    ) {
        let answer = |told| match told {
            Told::Own => Metadata::of(&[&format!("vpc-{own}")]),
            Told::Two => Metadata::of(&["vpc-1", "vpc-2", "vpc-3"]),
            Told::None => Metadata::of(&[]),
            Told::Nothing => Metadata::failing(),
        };
        let metadata = answer(first);
        let mut node = Node::new(LOCAL);
        let mut up: Vec<String> = Vec::new();
        let mut answering = node.restart_in(&metadata, None, &[]);
        for step in steps {
            match &step {
                Step::List(yaml) => node.list(yaml),
                Step::Broken => node.list("- domain: ["),
                Step::Metadata(told) => metadata.set(&answer(*told)),
                Step::Answering(addresses) => {
                    up = addresses.iter().cloned().collect();
                    answering.set(&up.iter().map(String::as_str).collect::<Vec<_>>());
                }
                Step::Restart { is_same_pod } => {
                    let remembered = node.agent.report().network.vpc_id().map(str::to_owned);
                    let remembered = remembered.filter(|_| *is_same_pod);
                    let up: Vec<&str> = up.iter().map(String::as_str).collect();
                    answering = node.restart_in(&metadata, remembered.as_deref(), &up);
                }
                Step::Overwritten => node.write(LOCAL),
            }
            node.agent.pass();
            for address in node.addresses().iter().filter(|it| *it != "Absent") {
                let network: u8 = address.split('.').nth(1).unwrap().parse().unwrap();
                prop_assert!(network == 0 || network == own, "{address} on a node of vpc-{own} after {step:?}");
            }
            // And its own, wherever it may know them.
            let (Some(list), Some(_)) = (&node.agent.last_good, node.agent.report().network.vpc_id()) else { continue };
            let own = list.enabled_for(Some(&format!("vpc-{own}")));
            let certain = own.iter().filter(|entry| entry.when_link_down().is_none());
            let addresses = node.addresses();
            for entry in certain {
                prop_assert!(addresses.contains(&entry.ip().to_string()), "{entry:?} is missing after {step:?}");
            }
        }
    }
}

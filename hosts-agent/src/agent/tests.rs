use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::rc::Rc;

use tcr::hosts_entry::HOSTS_KEY;
use tempfile::TempDir;

use super::*;
use crate::hosts_file::Mode;

mod networks;

struct Node {
    directory: TempDir,
    agent: Agent,
}

impl Node {
    fn new(hosts: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("hosts"), hosts).unwrap();
        let agent = agent(directory.path(), None);
        Self { directory, agent }
    }

    fn list(&self, yaml: &str) {
        fs::write(self.directory.path().join(HOSTS_KEY), yaml).unwrap();
    }

    fn write(&self, hosts: &str) {
        fs::write(self.directory.path().join("hosts"), hosts).unwrap();
    }

    fn hosts(&self) -> String {
        fs::read_to_string(self.directory.path().join("hosts")).unwrap()
    }

    fn restart(&mut self) {
        self.agent = agent(self.directory.path(), None);
    }

    /// A new process for which `addresses` answer; they are looked at in each pass.
    fn restart_with(&mut self, addresses: &[&str]) -> Answering {
        let answering = Answering::default();
        answering.set(addresses);
        let asked = answering.clone();
        let answers = move |all: &[IpAddr]| all.iter().map(|ip| asked.0.borrow().contains(ip)).collect();
        let probing = Probing { links: Links::new(Duration::ZERO), answers: Box::new(answers) };
        self.agent = agent(self.directory.path(), Some(probing));
        answering
    }

    fn addresses(&self) -> Vec<String> {
        match block::state(self.hosts().as_bytes()) {
            State::Intact(entries) => entries.iter().map(|entry| entry.ip().to_string()).collect(),
            state => vec![format!("{state:?}")],
        }
    }
}

/// The addresses that answer a probe now.
#[derive(Clone, Default)]
struct Answering(Rc<RefCell<Vec<IpAddr>>>);

impl Answering {
    fn set(&self, addresses: &[&str]) {
        *self.0.borrow_mut() = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
    }
}

fn agent(directory: &Path, probing: Option<Probing>) -> Agent {
    let bounds = Bounds {
        roots: vec!["tencentcloudcr.com".to_owned()],
        names: Vec::new(),
        ranges: vec!["10.0.0.0/8".parse().unwrap()],
        own_names: Vec::new(),
    };
    Agent::new(ListFile::new(directory), bounds, HostsFile::new(&directory.join("hosts")), probing)
}

const LOCAL: &str = "127.0.0.1 localhost\n";
const ONE: &str = "- {domain: demo.tencentcloudcr.com, ip: 10.0.0.1}\n";
const TWO: &str = "- {domain: demo.tencentcloudcr.com, ip: 10.0.0.2}\n";
const OUT_OF_BOUNDS: &str =
    "- {domain: demo.tencentcloudcr.com, ip: 10.0.0.3}\n- {domain: demo.tencentcloudcr.com, ip: 8.8.8.8}\n";

#[test]
fn the_file_carries_the_list_and_is_written_once() {
    let mut node = Node::new(LOCAL);
    node.list(ONE);
    assert_eq!(node.agent.pass(), Outcome::default());
    assert_eq!(node.addresses(), ["10.0.0.1"]);
    node.agent.pass();
    let report = node.agent.report();
    assert_eq!((report.writes, report.passes, report.entries, report.foreign_changes), (1, 2, 1, 0));
    assert_eq!(report.mode, Some(Mode::Rename));
    assert_eq!(report.unready(), None);
    node.list(TWO);
    node.agent.pass();
    assert_eq!(node.addresses(), ["10.0.0.2"]);
    node.list("[]");
    node.agent.pass();
    assert_eq!(node.hosts(), LOCAL);
    assert_eq!(node.agent.report().foreign_changes, 0);
}

#[test]
fn a_bad_list_keeps_the_last_good_block_whole() {
    let mut node = Node::new(LOCAL);
    node.list(ONE);
    node.agent.pass();
    let generation = node.agent.report().generation.clone();
    for bad in ["", "null", "- domain: [", OUT_OF_BOUNDS] {
        node.list(bad);
        node.agent.pass();
        assert_eq!(node.addresses(), ["10.0.0.1"], "{bad}");
        assert!(node.agent.report().list_problem.is_some(), "{bad}");
        assert_eq!(node.agent.report().generation, generation);
        // Even then somebody else's change is answered.
        node.write(LOCAL);
        assert!(node.agent.pass().foreign_change);
        assert_eq!(node.addresses(), ["10.0.0.1"], "{bad}");
    }
    fs::remove_file(node.directory.path().join(HOSTS_KEY)).unwrap();
    node.agent.pass();
    assert_eq!(node.addresses(), ["10.0.0.1"]);
    node.list(TWO);
    node.agent.pass();
    assert_eq!(node.addresses(), ["10.0.0.2"]);
    assert_eq!(node.agent.report().unready(), None);
}

#[test]
fn a_restart_with_a_bad_list_goes_on_with_the_block_it_finds() {
    let mut node = Node::new(LOCAL);
    node.list(ONE);
    node.agent.pass();
    node.list("- domain: [");
    node.restart();
    node.agent.pass();
    assert_eq!(node.agent.report().writes, 0);
    node.write(LOCAL);
    node.agent.pass();
    assert_eq!(node.addresses(), ["10.0.0.1"]);
    assert!(node.agent.report().unready().is_some());
}

#[test]
fn a_start_with_a_bad_list_and_no_block_changes_nothing() {
    let mut node = Node::new(LOCAL);
    node.list(OUT_OF_BOUNDS);
    node.agent.pass();
    assert_eq!(node.hosts(), LOCAL);
    assert_eq!(node.agent.report().generation, None);
    let problem = node.agent.report().list_problem.clone().unwrap().to_string();
    assert!(problem.contains("entry 2: ip: \"8.8.8.8\""), "{problem}");
}

#[test]
fn other_writers_are_answered_and_counted() {
    let mut node = Node::new(LOCAL);
    node.list(ONE);
    node.agent.pass();
    node.write("127.0.0.1 localhost other\n");
    assert!(node.agent.pass().foreign_change);
    node.write(&node.hosts().replace("10.0.0.1", "10.6.6.6"));
    assert!(node.agent.pass().foreign_change);
    assert_eq!(node.addresses(), ["10.0.0.1"]);
    assert!(node.hosts().starts_with("127.0.0.1 localhost other\n"));
    // A line beside the block is nobody's fault.
    node.write(&(node.hosts() + "10.1.1.1 more\n"));
    assert!(!node.agent.pass().foreign_change);
    assert_eq!(node.agent.report().foreign_changes, 2);
    assert_eq!(node.agent.report().writes, 3);
}

#[test]
fn an_own_line_for_a_listed_name_is_reported_and_stays() {
    let own = "127.0.0.1 localhost\n9.9.9.9 demo.tencentcloudcr.com\n";
    let mut node = Node::new(own);
    node.list(ONE);
    let before = node.agent.report().clone();
    node.agent.pass();
    assert!(node.hosts().starts_with(own));
    let news = node.agent.report().news(&before);
    assert!(
        news.iter().any(|line| line.starts_with("line 2 also gives demo.tencentcloudcr.com")),
        "{news:?}"
    );
    assert_eq!(node.agent.report().unready(), None);
}

#[test]
fn before_the_first_list_the_agent_is_ready_and_does_nothing() {
    let mut node = Node::new("127.0.0.1 localhost\n");
    node.agent.pass();
    assert_eq!((node.agent.report().unready(), node.hosts()), (None, "127.0.0.1 localhost\n".to_owned()));
    node.list("- domain: demo.tencentcloudcr.com\n  ip: 10.0.0.2\n");
    node.agent.pass();
    assert_eq!(node.addresses(), ["10.0.0.2"]);
    // A list that was there and is gone is a problem; also for a new process, the block stays.
    fs::remove_file(node.directory.path().join(HOSTS_KEY)).unwrap();
    node.agent.pass();
    assert!(node.agent.report().unready().is_some());
    node.restart();
    node.agent.pass();
    node.agent.pass();
    assert_eq!((node.agent.report().unready(), node.addresses()), (None, vec!["10.0.0.2".to_owned()]));
}

#[test]
fn a_hosts_file_that_is_missing_is_a_problem_until_it_is_back() {
    let mut node = Node::new(LOCAL);
    node.list(ONE);
    fs::remove_file(node.directory.path().join("hosts")).unwrap();
    node.agent.pass();
    assert!(node.agent.report().unready().is_some_and(|problem| problem.starts_with("cannot open")));
    node.write(LOCAL);
    node.agent.pass();
    assert_eq!(node.addresses(), ["10.0.0.1"]);
    assert_eq!(node.agent.report().unready(), None);
}

const KEPT: &str = "- {domain: demo.tencentcloudcr.com, ip: 10.0.0.1, whenLinkDown: Keep}\n";
const REMOVED: &str = "- {domain: demo.tencentcloudcr.com, ip: 10.0.0.1, whenLinkDown: Remove}\n";

#[test]
fn an_entry_of_a_link_is_written_once_its_address_answers() {
    let mut node = Node::new(LOCAL);
    let answering = node.restart_with(&[]);
    node.list(&(KEPT.to_owned() + "- {domain: own.tencentcloudcr.com, ip: 10.0.0.9}\n"));
    node.agent.pass();
    assert_eq!(node.addresses(), ["10.0.0.9"], "the administrator's own entry asks nobody");
    let report = node.agent.report();
    assert_eq!((report.entries, report.withheld, report.failed_probes), (1, 1, 1));
    assert_eq!(report.unready(), None);
    answering.set(&["10.0.0.1"]);
    node.agent.pass();
    assert_eq!(node.addresses(), ["10.0.0.1", "10.0.0.9"]);
    assert_eq!(node.agent.report().withheld, 0);
    assert_eq!(node.agent.report().foreign_changes, 0);
}

#[test]
fn a_dead_links_entry_is_kept_or_withdrawn_and_comes_back() {
    for (list, while_down) in [(KEPT, &["10.0.0.1"][..]), (REMOVED, &["Absent"])] {
        let mut node = Node::new(LOCAL);
        let answering = node.restart_with(&["10.0.0.1"]);
        node.list(list);
        node.agent.pass();
        answering.set(&[]);
        for _ in 1..link::FAILURES {
            node.agent.pass();
            assert_eq!(node.addresses(), ["10.0.0.1"], "one failure is none");
        }
        let before = node.agent.report().clone();
        node.agent.pass();
        assert_eq!(node.addresses(), while_down);
        let news = node.agent.report().news(&before);
        assert!(news.contains(&"the link at 10.0.0.1 does not answer any more".to_owned()), "{news:?}");
        answering.set(&["10.0.0.1"]);
        node.agent.pass();
        assert_eq!(node.addresses(), ["10.0.0.1"]);
        assert_eq!(node.agent.report().foreign_changes, 0);
    }
}

#[test]
fn a_new_address_that_does_not_answer_leaves_the_old_one() {
    let mut node = Node::new(LOCAL);
    let answering = node.restart_with(&["10.0.0.1"]);
    node.list(KEPT);
    node.agent.pass();
    node.list(&KEPT.replace("10.0.0.1", "10.0.0.2"));
    for _ in 0..5 {
        node.agent.pass();
        assert_eq!(node.addresses(), ["10.0.0.1"]);
    }
    answering.set(&["10.0.0.2"]);
    node.agent.pass();
    assert_eq!(node.addresses(), ["10.0.0.2"]);
}

#[test]
fn an_old_address_that_the_arguments_no_longer_allow_does_not_stay_for_a_new_one() {
    let mut node = Node::new(LOCAL);
    node.restart_with(&["10.0.0.1"]);
    node.list(KEPT);
    node.agent.pass();
    node.restart_with(&[]);
    node.agent.bounds.ranges = vec!["10.0.0.2/32".parse().unwrap()];
    node.list(&KEPT.replace("10.0.0.1", "10.0.0.2"));
    node.agent.pass();
    assert_eq!(node.addresses(), ["Absent"]);
}

#[test]
fn what_an_earlier_process_wrote_stays_while_its_link_is_looked_at() {
    let mut node = Node::new(LOCAL);
    node.restart_with(&["10.0.0.1"]);
    node.list(REMOVED);
    node.agent.pass();
    node.restart_with(&[]);
    node.agent.pass();
    assert_eq!(node.addresses(), ["10.0.0.1"]);
    node.agent.pass();
    node.agent.pass();
    assert_eq!(node.addresses(), ["Absent"]);
    assert_eq!(node.hosts(), LOCAL);
}

#[test]
fn a_file_that_nobody_touched_is_not_read_again() {
    let mut node = Node::new(LOCAL);
    node.list(ONE);
    node.agent.pass();
    assert_eq!(node.agent.settled, None, "a file just written may be written again in the same tick");
    let start = Instant::now();
    while node.agent.settled.is_none() {
        assert!(start.elapsed() < Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(50));
        node.agent.pass();
    }
    node.agent.pass();
    assert!(node.agent.settled.is_some());
    let old = node.hosts();
    node.write(&old.replace("10.0.0.1", "10.0.0.8"));
    assert!(node.agent.pass().foreign_change, "of the same size, and found all the same");
    assert_eq!(node.hosts(), old);
    node.list(TWO);
    node.agent.pass();
    assert_eq!(node.addresses(), ["10.0.0.2"]);
}

#[test]
fn patience_doubles_in_a_tug_of_war_and_comes_back() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut patience = Patience::new(Duration::from_secs(5));
    assert_eq!(patience.until(), None);
    for (answered, until) in [(0, 1), (1, 3), (3, 7), (7, 12), (12, 17), (17, 22), (100, 101)] {
        patience.answered(at(answered));
        assert_eq!(patience.until(), Some(at(until)), "answered at {answered}");
    }
}

//! The agent that keeps running.

use std::fs;

use crate::node::{LOCAL, Node, get, list, metric, stderr};

#[test]
fn a_swapped_list_reaches_the_file_without_waiting_for_the_recheck() {
    let node = Node::new(LOCAL);
    node.mount_list(&list("10.0.0.1"));
    let mut agent = node.start(&["--recheck=1h"]);
    for last in 2..6 {
        let ip = format!("10.0.0.{last}");
        node.mount_list(&list(&ip));
        agent.wait("the new address", || node.hosts().contains(&format!("{ip} demo")).then_some(()));
    }
    node.mount_list("[]");
    agent.wait("the block's end", || (node.hosts() == LOCAL).then_some(()));
    assert!(node.run(&["--healthcheck=ready"]).status.success());
}

#[test]
fn a_broken_list_is_reported_and_a_mended_one_taken() {
    let node = Node::new(LOCAL);
    node.mount_list(&list("10.0.0.1"));
    let mut agent = node.start(&["--recheck=1h"]);
    node.mount_list("- domain: [");
    let problem = agent.wait("the probe to fail", || {
        let output = node.run(&["--healthcheck=ready"]);
        (output.status.code() == Some(1)).then(|| stderr(&output))
    });
    assert!(problem.starts_with("error: not ready: cannot read "), "{problem}");
    assert!(node.run(&["--healthcheck=live"]).status.success());
    assert!(node.hosts().contains("10.0.0.1 demo"));
    node.mount_list(&list("10.0.0.2"));
    agent.wait("the new address", || node.hosts().contains("10.0.0.2 demo").then_some(()));
    agent.wait("the probe to pass", || node.run(&["--healthcheck=ready"]).status.success().then_some(()));
}

#[test]
fn what_an_ended_agent_left_does_not_answer_for_one_that_cannot_start() {
    let node = Node::new(LOCAL);
    node.mount_list(&list("10.0.0.1"));
    drop(node.start(&["--recheck=1h"]));
    assert!(node.run(&["--healthcheck=ready"]).status.success(), "as long as the next has not begun");
    fs::rename(node.path("config"), node.path("elsewhere")).unwrap();
    let next = node.run(&["--recheck=1h"]);
    assert_eq!(next.status.code(), Some(1), "{}", stderr(&next));
    for probe in ["--healthcheck=live", "--healthcheck=ready"] {
        let output = node.run(&[probe]);
        assert_eq!(output.status.code(), Some(1));
        assert!(
            stderr(&output).ends_with("is the agent running with this --state-dir?\n"),
            "{}",
            stderr(&output)
        );
    }
}

#[test]
fn another_writer_is_answered_at_once_whether_it_renames_or_overwrites() {
    let node = Node::new(LOCAL);
    node.mount_list(&list("10.0.0.1"));
    let mut agent = node.start(&["--recheck=1h", "--metrics-ip=127.0.0.1", "--metrics-port=0"]);
    let address = agent.metrics_address();
    fs::write(node.path("etc/theirs"), "127.0.0.1 localhost renamed\n").unwrap();
    fs::rename(node.path("etc/theirs"), node.hosts_file()).unwrap();
    agent.wait("the block in the renamed file", || {
        let hosts = node.hosts();
        (hosts.starts_with("127.0.0.1 localhost renamed\n") && hosts.contains("10.0.0.1 demo")).then_some(())
    });
    fs::write(node.hosts_file(), "127.0.0.1 localhost overwritten\n").unwrap();
    agent.wait("the block in the overwritten file", || {
        let hosts = node.hosts();
        (hosts.starts_with("127.0.0.1 localhost overwritten\n") && hosts.contains("10.0.0.1 demo"))
            .then_some(())
    });
    let metrics = agent.wait("the count", || {
        let metrics = get(address, "/metrics");
        (metric(&metrics, "foreign_changes_total") == 2).then_some(metrics)
    });
    assert_eq!(metric(&metrics, "writes_total"), 3);
    assert_eq!(metric(&metrics, "entries"), 1);
    assert_eq!(metric(&metrics, "ready"), 1);
    assert_eq!(metric(&metrics, "watching"), 1);
    let generation = "hosts_updater_info{version=\"0.1.0\",generation=\"";
    let list: Vec<_> =
        vec![tcr::hosts_entry::HostsEntry::new("demo.tencentcloudcr.com", "10.0.0.1", false).unwrap()];
    let expected = tcr::hosts_entry::HostsList::new(list).unwrap().generation();
    assert!(metrics.contains(&format!("{generation}{expected}\",mode=\"rename\",")), "{metrics}");
}

#[test]
fn the_slow_recheck_finds_what_no_event_told() {
    let node = Node::new(LOCAL);
    node.mount_list(&list("10.0.0.1"));
    let mut agent = node.start(&["--recheck=1s", "--metrics-ip=127.0.0.1", "--metrics-port=0"]);
    let address = agent.metrics_address();
    let passes = || metric(&get(address, "/metrics"), "passes_total");
    let before = passes();
    agent.wait("two more passes", || (passes() >= before + 2).then_some(()));
    assert_eq!(metric(&get(address, "/metrics"), "writes_total"), 1, "{}", agent.log());
}

#[test]
fn sigterm_ends_it_at_once_and_leaves_the_block() {
    let node = Node::new(LOCAL);
    node.mount_list(&list("10.0.0.1"));
    let mut agent = node.start(&["--recheck=1h"]);
    let with_block = node.hosts();
    assert!(with_block.contains("10.0.0.1 demo"));
    assert_eq!(agent.terminate().code(), Some(0), "{}", agent.log());
    assert_eq!(node.hosts(), with_block);
}

#[test]
fn without_a_metrics_address_nothing_listens() {
    let node = Node::new(LOCAL);
    node.mount_list("[]");
    let agent = node.start(&["--recheck=1h"]);
    let Ok(descriptors) = fs::read_dir(format!("/proc/{}/fd", agent.child.id())) else {
        // Of a process that is not dumpable, only root may list them.
        assert_ne!(std::os::unix::fs::MetadataExt::uid(&fs::metadata("/proc/self").unwrap()), 0);
        return;
    };
    let sockets: Vec<_> = descriptors
        .filter_map(|fd| fs::read_link(fd.unwrap().path()).ok())
        .filter(|target| target.to_string_lossy().starts_with("socket:"))
        .collect();
    assert_eq!(
        sockets.len(),
        4,
        "only the pair that carries the signals, its copy, and the keeper's: {sockets:?}"
    );
    let threads = fs::read_dir(format!("/proc/{}/task", agent.child.id())).unwrap().count();
    assert_eq!(threads, 1);
}

#[test]
fn a_taken_metrics_port_does_not_keep_the_node_from_resolving() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let node = Node::new(LOCAL);
    node.mount_list(&list("10.0.0.1"));
    let port = format!("--metrics-port={}", taken.local_addr().unwrap().port());
    let mut agent = node.start(&["--recheck=1s", "--metrics-ip=127.0.0.1", &port]);
    assert!(node.hosts().contains("10.0.0.1 demo"));
    assert!(agent.log().contains("cannot listen on 127.0.0.1:"), "{}", agent.log());
    drop(taken);
    agent.wait("the port", || agent_log_has(&node, "metrics at http://").then_some(()));
}

fn agent_log_has(node: &Node, part: &str) -> bool {
    fs::read_to_string(node.path("log")).unwrap().contains(part)
}

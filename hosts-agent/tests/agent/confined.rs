//! What the running agent cannot do.

use std::fs;
use std::os::unix::fs::symlink;

use crate::node::{LOCAL, Node, list, stderr};

/// The child of process `id`.
fn child(id: u32) -> u32 {
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
    children.trim().parse().expect("the agent has one child")
}

#[test]
fn neither_process_reads_the_nodes_secrets() {
    let node = Node::new(LOCAL);
    fs::write(node.path("etc/shadow"), "- {domain: demo.tencentcloudcr.com, ip: 10.0.0.7}\n").unwrap();
    node.mount_list(&list("10.0.0.1"));
    let mut agent = node.start(&["--recheck=1s"]);
    // The list leads to another file of the node: readable as such, and a good list.
    for target in [node.path("etc/shadow"), "/etc/shadow".into()] {
        fs::remove_file(node.path("config/hosts.yaml")).unwrap();
        symlink(&target, node.path("config/hosts.yaml")).unwrap();
        let problem = agent.wait("the refusal", || {
            let output = node.run(&["--healthcheck=ready"]);
            stderr(&output).contains("Permission denied").then(|| stderr(&output))
        });
        assert!(problem.contains("cannot read "), "{problem}");
        assert!(node.hosts().contains("10.0.0.1 demo"), "the last good entries stay");
        fs::remove_file(node.path("config/hosts.yaml")).unwrap();
        symlink("..data/hosts.yaml", node.path("config/hosts.yaml")).unwrap();
        agent.wait("the list", || node.run(&["--healthcheck=ready"]).status.success().then_some(()));
    }
    for process in [agent.child.id(), child(agent.child.id())] {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    }
}

#[test]
fn the_agent_ends_when_its_keeper_does_and_the_keeper_with_the_agent() {
    let node = Node::new(LOCAL);
    node.mount_list(&list("10.0.0.1"));
    let kill = |id: u32| {
        let pid = rustix::process::Pid::from_raw(i32::try_from(id).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    };
    // Long before there is anything to do.
    let mut agent = node.start(&["--recheck=1h"]);
    agent.wait("the list", || node.hosts().contains("10.0.0.1 demo").then_some(()));
    kill(child(agent.child.id()));
    let status = agent.child.wait().unwrap();
    assert_eq!(status.code(), Some(1), "{}", agent.log());
    assert!(agent.log().ends_with("for this one has ended\n"), "{}", agent.log());

    let mut agent = node.start(&["--recheck=1s"]);
    let keeper = child(agent.child.id());
    agent.child.kill().unwrap();
    agent.child.wait().unwrap();
    let is_gone = || match fs::read_to_string(format!("/proc/{keeper}/stat")) {
        Ok(stat) => stat.contains(") Z "),
        Err(_) => true,
    };
    let start = std::time::Instant::now();
    while !is_gone() {
        assert!(start.elapsed().as_secs() < 30, "the keeper goes on alone");
        std::thread::yield_now();
    }
}

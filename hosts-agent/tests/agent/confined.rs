//! What the running agent cannot do.

use std::fs;
use std::os::unix::fs::symlink;

use crate::node::{LOCAL, Node, get, list, metric, stderr};

/// What a kernel with Landlock gives, and what one without it.
const MODES: [&str; 2] = ["landlock", "seccomp"];

#[test]
fn neither_process_reads_the_nodes_secrets() {
    for confinement in MODES {
        let node = Node::new(LOCAL);
        fs::write(node.path("etc/shadow"), "- {domain: demo.tencentcloudcr.com, ip: 10.0.0.7}\n").unwrap();
        node.mount_list(&list("10.0.0.1"));
        let mut agent = node.start(&["--recheck=1s", &format!("--confinement={confinement}")]);
        // The list leads to another file of the node: readable as such, and a good list.
        for target in [node.path("etc/shadow"), "/etc/shadow".into()] {
            fs::remove_file(node.path("config/hosts.yaml")).unwrap();
            symlink(&target, node.path("config/hosts.yaml")).unwrap();
            let problem = agent.wait("the refusal", || {
                let output = node.run(&["--healthcheck=ready"]);
                stderr(&output).contains("it leads out of").then(|| stderr(&output))
            });
            assert!(problem.contains("cannot follow the symlink "), "{problem}");
            assert!(node.hosts().contains("10.0.0.1 demo"), "the last good entries stay");
            fs::remove_file(node.path("config/hosts.yaml")).unwrap();
            symlink("..data/hosts.yaml", node.path("config/hosts.yaml")).unwrap();
            agent.wait("the list", || node.run(&["--healthcheck=ready"]).status.success().then_some(()));
        }
    }
}

#[test]
fn both_processes_and_all_their_threads_are_confined_and_say_by_what() {
    for confinement in MODES {
        let node = Node::new(LOCAL);
        node.mount_list(&list("10.0.0.1"));
        let arguments =
            ["--metrics-ip=127.0.0.1", "--metrics-port=0", &format!("--confinement={confinement}")];
        let mut agent = node.start(&arguments);
        agent.wait("the list", || node.hosts().contains("10.0.0.1 demo").then_some(()));
        let mut threads = 0;
        for process in [agent.child.id(), agent.keeper()] {
            for task in fs::read_dir(format!("/proc/{process}/task")).unwrap() {
                let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
                assert!(status.contains("NoNewPrivs:\t1") && status.contains("Seccomp:\t2"), "{status}");
                threads += 1;
            }
        }
        assert_eq!(threads, 3, "the agent, its metrics, its keeper");
        let metrics = get(agent.metrics_address(), "/metrics");
        assert!(metrics.contains(&format!(",confinement=\"{confinement}\"}} 1")), "{metrics}");
        assert_eq!(metric(&metrics, "confined"), 1);
        assert!(agent.log().starts_with("confined by "), "{}", agent.log());
    }
}

/// What the agent has open that is a file: its state, and for reading only the list and the hosts file.
#[test]
fn the_agent_holds_no_file_of_the_node_open_for_writing() {
    let node = Node::new(LOCAL);
    node.mount_list(&list("10.0.0.1"));
    let mut agent = node.start(&["--recheck=1h"]);
    agent.wait("the list", || node.run(&["--healthcheck=ready"]).status.success().then_some(()));
    let process = format!("/proc/{}", agent.child.id());
    let mut writable = Vec::new();
    for fd in fs::read_dir(format!("{process}/fd")).unwrap() {
        let fd = fd.unwrap();
        let Ok(target) = fs::read_link(fd.path()) else { continue };
        let name = fd.file_name().into_string().unwrap();
        let Ok(info) = fs::read_to_string(format!("{process}/fdinfo/{name}")) else { continue };
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
        let flags = u32::from_str_radix(flags.trim(), 8).unwrap();
        if flags & 0b11 != 0 && target.starts_with(node.path("")) {
            writable.push(target.strip_prefix(node.path("")).unwrap().to_string_lossy().into_owned());
        }
    }
    writable.sort();
    assert_eq!(writable, ["log", "state/state"]);
}

#[test]
fn without_landlock_lists_and_other_writers_are_followed_all_the_same() {
    let node = Node::new(LOCAL);
    node.mount_list(&list("10.0.0.1"));
    let mut agent = node.start(&["--recheck=1h", "--confinement=seccomp"]);
    agent.wait("the list", || node.hosts().contains("10.0.0.1 demo").then_some(()));
    node.mount_list(&list("10.0.0.2"));
    agent.wait("the new list", || node.hosts().contains("10.0.0.2 demo").then_some(()));
    fs::write(node.path("etc/theirs"), "127.0.0.1 localhost renamed\n").unwrap();
    fs::rename(node.path("etc/theirs"), node.hosts_file()).unwrap();
    agent.wait("the block in the other writer's file", || {
        (node.hosts().contains("renamed\n") && node.hosts().contains("10.0.0.2 demo")).then_some(())
    });
    node.mount_list("[]");
    agent.wait("the block's end", || (node.hosts() == "127.0.0.1 localhost renamed\n").then_some(()));
    assert_eq!(agent.terminate().code(), Some(0), "{}", agent.log());
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
    kill(agent.keeper());
    let status = agent.child.wait().unwrap();
    assert_eq!(status.code(), Some(1), "{}", agent.log());
    assert!(agent.log().ends_with("for this one has ended\n"), "{}", agent.log());

    let mut agent = node.start(&["--recheck=1s"]);
    let keeper = agent.keeper();
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

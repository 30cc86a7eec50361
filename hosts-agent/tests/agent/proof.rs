//! What becomes of the names on the node, as the agent reports it.

use std::fs;
use std::process::Command;

use crate::node::{Agent, LOCAL, Node, get, list, metric};

const METRICS: [&str; 3] = ["--recheck=1s", "--metrics-ip=127.0.0.1", "--metrics-port=0"];

/// Waits until the one name of the list has that state.
fn wait_for(agent: &mut Agent, state: &str) {
    let sample = format!("hosts_updater_names{{state=\"{state}\"}} 1\n");
    let address = agent.metrics_address();
    agent.wait(state, || get(address, "/metrics").contains(&sample).then_some(()));
    let unused =
        format!("hosts_updater_unused_name{{domain=\"demo.tencentcloudcr.com\",state=\"{state}\"}} 1\n");
    assert_eq!(get(address, "/metrics").contains(&unused), state != "used");
}

#[test]
fn a_node_that_does_not_ask_its_hosts_file_says_so_until_it_does() {
    for confinement in ["landlock", "seccomp"] {
        let node = Node::new(LOCAL);
        fs::write(node.path("etc/nsswitch.conf"), "passwd: files\nhosts: dns files\n").unwrap();
        node.mount_list(&list("10.0.0.1"));
        let mut agent = node.start(&[&METRICS[..], &[&format!("--confinement={confinement}")]].concat());
        wait_for(&mut agent, "not_asked");
        assert!(agent.log().contains("its line hosts: has dns before files"), "{}", agent.log());
        fs::write(node.path("etc/nsswitch.new"), "hosts: files dns\n").unwrap();
        fs::rename(node.path("etc/nsswitch.new"), node.path("etc/nsswitch.conf")).unwrap();
        wait_for(&mut agent, "used");
        fs::remove_file(node.path("etc/nsswitch.conf")).unwrap();
        wait_for(&mut agent, "used");
    }
}

#[test]
fn a_line_of_others_before_the_entry_is_reported_until_it_is_gone() {
    let node = Node::new("9.9.9.9 demo.tencentcloudcr.com\n");
    node.mount_list(&list("10.0.0.1"));
    let mut agent = node.start(&METRICS);
    wait_for(&mut agent, "shadowed");
    fs::write(node.path("etc/new"), node.hosts().replace("9.9.9.9 demo.tencentcloudcr.com\n", LOCAL))
        .unwrap();
    fs::rename(node.path("etc/new"), node.hosts_file()).unwrap();
    wait_for(&mut agent, "used");
}

#[test]
fn a_node_whose_hosts_file_nobody_can_write_says_so_and_is_not_ready() {
    assert!(rustix::process::geteuid().is_root(), "this test needs root, to mount in a namespace of its own");
    let node = Node::new(LOCAL);
    node.mount_list(&list("10.0.0.1"));
    let program = node.command(&METRICS);
    let mut command = Command::new("unshare");
    let script = r#"mount --bind "$ETC" "$ETC"; mount -o remount,bind,ro "$ETC"; exec "$@""#;
    command.args(["--mount", "--propagation", "private", "sh", "-euc", script, "sh"]);
    command.arg(program.get_program()).args(program.get_args()).env("ETC", node.path("etc"));
    let mut agent = node.spawn(&mut command);
    agent.wait("its first pass", || {
        let output = node.run(&["--healthcheck=ready"]);
        crate::node::stderr(&output).contains("Read-only file system").then_some(())
    });
    let metrics = get(agent.metrics_address(), "/metrics");
    assert_eq!((metric(&metrics, "read_only"), metric(&metrics, "ready")), (1, 0), "{metrics}");
    wait_for(&mut agent, "missing");
    assert_eq!(node.hosts(), LOCAL);
}

//! Entries of private links, in a network namespace of the test's own with an address that a link
//! could have.

use std::process::{Child, Command, Stdio};

use crate::node::{Agent, LOCAL, Node};

const ADDRESS: &str = "10.9.0.2";

/// Runs the program in a new network namespace in which [`ADDRESS`] is the machine's.
fn start(node: &Node, arguments: &[&str]) -> Agent {
    assert!(rustix::process::geteuid().is_root(), "this test needs root, to make a network namespace");
    let script = format!(r#"ip link set lo up; ip addr add {ADDRESS}/32 dev lo; exec "$@""#);
    let program = node.command(arguments);
    let mut command = Command::new("unshare");
    command.args(["--net", "sh", "-euc", &script, "sh"]);
    command.arg(program.get_program()).args(program.get_args());
    node.spawn(&mut command)
}

/// Somebody who listens on the port there, until killed: the program's own metrics.
fn listen(agent: &Agent, other: &Node, port: &str) -> Child {
    let ip = format!("--metrics-ip={ADDRESS}");
    let port = format!("--metrics-port={port}");
    let program = other.command(&[&ip, &port]);
    let mut command = Command::new("nsenter");
    command.args(["--net", "--target", &agent.child.id().to_string()]);
    command.arg(program.get_program()).args(program.get_args());
    command.stderr(Stdio::null()).spawn().expect("this test needs nsenter: apt-get install util-linux")
}

#[test]
fn a_link_that_comes_and_goes_takes_its_entry_along() {
    let (node, other) = (Node::new(LOCAL), Node::new(LOCAL));
    node.mount_list(&format!("- {{domain: demo.tencentcloudcr.com, ip: {ADDRESS}, whenLinkDown: Remove}}\n"));
    other.mount_list("[]");
    let mut agent = start(&node, &["--recheck=1s", "--probe-port=7443"]);
    agent.wait("the first pass", || node.run(&["--healthcheck=ready"]).status.success().then_some(()));
    assert_eq!(node.hosts(), LOCAL);
    assert!(agent.log().contains("the link at 10.9.0.2 does not answer; its entries wait for it"));
    let mut listener = listen(&agent, &other, "7443");
    agent.wait("the entry", || node.hosts().contains("10.9.0.2 demo").then_some(()));
    listener.kill().unwrap();
    listener.wait().unwrap();
    agent.wait("the entry to go", || (node.hosts() == LOCAL).then_some(()));
    let mut listener = listen(&agent, &other, "7443");
    agent.wait("the entry to be back", || node.hosts().contains("10.9.0.2 demo").then_some(()));
    listener.kill().unwrap();
    listener.wait().unwrap();
}

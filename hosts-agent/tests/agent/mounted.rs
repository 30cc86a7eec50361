//! Hosts files that are mounts, in a mount namespace of the test's own.

use std::path::Path;
use std::process::{Command, Output};

use crate::node::{LOCAL, Node, list, stderr};

/// Runs a shell script in a mount namespace of its own; `$1` is the program with its arguments in
/// `$2` and so on, `$HOSTS` and `$ETC` the node's.
fn in_namespace(node: &Node, script: &str, arguments: &[&str]) -> Output {
    assert!(
        rustix::process::geteuid().is_root(),
        "this test needs root, to mount in a namespace of its own (unshare -m)"
    );
    let program = node.command(arguments);
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-euc", script, "sh"]);
    command.arg(program.get_program()).args(program.get_args());
    command.env("HOSTS", node.hosts_file()).env("ETC", node.path("etc"));
    command.output().expect("this test needs the program unshare: apt-get install util-linux")
}

#[track_caller]
fn check_in_place(node: &Node, script: &str) {
    node.mount_list(&list("10.0.0.2"));
    let output = in_namespace(node, script, &["--once"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("overwrite"), "{}", stderr(&output));
    let hosts = node.hosts();
    assert!(hosts.starts_with(LOCAL) && hosts.contains("\n10.0.0.2 demo.tencentcloudcr.com "), "{hosts}");
    let output = in_namespace(node, script, &["--remove"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(node.hosts(), LOCAL);
    assert!(!Path::new(&node.path("etc/.hosts-updater.new")).exists());
}

#[test]
fn a_hosts_file_that_is_a_mount_is_overwritten_in_place() {
    check_in_place(&Node::new(LOCAL), r#"mount --bind "$HOSTS" "$HOSTS"; exec "$@""#);
}

#[test]
fn a_writable_mount_in_a_read_only_directory_is_overwritten_in_place() {
    check_in_place(
        &Node::new(LOCAL),
        r#"mount --bind "$ETC" "$ETC"; mount --bind "$HOSTS" "$HOSTS"; mount -o remount,bind,ro "$ETC"; exec "$@""#,
    );
}

#[test]
fn a_mount_of_a_file_that_the_node_has_replaced_is_an_error_that_says_so() {
    let node = Node::new(LOCAL);
    node.mount_list(&list("10.0.0.2"));
    // The file is removed outside of the mount, as a rename over it on the node does.
    let script = r#"
        mkdir "$ETC/../view"; touch "$ETC/../view/hosts"
        mount --bind "$HOSTS" "$ETC/../view/hosts"; rm "$HOSTS"; echo new > "$HOSTS"
        exec "$@" --hosts-file "$ETC/../view/hosts"
    "#;
    let program = node.command(&["--once"]);
    let arguments: Vec<_> =
        program.get_args().map(|argument| argument.to_string_lossy().into_owned()).collect();
    // The path of the hosts file is the view's, and may be given once only.
    let arguments: Vec<_> = arguments
        .iter()
        .map(String::as_str)
        .filter(|argument| *argument != "--hosts-file" && *argument != node.hosts_file().to_string_lossy())
        .collect();
    assert!(rustix::process::geteuid().is_root(), "this test needs root (unshare -m)");
    let output = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-euc", script, "sh"])
        .arg(program.get_program())
        .args(arguments)
        .env("HOSTS", node.hosts_file())
        .env("ETC", node.path("etc"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("mount the directory, not the file"), "{}", stderr(&output));
    assert_eq!(node.hosts(), "new\n");
}

#[test]
fn no_reader_of_a_mounted_file_ever_misses_the_nodes_own_lines() {
    let node = Node::new(&LOCAL.repeat(40));
    node.mount_list(&list("10.0.0.2"));
    // Writes and removes while a reader looks: the node's own 40 lines are always there.
    let script = r#"
        mount --bind "$HOSTS" "$HOSTS"
        ( n=0; while [ ! -e "$ETC/stop" ]; do
            [ "$(grep -c '^127.0.0.1 localhost$' "$HOSTS")" = 40 ] || echo torn; n=$((n+1))
          done; echo "$n reads" ) &
        for round in $(seq 30); do "$@" --once; "$@" --remove; done
        touch "$ETC/stop"; wait
    "#;
    let output = in_namespace(&node, script, &[]);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", stderr(&output));
    let reads = printed.strip_suffix(" reads\n").and_then(|reads| reads.parse::<u32>().ok());
    assert!(reads.is_some_and(|reads| reads > 0), "only reads, none torn: {printed}");
}

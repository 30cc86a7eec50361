//! SIGKILL at any moment of a rewrite, with readers that never stop.

use std::fs;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::node::{Node, list, names};

const ROUNDS: u32 = 500;

#[test]
fn no_reader_sees_a_torn_file_whenever_the_writer_dies() {
    // A megabyte of others' lines, so that the write is not over before it can be hit.
    let others: String =
        (0..20_000).map(|number| format!("10.20.30.40 host-{number}.example.com # theirs\n")).collect();
    let node = Node::new(&others);
    let mut versions = vec![others.clone()];
    for ip in ["10.0.0.1", "10.0.0.2"] {
        node.mount_list(&list(ip));
        assert!(node.run(&["--once"]).status.success());
        versions.push(node.hosts());
    }
    let duration = {
        let start = Instant::now();
        node.mount_list(&list("10.0.0.1"));
        assert!(node.run(&["--once"]).status.success());
        start.elapsed()
    };
    let stop = AtomicBool::new(false);
    let (reads, torn) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                if !versions.contains(&node.hosts()) {
                    torn.fetch_add(1, Ordering::Relaxed);
                }
                reads.fetch_add(1, Ordering::Relaxed);
            }
        });
        for round in 0..ROUNDS {
            node.mount_list(&list(if round % 2 == 0 { "10.0.0.2" } else { "10.0.0.1" }));
            let mut child = node.command(&["--once"]).stderr(Stdio::null()).spawn().unwrap();
            // Moments spread over one and a half times of what a rewrite takes.
            let until = Instant::now() + duration.mul_f64(1.5 * f64::from(round % 20) / 20.0);
            while Instant::now() < until && child.try_wait().unwrap().is_none() {
                std::thread::yield_now();
            }
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let enough = Instant::now() + Duration::from_secs(20);
        while reads.load(Ordering::Relaxed) < 100 && Instant::now() < enough {
            std::thread::yield_now();
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(torn.into_inner(), 0, "torn reads");
    assert!(reads.into_inner() >= 100, "the reader hardly ran");
    let left = names(&node.path("etc"));
    assert!(left.len() <= 2, "at most one temporary file is left: {left:?}");
    // The next process cleans up.
    node.mount_list("[]");
    assert!(node.run(&["--once"]).status.success());
    assert_eq!(fs::read_to_string(node.hosts_file()).unwrap(), others);
    assert_eq!(names(&node.path("etc")), ["hosts"]);
}

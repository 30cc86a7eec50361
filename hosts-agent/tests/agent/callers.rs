//! Callers of the metrics that are silent, slow or too many.

use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::node::{LOCAL, Node, get, list, metric};

/// Hostile connections of one kind at a time.
const CALLERS: usize = 1000;
/// What the chart gives both processes, in KiB.
const MEMORY: u64 = 16 << 10;

/// Opens a connection, and does with it what such a caller does.
type Hostile = fn(SocketAddr) -> std::io::Result<TcpStream>;

fn silent(address: SocketAddr) -> std::io::Result<TcpStream> {
    TcpStream::connect(address)
}

fn half_a_head(address: SocketAddr) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nX-Padding: ")?;
    stream.write_all(&[b'x'; 4000])?;
    Ok(stream)
}

fn asks_and_does_not_read(address: SocketAddr) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n")?;
    Ok(stream)
}

fn hangs_up_in_the_middle(address: SocketAddr) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET /met")?;
    stream.shutdown(Shutdown::Write)?;
    Ok(stream)
}

/// Every connection of this test is one of the process's descriptors.
fn raise_the_limit_of_open_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    assert!(maximum.is_none_or(|most| most >= 4096), "this test needs 4096 open files: ulimit -Hn");
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}

#[test]
fn while_a_thousand_hostile_callers_go_on_an_honest_one_is_answered_within_a_second() {
    raise_the_limit_of_open_files();
    let node = Node::new(LOCAL);
    node.mount_list(&list("10.0.0.1"));
    let mut agent = node.start(&["--recheck=1s", "--metrics-ip=127.0.0.1", "--metrics-port=0"]);
    let address = agent.metrics_address();
    for (name, hostile) in [
        ("silent", silent as Hostile),
        ("half a head", half_a_head),
        ("asks and does not read", asks_and_does_not_read),
        ("hangs up in the middle", hangs_up_in_the_middle),
    ] {
        let (stop, opened) = (AtomicBool::new(false), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut held: Vec<TcpStream> = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    // Whom the server hangs up on comes back.
                    if held.len() == CALLERS {
                        held.remove(0);
                    }
                    held.extend(hostile(address).ok());
                    opened.fetch_add(1, Ordering::Relaxed);
                }
            });
            agent.wait("the callers", || (opened.load(Ordering::Relaxed) >= CALLERS).then_some(()));
            let mut fastest = Duration::MAX;
            for _ in 0..10 {
                let asked = Instant::now();
                assert_eq!(metric(&get(address, "/metrics"), "ready"), 1);
                fastest = fastest.min(asked.elapsed());
                // Probes do not come by the network.
                assert!(node.run(&["--healthcheck=live"]).status.success());
            }
            stop.store(true, Ordering::Relaxed);
            assert!(fastest < Duration::from_secs(1), "{name}: {fastest:?}");
        });
        assert!(agent.most_memory() < MEMORY, "{name}: {} KiB", agent.most_memory());
    }
    node.mount_list(&list("10.0.0.2"));
    agent.wait("the new list", || node.hosts().contains("10.0.0.2 demo").then_some(()));
}

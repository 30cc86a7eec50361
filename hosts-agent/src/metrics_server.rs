//! `GET /metrics` over HTTP/1.0: the metrics are few, the port is on the node's network, and a web framework
//! would be most of this program.
//!
//! One thread serves all clients at once, so that a silent or slow one does not delay others. Each has a time
//! limit for its request and one for receiving the answer. There is room for a few; when all places are
//! taken, a new client gets a place of the peer that has the most. So no peer, whatever it does, keeps
//! another one from its answer.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::report::Report;

mod caller;

use caller::Caller;

/// Places: many times what scrapes a node, and with the longest requests still little memory.
const PLACES: usize = 64;
/// After a failed accept: the reason (no descriptors left) does not pass at once.
const PAUSE: Duration = Duration::from_secs(1);
/// Connections accepted in a row before existing ones are served.
const AT_A_TIME: usize = PLACES;

/// The report that the agent writes and callers read.
pub type SharedReport = Arc<Mutex<Report>>;

/// Listens on `address` and answers from `report` until the program ends. Gives the address that
/// it listens on.
pub fn start(address: SocketAddr, report: SharedReport) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let bound = listener.local_addr()?;
    let server = Server { listener, report, callers: Vec::new(), paused_until: None };
    thread::Builder::new().name("metrics".to_owned()).stack_size(128 << 10).spawn(move || server.run())?;
    Ok(bound)
}

struct Server {
    listener: TcpListener,
    report: SharedReport,
    /// The longest here first.
    callers: Vec<Caller>,
    /// No connection is accepted before this time.
    paused_until: Option<Instant>,
}

impl Server {
    fn run(mut self) {
        loop {
            let (is_called, ready) = self.wait();
            let metrics = || self.report.lock().unwrap_or_else(PoisonError::into_inner).metrics();
            let mut ready = ready.into_iter();
            let now = Instant::now();
            self.callers.retain_mut(|caller| {
                let is_over = ready.next().unwrap_or(false) && caller.go_on(now, metrics).is_over();
                !is_over && caller.until() > now
            });
            if is_called {
                self.accept(now);
            }
        }
    }

    /// Waits until something can be done: whether there is a new caller, and which callers can go on.
    fn wait(&mut self) -> (bool, Vec<bool>) {
        let now = Instant::now();
        self.paused_until = self.paused_until.filter(|until| *until > now);
        let next = self.callers.iter().map(Caller::until).chain(self.paused_until).min();
        let left = next.map(|next| next.saturating_duration_since(now));
        // Rounded up: never awake a moment too early, again and again.
        let timeout = left.map(|left| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()) + i64::from(left.subsec_nanos() < 999_999_999),
        });
        let listening = if self.paused_until.is_some() { PollFlags::empty() } else { PollFlags::IN };
        let mut fds = vec![PollFd::new(&self.listener, listening)];
        fds.extend(self.callers.iter().map(|caller| PollFd::new(caller.stream(), caller.waits_for())));
        if poll(&mut fds, timeout.as_ref()).is_err() {
            return (false, Vec::new());
        }
        let is_ready = |fd: &PollFd<'_>| !fd.revents().is_empty();
        (is_ready(&fds[0]), fds[1..].iter().map(is_ready).collect())
    }

    fn accept(&mut self, now: Instant) {
        for _ in 0..AT_A_TIME {
            match self.listener.accept() {
                Ok((stream, peer)) => {
                    let Ok(mut caller) = Caller::new(stream, peer.ip(), now) else { continue };
                    let metrics = || self.report.lock().unwrap_or_else(PoisonError::into_inner).metrics();
                    // Its request is often there already.
                    if caller.go_on(now, metrics).is_over() {
                        continue;
                    }
                    if self.callers.len() == PLACES {
                        self.dismiss();
                    }
                    self.callers.push(caller);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // He went away before it was his turn.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(_) => {
                    self.dismiss();
                    self.paused_until = Some(now + PAUSE);
                    return;
                }
            }
        }
    }

    fn dismiss(&mut self) {
        let peers: Vec<IpAddr> = self.callers.iter().map(Caller::peer).collect();
        if let Some(place) = next_to_leave(&peers) {
            self.callers.remove(place);
        }
    }
}

/// The client that loses its place, of clients in the order of their arrival: of the peer with the most
/// places, the one that came first.
fn next_to_leave(peers: &[IpAddr]) -> Option<usize> {
    let share = |peer: &IpAddr| peers.iter().filter(|other| *other == peer).count();
    // The first of those with the largest share; max_by_key would give the last.
    (0..peers.len()).rev().max_by_key(|place| share(&peers[*place]))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn the_peer_with_the_most_places_gives_one_away() {
        let peers =
            |text: &str| -> Vec<IpAddr> { text.bytes().map(|byte| [10, 0, 0, byte].into()).collect() };
        assert_eq!(next_to_leave(&peers("")), None);
        assert_eq!(next_to_leave(&peers("abc")), Some(0));
        assert_eq!(next_to_leave(&peers("abcb")), Some(1));
        assert_eq!(next_to_leave(&peers("abbcccab")), Some(1));
        assert_eq!(next_to_leave(&peers("abbccca")), Some(3));
    }

    fn ask(address: SocketAddr) -> String {
        let mut caller = TcpStream::connect(address).unwrap();
        caller.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        caller.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn callers_that_say_too_much_or_nothing_do_not_stop_the_next_one() {
        let report = SharedReport::default();
        let address = start(SocketAddr::from(([127, 0, 0, 1], 0)), report).unwrap();
        let mut noisy = TcpStream::connect(address).unwrap();
        // The server hangs up in the middle; how much of it was taken does not matter.
        let _ = noisy.write_all(&[b'x'; 64 << 10]);
        let silent: Vec<TcpStream> = (0..3 * PLACES).map(|_| TcpStream::connect(address).unwrap()).collect();
        for _ in 0..3 {
            let answer = ask(address);
            assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"), "{answer}");
            assert!(answer.contains("\nhosts_updater_ready 0\n"), "{answer}");
        }
        drop(silent);
    }

    #[test]
    fn a_caller_that_stays_silent_is_hung_up_on() {
        let address = start(SocketAddr::from(([127, 0, 0, 1], 0)), SharedReport::default()).unwrap();
        let mut silent = TcpStream::connect(address).unwrap();
        let mut half = TcpStream::connect(address).unwrap();
        half.write_all(b"GET /metrics HTTP/1.0\r\nX: ").unwrap();
        for stream in [&mut silent, &mut half] {
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            assert_eq!(answer, b"");
        }
    }
}

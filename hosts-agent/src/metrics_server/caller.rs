//! One client: its request, and then its answer.

use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

/// For the whole request, and again for receiving the answer; on a node's network either takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);
/// A request that is longer is not a scraper's.
const MAX_REQUEST: usize = 4096;

/// A client that has connected.
#[derive(Debug)]
pub(super) struct Caller {
    stream: TcpStream,
    peer: IpAddr,
    until: Instant,
    turn: Turn,
}

#[derive(Debug)]
enum Turn {
    /// The bytes of the request so far.
    Theirs(Vec<u8>),
    /// The answer, and how much of it has gone.
    Ours(Vec<u8>, usize),
}

/// Whether there is more to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Waiting,
    Over,
}

impl Progress {
    pub(super) fn is_over(self) -> bool {
        self == Self::Over
    }
}

impl Caller {
    pub(super) fn new(stream: TcpStream, peer: IpAddr, now: Instant) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream, peer, until: now + PATIENCE, turn: Turn::Theirs(Vec::new()) })
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(super) fn peer(&self) -> IpAddr {
        self.peer
    }

    /// When the caller is given up.
    pub(super) fn until(&self) -> Instant {
        self.until
    }

    pub(super) fn waits_for(&self) -> PollFlags {
        match self.turn {
            Turn::Theirs(_) => PollFlags::IN,
            Turn::Ours(..) => PollFlags::OUT,
        }
    }

    /// Reads or writes what can be without waiting.
    pub(super) fn go_on(&mut self, now: Instant, metrics: impl Fn() -> String) -> Progress {
        match self.step(now, metrics) {
            Ok(progress) => progress,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Progress::Waiting
            }
            // A client may leave at any time.
            Err(_) => Progress::Over,
        }
    }

    fn step(&mut self, now: Instant, metrics: impl Fn() -> String) -> io::Result<Progress> {
        if let Turn::Theirs(request) = &mut self.turn {
            let mut part = [0; 1024];
            let count = self.stream.read(&mut part)?;
            request.extend_from_slice(&part[..count]);
            if count == 0 || request.len() > MAX_REQUEST {
                return Ok(Progress::Over);
            }
            if !request.windows(4).any(|window| window == b"\r\n\r\n") {
                return Ok(Progress::Waiting);
            }
            self.turn = Turn::Ours(response(request, metrics).into_bytes(), 0);
            self.until = now + PATIENCE;
        }
        while let Turn::Ours(answer, sent) = &mut self.turn {
            match self.stream.write(&answer[*sent..])? {
                0 => break,
                count => *sent += count,
            }
            if *sent == answer.len() {
                break;
            }
        }
        Ok(Progress::Over)
    }
}

fn response(request: &[u8], metrics: impl Fn() -> String) -> String {
    let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    let (status, body) = match (method, path) {
        (b"GET" | b"HEAD", b"/metrics") => ("200 OK", metrics()),
        (b"GET" | b"HEAD", _) => ("404 Not Found", "only /metrics is here\n".to_owned()),
        _ => ("405 Method Not Allowed\r\nAllow: GET, HEAD", "only GET is answered\n".to_owned()),
    };
    let head = format!(
        "HTTP/1.0 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    if method == b"HEAD" { head } else { head + &body }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(request: &str) -> String {
        let response = response(request.as_bytes(), || "x 1\n".to_owned());
        response.lines().next().unwrap_or_default().to_owned()
    }

    #[test]
    fn only_reading_the_metrics_is_answered() {
        assert_eq!(status("GET /metrics HTTP/1.1\r\n\r\n"), "HTTP/1.0 200 OK");
        assert_eq!(status("GET /metrics?x=1 HTTP/1.0\r\n\r\n"), "HTTP/1.0 200 OK");
        assert_eq!(status("GET /metrics/../state HTTP/1.1\r\n\r\n"), "HTTP/1.0 404 Not Found");
        assert_eq!(status("POST /metrics HTTP/1.1\r\n\r\n"), "HTTP/1.0 405 Method Not Allowed");
        assert_eq!(status("\r\n\r\n"), "HTTP/1.0 405 Method Not Allowed");
        let head = response(b"HEAD /metrics HTTP/1.1\r\n\r\n", || "x 1\n".to_owned());
        assert!(head.contains("Content-Length: 4\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    }
}

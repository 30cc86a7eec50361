//! `GET /metrics` over HTTP/1.0, by one thread that answers one caller at a time: the numbers are
//! few, the port is on the node's network, and a web framework would be most of this program.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::report::Report;

/// A caller has this long for everything, so that a slow one delays the others by no more.
const PATIENCE: Duration = Duration::from_secs(2);
/// A request that is longer is not a scraper's.
const MAX_REQUEST: usize = 4096;
/// After a failed accept: the reason (no descriptors left) does not pass at once.
const PAUSE: Duration = Duration::from_secs(1);

/// The report that the agent writes and callers read.
pub type SharedReport = Arc<Mutex<Report>>;

/// Listens on `address` and answers from `report` until the program ends. Gives the address that
/// it listens on.
pub fn start(address: SocketAddr, report: SharedReport) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address)?;
    let bound = listener.local_addr()?;
    thread::Builder::new().name("metrics".to_owned()).stack_size(128 << 10).spawn(move || {
        loop {
            match listener.accept() {
                // A caller that goes away is his own business.
                Ok((stream, _)) => drop(answer(stream, &report)),
                Err(_) => thread::sleep(PAUSE),
            }
        }
    })?;
    Ok(bound)
}

fn answer(mut stream: TcpStream, report: &SharedReport) -> io::Result<()> {
    let end = Instant::now() + PATIENCE;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut request = Vec::new();
    let mut part = [0; 512];
    while !request.windows(4).any(|window| window == b"\r\n\r\n") {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() || request.len() > MAX_REQUEST {
            return Ok(());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut part)? {
            0 => return Ok(()),
            count => request.extend_from_slice(&part[..count]),
        }
    }
    let metrics = || report.lock().unwrap_or_else(PoisonError::into_inner).metrics();
    stream.write_all(response(&request, metrics).as_bytes())
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

    #[test]
    fn a_caller_that_sends_too_much_or_nothing_does_not_stop_the_next_one() {
        let report = SharedReport::default();
        let address = start(SocketAddr::from(([127, 0, 0, 1], 0)), report).unwrap();
        let mut noisy = TcpStream::connect(address).unwrap();
        // The server hangs up in the middle; how much of it was taken does not matter.
        let _ = noisy.write_all(&[b'x'; 3 * MAX_REQUEST]);
        drop(TcpStream::connect(address).unwrap());
        let mut caller = TcpStream::connect(address).unwrap();
        caller.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        caller.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"), "{answer}");
        assert!(answer.contains("\nhosts_updater_ready 0\n"), "{answer}");
    }
}

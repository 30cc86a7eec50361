//! Looks whether addresses answer: a TCP connection to each, all at once.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with, sockopt};

/// A link inside a region answers within milliseconds; a lost packet is sent again after a second.
const PATIENCE: Duration = Duration::from_millis(2500);

/// Which of `addresses` accept a connection on `port`, in their order.
pub fn answers(addresses: &[IpAddr], port: u16) -> Vec<bool> {
    let end = Instant::now() + PATIENCE;
    let mut attempts: Vec<Attempt> = addresses.iter().map(|address| begin(*address, port)).collect();
    loop {
        let waiting: Vec<(usize, &OwnedFd)> = attempts
            .iter()
            .enumerate()
            .filter_map(|(index, attempt)| match attempt {
                Attempt::Waiting(socket) => Some((index, socket)),
                Attempt::Over(_) => None,
            })
            .collect();
        let left = end.saturating_duration_since(Instant::now());
        if waiting.is_empty() || left.is_zero() {
            break;
        }
        let mut fds: Vec<PollFd<'_>> =
            waiting.iter().map(|(_, socket)| PollFd::new(*socket, PollFlags::OUT)).collect();
        let timeout = Timespec { tv_sec: 0, tv_nsec: 0 };
        let timeout = Timespec::try_from(left).unwrap_or(timeout);
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => break,
        }
        let over: Vec<(usize, bool)> = waiting
            .iter()
            .zip(&fds)
            .filter(|(_, fd)| !fd.revents().is_empty())
            .map(|((index, socket), _)| (*index, matches!(sockopt::socket_error(socket), Ok(Ok(())))))
            .collect();
        for (index, does) in over {
            attempts[index] = Attempt::Over(does);
        }
    }
    attempts.iter().map(|attempt| matches!(attempt, Attempt::Over(true))).collect()
}

enum Attempt {
    Waiting(OwnedFd),
    Over(bool),
}

fn begin(address: IpAddr, port: u16) -> Attempt {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let Ok(socket) = socket_with(family, SocketType::STREAM, flags, None) else {
        return Attempt::Over(false);
    };
    match connect(&socket, &SocketAddr::new(address, port)) {
        Ok(()) => Attempt::Over(true),
        Err(Errno::INPROGRESS | Errno::INTR) => Attempt::Waiting(socket),
        Err(_) => Attempt::Over(false),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn an_address_that_listens_answers_and_another_one_does_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let asked = [address("127.0.0.2"), address("127.0.0.1"), address("::1")];
        assert_eq!(answers(&asked, port), [false, true, false]);
        assert_eq!(answers(&[], port), [false; 0]);
    }

    #[test]
    fn who_is_silent_is_given_up_in_time() {
        // With a full queue a listener accepts no connection.
        let listener = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None);
        let listener = listener.unwrap();
        rustix::net::bind(&listener, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let bound = SocketAddr::try_from(rustix::net::getsockname(&listener).unwrap()).unwrap();
        let held: Vec<Attempt> = (0..4).map(|_| begin(bound.ip(), bound.port())).collect();
        assert_eq!(answers(&[bound.ip()], bound.port()), [false]);
        drop(held);
    }
}

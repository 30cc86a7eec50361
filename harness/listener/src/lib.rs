//! HTTP for unknown clients. Any program in a cluster can call a port of it, so everything that a client can
//! hold is bounded before it is held:
//!
//! - connections ([`Limits::connections`]): where there are too many, an idle one is closed for the next,
//!   first one of a client with more than its share; where all have requests, one is closed after those. So
//!   neither silent nor busy clients lock others out, and a client that has all connections keeps them while
//!   no other client wants one;
//! - time: until the first request, until the next one, and for receiving an answer;
//! - bytes: heads, HTTP/2's windows and streams, the kernel's buffers, and bodies ([`Bodies`]), which reserve
//!   room before they are read;
//! - work without requests: pings, settings and cancelled streams.
//!
//! A connection that is idle for longer than an API server keeps one (90 s) is closed by the means of the
//! protocol (GOAWAY, `Connection: close`), so that no request is lost.

mod activity;
mod bodies;
mod connection;
mod connections;
mod limits;
mod socket;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use rustix::io::Errno;
use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc;

pub use bodies::{Bodies, Body, BodyError};
pub use connection::Caller;
pub use limits::{Limits, Protocol};

use connection::Connection;
use connections::{Admitted, Connections, Member};

/// The kernel's buffers for received bytes that were not read, and for sent ones: no program sees these
/// bytes, and they count as the container's memory.
const SOCKET_BUFFER: u32 = 64 << 10;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;
/// How soon the next one looks again whether another may leave.
const SOON: Duration = Duration::from_millis(20);
/// The wait after a connection that could not be accepted, such as for want of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Listens, with small buffers. `[::]` takes callers of both families, and those of IPv4 where the kernel has no IPv6:
/// at installation it is not known which addresses the Pods will have.
///
/// # Errors
/// The address is taken, or not this machine's.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, address.port()));
    match listen(address) {
        Err(error) if address == any && is_without_ipv6(&error) => {
            listen((Ipv4Addr::UNSPECIFIED, address.port()).into())
        }
        listener => listener,
    }
}

fn is_without_ipv6(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error())
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if address.ip() == Ipv6Addr::UNSPECIFIED {
        // Else a sysctl says what the address means.
        sockopt::set_ipv6_v6only(&socket, false)?;
    }
    socket.set_reuseaddr(true)?;
    socket.set_recv_buffer_size(SOCKET_BUFFER)?;
    socket.set_send_buffer_size(SOCKET_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Waits for a place. The others wait to be accepted meanwhile, which costs neither side anything.
async fn admitted(connections: &Connections, peer: IpAddr) -> Member {
    loop {
        match connections.admit(peer, Instant::now()) {
            Admitted::As(member) => return member,
            Admitted::Not => tokio::select! {
                () = connections.place_free() => {}
                () = tokio::time::sleep(SOON) => {}
            },
        }
    }
}

/// Serves until `ended`; then takes no new connection, and returns when the requests that were begun are
/// answered. A request's extensions have its [`Caller`].
pub async fn serve(
    listener: TcpListener,
    protocol: Protocol,
    router: Router,
    limits: Limits,
    ended: impl Future<Output = ()>,
) {
    let connection = Arc::new(Connection::new(protocol, router, limits));
    let connections = Connections::new(limits.connections);
    // Each connection holds a sender: when all are gone, the receiver ends.
    let (alive, mut gone) = mpsc::channel::<()>(1);
    tokio::pin!(ended);
    loop {
        let accepted = tokio::select! {
            () = &mut ended => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection; trying again");
                tokio::time::sleep(ACCEPT_RETRY).await;
                continue;
            }
        };
        let member = tokio::select! {
            () = &mut ended => break,
            member = admitted(&connections, peer.ip()) => member,
        };
        let (connection, alive) = (connection.clone(), alive.clone());
        tokio::spawn(async move {
            connection.serve(stream, peer, &member).await;
            drop((member, alive));
        });
    }
    drop(listener);
    connections.close();
    drop(alive);
    gone.recv().await;
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn any_address_of_ipv6_takes_callers_of_both_families_and_any_of_ipv4_only_its_own() {
        let has_ipv6 = std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
        let any = bind((Ipv6Addr::UNSPECIFIED, 0).into()).unwrap();
        let port = any.local_addr().unwrap().port();
        let mut callers = vec![IpAddr::from(Ipv4Addr::LOCALHOST)];
        callers.extend(has_ipv6.then_some(IpAddr::from(Ipv6Addr::LOCALHOST)));
        for caller in callers {
            let _held = TcpStream::connect((caller, port)).await.unwrap();
            assert_eq!(any.accept().await.unwrap().1.ip().to_canonical(), caller);
        }
        let any = bind((Ipv4Addr::UNSPECIFIED, 0).into()).unwrap();
        assert!(any.local_addr().unwrap().is_ipv4());
    }

    #[test]
    fn a_kernel_without_ipv6_is_told_from_an_address_that_is_taken() {
        assert!(is_without_ipv6(&io::Error::from(Errno::AFNOSUPPORT)));
        assert!(!is_without_ipv6(&io::Error::from(Errno::ADDRINUSE)));
    }
}

//! A TCP port that stays ours while its server is down.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with, sockopt};

/// A free port that the kernel chose, bound but not listened on.
///
/// # Guarantees
/// Until it is dropped the kernel gives the port to nobody else, neither to a server that asks for any port nor as the
/// source of an outgoing connection (a client that retries against a server which is down can else connect to itself).
/// A connection made meanwhile is refused. A server of the same user that sets `SO_REUSEPORT`, as kube-apiserver does
/// with `--permit-port-sharing`, can listen on it, as often as it is started.
#[derive(Debug)]
pub struct ReservedPort {
    address: SocketAddr,
    _socket: OwnedFd,
}

impl ReservedPort {
    /// Reserves a port of `address`.
    ///
    /// # Errors
    /// The address is not one of this machine.
    pub fn on(address: IpAddr) -> Result<Self> {
        let reserve = || -> rustix::io::Result<Self> {
            let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
            let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
            sockopt::set_socket_reuseport(&socket, true)?;
            bind(&socket, &SocketAddr::new(address, 0))?;
            let address = getsockname(&socket)?.try_into()?;
            Ok(Self { address, _socket: socket })
        };
        reserve().with_context(|| format!("cannot reserve a port of {address}"))
    }

    /// The address with the port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::{Ipv4Addr, TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_reserved_port_refuses_connections_and_ordinary_servers() {
        let port = ReservedPort::on(Ipv4Addr::LOCALHOST.into()).unwrap();
        assert_eq!(TcpStream::connect(port.address()).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        assert_eq!(TcpListener::bind(port.address()).unwrap_err().kind(), ErrorKind::AddrInUse);
    }
}

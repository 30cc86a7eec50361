//! The protocols of a port, and the limits for its clients.

#[cfg(feature = "webhook")]
use std::sync::Arc;
use std::time::Duration;

/// The limits for clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time.
    pub connections: usize,
    /// From the connection to its first request, TLS handshake included.
    pub first_request: Duration,
    /// The part of it for the TLS handshake.
    pub handshake: Duration,
    /// Without a request; longer than an API server keeps a connection that it does not use.
    pub idle: Duration,
    /// For an answer to be taken, or for the connection to take any byte.
    pub answer: Duration,
}

impl Limits {
    /// Times that suit API servers, kubelets and Prometheus.
    pub fn connections(connections: usize) -> Self {
        let seconds = Duration::from_secs;
        Self {
            connections,
            first_request: seconds(10),
            handshake: seconds(5),
            idle: seconds(120),
            answer: seconds(10),
        }
    }
}

/// The protocol of a port.
#[derive(Clone)]
pub enum Protocol {
    /// HTTP/1.1 on a plain connection.
    Plain,
    /// HTTP/1.1 and HTTP/2 without TLS, to try out what else has TLS.
    #[cfg(feature = "webhook")]
    PlainBoth,
    /// HTTP/1.1 and HTTP/2 over TLS, as the configuration's ALPN protocols say.
    #[cfg(feature = "webhook")]
    Tls(Arc<rustls::ServerConfig>),
}

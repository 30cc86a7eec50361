//! The stand-alone admission webhook, with policy-server's endpoints.
//!
//! ```text
//!   API server ──TLS──► listener ─► routes ─► reviewer ─► policy (a worker's thread, a fresh instance)
//!                          ▲                                 └─► kubernetes/* from the API server
//!                     certificate                health: /readiness, /metrics on a port of its own
//! ```
//!
//! *Guarantees:* a review's time is counted from its arrival, so that a queue that is too long is
//! answered in time; a body, a connection and a header may take so long and be so large, and no more;
//! when told to end, it says so first and finishes what it has begun.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

pub mod certificate;
pub mod constraint;
pub mod health;
mod listener;
pub mod metrics;
mod reviewer;
mod routes;
mod time_limit;

pub use reviewer::{OnHostFailure, Reviewer, ServedPolicy};

use certificate::Certificate;
use health::Health;

/// How the webhook is served.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// Where it listens.
    pub address: IpAddr,
    /// The port of reviews; 0 for any.
    pub port: u16,
    /// The port of `/readiness` and `/metrics`, plain HTTP; 0 for any.
    pub readiness_port: u16,
    /// Where the certificate comes from; none for plain HTTP, on loopback only.
    pub certificate: Option<certificate::Source>,
    /// The largest body of a review, in bytes.
    pub max_body_bytes: usize,
    /// Connections at a time; others wait.
    pub max_connections: usize,
    /// How long reviews are still taken after the readiness was withdrawn.
    pub drain_delay: Duration,
}

/// What is left of the process after the drain's delay, to finish what was begun.
const FINISH: Duration = Duration::from_secs(15);

/// Serves until SIGTERM or SIGINT, then drains. `prepare` compiles the policies; until it is done, and
/// until there is a certificate, the readiness says no.
///
/// # Errors
/// A port is taken, a policy cannot be served, or a certificate file cannot be read.
pub async fn serve(
    options: ServeOptions,
    prepare: impl FnOnce() -> anyhow::Result<Reviewer> + Send + 'static,
) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let bind = async |port| {
        let address = SocketAddr::new(options.address, port);
        TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
    };
    if options.certificate.is_none() && !options.address.is_loopback() {
        bail!("cannot serve plain HTTP on {}: give a certificate, or --addr 127.0.0.1", options.address);
    }
    // Both first: a port that is taken is known before minutes of work.
    let readiness = bind(options.readiness_port).await?;
    let reviews = bind(options.port).await?;
    tracing::info!(reviews = %reviews.local_addr()?, readiness = %readiness.local_addr()?, "listening");

    let (health, state) = Health::new();
    tokio::spawn(health::serve(readiness, state));
    let certificate = match &options.certificate {
        None => {
            health.certificate(true);
            None
        }
        Some(source) => {
            let certificate = Arc::new(Certificate::default());
            certificate::keep(source.clone(), certificate.clone(), health.clone()).await?;
            Some(certificate)
        }
    };
    let prepared = tokio::select! {
        prepared = tokio::task::spawn_blocking(prepare) => prepared.context("a policy could not be prepared")??,
        () = signals.next() => return Ok(()),
    };
    let reviewer = Arc::new(prepared);
    health.serves(reviewer.clone());
    let (end, ended) = watch::channel(false);
    let router = routes::router(reviewer, options.max_body_bytes);
    let served = tokio::spawn(listener::serve(reviews, certificate, router, options.max_connections, ended));
    tracing::info!("serving");

    signals.next().await;
    tracing::info!(delay = ?options.drain_delay, "told to end: no longer ready, still answering");
    health.drain();
    tokio::select! {
        () = tokio::time::sleep(options.drain_delay) => {}
        () = signals.next() => return Ok(()),
    }
    end.send_replace(true);
    tokio::select! {
        ended = tokio::time::timeout(FINISH, served) => match ended {
            Ok(_) => tracing::info!("everything is answered"),
            Err(_) => tracing::warn!("some reviews did not end within {FINISH:?}"),
        },
        () = signals.next() => {}
    }
    Ok(())
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let failed = "cannot handle signals";
        let terminate = signal(SignalKind::terminate()).context(failed)?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt()).context(failed)? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

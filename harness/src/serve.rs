//! The stand-alone admission webhook, with policy-server's endpoints.
//!
//! ```text
//!   API server ──TLS──► listener ─► routes ─► reviewer ─► policy (a worker's thread, a fresh instance)
//!                          ▲                                 └─► kubernetes/* from the API server
//!                     certificate                health: /readiness, /metrics on a port of its own
//! ```
//!
//! Reviews are accepted from the start, and answered as soon as their policy is ready; the process reports
//! readiness when all are, which is when policy-server starts to listen. From then on policies follow their
//! file and modules.
//!
//! *Guarantees:* a review's time is counted from its arrival, so that it is answered in time even from a long
//! queue; the process ends when one of its tasks has ended; the crate `listener` bounds the resources of
//! unknown callers; on a signal to end, readiness is withdrawn first and reviews in progress are finished.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use listener::{Bodies, Limits, Protocol};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::JoinError;

pub mod certificate;
mod client_authority;
pub mod cluster;
pub mod constraint;
mod fair_queue;
pub mod health;
pub mod metrics;
mod modules;
mod policies;
mod preparation;
mod reviewer;
mod routes;
mod served_policy;
mod tasks;
mod time_limit;
mod turns;

pub use modules::Modules;
pub use policies::PoliciesOptions;
pub use reviewer::OnHostFailure;
pub use turns::most_reviews;

use certificate::Certificate;
use client_authority::ClientAuthority;
use health::Health;
use policies::Follower;
use tasks::Tasks;

/// How the webhook is served.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    pub address: IpAddr,
    /// The port of reviews; 0 for any.
    pub port: u16,
    /// The port of `/readiness` and `/metrics`, plain HTTP; 0 for any.
    pub readiness_port: u16,
    /// Where the certificate comes from; none for plain HTTP, on loopback only.
    pub certificate: Option<certificate::Source>,
    /// Files with the certificates of authorities, one of which a caller's certificate must be of; none for any
    /// caller.
    pub client_authorities: Vec<PathBuf>,
    /// The largest body of a review, in bytes.
    pub max_body_bytes: usize,
    /// The most bytes of reviews at a time.
    pub max_inflight_bytes: usize,
    /// Connections at a time; where there are more, those that do nothing are closed.
    pub max_connections: usize,
    /// How long reviews are still taken after the readiness was withdrawn.
    pub drain_delay: Duration,
}

/// The time after the drain's delay in which the process finishes reviews that it has begun.
const FINISH: Duration = Duration::from_secs(15);

/// Serves until SIGTERM or SIGINT, then drains. Until all policies are there, and a certificate, the readiness says no.
/// SIGHUP has it look at once whether the policies changed.
///
/// # Errors
/// A port is taken, a policy cannot be served, or a certificate file cannot be read.
pub async fn serve(options: ServeOptions, policies: PoliciesOptions) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let hangup = signal(SignalKind::hangup()).context("cannot handle signals")?;
    let bind = |port| {
        let address = SocketAddr::new(options.address, port);
        listener::bind(address).with_context(|| format!("cannot listen on {address}"))
    };
    if options.certificate.is_none() && !options.address.is_loopback() {
        bail!("cannot serve plain HTTP on {}: give a certificate, or --addr 127.0.0.1", options.address);
    }
    // Both first: a port that is taken is known before minutes of work.
    let readiness = bind(options.readiness_port)?;
    let reviews = bind(options.port)?;
    tracing::info!(reviews = %reviews.local_addr()?, readiness = %readiness.local_addr()?, "listening");

    let (health, state) = Health::new();
    let mut tasks = Tasks::default();
    tasks.start("the readiness port", health::serve(readiness, state));
    let protocol = match &options.certificate {
        None => {
            health.certificate(true);
            Protocol::PlainBoth
        }
        Some(source) => {
            let certificate = Arc::new(Certificate::default());
            health.serves_with(certificate.clone());
            let keep = certificate::keep(source.clone(), certificate.clone(), health.clone())?;
            tasks.start("the follower of the certificate", keep);
            Protocol::Tls(tls(certificate, options.client_authorities.clone(), &mut tasks)?)
        }
    };
    let mut follower = Follower::new(policies, health.clone())?;
    // Not before: the engines open their own page maps, which are root's alone from then on, and without them each
    // instance's memory is cleared whole.
    if let Err(refused) = undumpable::set() {
        tracing::warn!("{refused}");
    }
    let (end, ended) = oneshot::channel::<()>();
    let bodies = Bodies::new(options.max_inflight_bytes);
    let router = routes::router(follower.reviewer(), options.max_body_bytes, bodies);
    let router = routes::closing_while(router, health.draining());
    let limits = Limits::connections(options.max_connections);
    let mut served = tokio::spawn(listener::serve(reviews, protocol, router, limits, async {
        // Either way it ends.
        let _ = ended.await;
    }));
    tokio::select! {
        prepared = follower.prepare() => prepared?,
        () = signals.next() => return Ok(()),
        gone = tasks.gone() => return Err(gone),
        ended = &mut served => return Err(of_reviews(ended)),
    }
    tasks.start("the follower of the policies", follower.follow(hangup));
    tracing::info!("serving");

    tokio::select! {
        () = signals.next() => {}
        gone = tasks.gone() => return Err(gone),
        ended = &mut served => return Err(of_reviews(ended)),
    }
    health.drain();
    tracing::info!(delay = ?options.drain_delay, "told to end: no longer ready, still answering");
    tokio::select! {
        () = tokio::time::sleep(options.drain_delay) => {}
        () = signals.next() => return Ok(()),
    }
    drop(end);
    tokio::select! {
        ended = tokio::time::timeout(FINISH, served) => match ended {
            Ok(_) => tracing::info!("everything is answered"),
            Err(_) => tracing::warn!("some reviews did not end within {FINISH:?}"),
        },
        () = signals.next() => {}
    }
    Ok(())
}

/// The error when the port of reviews ended: nothing ends it before it is told to.
fn of_reviews(ended: Result<(), JoinError>) -> anyhow::Error {
    match ended {
        Ok(()) => anyhow!("the port of reviews ended"),
        Err(error) => anyhow!("the port of reviews failed: {error}"),
    }
}

/// The protocols for callers: HTTP/2 too, though API servers send reviews over HTTP/1.1, with a connection
/// for each concurrent one.
fn tls(
    certificate: Arc<Certificate>,
    client_authorities: Vec<PathBuf>,
    tasks: &mut Tasks,
) -> anyhow::Result<Arc<rustls::ServerConfig>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("ring has the suites of TLS 1.2 and 1.3");
    let mut config = match client_authorities.is_empty() {
        true => config.with_no_client_auth().with_cert_resolver(certificate),
        false => {
            let (authority, seen) = ClientAuthority::read(&client_authorities, provider)?;
            tasks.start(
                "the follower of the clients' authorities",
                authority.clone().follow(client_authorities, seen),
            );
            let mut config = config.with_client_cert_verifier(authority).with_cert_resolver(certificate);
            // A session that goes on would be let in by what counted before.
            config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
            config
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
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

//! Callers that a listener has to outlive: who says nothing, half of something, or the same for ever.
//!
//! Only bytes on sockets, so that no client library is in the way. They run in a thread of their own, so that a
//! caller that measures beside them is not slower for them than the machine is.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustls::RootCertStore;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::sync::{Semaphore, oneshot};

use crate::eventually;

mod attacker;
mod bytes;

/// Attackers that are connecting at the same time: as one program does that means harm, and no more than a listener's
/// backlog.
const AT_ONCE: usize = 32;

/// A way to keep a listener busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attack {
    /// A connection on which nothing is ever sent, not even what TLS begins with.
    SilentTcp,
    /// A connection that is silent after TLS's handshake.
    SilentTls,
    /// A request's head that never ends: 256 KiB of it, as far as it is read.
    HalfHeads,
    /// A request's body of which 4 of 5 MiB come, as far as they are read.
    HalfBodies,
    /// What HTTP/2 begins with, and nothing after it.
    PrefaceOnly,
    /// HTTP/2 pings, a hundred a second from each caller.
    EndlessPings,
    /// HTTP/2 requests that are taken back at once, a hundred a second from each caller.
    RapidResets,
    /// Requests with long answers that nobody reads: every other caller by HTTP/2 with an empty window, the rest one
    /// after another over HTTP/1.1.
    SlowReaders,
}

impl Attack {
    pub const ALL: [Self; 8] = [
        Self::SilentTcp,
        Self::SilentTls,
        Self::HalfHeads,
        Self::HalfBodies,
        Self::PrefaceOnly,
        Self::EndlessPings,
        Self::RapidResets,
        Self::SlowReaders,
    ];

    /// Whether there is such a thing at a port with or without TLS.
    pub fn suits(self, target: &Target) -> bool {
        self != Self::SilentTls || target.tls.is_some()
    }
}

impl fmt::Display for Attack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SilentTcp => "silent TCP",
            Self::SilentTls => "silent TLS",
            Self::HalfHeads => "half heads",
            Self::HalfBodies => "half bodies",
            Self::PrefaceOnly => "HTTP/2 preface only",
            Self::EndlessPings => "endless pings",
            Self::RapidResets => "rapid resets",
            Self::SlowReaders => "slow readers",
        })
    }
}

#[derive(Clone, Debug)]
pub struct Target {
    pub address: SocketAddr,
    /// How to speak TLS with it; none where it speaks plain TCP.
    pub tls: Option<Tls>,
    /// What it is asked for.
    pub method: Method,
    /// A path that it serves.
    pub path: String,
}

/// How a path is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The answer may be long.
    Get,
    /// The question may be long.
    Post,
}

/// How to speak TLS with a listener. No session is resumed: each connection costs it a whole handshake.
#[derive(Clone, Debug)]
pub struct Tls {
    name: ServerName<'static>,
    http1: Arc<rustls::ClientConfig>,
    http2: Arc<rustls::ClientConfig>,
}

impl Tls {
    /// With a listener whose certificate, for `name`, is signed by the authority in PEM.
    ///
    /// # Errors
    /// The authority is not a certificate, or the name not one.
    pub fn trusting(authority: &[u8], name: &str) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority).context("the authority is not PEM")?)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = |protocol: &[u8]| -> Result<Arc<rustls::ClientConfig>> {
            let mut config = rustls::ClientConfig::builder_with_provider(provider.clone())
                .with_safe_default_protocol_versions()?
                .with_root_certificates(roots.clone())
                .with_no_client_auth();
            config.alpn_protocols = vec![protocol.to_vec()];
            config.resumption = Resumption::disabled();
            Ok(Arc::new(config))
        };
        Ok(Self {
            name: ServerName::try_from(name.to_owned())?,
            http1: config(b"http/1.1")?,
            http2: config(b"h2")?,
        })
    }
}

/// How far the attackers are.
#[derive(Debug, Default)]
struct Tally {
    /// Those that are through with connecting, whatever came of it.
    begun: AtomicUsize,
    /// Those whose connection the listener took, with TLS's handshake where there is one.
    connected: AtomicUsize,
    /// Those of them whose connection is open.
    open: AtomicUsize,
}

/// Callers that attack until this is dropped.
#[derive(Debug)]
pub struct Attackers {
    count: usize,
    tally: Arc<Tally>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Attackers {
    /// `count` callers, each with one connection. Nobody comes again whose connection was closed.
    ///
    /// # Errors
    /// There is no thread for them.
    pub fn start(attack: Attack, target: &Target, count: usize) -> Result<Self> {
        let tally = Arc::new(Tally::default());
        let (end, ended) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (target, told) = (Arc::new(target.clone()), tally.clone());
        let work = async move {
            let doors = Arc::new(Semaphore::new(AT_ONCE));
            for number in 0..count {
                let (target, told, doors) = (target.clone(), told.clone(), doors.clone());
                tokio::spawn(attacker::attack(attack, number, target, told, doors));
            }
            // An error says that nobody waits for the end.
            let _ = ended.await;
        };
        let thread = std::thread::Builder::new()
            .name("attackers".to_owned())
            .spawn(move || runtime.block_on(work))
            .context("cannot start the attackers' thread")?;
        Ok(Self { count, tally, end: Some(end), thread: Some(thread) })
    }

    /// Waits until each of them is connected or was turned away; those that are still knocking after `patience` go on.
    pub async fn begun(&self, patience: Duration) {
        let all = eventually("the attackers to have begun", patience, async || {
            let begun = self.tally.begun.load(Ordering::Relaxed);
            anyhow::ensure!(begun == self.count, "{begun} of {} have", self.count);
            Ok(())
        });
        // A listener that lets them wait is one that holds.
        let _ = all.await;
    }

    /// How many the listener ever took, and how many of those it holds now.
    pub fn held(&self) -> (usize, usize) {
        (self.tally.connected.load(Ordering::Relaxed), self.tally.open.load(Ordering::Relaxed))
    }
}

impl Drop for Attackers {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed.
            let _ = thread.join();
        }
    }
}

//! A door between the controller and the API server that closes at a write, so that a controller can
//! be killed between any two.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use support::ControlPlane;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::cluster::identity;

/// What becomes of the write at which the door closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LastWrite {
    /// It never arrives.
    Lost,
    /// It is carried out, and its answer never arrives.
    Unanswered,
}

/// A proxy of the API server on loopback.
pub(crate) struct Gate {
    address: SocketAddr,
    inside: Arc<Inside>,
    server: JoinHandle<()>,
}

struct Inside {
    http: reqwest::Client,
    target: String,
    /// Writes that may still pass, and what becomes of the one after them.
    left: Mutex<(usize, LastWrite)>,
    shut: watch::Sender<bool>,
    /// Nothing passes in either direction, and everything waits.
    cut: watch::Sender<bool>,
}

impl Gate {
    pub(crate) async fn start(plane: &ControlPlane) -> Result<Self> {
        let ca = reqwest::Certificate::from_pem(plane.certificate_authority().as_bytes())?;
        let inside = Arc::new(Inside {
            http: reqwest::Client::builder().tls_certs_only([ca]).no_proxy().build()?,
            target: plane.url(),
            left: Mutex::new((0, LastWrite::Lost)),
            shut: watch::Sender::new(true),
            cut: watch::Sender::new(false),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let router = Router::new().fallback(pass).with_state(inside.clone());
        let server = tokio::spawn(async move {
            // It ends with the test; a test without it fails at its first wait.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, inside, server })
    }

    /// The controller's kubeconfig, by way of this door.
    pub(crate) async fn kubeconfig(&self, plane: &ControlPlane) -> Result<PathBuf> {
        let path = plane.kubeconfig_for(&identity()).await?;
        let text = std::fs::read_to_string(&path).context("cannot read the kubeconfig")?;
        std::fs::write(&path, text.replace(&plane.url(), &format!("http://{}", self.address)))?;
        Ok(path)
    }

    /// Opens for so many writes; at the next one it closes, for reads too.
    pub(crate) fn open(&self, writes: usize, last: LastWrite) {
        *self.inside.left.lock().unwrap_or_else(PoisonError::into_inner) = (writes, last);
        self.inside.shut.send_replace(false);
    }

    /// A partition: what is sent by either side waits, that of watches too.
    pub(crate) fn cut(&self) {
        self.inside.cut.send_replace(true);
    }

    /// The end of a partition: what waited goes on.
    pub(crate) fn heal(&self) {
        self.inside.cut.send_replace(false);
    }

    /// Waits until it has closed.
    pub(crate) async fn closed(&self) {
        // The sender lives as long as we do.
        let _ = self.inside.shut.subscribe().wait_for(|shut| *shut).await;
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn pass(State(inside): State<Arc<Inside>>, request: Request) -> Response {
    inside.connected().await;
    // What is only tried changes nothing.
    let is_trial = request.uri().query().is_some_and(|query| query.contains("dryRun="));
    let is_write = !matches!(*request.method(), Method::GET | Method::HEAD) && !is_trial;
    let last = if is_write { inside.count() } else { None };
    if last == Some(LastWrite::Lost) {
        inside.shut.send_replace(true);
    }
    if *inside.shut.borrow() {
        return std::future::pending().await;
    }
    let answer = inside.clone().forward(request).await;
    if last == Some(LastWrite::Unanswered) {
        inside.shut.send_replace(true);
        return std::future::pending().await;
    }
    answer.unwrap_or_else(|error| (StatusCode::BAD_GATEWAY, error.to_string()).into_response())
}

impl Inside {
    async fn connected(&self) {
        // The sender lives as long as we do.
        let _ = self.cut.subscribe().wait_for(|cut| !*cut).await;
    }

    /// Counts a write; what becomes of it, when it is the one at which the door closes.
    fn count(&self) -> Option<LastWrite> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        match left.0.checked_sub(1) {
            Some(rest) => {
                left.0 = rest;
                None
            }
            None => Some(left.1),
        }
    }

    async fn forward(self: Arc<Self>, request: Request) -> Result<Response> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut headers = parts.headers;
        headers.remove(header::HOST);
        let sent = self
            .http
            .request(parts.method, format!("{}{path}", self.target))
            .headers(headers)
            .body(to_bytes(body, usize::MAX).await?);
        let answer = sent.send().await?;
        self.connected().await;
        let mut response = Response::builder().status(answer.status());
        for (name, value) in answer.headers().iter().filter(|(name, _)| *name != header::TRANSFER_ENCODING) {
            response = response.header(name, value);
        }
        // A watch has no end: each piece goes on as it comes.
        let pieces = futures::stream::unfold((answer, self), async |(mut answer, inside)| {
            let piece = answer.chunk().await.transpose()?;
            inside.connected().await;
            Some((piece, (answer, inside)))
        });
        Ok(response.body(Body::from_stream(pieces))?)
    }
}

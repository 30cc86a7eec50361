//! `/healthz`, `/readyz` and `/metrics`, over plain HTTP: nothing here is secret.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use listener::{Limits, Protocol};
use tcr::exposition::{CONTENT_TYPE, Exposition, Metric};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc, oneshot, watch};

use super::write_limits::WriteLimits;
use kubernetes::api_calls::ApiCalls;
use tencent_cloud::client::Client;

/// Whether this controller leads.
pub const LEADING: Metric = Metric::gauge("tcr_assistant_leading", "Whether this controller leads.");

/// Kubelets and scrapers have one each.
const MOST_CONNECTIONS: usize = 128;

/// The sources of the pages.
#[derive(Clone, Debug)]
pub struct Served {
    /// Whether this controller leads.
    pub leading: watch::Receiver<bool>,
    /// Whether the first lists are complete.
    pub ready: watch::Receiver<bool>,
    /// Asks the reconciler for its metrics.
    pub ask: mpsc::Sender<oneshot::Sender<String>>,
    /// The counters of calls of the API server.
    pub calls: Arc<ApiCalls>,
    /// Has the counters of calls of the cloud.
    pub cloud: Arc<Client>,
    /// Has the verdicts on the write limits.
    pub limits: Arc<WriteLimits>,
}

/// How long the text of `/metrics` is reused. Only rendering it takes noticeable CPU, and any client that
/// reaches the port may ask without end.
const FRESH: Duration = Duration::from_millis(20);

#[derive(Clone)]
struct Pages {
    served: Served,
    rendered: Arc<Mutex<Option<Rendered>>>,
}

struct Rendered {
    at: Instant,
    /// None where the reconciler did not answer.
    text: Option<Bytes>,
}

/// Serves until the future is dropped.
pub async fn serve(listener: TcpListener, served: Served) {
    let router = Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Pages { served, rendered: Arc::default() });
    let limits = Limits::connections(MOST_CONNECTIONS);
    listener::serve(listener, Protocol::Plain, router, limits, std::future::pending()).await;
}

/// A controller that does not lead is ready to take over.
async fn readyz(State(Pages { served, .. }): State<Pages>) -> Response {
    match !*served.leading.borrow() || *served.ready.borrow() {
        true => "ok".into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, "the first lists are not complete").into_response(),
    }
}

async fn metrics(State(pages): State<Pages>) -> Response {
    // Callers that come while the text is rendered wait for it.
    let mut rendered = pages.rendered.lock().await;
    let text = match &*rendered {
        Some(Rendered { at, text }) if at.elapsed() < FRESH => text.clone(),
        _ => {
            let text = render(&pages.served).await.map(Bytes::from);
            rendered.insert(Rendered { at: Instant::now(), text }).text.clone()
        }
    };
    match text {
        Some(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, "the controller does not answer").into_response(),
    }
}

/// None where the reconciler does not answer.
async fn render(served: &Served) -> Option<String> {
    let leading = *served.leading.borrow();
    let mut text = Exposition::default();
    text.value(&LEADING, u8::from(leading));
    served.calls.expose(&mut text);
    served.cloud.calls().expose(&mut text);
    served.limits.expose(&mut text);
    if leading {
        let (ask, answer) = oneshot::channel();
        let asked = served.ask.send(ask).await.is_ok();
        match tokio::time::timeout(Duration::from_secs(5), answer).await {
            Ok(Ok(numbers)) if asked => text.append(&numbers),
            _ => return None,
        }
    }
    Some(text.into_text())
}

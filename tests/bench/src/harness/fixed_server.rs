//! The baseline of the webhook's figures: the same listener, TLS and HTTP, and for each review the same bytes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use listener::{Bodies, Limits, Protocol};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;

/// What the policy answers to the Pod of the benchmark, or as much.
const ANSWER: &str = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"705ab4f5-6393-11e8-b7cc-42010a800002","allowed":true,"patchType":"JSONPatch","patch":"W3sib3AiOiJhZGQiLCJwYXRoIjoiL3NwZWMvaW1hZ2VQdWxsU2VjcmV0cyIsInZhbHVlIjpbeyJuYW1lIjoidGNyLmlwc2RlbW8ifV19XQ==","auditAnnotations":null,"warnings":null}}"#;
const LONGEST: usize = 6 << 20;

/// Serves with `tls.crt` and `tls.key` of the working directory until it is killed.
pub(crate) fn run() -> anyhow::Result<()> {
    tokio::runtime::Runtime::new()?.block_on(serve())
}

async fn serve() -> anyhow::Result<()> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = CertificateDer::pem_file_iter("tls.crt")?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file("tls.key")?;
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let router = Router::new()
        .route("/validate/fixed", post(fixed))
        .route("/validate/native", post(native))
        .with_state(Bodies::new(Bodies::least_room(LONGEST).max(8 << 20)));
    let listener = listener::bind("127.0.0.1:0".parse()?).context("cannot listen")?;
    let address = listener.local_addr()?;
    eprintln!(r#"{{"message":"listening","reviews":"{address}"}}"#);
    let protocol = Protocol::Tls(Arc::new(config));
    listener::serve(listener, protocol, router, Limits::connections(128), std::future::pending()).await;
    Ok(())
}

async fn fixed(State(bodies): State<Bodies>, request: Request) -> Response {
    answer(bodies, request, |_| true).await
}

/// With what any host pays that parses the review at all: to a value and back.
async fn native(State(bodies): State<Bodies>, request: Request) -> Response {
    let there_and_back = |body: &[u8]| {
        let review: Option<Value> = serde_json::from_slice(body).ok();
        review.is_some_and(|review| {
            std::hint::black_box(serde_json::to_vec(&review)).is_ok_and(|bytes| !bytes.is_empty())
        })
    };
    answer(bodies, request, there_and_back).await
}

async fn answer(bodies: Bodies, request: Request, look: fn(&[u8]) -> bool) -> Response {
    let until = Instant::now() + Duration::from_secs(10);
    match bodies.read(request, LONGEST, until).await {
        Ok(body) if look(&body.bytes) => {
            ([(header::CONTENT_TYPE, "application/json")], ANSWER).into_response()
        }
        Ok(_) => StatusCode::BAD_REQUEST.into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}

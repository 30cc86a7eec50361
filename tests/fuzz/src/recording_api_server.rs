//! An API server that remembers what it was asked, as the transport of a client: each request as
//! kube wrote it, without sockets.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use kube::Client;
use kube::client::Body;

/// What it was asked, as `GET /path?query`.
#[derive(Clone, Default)]
pub(crate) struct Asked(Arc<Mutex<Vec<String>>>);

impl Asked {
    pub(crate) fn requests(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A client of an API server that answers a request (`GET /path?query`) with a code and a body.
/// To be made inside a runtime.
pub(crate) fn client(answer: impl Fn(&str) -> (u16, Vec<u8>) + Send + Sync + 'static) -> (Client, Asked) {
    let asked = Asked::default();
    let record = asked.clone();
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let request = format!("{} {}", request.method(), request.uri());
        record.0.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
        let (code, body) = answer(&request);
        let response = http::Response::builder().status(code).body(Body::from(body));
        async move { Ok::<_, Infallible>(response.expect("a code and a body make a response")) }
    });
    (Client::new(service, "default"), asked)
}

//! `/readiness` and `/metrics`, over plain HTTP on a port of their own.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use listener::{Limits, Protocol};
use tcr::exposition::{CONTENT_TYPE, Exposition};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::certificate::{self, Certificate};
use super::reviewer::Reviewer;

/// Kubelets and scrapers have one each.
const MOST_CONNECTIONS: usize = 128;

/// Why the webhook is not ready, if it is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Facts {
    has_certificate: bool,
    has_policies: bool,
    has_failed_reload: bool,
    drains: bool,
}

impl Facts {
    /// The fault, although it is ready.
    fn detail(self) -> &'static str {
        match self.has_failed_reload {
            true => "ok, but not all of what the policies file says now is served: the log tells why",
            false => "ok",
        }
    }

    fn lack(self) -> Option<&'static str> {
        if self.drains {
            Some("it is ending")
        } else if !self.has_policies {
            Some("the policies are being prepared")
        } else if !self.has_certificate {
            Some("there is no certificate yet")
        } else {
            None
        }
    }
}

/// Tells how it stands.
#[derive(Clone)]
pub struct Health {
    facts: Arc<watch::Sender<Facts>>,
    served: Arc<Served>,
}

/// The sources of the metrics.
#[derive(Default)]
struct Served {
    reviewer: OnceLock<Arc<Reviewer>>,
    certificate: OnceLock<Arc<Certificate>>,
}

/// The sources of the port's answers.
#[derive(Clone)]
pub struct HealthState {
    facts: watch::Receiver<Facts>,
    served: Arc<Served>,
}

impl Health {
    /// Nothing is ready yet.
    pub fn new() -> (Self, HealthState) {
        let (facts, seen) = watch::channel(Facts::default());
        let served = Arc::<Served>::default();
        (Self { facts: Arc::new(facts), served: served.clone() }, HealthState { facts: seen, served })
    }

    /// Whether there is a certificate to serve with.
    pub fn certificate(&self, is_there: bool) {
        self.facts.send_modify(|facts| facts.has_certificate = is_there);
    }

    /// Sets the certificate in use, whose end is a metric.
    pub(super) fn serves_with(&self, certificate: Arc<Certificate>) {
        // Set only once.
        let _ = self.served.certificate.set(certificate);
    }

    /// Sets the reviewer, whether or not all of its policies are ready.
    pub(super) fn has(&self, reviewer: Arc<Reviewer>) {
        // Set only once.
        let _ = self.served.reviewer.set(reviewer);
    }

    /// Whether the policies file says something now that cannot be served.
    pub(super) fn reload_failed(&self, has_failed: bool) {
        self.facts.send_modify(|facts| facts.has_failed_reload = has_failed);
    }

    /// All policies are there.
    pub(super) fn serves(&self) {
        self.facts.send_modify(|facts| facts.has_policies = true);
    }

    pub(super) fn drain(&self) {
        self.facts.send_modify(|facts| facts.drains = true);
    }

    /// Whether it drains, whenever that is asked.
    pub(super) fn draining(&self) -> impl Fn() -> bool + Clone + Send + Sync + 'static {
        let facts = self.facts.subscribe();
        move || facts.borrow().drains
    }
}

pub(super) async fn serve(listener: TcpListener, state: HealthState) {
    let router =
        Router::new().route("/readiness", get(readiness)).route("/metrics", get(metrics)).with_state(state);
    let limits = Limits::connections(MOST_CONNECTIONS);
    listener::serve(listener, Protocol::Plain, router, limits, std::future::pending()).await;
}

async fn readiness(State(state): State<HealthState>) -> Response {
    let facts = *state.facts.borrow();
    match facts.lack() {
        None => facts.detail().into_response(),
        Some(lack) => (StatusCode::SERVICE_UNAVAILABLE, lack).into_response(),
    }
}

async fn metrics(State(state): State<HealthState>) -> Response {
    let mut text = Exposition::default();
    if let Some(expiry) = state.served.certificate.get().and_then(|certificate| certificate.expiry()) {
        text.value(&certificate::EXPIRY, expiry);
    }
    if let Some(reviewer) = state.served.reviewer.get() {
        text.append(&reviewer.metrics_text());
    }
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], text.into_text()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_ready_with_policies_and_a_certificate_until_it_drains() {
        let facts = |has_policies, has_certificate, drains| Facts {
            has_certificate,
            has_policies,
            drains,
            has_failed_reload: false,
        };
        assert_eq!(facts(false, true, false).lack(), Some("the policies are being prepared"));
        assert_eq!(facts(true, false, false).lack(), Some("there is no certificate yet"));
        assert_eq!(facts(true, true, false).lack(), None);
        assert_eq!(facts(true, true, true).lack(), Some("it is ending"));
        let failed = Facts { has_failed_reload: true, ..facts(true, true, false) };
        assert_eq!(failed.lack(), None, "what was served before is good");
        assert_ne!(failed.detail(), facts(true, true, false).detail());
    }
}

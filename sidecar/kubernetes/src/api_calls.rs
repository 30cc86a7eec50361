//! Counts calls of the API server by verb, kind and status.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use http::{Method, Request, Response};
use kube::client::{Body, ClientBuilder};
use kube::{Client, Config};
use tcr::exposition::{Exposition, Metric};

use crate::reduced_bodies::Reducing;

/// Calls by verb, kind and status.
pub const API_CALLS: Metric =
    Metric::counter("tcr_assistant_api_calls_total", "Calls of the API server; code 0 is no answer.");

/// The counters of calls to the API server.
#[derive(Debug, Default)]
pub struct ApiCalls {
    counts: Mutex<BTreeMap<(&'static str, &'static str, u16), u64>>,
}

impl ApiCalls {
    fn count(&self, verb: &'static str, kind: &'static str, code: u16) {
        // The counters are valid even after a panic elsewhere.
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry((verb, kind, code)).or_default() +=
            1;
    }

    /// Adds the counters to `text`. Code 0 stands for a call without an answer.
    pub fn expose(&self, text: &mut Exposition) {
        let mut samples = text.metric(&API_CALLS);
        for ((verb, kind, code), count) in &*self.counts.lock().unwrap_or_else(PoisonError::into_inner) {
            samples.sample(&[("verb", verb), ("kind", kind), ("code", &code.to_string())], count);
        }
    }
}

/// A client that counts its calls, and reduces answers with objects that any user may have made.
///
/// # Errors
/// The configuration is invalid, for example its certificate.
pub fn counted(config: Config, calls: &Arc<ApiCalls>) -> Result<Client, kube::Error> {
    let calls = calls.clone();
    let builder = ClientBuilder::try_from(config)?;
    let layer = tower::layer::layer_fn(move |inner| Counting { inner, calls: calls.clone() });
    Ok(builder.with_layer(&layer).with_layer(&tower::layer::layer_fn(Reducing)).build())
}

#[derive(Clone, Debug)]
struct Counting<S> {
    inner: S,
    calls: Arc<ApiCalls>,
}

impl<S, B> tower::Service<Request<Body>> for Counting<S>
where
    S: tower::Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (verb, kind) =
            what(request.method(), request.uri().path(), request.uri().query().unwrap_or_default());
        let calls = self.calls.clone();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            calls.count(verb, kind, answer.as_ref().map_or(0, |answer| answer.status().as_u16()));
            answer
        })
    }
}

/// Kinds in the label. A closed list, because a label may have few values only.
const KINDS: [&str; 11] = [
    "pods",
    "imagepullsecrets",
    "namespaces",
    "secrets",
    "serviceaccounts",
    "configmaps",
    "events",
    "leases",
    "validatingwebhookconfigurations",
    "mutatingwebhookconfigurations",
    "nodes",
];

fn what(method: &Method, path: &str, query: &str) -> (&'static str, &'static str) {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    // /api/v1/..., /apis/GROUP/VERSION/...; then namespaces/NAME/KIND, or KIND.
    let rest = parts.get(if parts.first() == Some(&"api") { 2 } else { 3 }..).unwrap_or_default();
    let (kind, has_name) = match rest {
        ["namespaces", _, kind, name @ ..] => (*kind, !name.is_empty()),
        [kind, name @ ..] => (*kind, !name.is_empty()),
        [] => ("", false),
    };
    let kind = KINDS.iter().find(|known| **known == kind).copied().unwrap_or("other");
    let is_watch = query.split('&').any(|part| matches!(part, "watch=true" | "watch=1"));
    let is_dry_run = query.split('&').any(|part| part.starts_with("dryRun="));
    let verb = match *method {
        // A dry run changes nothing, whatever its method.
        _ if is_dry_run => "dry-run",
        Method::GET if is_watch => "watch",
        Method::GET if has_name => "get",
        Method::GET => "list",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "other",
    };
    (verb, kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_and_kinds_are_told_from_paths() {
        let check = |method: Method, path: &str, query: &str| what(&method, path, query);
        assert_eq!(check(Method::GET, "/api/v1/namespaces", "limit=500"), ("list", "namespaces"));
        assert_eq!(check(Method::GET, "/api/v1/namespaces/shop", ""), ("get", "namespaces"));
        assert_eq!(check(Method::GET, "/api/v1/secrets", "&watch=true&x=y"), ("watch", "secrets"));
        assert_eq!(check(Method::POST, "/api/v1/namespaces/shop/secrets", ""), ("create", "secrets"));
        assert_eq!(
            check(Method::PATCH, "/api/v1/namespaces/shop/serviceaccounts/default", ""),
            ("patch", "serviceaccounts")
        );
        let object = "/apis/tcr.tencentcloudcr.com/v1/imagepullsecrets/demo/status";
        assert_eq!(check(Method::PATCH, object, ""), ("patch", "imagepullsecrets"));
        assert_eq!(check(Method::GET, "/version", ""), ("list", "other"));
        let trial = check(Method::POST, "/api/v1/namespaces/shop/secrets", "&dryRun=All&fieldManager=x");
        assert_eq!(trial, ("dry-run", "secrets"));
    }
}

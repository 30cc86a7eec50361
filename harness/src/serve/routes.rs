//! policy-server's endpoints: `/validate/{id}`, `/validate_raw/{id}`, `/audit/{id}`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use admission_review::{Origin, Rejection};
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, Version, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use listener::{Bodies, BodyError};

use super::reviewer::{Refusal, Reviewer};
use super::time_limit;
use crate::host_capabilities::shortened;

/// How long a body may take to arrive.
const BODY: Duration = Duration::from_secs(10);
/// Characters of a policy's id that an answer repeats, which a caller may leave untaken.
const LONGEST_ID: usize = 100;

#[derive(Clone)]
struct Shared {
    reviewer: Arc<Reviewer>,
    max_body_bytes: usize,
    bodies: Bodies,
}

pub(super) fn router(reviewer: Arc<Reviewer>, max_body_bytes: usize, bodies: Bodies) -> Router {
    let by = |origin| {
        post(async move |State(shared): State<Shared>, Path(id): Path<String>, request: Request| {
            review(shared, &id, origin, request).await
        })
    };
    Router::new()
        .route("/validate/{id}", by(Origin::Validate))
        .route("/audit/{id}", by(Origin::Audit))
        .route("/validate_raw/{id}", by(Origin::Raw))
        .with_state(Shared { reviewer, max_body_bytes, bodies })
}

/// While it `drains`, each answer over HTTP/1 is the last of its connection: an API server that keeps one would send the
/// next review into its end, and such a review has failed. HTTP/2 has GOAWAY for it.
pub(super) fn closing_while(
    router: Router,
    drains: impl Fn() -> bool + Clone + Send + Sync + 'static,
) -> Router {
    router.layer(middleware::from_fn(move |request: Request, next: Next| {
        let drains = drains.clone();
        async move {
            let is_http1 = request.version() < Version::HTTP_2;
            let mut answer = next.run(request).await;
            if is_http1 && drains() {
                answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            answer
        }
    }))
}

async fn review(shared: Shared, id: &str, origin: Origin, request: Request) -> Response {
    let arrived = Instant::now();
    if !shared.reviewer.knows(id) {
        return problem(StatusCode::NOT_FOUND, &format!("unknown policy: {}", shortened(id, LONGEST_ID)));
    }
    if let Some(Rejection { status, message }) = Rejection::of_content_type(request.headers()) {
        return problem(status, &message);
    }
    let callers_time = match time_limit::of_query(request.uri().query()) {
        Ok(time) => time,
        Err(error) => return problem(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let within = time_limit::deadline(arrived, BODY, callers_time);
    let body = match shared.bodies.read(request, shared.max_body_bytes, within).await {
        Ok(body) => body,
        Err(error) => {
            let status = match error {
                BodyError::TooLong(_) => StatusCode::PAYLOAD_TOO_LARGE,
                BodyError::BrokeOff => StatusCode::BAD_REQUEST,
                BodyError::TooLate => StatusCode::REQUEST_TIMEOUT,
                BodyError::NoRoom => StatusCode::SERVICE_UNAVAILABLE,
            };
            let flag = if matches!(error, BodyError::TooLong(_)) { " (--max-body-bytes)" } else { "" };
            return problem(status, &format!("{error}{flag}"));
        }
    };
    match shared.reviewer.review(id, origin, body, arrived, callers_time).await {
        Ok(answer) => ([(header::CONTENT_TYPE, "application/json")], Body::from(answer)).into_response(),
        Err(Refusal::Unknown) => {
            problem(StatusCode::NOT_FOUND, &format!("unknown policy: {}", shortened(id, LONGEST_ID)))
        }
        Err(Refusal::Bad(Rejection { status, message })) => problem(status, &message),
        // Without Retry-After: an API server asks again where there is one, and waits for as long.
        Err(Refusal::Deferred(reason)) => problem(StatusCode::SERVICE_UNAVAILABLE, &reason),
        Err(Refusal::Failed) => problem(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong"),
    }
}

fn problem(status: StatusCode, message: &str) -> Response {
    let body = serde_json::json!({"message": message, "status": status.as_u16()});
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

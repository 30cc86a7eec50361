//! `/_admin/`: the double's own controls, for those who run it as a program.

use std::time::Duration;

use axum::{
    Json, Router,
    extract::{Path, RawQuery, State},
    http::StatusCode,
    routing::{delete, get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    action::ACTIONS,
    call::Call,
    cloud::{Shared, lock},
    config::{check_fault, check_instance},
    fault::Fault,
    instance::Instance,
    parameter::shown_form,
    sts,
    token_request::TokenRequest,
};

/// An explanation in place of an answer.
type Refusal = (StatusCode, String);

pub(crate) fn router() -> Router<Shared> {
    Router::new()
        .route("/", get(overview))
        .route("/tokens", get(tokens))
        .route("/tokens/{id}", delete(revoke).patch(switch))
        .route("/service-accounts", get(service_accounts))
        .route("/calls", get(calls).delete(forget_calls))
        .route("/token-requests", get(token_requests).delete(forget_token_requests))
        .route("/faults", get(faults).post(inject).delete(clear_faults))
        .route("/instances", get(instances))
        .route("/instances/{id}", axum::routing::put(replace_instance))
        .route("/actions", get(actions))
        .route("/clock", get(clock))
        .route("/advance", post(advance))
        // Its own, or a misspelt control would be taken for an API call.
        .fallback(async || (StatusCode::NOT_FOUND, "no such control: see /_admin/\n"))
}

async fn overview() -> Json<Value> {
    Json(json!({
        "GET /_admin/tokens": "every credential minted; ?reveal=true with passwords",
        "PATCH /_admin/tokens/ID": "{\"enabled\": false} switches a long-term token off",
        "DELETE /_admin/tokens/ID": "revokes a long-term token",
        "GET /_admin/service-accounts": "every service account made; ?reveal=true with passwords",
        "GET /_admin/calls": "every API request; DELETE forgets them",
        "GET /_admin/token-requests": "every request to the token service; DELETE forgets them",
        "GET /_admin/faults": "the faults in force; POST adds one, DELETE clears them",
        "GET /_admin/instances": "the instances; PUT /_admin/instances/ID replaces one",
        "GET /_admin/actions": "the actions that can be called, and the fields that each of them takes",
        "GET /_admin/clock": "the time here",
        "POST /_admin/advance": "{\"seconds\": 60} moves it on",
    }))
}

async fn tokens(State(shared): State<Shared>, RawQuery(query): RawQuery) -> Json<Value> {
    let reveal = query.as_deref() == Some("reveal=true");
    let gateway = lock(&shared);
    let now = gateway.clock.now();
    let tokens = gateway.world.tokens.iter().map(|token| {
        let mut shown = json!(token);
        shown["live"] = token.is_live(now).into();
        if reveal {
            shown["secret"] = token.secret.expose().into();
        }
        shown
    });
    Json(tokens.collect())
}

async fn service_accounts(State(shared): State<Shared>, RawQuery(query): RawQuery) -> Json<Value> {
    let reveal = query.as_deref() == Some("reveal=true");
    let gateway = lock(&shared);
    let now = gateway.clock.now();
    let accounts = gateway.world.service_accounts.iter().map(|account| {
        let mut shown = json!(account);
        shown["live"] = account.is_live(now).into();
        if reveal {
            shown["secret"] = account.secret.expose().into();
        }
        shown
    });
    Json(accounts.collect())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Switch {
    enabled: bool,
}

async fn switch(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Json(Switch { enabled }): Json<Switch>,
) -> Result<Json<Value>, Refusal> {
    change_token(&shared, &id, |token, _| token.enabled = enabled)
}

async fn revoke(State(shared): State<Shared>, Path(id): Path<String>) -> Result<Json<Value>, Refusal> {
    change_token(&shared, &id, |token, now| token.deleted_at = Some(now))
}

fn change_token(
    shared: &Shared,
    id: &str,
    change: impl FnOnce(&mut crate::TokenRecord, jiff::Timestamp),
) -> Result<Json<Value>, Refusal> {
    let mut gateway = lock(shared);
    let now = gateway.clock.now();
    let token = gateway
        .world
        .tokens
        .iter_mut()
        .find(|token| token.id == id)
        .ok_or_else(|| (StatusCode::NOT_FOUND, format!("no long-term token {id:?}\n")))?;
    change(token, now);
    Ok(Json(json!(token)))
}

async fn calls(State(shared): State<Shared>) -> Json<Vec<Call>> {
    Json(lock(&shared).calls.clone())
}

async fn forget_calls(State(shared): State<Shared>) -> StatusCode {
    lock(&shared).calls.clear();
    StatusCode::NO_CONTENT
}

async fn token_requests(State(shared): State<Shared>) -> Json<Vec<TokenRequest>> {
    Json(lock(&shared).token_requests.clone())
}

async fn forget_token_requests(State(shared): State<Shared>) -> StatusCode {
    lock(&shared).token_requests.clear();
    StatusCode::NO_CONTENT
}

async fn faults(State(shared): State<Shared>) -> Json<Vec<Fault>> {
    Json(lock(&shared).script.faults().to_vec())
}

async fn inject(State(shared): State<Shared>, Json(fault): Json<Fault>) -> Result<StatusCode, Refusal> {
    check_fault("fault", &fault).map_err(|error| (StatusCode::BAD_REQUEST, format!("{error}\n")))?;
    lock(&shared).script.add(fault);
    Ok(StatusCode::NO_CONTENT)
}

async fn clear_faults(State(shared): State<Shared>) -> StatusCode {
    lock(&shared).script.clear();
    StatusCode::NO_CONTENT
}

async fn instances(State(shared): State<Shared>) -> Json<Vec<Instance>> {
    Json(lock(&shared).world.instances.clone())
}

async fn replace_instance(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Json(instance): Json<Instance>,
) -> Result<StatusCode, Refusal> {
    check_instance("instance", &instance).map_err(|error| (StatusCode::BAD_REQUEST, format!("{error}\n")))?;
    if instance.id != id {
        return Err((StatusCode::BAD_REQUEST, format!("instance.id: {:?} is not {id:?}\n", instance.id)));
    }
    let mut gateway = lock(&shared);
    match gateway.world.instances.iter_mut().find(|known| known.id == id) {
        Some(known) => *known = instance,
        None => gateway.world.instances.push(instance),
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn actions() -> Json<Value> {
    let tcr = ACTIONS.iter().map(|action| (action.name, action.form));
    Json(tcr.chain(sts::ACTIONS).map(|(name, form)| (name, shown_form(form))).collect())
}

async fn clock(State(shared): State<Shared>) -> Json<Value> {
    Json(json!({"now": lock(&shared).clock.now()}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    seconds: u64,
}

async fn advance(State(shared): State<Shared>, Json(Advance { seconds }): Json<Advance>) -> Json<Value> {
    let mut gateway = lock(&shared);
    gateway.clock.advance(Duration::from_secs(seconds));
    Json(json!({"now": gateway.clock.now()}))
}

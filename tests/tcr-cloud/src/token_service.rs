//! The token server that an instance's registry names in its challenge.
//!
//! The protocol is <https://distribution.github.io/distribution/spec/auth/token/> as Harbor, which TCR is built on,
//! speaks it: a client that was refused by the registry comes here with its user name and password as Basic auth, and
//! takes a short-lived token back there. The registry itself never asks anybody: it checks the signature.
//!
//! The path names the instance: clients send no word of whose challenge they follow, and all instances have this one
//! address here, where real ones have a host each.

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    clock,
    gateway::Gateway,
    http::{Cut, Reply, Request},
    scope::{Access, Scope},
    signer::{KeyError, Signer},
    token_request::{TokenRefusal, TokenRequest},
    world::World,
};

/// Harbor's name for its registry, in the challenge and as the audience of tokens.
pub(crate) const SERVICE: &str = "harbor-registry";
/// Who signs.
pub(crate) const ISSUER: &str = "harbor-token-issuer";
/// A token's life in seconds: Harbor's default of 30 minutes. A credential's end does not shorten it, as it does not
/// there: what is revoked is refused the next token.
const LIFE: i64 = 1800;

/// What a registry has to know of its token server; the fields of docker-registry's `auth: token`.
#[derive(Clone, Debug)]
pub struct TokenService {
    /// Where clients get their tokens.
    pub realm: String,
    /// `service`, which clients repeat.
    pub service: String,
    /// `issuer`, which the registry insists on.
    pub issuer: String,
    /// The content of `rootcertbundle`: a certificate in PEM.
    pub certificate: String,
}

/// The path of an instance's realm.
pub(crate) fn path(registry_id: &str) -> String {
    format!("/service/token/{registry_id}")
}

impl Gateway {
    /// Answers and records one request. `time_of_day` is when the answer is signed: the double's clock, which rules
    /// over credentials, may be far from the registry's, which rules over what is signed.
    pub(crate) fn answer_token_request(
        &mut self,
        registry_id: &str,
        request: &Request,
        signer: Result<&Signer, KeyError>,
        time_of_day: Timestamp,
    ) -> Reply {
        let now = self.clock.now();
        let record = judge(&self.world, registry_id, request, now);
        let id = self.world.random.uuid();
        let (status, body) = match record.refusal {
            Some(refusal) => (refusal.status(), refusal_body(refusal)),
            None => match signer.and_then(|signer| signer.sign(&claims(&record, &id, time_of_day))) {
                Ok(token) => (200, answer(&token, time_of_day)),
                Err(error) => (500, error_body("UNKNOWN", &error.to_string())),
            },
        };
        self.token_requests.push(record);
        Reply {
            status,
            content_type: "application/json; charset=utf-8",
            date: clock::http_date(now),
            body: body.to_string().into_bytes(),
            cut: Cut::Never,
            delay: Default::default(),
        }
    }
}

/// What a request has coming.
fn judge(world: &World, registry_id: &str, request: &Request, now: Timestamp) -> TokenRequest {
    let mut record = TokenRequest {
        registry_id: registry_id.to_owned(),
        username: None,
        token_id: None,
        scopes: scopes(&request.query),
        granted: Vec::new(),
        refusal: None,
        at: now,
    };
    match grant(world, request, &mut record) {
        Ok(granted) => record.granted = granted,
        Err(refusal) => record.refusal = Some(refusal),
    }
    record
}

/// What is granted. Fills in who asks as far as that can be read.
fn grant(world: &World, request: &Request, record: &mut TokenRequest) -> Result<Vec<Access>, TokenRefusal> {
    let credential = basic(request);
    let username = credential.as_ref().ok().map(|(username, _)| username);
    // Somebody who swaps the two sends a password here.
    record.username = username.filter(|username| world.knows_identity(username)).cloned();
    if request.method != "GET" {
        return Err(TokenRefusal::Method);
    }
    let instances = &world.instances;
    let instance = instances.iter().find(|instance| instance.id == record.registry_id);
    if instance.ok_or(TokenRefusal::UnknownInstance)?.status != "Running" {
        return Err(TokenRefusal::InstanceNotRunning);
    }
    let services: Vec<_> = parameters(&request.query, "service");
    if services != [SERVICE] {
        return Err(TokenRefusal::Service);
    }
    let (username, password) = credential?;
    let token =
        world.credential(&record.registry_id, &username, &password).ok_or(TokenRefusal::UnknownCredential)?;
    record.token_id = Some(token.id());
    if let Some(refusal) = world.refusal(token, record.at) {
        return Err(refusal);
    }
    let scopes = record.scopes.iter().map(|text| Scope::parse(text).ok_or(TokenRefusal::Scope));
    scopes
        .map(|scope| {
            let scope = scope?;
            let rights = world.rights(token, scope.name());
            Ok(scope.narrow(rights))
        })
        .collect()
}

/// The user name and password of Basic auth. The user name ends at the first colon.
fn basic(request: &Request) -> Result<(String, String), TokenRefusal> {
    let header = request.header("authorization").map_err(|_| TokenRefusal::UnreadableCredential)?;
    let (scheme, value) = header
        .ok_or(TokenRefusal::NoCredential)?
        .split_once(' ')
        .ok_or(TokenRefusal::UnreadableCredential)?;
    let text = STANDARD.decode(value.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    match text.as_deref().and_then(|text| text.split_once(':')) {
        Some((username, password)) if scheme.eq_ignore_ascii_case("Basic") => {
            Ok((username.to_owned(), password.to_owned()))
        }
        _ => Err(TokenRefusal::UnreadableCredential),
    }
}

/// The scopes of a query: the parameter may come more than once, and have several with a space between them.
fn scopes(query: &str) -> Vec<String> {
    let values = parameters(query, "scope");
    values.iter().flat_map(|value| value.split(' ')).filter(|it| !it.is_empty()).map(str::to_owned).collect()
}

fn parameters(query: &str, name: &str) -> Vec<String> {
    let pairs = form_urlencoded::parse(query.as_bytes());
    pairs.filter(|(key, _)| key == name).map(|(_, value)| value.into_owned()).collect()
}

fn claims(record: &TokenRequest, id: &str, now: Timestamp) -> Value {
    json!({
        "iss": ISSUER,
        "sub": record.username,
        "aud": SERVICE,
        "exp": now.as_second() + LIFE,
        "nbf": now.as_second(),
        "iat": now.as_second(),
        "jti": id,
        "access": record.granted,
    })
}

fn answer(token: &str, now: Timestamp) -> Value {
    json!({
        "token": token,
        // The same for clients that think of OAuth 2.
        "access_token": token,
        "expires_in": LIFE,
        "issued_at": now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    })
}

/// Harbor's form of an error.
fn error_body(code: &str, message: &str) -> Value {
    json!({"errors": [{"code": code, "message": message}]})
}

fn refusal_body(refusal: TokenRefusal) -> Value {
    match refusal {
        TokenRefusal::Method => error_body("METHOD_NOT_ALLOWED", "only GET is supported"),
        TokenRefusal::UnknownInstance => error_body("NOT_FOUND", "no such registry instance"),
        TokenRefusal::InstanceNotRunning => error_body("UNAVAILABLE", "the registry instance does not run"),
        TokenRefusal::Service => error_body("BAD_REQUEST", "unable to handle service"),
        TokenRefusal::Scope => error_body("BAD_REQUEST", "malformed scope"),
        // One sentence for all, so that nobody learns which half of a guess was right.
        _ => error_body("UNAUTHORIZED", "unauthorized: authentication required"),
    }
}

#[cfg(test)]
mod tests;

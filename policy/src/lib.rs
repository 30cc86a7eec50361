//! The Kubewarden policy of tcr-assistant: puts references to TCR pull secrets on the Pods and
//! ServiceAccounts that need them, and refuses or warns of what would break.
//!
//! [`validate`] is the whole policy: bytes of a request in, bytes of a response out, with
//! [`Cluster`] as its only way to ask for more. The rest is a waPC shell around it. A mutated
//! object differs from the object of the request by one inserted span, whatever its fields are:
//! the policy scans and edits text and never builds typed objects of it.
//!
//! Compiled for wasm32 it imports from the module `wapc` only: no clock, no files, no randomness.

mod cluster;
mod error;
mod image_pull_secret;
mod inject;
pub mod json;
mod managed_secret;
mod needs;
mod pod;
mod pod_spec;
mod registry;
mod request;
mod review;
#[cfg(not(all(feature = "web", target_family = "wasm")))]
mod sdk;
mod selector;
mod service_account;
mod settings;
#[cfg(test)]
mod tests;
mod text_set;
mod verdict;
#[cfg(not(feature = "web"))]
mod wapc;
#[cfg(feature = "web")]
pub mod web;
mod workload;

pub use cluster::Cluster;
pub use error::Error;
#[cfg(not(all(feature = "web", target_family = "wasm")))]
pub use sdk::validate_settings;
pub use settings::{Prepared, declared};

use json::Scanner;
use request::{Kind, Request};
use review::Review;
use settings::Source;
use verdict::Answer;

/// Decides about a request: `{"request": ..., "settings": ...}` as a Kubewarden host sends it, to
/// a Kubewarden `ValidationResponse`.
///
/// # Errors
///
/// The payload cannot be followed, has no request, or has settings that [`validate_settings`]
/// refuses. An answer that says why is preferred wherever there is one.
pub fn validate(payload: &[u8], cluster: &impl Cluster) -> Result<Vec<u8>, Error> {
    validate_prepared(payload, cluster, None)
}

/// Decides about a request like [`validate`]. Where the payload has no settings, `prepared` are
/// meant.
///
/// # Errors
///
/// As [`validate`].
pub fn validate_prepared(
    payload: &[u8],
    cluster: &impl Cluster,
    prepared: Option<&Prepared>,
) -> Result<Vec<u8>, Error> {
    let (request, settings_at) = open(payload)?;
    let settings = match (settings_at, prepared) {
        (None, Some(prepared)) => Source::Prepared(prepared),
        (at, _) => Source::Payload(payload, at),
    };
    let review = Review::new(payload, request, settings, cluster);
    let answer = match decide(&review) {
        Err(Error::Undecided(what)) => Answer::reject(503, what),
        decided => decided?,
    };
    Ok(answer.into_response(payload))
}

fn decide(review: &Review<'_>) -> Result<Answer, Error> {
    match review.request.kind {
        Kind::Pod => pod::decide(review),
        Kind::ServiceAccount => service_account::decide(review),
        Kind::Secret => managed_secret::decide(review),
        Kind::ImagePullSecret => image_pull_secret::decide(review),
        Kind::Workload(template) => workload::decide(review, template),
        Kind::Other => Ok(Answer::accept()),
    }
}

/// Reads the request and finds the settings. Settings that follow the request, as hosts send
/// them, are not read before a rule needs them: there may be a thousand registries.
fn open(payload: &[u8]) -> Result<(Request<'_>, Option<usize>), Error> {
    let mut request = None;
    let mut settings_at = None;
    let mut scanner = Scanner::new(payload, 0);
    scanner.members(|key, value| {
        match key {
            b"request" => request = Some(Request::read(payload, value)?),
            b"settings" => {
                settings_at = Some(value.position());
                if request.is_some() {
                    return Ok(json::Walk::Stop);
                }
                value.pass()?;
            }
            _ => value.pass()?,
        }
        Ok(json::Walk::Continue)
    })?;
    Ok((request.ok_or(Error::NoRequest)?, settings_at))
}

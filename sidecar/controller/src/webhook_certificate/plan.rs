//! One round of the keeper, as a function of the clock and of what was read.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use serde_json::{Value, json};
use tcr::backoff::Backoff;

use super::configuration::Webhook;
use super::{Held, Pair, Step, bundle, decide, wait};
use kubernetes::api_error::ApiError;

/// The wait after a failure.
const RETRY: Backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(60));

/// A configuration as it was read: its webhooks, or none where there is no such configuration.
pub(super) type Read = Result<Option<Vec<Webhook>>, ApiError>;

#[derive(Debug, PartialEq)]
pub(super) struct Round {
    /// JSON patches for the configurations without the bundle, by their index.
    pub(super) patches: Vec<(usize, Vec<Value>)>,
    /// The step for the certificate.
    pub(super) step: Step,
}

/// Decides one round. `held` is the content of the Secret, where it is valid. API servers whose configuration
/// could not be read, or has yet to be patched, do not trust the bundle yet.
pub(super) fn round(now: Timestamp, service: &str, held: Option<&Held>, configurations: &[Read]) -> Round {
    let mut patches = Vec::new();
    for (place, read) in configurations.iter().enumerate() {
        // Without a configuration no API server calls the webhook.
        if let (Some(held), Ok(Some(webhooks))) = (held, read) {
            patches.push((place, trust(webhooks, &held.bundle)));
        }
    }
    patches.retain(|(_, operations)| !operations.is_empty());
    let is_trusted = patches.is_empty() && configurations.iter().all(Result::is_ok);
    Round { patches, step: decide(now, held, service, is_trusted) }
}

/// The operations that put the bundle into every webhook that lacks it. Differences in line ends are ignored:
/// they make API servers open new connections (see [`super::connections`]).
fn trust(webhooks: &[Webhook], bundle: &str) -> Vec<Value> {
    let bundle = bundle.as_bytes();
    let lacks = |webhook: &Webhook| webhook.ca().map(<[u8]>::trim_ascii_end) != Some(bundle.trim_ascii_end());
    let lacking = webhooks.iter().enumerate().filter(|(_, webhook)| lacks(webhook));
    let operations = lacking.flat_map(|(index, webhook)| {
        [
            json!({"op": "test", "path": format!("/webhooks/{index}/name"), "value": webhook.name}),
            json!({
                "op": "add",
                "path": format!("/webhooks/{index}/clientConfig/caBundle"),
                "value": ByteString(bundle.to_vec()),
            }),
        ]
    });
    operations.collect()
}

/// The Secret's content after a step; none after a wait. `made` is a new certificate with its CA, where the
/// step needs one.
pub(super) fn after(
    step: Step,
    now: Timestamp,
    before: Option<Held>,
    made: Option<(Pair, String)>,
) -> Option<Held> {
    match (step, before, made) {
        (Step::Wait(_), ..) => None,
        (Step::Stage, Some(before), Some((pair, ca))) => {
            Some(Held { bundle: bundle(&ca, &before.bundle), next: Some((pair, now)), ..before })
        }
        (Step::Promote, Some(before), _) => {
            let served = before.next.map_or(before.served, |(pair, _)| pair);
            Some(Held { served, bundle: before.bundle, next: None })
        }
        (Step::Make | Step::Stage, before, Some((served, ca))) => {
            let bundle = before.map_or_else(|| ca.clone(), |before| bundle(&ca, &before.bundle));
            Some(Held { served, bundle, next: None })
        }
        (Step::Make | Step::Stage | Step::Promote, ..) => None,
    }
}

/// The result of writing the configurations, which are independent of each other. A conflict is returned
/// before other errors, because it leads to a new read at once.
pub(super) fn combined(results: Vec<Result<(), ApiError>>) -> Result<(), ApiError> {
    let mut errors: Vec<ApiError> = results.into_iter().filter_map(Result::err).collect();
    errors.sort_by_key(|error| !matches!(error, ApiError::Overtaken));
    errors.into_iter().next().map_or(Ok(()), Err)
}

/// How long until the next round, and the number of failed rounds in a row. `done` is this round's result:
/// until when there is nothing to do, or none where something was written, so that the next step is decided
/// at once.
pub(super) fn pause(
    now: Timestamp,
    done: &Result<Option<Timestamp>, ApiError>,
    failures: u32,
) -> (Duration, u32) {
    match done {
        Ok(Some(until)) => (wait(now, *until), 0),
        Ok(None) => (Duration::ZERO, 0),
        Err(ApiError::Overtaken) => (Duration::ZERO, failures),
        Err(_) => (RETRY.wait(failures), failures.saturating_add(1)),
    }
}

#[cfg(test)]
mod tests;

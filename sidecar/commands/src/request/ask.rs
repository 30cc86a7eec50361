//! Writes a request, and waits for its answer.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tcr::names::REQUEST_ANNOTATION;
use tokio::time::Instant;

use super::Outcome;
use crate::reader::{Controller, Reader, Seen};
use crate::server_time;
use custom_resource::condition::{ConditionReason, ConditionType};
use custom_resource::request::{Asked, Request, RequestId};
use custom_resource::{ImagePullSecret, RequestStatus};
use kubernetes::api_error::within;

/// The time between two reads of the status.
const PAUSE: Duration = Duration::from_millis(500);
/// Conflicts with other clients' writes after which it is given up.
const MOST_CONFLICTS: usize = 5;

/// The ImagePullSecret.
///
/// # Errors
/// There is none of this name, or it cannot be read.
pub async fn object(reader: &Reader, name: &str) -> Result<ImagePullSecret> {
    let objects: Api<ImagePullSecret> = Api::all(reader.client.clone());
    let found = within(reader.deadline, objects.get_opt(name)).await;
    match found.with_context(|| format!("cannot read ImagePullSecret {name}"))? {
        Some(object) => Ok(object),
        None => bail!("there is no ImagePullSecret {name}: kubectl get imagepullsecrets"),
    }
}

/// Writes the request to this ImagePullSecret. If the same request is there and not done, that one is waited
/// for instead.
///
/// # Errors
/// No controller would carry it out, another request is being carried out, the annotation cannot be written,
/// or the machine has no random numbers.
pub async fn ask(reader: &Reader, name: &str, request: Request) -> Result<Asked> {
    if let Seen::Known(Controller::Away) = reader.controller().await {
        bail!("no controller leads, so that nobody would carry it out: kubectl tcr status says why");
    }
    let objects: Api<ImagePullSecret> = Api::all(reader.client.clone());
    let now = server_time::read(reader).await.unwrap_or_else(Timestamp::now);
    let random = getrandom::u64().context("cannot draw a random number for the request's id")?;
    let id = RequestId::new(now, random);
    for _ in 0..MOST_CONFLICTS {
        let object = object(reader, name).await?;
        let asked = Asked { id: id.after(last(&object)), request: request.clone() };
        match before(&object, &asked, now) {
            Before::Nothing => {}
            Before::Same(same) => return Ok(same),
            Before::Other(other) => bail!(
                "another request is being carried out on {name}: {other}; wait for its end in status.request, or take the \
                 annotation {REQUEST_ANNOTATION} off"
            ),
        }
        let annotations = json!({REQUEST_ANNOTATION: asked.to_string()});
        let metadata =
            json!({"resourceVersion": object.metadata.resource_version, "annotations": annotations});
        let patch = Patch::Merge(json!({"metadata": metadata}));
        match within(reader.deadline, objects.patch(name, &PatchParams::default(), &patch)).await {
            Ok(_) => return Ok(asked),
            Err(error) if error.is_conflict() => {}
            Err(error) if error.code() == Some(403) => bail!(
                "you may not patch ImagePullSecrets, by which the controller is asked: have somebody bind you to the \
                 ClusterRole tcr-assistant-credential-requests (chart: credentialRequests.role)"
            ),
            Err(error) => return Err(error).with_context(|| format!("cannot ask on ImagePullSecret {name}")),
        }
    }
    bail!("ImagePullSecret {name} is being changed all the time: try again")
}

/// The last request on an object, whatever its state.
fn last(object: &ImagePullSecret) -> Option<RequestId> {
    let answered: Option<RequestId> =
        object.status.as_ref().and_then(|it| it.request.as_ref()?.id.parse().ok());
    let annotation = object.metadata.annotations.as_ref().and_then(|it| it.get(REQUEST_ANNOTATION));
    answered.max(annotation.and_then(|it| Asked::parse(it).ok()).map(|it| it.id))
}

/// The earlier request on an object.
#[derive(Debug, PartialEq, Eq)]
enum Before {
    /// None that is unfinished or matters any more.
    Nothing,
    /// The same request.
    Same(Asked),
    /// Another request.
    Other(String),
}

fn before(object: &ImagePullSecret, asked: &Asked, now: Timestamp) -> Before {
    let annotation = object.metadata.annotations.as_ref().and_then(|it| it.get(REQUEST_ANNOTATION));
    let Some(Ok(present)) = annotation.map(|it| Asked::parse(it)) else { return Before::Nothing };
    let answer = answer(object, &present);
    let is_open = match answer {
        Some(answer) => !answer.is_final(),
        // Not accepted yet.
        None => now.duration_since(present.id.at()).abs() <= reconcile::TAKEN_UP_WITHIN,
    };
    match (is_open, present.request == asked.request, &asked.request) {
        (false, ..) => Before::Nothing,
        (true, true, _) => Before::Same(present),
        // A revocation does not wait for a rotation.
        (true, false, Request::Revoke { .. }) => Before::Nothing,
        (true, false, _) => Before::Other(present.to_string()),
    }
}

/// The answer to this request in an object's status.
fn answer<'a>(object: &'a ImagePullSecret, asked: &Asked) -> Option<&'a RequestStatus> {
    object.status.as_ref()?.request.as_ref().filter(|it| it.id == asked.id.to_string())
}

/// Waits for the end of a request, and reports each step of it.
///
/// # Errors
/// It does not end in time, another one replaced it, or the object is gone.
pub async fn wait(
    reader: &Reader,
    name: &str,
    asked: &Asked,
    timeout: Duration,
    tell: &mut dyn FnMut(&str),
) -> Result<Outcome> {
    let ends = Instant::now() + timeout;
    let mut told = String::new();
    loop {
        let found = object(reader, name).await;
        if let Ok(object) = &found {
            let annotation = object.metadata.annotations.as_ref().and_then(|it| it.get(REQUEST_ANNOTATION));
            if annotation != Some(&asked.to_string()) {
                bail!("another request has taken the place of {asked}: see status.request of {name}");
            }
            let answer = answer(object, asked);
            let now = standing(object, answer);
            if now != told {
                tell(&now);
                told = now;
            }
            if let Some(answer) = answer.filter(|it| it.is_final()) {
                return Ok(Outcome { image_pull_secret: name.to_owned(), request: answer.clone() });
            }
        }
        if Instant::now() + PAUSE > ends {
            let object = found?;
            bail!(
                "{name}: no end within {} s (--timeout); it goes on, and the same command waits for it again: {}",
                timeout.as_secs(),
                standing(&object, answer(&object, asked))
            );
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The state of the request, and the first condition that is not true, in the controller's words.
fn standing(object: &ImagePullSecret, answer: Option<&RequestStatus>) -> String {
    let how_far = match answer {
        Some(answer) => format!("{}: {}", answer.state, answer.message),
        None => "the controller has not taken note of it yet".to_owned(),
    };
    let conditions = object.status.iter().flat_map(|it| &it.conditions);
    let tells = |kind: &str| {
        [ConditionType::CredentialValid.as_str(), ConditionType::Distributed.as_str()].contains(&kind)
    };
    let holds = [ConditionReason::Valid.as_str(), ConditionReason::Complete.as_str()];
    let failing = conditions.filter(|it| tells(&it.type_)).find(|it| !holds.contains(&it.reason.as_str()));
    let standing = failing.map(|it| format!(" ({}, {}: {})", it.type_, it.reason, it.message));
    how_far + &standing.unwrap_or_default()
}

/// Removes an answered request.
pub async fn take_off(reader: &Reader, name: &str) {
    let objects: Api<ImagePullSecret> = Api::all(reader.client.clone());
    let patch = Patch::Merge(json!({"metadata": {"annotations": {REQUEST_ANNOTATION: null}}}));
    // A request that stays does no harm: it is not carried out again.
    drop(within(reader.deadline, objects.patch(name, &PatchParams::default(), &patch)).await);
}

#[cfg(test)]
mod tests {
    use custom_resource::condition::RequestState;
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn what_is_under_way_is_waited_for_and_only_a_revocation_takes_its_place() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let asked = |request| Asked { id: RequestId::new(now, 2), request };
        let revoke = || Request::Revoke { token_id: "t1".to_owned() };
        let present = Asked { id: RequestId::new(now, 1), request: Request::Rotate };
        let object = |state: Option<RequestState>| {
            let mut object = ImagePullSecret::new("demo", Default::default());
            let annotation = (REQUEST_ANNOTATION.to_owned(), present.to_string());
            object.metadata.annotations = Some([annotation].into());
            let request = state.map(|state| present.status(state, ""));
            object.status = Some(custom_resource::ImagePullSecretStatus { request, ..Default::default() });
            object
        };
        let check = |state, request, at: i64, expected: Before| {
            let now = now + SignedDuration::from_secs(at);
            assert_eq!(before(&object(state), &asked(request), now), expected);
        };
        check(Some(RequestState::Making), Request::Rotate, 5, Before::Same(present.clone()));
        check(Some(RequestState::Making), Request::Rotate, 86_400, Before::Same(present.clone()));
        check(Some(RequestState::Done), Request::Rotate, 5, Before::Nothing);
        check(Some(RequestState::Making), revoke(), 5, Before::Nothing);
        check(None, Request::Instances { region: None }, 5, Before::Other(present.to_string()));
        check(None, Request::Instances { region: None }, 5000, Before::Nothing);
    }
}

//! Validates the request on an ImagePullSecret. Pure.

use custom_resource::RequestStatus;
use custom_resource::condition::RequestState;
use custom_resource::request::{Asked, Request, Unreadable};
use jiff::{SignedDuration, Timestamp};
use tcr::image_pull_secret::{CredentialKind, ImagePullSecretSpec};

use crate::object::Object;

/// How far a request's time may be from now, in the past or the future. An annotation that a tool restores
/// later, from a backup or a repository, is therefore not carried out.
pub const TAKEN_UP_WITHIN: SignedDuration = SignedDuration::from_mins(10);

/// The answer to the request on an object, and the part of it to be carried out; `before` is the last answer.
pub(crate) fn judge(
    object: &Object,
    before: Option<&RequestStatus>,
    now: Timestamp,
) -> (Option<RequestStatus>, Option<Asked>) {
    let asked = match &object.request {
        None => return (None, None),
        Some(Ok(asked)) => asked,
        Some(Err(Unreadable { id, problem })) => {
            let status = RequestStatus {
                id: id.clone(),
                state: RequestState::Refused.as_str().to_owned(),
                message: problem.clone(),
                ..RequestStatus::default()
            };
            return (Some(status), None);
        }
    };
    let before = before.filter(|it| it.id == asked.id.to_string());
    if let Some(before) = before.filter(|it| it.is_final()) {
        return (Some(before.clone()), None);
    }
    let refused = impossible(object, &asked.request)
        // An accepted request is carried out, however long no controller ran meanwhile.
        .or_else(|| before.is_none().then(|| untimely(asked, now)).flatten());
    match (refused, before) {
        (Some(reason), _) => (Some(asked.status(RequestState::Refused, reason)), None),
        (None, Some(before)) => (Some(before.clone()), Some(asked.clone())),
        (None, None) => {
            (Some(asked.status(RequestState::Accepted, "it is being carried out")), Some(asked.clone()))
        }
    }
}

/// Why the request cannot be carried out on this object.
fn impossible(object: &Object, request: &Request) -> Option<String> {
    if object.deleting {
        return Some("the ImagePullSecret is being deleted".to_owned());
    }
    if !request.is_of_a_credential() {
        return None;
    }
    let spec = match &object.spec {
        Err(problem) => return Some(format!("the spec cannot be carried out: {problem}")),
        Ok(ImagePullSecretSpec { tcr: None, .. }) => {
            let what = "its password is given by spec.docker and not made by the controller: change it where it was made, \
                        and then in spec.docker or the Secret that it names";
            return Some(what.to_owned());
        }
        Ok(ImagePullSecretSpec { tcr: Some(tcr), .. }) => tcr,
    };
    if !spec.has_credential() {
        return Some(
            "spec.tcr.credential.type is none: there is no credential to replace or revoke".to_owned(),
        );
    }
    let is_temporary = spec.credential.kind == CredentialKind::Temp;
    (is_temporary && matches!(request, Request::Revoke { .. })).then(|| {
        "a temporary credential cannot be taken back at the registry; it ends by itself within an hour: rotate it, and \
         for certainty disable the identity that made it"
            .to_owned()
    })
}

fn untimely(asked: &Asked, now: Timestamp) -> Option<String> {
    let age = now.duration_since(asked.id.at());
    if age > TAKEN_UP_WITHIN {
        return Some(format!(
            "it is from {} and was not taken up within {} minutes; ask again",
            asked.id.at(),
            TAKEN_UP_WITHIN.as_mins()
        ));
    }
    (age < -TAKEN_UP_WITHIN).then(|| {
        format!("it is from {}, and it is {now} here: correct the clock, and ask again", asked.id.at())
    })
}

#[cfg(test)]
mod tests;

//! Secrets that the controller distributes: others change the ImagePullSecret, not these.

use std::borrow::Cow;

use tcr::names::{IMAGE_PULL_SECRET_LABEL, MANAGED_BY, MANAGED_BY_LABEL};

use crate::error::Error;
use crate::json::{Malformed, Scanner, Span};
use crate::registry::Wanted;
use crate::request::Operation;
use crate::review::Review;
use crate::settings::{Level, Settings, Text};
use crate::verdict::Answer;

#[cfg(test)]
mod tests;

/// Kubernetes' own controllers, which end what a deleted namespace or owner leaves behind. The
/// last one is all of them where the controller manager has one identity.
const KUBERNETES: &[&str] = &[
    "system:serviceaccount:kube-system:namespace-controller",
    "system:serviceaccount:kube-system:generic-garbage-collector",
    "system:kube-controller-manager",
];

/// Decides about a Secret.
pub(crate) fn decide(review: &Review<'_>) -> Result<Answer, Error> {
    let mut answer = Answer::accept();
    let request = &review.request;
    if !matches!(request.operation, Operation::Create | Operation::Update | Operation::Delete) {
        return Ok(answer);
    }
    let (object, old) = (request.object, request.old_object);
    // A write that changes nothing (a storage migration) is nobody's business.
    if let (Some(object), Some(old)) = (object, old)
        && object.of(review.payload) == old.of(review.payload)
    {
        return Ok(answer);
    }
    let mut owner = None;
    for object in [old, object].into_iter().flatten() {
        owner = owner.or(owner_of(review.payload, object)?);
    }
    let Some(owner) = owner else { return Ok(answer) };
    let settings = review.settings(&Wanted::default(), &mut answer)?;
    if settings.protect == Level::Off || may_change(&request.username, &settings) {
        return Ok(answer);
    }
    let (what, instead, then) = match request.operation {
        Operation::Create => ("has the labels of one that is", "leave them out, or change", ""),
        _ => ("is", "change or delete", "; this change will be undone"),
    };
    let reason = format!(
        "the Secret {:?} {what} managed by tcr-assistant; {instead} the ImagePullSecret {owner:?} instead",
        request.name
    );
    match settings.protect {
        Level::Reject => answer.refuse(403, reason),
        _ => answer.warn(reason + then),
    }
    Ok(answer)
}

/// Whether a user changes managed objects rightly: the controller, or a controller of Kubernetes.
pub(crate) fn may_change(username: &str, settings: &Settings<'_>) -> bool {
    KUBERNETES.contains(&username) || settings.texts(Text::ControllerUsernames).any(|own| own == username)
}

/// The ImagePullSecret that a Secret is labelled with, if it is one of ours. Both labels count:
/// a password that an ImagePullSecret refers to has the second one too, and is its user's.
fn owner_of(payload: &[u8], object: Span) -> Result<Option<Cow<'_, str>>, Malformed> {
    let owner = Scanner::new(payload, object.start).at_path(&["metadata", "labels"], |labels| {
        let (mut managed, mut owner) = (false, None);
        labels.object(|key, value| {
            if key == MANAGED_BY_LABEL.as_bytes() {
                managed = value.string()?.as_deref() == Some(MANAGED_BY);
            } else if key == IMAGE_PULL_SECRET_LABEL.as_bytes() {
                owner = value.string()?;
            } else {
                value.pass()?;
            }
            Ok(())
        })?;
        Ok(owner.filter(|_| managed))
    })?;
    Ok(owner.flatten())
}

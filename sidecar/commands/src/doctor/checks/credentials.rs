//! Credentials: whether there is a valid one, which rights its identity lacks, and which it should not have.

use custom_resource::ImagePullSecret;
use custom_resource::condition::{ConditionReason, ConditionType};
use jiff::SignedDuration;
use serde_json::json;

use super::super::check::{Check, Found, condition, name, objects, resolves, status};
use super::super::facts::Facts;

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "not-looked-at",
        about: "The controller has seen every ImagePullSecret as it is now.",
        run: not_looked_at,
    },
    Check { name: "spec", about: "Every spec can be carried out.", run: spec },
    Check {
        name: "cam-rights",
        about: "The identity that signs has the rights it needs at Tencent Cloud.",
        run: rights,
    },
    Check {
        name: "credential",
        about: "Every credential works, and the next one can be made.",
        run: credential,
    },
    Check { name: "credential-ends", about: "No credential is about to end.", run: ends },
    Check { name: "push-scope", about: "No credential may push.", run: push },
];

/// A credential that is not renewed expires; long-term ones are renewed a year before, temporary ones at half
/// their hour.
const SOON: SignedDuration = SignedDuration::from_mins(15);

/// The controller's own message says what to do about these.
const SPEC: [ConditionReason; 3] =
    [ConditionReason::InvalidSpec, ConditionReason::InvalidDomain, ConditionReason::NoDescription];
/// No fault, or one that another check reports.
const NO_FAULT: [ConditionReason; 4] = [
    ConditionReason::Valid,
    ConditionReason::Pending,
    ConditionReason::AwaitingVerdict,
    ConditionReason::Deleting,
];

/// Its condition about the credential, where that reports a fault.
fn fault(object: &ImagePullSecret) -> Option<(ConditionReason, &str)> {
    let said = condition(object, ConditionType::CredentialValid)?;
    let reason = ConditionReason::of(&said.reason)?;
    (!NO_FAULT.contains(&reason)).then_some((reason, said.message.as_str()))
}

fn not_looked_at(facts: &Facts) -> Vec<Found> {
    let behind = |object: &&ImagePullSecret| {
        let seen = status(object).find_map(|it| it.observed_generation);
        seen != object.metadata.generation && object.metadata.deletion_timestamp.is_none()
    };
    let found = objects(facts).filter(behind).map(|object| {
        Found::new(
            name(object),
            "the controller has not looked at its last change",
            "if it stays: see that one leads, and its log for a status that cannot be written",
        )
    });
    found.collect()
}

fn spec(facts: &Facts) -> Vec<Found> {
    let found = objects(facts).filter_map(|object| {
        let (reason, message) = fault(object).filter(|(reason, _)| SPEC.contains(reason))?;
        Some(Found::new(name(object), message, reason.action()))
    });
    found.collect()
}

/// The CAM statement that is missing, in the controller's words: `allow the CAM action tcr:A on RESOURCE for
/// WHO`.
fn lacking(message: &str) -> Option<(&str, &str)> {
    let rest = message.split_once("allow the CAM action ")?.1;
    let (action, rest) = rest.split_once(" on ")?;
    Some((action, rest.split_once(" for ")?.0))
}

fn rights(facts: &Facts) -> Vec<Found> {
    let found = objects(facts).filter_map(|object| {
        // A link that nodes do not resolve to is looked up only where the identity may do so.
        let is_needed = |type_: &str| type_ != ConditionType::PrivateLink.as_str() || resolves(object);
        let conditions = object.status.iter().flat_map(|it| &it.conditions);
        let conditions = conditions.filter(|it| is_needed(&it.type_));
        let (action, resource) = conditions.filter_map(|it| lacking(&it.message)).next()?;
        let statement = json!({"effect": "allow", "action": [action], "resource": [resource]});
        Some(Found::new(
            name(object),
            format!("the identity that signs lacks {action} on {resource}"),
            format!("add to its CAM policy: {statement}"),
        ))
    });
    found.collect()
}

fn credential(facts: &Facts) -> Vec<Found> {
    let found = objects(facts).filter_map(|object| {
        let (reason, message) = fault(object)?;
        if SPEC.contains(&reason) || lacking(message).is_some() {
            return None;
        }
        Some(Found::new(name(object), format!("{reason}: {message}"), reason.action()))
    });
    let refused = objects(facts).filter_map(|object| {
        let pending = status(object).find_map(|it| it.pending_credential.as_ref())?;
        (!pending.refused.is_empty() && fault(object).is_none()).then(|| {
            Found::new(
                name(object),
                format!(
                    "its changed password is not distributed, because the registry refuses it: {}",
                    pending.refused
                ),
                ConditionReason::CredentialRefused.action(),
            )
        })
    });
    found.chain(refused).collect()
}

fn ends(facts: &Facts) -> Vec<Found> {
    let found = objects(facts).filter_map(|object| {
        let end = status(object).find_map(|it| it.expires_at.as_ref())?.0;
        let left = end.duration_since(facts.now);
        let when = if left.is_positive() { "ends" } else { "ended" };
        (left < SOON).then(|| {
            let to_do = "see in the controller's log why it is not renewed, or have another one made: kubectl tcr rotate NAME";
            Found::new(name(object), format!("its credential {when} at {end}"), to_do)
        })
    });
    found.collect()
}

fn push(facts: &Facts) -> Vec<Found> {
    let may = |object: &&ImagePullSecret| {
        condition(object, ConditionType::CanPush).is_some_and(|it| it.status == "True")
    };
    let found = objects(facts).filter(may).map(|object| {
        Found::new(
            name(object),
            "its credential may also push: whoever reads the Secret may change images",
            "let the identity that signs pull only: tcr:PullRepository, and none of tcr:PushRepository or tcr:*",
        )
    });
    found.collect()
}

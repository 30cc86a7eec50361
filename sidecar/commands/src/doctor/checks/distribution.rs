//! Why Secrets and references are missing where they are desired.

use custom_resource::condition::{ConditionReason, ConditionType};
use custom_resource::{ImagePullSecret, WriteFailure};
use jiff::SignedDuration;

use super::super::check::{Check, Found, condition, name, objects, status};
use super::super::facts::{Facts, FullQuota, Rival};

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "no-namespaces",
        about: "Every ImagePullSecret selects a namespace.",
        run: selects_nothing,
    },
    Check { name: "refused-writes", about: "No write is refused.", run: refused },
    Check { name: "quota", about: "Quotas leave room for our Secrets.", run: quota },
    Check { name: "foreign-secrets", about: "No Secret of somebody else is in the way.", run: conflicts },
    Check { name: "contested", about: "Nobody changes back what the controller writes.", run: contested },
    Check { name: "other-tools", about: "No other program writes pull secrets.", run: rivals },
    Check { name: "stuck-deletion", about: "What is deleted goes.", run: stuck },
];

/// A deletion normally takes moments.
const LONG: SignedDuration = SignedDuration::from_mins(10);

fn selects_nothing(facts: &Facts) -> Vec<Found> {
    let nothing = |object: &&ImagePullSecret| {
        object.spec.has_credential()
            && status(object).any(|it| it.secrets_desired == Some(0))
            && object.metadata.deletion_timestamp.is_none()
    };
    let found = objects(facts).filter(nothing).map(|object| {
        Found::new(
            name(object),
            format!(
                "it selects no namespace of this cluster (spec.namespaces is {:?})",
                object.spec.namespaces
            ),
            "correct spec.namespaces or spec.namespaceSelector; \"*\" selects all",
        )
    });
    found.collect()
}

/// Refused writes of an ImagePullSecret, by what refuses them.
fn failures(object: &ImagePullSecret) -> impl Iterator<Item = &WriteFailure> {
    status(object).flat_map(|it| &it.failures)
}

fn is_quota(message: &str) -> bool {
    message.contains("exceeded quota")
}

fn refused(facts: &Facts) -> Vec<Found> {
    let found = objects(facts).filter_map(|object| {
        let others: Vec<&WriteFailure> = failures(object).filter(|it| !is_quota(&it.message)).collect();
        let WriteFailure { kind, namespaced_name, message } = others.first()?;
        let more = match others.len() {
            1 => String::new(),
            count => format!(" (and {} more)", count - 1),
        };
        let to_do = if message.contains("admission webhook") {
            "let the webhook that it names admit what system:serviceaccount:tcr-assistant-system:tcr-assistant-manager writes"
        } else if message.contains("ValidatingAdmissionPolicy") {
            "let the policy that it names admit what system:serviceaccount:tcr-assistant-system:tcr-assistant-manager writes"
        } else if message.contains("forbidden") {
            "give the controller the rights of the chart's ClusterRole tcr-assistant-manager-role back: helm upgrade"
        } else {
            "mend what the message names; it is tried again by itself"
        };
        Some(Found::new(
            name(object),
            format!("{kind} {namespaced_name} cannot be written{more}: {message}"),
            to_do,
        ))
    });
    found.collect()
}

fn quota(facts: &Facts) -> Vec<Found> {
    let refused: Vec<&str> = objects(facts)
        .flat_map(failures)
        .filter(|it| is_quota(&it.message))
        .filter_map(|it| it.namespaced_name.split('/').next())
        .collect();
    let full = facts.quotas.known().into_iter().flatten();
    let mut found: Vec<Found> = full
        .filter(|it| refused.contains(&it.namespace.as_str()))
        .map(|FullQuota { namespace, name, hard }| {
            Found::new(
                format!("ResourceQuota {namespace}/{name}"),
                format!("it allows {hard} Secrets, and all are taken: the pull secret is not there"),
                "raise it, or delete Secrets that nobody needs there",
            )
        })
        .collect();
    let named =
        |namespace: &str| facts.quotas.known().into_iter().flatten().any(|it| it.namespace == namespace);
    let mut unnamed: Vec<&str> = refused.iter().copied().filter(|it| !named(it)).collect();
    unnamed.dedup();
    found.extend(unnamed.into_iter().map(|namespace| {
        Found::new(
            format!("Namespace {namespace}"),
            "a quota leaves no room for the pull secret",
            format!("raise it: kubectl -n {namespace} describe resourcequota"),
        )
    }));
    found
}

fn conflicts(facts: &Facts) -> Vec<Found> {
    of_condition(facts, ConditionReason::ForeignSecret)
}

fn contested(facts: &Facts) -> Vec<Found> {
    of_condition(facts, ConditionReason::Contested)
}

fn of_condition(facts: &Facts, reason: ConditionReason) -> Vec<Found> {
    let found = objects(facts).filter_map(|object| {
        let said = condition(object, ConditionType::Conflicts)?;
        (said.status == "True" && said.reason == reason.as_str())
            .then(|| Found::new(name(object), said.message.clone(), reason.action()))
    });
    found.collect()
}

fn rivals(facts: &Facts) -> Vec<Found> {
    let found = facts.rivals.known().into_iter().flatten().map(|Rival { tool, does, to_do, place }| {
        Found::new(place.clone(), format!("{tool} runs here and {does}"), *to_do)
    });
    found.collect()
}

fn stuck(facts: &Facts) -> Vec<Found> {
    let found = objects(facts).filter_map(|object| {
        let since = object.metadata.deletion_timestamp.as_ref()?.0;
        (facts.now.duration_since(since) > LONG).then(|| {
            Found::new(
                name(object),
                format!("it is being deleted since {since}"),
                "its condition Distributed and status.failures say what is left; without a controller: kubectl tcr cleanup",
            )
        })
    });
    found.collect()
}

//! The texts about the node's own errors.

use super::super::case::Case;
use super::super::conditions::{Condition, Meaning};
use super::super::facts::Facts;
use super::super::findings::{Problem, Who};
use super::super::kubelet::{PullFailure, parse};

pub(super) fn name(facts: &Facts) -> &str {
    facts.pod.node.as_deref().unwrap_or("the node")
}

/// The host that was asked, and its relation to the image's registry.
pub(super) fn asked_host(case: &Case<'_>, failure: &PullFailure) -> String {
    let registry = &case.host;
    match failure.host.as_deref().filter(|host| !case.is_registry(host)) {
        Some(host) if failure.is_mirror => format!("{host}, which it has as a mirror of {registry},"),
        Some(host) if failure.is_of_layer => {
            format!("{host}, the storage that layers of {registry} come from,")
        }
        Some(host) if failure.is_of_token => format!("{host}, where tokens for {registry} come from,"),
        Some(host) => format!("{host}, which is not the registry {registry},"),
        None => registry.clone(),
    }
}

/// What to do about a condition.
pub(super) fn to_do(case: &Case<'_>, condition: &Condition, failure: &PullFailure) -> String {
    let host = failure.host.as_deref().unwrap_or(&case.host);
    condition.who.asks(&condition.to_do.replace("{host}", host).replace("{registry}", &case.host))
}

/// A condition that no credential changes.
pub(in super::super) fn condition(case: &Case<'_>, condition: &Condition, failure: &PullFailure) -> Problem {
    let node = name(case.facts);
    let cause =
        condition.cause.replace("{host}", &asked_host(case, failure)).replace("{registry}", &case.host);
    let message = match condition.meaning {
        Meaning::Start => format!("{node}: {cause}: {}", failure.words),
        _ => format!("{node} could not pull it: {cause}: {}", failure.words),
    };
    Problem::new(condition.reason, message, to_do(case, condition, failure)).of(condition.who)
}

/// Unknown words.
pub(in super::super) fn unknown_words(case: &Case<'_>, failure: &PullFailure) -> Problem {
    let node = name(case.facts);
    Problem::new(
        "PullErrorUnknown",
        format!("{node} could not pull it, by an error that is not known here: {}", failure.words),
        Who::Platform
            .asks(&format!("see what the container runtime of {node} says: journalctl -u containerd")),
    )
    .of(Who::Platform)
}

/// The sandbox of the Pod cannot be created.
pub(in super::super) fn sandbox_failed(facts: &Facts, message: &str) -> Problem {
    let node = name(facts);
    let failure = parse(message, "");
    let (words, lower) = (&failure.words, message.to_ascii_lowercase());
    let cause = failure.condition().filter(|it| it.meaning == Meaning::Final);
    let because = cause.map(|it| format!("; {}", plain(it.cause))).unwrap_or_default();
    if lower.contains("sandbox image") || lower.contains("pause image") || lower.contains("infra image") {
        let to_do = cause.map_or_else(
            || {
                format!(
                    "give the container runtime of {node} a sandbox image that it can pull (sandbox_image, or sandbox of \
                     pinned_images, in containerd's configuration), or a credential of its own for it"
                )
            },
            |it| plain(it.to_do),
        );
        return Problem::new(
            "SandboxImageNotPulled",
            format!(
                "{node} cannot pull the image of Pod sandboxes, which comes before every image of the Pod and for which \
                 no Secret of a Pod serves{because}: {words}"
            ),
            Who::Platform.asks(&to_do),
        )
        .of(Who::Platform);
    }
    if let Some(it) = cause {
        return Problem::new(
            it.reason,
            format!(
                "{node} cannot make the Pod's sandbox, before which no image is pulled: {}: {words}",
                plain(it.cause)
            ),
            it.who.asks(&plain(it.to_do)),
        )
        .of(it.who);
    }
    Problem::new(
        "SandboxFailed",
        format!("{node} cannot make the Pod's sandbox, before which no image is pulled: {words}"),
        Who::Platform.asks(&format!(
            "see the network plugin and the container runtime of {node}: the registry has no part in it"
        )),
    )
    .of(Who::Platform)
}

fn plain(text: &str) -> String {
    text.replace("{host}", "its registry").replace("{registry}", "its registry")
}

//! The kubelet's error about one image, and conclusions from it that do not depend on the registry's answer.

use super::super::case::{Case, Conclusion, fails};
use super::super::conditions::Meaning;
use super::super::facts::{Facts, ImageUse};
use super::super::kubelet::{PullError, PullFailure, parse};
use super::super::problem::{node, reach};
use crate::explain::conditions;
use crate::explain::findings::Verdict;

impl Case<'_> {
    /// The node's error, where neither a credential nor an answer of the registry changes it.
    pub(super) fn node_says(&self) -> Option<Conclusion> {
        let failure = self.failure.as_ref()?;
        let condition = match failure.error {
            PullError::Known(condition) => condition,
            PullError::BackOff => return None,
            PullError::Unknown => {
                return Some((Verdict::Unknown, Some(node::unknown_words(self, failure)), Vec::new()));
            }
        };
        let is_of_proxy = condition.reason != "ProxyFailed" && reach::is_of_proxy(self, failure);
        if let Some(proxy) = conditions::all().find(|it| it.reason == "ProxyFailed" && is_of_proxy) {
            return Some(fails(node::condition(self, proxy, failure)));
        }
        if condition.reason != "ProxyFailed" && reach::is_beside(self, failure) {
            return Some(fails(reach::cannot_reach(self, condition, failure)));
        }
        let elsewhere = failure.host.as_deref().filter(|host| !self.is_registry(host));
        match (condition.meaning, elsewhere) {
            (Meaning::Final | Meaning::Start, _) => Some(fails(node::condition(self, condition, failure))),
            (Meaning::Network | Meaning::Certificate, Some(host)) => {
                Some(fails(reach::other_host(self, host, failure)))
            }
            // A token service may have a host of its own: its refusal is about the credential.
            (Meaning::Credential | Meaning::NotFound, Some(host)) => (failure.is_of_layer
                || failure.is_mirror)
                .then(|| fails(reach::other_host(self, host, failure))),
            // containerd before 2.0 names the registry where the storage that it was redirected to refused
            // the request; to come so far its credential must have been accepted.
            (Meaning::Credential, None) if failure.is_of_layer && failure.words.contains("403 Forbidden") => {
                Some(fails(reach::other_host(self, &self.host, failure)))
            }
            _ if self.tries.is_empty() => None,
            _ => self.unreached().map(fails),
        }
    }
}

/// The error of the kubelet's last pull, while it waits to try again; or why a container does not start
/// because of its image.
pub(super) fn last_failure(image: &str, used: &[&ImageUse], facts: &Facts) -> Option<PullFailure> {
    if let Some(failure) = used.iter().find_map(|it| not_started(image, it)) {
        return Some(failure);
    }
    let waiting = used.iter().filter_map(|it| it.waits_for_pull());
    let waiting: Vec<PullFailure> =
        waiting.map(|(reason, message)| parse(&format!("{reason}: {message}"), image)).collect();
    // A volume's pull has no status of its own: only the Pod as a whole waits.
    let is_volume = used.iter().any(|it| !it.is_there && it.user.starts_with("volume "));
    if waiting.is_empty() && !is_volume {
        return None;
    }
    if let Some(failure) = waiting.iter().find(|it| it.error != PullError::BackOff) {
        return Some(failure.clone());
    }
    let events = facts.events.known().map(Vec::as_slice).unwrap_or_default();
    let failed = events.iter().filter(|it| it.reason == "Failed" && it.message.contains(image));
    let failure = failed.map(|it| parse(&it.message, image)).find(|it| it.error != PullError::BackOff);
    failure.or_else(|| waiting.into_iter().next())
}

/// Why a container does not start, where the image or the disk is the cause.
fn not_started(image: &str, used: &ImageUse) -> Option<PullFailure> {
    let messages = used.waits_after_pull().into_iter().chain(&used.ended);
    messages
        .map(|(reason, message)| parse(&format!("{reason}: {message}"), image))
        .find(PullFailure::is_of_start)
}

/// Why containers do not run whose images are on the node.
pub(super) fn does_not_start(used: &[&ImageUse]) -> Vec<String> {
    let notes = used.iter().filter(|it| not_started("", it).is_none()).filter_map(|it| {
        let (reason, message) = it.waits_after_pull()?;
        let message = message.chars().take(300).collect::<String>();
        Some(format!(
            "{} does not run, for another reason than its image's pull: {reason}: {message}",
            it.user
        ))
    });
    notes.collect()
}

//! The checks: each looks at what was read and returns findings.

mod admission;
mod credentials;
mod distribution;
mod installation;
mod nodes;

pub use super::check::Check;

use super::check::{Found, condition, objects, resolves};
use super::facts::{DryRun, Facts};
use super::report::{Finding, Report};
use crate::reader::Seen;
use custom_resource::condition::ConditionType;

/// Findings of one check that are shown: the same fault of a thousand objects is one fault.
const MOST_OF_ONE: usize = 10;

/// All checks, in the order in which their findings are printed.
pub const ALL: &[&[Check]] =
    &[installation::CHECKS, admission::CHECKS, credentials::CHECKS, distribution::CHECKS, nodes::CHECKS];

/// The findings of all checks.
pub fn report(facts: &Facts) -> Report {
    let mut findings = Vec::new();
    for check in ALL.iter().copied().flatten() {
        let mut found = (check.run)(facts);
        let more = found.len().saturating_sub(MOST_OF_ONE);
        found.truncate(MOST_OF_ONE);
        if let Some(last) = found.last_mut().filter(|_| more > 0) {
            last.message += &format!(" (and {more} more like it)");
        }
        findings.extend(found.into_iter().map(|Found { place, message, to_do }| Finding {
            check: check.name,
            place,
            message,
            to_do,
        }));
    }
    Report { well: findings.is_empty(), findings, not_known: not_known(facts) }
}

/// What could not be read.
fn not_known(facts: &Facts) -> Vec<String> {
    fn missing<T>(what: &str, seen: &Seen<T>) -> Option<String> {
        seen.missing().map(|why| format!("{what}: {why}"))
    }
    let dry_run = match &facts.dry_run {
        DryRun::Denied(right) => Some(format!("you may not {right}")),
        DryRun::Failed(why) => Some(why.clone()),
        DryRun::NoPlace if facts.registration.known().is_some_and(Option::is_some) => {
            Some("no namespace is selected by an ImagePullSecret that has a credential".to_owned())
        }
        _ => None,
    };
    let clock = facts.server_now.is_none().then(|| "the API server's clock: it tells no date".to_owned());
    let is_told = objects(facts).any(|it| condition(it, ConditionType::NodesResolve).is_some());
    // Agents report configuration: what programs on the node resolve was not tested.
    let unknown = match is_told {
        true => {
            "whether a proxy of a node's container runtime goes past its hosts file: hosts-updater reads no units"
        }
        false => "whether each node's container runtime uses its hosts file: hosts-updater does not tell",
    };
    let resolves = objects(facts).any(resolves).then(|| unknown.to_owned());
    let all = [
        missing("ImagePullSecrets", &facts.objects),
        missing("the custom resource's definition", &facts.definition),
        missing("the add-on's namespace", &facts.home),
        missing("whether a controller leads", &facts.controller),
        missing("the controller's Deployment", &facts.deployment),
        missing("the webhook's Deployment", &facts.webhook),
        missing("the node agents' DaemonSet", &facts.agents),
        missing("the add-on's Pods", &facts.pods),
        missing("the webhook's registration", &facts.registration),
        missing("the webhook's certificate", &facts.certificate),
        dry_run.map(|why| format!("whether Pods are patched: {why}")),
        missing("quotas", &facts.quotas),
        missing("other programs that write pull secrets", &facts.rivals),
        missing("nodes", &facts.nodes),
        clock,
        resolves,
    ];
    all.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests;

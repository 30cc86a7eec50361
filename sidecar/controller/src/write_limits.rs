//! Checks whether admission policies restrict the controller to the writes that it makes, by dry runs of
//! writes that they have to refuse.
//!
//! RBAC can restrict neither prefixes of names nor fields, so the chart brings ValidatingAdmissionPolicies,
//! one for each kind that is written. Without them the controller works as well, but an attacker who takes it
//! over may write more: so the verdict for each kind is published.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::PostParams;
use kube::{Api, Client};
use tcr::backoff::Backoff;
use tcr::exposition::{Exposition, Metric};
use tcr::names::{LEADER_LEASE, SYSTEM_NAMESPACE, WRITE_LIMITS_ANNOTATION};
use tcr::write_limits::{Kind, WriteLimits as Together};

use kubernetes::api_error::{ApiError, within};

mod dry_runs;

use dry_runs::DryRuns;

/// Whether policies restrict the controller's writes to those that it makes.
pub const WRITE_LIMITS: Metric = Metric::gauge(
    "tcr_assistant_write_limits",
    "Whether a policy holds writes of the kind to what is written.",
);
const DEADLINE: Duration = Duration::from_secs(10);
/// The time between two rounds: a policy may be created or deleted at any time.
const PERIOD: Duration = Duration::from_secs(600);
/// The wait while a policy is not in force: a new installation creates its policies last.
const RETRY: Backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(60));
/// Attempts to write a Lease that the leader renews at the same time.
const TRIES: usize = 5;
/// The first minor version of Kubernetes 1 whose API servers support such policies.
const FIRST_MINOR: u32 = 30;

/// Whether a policy is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It refused the write.
    InForce,
    /// The write was let through.
    Absent,
    /// There is no object for a dry run.
    Untried,
}

/// The verdict from the API server's answer to a write that `policy` has to refuse; none where something else
/// refused it, or there was no answer.
pub fn verdict(policy: &str, answer: &Result<(), ApiError>) -> Option<Verdict> {
    match answer {
        Ok(()) => Some(Verdict::Absent),
        Err(error) if error.is_not_found() => Some(Verdict::Untried),
        Err(ApiError::Refused(status)) => {
            let by = format!("ValidatingAdmissionPolicy '{policy}'");
            status.message.contains(&by).then_some(Verdict::InForce)
        }
        Err(_) => None,
    }
}

/// The last verdict of each kind that was tried.
#[derive(Debug, Default)]
pub struct WriteLimits {
    verdicts: Mutex<BTreeMap<Kind, Verdict>>,
}

impl WriteLimits {
    /// Adds the verdicts to `to`, without kinds that have none yet.
    pub fn expose(&self, to: &mut Exposition) {
        let mut samples = to.metric(&WRITE_LIMITS);
        for (kind, verdict) in &*self.verdicts.lock().unwrap_or_else(PoisonError::into_inner) {
            let value = match verdict {
                Verdict::InForce => 1,
                Verdict::Absent => 0,
                Verdict::Untried => continue,
            };
            samples.sample(&[("kind", kind.resource())], value);
        }
    }

    fn set(&self, kind: Kind, verdict: Verdict) {
        let mut verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        // An earlier verdict stays when the object of the dry run is gone.
        if verdict == Verdict::Untried && verdicts.contains_key(&kind) {
            return;
        }
        if verdicts.insert(kind, verdict) == Some(verdict) {
            return;
        }
        let (kind, policy) = (kind.resource(), kind.policy());
        match verdict {
            Verdict::InForce => {
                tracing::info!(policy, "the policy holds writes of {kind} to what is written");
            }
            Verdict::Absent => tracing::warn!(
                policy,
                "no policy limits writes of {kind} beyond RBAC: Kubernetes 1.30 or later and the chart's \
                 writeLimits.enabled are needed"
            ),
            Verdict::Untried => {
                tracing::debug!(policy, "nothing to try writes of {kind} on yet");
            }
        }
    }

    /// The verdict on all `kinds` together; none while one is missing, unless another one is absent.
    fn together(&self, kinds: &[Kind]) -> Option<Together> {
        let verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |kind: &Kind| verdicts.get(kind).copied();
        let absent: Vec<Kind> =
            kinds.iter().copied().filter(|kind| of(kind) == Some(Verdict::Absent)).collect();
        match (absent.is_empty(), kinds.iter().all(|kind| of(kind).is_some())) {
            (false, _) => Some(Together::Absent(absent)),
            (true, true) => Some(Together::InForce),
            (true, false) => None,
        }
    }

    fn is_settled(&self, kinds: &[Kind]) -> bool {
        let verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        kinds.iter().all(|kind| verdicts.get(kind) == Some(&Verdict::InForce))
    }
}

/// Checks `kinds` at the start and at an interval, until the future is dropped.
pub(super) async fn keep(client: Client, kinds: Vec<Kind>, limits: Arc<WriteLimits>) {
    let leases: Api<Lease> = Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
    let dry_runs = DryRuns::new(client.clone());
    let mut tries = 0;
    loop {
        for kind in &kinds {
            try_one(&dry_runs, *kind, &limits).await;
        }
        let mut together = limits.together(&kinds);
        if matches!(together, Some(Together::Absent(_))) && is_unsupported(&client).await {
            together = Some(Together::Unsupported);
        }
        if let Some(together) = &together
            && let Err(error) = tell(&leases, together).await
        {
            tracing::warn!(%error, "cannot note at the lease {LEADER_LEASE} whether writes are limited");
        }
        match limits.is_settled(&kinds) {
            true => {
                tokio::time::sleep(PERIOD).await;
                tries = 0;
            }
            false => {
                tokio::time::sleep(RETRY.wait(tries)).await;
                tries = tries.saturating_add(1);
            }
        }
    }
}

async fn try_one(dry_runs: &DryRuns, kind: Kind, limits: &WriteLimits) {
    let answer = dry_runs.forbidden(kind).await;
    match verdict(kind.policy(), &answer) {
        Some(verdict) => limits.set(kind, verdict),
        None => {
            let error = answer.err().map(|error| error.to_string()).unwrap_or_default();
            let policy = kind.policy();
            tracing::debug!(policy, error, "it is not known whether the policy is in force; trying again");
        }
    }
}

/// Whether the API server is too old for such policies.
async fn is_unsupported(client: &Client) -> bool {
    match within(DEADLINE, client.apiserver_version()).await {
        Ok(version) => is_before(&version.major, &version.minor),
        Err(error) => {
            tracing::debug!(%error, "cannot read the API server's version");
            false
        }
    }
}

/// Some providers append to the number, such as `29+`.
fn is_before(major: &str, minor: &str) -> bool {
    let digits = |text: &str| {
        let end = text.find(|it: char| !it.is_ascii_digit()).unwrap_or(text.len());
        text[..end].parse::<u32>().ok()
    };
    matches!((digits(major), digits(minor)), (Some(1), Some(minor)) if minor < FIRST_MINOR)
}

/// Writes the verdict to the Lease, where `tcr-assistant status` reads it. Without leader election there is
/// no Lease.
async fn tell(leases: &Api<Lease>, together: &Together) -> Result<(), ApiError> {
    let value = together.to_string();
    let mut result = Ok(());
    for _ in 0..TRIES {
        let Some(mut lease) = within(DEADLINE, leases.get_opt(LEADER_LEASE)).await? else { return Ok(()) };
        let annotations = lease.metadata.annotations.get_or_insert_default();
        let before = annotations.insert(WRITE_LIMITS_ANNOTATION.to_owned(), value.clone());
        if before.as_ref() == Some(&value) {
            return Ok(());
        }
        let written = within(DEADLINE, leases.replace(LEADER_LEASE, &PostParams::default(), &lease)).await;
        match written {
            Ok(_) => return Ok(()),
            Err(error) if error.is_conflict() => result = Err(error),
            Err(error) => return Err(error),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use kube::core::Status;

    use super::*;

    fn text(limits: &WriteLimits) -> String {
        let mut text = Exposition::default();
        limits.expose(&mut text);
        text.into_text()
    }

    fn refused(code: u16, message: &str) -> Result<(), ApiError> {
        let status = Status { code, message: message.to_owned(), ..Status::default() };
        Err(ApiError::Refused(status.boxed()))
    }

    #[test]
    fn a_policy_is_in_force_when_it_is_what_refuses() {
        let policy = "tcr-assistant-secret-writes";
        let check = |answer| verdict(policy, &answer);
        let denied = "secrets \"x\" is forbidden: ValidatingAdmissionPolicy 'tcr-assistant-secret-writes' with binding \
                      'tcr-assistant-secret-writes' denied request: only Secrets with the prefix tcr.ips";
        assert_eq!(check(refused(403, denied)), Some(Verdict::InForce));
        assert_eq!(check(Ok(())), Some(Verdict::Absent));
        let rbac = "secrets is forbidden: User \"x\" cannot create resource \"secrets\"";
        assert_eq!(check(refused(403, rbac)), None);
        let other = "secrets \"x\" is forbidden: ValidatingAdmissionPolicy 'somebody' with binding 'x' denied request: no";
        assert_eq!(check(refused(403, other)), None);
        assert_eq!(check(refused(429, "too many requests")), None);
        let gone = Status { code: 404, reason: "NotFound".to_owned(), ..Status::default() };
        assert_eq!(check(Err(ApiError::Refused(gone.boxed()))), Some(Verdict::Untried));
        assert_eq!(check(Err(ApiError::Deadline(DEADLINE))), None);
    }

    #[test]
    fn what_was_tried_is_a_metric_and_what_is_absent_is_named() {
        let limits = WriteLimits::default();
        let kinds = [Kind::Secrets, Kind::Pods, Kind::Nodes];
        assert_eq!(limits.together(&kinds), None);
        limits.set(Kind::Secrets, Verdict::InForce);
        limits.set(Kind::Pods, Verdict::Untried);
        assert_eq!(limits.together(&kinds), None);
        assert_eq!(limits.together(&kinds[..2]), Some(Together::InForce));
        assert!(!limits.is_settled(&kinds[..2]), "there may be something to try on later");
        limits.set(Kind::Nodes, Verdict::Absent);
        limits.set(Kind::Nodes, Verdict::Untried);
        assert_eq!(limits.together(&kinds), Some(Together::Absent(vec![Kind::Nodes])));
        expect![[r#"
            # HELP tcr_assistant_write_limits Whether a policy holds writes of the kind to what is written.
            # TYPE tcr_assistant_write_limits gauge
            tcr_assistant_write_limits{kind="secrets"} 1
            tcr_assistant_write_limits{kind="nodes"} 0
        "#]]
        .assert_eq(&text(&limits));
        limits.set(Kind::Nodes, Verdict::InForce);
        limits.set(Kind::Pods, Verdict::InForce);
        assert_eq!(limits.together(&kinds), Some(Together::InForce));
        assert!(limits.is_settled(&kinds));
    }

    #[test]
    fn policies_are_known_from_1_30_on() {
        assert!(is_before("1", "29"));
        assert!(is_before("1", "28+"));
        for (major, minor) in [("1", "30"), ("1", "35"), ("2", "0"), ("", ""), ("1", "x")] {
            assert!(!is_before(major, minor), "{major}.{minor}");
        }
    }
}

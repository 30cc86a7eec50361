//! Whether policies hold the controller's writes to what it writes: tried with writes that they refuse, as dry runs.
//!
//! RBAC knows neither prefixes of names nor fields, so the chart brings ValidatingAdmissionPolicies. Without them the
//! controller works as well, and whoever takes it over may write more: so it is said whether they are in force.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use tcr::names::{
    CONTROLLER_SERVICE_ACCOUNT, LEADER_LEASE, SECRET_WRITES_POLICY, SERVICE_ACCOUNT_WRITES_POLICY,
    SYSTEM_NAMESPACE, WRITE_LIMITS_ABSENT, WRITE_LIMITS_ANNOTATION, WRITE_LIMITS_IN_FORCE,
};

use kubernetes::api_error::{ApiError, within};

const DEADLINE: Duration = Duration::from_secs(10);
/// Between two trials: a policy may go or come at any time.
const PERIOD: Duration = Duration::from_secs(600);
/// The same while something is not in force: a new installation has its policies last.
const SOON: Duration = Duration::from_secs(10);
/// The wait after a trial that told nothing.
const AGAIN: Duration = Duration::from_secs(5);
/// Tries to write to a Lease that is renewed at the same time.
const TRIES: usize = 5;
/// What is tried to be written. Nobody has it.
const TRIAL: &str = "tcr-assistant-write-limits-trial";

/// Whether a policy is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It refused what it has to.
    InForce,
    /// What it has to refuse was let through.
    Absent,
}

/// What the API server's answer to a write that `policy` refuses says; none where something else refused it, or nobody
/// answered.
pub fn verdict(policy: &str, answer: &Result<(), ApiError>) -> Option<Verdict> {
    match answer {
        Ok(()) => Some(Verdict::Absent),
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
    verdicts: Mutex<BTreeMap<&'static str, Verdict>>,
}

impl WriteLimits {
    /// In Prometheus' text format; a kind that was not tried yet is not there.
    pub fn text(&self) -> String {
        let mut text = "# HELP tcr_assistant_write_limits Whether a policy holds writes of the kind to what is written.\n\
                        # TYPE tcr_assistant_write_limits gauge\n"
            .to_owned();
        for (kind, verdict) in &*self.verdicts.lock().unwrap_or_else(PoisonError::into_inner) {
            let value = u8::from(*verdict == Verdict::InForce);
            // Writing to a String does not fail.
            let _ = writeln!(text, "tcr_assistant_write_limits{{kind=\"{kind}\"}} {value}");
        }
        text
    }

    fn set(&self, kind: &'static str, policy: &str, verdict: Verdict) {
        let mut verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        if verdicts.insert(kind, verdict) == Some(verdict) {
            return;
        }
        match verdict {
            Verdict::InForce => {
                tracing::info!(policy, "the policy holds writes of {kind} to what is written")
            }
            Verdict::Absent => tracing::warn!(
                policy,
                "no policy limits writes of {kind} beyond RBAC: Kubernetes 1.30 or later and the chart's \
                 writeLimits.enabled are needed"
            ),
        }
    }

    /// What they are together; none until all were tried.
    fn together(&self) -> Option<Verdict> {
        let verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        let is_absent = verdicts.values().any(|it| *it == Verdict::Absent);
        match (is_absent, verdicts.len()) {
            (true, _) => Some(Verdict::Absent),
            (false, 2) => Some(Verdict::InForce),
            (false, _) => None,
        }
    }
}

/// Tries it at the start and now and then, until the task is dropped.
pub(super) async fn keep(client: Client, limits: Arc<WriteLimits>) {
    let leases: Api<Lease> = Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
    loop {
        let told = round(&client, &limits).await;
        let verdict = limits.together();
        if let Some(verdict) = verdict
            && let Err(error) = tell(&leases, verdict).await
        {
            tracing::warn!(%error, "cannot note at the lease {LEADER_LEASE} whether writes are limited");
        }
        let pause = match (told, verdict) {
            (false, _) => AGAIN,
            (true, Some(Verdict::InForce)) => PERIOD,
            (true, _) => SOON,
        };
        tokio::time::sleep(pause).await;
    }
}

/// Tries each kind; whether each told something.
async fn round(client: &Client, limits: &WriteLimits) -> bool {
    let trials = [
        ("secrets", SECRET_WRITES_POLICY, secret(client).await),
        ("serviceaccounts", SERVICE_ACCOUNT_WRITES_POLICY, account(client).await),
    ];
    let mut all = true;
    for (kind, policy, answer) in trials {
        match (verdict(policy, &answer), answer) {
            (Some(verdict), _) => limits.set(kind, policy, verdict),
            (None, answer) => {
                all = false;
                let error = answer.err().map(|error| error.to_string()).unwrap_or_default();
                tracing::debug!(
                    policy,
                    error,
                    "it is not known whether the policy is in force; trying again"
                );
            }
        }
    }
    all
}

/// A Secret that is not ours to make.
async fn secret(client: &Client) -> Result<(), ApiError> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
    let mut secret = Secret { type_: Some("Opaque".to_owned()), ..Secret::default() };
    secret.metadata.name = Some(TRIAL.to_owned());
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    within(DEADLINE, secrets.create(&dry, &secret)).await.map(drop)
}

/// An annotation that is not ours to write, on the controller's own ServiceAccount.
async fn account(client: &Client) -> Result<(), ApiError> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
    let patch = Patch::Merge(json!({"metadata": {"annotations": {TRIAL: "true"}}}));
    let dry = PatchParams { dry_run: true, ..PatchParams::default() };
    within(DEADLINE, accounts.patch_metadata(CONTROLLER_SERVICE_ACCOUNT, &dry, &patch)).await.map(drop)
}

/// Notes it where `tcr-assistant status` finds it. Without leader election there is no Lease.
async fn tell(leases: &Api<Lease>, verdict: Verdict) -> Result<(), ApiError> {
    let value = match verdict {
        Verdict::InForce => WRITE_LIMITS_IN_FORCE,
        Verdict::Absent => WRITE_LIMITS_ABSENT,
    };
    let mut result = Ok(());
    for _ in 0..TRIES {
        let Some(mut lease) = within(DEADLINE, leases.get_opt(LEADER_LEASE)).await? else { return Ok(()) };
        let annotations = lease.metadata.annotations.get_or_insert_default();
        if annotations.insert(WRITE_LIMITS_ANNOTATION.to_owned(), value.to_owned()).as_deref() == Some(value)
        {
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
        assert_eq!(check(Err(ApiError::Deadline(DEADLINE))), None);
    }

    #[test]
    fn what_was_tried_is_a_metric_and_one_that_is_absent_is_all() {
        let limits = WriteLimits::default();
        assert_eq!(limits.together(), None);
        limits.set("secrets", "s", Verdict::InForce);
        assert_eq!(limits.together(), None);
        limits.set("serviceaccounts", "a", Verdict::Absent);
        assert_eq!(limits.together(), Some(Verdict::Absent));
        expect![[r#"
            # HELP tcr_assistant_write_limits Whether a policy holds writes of the kind to what is written.
            # TYPE tcr_assistant_write_limits gauge
            tcr_assistant_write_limits{kind="secrets"} 1
            tcr_assistant_write_limits{kind="serviceaccounts"} 0
        "#]]
        .assert_eq(&limits.text());
        limits.set("serviceaccounts", "a", Verdict::InForce);
        assert_eq!(limits.together(), Some(Verdict::InForce));
    }
}

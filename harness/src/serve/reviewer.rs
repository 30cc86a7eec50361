//! Puts reviews to the policies: who is asked, by how many at a time, until when.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::constraint::{constrain, is_exempt};
use super::metrics::{Labels, Metrics};
use super::time_limit::deadline;
use crate::host_capabilities::shortened;
use crate::policies_file::Mode;
use crate::{AdmissionResponse, Evaluation, Policy, Request, RequestError, Settings, Status};

/// What an admission is answered to which no verdict can be had: the queue is full, the time is up, the
/// policy trapped or asked for too much memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum OnHostFailure {
    /// A refusal with code 500, as policy-server does
    #[default]
    Refuse,
    /// HTTP 503, so that the webhook's failurePolicy decides
    Defer,
}

/// A policy with its place in the file.
pub struct ServedPolicy {
    /// The policy, with what it may ask.
    pub policy: Policy,
    /// Its settings, which it has taken.
    pub settings: Settings,
    /// What its verdict leads to.
    pub mode: Mode,
    /// Whether it may change objects.
    pub allowed_to_mutate: bool,
    /// What users are told instead of its own reason.
    pub message: Option<String>,
    /// How long one review may take, from its arrival.
    pub timeout: Duration,
}

/// All policies, and the workers that ask them.
pub struct Reviewer {
    policies: BTreeMap<String, Arc<ServedPolicy>>,
    workers: Arc<Semaphore>,
    always_accept: Option<String>,
    on_host_failure: OnHostFailure,
    pub(super) metrics: Metrics,
}

/// Which endpoint a review came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// An admission.
    Validate,
    /// The audit scanner, which wants the policy's own answer.
    Audit,
    /// An admission of something else than a Kubernetes object.
    Raw,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Refusal {
    /// No policy has this id.
    Unknown,
    /// The body is not a review.
    Bad(RequestError),
    /// There is no verdict, for this reason, and whoever called shall decide.
    Deferred(String),
    /// A worker failed; the log tells.
    Failed,
}

impl Reviewer {
    /// `workers` reviews at a time; everything in the namespace `always_accept` is admitted unasked.
    pub fn new(
        policies: BTreeMap<String, ServedPolicy>,
        workers: usize,
        always_accept: Option<String>,
        on_host_failure: OnHostFailure,
    ) -> Self {
        let policies = policies.into_iter().map(|(id, policy)| (id, Arc::new(policy))).collect();
        Self {
            policies,
            workers: Arc::new(Semaphore::new(workers)),
            always_accept,
            on_host_failure,
            metrics: Metrics::default(),
        }
    }

    pub(super) fn knows(&self, id: &str) -> bool {
        self.policies.contains_key(id)
    }

    /// The answer's bytes. `arrived` is when the review's time began, `callers_time` how much of it the
    /// caller gives.
    pub(super) async fn review(
        self: &Arc<Self>,
        id: &str,
        origin: Origin,
        body: Vec<u8>,
        arrived: Instant,
        callers_time: Option<Duration>,
    ) -> Result<Vec<u8>, Refusal> {
        let served = self.policies.get(id).cloned().ok_or(Refusal::Unknown)?;
        let deadline = deadline(arrived, served.timeout, callers_time);
        let worker = self.workers.clone().acquire_owned();
        let Ok(worker) = tokio::time::timeout_at(deadline.into(), worker).await else {
            let request = read(&body, origin).map_err(Refusal::Bad)?;
            let evaluation = Evaluation::too_late(&request);
            return self.conclude(id, &served, origin, &request, evaluation, arrived);
        };
        let (reviewer, id) = (self.clone(), id.to_owned());
        let work = tokio::task::spawn_blocking(move || {
            // Until the answer is there.
            let _worker = worker;
            let request = read(&body, origin).map_err(Refusal::Bad)?;
            if origin != Origin::Raw && is_exempt(reviewer.always_accept.as_deref(), request.namespace()) {
                let uid = request.uid().to_owned();
                return Ok(encode(&AdmissionResponse { uid, allowed: true, ..Default::default() }, origin));
            }
            let evaluation = served.policy.evaluate_by(&request, &served.settings, deadline);
            reviewer.conclude(&id, &served, origin, &request, evaluation, arrived)
        });
        work.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a worker failed");
            Err(Refusal::Failed)
        })
    }

    fn conclude(
        &self,
        id: &str,
        served: &ServedPolicy,
        origin: Origin,
        request: &Request<'_>,
        evaluation: Evaluation,
        arrived: Instant,
    ) -> Result<Vec<u8>, Refusal> {
        let Evaluation { response: answer, failed, .. } = evaluation;
        let code = answer.status.as_ref().and_then(|status| status.code).filter(|code| *code >= 500);
        let labels = Labels {
            policy: id,
            mode: served.mode.name(),
            kind: request.kind(),
            operation: request.operation(),
            origin: origin.name(),
            accepted: answer.allowed,
            mutated: answer.patch.is_some(),
            error_code: code,
        };
        self.metrics.evaluated(&labels, arrived.elapsed());
        if let Some(status) = answer.status.as_ref().filter(|_| code.is_some()) {
            tracing::warn!(policy = id, uid = request.uid(), message = logged(status), "a policy failed");
        }
        if origin == Origin::Audit {
            return Ok(encode(&answer, origin));
        }
        if served.mode == Mode::Monitor {
            tracing::info!(
                policy = id,
                uid = request.uid(),
                kind = request.kind(),
                name = request.name(),
                namespace = request.namespace(),
                operation = request.operation(),
                allowed = answer.allowed,
                mutated = answer.patch.is_some(),
                message = answer.status.as_ref().and_then(logged),
                "policy evaluation (monitor mode)"
            );
        }
        // A policy that only watches keeps nobody from anything, whatever becomes of it.
        if failed && served.mode == Mode::Protect && self.on_host_failure == OnHostFailure::Defer {
            let reason = answer.status.and_then(|status| status.message).unwrap_or_default();
            return Err(Refusal::Deferred(reason));
        }
        let answer = constrain(id, served.mode, served.allowed_to_mutate, served.message.as_deref(), answer);
        Ok(encode(&answer, origin))
    }
}

/// What a policy said, for the log: the words are its own.
fn logged(status: &Status) -> Option<String> {
    status.message.as_deref().map(|message| shortened(message, 1 << 10))
}

impl Origin {
    fn name(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::Validate | Self::Raw => "validate",
        }
    }
}

fn read(body: &[u8], origin: Origin) -> Result<Request<'_>, RequestError> {
    match origin {
        Origin::Validate | Origin::Audit => Request::from_review(body),
        Origin::Raw => Request::raw_from_body(body),
    }
}

fn encode(answer: &AdmissionResponse, origin: Origin) -> Vec<u8> {
    match origin {
        Origin::Validate | Origin::Audit => answer.to_review(),
        Origin::Raw => answer.to_raw(),
    }
}

//! Passes reviews to the policies: to which one, how many at a time, and until when.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use admission_review::{Origin, Rejection, Subject, namespace_of_beginning};
use listener::Body;

use super::constraint::{constrain, is_exempt};
use super::fair_queue::Lane;
use super::metrics::{self, Labels, Metrics};
use super::served_policy::ServedPolicy;
use super::time_limit::deadline;
use super::turns::{NoTurn, Turns, Workers};
use crate::host_capabilities::shortened;
use crate::policies_file::Mode;
use crate::{AdmissionResponse, Evaluation, Status};

const TOO_MANY: &str = "internal server error: too many reviews wait";
const BEING_PREPARED: &str = "internal server error: the policy is being prepared";
/// How long a review waits for its policy to be prepared where its caller does not say how long it would: what an API
/// server gives a webhook that says nothing else.
const PREPARATION: Duration = Duration::from_secs(10);

/// The answer to an admission without a verdict: the queue is full, the time is up, the policy trapped or
/// asked for too much memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum OnHostFailure {
    /// A refusal with code 500, as policy-server does
    #[default]
    Refuse,
    /// HTTP 503, so that the webhook's failurePolicy decides
    Defer,
}

/// Policies by their ids.
pub(super) type Policies = BTreeMap<String, Arc<ServedPolicy>>;

/// All policies, and the workers that ask them.
pub(super) struct Reviewer {
    policies: RwLock<Arc<Policies>>,
    workers: usize,
    turns: Turns,
    /// Digests namespaces, which are any texts, for the queue.
    digests: RandomState,
    always_accept: Option<String>,
    on_host_failure: OnHostFailure,
    pub(super) metrics: Metrics,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Refusal {
    /// No policy has this id.
    Unknown,
    /// The body is not a review.
    Bad(Rejection),
    /// There is no verdict, for this reason, and the caller shall decide.
    Deferred(String),
    /// A worker failed; the log tells.
    Failed,
}

impl Reviewer {
    /// `workers` reviews at a time, besides those that take long; everything in the namespace `always_accept` is admitted unasked.
    pub(super) fn new(
        policies: Policies,
        workers: usize,
        always_accept: Option<String>,
        on_host_failure: OnHostFailure,
    ) -> Self {
        Self {
            turns: Turns::new(Workers::new(workers, policies.len())),
            policies: RwLock::new(Arc::new(policies)),
            workers,
            digests: RandomState::new(),
            always_accept,
            on_host_failure,
            metrics: Metrics::default(),
        }
    }

    /// The policies of this moment.
    pub(super) fn policies(&self) -> Arc<Policies> {
        self.policies.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Serves these from now on; a review that is under way ends with the policy that it began with.
    pub(super) fn replace(&self, policies: Policies) {
        let workers = Workers::new(self.workers, policies.len());
        *self.policies.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policies);
        self.turns.set_workers(workers);
    }

    /// For `/metrics`.
    pub(super) fn metrics_text(&self) -> String {
        let mut stages = BTreeMap::new();
        for policy in self.policies().values() {
            *stages.entry(policy.stage().name()).or_default() += 1;
        }
        self.metrics.text(&stages)
    }

    pub(super) fn knows(&self, id: &str) -> bool {
        self.policies().contains_key(id)
    }

    /// The answer's bytes. `arrived` is when the review's time began, `callers_time` how much of it the
    /// caller gives.
    pub(super) async fn review(
        self: &Arc<Self>,
        id: &str,
        origin: Origin,
        body: Body,
        arrived: Instant,
        callers_time: Option<Duration>,
    ) -> Result<Vec<u8>, Refusal> {
        let served = self.policies().get(id).cloned().ok_or(Refusal::Unknown)?;
        let (answerer, began) = match served.answerer() {
            Some(answerer) => (answerer, arrived),
            // The policy's own time limit is for its evaluation, and begins when the policy is ready.
            None => match served.answerer_by(arrived + callers_time.unwrap_or(PREPARATION)).await {
                Some(answerer) => (answerer, Instant::now()),
                None => {
                    let subject = Subject::of_beginning(&body.bytes);
                    let evaluation = Evaluation::failed(&subject.uid, BEING_PREPARED);
                    return self.conclude(id, &served, origin, &subject, evaluation, arrived);
                }
            },
        };
        let deadline = deadline(arrived, served.timeout + (began - arrived), callers_time);
        let lane = Lane {
            policy: served.number,
            namespace: self.digests.hash_one(namespace_of_beginning(&body.bytes)),
        };
        let turn = match self.turns.wait(lane, body.bytes.len(), deadline).await {
            Ok(turn) => turn,
            Err(no_turn) => {
                // Reading all of it is work, for which it has no turn.
                let subject = Subject::of_beginning(&body.bytes);
                let evaluation = match no_turn {
                    NoTurn::Late => Evaluation::too_late(&subject.uid),
                    NoTurn::Full => Evaluation::failed(&subject.uid, TOO_MANY),
                };
                return self.conclude(id, &served, origin, &subject, evaluation, arrived);
            }
        };
        let (reviewer, id) = (self.clone(), id.to_owned());
        let slice = turn.slice();
        let work = tokio::task::spawn_blocking(move || {
            // Until the answer is there.
            let _turn = turn;
            let request = origin
                .read(&body.bytes)
                .map_err(|error| Refusal::Bad(Rejection::of_body(&body.bytes, origin, &error)))?;
            if origin != Origin::Raw && is_exempt(reviewer.always_accept.as_deref(), request.namespace()) {
                let uid = request.uid().to_owned();
                return Ok(origin.encode(&AdmissionResponse { uid, allowed: true, ..Default::default() }));
            }
            let evaluation = match &answerer {
                Ok(evaluator) => {
                    // In each log line of the policy, or of its host about it.
                    let span = tracing::error_span!("review", uid = request.uid());
                    span.in_scope(|| evaluator.evaluate_by(&request, deadline))
                }
                Err(reason) => Evaluation::failed(request.uid(), reason.as_str()),
            };
            reviewer.conclude(&id, &served, origin, &Subject::of(&request), evaluation, arrived)
        });
        slice.or_longer(work).await.unwrap_or_else(|error| {
            tracing::error!(%error, "a worker failed");
            Err(Refusal::Failed)
        })
    }

    fn conclude(
        &self,
        id: &str,
        served: &ServedPolicy,
        origin: Origin,
        subject: &Subject<'_>,
        evaluation: Evaluation,
        arrived: Instant,
    ) -> Result<Vec<u8>, Refusal> {
        let Evaluation { response: answer, failed, .. } = evaluation;
        let code = answer.status.as_ref().and_then(|status| status.code).filter(|code| *code >= 500);
        let labels = Labels {
            policy: id,
            mode: served.mode.name(),
            kind: metrics::kind(&subject.kind, &served.kinds),
            operation: metrics::operation(&subject.operation),
            origin: origin.name(),
            accepted: answer.allowed,
            mutated: answer.patch.is_some(),
            error_code: code,
        };
        self.metrics.evaluated(&labels, arrived.elapsed());
        if let Some(status) = answer.status.as_ref().filter(|_| code.is_some()) {
            tracing::warn!(policy = id, uid = &*subject.uid, message = logged(status), "a policy failed");
        }
        if origin == Origin::Audit {
            return Ok(origin.encode(&answer));
        }
        if served.mode == Mode::Monitor {
            tracing::info!(
                policy = id,
                uid = &*subject.uid,
                kind = &*subject.kind,
                name = &*subject.name,
                namespace = &*subject.namespace,
                operation = &*subject.operation,
                allowed = answer.allowed,
                mutated = answer.patch.is_some(),
                message = answer.status.as_ref().and_then(logged),
                "policy evaluation (monitor mode)"
            );
        }
        // A policy in monitor mode never blocks a request, even when it fails.
        if failed && served.mode == Mode::Protect && self.on_host_failure == OnHostFailure::Defer {
            let reason = answer.status.and_then(|status| status.message).unwrap_or_default();
            return Err(Refusal::Deferred(reason));
        }
        let answer = constrain(id, served.mode, served.allowed_to_mutate, served.message.as_deref(), answer);
        Ok(origin.encode(&answer))
    }
}

/// A policy's message for the log, in the policy's own words.
fn logged(status: &Status) -> Option<String> {
    status.message.as_deref().map(|message| shortened(message, 1 << 10))
}

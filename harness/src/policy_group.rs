//! A group: policies that are asked together, and an expression that says what their verdicts come to.
//!
//! The texts and the shape of the answer are Kubewarden's. Where a policy of the group has no verdict, the group
//! has none either, unless the others decide: Kubewarden's host takes it for a refusal, so that `!a()` accepts
//! when `a` fails.

use std::collections::BTreeMap;
use std::time::Instant;

pub use expression::{Expression, ExpressionError};

use crate::policy::SettingsError;
use crate::{AdmissionResponse, Evaluation, Policy, Request, Settings, Status, StatusCause, StatusDetails};

mod expression;

const MUTATION_IN_GROUP: &str = "mutation is not allowed inside of policy group";

/// Policies, each with its settings, and an expression over their verdicts.
#[derive(Clone)]
pub struct PolicyGroup {
    /// Names it in messages.
    pub id: String,
    /// The policies that the expression names, and maybe more.
    pub policies: BTreeMap<String, (Policy, Settings)>,
    /// The expression over their verdicts.
    pub expression: Expression,
    /// The message for users when it refuses.
    pub message: String,
}

impl PolicyGroup {
    /// Asks every policy about its settings.
    ///
    /// # Errors
    /// What each that does not take its settings says.
    pub fn validate_settings(&self) -> Result<(), SettingsError> {
        let Self { id, policies, .. } = self;
        let refused: Vec<String> = policies
            .iter()
            .filter_map(|(name, (policy, settings))| {
                let refusal = policy.validate_settings(settings).err()?;
                Some(format!("{id}/{name}: Policy settings are invalid: {refusal}"))
            })
            .collect();
        match refused.is_empty() {
            true => Ok(()),
            false => Err(SettingsError::Refused(refused.join(", "))),
        }
    }

    /// Puts a request to those policies whose verdicts matter, one after the other until the deadline.
    pub fn evaluate_by(&self, request: &Request<'_>, deadline: Instant) -> Evaluation {
        let mut answers: BTreeMap<&str, Evaluation> = BTreeMap::new();
        let verdict = self.expression.evaluate(&mut |name| {
            let (name, (policy, settings)) = self.policies.get_key_value(name)?;
            let evaluation = answers
                .entry(name)
                .or_insert_with(|| without_patch(policy.evaluate_by(request, settings, deadline)));
            (!evaluation.failed).then_some(evaluation.response.allowed)
        });
        let uid = request.uid().to_owned();
        let response = match verdict {
            Some(true) => AdmissionResponse { uid, allowed: true, ..AdmissionResponse::default() },
            Some(false) => {
                AdmissionResponse { uid, status: Some(self.refusal(answers)), ..Default::default() }
            }
            None => return self.no_verdict(&uid, &answers),
        };
        Evaluation { response, mutated_object: None, failed: false }
    }

    /// Why it is refused: each policy that was asked and did not accept is a cause.
    fn refusal(&self, answers: BTreeMap<&str, Evaluation>) -> Status {
        let refused = answers.into_iter().filter(|(_, evaluation)| !evaluation.response.allowed);
        let causes = refused.map(|(name, evaluation)| StatusCause {
            field: Some(format!("spec.policies.{name}")),
            message: evaluation.response.status.and_then(|status| status.message),
        });
        let details = StatusDetails { causes: causes.collect() };
        Status { message: Some(self.message.clone()), code: None, details: Some(details) }
    }

    fn no_verdict(&self, uid: &str, answers: &BTreeMap<&str, Evaluation>) -> Evaluation {
        let failed = answers.iter().find(|(_, evaluation)| evaluation.failed);
        let why = failed.map(|(name, evaluation)| {
            let status = evaluation.response.status.as_ref();
            let message = status.and_then(|status| status.message.as_deref()).unwrap_or_default();
            format!("policy {name} of the group {} has no verdict: {message}", self.id)
        });
        Evaluation::failed(uid, why.unwrap_or_else(|| format!("the group {} has no verdict", self.id)))
    }
}

/// A policy of a group judges, and changes nothing.
fn without_patch(evaluation: Evaluation) -> Evaluation {
    match evaluation.response.patch {
        None => evaluation,
        Some(_) => Evaluation {
            response: AdmissionResponse::refusal(&evaluation.response.uid, MUTATION_IN_GROUP, None),
            mutated_object: None,
            failed: false,
        },
    }
}

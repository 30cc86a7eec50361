//! A policy with its settings, or a group of them, which evaluates requests.

use std::time::Instant;

use crate::policy::SettingsError;
use crate::policy_group::PolicyGroup;
use crate::{Evaluation, Policy, Request, Settings};

/// A policy with its settings, or a group of such.
#[derive(Clone)]
pub enum Evaluator {
    Policy(Policy, Settings),
    /// Several, and what their verdicts come to.
    Group(PolicyGroup),
}

impl Evaluator {
    /// Asks every policy in it about its settings.
    ///
    /// # Errors
    /// What the policies say is wrong with them.
    pub fn validate_settings(&self) -> Result<(), SettingsError> {
        match self {
            Self::Policy(policy, settings) => policy.validate_settings(settings),
            Self::Group(group) => group.validate_settings(),
        }
    }

    /// The answer to a request, until the deadline.
    pub fn evaluate_by(&self, request: &Request<'_>, deadline: Instant) -> Evaluation {
        match self {
            Self::Policy(policy, settings) => policy.evaluate_by(request, settings, deadline),
            Self::Group(group) => group.evaluate_by(request, deadline),
        }
    }
}

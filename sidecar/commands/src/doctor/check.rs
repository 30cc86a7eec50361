//! A check, its findings, and questions about objects that several checks share.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::facts::Facts;
use custom_resource::condition::ConditionType;
use custom_resource::{ImagePullSecret, ImagePullSecretStatus};

#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// Its name in `-o json`.
    pub name: &'static str,
    /// What it looks for, in a sentence.
    pub about: &'static str,
    pub(super) run: fn(&Facts) -> Vec<Found>,
}

/// A finding, before it has the check's name.
pub(super) struct Found {
    pub(super) place: String,
    pub(super) message: String,
    pub(super) to_do: String,
}

impl Found {
    pub(super) fn new(
        place: impl Into<String>,
        message: impl Into<String>,
        to_do: impl Into<String>,
    ) -> Self {
        Self { place: place.into(), message: message.into(), to_do: to_do.into() }
    }

    /// The only finding, as a list.
    pub(super) fn alone(
        place: impl Into<String>,
        message: impl Into<String>,
        to_do: impl Into<String>,
    ) -> Vec<Self> {
        vec![Self::new(place, message, to_do)]
    }
}

/// The ImagePullSecrets that could be read.
pub(super) fn objects(facts: &Facts) -> impl Iterator<Item = &ImagePullSecret> {
    facts.objects.known().into_iter().flatten()
}

pub(super) fn name(object: &ImagePullSecret) -> String {
    format!("ImagePullSecret {}", object.metadata.name.as_deref().unwrap_or_default())
}

pub(super) fn status(object: &ImagePullSecret) -> impl Iterator<Item = &ImagePullSecretStatus> {
    object.status.iter()
}

/// Whether the ImagePullSecret asks for entries on nodes.
pub(super) fn resolves(object: &ImagePullSecret) -> bool {
    object.spec.tcr.as_ref().is_some_and(|tcr| tcr.private_network.resolve)
}

pub(super) fn condition(object: &ImagePullSecret, kind: ConditionType) -> Option<&Condition> {
    object.status.as_ref()?.conditions.iter().find(|it| it.type_ == kind.as_str())
}

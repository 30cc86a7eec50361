//! Accounts of an instance: made here, with rights of their own, and nobody's.

use jiff::Timestamp;
use serde::Serialize;

use crate::{instance::Instance, random::Random, scope::Rights, secret::Secret};

/// What an account may be allowed.
pub(crate) const ACTIONS: [&str; 5] = [
    "tcr:PullRepository",
    "tcr:PushRepository",
    "tcr:CreateRepository",
    "tcr:CreateHelmChart",
    "tcr:DescribeHelmCharts",
];

/// What the server puts before each name.
const PREFIX: &str = "tcr$";

/// An account that was made. Deleted ones stay on record.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccountRecord {
    /// `tcr$...`, which is also the user name.
    pub name: String,
    /// The instance that it is of.
    pub registry_id: String,
    /// `Description`.
    pub description: String,
    /// What it may do, by namespace.
    pub permissions: Vec<Permission>,
    /// It cannot be used.
    pub disabled: bool,
    /// When it was made, by the double's clock.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    pub expires_at: Timestamp,
    /// When DeleteServiceAccount took it away.
    pub deleted_at: Option<Timestamp>,
    /// The password. Not serialized: `/_admin/service-accounts` shows it only when asked to.
    #[serde(skip)]
    pub secret: Secret,
}

/// What an account may do in one namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Permission {
    pub resource: String,
    /// Some of [`ACTIONS`].
    pub actions: Vec<String>,
}

/// A name as the server keeps it: calls may leave its prefix out.
pub(crate) fn full_name(name: &str) -> String {
    format!("{PREFIX}{}", name.strip_prefix(PREFIX).unwrap_or(name))
}

impl ServiceAccountRecord {
    #[expect(clippy::too_many_arguments, reason = "as many as the action has fields")]
    pub(crate) fn create(
        instance: &Instance,
        name: String,
        description: &str,
        permissions: Vec<Permission>,
        expires_at: Timestamp,
        disabled: bool,
        now: Timestamp,
        random: &mut Random,
    ) -> Self {
        Self {
            name,
            registry_id: instance.id.clone(),
            description: description.to_owned(),
            permissions,
            disabled,
            created_at: now,
            updated_at: now,
            expires_at,
            deleted_at: None,
            secret: Secret::new(Self::password(random)),
        }
    }

    /// 32 characters, as in the official samples.
    pub(crate) fn password(random: &mut Random) -> String {
        crate::random::hex(&random.bytes::<16>())
    }

    /// Whether it opens the registry at that time.
    pub fn is_live(&self, now: Timestamp) -> bool {
        !self.disabled && self.deleted_at.is_none() && now < self.expires_at
    }

    /// What it may do in a repository: rights are by the first part of the name.
    pub(crate) fn rights(&self, repository: &str) -> Rights {
        let namespace = repository.split('/').next().unwrap_or_default();
        let may = |action: &str| {
            self.permissions
                .iter()
                .any(|it| it.resource == namespace && it.actions.iter().any(|a| a == action))
        };
        Rights { pull: may("tcr:PullRepository"), push: may("tcr:PushRepository") }
    }
}

//! Jobs that have not ended. A job's report may be older than what the watches have told since.

use std::collections::BTreeMap;
use std::sync::Arc;

use distribution::job::Written;
use distribution::{Namespace, TargetKind};

/// Running jobs, by namespace.
#[derive(Debug, Default)]
pub(super) struct RunningJobs {
    by_namespace: BTreeMap<Arc<str>, RunningJob>,
}

/// A running job.
#[derive(Debug)]
pub(super) struct RunningJob {
    /// ImagePullSecrets that it may write for.
    image_pull_secrets: Vec<String>,
    /// Objects whose deletion was seen since it began.
    lost: Vec<(TargetKind, Arc<str>)>,
    /// Whether a list was received since it began: an object that the list lacks is gone.
    was_listed: bool,
    /// Secrets that appeared since it began.
    appeared: Vec<Arc<str>>,
}

impl RunningJobs {
    /// The number of running jobs.
    pub(super) fn len(&self) -> usize {
        self.by_namespace.len()
    }

    /// A job begins that may write for these ImagePullSecrets.
    pub(super) fn begin(&mut self, namespace: Arc<str>, image_pull_secrets: Vec<String>) {
        let job =
            RunningJob { image_pull_secrets, lost: Vec::new(), was_listed: false, appeared: Vec::new() };
        self.by_namespace.insert(namespace, job);
    }

    /// The job in the namespace has ended.
    pub(super) fn end(&mut self, namespace: &str) -> Option<RunningJob> {
        self.by_namespace.remove(namespace)
    }

    /// Whether a running job may write for the ImagePullSecret.
    pub(super) fn is_any_for(&self, image_pull_secret: &str) -> bool {
        self.by_namespace
            .values()
            .flat_map(|job| &job.image_pull_secrets)
            .any(|name| name == image_pull_secret)
    }

    /// A watch told of a Secret that is new or has another uid.
    pub(super) fn appeared(&mut self, namespace: &str, secret: &Arc<str>) {
        if let Some(job) = self.by_namespace.get_mut(namespace) {
            job.appeared.push(secret.clone());
        }
    }

    /// A watch told of an object's deletion.
    pub(super) fn lost(&mut self, namespace: &str, kind: TargetKind, name: &Arc<str>) {
        if let Some(job) = self.by_namespace.get_mut(namespace) {
            job.lost.push((kind, name.clone()));
        }
    }

    /// Secrets of this name were listed: one that was not in the list may have been deleted before.
    pub(super) fn listed_secrets(&mut self, name: &Arc<str>) {
        self.by_namespace.values_mut().for_each(|job| job.lost.push((TargetKind::Secret, name.clone())));
    }

    /// Objects were listed: any that was not in the list may have been deleted.
    pub(super) fn listed(&mut self) {
        self.by_namespace.values_mut().for_each(|job| job.was_listed = true);
    }
}

impl RunningJob {
    /// Whether the job's finding about an object is older than what is known now.
    pub(super) fn is_outdated(&self, written: &Written, seen: Option<&Namespace>) -> bool {
        let was_lost = || {
            let is_it =
                |(kind, name): &(TargetKind, Arc<str>)| *kind == written.kind() && **name == *written.name();
            self.lost.iter().any(is_it)
        };
        match written {
            Written::Secret { name, seen: Some(found) } => {
                // No list contains Secrets of other owners.
                ((found.is_ours() && self.was_listed) || was_lost())
                    && !seen.is_some_and(|seen| seen.secrets.contains_key(name))
            }
            Written::Account(account) => {
                (self.was_listed || was_lost())
                    && !seen.is_some_and(|seen| seen.accounts.contains_key(&account.name))
            }
            Written::Secret { name, seen: None } => self.appeared.iter().any(|secret| **secret == **name),
            Written::AccountGone { .. } => false,
        }
    }
}

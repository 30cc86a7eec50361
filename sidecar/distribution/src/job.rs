//! Work in one namespace, and what came of it.

use std::sync::Arc;
use std::time::Duration;

use crate::observed::{Account, Placed, SeenSecret};
use crate::{Change, Content, TargetKind, Uid};

/// What is kept of a refusal, in bytes: any webhook of the cluster may have written it.
pub const LONGEST_MESSAGE: usize = 500;

/// What there is after a write or a look, from the API server's answer.
#[derive(Clone, Debug)]
pub enum Written {
    /// A Secret that was written or deleted.
    Secret {
        /// The name of the object.
        name: String,
        /// What it is; none when it is gone.
        seen: Option<SeenSecret>,
    },
    /// A ServiceAccount whose references were written.
    Account(Placed<Account>),
    /// A ServiceAccount that is gone.
    AccountGone {
        /// The name of the object.
        name: String,
    },
}

impl Written {
    /// The kind of the object.
    pub fn kind(&self) -> TargetKind {
        match self {
            Self::Secret { .. } => TargetKind::Secret,
            Self::Account(_) | Self::AccountGone { .. } => TargetKind::ServiceAccount,
        }
    }

    /// The name of the object.
    pub fn name(&self) -> &str {
        match self {
            Self::Secret { name, .. } | Self::AccountGone { name } => name,
            Self::Account(placed) => &placed.name,
        }
    }
}

/// How the work on a namespace ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ended {
    /// All writes were tried, and some may have been refused.
    #[default]
    Done,
    /// The namespace is being deleted, or is gone: nothing of it is left to do.
    NamespaceGoing,
    /// Of one or more of the objects there is another version than the plan was made from.
    Overtaken,
    /// The API server did not answer, so that the rest was not tried.
    Unanswered,
    /// A stage took too long: some writes were not tried.
    OutOfTime,
}

/// A write, or a look, that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedWrite {
    /// The kind of the object.
    pub kind: TargetKind,
    /// The name of the object.
    pub name: String,
    /// The ImagePullSecrets that it was for.
    pub image_pull_secrets: Vec<String>,
    /// Why, in at most [`LONGEST_MESSAGE`] bytes.
    pub message: String,
    /// A ResourceQuota has no room for it.
    pub is_quota: bool,
}

/// What came of the work on a namespace.
#[derive(Debug)]
pub struct Report {
    /// The namespace that the job is about.
    pub namespace: Arc<str>,
    /// What was looked at.
    pub looked: Vec<Written>,
    /// The objects that were written.
    pub written: Vec<Written>,
    /// The writes that were refused.
    pub failed: Vec<FailedWrite>,
    /// How the job has ended.
    pub ended: Ended,
    /// How long it took.
    pub took: Duration,
}

/// A Secret of our names that was never seen, and to which a reference is to be removed: it may be somebody's own, and the
/// reference too.
#[derive(Clone, Debug)]
pub struct Unmet {
    /// The name of the Secret.
    pub secret: String,
    /// The uid of one of ours that went out of sight.
    pub known: Option<Uid>,
    /// What ours would hold, where that is known.
    pub content: Option<Content>,
}

/// What to look at or, where that is nothing, a plan with what is known of Secrets that went out of sight.
#[derive(Debug)]
pub struct Job {
    /// The namespace that the job is about.
    pub namespace: Arc<str>,
    /// Secrets to read, those of others again: their names, and what ours would hold, where that is known.
    pub look: Vec<(String, Option<Content>)>,
    /// Secrets to read before a reference to one of them is removed.
    pub unmet: Vec<Unmet>,
    /// The writes in order; with the uid, for a Secret to be created, of the one that was there.
    pub changes: Vec<(Change, Option<Uid>)>,
}

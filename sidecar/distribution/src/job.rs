//! A job in one namespace, and its report.

use std::sync::Arc;
use std::time::Duration;

use crate::observed::{Account, Placed, SeenSecret};
use crate::{Change, Content, TargetKind, Uid};

/// Bytes of a refusal that are kept: any webhook of the cluster may have written it.
pub const LONGEST_MESSAGE: usize = 500;

/// The state of an object after a read or a write, from the API server's answer.
#[derive(Clone, Debug)]
pub enum Written {
    /// A Secret that was written or deleted.
    Secret {
        /// The name of the object.
        name: String,
        /// Its state; none when it is gone.
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

/// How a job ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ended {
    /// All writes were tried; some may have been refused.
    #[default]
    Done,
    /// The namespace is being deleted, or is gone: nothing is left to do in it.
    NamespaceGoing,
    /// At least one object has another version than the plan was made from.
    Overtaken,
    /// The API server did not answer, so the remaining writes were not tried.
    Unanswered,
    /// A stage took too long: some writes were not tried.
    OutOfTime,
}

/// A read or a write that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedWrite {
    /// The kind of the object.
    pub kind: TargetKind,
    /// The name of the object.
    pub name: String,
    /// The ImagePullSecrets that it was for.
    pub image_pull_secrets: Vec<String>,
    /// The cause, in at most [`LONGEST_MESSAGE`] bytes.
    pub message: String,
    /// A ResourceQuota has no room for it.
    pub is_quota: bool,
}

/// The report of a job.
#[derive(Debug)]
pub struct Report {
    /// The namespace that the job is about.
    pub namespace: Arc<str>,
    /// The objects that were read.
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

/// A Secret of a name of ours that was never seen, and to which a reference is to be removed. The Secret and
/// the reference may be another owner's.
#[derive(Clone, Debug)]
pub struct Unmet {
    /// The name of the Secret.
    pub secret: String,
    /// The uid of a Secret of ours of this name that left the watch.
    pub known: Option<Uid>,
    /// The content that ours would hold, where that is known.
    pub content: Option<Content>,
}

/// Secrets to read or, where there are none, the writes of a plan.
#[derive(Debug)]
pub struct Job {
    /// The namespace that the job is about.
    pub namespace: Arc<str>,
    /// Secrets to read, those of other owners again: their names, and the content that ours would hold, where
    /// that is known.
    pub look: Vec<(String, Option<Content>)>,
    /// Secrets to read before a reference to one of them is removed.
    pub unmet: Vec<Unmet>,
    /// The writes in order. For a Secret to be created, also the uid of the last one of its name that left
    /// the watch.
    pub changes: Vec<(Change, Option<Uid>)>,
}

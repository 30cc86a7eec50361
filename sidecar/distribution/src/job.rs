//! Work in one namespace, and what came of it.

use std::sync::Arc;
use std::time::Duration;

use crate::observed::{Account, Placed, SeenSecret};
use crate::{Change, Content, Uid};

/// What there is after a write or a look, from the API server's answer.
#[derive(Clone, Debug)]
pub enum Written {
    /// A Secret.
    Secret {
        /// Its name.
        name: String,
        /// What it is; none when it is gone.
        seen: Option<SeenSecret>,
    },
    /// A ServiceAccount.
    Account(Placed<Account>),
    /// A ServiceAccount that is gone.
    AccountGone {
        /// Its name.
        name: String,
    },
}

/// How the work on a namespace ended.
#[derive(Debug)]
pub enum Ended {
    /// Everything was carried out, or the namespace is going.
    Done,
    /// Somebody else was faster.
    Overtaken,
    /// A write failed.
    Failed(FailedWrite),
}

/// A write that failed.
#[derive(Clone, Debug)]
pub struct FailedWrite {
    /// The ImagePullSecret it was for; none when it was for several.
    pub image_pull_secret: Option<String>,
    /// `Secret` or `ServiceAccount`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Why.
    pub message: String,
}

/// What came of the work on a namespace.
#[derive(Debug)]
pub struct Report {
    /// The namespace.
    pub namespace: Arc<str>,
    /// What was looked at.
    pub looked: Vec<Written>,
    /// What was written.
    pub written: Vec<Written>,
    /// How it ended.
    pub ended: Ended,
    /// How long it took.
    pub took: Duration,
}

/// What to look at or, where that is nothing, a plan with what is known of Secrets that went out of sight.
#[derive(Debug)]
pub struct Job {
    /// The namespace.
    pub namespace: Arc<str>,
    /// Secrets to read, those of others again: their names, and what ours hold.
    pub look: Vec<(String, Content)>,
    /// The writes in order; with the uid, for a Secret to be created, of the one that was there.
    pub changes: Vec<(Change, Option<Uid>)>,
}

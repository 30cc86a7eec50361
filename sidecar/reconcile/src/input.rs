//! What the reconciler is told.
//!
//! # Order
//! - Events of one watch come in the order of its stream; those of different watches in any order.
//! - The events of one keeper come in order, and [`CredentialEvent::Ended`] is its last one.
//! - Every effect that names an answer gets exactly one, whenever that is: before or after what watches tell of it.
//!   Answers come in any order.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use tcr::image_pull_secret::OnDelete;

use crate::nodes::Nodes;
use crate::object::Object;
use crate::password::Password;
use crate::pods::SeenPod;
use crate::status::Link;
use credential_plan::CredentialEvent;
use credential_plan::Key;
use custom_resource::ImagePullSecretStatus;
use custom_resource::request::{RequestId, VisibleInstance};
use distribution::job::Report;
use distribution::{Account, Digest, SeenSecret, Target, Uid};
use distribution::{Placed, SeenNamespace};
use tcr::verdict::Verdict;

/// The moment of a step, and a number that nobody can foresee.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// By the clock that nobody sets: waits are measured by it.
    pub monotonic: Instant,
    /// The time of day, as objects state it.
    pub wall: Timestamp,
    /// Drawn anew for each step; spreads the retries of many.
    pub random: u64,
}

/// One thing that the reconciler is told.
#[derive(Debug)]
pub enum Input {
    /// A watch told something.
    Watch(WatchEvent),
    /// The answer to [`Effect::RunJob`](crate::effect::Effect::RunJob).
    JobEnded(Report),
    /// The answer to [`Effect::WriteStatus`](crate::effect::Effect::WriteStatus).
    StatusWritten {
        /// The ImagePullSecret.
        name: String,
        /// What was written, or not.
        status: Arc<ImagePullSecretStatus>,
        /// Whether it was.
        result: Result<(), Refused>,
    },
    /// The answer to [`Effect::WriteFinalizers`](crate::effect::Effect::WriteFinalizers).
    FinalizersWritten {
        /// The ImagePullSecret.
        name: String,
        /// The version that the write was to replace.
        resource_version: String,
        /// Whether it was.
        result: Result<(), Refused>,
    },
    /// The answer to [`Effect::CheckLogin`](crate::effect::Effect::CheckLogin).
    LoginChecked {
        /// The ImagePullSecret.
        name: String,
        /// The login's bytes.
        digest: Digest,
        /// What the registry said.
        verdict: Verdict,
    },
    /// The answer to [`Effect::FindRival`](crate::effect::Effect::FindRival).
    RivalFound {
        /// What is changed back.
        target: Target,
        /// Who does it; none where the object does not tell.
        rival: Option<String>,
    },
    /// The answer to [`Effect::ListInstances`](crate::effect::Effect::ListInstances).
    InstancesListed {
        /// The ImagePullSecret.
        name: String,
        /// The request.
        id: RequestId,
        /// They, or why they could not be listed.
        result: Result<Vec<VisibleInstance>, String>,
    },
    /// The answer to [`Effect::ListStoredCredentials`](crate::effect::Effect::ListStoredCredentials); none when they
    /// could not be listed.
    StoredCredentials(Option<Vec<StoredCredential>>),
    /// A keeper told something about its credential.
    Credential(Key, CredentialEvent),
    /// Of private links, or of the nodes that follow them.
    Links(LinkEvent),
}

/// What came of private links.
#[derive(Debug)]
pub enum LinkEvent {
    /// Of the links and the ConfigMap.
    Links {
        /// The number of the requests that it is about, which may be older than the last ones.
        number: u64,
        /// For each ImagePullSecret; none for one that requests nothing any more.
        links: Vec<(String, Option<Link>)>,
        /// Those whose entries may be in the ConfigMap; none before it was written, or found right, for the first time.
        applied: Option<BTreeSet<String>>,
    },
    /// Of the nodes that follow the ConfigMap.
    Nodes(Nodes),
}

/// What a watch told, by the kind that it watches.
#[derive(Debug)]
pub enum WatchEvent {
    /// Of ImagePullSecrets.
    ImagePullSecret(Watched<Box<Object>>),
    /// Of namespaces.
    Namespace(Watched<SeenNamespace>),
    /// Of ServiceAccounts.
    Account(Watched<Placed<Account>>),
    /// Of our Secrets; none for a Secret that only looks like one.
    Secret(Watched<Option<Placed<SeenSecret>>>),
    /// Of passwords for ImagePullSecrets.
    Password(Watched<Password>),
    /// Of all Secrets of this name that do not carry our label.
    Other(String, Watched<Placed<Uid>>),
    /// Of Pods that are Pending.
    Pod(Watched<SeenPod>),
}

/// One event of a watch: of one object, or of a list of all of them, with which a watch begins, and begins again after
/// it broke off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watched<T> {
    /// The object was created or changed.
    Applied(T),
    /// The object was deleted.
    Deleted(T),
    /// A list begins, perhaps instead of one that came to no end.
    ListBegan,
    /// The list has the object.
    Listed(T),
    /// The list is complete: what it did not have is not there.
    ListEnded,
}

/// Why a write to an ImagePullSecret was not carried out, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no such object.
    NotFound,
    /// There is a newer version of it.
    Conflict,
    /// It failed, or nobody answered.
    Failed,
}

/// A credential that is stored in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCredential {
    /// Which one.
    pub key: Key,
    /// What its last user wanted to become of it.
    pub on_delete: OnDelete,
}

impl<T> Watched<T> {
    /// Whether a list is complete now.
    pub fn ends_a_list(&self) -> bool {
        matches!(self, Self::ListEnded)
    }

    /// The same of something else.
    pub fn map<U>(self, map: impl FnOnce(T) -> U) -> Watched<U> {
        match self {
            Self::Applied(object) => Watched::Applied(map(object)),
            Self::Deleted(object) => Watched::Deleted(map(object)),
            Self::ListBegan => Watched::ListBegan,
            Self::Listed(object) => Watched::Listed(map(object)),
            Self::ListEnded => Watched::ListEnded,
        }
    }
}

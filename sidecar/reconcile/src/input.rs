//! The inputs of the reconciler.
//!
//! # Order
//! - Events of one watch come in the order of its stream; those of different watches in any order.
//! - The events of one keeper come in order, and [`CredentialEvent::Ended`] is its last one.
//! - Every effect that names an answer gets exactly one, which may come before or after the watch events that
//!   it causes. Answers come in any order.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use tcr::image_pull_secret::OnDelete;

use crate::nodes::Nodes;
use crate::object::Object;
use crate::password::Password;
use credential_plan::CredentialEvent;
use credential_plan::Key;
use custom_resource::ImagePullSecretStatus;
use custom_resource::link::Link;
use custom_resource::request::{RequestId, VisibleInstance};
use distribution::job::Report;
use distribution::stuck::WaitingPod;
use distribution::{Account, Digest, SeenSecret, Target, Uid};
use distribution::{Placed, SeenNamespace};
use tcr::verdict::Verdict;

/// The moment of a step, and an unpredictable number.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// The monotonic clock, by which waits are measured.
    pub monotonic: Instant,
    /// The time of day, which timestamps in objects are compared with.
    pub wall: Timestamp,
    /// Drawn for each step; spreads retries over time.
    pub random: u64,
}

/// One input of the reconciler.
#[derive(Debug)]
pub enum Input {
    /// An event of a watch.
    Watch(WatchEvent),
    /// The answer to [`Effect::RunJob`](crate::effect::Effect::RunJob).
    JobEnded(Report),
    /// The answer to [`Effect::WriteStatus`](crate::effect::Effect::WriteStatus).
    StatusWritten {
        /// The ImagePullSecret.
        name: String,
        /// The status that the write was to store.
        status: Arc<ImagePullSecretStatus>,
        /// Whether it was stored.
        result: Result<(), Refused>,
    },
    /// The answer to [`Effect::WriteFinalizers`](crate::effect::Effect::WriteFinalizers).
    FinalizersWritten {
        /// The ImagePullSecret.
        name: String,
        /// The version that the write was to replace.
        resource_version: String,
        /// Whether they were stored.
        result: Result<(), Refused>,
    },
    /// The answer to [`Effect::CheckLogin`](crate::effect::Effect::CheckLogin).
    LoginChecked {
        /// The ImagePullSecret.
        name: String,
        /// The digest of the login's bytes.
        digest: Digest,
        /// The registry's verdict.
        verdict: Verdict,
    },
    /// The answer to [`Effect::FindRival`](crate::effect::Effect::FindRival).
    RivalFound {
        /// The contested object.
        target: Target,
        /// The client that changes it; none where the object does not tell.
        rival: Option<String>,
    },
    /// The answer to [`Effect::ListInstances`](crate::effect::Effect::ListInstances).
    InstancesListed {
        /// The ImagePullSecret.
        name: String,
        /// The request.
        id: RequestId,
        /// The instances, or why they could not be listed.
        result: Result<Vec<VisibleInstance>, String>,
    },
    /// The answer to [`Effect::ListStoredCredentials`](crate::effect::Effect::ListStoredCredentials); none when they
    /// could not be listed.
    StoredCredentials(Option<Vec<StoredCredential>>),
    /// An event of a credential's keeper.
    Credential(Key, CredentialEvent),
    /// An event about private links, or about the nodes that resolve them.
    Links(LinkEvent),
}

/// An event about private links.
#[derive(Debug)]
pub enum LinkEvent {
    /// The state of the links and of the ConfigMap.
    Links {
        /// The number of the requests that were resolved, which may be older than the last ones.
        number: u64,
        /// The link of each ImagePullSecret; none for one that no longer requests any.
        links: Vec<(String, Option<Link>)>,
        /// ImagePullSecrets whose entries may be in the ConfigMap; none before it was first written, or found
        /// up to date.
        applied: Option<BTreeSet<String>>,
    },
    /// The progress of the nodes that follow the ConfigMap.
    Nodes(Nodes),
}

/// An event of a watch, by the kind that it watches.
#[derive(Debug)]
pub enum WatchEvent {
    /// The watch of ImagePullSecrets.
    ImagePullSecret(Watched<Box<Object>>),
    /// The watch of namespaces.
    Namespace(Watched<SeenNamespace>),
    /// The watch of ServiceAccounts.
    Account(Watched<Placed<Account>>),
    /// The watch of our Secrets; none for a Secret that has our label and is not one of ours.
    Secret(Watched<Option<Placed<SeenSecret>>>),
    /// The watch of Secrets with passwords for ImagePullSecrets.
    Password(Watched<Password>),
    /// The watch of all Secrets of this name that do not carry our label.
    Other(String, Watched<Placed<Uid>>),
    /// The watch of Pods that are Pending.
    Pod(Watched<SeenPod>),
}

/// One event of a watch, about an object or about the list of all objects. A watch begins with a list, and
/// with another one after it broke off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watched<T> {
    /// The object was created or changed.
    Applied(T),
    /// The object was deleted.
    Deleted(T),
    /// A list begins; an earlier one that did not complete is dropped.
    ListBegan,
    /// The list contains the object.
    Listed(T),
    /// The list is complete: an object that it did not contain is gone.
    ListEnded,
}

/// The observed part of a Pending Pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenPod {
    /// Its uid.
    pub uid: Uid,
    /// Set while it waits for an image.
    pub waiting: Option<WaitingPod>,
}

/// Why a write to an ImagePullSecret was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no such object.
    NotFound,
    /// There is a newer version of it.
    Conflict,
    /// The API server refused it for another reason, or did not answer.
    Failed,
}

/// A credential that is stored in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCredential {
    /// Which credential.
    pub key: Key,
    /// The `onDelete` of its last ImagePullSecret.
    pub on_delete: OnDelete,
}

impl<T> Watched<T> {
    /// Whether a list is complete now.
    pub fn ends_a_list(&self) -> bool {
        matches!(self, Self::ListEnded)
    }

    /// The same event with its object converted.
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

//! What the reconciler wants done.
//!
//! # Order
//! The effects of a step are begun in the order in which they are given, and none waits for another one's end. Each
//! may fail, and each may have been carried out although its answer never came: what matters is written so that it can
//! be begun again.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::item::Item;
use crate::link_requests::LinkRequests;
use credential_plan::Key;
use credential_plan::Order;
use custom_resource::ImagePullSecretStatus;
use custom_resource::condition::Reason;
use custom_resource::request::RequestId;
use distribution::job::Job;
use distribution::{Content, Digest, Target, Uid};

/// One thing that the reconciler wants done.
#[derive(Debug)]
pub enum Effect {
    /// Read or write in one namespace; never two at a time in one. Answered by
    /// [`Input::JobEnded`](crate::input::Input::JobEnded).
    RunJob(Job),
    /// Write the status of an ImagePullSecret; never two at a time of one. Answered by
    /// [`Input::StatusWritten`](crate::input::Input::StatusWritten).
    WriteStatus {
        /// The ImagePullSecret.
        name: String,
        /// The whole status.
        status: Arc<ImagePullSecretStatus>,
    },
    /// Write the finalizers of an ImagePullSecret where it still has this version; never two at a time of one. Answered
    /// by [`Input::FinalizersWritten`](crate::input::Input::FinalizersWritten).
    WriteFinalizers {
        /// The ImagePullSecret.
        name: String,
        /// The version that it was read at.
        resource_version: String,
        /// The whole list.
        finalizers: Vec<String>,
    },
    /// Ask a registry what it says to a login. Answered by
    /// [`Input::LoginChecked`](crate::input::Input::LoginChecked).
    CheckLogin {
        /// The ImagePullSecret.
        name: String,
        /// Of the login's bytes.
        digest: Digest,
        /// The bytes; none when they were replaced meanwhile.
        content: Option<Content>,
    },
    /// Find out who wrote this last. Answered by [`Input::RivalFound`](crate::input::Input::RivalFound).
    FindRival(Target),
    /// List the instances that the API credential can see. Answered by
    /// [`Input::InstancesListed`](crate::input::Input::InstancesListed).
    ListInstances {
        /// The ImagePullSecret on which somebody asks for them.
        name: String,
        /// The request.
        id: RequestId,
        /// In this region; none for every region.
        region: Option<String>,
    },
    /// List the credentials that are stored in the cluster. Answered by
    /// [`Input::StoredCredentials`](crate::input::Input::StoredCredentials).
    ListStoredCredentials,
    /// Start the keeper of a credential. It tells [`Input::Credential`](crate::input::Input::Credential) until
    /// [`CredentialEvent::Ended`](credential_plan::CredentialEvent::Ended).
    StartKeeper {
        /// Whose.
        key: Key,
        /// What its users want.
        order: Order,
    },
    /// The users of a credential want something else of its keeper: the last order counts.
    OrderKeeper {
        /// Whose.
        key: Key,
        /// What they want.
        order: Order,
    },
    /// Resolve these private links from now on, and no others. What comes of it is told by
    /// [`Input::Links`](crate::input::Input::Links).
    ResolveLinks(LinkRequests),
    /// Watch the Secrets of these names without our label from now on, and no others: each is in the way of ours somewhere.
    /// What happens to them is told by [`WatchEvent::Other`](crate::input::WatchEvent::Other).
    WatchOthers(BTreeSet<String>),
    /// Watch Pods. Once.
    WatchPods,
    /// Everything was listed: tell it to those who ask whether the controller is ready. Once.
    BecomeReady {
        /// How many there are.
        namespaces: usize,
        /// How many there are.
        image_pull_secrets: usize,
    },
    /// Write to the log why an object was refused.
    LogRefusal {
        /// The object and the reason.
        text: String,
        /// It was not refused before, or is not remembered.
        is_new: bool,
    },
    /// Publish an Event. One that is lost is not worth another try.
    PublishEvent(Event),
}

/// Something that a person may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The object that it is about.
    pub regarding: Regarding,
    /// Something is wrong.
    pub warning: bool,
    /// Why, in one word, such as `CredentialCreated`.
    pub reason: Reason,
    /// What happened and what to do.
    pub message: String,
}

/// The object that an [`Event`] is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Regarding {
    /// An ImagePullSecret.
    ImagePullSecret {
        /// Its name.
        name: String,
        /// Its uid.
        uid: String,
    },
    /// A Pod.
    Pod {
        /// Its namespace.
        namespace: Arc<str>,
        /// Its name.
        name: Box<str>,
        /// Its uid.
        uid: Uid,
    },
}

impl Event {
    /// About an ImagePullSecret, for its author to do something.
    pub(crate) fn warning(item: &Item, reason: impl Into<Reason>, message: String) -> Effect {
        Effect::PublishEvent(Self {
            regarding: Regarding::of(item),
            warning: true,
            reason: reason.into(),
            message,
        })
    }

    /// About an ImagePullSecret, for its author to know.
    pub(crate) fn normal(item: &Item, reason: impl Into<Reason>, message: String) -> Effect {
        Effect::PublishEvent(Self {
            regarding: Regarding::of(item),
            warning: false,
            reason: reason.into(),
            message,
        })
    }
}

impl Regarding {
    fn of(item: &Item) -> Self {
        Self::ImagePullSecret { name: item.object.name.clone(), uid: item.object.uid.clone() }
    }
}

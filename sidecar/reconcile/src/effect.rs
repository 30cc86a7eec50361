//! The effects that the reconciler asks for.
//!
//! # Order
//! The effects of a step are begun in the order in which they are given, and none waits for another one's
//! end. Each may fail, and each may have been carried out although its answer never came: every effect whose
//! result matters can therefore be repeated.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::item::Item;
use crate::link_request::LinkRequests;
use credential_plan::Key;
use credential_plan::Order;
use custom_resource::ImagePullSecretStatus;
use custom_resource::condition::Reason;
use custom_resource::request::RequestId;
use distribution::job::Job;
use distribution::{Content, Digest, Target, Uid};

/// One effect that the reconciler asks for.
#[derive(Debug)]
pub enum Effect {
    /// Read or write in one namespace; never two jobs at a time in one. Answered by
    /// [`Input::JobEnded`](crate::input::Input::JobEnded).
    RunJob(Job),
    /// Write the status of an ImagePullSecret; never two writes at a time for one. Answered by
    /// [`Input::StatusWritten`](crate::input::Input::StatusWritten).
    WriteStatus {
        /// The ImagePullSecret.
        name: String,
        /// The whole status.
        status: Arc<ImagePullSecretStatus>,
    },
    /// Write the finalizers of an ImagePullSecret if it still has this version; never two writes at a time
    /// for one. Answered by [`Input::FinalizersWritten`](crate::input::Input::FinalizersWritten).
    WriteFinalizers {
        /// The ImagePullSecret.
        name: String,
        /// The resourceVersion that it was read at.
        resource_version: String,
        /// The whole list.
        finalizers: Vec<String>,
    },
    /// Try a login at its registry. Answered by [`Input::LoginChecked`](crate::input::Input::LoginChecked).
    CheckLogin {
        /// The ImagePullSecret.
        name: String,
        /// The digest of the login's bytes.
        digest: Digest,
        /// The bytes; none when they were replaced meanwhile.
        content: Option<Content>,
    },
    /// Find the client that wrote the object last. Answered by
    /// [`Input::RivalFound`](crate::input::Input::RivalFound).
    FindRival(Target),
    /// List the instances that the API credential can see. Answered by
    /// [`Input::InstancesListed`](crate::input::Input::InstancesListed).
    ListInstances {
        /// The ImagePullSecret with the request.
        name: String,
        /// The request.
        id: RequestId,
        /// The region to list; none for every region.
        region: Option<String>,
    },
    /// List the credentials that are stored in the cluster. Answered by
    /// [`Input::StoredCredentials`](crate::input::Input::StoredCredentials).
    ListStoredCredentials,
    /// Start the keeper of a credential. It sends [`Input::Credential`](crate::input::Input::Credential)
    /// until [`CredentialEvent::Ended`](credential_plan::CredentialEvent::Ended).
    StartKeeper {
        /// The credential.
        key: Key,
        /// What the ImagePullSecrets that use it ask for.
        order: Order,
    },
    /// Change a keeper's order: the last one is valid.
    OrderKeeper {
        /// The credential.
        key: Key,
        /// What the ImagePullSecrets that use it ask for now.
        order: Order,
    },
    /// Resolve these private links from now on, and no others. Results come as
    /// [`Input::Links`](crate::input::Input::Links).
    ResolveLinks(LinkRequests),
    /// Watch the Secrets of these names without our label from now on, and no others: each blocks a Secret of
    /// ours in some namespace. Their events come as [`WatchEvent::Other`](crate::input::WatchEvent::Other).
    WatchOthers(BTreeSet<String>),
    /// Start the watch of Pods. Asked for once.
    WatchPods,
    /// Report readiness: everything was listed. Asked for once.
    BecomeReady {
        /// The number of namespaces.
        namespaces: usize,
        /// The number of ImagePullSecrets.
        image_pull_secrets: usize,
    },
    /// Log why the write of an object was refused.
    LogRefusal {
        /// The object and the reason.
        text: String,
        /// The object was not refused before, or its refusal is no longer remembered.
        is_new: bool,
    },
    /// Publish an Event. A lost one is not published again.
    PublishEvent(Event),
}

/// A Kubernetes Event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The object that it is about.
    pub regarding: Regarding,
    /// Its type is `Warning`, else `Normal`.
    pub warning: bool,
    /// The reason, such as `CredentialCreated`.
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
    /// A warning about an ImagePullSecret: its author has to do something.
    pub(crate) fn warning(item: &Item, reason: impl Into<Reason>, message: String) -> Effect {
        Effect::PublishEvent(Self {
            regarding: Regarding::of(item),
            warning: true,
            reason: reason.into(),
            message,
        })
    }

    /// An Event of type `Normal` about an ImagePullSecret.
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

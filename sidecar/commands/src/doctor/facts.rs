//! The facts that the checks look at.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::overview::report::Home;
use crate::reader::{Controller, Right, Seen};
use custom_resource::ImagePullSecret;

/// Everything that was read.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The time by this machine's clock.
    pub now: Timestamp,
    /// The time by the API server's clock, at the same moment.
    pub server_now: Option<Timestamp>,
    /// The time by the controller's clock: the last renewal of its Lease, if that was a moment ago.
    pub controller_now: Option<Timestamp>,
    /// The version of this program.
    pub version: &'static str,
    pub objects: Seen<Vec<ImagePullSecret>>,
    /// The spec of the custom resource's definition; none where there is none.
    pub definition: Seen<Option<Value>>,
    /// The add-on's own namespace.
    pub home: Seen<HomeNamespace>,
    /// Whether a controller leads.
    pub controller: Seen<Controller>,
    pub deployment: Seen<Option<Workload>>,
    /// The webhook's Deployment; none where the add-on has no webhook of its own.
    pub webhook: Seen<Option<Workload>>,
    /// The node agents' DaemonSet; none where they are not installed.
    pub agents: Seen<Option<Workload>>,
    pub pods: Seen<Vec<OwnPod>>,
    /// The webhook configuration; none where there is none.
    pub registration: Seen<Option<Registration>>,
    /// The webhook's certificate, in PEM; none where its Secret does not exist.
    pub certificate: Seen<Option<String>>,
    /// The result of creating a Pod with `dryRun`.
    pub dry_run: DryRun,
    /// Quotas that leave no room for another Secret.
    pub quotas: Seen<Vec<FullQuota>>,
    /// Other programs that may write pull secrets.
    pub rivals: Seen<Vec<Rival>>,
    pub nodes: Seen<Vec<NodeFacts>>,
}

/// The add-on's own namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HomeNamespace {
    /// Whether the namespace exists.
    pub home: Home,
    /// The Pod security level that is enforced in it.
    pub enforced: Option<String>,
}

/// A Deployment or DaemonSet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Desired Pods.
    pub desired: i32,
    /// Pods that are ready.
    pub ready: i32,
    /// The value of its label app.kubernetes.io/version.
    pub version: Option<String>,
    /// The image of its first container.
    pub image: String,
}

/// A Pod of the add-on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnPod {
    pub name: String,
    /// The value of its label app.kubernetes.io/component.
    pub component: String,
    /// The node that it runs on.
    pub node: Option<String>,
    /// It is ready.
    pub ready: bool,
    /// Why a container waits: the reason, and the kubelet's message.
    pub waits: Option<(String, String)>,
}

/// The webhook configuration for Pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// `Fail` or `Ignore`: how Pods are admitted while the webhook is away.
    pub failure_policy: String,
    /// The CAs that the API server trusts, in PEM; none where one of the webhooks has no bundle.
    pub bundle: Option<String>,
}

/// The result of creating a Pod with `dryRun`, which stores nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DryRun {
    /// No Pod was created, because no namespace would have it patched.
    NoPlace,
    /// The answer has the reference.
    Patched,
    /// The answer lacks the reference.
    Unpatched {
        namespace: String,
        /// The registry of the Pod's image.
        host: String,
    },
    /// It was refused.
    Refused {
        namespace: String,
        /// Who refused it and why, in the API server's words.
        message: String,
    },
    /// The user may not create Pods there.
    Denied(Right),
    /// There was no answer in time.
    Failed(String),
}

/// A quota that leaves no room for another Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FullQuota {
    pub namespace: String,
    pub name: String,
    /// The number of Secrets that it allows.
    pub hard: String,
}

/// Another program that may write pull secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rival {
    /// The name of the program.
    pub tool: &'static str,
    /// How it interferes.
    pub does: &'static str,
    /// What to do about it.
    pub to_do: &'static str,
    /// The object that it was found in.
    pub place: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeFacts {
    pub name: String,
    pub labels: BTreeMap<String, String>,
}

impl NodeFacts {
    /// Whether it is a super node, on which no DaemonSet runs and no file can be written.
    pub fn is_super(&self) -> bool {
        let label = |key: &str| self.labels.get(key).map(String::as_str);
        label("node.kubernetes.io/instance-type") == Some("eklet") || label("type") == Some("virtual-kubelet")
    }
}

impl Facts {
    /// Why nothing could be read at all; none where something was read, or denied, which takes an answer.
    pub fn unreachable(&self) -> Option<String> {
        let answers = [
            why(&self.objects),
            why(&self.definition),
            why(&self.home),
            why(&self.controller),
            why(&self.deployment),
            why(&self.nodes),
        ];
        let failed: Option<Vec<String>> = answers.into_iter().collect();
        failed.filter(|_| self.server_now.is_none()).and_then(|all| all.into_iter().next())
    }
}

/// Why it is not known, unless a right is missing.
fn why<T>(seen: &Seen<T>) -> Option<String> {
    match seen {
        Seen::Failed(why) => Some(why.clone()),
        Seen::Known(_) | Seen::Denied(_) => None,
    }
}

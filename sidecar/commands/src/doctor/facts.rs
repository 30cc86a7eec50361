//! What the checks look at.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::overview::report::Home;
use crate::reader::{Controller, Right, Seen};
use custom_resource::ImagePullSecret;

/// Everything that was read.
#[derive(Clone, Debug)]
pub struct Facts {
    /// By this machine's clock.
    pub now: Timestamp,
    /// By the API server's, at the same moment.
    pub server_now: Option<Timestamp>,
    /// By the controller's: when it wrote its Lease last, as far as that was a moment ago.
    pub controller_now: Option<Timestamp>,
    /// The version of this program.
    pub version: &'static str,
    pub objects: Seen<Vec<ImagePullSecret>>,
    /// The spec of their definition; none where there is none.
    pub definition: Seen<Option<Value>>,
    /// The add-on's own namespace.
    pub home: Seen<HomeNamespace>,
    /// Whether a controller leads.
    pub controller: Seen<Controller>,
    pub deployment: Seen<Option<Workload>>,
    /// The webhook's; none where the add-on has no webhook of its own.
    pub webhook: Seen<Option<Workload>>,
    /// The node agents' DaemonSet; none where they are not installed.
    pub agents: Seen<Option<Workload>>,
    pub pods: Seen<Vec<OwnPod>>,
    /// The webhook's registration; none where there is none.
    pub registration: Seen<Option<Registration>>,
    /// The webhook's certificate, in PEM; none where there is no such Secret.
    pub certificate: Seen<Option<String>>,
    /// What became of a Pod that was created with `dryRun`.
    pub dry_run: DryRun,
    /// Quotas that leave no room for another Secret.
    pub quotas: Seen<Vec<FullQuota>>,
    /// Programs that may write pull secrets too.
    pub rivals: Seen<Vec<Rival>>,
    pub nodes: Seen<Vec<NodeFacts>>,
}

/// The add-on's own namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HomeNamespace {
    /// Whether it is there.
    pub home: Home,
    /// The Pod security level that is enforced in it.
    pub enforced: Option<String>,
}

/// A Deployment or DaemonSet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Pods that shall be.
    pub desired: i32,
    /// Pods that are ready.
    pub ready: i32,
    /// Of its label app.kubernetes.io/version.
    pub version: Option<String>,
    /// The image of its first container.
    pub image: String,
}

/// A Pod of the add-on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnPod {
    pub name: String,
    /// Of its label app.kubernetes.io/component.
    pub component: String,
    /// The node that it is on.
    pub node: Option<String>,
    /// It is ready.
    pub ready: bool,
    /// Why a container of it waits: the reason, and the kubelet's words.
    pub waits: Option<(String, String)>,
}

/// The webhook's registration for Pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// What becomes of Pods while the webhook is away.
    pub failure_policy: String,
    /// Whom the API server trusts, in PEM; none where some webhook of it has no bundle.
    pub bundle: Option<String>,
}

/// What became of a Pod that was created with `dryRun`, so that nothing keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DryRun {
    /// None was created, because there is nowhere that one would be patched.
    NoPlace,
    /// It came back with the reference.
    Patched,
    /// It came back without.
    Unpatched {
        namespace: String,
        /// With an image of this registry.
        host: String,
    },
    /// It was refused.
    Refused {
        namespace: String,
        /// By whom and why, in the API server's words.
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
    /// How many Secrets it allows.
    pub hard: String,
}

/// A program that may write pull secrets too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rival {
    /// What is it known as.
    pub tool: &'static str,
    /// What it does that is in the way.
    pub does: &'static str,
    /// What to do about it.
    pub to_do: &'static str,
    /// Where it was found.
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
    /// Why nothing could be read at all; none where something was, or was denied, which takes an answer.
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

/// Why it is not known, but for a missing right.
fn why<T>(seen: &Seen<T>) -> Option<String> {
    match seen {
        Seen::Failed(why) => Some(why.clone()),
        Seen::Known(_) | Seen::Denied(_) => None,
    }
}

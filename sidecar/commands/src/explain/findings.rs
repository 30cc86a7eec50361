//! What is found out about a Pod's pulls: plain values, without any password.

use serde::Serialize;

use super::facts::EventFact;
use registry_client::PullAnswer;

/// Everything that is found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Findings {
    /// What is explained, as `Deployment/web`, where that is no Pod that there is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    pub namespace: String,
    /// Its name; empty where there is no Pod yet.
    pub pod: String,
    pub phase: String,
    /// The node that it is on.
    pub node: Option<String>,
    pub service_account: String,
    /// What the ServiceAccount's list has to do with it.
    pub service_account_says: String,
    /// What the admission policy has to do with it.
    pub policy_says: String,
    /// The Secrets that the Pod refers to, in its order.
    pub secrets: Vec<SecretFinding>,
    /// Each image once.
    pub images: Vec<ImageFinding>,
    /// Why the Pod's sandbox cannot be made, before any image is pulled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<Problem>,
    /// Other ServiceAccounts for which something else is decided.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_accounts: Vec<String>,
    /// Events about its pulls, the newest first.
    pub events: Vec<EventFinding>,
    /// What could not be read, and so was not looked at.
    pub not_known: Vec<String>,
    /// Of the worst image.
    pub verdict: Verdict,
    /// The one thing to do.
    pub to_do: String,
}

/// Whether an image can be pulled. From the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// It is on the node, or its registry would let it be pulled now.
    Pulls,
    /// Everything is in its place, and its registry was not asked.
    Likely,
    /// Something could not be found out.
    Unknown,
    /// No.
    Fails,
}

/// A Secret that the Pod refers to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretFinding {
    pub name: String,
    /// What a kubelet makes of it, in a few words.
    pub says: String,
    /// It is one of those that the add-on writes.
    pub managed: bool,
    /// By which way a Pod that is made now would refer to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub way: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageFinding {
    /// As it is written.
    pub image: String,
    /// What uses it: `container app`.
    pub users: Vec<String>,
    /// The registry's host; none when the image is no reference.
    pub registry: Option<String>,
    /// It is on the node.
    pub on_node: bool,
    /// ImagePullSecrets that are for this host.
    pub asked: Vec<AskedFinding>,
    /// Credentials that the kubelet shows to the registry, in its order.
    pub tries: Vec<Try>,
    /// What the registry says to nobody in particular, when there is no credential.
    pub without_credential: Option<PullAnswer>,
    /// Whether it can be pulled.
    pub verdict: Verdict,
    pub problem: Option<Problem>,
    /// What works, and should be known.
    pub notes: Vec<String>,
}

/// An ImagePullSecret that is for the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AskedFinding {
    pub name: String,
    /// Whether it is for this Pod.
    pub selected: bool,
    pub says: String,
}

/// A credential that the kubelet shows to the registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Try {
    pub secret: String,
    /// The key in its `auths`.
    pub key: String,
    pub username: String,
    /// What the registry says; none when it was not asked.
    pub registry: Option<PullAnswer>,
}

/// Why an image cannot be pulled, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// A word, for programs.
    pub reason: &'static str,
    pub message: String,
    /// What to do, as a sentence.
    pub to_do: String,
    /// Who can do it, where the node said what is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<Who>,
}

/// Who can do what is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Who {
    /// The team that runs the Pod.
    Workload,
    /// The team that runs the cluster.
    Platform,
    /// The team that pushes the image.
    Author,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventFinding {
    /// When it was seen last, as RFC 3339.
    pub last_seen: Option<String>,
    pub count: i32,
    pub reason: String,
    pub message: String,
}

impl EventFinding {
    /// The same.
    pub fn of(event: &EventFact) -> Self {
        Self {
            last_seen: event.at.map(|at| at.to_string()),
            count: event.count,
            reason: event.reason.clone(),
            message: event.message.clone(),
        }
    }
}

impl Problem {
    pub fn new(reason: &'static str, message: impl Into<String>, to_do: impl Into<String>) -> Self {
        Self { reason, message: message.into(), to_do: to_do.into(), who: None }
    }

    /// The same, which is for these to mend.
    pub fn of(self, who: Who) -> Self {
        Self { who: Some(who), ..self }
    }
}

impl Who {
    /// Before what is to be done.
    pub fn asks(self, to_do: &str) -> String {
        match self {
            Self::Workload => to_do.to_owned(),
            Self::Platform => format!("ask the platform team: {to_do}"),
            Self::Author => format!("ask the image's author: {to_do}"),
        }
    }
}

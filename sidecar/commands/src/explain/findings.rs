//! Findings about a Pod's pulls: plain values, without any password.

use serde::Serialize;

use super::facts::EventFact;
use registry_client::PullAnswer;

/// All findings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Findings {
    /// The explained object, as `Deployment/web`, where that is not an existing Pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    pub namespace: String,
    /// The Pod's name; empty where there is no Pod yet.
    pub pod: String,
    pub phase: String,
    /// The node that it runs on.
    pub node: Option<String>,
    pub service_account: String,
    /// How the ServiceAccount's list affects it.
    pub service_account_says: String,
    /// How the admission policy affects it.
    pub policy_says: String,
    /// The Secrets that the Pod refers to, in its order.
    pub secrets: Vec<SecretFinding>,
    /// Each image once.
    pub images: Vec<ImageFinding>,
    /// Why the Pod's sandbox cannot be created, which comes before any pull.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<Problem>,
    /// Other ServiceAccounts that are treated differently.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_accounts: Vec<String>,
    /// Events about its pulls, the newest first.
    pub events: Vec<EventFinding>,
    /// What could not be read.
    pub not_known: Vec<String>,
    /// The verdict on the worst image.
    pub verdict: Verdict,
    /// What to do, in one sentence.
    pub to_do: String,
}

/// Whether an image can be pulled. From the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// It is on the node, or its registry would let it be pulled now.
    Pulls,
    /// Everything is in place, but its registry was not asked.
    Likely,
    /// A fact is missing.
    Unknown,
    /// It cannot be pulled.
    Fails,
}

/// A Secret that the Pod refers to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretFinding {
    pub name: String,
    /// Its content as a kubelet reads it, in a few words.
    pub says: String,
    /// The add-on writes it.
    pub managed: bool,
    /// What adds it to a Pod created now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub way: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageFinding {
    /// The image as the Pod has it.
    pub image: String,
    /// What uses it: `container app`.
    pub users: Vec<String>,
    /// The registry's host; none when the image is no valid reference.
    pub registry: Option<String>,
    /// It is on the node.
    pub on_node: bool,
    /// ImagePullSecrets that are for this host.
    pub asked: Vec<AskedFinding>,
    /// Credentials that the kubelet tries at the registry, in its order.
    pub tries: Vec<Try>,
    /// The registry's answer to an anonymous request, when there is no credential.
    pub without_credential: Option<PullAnswer>,
    /// Whether it can be pulled.
    pub verdict: Verdict,
    pub problem: Option<Problem>,
    /// Notes about things that work.
    pub notes: Vec<String>,
}

/// An ImagePullSecret that is for the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AskedFinding {
    pub name: String,
    /// Whether it selects this Pod.
    pub selected: bool,
    pub says: String,
}

/// A credential that the kubelet tries at the registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Try {
    pub secret: String,
    /// The key in its `auths`.
    pub key: String,
    pub username: String,
    /// The registry's answer; none when it was not asked.
    pub registry: Option<PullAnswer>,
}

/// Why an image cannot be pulled, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The reason in one word, for programs.
    pub reason: &'static str,
    pub message: String,
    /// What to do, as a sentence.
    pub to_do: String,
    /// Who can do it, where the node's message tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<Who>,
}

/// Who can apply a remedy.
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
    /// When it last happened, in RFC 3339.
    pub last_seen: Option<String>,
    pub count: i32,
    pub reason: String,
    pub message: String,
}

impl EventFinding {
    /// The finding about an Event.
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

    /// The problem, with the team that can solve it.
    pub fn of(self, who: Who) -> Self {
        Self { who: Some(who), ..self }
    }
}

impl Who {
    /// Prefixes the remedy with the team.
    pub fn asks(self, to_do: &str) -> String {
        match self {
            Self::Workload => to_do.to_owned(),
            Self::Platform => format!("ask the platform team: {to_do}"),
            Self::Author => format!("ask the image's author: {to_do}"),
        }
    }
}

//! The report on the add-on. Pure.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde::Serialize;
use tcr::image_pull_secret::ImagePullSecretSpec;
use tcr::names::SYSTEM_NAMESPACE;
use tcr::write_limits::WriteLimits;

use crate::reader::{Controller, Seen};
use custom_resource::condition::{ConditionReason, ConditionType};
use custom_resource::{IdentityStatus, ImagePullSecret, ImagePullSecretStatus, NodesStatus, WriteFailure};

/// All facts.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The ImagePullSecrets of the cluster.
    pub asked: Seen<Vec<ImagePullSecret>>,
    /// Whether a controller leads.
    pub controller: Seen<Controller>,
    /// The Deployment of the controller.
    pub deployment: Seen<Option<Replicas>>,
    /// The webhook's Deployment; none where the add-on has no webhook.
    pub webhook: Seen<Option<Replicas>>,
    /// The DaemonSet of the nodes' agents.
    pub agents: Seen<Option<Replicas>>,
    /// `Fail` or `Ignore`: how Pods are admitted while the webhook is away; none where the add-on has no
    /// webhook.
    pub failure_policy: Seen<Option<String>>,
    /// The add-on's own namespace.
    pub namespace: Seen<Home>,
}

/// The add-on's own namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// The namespace is there.
    There,
    /// It is being deleted.
    Ending,
    /// There is no such namespace.
    Absent,
}

/// The numbers of Pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Replicas {
    /// Desired Pods.
    pub desired: i32,
    /// Pods that are ready.
    pub ready: i32,
}

/// The state of the add-on.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// There are no problems, as far as it could be read.
    pub ready: bool,
    /// The controller's state; none where it could not be read.
    pub controller: Option<Controller>,
    /// Its Pods; none where there is no Deployment, or it could not be read.
    pub replicas: Option<Replicas>,
    /// The webhook's Pods; none where there is no Deployment, or it could not be read.
    pub webhook_replicas: Option<Replicas>,
    /// The DaemonSet of the nodes' agents.
    pub agents: Option<Replicas>,
    /// `Fail` or `Ignore`: how Pods are admitted while the webhook is away.
    pub webhook_failure_policy: Option<String>,
    /// Each ImagePullSecret, by name.
    pub image_pull_secrets: Vec<Line>,
    /// Problems, and what to do.
    pub problems: Vec<Finding>,
    /// Notes about things that work.
    pub notes: Vec<Finding>,
    /// What could not be read.
    pub not_known: Vec<String>,
}

/// The printed part of an ImagePullSecret.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// The name of the ImagePullSecret.
    pub name: String,
    /// The instance's id, or the server of a static credential.
    pub registry: String,
    /// The hosts that the credential is for.
    pub hosts: Vec<String>,
    /// `True`, `False` or `Unknown`: the condition Ready, about the newest spec.
    pub ready: String,
    /// `longterm`, `temp`, `serviceAccount` or `password`; `none` where the spec asks for none.
    pub credential: &'static str,
    /// Id of a long-term credential, or name of a service account.
    pub token_id: Option<String>,
    /// The identity that pulls, and where it was found, where the credential is an instance's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<IdentityStatus>,
    /// When the credential expires, in RFC 3339.
    pub expires_at: Option<String>,
    /// Namespaces that have the Secret, and that are to have it.
    pub namespaces: Count,
    /// ServiceAccounts that refer to it, and that are to refer to it.
    pub service_accounts: Count,
    /// Another owner's Secret blocks ours.
    pub conflicts: bool,
    /// The reason of the condition PrivateLink, and the address while there is one; none without an instance.
    pub private_link: Option<String>,
    /// The nodes' progress with the link.
    pub nodes: Option<NodesStatus>,
}

/// A present and a desired number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Count {
    /// The present number.
    pub current: i64,
    /// The desired number.
    pub desired: i64,
}

/// A message about an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The object.
    pub about: String,
    /// The message.
    pub message: String,
}

impl Finding {
    fn new(about: &str, message: impl Into<String>) -> Self {
        Self { about: about.to_owned(), message: message.into() }
    }
}

/// The report at this time.
pub fn report(facts: &Facts, now: Timestamp) -> Report {
    let Facts { asked, controller, deployment, webhook, agents, failure_policy, namespace } = facts;
    let mut problems = Vec::new();
    let mut notes = Vec::new();
    let replicas = deployment.known().copied().flatten();
    let webhook_replicas = webhook.known().copied().flatten();
    let agents_known = agents.known().copied().flatten();
    let pods = format!("kubectl -n {SYSTEM_NAMESPACE} get pods");
    // Where the namespace is being deleted, missing components need no explanation.
    let home = namespace.known().filter(|_| asked.known().is_some());
    let is_home_there = home.is_none_or(|it| *it == Home::There);
    problems.extend(home.and_then(|it| without_home(*it)));
    if controller.known() == Some(&Controller::Away) && is_home_there {
        let message = format!("none leads: nothing is renewed or distributed; see why: {pods}");
        problems.push(Finding::new("controller", message));
    }
    let workloads =
        [("controller", replicas), ("webhook", webhook_replicas), ("hosts-updater", agents_known)];
    if let Some(Controller::Leads { write_limits: Some(limits), .. }) = controller.known()
        && let Some(message) = unlimited(limits)
    {
        notes.push(Finding::new("controller", message));
    }
    for (about, replicas) in workloads {
        if let Some(Replicas { desired, ready }) =
            replicas.filter(|it| it.ready < it.desired && is_home_there)
        {
            problems
                .push(Finding::new(about, format!("{ready} of {desired} Pods are ready; see why: {pods}")));
        }
    }
    let mut objects: Vec<&ImagePullSecret> = asked.known().into_iter().flatten().collect();
    objects.sort_by_key(|object| object.metadata.name.clone());
    for object in &objects {
        judge(object, now, &mut problems, &mut notes);
    }
    let missing = |what: &str, why: Option<String>| why.map(|why| format!("{what}: {why}"));
    let not_known = [
        missing("ImagePullSecrets", asked.missing()),
        missing("whether a controller leads", controller.missing()),
        missing("the controller's Pods", deployment.missing()),
        missing("the webhook's Pods", webhook.missing()),
        missing("the nodes' agents", agents.missing()),
        missing("the webhook", failure_policy.missing()),
        missing("whether the add-on's namespace is there", namespace.missing()),
    ];
    Report {
        ready: problems.is_empty(),
        controller: controller.known().cloned(),
        replicas,
        webhook_replicas,
        agents: agents_known,
        webhook_failure_policy: failure_policy.known().cloned().flatten(),
        image_pull_secrets: objects.into_iter().map(line).collect(),
        problems,
        notes,
        not_known: not_known.into_iter().flatten().collect(),
    }
}

/// Which policies that restrict the controller's writes are missing.
fn unlimited(limits: &WriteLimits) -> Option<String> {
    match limits {
        WriteLimits::InForce => None,
        WriteLimits::Absent(kinds) => {
            let kinds: Vec<&str> = kinds.iter().map(|kind| kind.resource()).collect();
            Some(format!(
                "no policies hold its writes of {} to what it writes, beyond RBAC: the chart's writeLimits.enabled brings \
                 them",
                kinds.join(", ")
            ))
        }
        WriteLimits::Unsupported => Some(
            "no policies hold its writes to what it writes, beyond RBAC: this cluster knows none, it takes Kubernetes 1.30 \
             or later"
                .to_owned(),
        ),
    }
}

/// What to do where the add-on's namespace is being deleted or gone, while objects in other namespaces
/// remain.
fn without_home(home: Home) -> Option<Finding> {
    let stays = "the ImagePullSecrets, and the webhook, references and Secrets that they led to, stay";
    let message = match home {
        Home::There => return None,
        Home::Ending => format!(
            "this namespace is being deleted, and with it all that runs of the add-on; {stays} until they are removed: \
             kubectl tcr cleanup"
        ),
        Home::Absent => format!(
            "there is no such namespace, so that nothing of the add-on runs; {stays}: install it again, or remove them: \
             kubectl tcr cleanup"
        ),
    };
    Some(Finding::new(SYSTEM_NAMESPACE, message))
}

fn condition(status: &ImagePullSecretStatus, kind: ConditionType) -> Option<&Condition> {
    status.conditions.iter().find(|it| it.type_ == kind.as_str())
}

/// Adds the problems of one ImagePullSecret.
fn judge(object: &ImagePullSecret, now: Timestamp, problems: &mut Vec<Finding>, notes: &mut Vec<Finding>) {
    let name = object.metadata.name.as_deref().unwrap_or_default();
    let empty = ImagePullSecretStatus::default();
    let status = object.status.as_ref().unwrap_or(&empty);
    let is_current = status.observed_generation == object.metadata.generation;
    match condition(status, ConditionType::Ready) {
        Some(ready) if is_current && ready.status == "True" => {}
        Some(ready) if is_current => {
            problems.push(Finding::new(name, format!("{}: {}", ready.reason, ready.message)));
        }
        Some(_) => problems.push(Finding::new(name, "the controller has not looked at its last change yet")),
        None => problems.push(Finding::new(name, "the controller has not looked at it yet")),
    }
    if let Some(ended) = status.expires_at.as_ref().filter(|it| it.0 <= now) {
        problems.push(Finding::new(name, format!("its credential ended at {}", ended.0)));
    }
    for WriteFailure { kind, namespaced_name, message } in &status.failures {
        notes.push(Finding::new(name, format!("cannot write {kind} {namespaced_name}: {message}")));
    }
    for kind in [ConditionType::Conflicts, ConditionType::CanPush] {
        if let Some(said) = condition(status, kind).filter(|it| it.status == "True") {
            notes.push(Finding::new(name, format!("{}: {}", said.reason, said.message)));
        }
    }
    if let Some(said) = condition(status, ConditionType::NodesResolve).filter(|it| it.status == "False") {
        notes.push(Finding::new(name, format!("{}: {}", said.reason, said.message)));
    }
    // It is not known whether the credential works; or it works, and the condition tells why the next one
    // cannot be made.
    if let Some(said) = condition(status, ConditionType::CredentialValid)
        .filter(|it| it.status != "False" && it.reason != ConditionReason::Valid.as_str())
    {
        notes.push(Finding::new(name, format!("{}: {}", said.reason, said.message)));
    }
}

fn line(object: &ImagePullSecret) -> Line {
    let ImagePullSecret { metadata, spec, status, .. } = object;
    let status = status.clone().unwrap_or_default();
    let ready = condition(&status, ConditionType::Ready);
    let is_current = status.observed_generation == metadata.generation;
    let (registry, credential) = what(spec);
    let count = |current: Option<i64>, desired: Option<i64>| Count {
        current: current.unwrap_or_default(),
        desired: desired.unwrap_or_default(),
    };
    Line {
        name: metadata.name.clone().unwrap_or_default(),
        registry,
        ready: ready.filter(|_| is_current).map_or_else(|| "Unknown".to_owned(), |it| it.status.clone()),
        credential,
        expires_at: status.expires_at.as_ref().map(|it| it.0.to_string()),
        namespaces: count(status.secrets_success, status.secrets_desired),
        service_accounts: count(status.s_as_success, status.s_as_desired),
        conflicts: condition(&status, ConditionType::Conflicts).is_some_and(|it| it.status == "True"),
        private_link: private_link(&status),
        hosts: status.hosts,
        token_id: status.token_id,
        identity: status.identity,
        nodes: status.nodes,
    }
}

fn private_link(status: &ImagePullSecretStatus) -> Option<String> {
    let told = status.private_link.as_ref().map(|link| link.summary.clone());
    // A controller of an earlier release reports only the condition.
    told.or_else(|| condition(status, ConditionType::PrivateLink).map(|it| it.reason.clone()))
}

/// The registry, and the kind of its credential.
fn what(spec: &ImagePullSecretSpec) -> (String, &'static str) {
    match (&spec.tcr, &spec.docker) {
        (Some(tcr), _) => (tcr.instance_id.clone(), tcr.credential.kind.as_str()),
        (None, Some(docker)) => (docker.server.clone(), "password"),
        (None, None) => (String::new(), "none"),
    }
}

#[cfg(test)]
mod tests;

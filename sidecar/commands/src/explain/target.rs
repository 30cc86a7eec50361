//! What is explained: a Pod, or what Pods are made of, before there is one.

use std::fmt;
use std::str::FromStr;

use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use kube::api::ObjectMeta;
use kube::core::ApiResource;
use serde_json::Value;
use tcr::names::derived_secret_name;

use super::facts::{AccountFacts, AskedFor, Facts, ImageUse};
use super::selection::{Selected, selected};
use crate::reader::Seen;

/// What is explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// What it is.
    pub kind: TargetKind,
    /// Its name.
    pub name: String,
}

/// A kind of what is explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// A Pod that there is.
    Pod,
    /// A workload, by its Pod template.
    Workload(&'static Workload),
    /// Any Pod with a ServiceAccount.
    ServiceAccount,
    /// Any Pod of a namespace.
    Namespace,
}

/// A kind that makes Pods from a template.
#[derive(Debug, PartialEq, Eq)]
pub struct Workload {
    group: &'static str,
    kind: &'static str,
    plural: &'static str,
    /// What kubectl takes for it besides.
    short: &'static [&'static str],
    /// Where the template is.
    template: &'static str,
}

const fn workload(
    group: &'static str,
    kind: &'static str,
    plural: &'static str,
    short: &'static [&'static str],
) -> Workload {
    Workload { group, kind, plural, short, template: "/spec/template" }
}

const WORKLOADS: &[Workload] = &[
    workload("apps", "Deployment", "deployments", &["deployment", "deploy"]),
    workload("apps", "StatefulSet", "statefulsets", &["statefulset", "sts"]),
    workload("apps", "DaemonSet", "daemonsets", &["daemonset", "ds"]),
    workload("apps", "ReplicaSet", "replicasets", &["replicaset", "rs"]),
    workload("batch", "Job", "jobs", &["job"]),
    Workload {
        template: "/spec/jobTemplate/spec/template",
        ..workload("batch", "CronJob", "cronjobs", &["cronjob", "cj"])
    },
];

/// ServiceAccounts of a namespace that are compared with `default`.
const MOST_ACCOUNTS: usize = 50;

impl Workload {
    /// As the API server has it.
    pub fn resource(&self) -> ApiResource {
        ApiResource {
            group: self.group.to_owned(),
            version: "v1".to_owned(),
            api_version: format!("{}/v1", self.group),
            kind: self.kind.to_owned(),
            plural: self.plural.to_owned(),
        }
    }

    /// The right to read it.
    pub(super) fn plural(&self) -> &'static str {
        self.plural
    }

    /// The Pod that it would make.
    pub(super) fn pod(&self, object: &Value, namespace: &str) -> Result<Pod, serde_json::Error> {
        let template = object.pointer(self.template).cloned().unwrap_or_default();
        let PodTemplateSpec { metadata, spec } = serde_json::from_value(template)?;
        let metadata =
            ObjectMeta { namespace: Some(namespace.to_owned()), name: None, ..metadata.unwrap_or_default() };
        Ok(Pod { metadata, spec, status: None })
    }
}

impl TargetKind {
    /// As objects have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pod => "Pod",
            Self::Workload(workload) => workload.kind,
            Self::ServiceAccount => "ServiceAccount",
            Self::Namespace => "Namespace",
        }
    }

    fn of(word: &str) -> Option<Self> {
        match word {
            "pod" | "pods" | "po" => Some(Self::Pod),
            "serviceaccount" | "serviceaccounts" | "sa" => Some(Self::ServiceAccount),
            "namespace" | "namespaces" | "ns" => Some(Self::Namespace),
            _ => {
                WORKLOADS.iter().find(|it| it.plural == word || it.short.contains(&word)).map(Self::Workload)
            }
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, name) = text.split_once('/').unwrap_or(("pod", text));
        let Some(kind) = TargetKind::of(&kind.to_ascii_lowercase()) else {
            return Err(format!(
                "{kind:?} is not explained: write pod/NAME, deployment/NAME (or another workload), serviceaccount/NAME or \
                 namespace/NAME"
            ));
        };
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
        match !name.is_empty() && name.chars().all(is_name) {
            true => Ok(Self { kind, name: name.to_owned() }),
            false => {
                Err(format!("a name of a {} has lower-case letters, digits, hyphens and dots", kind.as_str()))
            }
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.as_str(), self.name)
    }
}

/// One image of each registry that ImagePullSecrets are for, where the Pod is any.
pub(super) fn any_images(facts: &Facts) -> Vec<ImageUse> {
    let mut hosts: Vec<&String> =
        facts.asked.known().into_iter().flatten().flat_map(|it| &it.hosts).collect();
    hosts.sort();
    hosts.dedup();
    let any = |host: &String| ImageUse {
        image: format!("{host}/any/image"),
        user: "any container".to_owned(),
        is_any: true,
        ..ImageUse::default()
    };
    hosts.into_iter().map(any).collect()
}

/// What a Pod that is made now would refer to, and by which way.
pub(super) fn admit(facts: &mut Facts) {
    let account = facts.account.known().cloned().flatten().unwrap_or_default();
    let AccountFacts { references, enforces } = account;
    facts.ways = facts.pod.references.iter().map(|it| (it.clone(), "the Pod template lists it")).collect();
    if facts.pod.references.is_empty() && !facts.pod.mirror {
        facts.ways = references.iter().map(|it| (it.clone(), "its ServiceAccount refers to it")).collect();
        facts.pod.references.clone_from(&references);
    }
    if facts.pod.opted_out || facts.pod.mirror || facts.unreviewed {
        return;
    }
    let hosts: Vec<&str> = facts.pod.images.iter().map(|it| tcr::image_ref::host_of(&it.image)).collect();
    let is_meant = |it: &&AskedFor| it.hosts.iter().any(|host| hosts.contains(&host.as_str()));
    let meant = facts.asked.known().into_iter().flatten().filter(is_meant);
    let meant = meant.filter(|it| selected(it, facts) == Selected::Yes);
    let names: Vec<String> = meant.map(|it| derived_secret_name(&it.name)).collect();
    for name in names {
        let is_allowed = !enforces || references.contains(&name);
        if is_allowed && !facts.pod.references.contains(&name) {
            facts.ways.insert(name.clone(), "the admission policy adds it");
            facts.pod.references.push(name);
        }
    }
}

/// ServiceAccounts of the namespace for which an ImagePullSecret decides otherwise than for `default`.
pub(super) fn other_accounts(facts: &Facts) -> Vec<String> {
    let Seen::Known(names) = &facts.other_accounts else { return Vec::new() };
    let mut told = Vec::new();
    for name in names.iter().take(MOST_ACCOUNTS) {
        let mut other = facts.clone();
        other.pod.account.clone_from(name);
        for asked in facts.asked.known().into_iter().flatten() {
            let (usual, own) = (selected(asked, facts), selected(asked, &other));
            if (usual == Selected::Yes) != (own == Selected::Yes) {
                let says = match own {
                    Selected::Yes => {
                        format!("ImagePullSecret {} selects it, {}", asked.name, own.says(asked))
                    }
                    _ => own.says(asked),
                };
                told.push(format!("{name}: {says}"));
            }
        }
    }
    if let Some(more) = names.len().checked_sub(MOST_ACCOUNTS).filter(|it| *it > 0) {
        told.push(format!("{more} more ServiceAccounts were not compared: explain serviceaccount/NAME"));
    }
    told
}

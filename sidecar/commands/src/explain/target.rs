//! The explained object: a Pod, or an object that Pods are made from.

use std::fmt;
use std::str::FromStr;

use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use kube::api::ObjectMeta;
use kube::core::ApiResource;
use serde_json::Value;

/// The explained object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub kind: TargetKind,
    pub name: String,
}

/// Its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// An existing Pod.
    Pod,
    /// A workload, by its Pod template.
    Workload(&'static Workload),
    /// Any Pod with a ServiceAccount.
    ServiceAccount,
    /// Any Pod of a namespace.
    Namespace,
}

/// A kind that creates Pods from a template.
#[derive(Debug, PartialEq, Eq)]
pub struct Workload {
    group: &'static str,
    kind: &'static str,
    plural: &'static str,
    /// Further names that kubectl accepts.
    short: &'static [&'static str],
    /// The path of the template.
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

impl Workload {
    /// The resource at the API server.
    pub fn resource(&self) -> ApiResource {
        ApiResource {
            group: self.group.to_owned(),
            version: "v1".to_owned(),
            api_version: format!("{}/v1", self.group),
            kind: self.kind.to_owned(),
            plural: self.plural.to_owned(),
        }
    }

    /// The plural, as RBAC names the resource.
    pub(super) fn plural(&self) -> &'static str {
        self.plural
    }

    /// The Pod that it would create.
    pub(super) fn pod(&self, object: &Value, namespace: &str) -> Result<Pod, serde_json::Error> {
        let template = object.pointer(self.template).cloned().unwrap_or_default();
        let PodTemplateSpec { metadata, spec } = serde_json::from_value(template)?;
        let metadata =
            ObjectMeta { namespace: Some(namespace.to_owned()), name: None, ..metadata.unwrap_or_default() };
        Ok(Pod { metadata, spec, status: None })
    }
}

impl TargetKind {
    /// The kind, as objects have it.
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
        match tcr::dns::is_subdomain(name) {
            true => Ok(Self { kind, name: name.to_owned() }),
            false => Err(format!(
                "a name of a {} has lower-case letters and digits, and hyphens and dots between them",
                kind.as_str()
            )),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.as_str(), self.name)
    }
}

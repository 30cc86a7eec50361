//! Names of a cluster's objects for shell completion. Objects that cannot be read at once are left out.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, Pod, ServiceAccount};
use kube::api::{DynamicObject, ListParams};
use kube::{Api, Client};

use crate::explain::target::{Target, TargetKind};
use custom_resource::ImagePullSecret;
use kubernetes::api_error::within;

/// Short, because a person waits at the prompt.
const DEADLINE: Duration = Duration::from_secs(2);
/// More than a person would read.
const MOST: u32 = 500;
/// Kinds that are offered.
const KINDS: [&str; 9] = [
    "pod/",
    "deployment/",
    "statefulset/",
    "daemonset/",
    "replicaset/",
    "job/",
    "cronjob/",
    "serviceaccount/",
    "namespace/",
];

/// Which names to complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    ImagePullSecrets,
    Namespaces,
    /// The arguments of `explain`: `TYPE/NAME`.
    Targets,
}

/// Names that begin with `begun`.
pub async fn names(client: Client, namespace: &str, names: Names, begun: &str) -> Vec<String> {
    let mut all = match names {
        Names::ImagePullSecrets => list(&Api::<ImagePullSecret>::all(client)).await,
        Names::Namespaces => list(&Api::<Namespace>::all(client)).await,
        Names::Targets => targets(client, namespace, begun).await,
    };
    all.retain(|name| name.starts_with(begun));
    all.sort();
    all
}

async fn targets(client: Client, namespace: &str, begun: &str) -> Vec<String> {
    let Some((kind, _)) = begun.split_once('/') else {
        let pods = list(&Api::<Pod>::namespaced(client, namespace)).await;
        return KINDS.iter().map(|kind| (*kind).to_owned()).chain(pods).collect();
    };
    // Any name will do: only the kind is used.
    let Ok(target) = format!("{kind}/x").parse::<Target>() else { return Vec::new() };
    let found = match target.kind {
        TargetKind::Pod => list(&Api::<Pod>::namespaced(client, namespace)).await,
        TargetKind::ServiceAccount => list(&Api::<ServiceAccount>::namespaced(client, namespace)).await,
        TargetKind::Namespace => list(&Api::<Namespace>::all(client)).await,
        TargetKind::Workload(workload) => {
            list(&Api::<DynamicObject>::namespaced_with(client, namespace, &workload.resource())).await
        }
    };
    found.into_iter().map(|name| format!("{kind}/{name}")).collect()
}

async fn list<K>(api: &Api<K>) -> Vec<String>
where
    K: Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    match within(DEADLINE, api.list_metadata(&ListParams::default().limit(MOST))).await {
        Ok(list) => list.items.into_iter().filter_map(|object| object.metadata.name).collect(),
        Err(_) => Vec::new(),
    }
}

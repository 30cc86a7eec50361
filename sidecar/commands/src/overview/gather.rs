//! Reads the state of the add-on.

use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use tcr::names::{
    CONTROLLER_DEPLOYMENT, HOSTS_UPDATER, MUTATING_WEBHOOK, SYSTEM_NAMESPACE, WEBHOOK_DEPLOYMENT,
};

use super::report::{Facts, Home, Replicas};
use crate::reader::{Reader, Right};

/// Reads all facts.
pub async fn facts(reader: &Reader) -> Facts {
    let client = &reader.client;
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
    let daemons: Api<DaemonSet> = Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
    let webhooks: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let resource = "mutatingwebhookconfigurations.admissionregistration.k8s.io";
    let (asked, controller, deployment, webhook_pods, agents, webhook, home) = futures::join!(
        reader.image_pull_secrets(),
        reader.controller(),
        reader.object(&deployments, CONTROLLER_DEPLOYMENT, Right::get("deployments.apps", SYSTEM_NAMESPACE)),
        reader.object(&deployments, WEBHOOK_DEPLOYMENT, Right::get("deployments.apps", SYSTEM_NAMESPACE)),
        reader.object(&daemons, HOSTS_UPDATER, Right::get("daemonsets.apps", SYSTEM_NAMESPACE)),
        reader.object(&webhooks, MUTATING_WEBHOOK, Right { verb: "get", resource, namespace: None }),
        reader.object(&namespaces, SYSTEM_NAMESPACE, Right::get("namespaces", SYSTEM_NAMESPACE)),
    );
    let of_deployment = |it: Deployment| Replicas {
        desired: it.spec.and_then(|it| it.replicas).unwrap_or(1),
        ready: it.status.and_then(|it| it.ready_replicas).unwrap_or_default(),
    };
    let of_agents = |it: DaemonSet| {
        let status = it.status.unwrap_or_default();
        Replicas { desired: status.desired_number_scheduled, ready: status.number_ready }
    };
    let failure_policy = |it: MutatingWebhookConfiguration| {
        let first = it.webhooks.into_iter().flatten().next();
        first.and_then(|it| it.failure_policy).unwrap_or_else(|| "Fail".to_owned())
    };
    let of_home = |it: Option<Namespace>| match it {
        Some(it) if it.metadata.deletion_timestamp.is_some() => Home::Ending,
        Some(_) => Home::There,
        None => Home::Absent,
    };
    Facts {
        asked,
        controller,
        deployment: deployment.map(|it| it.map(of_deployment)),
        webhook: webhook_pods.map(|it| it.map(of_deployment)),
        agents: agents.map(|it| it.map(of_agents)),
        failure_policy: webhook.map(|it| it.map(failure_policy)),
        namespace: home.map(of_home),
    }
}

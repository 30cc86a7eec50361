//! Makes facts of Kubernetes objects. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::admissionregistration::v1::{MutatingWebhook, MutatingWebhookConfiguration};
use k8s_openapi::api::core::v1::{
    Container, ContainerStatus, EphemeralContainer, Event, Pod, ServiceAccount, Volume,
};
use kube::ResourceExt as _;
use tcr::label_selector::LabelSelector;
use tcr::names::{
    ENFORCE_MOUNTABLE_SECRETS_ANNOTATION, INJECT_ANNOTATION, MIRROR_POD_ANNOTATION, SYSTEM_NAMESPACE,
};

use super::facts::{AccountFacts, AskedFor, EventFact, ImageUse, PodFacts};
use crate::reader::Seen;
use custom_resource::ImagePullSecret;

/// Namespaces whose Pods the chart's webhook does not review by default.
const UNREVIEWED: [&str; 3] = ["kube-system", "kube-node-lease", SYSTEM_NAMESPACE];
/// The label with a namespace's name.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";
/// Reasons of Events about pulls.
const PULL_REASONS: [&str; 9] = [
    "Failed",
    "Pulling",
    "Pulled",
    "BackOff",
    "ErrImageNeverPull",
    "InspectFailed",
    "FailedCreatePodSandBox",
    "FailedToRetrieveImagePullSecret",
    "PullSecretMissing",
];

/// Whether the webhook does not review Pods of the namespace. Few users may read its configuration: for
/// others the chart's defaults count.
pub(super) fn is_unreviewed(
    webhook: &Seen<Option<MutatingWebhookConfiguration>>,
    namespace: &str,
    labels: &Seen<BTreeMap<String, String>>,
) -> bool {
    let configuration = match webhook {
        Seen::Known(Some(configuration)) => configuration,
        // Another admission controller runs the policy, and reviews whatever it is configured for.
        Seen::Known(None) => return false,
        Seen::Denied(_) | Seen::Failed(_) => return UNREVIEWED.contains(&namespace),
    };
    let is_about_pods = |it: &&MutatingWebhook| {
        let rules = it.rules.iter().flatten();
        rules.flat_map(|rule| rule.resources.iter().flatten()).any(|it| it == "pods")
    };
    let Some(webhook) = configuration.webhooks.iter().flatten().find(is_about_pods) else { return false };
    let expressions = webhook.namespace_selector.iter().flat_map(|it| it.match_expressions.iter().flatten());
    let mut names = expressions.filter(|it| it.key == NAME_LABEL && it.operator == "NotIn");
    let by_name = names.any(|it| it.values.iter().flatten().any(|it| it == namespace));
    let selector = webhook.namespace_selector.as_ref().and_then(|it| serde_json::to_value(it).ok());
    let selector = selector.and_then(|it| serde_json::from_value::<LabelSelector>(it).ok());
    by_name || selector.zip(labels.known()).is_some_and(|(selector, labels)| !selector.matches(labels))
}

pub(super) fn account_facts(account: &ServiceAccount) -> AccountFacts {
    let references = account.image_pull_secrets.iter().flatten().map(|it| it.name.clone());
    AccountFacts {
        enforces: account
            .annotations()
            .get(ENFORCE_MOUNTABLE_SECRETS_ANNOTATION)
            .is_some_and(|it| it == "true"),
        references: references.collect(),
    }
}

pub(super) fn asked_for(object: ImagePullSecret) -> AskedFor {
    let ImagePullSecret { metadata, spec, status, .. } = object;
    let status = status.unwrap_or_default();
    // Hosts in the status that are left from an earlier spec are ignored.
    let mut hosts = if spec.has_credential() { status.hosts } else { Vec::new() };
    hosts.extend(spec.hosts().iter().map(ToString::to_string));
    hosts.sort();
    hosts.dedup();
    AskedFor {
        name: metadata.name.unwrap_or_default(),
        created: metadata.creation_timestamp.map(|it| it.0),
        deleting: metadata.deletion_timestamp.is_some(),
        spec,
        hosts,
        link: status.private_link,
        conditions: status.conditions,
        nodes: status.nodes,
        failures: status.failures,
    }
}

pub(super) fn event(event: Event) -> Option<EventFact> {
    let reason = event.reason.unwrap_or_default();
    let is_about_pulls = PULL_REASONS.contains(&reason.as_str());
    // A container that cannot start has the same reason.
    let message = event.message.unwrap_or_default();
    let is_about_pulls =
        is_about_pulls && (!matches!(reason.as_str(), "Failed" | "BackOff") || message.contains("mage"));
    is_about_pulls.then(|| EventFact {
        at: event
            .series
            .as_ref()
            .and_then(|series| Some(series.last_observed_time.as_ref()?.0))
            .or(event.last_timestamp.map(|it| it.0))
            .or(event.event_time.map(|it| it.0))
            .or(event.metadata.creation_timestamp.map(|it| it.0)),
        reason,
        message,
        count: event.series.and_then(|it| it.count).or(event.count).unwrap_or(1),
    })
}

pub(super) fn pod_facts(pod: &Pod) -> PodFacts {
    let spec = pod.spec.clone().unwrap_or_default();
    let status = pod.status.clone().unwrap_or_default();
    let annotation = |key: &str| pod.annotations().get(key).map(String::as_str);
    let owner = pod.owner_references().iter().find(|it| it.controller == Some(true));
    let phase = status.phase.unwrap_or_else(|| "Pending".to_owned());
    let statuses = |list: Option<Vec<ContainerStatus>>| list.unwrap_or_default();
    let (init, main, ephemeral) = (
        statuses(status.init_container_statuses),
        statuses(status.container_statuses),
        statuses(status.ephemeral_container_statuses),
    );
    let one = |container: Container, kind: &str, statuses: &[ContainerStatus]| {
        image_use(kind, &container.name, container.image, statuses)
    };
    let is_started = matches!(phase.as_str(), "Running" | "Succeeded");
    let volumes = spec.volumes.into_iter().flatten().filter_map(|volume| image_volume(volume, is_started));
    let debug = |container: EphemeralContainer| {
        let EphemeralContainer { name, image, .. } = container;
        image_use("ephemeral container", &name, image, &ephemeral)
    };
    let images: Vec<ImageUse> = volumes
        .chain(spec.init_containers.into_iter().flatten().map(|it| one(it, "init container", &init)))
        .chain(spec.containers.into_iter().map(|it| one(it, "container", &main)))
        .chain(spec.ephemeral_containers.into_iter().flatten().map(debug))
        .collect();
    PodFacts {
        namespace: pod.namespace().unwrap_or_default(),
        name: pod.name_any(),
        created: pod.metadata.creation_timestamp.as_ref().map(|it| it.0),
        phase,
        node: spec.node_name.filter(|name| !name.is_empty()),
        account: spec
            .service_account_name
            .filter(|it| !it.is_empty())
            .unwrap_or_else(|| "default".to_owned()),
        owner: owner.map(|owner| format!("{} {}", owner.kind, owner.name)),
        opted_out: annotation(INJECT_ANNOTATION) == Some("false"),
        mirror: annotation(MIRROR_POD_ANNOTATION).is_some(),
        references: spec
            .image_pull_secrets
            .into_iter()
            .flatten()
            .map(|it| it.name)
            // The API server allows empty names, and kubelets skip them.
            .filter(|name| !name.is_empty())
            .collect(),
        images,
    }
}

fn image_use(kind: &str, name: &str, image: Option<String>, statuses: &[ContainerStatus]) -> ImageUse {
    let status = statuses.iter().find(|it| it.name == name);
    let state = status.and_then(|it| it.state.as_ref());
    let waiting = state.and_then(|it| it.waiting.as_ref());
    let is_running = state.is_some_and(|it| it.running.is_some() || it.terminated.is_some());
    let last = status.and_then(|it| it.last_state.as_ref()?.terminated.as_ref());
    let ended = state.and_then(|it| it.terminated.as_ref()).or(last).filter(|it| it.exit_code != 0);
    let of_both = |reason: &Option<String>, message: &Option<String>| {
        (reason.clone().unwrap_or_default(), message.clone().unwrap_or_default())
    };
    let used = ImageUse {
        image: image.unwrap_or_default(),
        user: format!("{kind} {name}"),
        is_there: is_running,
        waiting: waiting.map(|it| of_both(&it.reason, &it.message)),
        ended: ended.map(|it| of_both(&it.reason, &it.message)),
        ..ImageUse::default()
    };
    // A container whose image is pulled again still has the id of the previous image.
    let has_image = status.is_some_and(|it| !it.image_id.is_empty()) && used.waits_for_pull().is_none();
    ImageUse { is_there: is_running || has_image || used.waits_after_pull().is_some(), ..used }
}

fn image_volume(volume: Volume, is_started: bool) -> Option<ImageUse> {
    let image = volume.image?;
    Some(ImageUse {
        image: image.reference.unwrap_or_default(),
        user: format!("volume {}", volume.name),
        is_there: is_started,
        ..ImageUse::default()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_namespace_is_unreviewed_where_the_webhooks_selector_leaves_it_out() {
        let labels = |name: &str, more: &[(&str, &str)]| {
            let name = [("kubernetes.io/metadata.name", name)];
            let all = name.iter().chain(more).map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            Seen::Known(all.collect::<BTreeMap<_, _>>())
        };
        let webhook: MutatingWebhookConfiguration = serde_json::from_value(json!({"webhooks": [{
            "name": "pods.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None", "clientConfig": {},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
            "namespaceSelector": {
                "matchLabels": {"stage": "prod"},
                "matchExpressions": [
                    {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system"]},
                ],
            },
        }]}))
        .unwrap();
        let read = Seen::Known(Some(webhook));
        let prod = [("stage", "prod")];
        assert!(!is_unreviewed(&read, "shop", &labels("shop", &prod)));
        assert!(is_unreviewed(&read, "shop", &labels("shop", &[])));
        assert!(is_unreviewed(&read, "kube-system", &labels("kube-system", &prod)));
        let unread = Seen::Failed("it is away".to_owned());
        assert!(!is_unreviewed(&read, "shop", &unread.clone()), "its labels are not known");
        assert!(is_unreviewed(&read, "kube-system", &Seen::Failed("it is away".to_owned())));
        assert!(
            !is_unreviewed(&Seen::Known(None), "kube-system", &labels("kube-system", &[])),
            "Kubewarden's"
        );
        let denied = || Seen::Failed("it may not be read".to_owned());
        assert!(is_unreviewed(&denied(), "kube-system", &labels("kube-system", &[])));
        assert!(!is_unreviewed(&denied(), "shop", &labels("shop", &[])));
    }

    #[test]
    fn every_image_of_a_pod_is_looked_at_in_the_order_of_its_pulls() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "web", "namespace": "shop", "annotations": {INJECT_ANNOTATION: "false"},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "uid": "u", "controller": true}]},
            "spec": {
                "imagePullSecrets": [{"name": "a"}, {"name": ""}],
                "volumes": [{"name": "models", "image": {"reference": "h.example/models:1"}}],
                "initContainers": [{"name": "setup", "image": "h.example/setup:1"}],
                "containers": [{"name": "app", "image": "h.example/app:1", "imagePullPolicy": "Always"}],
                "ephemeralContainers": [{"name": "debug", "image": "h.example/debug:1"}],
            },
            "status": {
                "initContainerStatuses": [{"name": "setup", "image": "", "imageID": "sha256:1", "ready": true, "restartCount": 0}],
                "containerStatuses": [{"name": "app", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                    "state": {"waiting": {"reason": "ErrImagePull", "message": "why"}}}],
            },
        }))
        .unwrap();
        let facts = pod_facts(&pod);
        let told: Vec<String> =
            facts.images.iter().map(|it| format!("{} {} {:?}", it.user, it.is_there, it.waiting)).collect();
        expect_test::expect![[r#"
            volume models false None
            init container setup true None
            container app false Some(("ErrImagePull", "why"))
            ephemeral container debug false None"#]]
        .assert_eq(&told.join("\n"));
        assert_eq!(
            (facts.account.as_str(), facts.references, facts.opted_out),
            ("default", vec!["a".to_owned()], true)
        );
        assert_eq!(facts.owner.as_deref(), Some("ReplicaSet web-1"));
    }
}

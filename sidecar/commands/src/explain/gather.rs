//! Reads what a Pod's pulls depend on, with the user's own rights, and asks the registries.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, anyhow, bail};
use futures::StreamExt as _;
use k8s_openapi::api::admissionregistration::v1::{MutatingWebhook, MutatingWebhookConfiguration};
use k8s_openapi::api::core::v1::{
    Container, ContainerStatus, EphemeralContainer, Event, Namespace, Pod, Secret, ServiceAccount, Volume,
};
use kube::api::{DynamicObject, ListParams};
use kube::{Api, ResourceExt as _};
use tcr::image_ref;
use tcr::label_selector::LabelSelector;
use tcr::names::{
    ENFORCE_MOUNTABLE_SECRETS_ANNOTATION, INJECT_ANNOTATION, MIRROR_POD_ANNOTATION, MUTATING_WEBHOOK,
    SYSTEM_NAMESPACE, derived_secret_name,
};

use super::admission;
use super::facts::{AccountFacts, AskedFor, EventFact, Facts, ImageUse, PodFacts, SecretFacts};
use super::target::{Target, TargetKind, Workload};
use crate::reader::{Reader, Right, Seen, seen};
use custom_resource::ImagePullSecret;
use kubernetes::api_error::within;
use registry_client::Checker;

/// Questions to registries at a time.
const AT_A_TIME: usize = 4;
/// ServiceAccounts of a namespace that are read.
const MOST_ACCOUNTS: u32 = 500;
/// Namespaces whose Pods the chart's webhook does not review by default.
const UNREVIEWED: [&str; 3] = ["kube-system", "kube-node-lease", SYSTEM_NAMESPACE];
/// The label by which a namespace is selected by its name.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";
/// Events that tell of pulls.
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

impl Reader {
    /// Reads everything but the registries' answers.
    ///
    /// # Errors
    /// What is explained is not there or may not be read, or the API server does not answer.
    pub async fn facts(&self, namespace: &str, target: &Target) -> Result<Facts> {
        let name = target.name.as_str();
        let any = |account: &str, namespace: &str| PodFacts {
            namespace: namespace.to_owned(),
            account: account.to_owned(),
            ..PodFacts::default()
        };
        let pod = match target.kind {
            TargetKind::Pod => return self.facts_of_pod(namespace, name).await,
            TargetKind::Workload(workload) => self.template(workload, namespace, name).await?,
            TargetKind::ServiceAccount => any(name, namespace),
            TargetKind::Namespace => {
                let namespaces: Api<Namespace> = Api::all(self.client.clone());
                if let Ok(None) = within(self.deadline, namespaces.get_opt(name)).await {
                    bail!("there is no Namespace {name}");
                }
                any("default", name)
            }
        };
        let mut facts = self.around(pod, true).await;
        facts.target = Some(target.clone());
        if matches!(target.kind, TargetKind::ServiceAccount) && facts.account == Seen::Known(None) {
            bail!(
                "there is no ServiceAccount {name} in namespace {namespace}: name another namespace with -n"
            );
        }
        if !matches!(target.kind, TargetKind::Workload(_)) {
            facts.pod.images = admission::any_images(&facts);
        }
        if target.kind == TargetKind::Namespace {
            facts.other_accounts = self.account_names(name).await;
        }
        admission::admit(&mut facts);
        Ok(facts)
    }

    async fn facts_of_pod(&self, namespace: &str, name: &str) -> Result<Facts> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        match within(self.deadline, pods.get(name)).await {
            Ok(pod) => Ok(self.around(pod_facts(&pod), false).await),
            Err(error) if error.is_not_found() => {
                bail!("there is no Pod {name} in namespace {namespace}: name another namespace with -n")
            }
            Err(error) => Err(anyhow!("cannot read Pod {namespace}/{name}: {error}")),
        }
    }

    /// The Pod that a workload would make.
    async fn template(&self, workload: &Workload, namespace: &str, name: &str) -> Result<PodFacts> {
        let kind = workload.resource().kind;
        let objects: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), namespace, &workload.resource());
        match within(self.deadline, objects.get(name)).await {
            Ok(object) => {
                let pod = workload.pod(&object.data, namespace);
                let pod = pod.with_context(|| format!("cannot read the Pod template of {kind} {name}"))?;
                Ok(PodFacts { owner: Some(format!("{kind} {name}")), ..pod_facts(&pod) })
            }
            Err(error) if error.is_not_found() => {
                bail!("there is no {kind} {name} in namespace {namespace}: name another namespace with -n")
            }
            Err(error) => Err(anyhow!("cannot read {} {namespace}/{name}: {error}", workload.plural())),
        }
    }

    async fn account_names(&self, namespace: &str) -> Seen<Vec<String>> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), namespace);
        let params = ListParams::default().limit(MOST_ACCOUNTS);
        let found = seen(
            Right::list("serviceaccounts", namespace),
            within(self.deadline, accounts.list_metadata(&params)).await,
        );
        found.map(|found| found.items.iter().map(|it| it.name_any()).filter(|it| it != "default").collect())
    }

    /// What a Pod's pulls depend on besides itself. One that is not made yet would also refer to what its ServiceAccount
    /// does.
    async fn around(&self, pod: PodFacts, is_future: bool) -> Facts {
        let (namespace, name) = (pod.namespace.as_str(), pod.name.as_str());
        let (labels, webhook, account, asked, events, controller) = futures::join!(
            self.labels(namespace),
            self.webhook(),
            self.account(namespace, &pod.account),
            self.image_pull_secrets(),
            async { if is_future { Seen::Known(Vec::new()) } else { self.events(namespace, name).await } },
            self.controller(),
        );
        let asked = asked.map(|all| all.into_iter().map(asked_for).collect::<Vec<_>>());
        let unreviewed = is_unreviewed(&webhook, namespace, &labels);
        let hosts: Vec<&str> = pod.images.iter().map(|it| image_ref::host_of(&it.image)).collect();
        let meant = asked.known().into_iter().flatten();
        let is_any = pod.images.is_empty();
        let meant = meant.filter(|it| is_any || it.hosts.iter().any(|host| hosts.contains(&host.as_str())));
        let meant = meant.map(|it| derived_secret_name(&it.name));
        let of_account = account.known().and_then(Option::as_ref).filter(|_| is_future);
        let of_account = of_account.map(|it| it.references.clone()).unwrap_or_default();
        let names: BTreeSet<String> = pod.references.iter().cloned().chain(meant).chain(of_account).collect();
        let read = names.into_iter().map(async |name| (name.clone(), self.secret(namespace, &name).await));
        let secrets = futures::future::join_all(read).await.into_iter().collect();
        let answers = BTreeMap::new();
        let (target, ways, other_accounts) = (None, BTreeMap::new(), Seen::Known(Vec::new()));
        Facts {
            pod,
            labels,
            unreviewed,
            account,
            asked,
            secrets,
            events,
            controller,
            answers,
            target,
            ways,
            other_accounts,
        }
    }

    async fn labels(&self, name: &str) -> Seen<BTreeMap<String, String>> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let found = self.object(&namespaces, name, Right::get("namespaces", name)).await;
        let mut labels = found.map(|found| found.and_then(|it| it.metadata.labels).unwrap_or_default());
        if let Seen::Known(labels) = &mut labels {
            // As the API server does, should an old one not have.
            labels.entry("kubernetes.io/metadata.name".to_owned()).or_insert_with(|| name.to_owned());
        }
        labels
    }

    async fn webhook(&self) -> Seen<Option<MutatingWebhookConfiguration>> {
        let webhooks: Api<MutatingWebhookConfiguration> = Api::all(self.client.clone());
        let resource = "mutatingwebhookconfigurations.admissionregistration.k8s.io";
        self.object(&webhooks, MUTATING_WEBHOOK, Right { verb: "get", resource, namespace: None }).await
    }

    async fn account(&self, namespace: &str, name: &str) -> Seen<Option<AccountFacts>> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), namespace);
        let right = Right { verb: "get", resource: "serviceaccounts", namespace: Some(namespace.to_owned()) };
        let found = seen(right, within(self.deadline, accounts.get_opt(name)).await);
        found.map(|found| found.as_ref().map(account_facts))
    }

    async fn secret(&self, namespace: &str, name: &str) -> Seen<Option<SecretFacts>> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let found = self.object(&secrets, name, Right::get("secrets", namespace)).await;
        found.map(|found| found.as_ref().map(SecretFacts::of))
    }

    async fn events(&self, namespace: &str, pod: &str) -> Seen<Vec<EventFact>> {
        let events: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let right = Right::list("events", namespace);
        let about = format!("involvedObject.kind=Pod,involvedObject.name={pod}");
        let found =
            seen(right, within(self.deadline, events.list(&ListParams::default().fields(&about))).await);
        found.map(|found| {
            let mut events: Vec<EventFact> = found.items.into_iter().filter_map(event).collect();
            events.sort_by_key(|event| std::cmp::Reverse(event.at));
            events
        })
    }
}

/// Asks the registries what `facts` leads to, and notes the answers in it.
pub async fn ask(checker: &Checker, facts: &mut Facts) {
    let asked = facts.questions();
    let asked = asked.into_iter().map(async |(question, image, login)| {
        let answer = checker.pull(&image, login).await;
        (question, answer)
    });
    let answers: BTreeMap<_, _> = futures::stream::iter(asked).buffer_unordered(AT_A_TIME).collect().await;
    facts.answers = answers;
}

/// Whether the webhook is not asked about Pods of the namespace. Few may read its configuration: then what the chart
/// leaves out by default counts.
fn is_unreviewed(
    webhook: &Seen<Option<MutatingWebhookConfiguration>>,
    namespace: &str,
    labels: &Seen<BTreeMap<String, String>>,
) -> bool {
    let configuration = match webhook {
        Seen::Known(Some(configuration)) => configuration,
        // Somebody else runs the policy, and asks about whatever that is configured for.
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
    // What the status still has of a time before is no longer meant.
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
    // A container that cannot start fails with the same word.
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
            // The API server allows them, and kubelets pass them over.
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
    // A container that is pulled for again still tells of the image that it had.
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

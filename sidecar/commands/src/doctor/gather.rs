//! Reads the facts concurrently: ten seconds in all, even where nothing answers.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod, ResourceQuota, Secret};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::ListParams;
use kube::core::{ObjectList, PartialObjectMeta};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tcr::names::{
    API_GROUP, CONTROLLER_DEPLOYMENT, HOSTS_UPDATER, IMAGE_PULL_SECRET_PLURAL, LEADER_LEASE,
    MUTATING_WEBHOOK, SYSTEM_NAMESPACE, WEBHOOK_CERTIFICATE, WEBHOOK_DEPLOYMENT,
};
use tcr::sensitive::wipe;

use super::facts::{Facts, FullQuota, HomeNamespace, NodeFacts, OwnPod, Registration, Workload};
use crate::overview::report::Home;
use crate::reader::{Reader, Right, Seen, seen};
use crate::server_time;
use kubernetes::api_error::within;

mod dry_run;
mod rivals;

/// The time limit of the first reads.
const FIRST: Duration = Duration::from_secs(5);
/// The time limit of the reads that depend on them.
const SECOND: Duration = Duration::from_secs(4);
/// Objects in one page of a list.
const PAGE: u32 = 500;
/// The longest age of a Lease that counts as renewed now: a leader renews it every few seconds.
const LEASE_EVERY: Duration = Duration::from_millis(2500);

/// Reads all facts.
pub async fn facts(reader: &Reader) -> Facts {
    let reader = Reader { client: reader.client.clone(), deadline: reader.deadline.min(FIRST) };
    let client = &reader.client;
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
    let daemons: Api<DaemonSet> = Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
    let of_deployment = Right::get("deployments.apps", SYSTEM_NAMESPACE);
    let cluster = |resource| Right { verb: "get", resource, namespace: None };
    let of_objects = Right { verb: "list", ..cluster("imagepullsecrets.tcr.tencentcloudcr.com") };
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let definition = format!("{IMAGE_PULL_SECRET_PLURAL}.{API_GROUP}");
    let webhooks: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let secrets: Api<Secret> = Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
    let read = async {
        futures::join!(
            in_time(reader.deadline, &of_objects, reader.image_pull_secrets()),
            reader.object(
                &definitions,
                &definition,
                cluster("customresourcedefinitions.apiextensions.k8s.io")
            ),
            reader.object(&namespaces, SYSTEM_NAMESPACE, Right::get("namespaces", SYSTEM_NAMESPACE)),
            reader.controller(),
            reader.object(&deployments, CONTROLLER_DEPLOYMENT, of_deployment.clone()),
            reader.object(&deployments, WEBHOOK_DEPLOYMENT, of_deployment.clone()),
            reader.object(&daemons, HOSTS_UPDATER, Right::get("daemonsets.apps", SYSTEM_NAMESPACE)),
            reader.object(
                &webhooks,
                MUTATING_WEBHOOK,
                cluster("mutatingwebhookconfigurations.admissionregistration.k8s.io")
            ),
            reader.object(&secrets, WEBHOOK_CERTIFICATE, Right::get("secrets", SYSTEM_NAMESPACE)),
        )
    };
    let lists = async {
        futures::join!(
            own_pods(&reader),
            quotas(&reader),
            rivals::find(&reader),
            nodes(&reader),
            namespaces_by_label(&reader),
        )
    };
    let clocks = async {
        let read = tokio::time::timeout(reader.deadline, clocks(&reader)).await;
        read.unwrap_or_else(|_| (Timestamp::now(), None, None))
    };
    let (read, lists, (now, server_now, controller_now)) = futures::join!(read, lists, clocks);
    let (objects, definition, home, controller, deployment, webhook, agents, configuration, certificate) =
        read;
    let (pods, quotas, rivals, nodes, places) = lists;
    let second = Reader { client: client.clone(), deadline: SECOND };
    let dry_run = dry_run::run(&second, &objects, &configuration, &places).await;
    Facts {
        now,
        server_now,
        controller_now,
        version: env!("CARGO_PKG_VERSION"),
        objects: absent_is_none(objects),
        definition: definition.map(|it| it.and_then(|it| serde_json::to_value(it.spec).ok())),
        home: home.map(of_home),
        controller,
        deployment: deployment.map(|it| it.map(of_deployment_object)),
        webhook: webhook.map(|it| it.map(of_deployment_object)),
        agents: agents.map(|it| it.map(of_daemons)),
        pods,
        registration: configuration.map(|it| it.map(of_configuration)),
        certificate: certificate.map(|it| it.and_then(of_certificate)),
        dry_run,
        quotas,
        rivals,
        nodes,
    }
}

/// A missing custom resource definition is reported by another check.
fn absent_is_none<T>(objects: Seen<Vec<T>>) -> Seen<Vec<T>> {
    match objects {
        Seen::Failed(why) if why.contains("has no such resource") => Seen::Known(Vec::new()),
        other => other,
    }
}

fn of_home(namespace: Option<Namespace>) -> HomeNamespace {
    let Some(Namespace { metadata, .. }) = namespace else {
        return HomeNamespace { home: Home::Absent, enforced: None };
    };
    let home = if metadata.deletion_timestamp.is_some() { Home::Ending } else { Home::There };
    let enforced = metadata.labels.and_then(|mut it| it.remove("pod-security.kubernetes.io/enforce"));
    HomeNamespace { home, enforced }
}

fn workload(metadata: ObjectMeta, desired: i32, ready: i32, image: Option<String>) -> Workload {
    let version = metadata.labels.and_then(|mut it| it.remove("app.kubernetes.io/version"));
    Workload { desired, ready, version, image: image.unwrap_or_default() }
}

fn of_deployment_object(it: Deployment) -> Workload {
    let spec = it.spec.unwrap_or_default();
    let image = spec.template.spec.and_then(|it| it.containers.into_iter().next()?.image);
    let ready = it.status.and_then(|it| it.ready_replicas).unwrap_or_default();
    workload(it.metadata, spec.replicas.unwrap_or(1), ready, image)
}

fn of_daemons(it: DaemonSet) -> Workload {
    let status = it.status.unwrap_or_default();
    let image = it.spec.and_then(|it| it.template.spec?.containers.into_iter().next()?.image);
    workload(it.metadata, status.desired_number_scheduled, status.number_ready, image)
}

fn of_configuration(it: MutatingWebhookConfiguration) -> Registration {
    let webhooks = it.webhooks.unwrap_or_default();
    let policy = webhooks.first().and_then(|it| it.failure_policy.clone());
    let bundles: Option<Vec<String>> = webhooks
        .into_iter()
        .map(|it| {
            Some(
                String::from_utf8_lossy(&it.client_config.ca_bundle.filter(|it| !it.0.is_empty())?.0)
                    .into_owned(),
            )
        })
        .collect();
    Registration {
        failure_policy: policy.unwrap_or_else(|| "Fail".to_owned()),
        bundle: bundles.and_then(|it| it.into_iter().next()),
    }
}

/// The served certificate; the key is not read.
fn of_certificate(secret: Secret) -> Option<String> {
    let mut data = secret.data?;
    let served = data.remove("tls.crt").map(|it| String::from_utf8_lossy(&it.0).into_owned());
    data.values_mut().for_each(|it| wipe(&mut it.0));
    served.or_else(|| Some(String::new()))
}

/// Every object of a list, reduced page by page.
async fn list<K, T>(
    reader: &Reader,
    api: &Api<K>,
    params: ListParams,
    right: Right,
    reduce: impl Fn(K) -> Option<T>,
) -> Seen<Vec<T>>
where
    K: Clone + Debug + DeserializeOwned,
{
    pages(reader.deadline, params, right, reduce, async |params| api.list(&params).await).await
}

/// Every object of a list, metadata only, reduced page by page.
async fn list_metadata<K, T>(
    reader: &Reader,
    right: Right,
    reduce: impl Fn(ObjectMeta) -> Option<T>,
) -> Seen<Vec<T>>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let api: Api<K> = Api::all(reader.client.clone());
    let reduce = |it: PartialObjectMeta<K>| reduce(it.metadata);
    pages(reader.deadline, ListParams::default(), right, reduce, async |params| {
        api.list_metadata(&params).await
    })
    .await
}

async fn pages<K: Clone, T>(
    deadline: Duration,
    params: ListParams,
    right: Right,
    reduce: impl Fn(K) -> Option<T>,
    page: impl AsyncFn(ListParams) -> kube::Result<ObjectList<K>>,
) -> Seen<Vec<T>> {
    let all = async {
        let mut all = Vec::new();
        let mut params = params.limit(PAGE);
        loop {
            let page = match page(params.clone()).await {
                Ok(page) => page,
                Err(error) => return seen(right.clone(), Err(error.into())),
            };
            all.extend(page.items.into_iter().filter_map(&reduce));
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => return Seen::Known(all),
            }
        }
    };
    in_time(deadline, &right, all).await
}

/// The result, or that it was not known in time.
async fn in_time<T>(deadline: Duration, right: &Right, reads: impl Future<Output = Seen<T>>) -> Seen<T> {
    match tokio::time::timeout(deadline, reads).await {
        Ok(seen) => seen,
        Err(_) => Seen::Failed(format!("cannot {right}: no whole answer within {} s", deadline.as_secs())),
    }
}

async fn own_pods(reader: &Reader) -> Seen<Vec<OwnPod>> {
    let api: Api<Pod> = Api::namespaced(reader.client.clone(), SYSTEM_NAMESPACE);
    let ours = ListParams::default().labels("app.kubernetes.io/name=tcr-assistant");
    list(reader, &api, ours, Right::list("pods", SYSTEM_NAMESPACE), own_pod).await
}

fn own_pod(pod: Pod) -> Option<OwnPod> {
    let status = pod.status.unwrap_or_default();
    let ready = status.conditions.iter().flatten().any(|it| it.type_ == "Ready" && it.status == "True");
    let containers = status.init_container_statuses.into_iter().chain(status.container_statuses).flatten();
    let waits = containers
        .filter_map(|it| it.state?.waiting)
        .find_map(|it| Some((it.reason?, it.message.unwrap_or_default())));
    let labels = pod.metadata.labels.unwrap_or_default();
    Some(OwnPod {
        name: pod.metadata.name?,
        component: labels.get("app.kubernetes.io/component").cloned().unwrap_or_default(),
        node: pod.spec.and_then(|it| it.node_name),
        ready,
        waits,
    })
}

async fn quotas(reader: &Reader) -> Seen<Vec<FullQuota>> {
    let api: Api<ResourceQuota> = Api::all(reader.client.clone());
    let right = Right { verb: "list", resource: "resourcequotas", namespace: None };
    list(reader, &api, ListParams::default(), right, full).await
}

/// The quota, if it leaves no room for another Secret.
fn full(quota: ResourceQuota) -> Option<FullQuota> {
    let status = quota.status?;
    let (hard, used) = (status.hard?, status.used?);
    let is_full = |key: &str| {
        let number = |of: &BTreeMap<String, _>| {
            let quantity: &k8s_openapi::apimachinery::pkg::api::resource::Quantity = of.get(key)?;
            quantity.0.parse::<u64>().ok()
        };
        let (hard, used) = (number(&hard)?, number(&used)?);
        (used >= hard).then(|| hard.to_string())
    };
    let hard = is_full("secrets").or_else(|| is_full("count/secrets"))?;
    Some(FullQuota { namespace: quota.metadata.namespace?, name: quota.metadata.name?, hard })
}

async fn nodes(reader: &Reader) -> Seen<Vec<NodeFacts>> {
    let right = Right { verb: "list", resource: "nodes", namespace: None };
    let node = |it: ObjectMeta| Some(NodeFacts { name: it.name?, labels: it.labels.unwrap_or_default() });
    list_metadata::<Node, _>(reader, right, node).await
}

/// Namespaces that are not being deleted, with their labels.
async fn namespaces_by_label(reader: &Reader) -> Seen<Vec<(String, BTreeMap<String, String>)>> {
    let right = Right { verb: "list", resource: "namespaces", namespace: None };
    let lives = |it: &ObjectMeta| it.deletion_timestamp.is_none();
    let place = |it: ObjectMeta| {
        let lives = lives(&it);
        Some((it.name?, it.labels.unwrap_or_default())).filter(|_| lives)
    };
    list_metadata::<Namespace, _>(reader, right, place).await
}

/// This machine's clock, the API server's at the same moment, and the controller's.
async fn clocks(reader: &Reader) -> (Timestamp, Option<Timestamp>, Option<Timestamp>) {
    let server = server_time::read(reader).await;
    let now = Timestamp::now();
    let Some(server_now) = server else { return (now, None, None) };
    let first = renewed(&reader.client, reader.deadline).await;
    let age = first.map(|it| server_now.duration_since(it));
    // A Lease that was written a moment ago, or in the future, tells the writer's time. An old one may be
    // from a controller that is gone, unless it is written again.
    let controller = match age {
        Some(age) if age > SignedDuration::from_secs(10) => {
            tokio::time::sleep(LEASE_EVERY).await;
            let second = renewed(&reader.client, FIRST.saturating_sub(LEASE_EVERY)).await;
            let waited = SignedDuration::try_from(LEASE_EVERY).unwrap_or_default();
            second.filter(|_| second != first).map(|it| it - waited)
        }
        _ => first,
    };
    (now, Some(server_now), controller)
}

/// When the Lease was last written, by the controller's clock.
async fn renewed(client: &Client, deadline: Duration) -> Option<Timestamp> {
    let leases: Api<Lease> = Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
    let lease = within(deadline, leases.get_opt(LEADER_LEASE)).await.ok()??;
    lease.spec?.renew_time.map(|it| it.0)
}

//! Reads what a plan is made from, with the user's own rights.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Node, Pod, Secret};
use kube::Api;
use kube::api::{DynamicObject, ListParams};
use kube::core::{ApiResource, PartialObjectMeta};
use tcr::hosts_entry::{HOSTS_KEY, HostsEntry, HostsList};
use tcr::names::{
    CONTROLLER_DEPLOYMENT, HOSTS_UPDATER, HOSTS_WITHDRAWN_ANNOTATION, IMAGE_PULL_SECRET_LABEL, MANAGED_BY,
    MANAGED_BY_LABEL, PASSWORD_LABEL, SYSTEM_NAMESPACE, UPDATER_CONFIG, derived_secret_name,
};

use super::forecast::Forecast;
use super::input::{self, Asked, Live, Wanted};
use super::known::{Known, Settings};
use crate::reader::{Reader, Right, Seen, seen};
use controller::installation_key;
use controller::observed;
use controller::partial_objects::{AccountObject, NamespaceObject, SecretObject};
use credential::store::{Document, Store};
use custom_resource::ImagePullSecret;
use distribution::mark::InstallationKey;
use distribution::{Observed, SeenSecret};
use kubernetes::api_error::within;
use reconcile::password::{Password, Passwords};
use tencent_cloud::roles::AllowedRole;

/// Objects in one page, where most are small.
const PAGE: u32 = 500;
/// The same of Secrets: anybody may have made each as large as etcd takes.
const PAGE_OF_SECRETS: u32 = 100;

/// What would come about.
///
/// # Errors
/// ImagePullSecrets may not be read, or what is asked cannot be.
pub(super) async fn forecast(reader: &Reader, asked: &Asked) -> Result<Forecast> {
    let wanted = asked.read()?;
    let mut not_known = Vec::new();
    let mut note =
        |what: &str, why: Option<String>| not_known.extend(why.map(|why| format!("{what}: {why}")));
    let mut observed = Observed::default();
    let (live, deployment, key, stored, passwords, entries, nodes) = futures::join!(
        reader.live(),
        reader.deployment(),
        reader.installation_key(),
        reader.stored(),
        reader.passwords(),
        reader.entries(),
        reader.nodes(),
    );
    let (live, is_installed) = live?;
    if !is_installed {
        note(
            "ImagePullSecrets",
            Some("the cluster has no such resource yet: the add-on is not installed".to_owned()),
        );
    }
    let settings = match (&wanted, &deployment) {
        (Wanted::Values(values), _) => values.settings()?,
        (_, Seen::Known(Some(deployment))) => settings_of(deployment),
        _ => Settings::default(),
    };
    if !matches!(wanted, Wanted::Values(_)) {
        note("the controller's settings, instead of which the chart's defaults count", deployment.missing());
    }
    note("the key by which our Secrets are known without labels", key.missing());
    note("credentials that are stored, instead of which the status counts", stored.missing());
    note("passwords for spec.docker.passwordSecretRef", passwords.missing());
    note("the nodes' hosts entries", entries.missing());
    let ((nodes, why), (nodes_without, why_not)) = nodes;
    note("nodes that run hosts-updater", why);
    note("nodes that do not run hosts-updater", why_not);
    let known_key = match &key {
        Seen::Known(Some(key)) => Some(key.clone()),
        _ => None,
    };
    // Without it no mark is known, and none counts as missing either.
    let is_marked_unknown = !matches!(key, Seen::Known(_));
    let hand = match known_key {
        Some(key) => key,
        None => InstallationKey::generate().context("cannot make a key")?,
    };
    let (namespaces, accounts, secrets) = reader.observe(&hand, is_marked_unknown, &mut observed).await;
    note("namespaces", namespaces.missing());
    note("references of ServiceAccounts", accounts.missing());
    note("which Secrets there are, and so what would be written in namespaces", secrets.missing());
    let now = Timestamp::now();
    let overlaid = input::overlay(&live, wanted, &asked.delete, &settings, now)?;
    let known = Known {
        now,
        before: input::as_they_are(&live, &settings),
        after: overlaid.after,
        settings,
        passwords,
        stored,
        entries,
        nodes,
        nodes_without,
        key,
        are_secrets_known: secrets.known().is_some(),
        refused: overlaid.refused,
        notes: overlaid.notes,
        not_known,
    };
    let are_secrets_known = known.are_secrets_known;
    let mut forecast = Forecast::new(known, observed);
    if are_secrets_known {
        for (name, content) in forecast.to_look_for() {
            let secret = derived_secret_name(&name);
            let in_the_way = reader.by_name(&secret, |object| {
                let found = observed::in_the_way(&object, None, content.as_ref(), &hand);
                (object.metadata.namespace.unwrap_or_default(), found)
            });
            match in_the_way.await {
                Seen::Known(found) => {
                    for (namespace, found) in found {
                        forecast.take_in_the_way(&name, &namespace, unmarked(found, is_marked_unknown));
                    }
                }
                other => bail!("{}", other.missing().unwrap_or_default()),
            }
        }
    }
    Ok(forecast)
}

/// A Secret of ours whose mark cannot be judged counts as marked.
fn unmarked(mut found: SeenSecret, is_marked_unknown: bool) -> SeenSecret {
    if let SeenSecret::Ours { marked, .. } = &mut found {
        *marked |= is_marked_unknown;
    }
    found
}

/// What the controller's Deployment says.
fn settings_of(deployment: &Deployment) -> Settings {
    let spec = deployment.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
    let container = spec.and_then(|spec| spec.containers.iter().find(|it| it.name == "manager"));
    let arguments: Vec<&String> = container.iter().flat_map(|it| it.args.iter().flatten()).collect();
    let variables: Vec<_> = container.iter().flat_map(|it| it.env.iter().flatten()).collect();
    let given = |flag: &str, variable: &str| -> Vec<String> {
        let flag = format!("--{flag}=");
        let flags: Vec<String> =
            arguments.iter().filter_map(|it| it.strip_prefix(&flag)).map(str::to_owned).collect();
        let variable = variables.iter().find(|it| it.name == variable).and_then(|it| it.value.clone());
        if flags.is_empty() { variable.into_iter().collect() } else { flags }
    };
    let domains = |flag: &str, variable: &str| -> Vec<String> {
        given(flag, variable)
            .iter()
            .flat_map(|list| list.split(',').map(str::to_owned).collect::<Vec<_>>())
            .collect()
    };
    let roots = domains("allowed-root", "TCR_ASSISTANT_ALLOWED_ROOT");
    let arn = |role: &str| role.parse::<AllowedRole>().map(|role| role.arn).ok();
    let roles = given("allowed-role", "TCR_ASSISTANT_ALLOWED_ROLE");
    let default = Settings::default();
    Settings {
        allowed_roots: if roots.is_empty() { default.allowed_roots } else { roots },
        allowed_aliases: domains("allowed-alias", "TCR_ASSISTANT_ALLOWED_ALIAS"),
        allowed_roles: roles.iter().flat_map(|list| list.split(' ')).filter_map(arn).collect(),
        cluster_id: given("cluster-id", "TCR_ASSISTANT_CLUSTER_ID").pop(),
        is_cluster_id_known: true,
        region: given("region", "TCR_ASSISTANT_REGION").pop(),
        static_hosts: None,
    }
}

impl Reader {
    /// The cluster's ImagePullSecrets whole, and whether the cluster knows them.
    async fn live(&self) -> Result<(Vec<Live>, bool)> {
        let objects: Api<DynamicObject> =
            Api::all_with(self.client.clone(), &ApiResource::erase::<ImagePullSecret>(&()));
        let mut live = Vec::new();
        let take = |DynamicObject { metadata, data, .. }| live.push(Live { metadata, data });
        let right = Right::list_all("imagepullsecrets.tcr.tencentcloudcr.com");
        let read = self.each(&objects, ListParams::default(), PAGE_OF_SECRETS, right, take).await;
        if read.known().is_none() {
            let probe = within(self.deadline, objects.list(&ListParams::default().limit(1))).await;
            if probe.is_err_and(|error| error.is_not_found()) {
                return Ok((Vec::new(), false));
            }
        }
        read.required("ImagePullSecrets").map(|()| (live, true))
    }

    async fn deployment(&self) -> Seen<Option<Deployment>> {
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), SYSTEM_NAMESPACE);
        let right = Right::get("deployments.apps", SYSTEM_NAMESPACE);
        self.object(&deployments, CONTROLLER_DEPLOYMENT, right).await
    }

    async fn installation_key(&self) -> Seen<Option<InstallationKey>> {
        let right = Right { verb: "get", resource: "secrets", namespace: Some(SYSTEM_NAMESPACE.to_owned()) };
        seen(right, installation_key::read(&self.client).await)
    }

    async fn stored(&self) -> Seen<Vec<Document>> {
        seen(Right::list("secrets", SYSTEM_NAMESPACE), Store::new(self.client.clone()).all().await)
    }

    async fn passwords(&self) -> Seen<Passwords> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), SYSTEM_NAMESPACE);
        let labelled = ListParams::default().labels(&format!("{PASSWORD_LABEL}=true"));
        let mut passwords = Passwords::default();
        let right = Right::list("secrets", SYSTEM_NAMESPACE);
        let read =
            self.each(&secrets, labelled, PAGE_OF_SECRETS, right, |it| passwords.set(Password::of(it)));
        let read = read.await;
        read.map(|()| passwords)
    }

    /// The list for the nodes; none while the add-on is being removed.
    async fn entries(&self) -> Seen<Option<Vec<HostsEntry>>> {
        let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), SYSTEM_NAMESPACE);
        let right = Right::get("configmaps", SYSTEM_NAMESPACE);
        self.object(&maps, UPDATER_CONFIG, right).await.map(|map| {
            let Some(map) = map else { return Some(Vec::new()) };
            let annotations = map.metadata.annotations.unwrap_or_default();
            if annotations.contains_key(HOSTS_WITHDRAWN_ANNOTATION) {
                return None;
            }
            let text = map.data.and_then(|mut data| data.remove(HOSTS_KEY));
            let list = text.and_then(|text| serde_saphyr::from_str::<HostsList>(&text).ok());
            Some(list.map(|list| list.entries().to_vec()).unwrap_or_default())
        })
    }

    /// Nodes on which hosts-updater runs, and those on which it does not, each with why that is not known.
    async fn nodes(&self) -> ((Vec<String>, Option<String>), (Vec<String>, Option<String>)) {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), SYSTEM_NAMESPACE);
        let agents = ListParams::default().labels(&format!("app.kubernetes.io/component={HOSTS_UPDATER}"));
        let mut with = BTreeSet::new();
        let right = Right::list("pods", SYSTEM_NAMESPACE);
        let take = |pod: Pod| with.extend(pod.spec.and_then(|spec| spec.node_name));
        let pods = self.each(&pods, agents, PAGE, right, take).await;
        if pods.known().is_none() {
            return ((Vec::new(), pods.missing()), (Vec::new(), None));
        }
        let nodes: Api<PartialObjectMeta<Node>> = Api::all(self.client.clone());
        let mut without = Vec::new();
        let take = |node: PartialObjectMeta<Node>| {
            without.extend(node.metadata.name.filter(|name| !with.contains(name)));
        };
        let nodes = self.each(&nodes, ListParams::default(), PAGE, Right::list_all("nodes"), take).await;
        without.sort();
        ((with.into_iter().collect(), None), (without, nodes.missing()))
    }

    /// What namespaces have.
    async fn observe(
        &self,
        key: &InstallationKey,
        is_marked_unknown: bool,
        observed: &mut Observed,
    ) -> (Seen<()>, Seen<()>, Seen<()>) {
        let namespaces: Api<NamespaceObject> = Api::all(self.client.clone());
        let accounts: Api<AccountObject> = Api::all(self.client.clone());
        let secrets: Api<SecretObject> = Api::all(self.client.clone());
        let plain = ListParams::default;
        let ours = plain().labels(&format!("{MANAGED_BY_LABEL}={MANAGED_BY},{IMAGE_PULL_SECRET_LABEL}"));
        let observed = std::cell::RefCell::new(observed);
        let take_namespace = |object| {
            let found = observed::namespace(object);
            let mut observed = observed.borrow_mut();
            let namespace = observed.entry(&found.name);
            (namespace.exists, namespace.terminating, namespace.labels) =
                (true, found.terminating, found.labels);
        };
        let take_account = |object| {
            let found = observed::account(object);
            observed.borrow_mut().entry(&found.namespace).accounts.insert(found.name, found.seen);
        };
        let take_secret = |object: SecretObject| {
            if let Some(found) = observed::ours(&object, key) {
                let name = object.metadata.name.unwrap_or_default();
                let mut observed = observed.borrow_mut();
                let namespace = observed.entry(object.metadata.namespace.as_deref().unwrap_or_default());
                namespace.secrets.insert(name, unmarked(found, is_marked_unknown));
            }
        };
        futures::join!(
            self.each(&namespaces, plain(), PAGE, Right::list_all("namespaces"), take_namespace),
            self.each(&accounts, plain(), PAGE, Right::list_all("serviceaccounts"), take_account),
            self.each(&secrets, ours, PAGE_OF_SECRETS, Right::list_all("secrets"), take_secret),
        )
    }

    /// Secrets of this name in all namespaces.
    async fn by_name<T>(&self, name: &str, reduce: impl Fn(SecretObject) -> T) -> Seen<Vec<T>> {
        let secrets: Api<SecretObject> = Api::all(self.client.clone());
        let by_name = ListParams::default().fields(&format!("metadata.name={name}"));
        let mut found = Vec::new();
        let take = |object| found.push(reduce(object));
        let read = self.each(&secrets, by_name, PAGE_OF_SECRETS, Right::list_all("secrets"), take).await;
        read.map(|()| found)
    }
}

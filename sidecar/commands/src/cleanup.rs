//! `tcr-assistant cleanup`: takes everything of ours out of a cluster, with the caller's own rights and
//! without webhook or controller.
//!
//! In the order of a removal: webhook configurations, which could refuse the rest; references, then
//! Secrets, namespace by namespace, as the planner plans them for ImagePullSecrets that are all deleted;
//! hosts entries; stored credentials; and last the ImagePullSecrets and the Lease, so that a run that was interrupted
//! still knows what there is. What is refused keeps only what has to come after it: everything that is left is told of,
//! an ImagePullSecret stays as long as anything that it led to, and the Lease as long as anything at all.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures::StreamExt as _;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace as KubeNamespace, Secret};
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::{ApiResource, ObjectList, PartialObjectMeta};
use kube::{Api, Client};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tcr::hosts_entry::HOSTS_KEY;
use tcr::image_pull_secret::ConflictPolicy;
use tcr::names::{
    CREDENTIAL_LABEL, FINALIZER, IMAGE_PULL_SECRET_LABEL, INSTALLATION_KEY, LEADER_LEASE, MANAGED_BY,
    MANAGED_BY_LABEL, MUTATING_WEBHOOK, SYSTEM_NAMESPACE, UPDATER_CONFIG, VALIDATING_WEBHOOK,
    WEBHOOK_CERTIFICATE, derived_secret_name,
};
use tcr::selection::Selection;

use crate::output::Output;
use controller::execute::{Hand, carry_out};
use controller::lean::{AccountObject, NamespaceObject};
use controller::{installation_key, seen};
use credential::store::{Document, Store};
use custom_resource::ImagePullSecret;
use distribution::job::{Ended, Job, Written};
use distribution::mark::InstallationKey;
use distribution::order::hold_back;
use distribution::{Change, Desired, Distribution, Namespace, Observed, TargetKind, plan};
use kubernetes::lease::Leadership;

mod leftovers;

use leftovers::{Left, Refused};

/// How long a controller may take to let go of the lease after it was stopped.
const PATIENCE: Duration = Duration::from_secs(20);
/// Namespaces worked on at a time.
const AT_A_TIME: usize = 16;
/// Tries for a namespace in which others write at the same time.
const TRIES: usize = 5;
/// A list without entries.
const NO_ENTRIES: &str = "[]";
/// Objects in one page of a list.
const PAGE: u32 = 500;

/// What became of an object.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Deleted,
    Edited,
    Emptied,
    Kept,
    Left,
    Failed,
}

/// An object that is told of.
#[derive(Clone, Copy, Serialize)]
struct Object<'a> {
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    name: &'a str,
}

impl<'a> Object<'a> {
    fn of(namespace: &'a str, kind: &'a str, name: &'a str) -> Self {
        Self { kind, namespace: Some(namespace), name }
    }
}

/// One line.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    #[serde(flatten)]
    object: Object<'a>,
    action: Action,
    dry_run: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
}

impl Line<'_> {
    fn text(&self) -> String {
        let Self { object: Object { kind, namespace, name }, action, dry_run, message } = self;
        let place = namespace.map(|it| format!("{it}/")).unwrap_or_default();
        let what = match action {
            Action::Deleted => "deleted",
            Action::Edited => "edited",
            Action::Emptied => "emptied, so that nodes lose their entries",
            Action::Kept => "stays valid; to remove it: ",
            Action::Left => "left: ",
            Action::Failed => "failed: ",
        };
        let mark = if *dry_run { " (dry run)" } else { "" };
        format!("{kind}/{place}{name} {what}{message}{mark}")
    }
}

/// Tells what was done, or would be.
struct Told<'a> {
    out: &'a mut dyn Write,
    output: Output,
    dry_run: bool,
    /// Objects that are left.
    left: usize,
}

impl Told<'_> {
    fn done(&mut self, object: Object<'_>, action: Action) -> Result<()> {
        self.line(object, action, "")
    }

    fn failed(&mut self, object: Object<'_>, error: &dyn std::fmt::Display) -> Result<()> {
        self.left += 1;
        self.line(object, Action::Failed, &error.to_string())
    }

    /// It was not tried, because of something else that is left.
    fn left(&mut self, object: Object<'_>, why: &str) -> Result<()> {
        self.left += 1;
        self.line(object, Action::Left, why)
    }

    fn line(&mut self, object: Object<'_>, action: Action, message: &str) -> Result<()> {
        let line = Line { object, action, dry_run: self.dry_run, message };
        let text = match self.output {
            Output::Text => line.text(),
            Output::Json => serde_json::to_string(&line)?,
        };
        writeln!(self.out, "{text}").context("cannot write to stdout")
    }
}

/// Removes everything, or says what would be removed.
///
/// # Errors
/// A controller is running; the cluster cannot be read; or something could not be removed, in which
/// case the rest was, and another run goes on where this one ended.
pub async fn run(client: Client, dry_run: bool, output: Output, out: &mut dyn Write) -> Result<()> {
    let mut told = Told { out, output, dry_run, left: 0 };
    let has_system = Api::<KubeNamespace>::all(client.clone())
        .get_metadata_opt(SYSTEM_NAMESPACE)
        .await
        .context("cannot read the cluster")?
        .is_some();
    if dry_run || !has_system {
        everything(&client, has_system, &mut told).await?;
    } else {
        let identity = format!("cleanup_{}", std::process::id());
        let mut lease = Leadership::new(client.clone(), identity);
        if tokio::time::timeout(PATIENCE, lease.acquire()).await.is_err() {
            bail!(
                "a controller is running and would put everything back: uninstall the chart first, or \
                 kubectl -n {SYSTEM_NAMESPACE} scale deployment tcr-assistant-controller-manager --replicas=0"
            );
        }
        let work = everything(&client, has_system, &mut told);
        tokio::select! {
            done = work => done?,
            lost = lease.hold() => bail!(lost),
        }
        match told.left {
            0 => {
                let leases = Api::<Lease>::namespaced(client.clone(), SYSTEM_NAMESPACE);
                remove(&leases, "lease", LEADER_LEASE, &mut told).await?;
            }
            _ => {
                lease.release().await;
                let object = Object::of(SYSTEM_NAMESPACE, "lease", LEADER_LEASE);
                told.left(object, "it goes when everything else is gone")?;
            }
        }
    }
    match told.left {
        0 => Ok(()),
        1 => bail!("1 object could not be removed: see above, mend it, and run this again"),
        count => bail!("{count} objects could not be removed: see above, mend it, and run this again"),
    }
}

async fn everything(client: &Client, has_system: bool, told: &mut Told<'_>) -> Result<()> {
    // Read before anything is changed.
    let objects = Api::<DynamicObject>::all_with(client.clone(), &ApiResource::erase::<ImagePullSecret>(&()));
    // Without the custom resource there are none; their Secrets may be left all the same.
    let found = match list(&objects, &ListParams::default()).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Vec::new(),
        other => other.context("cannot list ImagePullSecrets")?,
    };
    let names: Vec<String> = found.iter().filter_map(|object| object.metadata.name.clone()).collect();
    let key = key(client).await?;
    let (observed, desired) = (observe(client, &key, &names).await?, withdrawn(&names));

    let validating = Api::<ValidatingWebhookConfiguration>::all(client.clone());
    remove(&validating, "validatingwebhookconfiguration", VALIDATING_WEBHOOK, told).await?;
    let mutating = Api::<MutatingWebhookConfiguration>::all(client.clone());
    remove(&mutating, "mutatingwebhookconfiguration", MUTATING_WEBHOOK, told).await?;
    let hand = Arc::new(Hand::new(client.clone(), key));
    let mut kept = distributed(client, &hand, &observed, &desired, told).await?;
    if has_system {
        let (before, is_emptied) = (told.left, kept.is_empty());
        system(client, told).await?;
        if told.left > before {
            let why = format!("what is left in {SYSTEM_NAMESPACE} is gone first");
            for name in &names {
                kept.entry(name.clone()).or_insert_with(|| why.clone());
            }
        }
        let secrets = Api::<Secret>::namespaced(client.clone(), SYSTEM_NAMESPACE);
        remove(&secrets, "secret", WEBHOOK_CERTIFICATE, told).await?;
        match is_emptied {
            true => remove(&secrets, "secret", INSTALLATION_KEY, told).await?,
            false => leave(&secrets, INSTALLATION_KEY, "by it the next run knows what is ours", told).await?,
        }
    }
    for object in found {
        let name = object.metadata.name.unwrap_or_default();
        let told_of = Object { kind: "imagepullsecret", namespace: None, name: &name };
        if let Some(why) = kept.get(&name) {
            told.left(told_of, why)?;
            continue;
        }
        if !told.dry_run
            && let Err(error) = release(&objects, &name, object.metadata.finalizers.unwrap_or_default()).await
        {
            told.failed(told_of, &error)?;
            continue;
        }
        remove(&objects, "imagepullsecret", &name, told).await?;
    }
    Ok(())
}

/// The key by which the installation knows its Secrets; where there is none, one by which nothing is known.
async fn key(client: &Client) -> Result<InstallationKey> {
    match installation_key::read(client).await.context("cannot read the installation's key")? {
        Some(key) => Ok(key),
        None => InstallationKey::generate().context("cannot make a key"),
    }
}

/// What each namespace has of ours.
async fn observe(client: &Client, key: &InstallationKey, names: &[String]) -> Result<Observed> {
    let mut observed = Observed::default();
    let plain = ListParams::default();
    let namespaces = Api::<NamespaceObject>::all(client.clone());
    for object in list(&namespaces, &plain).await.context("cannot list namespaces")? {
        let seen = seen::namespace(object);
        let namespace = observed.entry(&seen.name);
        (namespace.exists, namespace.terminating) = (true, seen.terminating);
    }
    let accounts = Api::<AccountObject>::all(client.clone());
    for object in list(&accounts, &plain).await.context("cannot list ServiceAccounts")? {
        let seen = seen::account(object);
        if !seen.seen.references.is_empty() {
            observed.entry(&seen.namespace).accounts.insert(seen.name, seen.seen);
        }
    }
    let secrets = Api::<Secret>::all(client.clone());
    let ours = plain.clone().labels(&format!("{MANAGED_BY_LABEL}={MANAGED_BY},{IMAGE_PULL_SECRET_LABEL}"));
    for object in list_metadata(&secrets, &ours).await.context("cannot list Secrets")? {
        if let Some(seen) = seen::secret(&object.metadata, key) {
            observed.entry(&seen.namespace).secrets.insert(seen.name, seen.seen);
        }
    }
    // Ours that lost its labels, or somebody's own Secret of the name: references to that may be theirs, and stay.
    for name in names {
        let secret = derived_secret_name(name);
        let by_name = plain.clone().fields(&format!("metadata.name={secret}"));
        for object in list_metadata(&secrets, &by_name).await.context("cannot list Secrets")? {
            let namespace = observed.entry(object.metadata.namespace.as_deref().unwrap_or_default());
            if !namespace.secrets.contains_key(&secret) {
                namespace.secrets.insert(secret.as_str(), seen::unlabelled(&object.metadata, key));
            }
        }
    }
    Ok(observed)
}

/// Every ImagePullSecret as if it was being deleted.
fn withdrawn(names: &[String]) -> Desired {
    let mut desired = Desired::default();
    for name in names {
        let distribution = Distribution {
            selection: Selection::default(),
            conflict_policy: ConflictPolicy::Never,
            content: None,
            withdrawn: true,
            frozen: false,
        };
        desired.set(name, distribution);
    }
    desired
}

/// Empties the namespaces. ImagePullSecrets of which something is left there, each with a reason.
async fn distributed(
    client: &Client,
    hand: &Arc<Hand>,
    observed: &Observed,
    desired: &Desired,
    told: &mut Told<'_>,
) -> Result<BTreeMap<String, String>> {
    let mut work: BTreeMap<Arc<str>, Vec<Change>> = BTreeMap::new();
    for (name, namespace) in observed.iter() {
        let changes = plan(name, namespace, desired);
        if !changes.is_empty() {
            work.insert(name.clone(), changes);
        }
    }
    let mut kept = BTreeMap::new();
    if told.dry_run {
        for (namespace, changes) in work {
            for change in changes {
                let action = match change {
                    Change::EditReferences { .. } => Action::Edited,
                    _ => Action::Deleted,
                };
                let (kind, name) = change.target();
                told.done(Object::of(&namespace, kubectl_kind(kind), &name), action)?;
            }
        }
        return Ok(kept);
    }
    let one = |(name, changes): (Arc<str>, Vec<Change>)| async move {
        let seen = observed.get(&name).cloned().unwrap_or_default();
        let (written, left) = empty(client, hand, &name, seen, changes, desired).await;
        (name, written, left)
    };
    let mut ended = futures::stream::iter(work.into_iter().map(one)).buffer_unordered(AT_A_TIME);
    while let Some((namespace, written, left)) = ended.next().await {
        for one in written {
            match one {
                Written::Account(account) => {
                    told.done(Object::of(&namespace, "serviceaccount", &account.name), Action::Edited)?;
                }
                Written::Secret { name, seen: None } => {
                    told.done(Object::of(&namespace, "secret", &name), Action::Deleted)?;
                }
                Written::Secret { .. } | Written::AccountGone { .. } => {}
            }
        }
        for Left { kind, name, is_refused, why, image_pull_secrets } in left {
            let object = Object::of(&namespace, kubectl_kind(kind), &name);
            for owner in image_pull_secrets {
                let why = format!("{}/{namespace}/{name} is left", object.kind);
                kept.entry(owner).or_insert(why);
            }
            match is_refused {
                true => told.failed(object, &why)?,
                false => told.left(object, &why)?,
            }
        }
    }
    Ok(kept)
}

fn kubectl_kind(kind: TargetKind) -> &'static str {
    match kind {
        TargetKind::Secret => "secret",
        TargetKind::ServiceAccount => "serviceaccount",
    }
}

/// Carries out a namespace's plan, and another one where somebody else wrote meanwhile. What was written, and what is
/// left.
async fn empty(
    client: &Client,
    hand: &Arc<Hand>,
    name: &Arc<str>,
    mut seen: Namespace,
    mut changes: Vec<Change>,
    desired: &Desired,
) -> (Vec<Written>, Vec<Left>) {
    let mut all = Vec::new();
    let mut refused = Refused::new();
    let mut tries = 0;
    let why = loop {
        let changes_now = changes.into_iter().map(|change| (change, None)).collect();
        let job = Job { namespace: name.clone(), look: Vec::new(), changes: changes_now };
        let report = carry_out(hand.clone(), job).await;
        leftovers::apply(&report.written, &mut seen);
        all.extend(report.written);
        // Each object is refused once, so that this comes to an end.
        tries += usize::from(report.failed.is_empty());
        refused.extend(report.failed.into_iter().map(|it| ((it.kind, it.name), it.message)));
        match report.ended {
            Ended::NamespaceGoing => return (all, Vec::new()),
            Ended::Unanswered => break "the API server does not answer".to_owned(),
            _ if tries > TRIES => break "somebody else keeps changing it".to_owned(),
            Ended::Overtaken => {
                let accounts = Api::<AccountObject>::namespaced(client.clone(), name);
                match list(&accounts, &ListParams::default()).await {
                    Ok(objects) => {
                        let placed = objects.into_iter().map(seen::account);
                        seen.accounts = placed.map(|placed| (placed.name, placed.seen)).collect();
                    }
                    Err(error) => break format!("cannot list ServiceAccounts: {error}"),
                }
            }
            Ended::Done | Ended::OutOfTime => {}
        }
        let is_refused = |kind, name: &str| refused.contains_key(&(kind, name.to_owned()));
        changes = hold_back(plan(name, &seen, desired), is_refused);
        if changes.is_empty() {
            break String::new();
        }
    };
    let left = leftovers::left(&seen, plan(name, &seen, desired), &refused, &why);
    (all, left)
}

/// The hosts entries and stored credentials.
async fn system(client: &Client, told: &mut Told<'_>) -> Result<()> {
    hosts_entries(client, told).await?;
    match Store::new(client.clone()).all().await {
        Ok(documents) => documents.iter().try_for_each(|document| valid_tokens(document, told))?,
        Err(error) => told.failed(Object::of(SYSTEM_NAMESPACE, "secret", "*"), &error)?,
    }
    let secrets = Api::<Secret>::namespaced(client.clone(), SYSTEM_NAMESPACE);
    let stored = ListParams::default().labels(&format!("{MANAGED_BY_LABEL}={MANAGED_BY},{CREDENTIAL_LABEL}"));
    match secrets.list_metadata(&stored).await {
        Ok(found) => {
            for secret in found {
                remove(&secrets, "secret", &secret.metadata.name.unwrap_or_default(), told).await?;
            }
        }
        Err(error) => told.failed(Object::of(SYSTEM_NAMESPACE, "secret", "*"), &error)?,
    }
    Ok(())
}

async fn hosts_entries(client: &Client, told: &mut Told<'_>) -> Result<()> {
    let maps = Api::<ConfigMap>::namespaced(client.clone(), SYSTEM_NAMESPACE);
    let object = Object::of(SYSTEM_NAMESPACE, "configmap", UPDATER_CONFIG);
    let map = match maps.get_opt(UPDATER_CONFIG).await {
        Ok(map) => map,
        Err(error) => return told.failed(object, &error),
    };
    let text = map.and_then(|map| map.data?.remove(HOSTS_KEY));
    if text.is_none_or(|text| text.trim() == NO_ENTRIES) {
        return Ok(());
    }
    let empty = Patch::Merge(json!({"data": {HOSTS_KEY: NO_ENTRIES}}));
    let written = match told.dry_run {
        true => Ok(()),
        false => maps.patch(UPDATER_CONFIG, &params(), &empty).await.map(|_| ()),
    };
    match written {
        Ok(()) => told.done(object, Action::Emptied),
        Err(error) => told.failed(object, &error),
    }
}

/// Tokens stay valid at the registry, and with their document goes what we know of them.
fn valid_tokens(document: &Document, told: &mut Told<'_>) -> Result<()> {
    let (instance, region) = (&document.key.instance_id, &document.key.region);
    let current = document.stored.current.iter().filter_map(|held| held.token_id.as_deref());
    let replaced = document.stored.previous.iter().map(|old| old.token_id.as_str());
    for id in current.chain(replaced) {
        let command = format!(
            "tccli tcr DeleteInstanceToken --region {region} --RegistryId {instance} \
             --TokenId {id}"
        );
        let name = format!("{instance}/{id}");
        told.line(Object { kind: "credential", namespace: None, name: &name }, Action::Kept, &command)?;
    }
    Ok(())
}

/// Takes our finalizer off, which nobody else would.
async fn release(objects: &Api<DynamicObject>, name: &str, mut finalizers: Vec<String>) -> kube::Result<()> {
    if !finalizers.iter().any(|it| it == FINALIZER) {
        return Ok(());
    }
    finalizers.retain(|it| it != FINALIZER);
    let patch = Patch::Merge(json!({"metadata": {"finalizers": finalizers}}));
    match objects.patch(name, &params(), &patch).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => other.map(|_| ()),
    }
}

/// Tells of a Secret of tcr-assistant-system that stays, if it is there.
async fn leave(secrets: &Api<Secret>, name: &str, why: &str, told: &mut Told<'_>) -> Result<()> {
    match secrets.get_metadata_opt(name).await {
        Ok(None) => Ok(()),
        Ok(Some(_)) | Err(_) => told.left(Object::of(SYSTEM_NAMESPACE, "secret", name), why),
    }
}

/// Deletes an object if it is there.
async fn remove<K>(api: &Api<K>, kind: &str, name: &str, told: &mut Told<'_>) -> Result<()>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    // Those of a namespace are all of one.
    let namespace = matches!(kind, "secret" | "lease").then_some(SYSTEM_NAMESPACE);
    let object = Object { kind, namespace, name };
    let deleted = match told.dry_run {
        true => api.get_metadata_opt(name).await.map(|found| found.is_some()),
        false => match api.delete(name, &DeleteParams::default()).await {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
            Err(error) => Err(error),
        },
    };
    match deleted {
        Ok(true) => told.done(object, Action::Deleted),
        Ok(false) => Ok(()),
        Err(error) => told.failed(object, &error),
    }
}

fn params() -> PatchParams {
    PatchParams { field_manager: Some(MANAGED_BY.to_owned()), ..PatchParams::default() }
}

/// A whole list, page by page.
async fn list<K>(api: &Api<K>, params: &ListParams) -> kube::Result<Vec<K>>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    pages(params, async |page| api.list(&page).await).await
}

/// A whole list of metadata, page by page.
async fn list_metadata<K>(api: &Api<K>, params: &ListParams) -> kube::Result<Vec<PartialObjectMeta<K>>>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    pages(params, async |page| api.list_metadata(&page).await).await
}

async fn pages<T: Clone>(
    params: &ListParams,
    get: impl AsyncFn(ListParams) -> kube::Result<ObjectList<T>>,
) -> kube::Result<Vec<T>> {
    let mut all = Vec::new();
    let mut params = params.clone().limit(PAGE);
    loop {
        let page = get(params.clone()).await?;
        all.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(all),
        }
    }
}

//! `tcr-assistant cleanup`: takes everything of ours out of a cluster, with the caller's own rights and
//! without webhook or controller.
//!
//! In the order of a removal: webhook configurations, which could refuse the rest; references, then
//! Secrets, namespace by namespace, as the planner plans them for ImagePullSecrets that are all deleted;
//! hosts entries; stored credentials; and last the ImagePullSecrets, so that a run that was interrupted
//! still knows what there is.

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
use credential::store::Store;
use custom_resource::ImagePullSecret;
use distribution::job::{Ended, Job, Written};
use distribution::mark::InstallationKey;
use distribution::{Change, Desired, Distribution, Namespace, Observed, plan};
use kubernetes::lease::Leadership;

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
    failures: usize,
}

impl Told<'_> {
    fn done(&mut self, object: Object<'_>, action: Action) -> Result<()> {
        self.line(object, action, "")
    }

    fn failed(&mut self, object: Object<'_>, error: &dyn std::fmt::Display) -> Result<()> {
        self.failures += 1;
        self.line(object, Action::Failed, &error.to_string())
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
    let mut told = Told { out, output, dry_run, failures: 0 };
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
        let leases = Api::<Lease>::namespaced(client.clone(), SYSTEM_NAMESPACE);
        remove(&leases, "lease", LEADER_LEASE, &mut told).await?;
    }
    match told.failures {
        0 => Ok(()),
        1 => bail!("1 object could not be removed: see above, mend it, and run this again"),
        count => bail!("{count} objects could not be removed: see above, mend it, and run this again"),
    }
}

async fn everything(client: &Client, has_system: bool, told: &mut Told<'_>) -> Result<()> {
    let validating = Api::<ValidatingWebhookConfiguration>::all(client.clone());
    remove(&validating, "validatingwebhookconfiguration", VALIDATING_WEBHOOK, told).await?;
    let mutating = Api::<MutatingWebhookConfiguration>::all(client.clone());
    remove(&mutating, "mutatingwebhookconfiguration", MUTATING_WEBHOOK, told).await?;

    let objects = Api::<DynamicObject>::all_with(client.clone(), &ApiResource::erase::<ImagePullSecret>(&()));
    // Without the custom resource there are none; their Secrets may be left all the same.
    let found = match list(&objects, &ListParams::default()).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Vec::new(),
        other => other.context("cannot list ImagePullSecrets")?,
    };
    let names: Vec<String> = found.iter().filter_map(|object| object.metadata.name.clone()).collect();
    let key = key(client).await?;
    let (observed, desired) = (observe(client, &key, &names).await?, withdrawn(&names));
    let hand = Arc::new(Hand::new(client.clone(), key));
    distributed(client, &hand, &observed, &desired, told).await?;
    if has_system {
        system(client, told).await?;
    }
    for object in found {
        let name = object.metadata.name.unwrap_or_default();
        if !told.dry_run
            && let Err(error) = release(&objects, &name, object.metadata.finalizers.unwrap_or_default()).await
        {
            told.failed(Object { kind: "imagepullsecret", namespace: None, name: &name }, &error)?;
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

async fn distributed(
    client: &Client,
    hand: &Arc<Hand>,
    observed: &Observed,
    desired: &Desired,
    told: &mut Told<'_>,
) -> Result<()> {
    let mut work: BTreeMap<Arc<str>, Vec<Change>> = BTreeMap::new();
    for (name, namespace) in observed.iter() {
        let changes = plan(name, namespace, desired);
        if !changes.is_empty() {
            work.insert(name.clone(), changes);
        }
    }
    if told.dry_run {
        for (namespace, changes) in work {
            for change in changes {
                match change {
                    Change::EditReferences { account, .. } => {
                        told.done(Object::of(&namespace, "serviceaccount", &account), Action::Edited)?;
                    }
                    Change::DeleteSecret { secret, .. } => {
                        told.done(Object::of(&namespace, "secret", &secret), Action::Deleted)?;
                    }
                    Change::CreateSecret { .. }
                    | Change::UpdateSecret { .. }
                    | Change::ReplaceSecret { .. }
                    | Change::MarkSecret { .. } => {}
                }
            }
        }
        return Ok(());
    }
    let one = |(name, changes): (Arc<str>, Vec<Change>)| async move {
        let seen = observed.get(&name).cloned().unwrap_or_default();
        empty(client, hand, name, seen, changes, desired).await
    };
    let mut ended = futures::stream::iter(work.into_iter().map(one)).buffer_unordered(AT_A_TIME);
    while let Some((namespace, written, failure)) = ended.next().await {
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
        if let Some((kind, name, message)) = failure {
            told.failed(Object::of(&namespace, kind, &name), &message)?;
        }
    }
    Ok(())
}

/// Why a namespace was not emptied: the kind and name of the object, and a sentence.
type Failure = (&'static str, String, String);

/// Carries out a namespace's plan, and another one where somebody else wrote meanwhile.
async fn empty(
    client: &Client,
    hand: &Arc<Hand>,
    name: Arc<str>,
    mut seen: Namespace,
    mut changes: Vec<Change>,
    desired: &Desired,
) -> (Arc<str>, Vec<Written>, Option<Failure>) {
    let mut all = Vec::new();
    for _ in 0..TRIES {
        let changes_now = std::mem::take(&mut changes).into_iter().map(|change| (change, None)).collect();
        let job = Job { namespace: name.clone(), look: Vec::new(), changes: changes_now };
        let report = carry_out(hand.clone(), job).await;
        all.extend(report.written);
        match report.ended {
            Ended::Done => return (name, all, None),
            Ended::Failed(failed) => {
                let kind = if failed.kind == "Secret" { "secret" } else { "serviceaccount" };
                return (name, all, Some((kind, failed.name, failed.message)));
            }
            Ended::Overtaken => {}
        }
        let accounts = Api::<AccountObject>::namespaced(client.clone(), &name);
        match list(&accounts, &ListParams::default()).await {
            Ok(objects) => {
                seen.accounts =
                    objects.into_iter().map(seen::account).map(|placed| (placed.name, placed.seen)).collect();
            }
            Err(error) => return (name, all, Some(("serviceaccount", "*".to_owned(), error.to_string()))),
        }
        changes = plan(&name, &seen, desired);
    }
    let message = "somebody else keeps changing it".to_owned();
    (name, all, Some(("serviceaccount", "*".to_owned(), message)))
}

/// What is in tcr-assistant-system.
async fn system(client: &Client, told: &mut Told<'_>) -> Result<()> {
    let maps = Api::<ConfigMap>::namespaced(client.clone(), SYSTEM_NAMESPACE);
    let map = maps.get_opt(UPDATER_CONFIG).await.context("cannot read the hosts entries")?;
    let text = map.and_then(|map| map.data?.remove(HOSTS_KEY));
    if text.is_some_and(|text| text.trim() != NO_ENTRIES) {
        let empty = Patch::Merge(json!({"data": {HOSTS_KEY: NO_ENTRIES}}));
        let written = match told.dry_run {
            true => Ok(()),
            false => maps.patch(UPDATER_CONFIG, &params(), &empty).await.map(|_| ()),
        };
        let object = Object::of(SYSTEM_NAMESPACE, "configmap", UPDATER_CONFIG);
        match written {
            Ok(()) => told.done(object, Action::Emptied)?,
            Err(error) => told.failed(object, &error)?,
        }
    }
    for document in Store::new(client.clone()).all().await.context("cannot list the stored credentials")? {
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
    }
    let secrets = Api::<Secret>::namespaced(client.clone(), SYSTEM_NAMESPACE);
    let stored = ListParams::default().labels(&format!("{MANAGED_BY_LABEL}={MANAGED_BY},{CREDENTIAL_LABEL}"));
    for secret in secrets.list_metadata(&stored).await.context("cannot list the stored credentials")? {
        remove(&secrets, "secret", &secret.metadata.name.unwrap_or_default(), told).await?;
    }
    remove(&secrets, "secret", WEBHOOK_CERTIFICATE, told).await?;
    remove(&secrets, "secret", INSTALLATION_KEY, told).await
}

/// Takes our finalizer off, which nobody else would.
async fn release(objects: &Api<DynamicObject>, name: &str, mut finalizers: Vec<String>) -> kube::Result<()> {
    if !finalizers.iter().any(|it| it == FINALIZER) {
        return Ok(());
    }
    finalizers.retain(|it| it != FINALIZER);
    let patch = Patch::Merge(json!({"metadata": {"finalizers": finalizers}}));
    objects.patch(name, &params(), &patch).await.map(|_| ())
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

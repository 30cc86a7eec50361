//! `tcr-assistant cleanup`: removes every object of the add-on from a cluster, with the caller's own rights
//! and without webhook or controller.
//!
//! The order: entries on nodes, if asked for; webhook configurations, which could refuse the rest;
//! references, then Secrets, namespace by namespace, as the planner plans them for ImagePullSecrets that are
//! all deleted; the list of hosts entries; stored credentials; and last the ImagePullSecrets and the Lease,
//! so that another run after an interrupted one still knows what to remove. A refused write stops only writes
//! that have to come after it: all objects that are left are reported, an ImagePullSecret stays as long as an
//! object that it led to, and the Lease as long as any object.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace as KubeNamespace, Secret};
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::ApiResource;
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use serde_json::json;
use tcr::names::{
    FINALIZER, INSTALLATION_KEY, LEADER_LEASE, MANAGED_BY, MUTATING_WEBHOOK, SYSTEM_NAMESPACE,
    VALIDATING_WEBHOOK, WEBHOOK_CERTIFICATE,
};

use crate::output::Output;
use controller::execute::NamespaceWriter;
use controller::installation_key;
use custom_resource::ImagePullSecret;
use distribution::mark::InstallationKey;
use kubernetes::lease::Leadership;

mod leftovers;
mod list;
mod namespaces;
pub mod nodes;
mod stays;
mod system;
mod told;

use list::list;
use namespaces::{empty_all, observe, withdrawn};
use system::{empty_system, leave};
use told::{Action, Object, Told};

/// How long a controller may take to release the lease after it was stopped.
const PATIENCE: Duration = Duration::from_secs(20);

/// The options of the command.
#[derive(Clone, Debug)]
pub struct Request {
    /// Only say what would be removed.
    pub dry_run: bool,
    /// Remove the entries from the nodes first.
    pub nodes: Option<nodes::Request>,
    /// The output format.
    pub output: Output,
}

/// Output beside the objects, and the question for confirmation.
pub struct Prompt<'a> {
    /// Receives progress messages.
    pub tell: &'a mut dyn FnMut(&str),
    /// Asks for confirmation; an error means no.
    pub confirm: &'a mut dyn FnMut(&str) -> Result<()>,
}

/// Removes everything, or reports what would be removed.
///
/// # Errors
/// A controller is running; the cluster cannot be read; entries on nodes were to be removed first and could
/// not be; or an object could not be removed, in which case the others were, and another run goes on from
/// there.
pub async fn run(
    client: Client,
    request: Request,
    mut prompt: Prompt<'_>,
    out: &mut dyn Write,
) -> Result<()> {
    let Request { dry_run, nodes, output } = request;
    let mut told = Told { out, output, dry_run, left: 0 };
    let system = Api::<KubeNamespace>::all(client.clone()).get_metadata_opt(SYSTEM_NAMESPACE).await;
    // A namespace that is being deleted takes its objects with it, and no lease can be created there.
    let has_system = system
        .context("cannot read the cluster")?
        .is_some_and(|namespace| namespace.metadata.deletion_timestamp.is_none());
    if dry_run || !has_system {
        everything(&client, has_system, nodes.as_ref(), &mut prompt, &mut told).await?;
    } else {
        let identity = format!("cleanup_{}", std::process::id());
        let mut lease = Leadership::new(client.clone(), identity);
        if tokio::time::timeout(PATIENCE, lease.acquire()).await.is_err() {
            bail!(
                "a controller is running and would put everything back: uninstall the chart first, or \
                 kubectl -n {SYSTEM_NAMESPACE} scale deployment tcr-assistant-controller-manager --replicas=0"
            );
        }
        let work = everything(&client, has_system, nodes.as_ref(), &mut prompt, &mut told);
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

async fn everything(
    client: &Client,
    has_system: bool,
    nodes: Option<&nodes::Request>,
    prompt: &mut Prompt<'_>,
    told: &mut Told<'_>,
) -> Result<()> {
    // Read before anything is changed.
    let objects = Api::<DynamicObject>::all_with(client.clone(), &ApiResource::erase::<ImagePullSecret>(&()));
    // Without the custom resource's definition there are no objects; their Secrets may exist all the same.
    let found = match list(&objects, &ListParams::default()).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Vec::new(),
        other => other.context("cannot list ImagePullSecrets")?,
    };
    let names: Vec<String> = found.iter().filter_map(|object| object.metadata.name.clone()).collect();
    let agents_are_gone = !has_system || stays::are_agents_gone(client).await;
    let key = key(client).await?;
    let (observed, desired) = (observe(client, &key, &names).await?, withdrawn(&names));
    if let Some(nodes) = nodes {
        nodes::take_off(client, nodes, told, prompt.tell, prompt.confirm).await?;
    }

    let validating = Api::<ValidatingWebhookConfiguration>::all(client.clone());
    remove(&validating, "validatingwebhookconfiguration", VALIDATING_WEBHOOK, told).await?;
    let mutating = Api::<MutatingWebhookConfiguration>::all(client.clone());
    remove(&mutating, "mutatingwebhookconfiguration", MUTATING_WEBHOOK, told).await?;
    let writer = Arc::new(NamespaceWriter::new(client.clone(), key));
    let mut kept = empty_all(client, &writer, &observed, &desired, told).await?;
    if has_system {
        let (before, is_emptied) = (told.left, kept.is_empty());
        empty_system(client, told).await?;
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
    stays::tell(client, agents_are_gone && nodes.is_none(), told).await
}

/// The key that authenticates the installation's marks; where there is none, a key that authenticates no
/// mark.
async fn key(client: &Client) -> Result<InstallationKey> {
    match installation_key::read(client).await.context("cannot read the installation's key")? {
        Some(key) => Ok(key),
        None => InstallationKey::generate().context("cannot make a key"),
    }
}

/// Removes our finalizer, which no controller is left to do.
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

/// Deletes an object if it is there.
async fn remove<K>(api: &Api<K>, kind: &str, name: &str, told: &mut Told<'_>) -> Result<()>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    // Each namespaced kind is removed from one namespace only.
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

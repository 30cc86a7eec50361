//! References and Secrets, namespace by namespace.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::api::ListParams;
use kube::{Api, Client};
use tcr::image_pull_secret::ConflictPolicy;
use tcr::names::{IMAGE_PULL_SECRET_LABEL, MANAGED_BY, MANAGED_BY_LABEL, derived_secret_name};
use tcr::selection::Selection;

use super::leftovers::{self, Left, Refused};
use super::list::{list, list_metadata};
use super::told::{Action, Object, Told};
use controller::execute::{NamespaceWriter, carry_out};
use controller::observed;
use controller::partial_objects::{AccountObject, NamespaceObject};
use distribution::job::{Ended, Job, Written};
use distribution::mark::InstallationKey;
use distribution::order::hold_back;
use distribution::{Change, Desired, Distribution, Namespace, Observed, TargetKind, plan};

/// Namespaces that are worked on at the same time.
const AT_A_TIME: usize = 16;
/// Attempts for a namespace that other clients write to at the same time.
const TRIES: usize = 5;

/// The objects of ours in each namespace.
pub(super) async fn observe(client: &Client, key: &InstallationKey, names: &[String]) -> Result<Observed> {
    let mut observed = Observed::default();
    let plain = ListParams::default();
    let namespaces = Api::<NamespaceObject>::all(client.clone());
    for object in list(&namespaces, &plain).await.context("cannot list namespaces")? {
        let seen = observed::namespace(object);
        let namespace = observed.entry(&seen.name);
        (namespace.exists, namespace.terminating) = (true, seen.terminating);
    }
    let accounts = Api::<AccountObject>::all(client.clone());
    for object in list(&accounts, &plain).await.context("cannot list ServiceAccounts")? {
        let seen = observed::account(object);
        if !seen.seen.references.is_empty() {
            observed.entry(&seen.namespace).accounts.insert(seen.name, seen.seen);
        }
    }
    let secrets = Api::<Secret>::all(client.clone());
    let ours = plain.clone().labels(&format!("{MANAGED_BY_LABEL}={MANAGED_BY},{IMAGE_PULL_SECRET_LABEL}"));
    for object in list_metadata(&secrets, &ours).await.context("cannot list Secrets")? {
        if let Some(seen) = observed::secret(&object.metadata, key) {
            observed.entry(&seen.namespace).secrets.insert(seen.name, seen.seen);
        }
    }
    // Secrets of ours that lost their labels, or another owner's Secrets of the name: references to the
    // latter may be that owner's, and stay.
    for name in names {
        let secret = derived_secret_name(name);
        let by_name = plain.clone().fields(&format!("metadata.name={secret}"));
        for object in list_metadata(&secrets, &by_name).await.context("cannot list Secrets")? {
            let namespace = observed.entry(object.metadata.namespace.as_deref().unwrap_or_default());
            if !namespace.secrets.contains_key(&secret) {
                namespace.secrets.insert(secret.as_str(), observed::unlabelled(&object.metadata, key));
            }
        }
    }
    Ok(observed)
}

/// Every ImagePullSecret as if it were being deleted.
pub(super) fn withdrawn(names: &[String]) -> Desired {
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

/// Removes our objects from the namespaces. Returns the ImagePullSecrets of which objects are left, each with
/// a reason.
pub(super) async fn empty_all(
    client: &Client,
    writer: &Arc<NamespaceWriter>,
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
        let (written, left) = empty(client, writer, &name, seen, changes, desired).await;
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

/// Carries out a namespace's plan, and a new one where another client wrote meanwhile. Returns what was
/// written, and what is left.
async fn empty(
    client: &Client,
    writer: &Arc<NamespaceWriter>,
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
        // Everything was listed before.
        let (look, unmet) = (Vec::new(), Vec::new());
        let job = Job { namespace: name.clone(), look, unmet, changes: changes_now };
        let report = carry_out(writer.clone(), job).await;
        leftovers::apply(&report.written, &mut seen);
        all.extend(report.written);
        // Each object is refused at most once, so the loop ends.
        tries += usize::from(report.failed.is_empty());
        refused.extend(report.failed.into_iter().map(|it| ((it.kind, it.name), it.message)));
        match report.ended {
            Ended::NamespaceGoing => return (all, Vec::new()),
            Ended::Unanswered => break "the API server does not answer".to_owned(),
            Ended::OutOfTime if tries > TRIES => break "there was no time for it".to_owned(),
            _ if tries > TRIES => break "somebody else keeps changing it".to_owned(),
            Ended::Overtaken => {
                let accounts = Api::<AccountObject>::namespaced(client.clone(), name);
                match list(&accounts, &ListParams::default()).await {
                    Ok(objects) => {
                        let placed = objects.into_iter().map(observed::account);
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

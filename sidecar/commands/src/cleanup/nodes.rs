//! `cleanup --nodes`: removes our entries from the nodes' hosts files, even where no part of the add-on runs
//! any more.
//!
//! It starts a DaemonSet of hosts-updater's own image, whose Pods only run `hosts-updater --remove`, in a
//! namespace of its own, because tcr-assistant-system may be in deletion or gone. The namespace is deleted
//! afterwards.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod, Secret};
use kube::api::{DeleteParams, ListParams, ObjectMeta, PostParams};
use kube::{Api, Client, ResourceExt as _};
use tcr::names::{CLEANUP_NAMESPACE, HOSTS_UPDATER, MANAGED_BY, MANAGED_BY_LABEL, SYSTEM_NAMESPACE};
use tokio::time::{Instant, sleep};

use super::list::list;
use super::stays::REMOVE_ENTRIES;
use super::told::{Action, Object, Told};
use crate::withdraw;
use remover::{Installed, choose_image, daemon_set, is_ordinary};
use standing::{Standing, standing};

mod remover;
mod standing;

/// The time between two looks at the nodes.
const PAUSE: Duration = Duration::from_secs(1);
/// A namespace with nothing but Pods that end at once is gone by then.
const NAMESPACE_GOES: Duration = Duration::from_secs(120);

/// The options for removing entries.
#[derive(Clone, Debug)]
pub struct Request {
    /// The image of hosts-updater; by default the installed one, or the one that the nodes have.
    pub image: Option<String>,
    /// Pull secrets for the image, as namespace and name; by default those of the installed agents.
    pub image_pull_secrets: Vec<(String, String)>,
    /// The longest time to wait for the nodes.
    pub wait: Duration,
}

/// Removes the entries from every node, and reports each node. `confirm` is asked before anything is created.
///
/// # Errors
/// It was not confirmed, no image is known, or a healthy node did not finish: then nothing else may be
/// removed. A node that is away is reported, and is no error.
pub(super) async fn take_off(
    client: &Client,
    request: &Request,
    told: &mut Told<'_>,
    tell: &mut dyn FnMut(&str),
    confirm: &mut dyn FnMut(&str) -> Result<()>,
) -> Result<()> {
    let nodes = ordinary(client).await?;
    if nodes.is_empty() {
        tell("there is no node, so none has entries");
        return Ok(());
    }
    let agents = Api::<DaemonSet>::namespaced(client.clone(), SYSTEM_NAMESPACE);
    let found = agents.get_opt(HOSTS_UPDATER).await.context("cannot look for hosts-updater")?;
    let installed = found.as_ref().map(Installed::of).unwrap_or_default();
    let image = choose_image(request.image.as_deref(), &installed, &nodes)?;
    if told.dry_run {
        return nodes.iter().try_for_each(|node| told.done(entries(&node.name_any()), Action::Deleted));
    }
    confirm(&format!(
        "a Pod of {image} on each of {} nodes, as root, takes our entries off its hosts file",
        nodes.len()
    ))?;
    if found.is_some() {
        // An agent that still has the old list would write the entries again.
        withdraw::run(client.clone(), request.wait, tell).await?;
    }
    let secrets = match request.image_pull_secrets.as_slice() {
        [] => installed
            .image_pull_secrets
            .iter()
            .map(|name| (SYSTEM_NAMESPACE.to_owned(), name.clone()))
            .collect(),
        given => given.to_vec(),
    };
    make_namespace(client, tell).await?;
    let done = async {
        let secrets = copy_secrets(client, &secrets).await?;
        let remover = daemon_set(&image, &secrets, &installed);
        let daemon_sets = Api::<DaemonSet>::namespaced(client.clone(), CLEANUP_NAMESPACE);
        daemon_sets.create(&PostParams::default(), &remover).await.context("cannot make the DaemonSet")?;
        follow(client, request.wait, tell).await
    }
    .await;
    // Whatever the result, no object of this run stays.
    let gone = remove_all(client).await;
    report(done?, told)?;
    gone
}

fn entries(node: &str) -> Object<'_> {
    Object { kind: "hostsentries", namespace: None, name: node }
}

/// The nodes with a hosts file of their own.
async fn ordinary(client: &Client) -> Result<Vec<Node>> {
    let nodes = Api::<Node>::all(client.clone());
    let mut nodes = list(&nodes, &ListParams::default()).await.context("cannot list nodes")?;
    nodes.retain(is_ordinary);
    Ok(nodes)
}

/// Waits until every node has finished, at most this long. Returns the state of each node.
async fn follow(
    client: &Client,
    wait: Duration,
    tell: &mut dyn FnMut(&str),
) -> Result<BTreeMap<String, Standing>> {
    let started = Instant::now();
    let pods = Api::<Pod>::namespaced(client.clone(), CLEANUP_NAMESPACE);
    let mut said = String::new();
    loop {
        let found = list(&pods, &ListParams::default()).await.context("cannot list Pods")?;
        let standings = standing(&ordinary(client).await?, &found);
        let waits = standings.iter().filter_map(|(node, it)| it.why().map(|why| format!("{node}: {why}")));
        let waits: Vec<String> = waits.collect();
        let first = waits.first().map(|it| format!("; waiting for {it}")).unwrap_or_default();
        let line = format!(
            "{} of {} nodes are without entries{first}",
            standings.len() - waits.len(),
            standings.len()
        );
        if line != said {
            tell(&line);
            said = line;
        }
        if waits.is_empty() || started.elapsed() >= wait {
            return Ok(standings);
        }
        sleep(PAUSE).await;
    }
}

/// Reports each node. Fails where a healthy one did not finish.
fn report(standings: BTreeMap<String, Standing>, told: &mut Told<'_>) -> Result<()> {
    for (node, standing) in standings {
        match standing {
            Standing::Done => told.done(entries(&node), Action::Deleted)?,
            Standing::Away(why) => {
                told.line(entries(&node), Action::Kept, &format!("{REMOVE_ENTRIES} ({why})"))?;
            }
            Standing::Waits(why) => told.failed(entries(&node), &why)?,
        }
    }
    ensure!(
        told.left == 0,
        "{} nodes still have entries, and nothing else was removed: mend it and run this again, or leave out --nodes",
        told.left
    );
    Ok(())
}

/// Creates the namespace of this run; one that an interrupted run left is deleted first.
async fn make_namespace(client: &Client, tell: &mut dyn FnMut(&str)) -> Result<()> {
    let namespaces = Api::<Namespace>::all(client.clone());
    if let Some(found) = namespaces.get_opt(CLEANUP_NAMESPACE).await.context("cannot read namespaces")? {
        if found.labels().get(MANAGED_BY_LABEL).map(String::as_str) != Some(MANAGED_BY) {
            bail!("the namespace {CLEANUP_NAMESPACE} is somebody else's: delete it, and run this again");
        }
        tell(&format!("waiting for the namespace {CLEANUP_NAMESPACE} of an earlier run to go"));
        remove_all(client).await?;
    }
    let labels = [
        (MANAGED_BY_LABEL, MANAGED_BY),
        // Its Pods use the nodes' network and mount their /etc.
        ("pod-security.kubernetes.io/enforce", "privileged"),
    ];
    let metadata = ObjectMeta {
        name: Some(CLEANUP_NAMESPACE.to_owned()),
        labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
        ..ObjectMeta::default()
    };
    let namespace = Namespace { metadata, ..Namespace::default() };
    let made = namespaces.create(&PostParams::default(), &namespace).await;
    made.map(drop).with_context(|| format!("cannot make the namespace {CLEANUP_NAMESPACE}"))
}

/// Deletes the objects of this run. The Pod of a node that is away is deleted by force, because no kubelet
/// ends it and the namespace would stay.
async fn remove_all(client: &Client) -> Result<()> {
    let daemon_sets = Api::<DaemonSet>::namespaced(client.clone(), CLEANUP_NAMESPACE);
    let all = ListParams::default();
    let deleted = daemon_sets.delete_collection(&DeleteParams::background(), &all).await;
    deleted.map(drop).context("cannot delete the DaemonSet")?;
    let pods = Api::<Pod>::namespaced(client.clone(), CLEANUP_NAMESPACE);
    let at_once = DeleteParams::default().grace_period(0);
    pods.delete_collection(&at_once, &all).await.map(drop).context("cannot delete the Pods")?;
    remove_namespace(client).await
}

async fn remove_namespace(client: &Client) -> Result<()> {
    let namespaces = Api::<Namespace>::all(client.clone());
    let started = Instant::now();
    match namespaces.delete(CLEANUP_NAMESPACE, &DeleteParams::default()).await {
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot delete the namespace {CLEANUP_NAMESPACE}"));
        }
        Ok(_) => {}
    }
    while namespaces.get_metadata_opt(CLEANUP_NAMESPACE).await.context("cannot read namespaces")?.is_some() {
        if started.elapsed() >= NAMESPACE_GOES {
            bail!(
                "the namespace {CLEANUP_NAMESPACE} does not go: kubectl delete namespace {CLEANUP_NAMESPACE}"
            );
        }
        sleep(PAUSE).await;
    }
    Ok(())
}

/// Copies the pull secrets for the image. Returns the names of the copies.
async fn copy_secrets(client: &Client, secrets: &[(String, String)]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for (namespace, name) in secrets {
        let from = Api::<Secret>::namespaced(client.clone(), namespace);
        let found =
            from.get(name).await.with_context(|| format!("cannot read the Secret {namespace}/{name}"))?;
        let metadata = ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() };
        let copy = Secret { metadata, data: found.data, type_: found.type_, ..Secret::default() };
        let to = Api::<Secret>::namespaced(client.clone(), CLEANUP_NAMESPACE);
        to.create(&PostParams::default(), &copy)
            .await
            .with_context(|| format!("cannot copy the Secret {namespace}/{name} to {CLEANUP_NAMESPACE}"))?;
        names.push(name.clone());
    }
    Ok(names)
}

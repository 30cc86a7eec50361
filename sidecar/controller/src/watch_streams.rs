//! Watches: each reduces its objects and sends them to the one task that owns the state.
//!
//! The channel is bounded, so a busy task slows the lists down instead of filling the memory.

use std::fmt::Debug;
use std::sync::Arc;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::api::DynamicObject;
use kube::core::{ApiResource, PartialObjectMeta};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::Event;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tcr::names::{IMAGE_PULL_SECRET_LABEL, MANAGED_BY, MANAGED_BY_LABEL, PASSWORD_LABEL, SYSTEM_NAMESPACE};
use tokio::sync::mpsc::Sender;
use tokio::task::AbortHandle;

use super::observed;
use super::partial_objects::{AccountObject, NamespaceObject, PodObject};
use super::settings::Settings;
use super::tasks::Tasks;
use custom_resource::ImagePullSecret;
use distribution::mark::InstallationKey;
use reconcile::input::{WatchEvent, Watched};
use reconcile::object::Object;
use reconcile::password::Password;

/// Objects in one page of a list. Few, because a page takes more memory while it is read than what is kept of
/// it, and the lists are read at the same time.
const PAGE: u32 = 100;
/// Objects in one page where they are kept whole while it is read: each may be as large as etcd accepts.
const PAGE_OF_WHOLE: u32 = 10;

/// Starts every watch; the watches end with the receiver.
pub fn start(
    client: &Client,
    settings: &Arc<Settings>,
    key: &InstallationKey,
    to: &Sender<WatchEvent>,
    tasks: &Tasks,
) {
    let resource = ApiResource::erase::<ImagePullSecret>(&());
    let plain = watcher::Config::default().page_size(PAGE);
    let whole = watcher::Config::default().page_size(PAGE_OF_WHOLE);
    let ours = format!("{MANAGED_BY_LABEL}={MANAGED_BY},{IMAGE_PULL_SECRET_LABEL}");
    let passwords = format!("{PASSWORD_LABEL}=true");
    let settings = settings.clone();
    let objects = Api::<DynamicObject>::all_with(client.clone(), &resource);
    run(objects, whole.clone(), to, tasks, move |event| {
        WatchEvent::ImagePullSecret(event.map(|DynamicObject { metadata, data, .. }| {
            Box::new(Object::read(metadata, data, &settings.rules()))
        }))
    });
    run(Api::<NamespaceObject>::all(client.clone()), plain.clone(), to, tasks, |event| {
        WatchEvent::Namespace(event.map(observed::namespace))
    });
    run(Api::<AccountObject>::all(client.clone()), plain.clone(), to, tasks, |event| {
        WatchEvent::Account(event.map(observed::account))
    });
    // Only metadata are watched: contents are read one by one, and only of Secrets of ours.
    let key = key.clone();
    let secrets = Api::<PartialObjectMeta<Secret>>::all(client.clone());
    run(secrets, plain.labels(&ours), to, tasks, move |event| {
        WatchEvent::Secret(event.map(|secret| observed::secret(&secret.metadata, &key)))
    });
    run(
        Api::<Secret>::namespaced(client.clone(), SYSTEM_NAMESPACE),
        whole.labels(&passwords),
        to,
        tasks,
        |event| WatchEvent::Password(event.map(Password::of)),
    );
}

/// Starts the watch of Pending Pods: running ones are never sent.
pub fn start_pods(client: &Client, to: &Sender<WatchEvent>, tasks: &Tasks) {
    let pending = watcher::Config::default().page_size(PAGE).fields("status.phase=Pending");
    run(Api::<PodObject>::all(client.clone()), pending, to, tasks, |event| {
        WatchEvent::Pod(event.map(observed::pod))
    });
}

/// Starts the watch of all Secrets of one name that do not carry our label.
pub fn start_others(client: &Client, name: String, to: &Sender<WatchEvent>, tasks: &Tasks) -> AbortHandle {
    let by_name = watcher::Config::default()
        .page_size(PAGE)
        .fields(&format!("metadata.name={name}"))
        .labels(&format!("{MANAGED_BY_LABEL}!={MANAGED_BY}"));
    let secrets = Api::<PartialObjectMeta<Secret>>::all(client.clone());
    run(secrets, by_name, to, tasks, move |event| {
        WatchEvent::Other(name.clone(), event.map(|secret| observed::other(&secret.metadata)))
    })
}

fn run<K>(
    api: Api<K>,
    config: watcher::Config,
    to: &Sender<WatchEvent>,
    tasks: &Tasks,
    reduce: impl Fn(Watched<K>) -> WatchEvent + Send + 'static,
) -> AbortHandle
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let to = to.clone();
    let what = api.resource_url().to_owned();
    tasks.spawn_endless(format!("the watch of {what}"), async move {
        let mut events = Box::pin(watcher(api, config).default_backoff());
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => {
                    if to.send(reduce(watched(event))).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(path = what, error = %kubernetes::api_error::innermost(&error), "a watch broke off; it goes on")
                }
            }
        }
    })
}

fn watched<K>(event: Event<K>) -> Watched<K> {
    match event {
        Event::Apply(object) => Watched::Applied(object),
        Event::Delete(object) => Watched::Deleted(object),
        Event::Init => Watched::ListBegan,
        Event::InitApply(object) => Watched::Listed(object),
        Event::InitDone => Watched::ListEnded,
    }
}

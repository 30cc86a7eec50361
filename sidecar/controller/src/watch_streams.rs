//! Watches: each turns what arrives into the little that matters and hands it to the one task that
//! keeps the state.
//!
//! The channel is bounded, so a task that is busy slows the lists down instead of filling the memory.

use std::fmt::Debug;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::api::DynamicObject;
use kube::core::{ApiResource, PartialObjectMeta};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tcr::names::{IMAGE_PULL_SECRET_LABEL, MANAGED_BY, MANAGED_BY_LABEL, PASSWORD_LABEL, SYSTEM_NAMESPACE};
use tokio::sync::mpsc::Sender;

use super::lean::{AccountObject, NamespaceObject, PodObject};
use super::password::Password;
use super::pods::SeenPod;
use super::seen::{self, Placed, SeenNamespace};
use super::tasks::Tasks;
use custom_resource::ImagePullSecret;
use distribution::mark::InstallationKey;
use distribution::{Account, SeenSecret};

/// Objects in one page of a list. Few, because what a page takes while it is read is more than what is
/// kept of it, and the lists are read side by side.
const PAGE: u32 = 100;
/// The same of objects that are kept whole while the page is read: each may have as much as etcd takes.
const PAGE_OF_WHOLE: u32 = 10;

/// Something a watch saw.
#[derive(Debug)]
pub enum Sighting {
    /// Of ImagePullSecrets, as they are written.
    ImagePullSecret(Event<Box<DynamicObject>>),
    /// Of namespaces.
    Namespace(Event<SeenNamespace>),
    /// Of ServiceAccounts.
    Account(Event<Placed<Account>>),
    /// Of our Secrets; none for a Secret that only looks like one.
    Secret(Event<Option<Placed<SeenSecret>>>),
    /// Of passwords for ImagePullSecrets.
    Password(Event<Password>),
    /// Of Pods that are Pending.
    Pod(Event<SeenPod>),
}

/// Starts every watch; they end with the receiver.
pub fn start(client: &Client, key: &InstallationKey, to: &Sender<Sighting>, tasks: &Tasks) {
    let resource = ApiResource::erase::<ImagePullSecret>(&());
    let plain = watcher::Config::default().page_size(PAGE);
    let whole = watcher::Config::default().page_size(PAGE_OF_WHOLE);
    let ours = format!("{MANAGED_BY_LABEL}={MANAGED_BY},{IMAGE_PULL_SECRET_LABEL}");
    let passwords = format!("{PASSWORD_LABEL}=true");
    run(Api::all_with(client.clone(), &resource), whole.clone(), to, tasks, |event| {
        Sighting::ImagePullSecret(map(event, Box::new))
    });
    run(Api::<NamespaceObject>::all(client.clone()), plain.clone(), to, tasks, |event| {
        Sighting::Namespace(map(event, seen::namespace))
    });
    run(Api::<AccountObject>::all(client.clone()), plain.clone(), to, tasks, |event| {
        Sighting::Account(map(event, seen::account))
    });
    // Whatever is in them is read one by one, and only where it is ours.
    let key = key.clone();
    let secrets = Api::<PartialObjectMeta<Secret>>::all(client.clone());
    run(secrets, plain.labels(&ours), to, tasks, move |event| {
        Sighting::Secret(map(event, |secret| seen::secret(&secret.metadata, &key)))
    });
    run(
        Api::<Secret>::namespaced(client.clone(), SYSTEM_NAMESPACE),
        whole.labels(&passwords),
        to,
        tasks,
        |event| Sighting::Password(map(event, Password::of)),
    );
}

/// Starts the watch of Pods that wait for something: those that run are never sent.
pub fn start_pods(client: &Client, to: &Sender<Sighting>, tasks: &Tasks) {
    let pending = watcher::Config::default().page_size(PAGE).fields("status.phase=Pending");
    run(Api::<PodObject>::all(client.clone()), pending, to, tasks, |event| {
        Sighting::Pod(map(event, SeenPod::of))
    });
}

fn run<K>(
    api: Api<K>,
    config: watcher::Config,
    to: &Sender<Sighting>,
    tasks: &Tasks,
    reduce: impl Fn(Event<K>) -> Sighting + Send + 'static,
) where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let to = to.clone();
    let what = api.resource_url().to_owned();
    tasks.spawn_endless(format!("the watch of {what}"), async move {
        let mut events = Box::pin(watcher(api, config).default_backoff());
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => {
                    if to.send(reduce(event)).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(path = what, error = %kubernetes::api_error::innermost(&error), "a watch broke off; it goes on")
                }
            }
        }
    });
}

fn map<K, T>(event: Event<K>, reduce: impl Fn(K) -> T) -> Event<T> {
    match event {
        Event::Apply(object) => Event::Apply(reduce(object)),
        Event::Delete(object) => Event::Delete(reduce(object)),
        Event::Init => Event::Init,
        Event::InitApply(object) => Event::InitApply(reduce(object)),
        Event::InitDone => Event::InitDone,
    }
}

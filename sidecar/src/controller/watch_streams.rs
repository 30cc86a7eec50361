//! Watches: each turns what arrives into the little that matters and hands it to the one task that
//! keeps the state.
//!
//! The channel is bounded, so a task that is busy slows the lists down instead of filling the memory.

use std::fmt::Debug;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{Namespace, Secret, ServiceAccount};
use kube::api::DynamicObject;
use kube::core::{ApiResource, PartialObjectMeta};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tcr::names::{IMAGE_PULL_SECRET_LABEL, MANAGED_BY, MANAGED_BY_LABEL, PASSWORD_LABEL, SYSTEM_NAMESPACE};
use tokio::sync::mpsc::Sender;

use super::password::Password;
use super::seen::{self, Placed, SeenNamespace};
use crate::crd::ImagePullSecret;
use crate::distribution::{Account, SeenSecret};

/// Objects in one page of a list.
const PAGE: u32 = 500;

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
}

/// Starts every watch; they end with the receiver.
pub fn start(client: &Client, to: &Sender<Sighting>) {
    let resource = ApiResource::erase::<ImagePullSecret>(&());
    let plain = watcher::Config::default().page_size(PAGE);
    let ours = format!("{MANAGED_BY_LABEL}={MANAGED_BY},{IMAGE_PULL_SECRET_LABEL}");
    let passwords = format!("{PASSWORD_LABEL}=true");
    run(Api::all_with(client.clone(), &resource), plain.clone(), to, |event| {
        Sighting::ImagePullSecret(map(event, Box::new))
    });
    run(Api::<PartialObjectMeta<Namespace>>::all(client.clone()), plain.clone(), to, |event| {
        Sighting::Namespace(map(event, seen::namespace))
    });
    run(Api::<ServiceAccount>::all(client.clone()), plain.clone(), to, |event| {
        Sighting::Account(map(event, seen::account))
    });
    run(Api::<Secret>::all(client.clone()), plain.clone().labels(&ours), to, |event| {
        Sighting::Secret(map(event, |secret| seen::secret(&secret)))
    });
    run(Api::<Secret>::namespaced(client.clone(), SYSTEM_NAMESPACE), plain.labels(&passwords), to, |event| {
        Sighting::Password(map(event, Password::of))
    });
}

fn run<K>(
    api: Api<K>,
    config: watcher::Config,
    to: &Sender<Sighting>,
    reduce: impl Fn(Event<K>) -> Sighting + Send + 'static,
) where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let to = to.clone();
    let what = api.resource_url().to_owned();
    tokio::spawn(async move {
        let mut events = Box::pin(watcher(api, config).default_backoff());
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => {
                    if to.send(reduce(event)).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(path = what, error = %super::api_error::innermost(&error), "a watch broke off; it goes on")
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

//! Carries out what the [`Reconciler`] decides: the one place where inputs wait for each other.
//!
//! Each effect that has an answer is a task of its own, and each answer is an input. A task that panics ends the
//! process with its name: what it knew is lost, and a new process begins anew.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::ApiResource;
use kube::{Api, Client};
use serde_json::json;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::AbortHandle;

use super::event_recorder::EventRecorder;
use super::execute::{NamespaceWriter, carry_out};
use super::settings::{DEADLINE, Settings};
use super::tasks::{Answers, TaskFailed, Tasks};
use super::{instances, login_check, rival, watch_streams};
use credential::keeper::{self, AccountLists, CALLS_AT_A_TIME, Tools};
use credential::store::Store;
use credential_plan::{CredentialEvent, Key, Order};
use custom_resource::{ImagePullSecret, ImagePullSecretStatus};
use kubernetes::api_error::{ApiError, within};
use reconcile::input::{LinkEvent, Refused, StoredCredential, WatchEvent};
use reconcile::link_request::LinkRequests;
use reconcile::{Effect, Input, Now, Reconciler, status};

/// Events of watches that are taken in at once, before anything else is looked at.
const BATCH: usize = 512;

#[derive(Debug)]
pub(super) struct Inputs {
    pub(super) watches: mpsc::Receiver<WatchEvent>,
    /// From keepers of credentials.
    pub(super) credentials: mpsc::Receiver<(Key, CredentialEvent)>,
    /// From the poller of private links.
    pub(super) links: mpsc::Receiver<LinkEvent>,
    /// Requests for the numbers of `/metrics`.
    pub(super) metrics: mpsc::Receiver<oneshot::Sender<String>>,
    /// Turns true when the process shall end.
    pub(super) stop: watch::Receiver<bool>,
}

/// Where what is done goes.
#[derive(Debug)]
pub(super) struct Outputs {
    /// Turns true when everything was listed.
    pub(super) ready: watch::Sender<bool>,
    /// For watches that start later.
    pub(super) watches: mpsc::Sender<WatchEvent>,
    /// For keepers of credentials.
    pub(super) credentials: mpsc::Sender<(Key, CredentialEvent)>,
    /// What the poller of private links is to ask for.
    pub(super) links: watch::Sender<Option<LinkRequests>>,
    /// For tasks that start later.
    pub(super) tasks: Tasks,
}

pub(super) struct Runtime {
    client: Client,
    settings: Arc<Settings>,
    writer: Arc<NamespaceWriter>,
    recorder: EventRecorder,
    /// Orders of keepers, by the names of their Secrets.
    keepers: BTreeMap<String, watch::Sender<Order>>,
    /// Watches of somebody's own Secrets, by name.
    others: BTreeMap<String, AbortHandle>,
    /// Which installation this is.
    installation: Arc<str>,
    /// What instances list of service accounts, for all keepers.
    accounts: Arc<AccountLists>,
    /// Turns at the API server of what there is for each ImagePullSecret: its status, its finalizers, its keeper. The
    /// semaphore is never closed.
    api_calls: Arc<Semaphore>,
    /// Writes, which end before the process does.
    writes: Answers<Input>,
    /// Questions, which nobody waits for in the end.
    questions: Answers<Input>,
    outputs: Outputs,
}

impl Runtime {
    pub(super) fn new(
        client: Client,
        settings: Arc<Settings>,
        writer: NamespaceWriter,
        installation: Arc<str>,
        outputs: Outputs,
    ) -> Self {
        Self {
            recorder: EventRecorder::start(client.clone(), &outputs.tasks),
            client,
            settings,
            writer: Arc::new(writer),
            keepers: BTreeMap::new(),
            others: BTreeMap::new(),
            installation,
            accounts: Arc::default(),
            api_calls: Arc::new(Semaphore::new(CALLS_AT_A_TIME)),
            writes: Answers::default(),
            questions: Answers::default(),
            outputs,
        }
    }

    /// Works until told to stop; then lets what is being written end.
    ///
    /// # Errors
    /// One of its tasks panicked.
    pub(super) async fn run(
        mut self,
        mut reconciler: Reconciler,
        mut inputs: Inputs,
    ) -> Result<(), TaskFailed> {
        let mut effects = Vec::new();
        let mut wake = reconciler.step([], now(), &mut effects);
        loop {
            effects.drain(..).for_each(|effect| self.carry_out(effect));
            wake = tokio::select! {
                _ = inputs.stop.wait_for(|stop| *stop) => break,
                answer = self.writes.next() => reconciler.step([answer?], now(), &mut effects),
                answer = self.questions.next() => reconciler.step([answer?], now(), &mut effects),
                Some((key, event)) = inputs.credentials.recv() => {
                    self.note(&key, &event);
                    reconciler.step([Input::Credential(key, event)], now(), &mut effects)
                }
                Some(event) = inputs.links.recv() => {
                    reconciler.step([Input::Links(event)], now(), &mut effects)
                }
                Some(event) = inputs.watches.recv() => {
                    let more = iter::from_fn(|| inputs.watches.try_recv().ok()).take(BATCH);
                    let events = iter::once(event).chain(more).map(Input::Watch);
                    reconciler.step(events, now(), &mut effects)
                }
                Some(asked) = inputs.metrics.recv() => {
                    // Nobody waits for it any more where it cannot be sent.
                    drop(asked.send(reconciler.metrics(Instant::now())));
                    wake
                }
                () = sleep_until(wake) => reconciler.step([], now(), &mut effects),
            };
        }
        // Writes that were begun end; nothing new begins.
        self.writes.end().await;
        Ok(())
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::RunJob(job) => {
                let writer = self.writer.clone();
                self.writes.spawn("a writer", async move { Input::JobEnded(carry_out(writer, job).await) });
            }
            Effect::WriteStatus { name, status } => {
                let (objects, turns) = (self.objects(), self.api_calls.clone());
                self.writes.spawn("the writer of a status", async move {
                    let _turn = turns.acquire().await;
                    let result = write_status(&objects, &name, &status).await;
                    Input::StatusWritten { result: refused(&name, "status", result), name, status }
                });
            }
            Effect::WriteFinalizers { name, resource_version, finalizers } => {
                let (objects, turns) = (self.objects(), self.api_calls.clone());
                self.writes.spawn("the writer of finalizers", async move {
                    let _turn = turns.acquire().await;
                    let metadata = json!({"resourceVersion": resource_version, "finalizers": finalizers});
                    let patch = Patch::Merge(json!({"metadata": metadata}));
                    let params = PatchParams::default();
                    let result = within(DEADLINE, objects.patch(&name, &params, &patch)).await.map(drop);
                    let result = refused(&name, "finalizers", result);
                    Input::FinalizersWritten { name, resource_version, result }
                });
            }
            Effect::CheckLogin { name, digest, content } => {
                let registry = self.settings.registry.clone();
                self.questions.spawn("a question to a registry", async move {
                    let verdict = login_check::check(registry.as_deref(), content.as_ref()).await;
                    tracing::debug!(image_pull_secret = name, ?verdict, "asked the registry");
                    Input::LoginChecked { name, digest, verdict }
                });
            }
            Effect::FindRival(target) => {
                let client = self.client.clone();
                self.questions.spawn("the search for a rival", async move {
                    let rival = rival::find(client, &target).await;
                    Input::RivalFound { target, rival }
                });
            }
            Effect::ListInstances { name, id, region } => {
                let settings = self.settings.clone();
                self.questions.spawn("the list of instances", async move {
                    let result = instances::list(&settings, region.as_deref()).await;
                    Input::InstancesListed { name, id, result }
                });
            }
            Effect::ListStoredCredentials => {
                let store = Store::new(self.client.clone());
                self.questions.spawn("the list of stored credentials", async move {
                    Input::StoredCredentials(stored_credentials(&store).await)
                });
            }
            Effect::StartKeeper { key, order } => self.start_keeper(key, order),
            Effect::OrderKeeper { key, order } => {
                if let Some(orders) = self.keepers.get(&key.secret_name()) {
                    orders.send_replace(order);
                }
            }
            Effect::ResolveLinks(requests) => drop(self.outputs.links.send_replace(Some(requests))),
            Effect::WatchOthers(names) => self.watch_others(names),
            Effect::WatchPods => {
                let Outputs { watches, tasks, .. } = &self.outputs;
                watch_streams::start_pods(&self.client, watches, tasks);
            }
            Effect::BecomeReady { namespaces, image_pull_secrets } => {
                tracing::info!(namespaces, image_pull_secrets, "everything was listed");
                self.outputs.ready.send_replace(true);
            }
            Effect::LogRefusal { text, is_new: true } => tracing::warn!(text, "a write failed; trying again"),
            Effect::LogRefusal { text, is_new: false } => {
                tracing::debug!(text, "a write failed again; trying again later");
            }
            Effect::PublishEvent(event) => self.recorder.publish(event),
        }
    }

    fn watch_others(&mut self, names: BTreeSet<String>) {
        self.others.retain(|name, watch| {
            let stays = names.contains(name);
            if !stays {
                watch.abort();
            }
            stays
        });
        let Outputs { watches, tasks, .. } = &self.outputs;
        for name in names {
            let start =
                |name: &String| watch_streams::start_others(&self.client, name.clone(), watches, tasks);
            self.others.entry(name).or_insert_with_key(start);
        }
    }

    fn start_keeper(&mut self, key: Key, order: Order) {
        let (orders, receiver) = watch::channel(order);
        self.keepers.insert(key.secret_name(), orders);
        let Settings { clouds, cluster_id, registry, allowed_roots, .. } = &*self.settings;
        let cloud = clouds.of(key.role_arn.as_deref(), &key.region, &key.instance_id);
        let tools = Tools {
            clock: cloud.clock_corrections(),
            cloud,
            kube: self.client.clone(),
            cluster_id: cluster_id.clone(),
            registry: registry.clone(),
            allowed_roots: allowed_roots.clone(),
            events: self.outputs.credentials.clone(),
            installation: self.installation.clone(),
            accounts: self.accounts.clone(),
            api_calls: self.api_calls.clone(),
        };
        let what = format!("the keeper of {key}");
        self.outputs.tasks.spawn(what, keeper::keep(key, tools, receiver));
    }

    fn note(&mut self, key: &Key, event: &CredentialEvent) {
        match event {
            CredentialEvent::Happened { reason, message } => {
                tracing::info!(credential = %key, reason = reason.as_str(), message, "news of a credential");
            }
            CredentialEvent::Ended => drop(self.keepers.remove(&key.secret_name())),
            _ => {}
        }
    }

    fn objects(&self) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &ApiResource::erase::<ImagePullSecret>(&()))
    }
}

fn now() -> Now {
    // Only spreads what is tried again.
    let random = getrandom::u64().unwrap_or_default();
    Now { monotonic: Instant::now(), wall: Timestamp::now(), random }
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

async fn write_status(
    objects: &Api<DynamicObject>,
    name: &str,
    status: &ImagePullSecretStatus,
) -> Result<(), ApiError> {
    let patch = status::merge_patch(status).map_err(|error| ApiError::Other(error.to_string()))?;
    let params = PatchParams::default();
    within(DEADLINE, objects.patch_status(name, &params, &Patch::Merge(patch))).await.map(drop)
}

fn refused(name: &str, what: &str, result: Result<(), ApiError>) -> Result<(), Refused> {
    result.map_err(|error| match error {
        error if error.is_not_found() => Refused::NotFound,
        error if error.is_conflict() => Refused::Conflict,
        error => {
            tracing::warn!(image_pull_secret = name, %error, "cannot write the {what}; trying again");
            Refused::Failed
        }
    })
}

async fn stored_credentials(store: &Store) -> Option<Vec<StoredCredential>> {
    match store.all().await {
        Ok(documents) => {
            let stored = documents.into_iter();
            Some(stored.map(|it| StoredCredential { key: it.key, on_delete: it.on_delete }).collect())
        }
        Err(error) => {
            tracing::warn!(%error, "cannot list the stored credentials; trying again");
            None
        }
    }
}

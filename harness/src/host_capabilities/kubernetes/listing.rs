//! One list, kept up to date by a watch.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt as _;
use kube::Api;
use kube::api::DynamicObject;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::field_masks::FieldMasks;
use super::plain;

/// Objects in one page of a list.
const PAGE: u32 = 500;

type Key = (Option<String>, String);

/// A list and its text, which is made when it is asked for after a change.
pub(super) struct Listing {
    kind: String,
    state: Mutex<State>,
    /// Whether the first list is complete.
    is_complete: watch::Sender<bool>,
    /// Why it is not, if a try failed.
    problem: Mutex<Option<String>>,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<Key, Value>,
    /// What is listed anew after a watch broke off; until it is complete, what was known counts.
    incoming: BTreeMap<Key, Value>,
    bytes: Option<Arc<Vec<u8>>>,
}

impl Listing {
    /// Begins to watch; ends when nobody has the list any longer.
    pub(super) fn start(
        api: Api<DynamicObject>,
        kind: &str,
        (labels, fields): (Option<&str>, Option<&str>),
        masks: FieldMasks,
    ) -> Arc<Self> {
        let mut config = watcher::Config::default().page_size(PAGE);
        config.label_selector = labels.map(str::to_owned);
        config.field_selector = fields.map(str::to_owned);
        let listing = Arc::new(Self {
            kind: kind.to_owned(),
            state: Mutex::default(),
            is_complete: watch::Sender::new(false),
            problem: Mutex::default(),
        });
        let kept = Arc::downgrade(&listing);
        let kind = kind.to_owned();
        tokio::spawn(async move {
            let mut events = Box::pin(watcher(api, config).default_backoff());
            while let Some(event) = events.next().await {
                let Some(listing) = kept.upgrade() else { return };
                match event {
                    Ok(event) => listing.take(event, &masks),
                    Err(error) => {
                        tracing::warn!(kind, %error, "a watch broke off; it goes on, and what is known stays");
                        *listing.problem() = Some(error.to_string());
                    }
                }
            }
        });
        listing
    }

    /// The list as Kubewarden's hosts give it, once it is complete.
    pub(super) async fn bytes(&self) -> Result<Vec<u8>, String> {
        let mut complete = self.is_complete.subscribe();
        if !*complete.borrow() {
            // A kind that cannot be listed at all is told at once when that is known.
            if let Some(problem) = self.problem().clone() {
                return Err(format!("cannot list {}: {problem}", self.kind));
            }
            complete.wait_for(|complete| *complete).await.map_err(|_| "the watch has ended".to_owned())?;
        }
        let mut state = self.state();
        if state.bytes.is_none() {
            let items: Vec<&Value> = state.objects.values().collect();
            let list = json!({"apiVersion": "v1", "kind": format!("{}List", self.kind), "metadata": {}, "items": items});
            state.bytes = Some(Arc::new(list.to_string().into_bytes()));
        }
        Ok(state.bytes.as_deref().cloned().unwrap_or_default())
    }

    fn take(&self, event: Event<DynamicObject>, masks: &FieldMasks) {
        let pruned = |object: DynamicObject| {
            let key = (object.metadata.namespace.clone(), object.metadata.name.clone().unwrap_or_default());
            (key, plain(object).map(|value| masks.prune(value)).unwrap_or_default())
        };
        let mut state = self.state();
        match event {
            Event::Apply(object) => {
                let (key, value) = pruned(object);
                // Most changes are of fields that nobody asked for.
                if state.objects.get(&key) != Some(&value) {
                    state.objects.insert(key, value);
                    state.bytes = None;
                }
            }
            Event::Delete(object) => {
                state.objects.remove(&pruned(object).0);
                state.bytes = None;
            }
            Event::Init => state.incoming.clear(),
            Event::InitApply(object) => {
                let (key, value) = pruned(object);
                state.incoming.insert(key, value);
            }
            Event::InitDone => {
                state.objects = std::mem::take(&mut state.incoming);
                state.bytes = None;
                self.is_complete.send_replace(true);
                *self.problem() = None;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn problem(&self) -> MutexGuard<'_, Option<String>> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

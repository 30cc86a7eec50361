//! One list, kept up to date by a watch.
//!
//! *Expected flow:* page by page until the list is complete, then the changes since; when the watch
//! ends it goes on where it was, and when the API server no longer knows that point, everything is
//! listed anew. *Guarantees:* the last complete list stays until a new one is complete; no page,
//! object or list is larger than its bound; nothing of another kind or namespace is kept.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tcr::backoff::Backoff;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::MOST_BYTES;
use super::api_server::{ApiServer, Failure, Status, WATCH_SECONDS};
use super::resource::{Identity, Resource};
use super::room::{Room, Share};
use crate::{FieldMasks, List};

/// Objects in one page of a list; fewer where a page of so many is too large.
const PAGE: usize = 200;
/// What may be kept of a list, in bytes of JSON: a guest has room for no more.
const MOST_OF_A_LIST: usize = 32 << 20;
/// What an object takes besides its text: its name, and its place.
const AN_OBJECT: usize = 100;
/// A list that nobody has asked for so long may be dropped for another one.
const IDLE: Duration = Duration::from_secs(60);
/// The shortest pause between two steps that follow each other at once.
const PAUSE: Duration = Duration::from_secs(1);
/// The pauses while they do, such as after failures.
const RETRY: Backoff = Backoff::new(PAUSE, Duration::from_secs(30));

/// A list and its text, which is made when it is asked for after a change.
pub(super) struct Listing {
    kind: String,
    state: Mutex<State>,
    room: Room,
    progress: watch::Sender<Progress>,
    task: Mutex<Option<AbortHandle>>,
}

/// How far it is.
#[derive(Clone)]
enum Progress {
    Begun,
    Complete,
    /// It has never been complete, and why.
    Failed(String),
}

struct State {
    objects: Objects,
    /// Kept where there is much room; making it again costs no more than twice its copy.
    text: Option<(Vec<u8>, Share)>,
    asked: Instant,
}

/// Objects in the order of their namespaces and names, pruned, as JSON.
struct Objects {
    of_key: BTreeMap<(String, String), Box<str>>,
    share: Share,
}

/// What a list is read by.
struct Source {
    server: ApiServer,
    room: Room,
    resource: Resource,
    namespace: Option<String>,
    masks: FieldMasks,
    path: String,
    /// The selectors, as parameters of the request.
    selectors: String,
}

/// A page of a list; items are read one by one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    metadata: PageMetadata,
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageMetadata {
    #[serde(default)]
    resource_version: String,
    #[serde(default, rename = "continue")]
    next: String,
}

/// One line of a watch.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    name: String,
    #[serde(borrow)]
    object: &'a RawValue,
}

/// Why a watch is over.
enum End {
    /// It goes on from this version.
    At(String),
    /// Everything is to be listed anew.
    Gone,
}

impl Listing {
    /// Begins to list and watch; ends when nobody has the list any longer.
    pub(super) fn start(
        server: ApiServer,
        resource: Resource,
        list: &List,
        room: &Room,
    ) -> Result<Arc<Self>, String> {
        let mut selectors = form_urlencoded::Serializer::new(String::new());
        for (name, selector) in
            [("labelSelector", &list.label_selector), ("fieldSelector", &list.field_selector)]
        {
            if let Some(selector) = selector {
                selectors.append_pair(name, selector);
            }
        }
        let source = Source {
            server,
            room: room.clone(),
            path: resource.path(list.namespace.as_deref())?,
            resource,
            namespace: list.namespace.clone(),
            masks: list.field_masks.clone(),
            selectors: selectors.finish(),
        };
        let listing = Arc::new(Self {
            kind: list.kind.clone(),
            state: Mutex::new(State { objects: Objects::new(room), text: None, asked: Instant::now() }),
            room: room.clone(),
            progress: watch::Sender::new(Progress::Begun),
            task: Mutex::default(),
        });
        let task = tokio::spawn(follow(source, Arc::downgrade(&listing))).abort_handle();
        *listing.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
        Ok(listing)
    }

    /// Whether nobody has asked for it for a while.
    pub(super) fn is_idle(&self) -> bool {
        self.state().asked.elapsed() > IDLE
    }

    /// The list as Kubewarden's hosts give it, once it is complete.
    pub(super) async fn text(&self) -> Result<Vec<u8>, String> {
        self.state().asked = Instant::now();
        let mut progress = self.progress.subscribe();
        let progress = progress.wait_for(|progress| !matches!(progress, Progress::Begun)).await;
        if let Progress::Failed(problem) = &*progress.map_err(|_| "the watch has ended".to_owned())? {
            return Err(format!("cannot list {}: {problem}", self.kind));
        }
        let mut state = self.state();
        if let Some((text, _)) = &state.text {
            return Ok(text.clone());
        }
        let text = state.objects.text(&self.kind);
        let mut share = self.room.share();
        if !self.room.is_short() && share.resize(text.len()).is_ok() {
            state.text = Some((text.clone(), share));
        }
        Ok(text)
    }

    fn replace(&self, objects: Objects) {
        let mut state = self.state();
        (state.objects, state.text) = (objects, None);
        drop(state);
        self.progress.send_replace(Progress::Complete);
    }

    fn failed(&self, failure: &Failure) {
        self.progress.send_if_modified(|progress| match progress {
            Progress::Complete => false,
            _ => {
                *progress = Progress::Failed(failure.to_string());
                true
            }
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Listing {
    fn drop(&mut self) {
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

/// Lists and watches until nobody has the list.
async fn follow(source: Source, kept: Weak<Listing>) {
    // Steps in a row that failed or took no time.
    let mut quick: u32 = 0;
    let mut version = None;
    loop {
        let begun = Instant::now();
        let result = match version.take() {
            None => source.list().await.map(|(objects, version)| {
                if let Some(listing) = kept.upgrade() {
                    listing.replace(objects);
                }
                End::At(version)
            }),
            Some(from) => source.watch(from, &kept).await,
        };
        let Some(listing) = kept.upgrade() else { return };
        match result {
            Ok(End::At(reached)) => version = Some(reached),
            Ok(End::Gone) => {}
            Err(failure) => {
                let kind = &listing.kind;
                tracing::warn!(kind, error = %failure, "a list is not up to date; it is read anew, and what is known stays");
                listing.failed(&failure);
            }
        }
        drop(listing);
        match version {
            // The next step is another one, or this one took its time.
            Some(_) if begun.elapsed() > PAUSE => quick = 0,
            Some(_) if quick == 0 => quick = 1,
            _ => {
                tokio::time::sleep(RETRY.wait(quick)).await;
                quick = quick.saturating_add(1);
            }
        }
    }
}

impl Source {
    /// The whole list, and the version it is of.
    async fn list(&self) -> Result<(Objects, String), Failure> {
        let mut objects = Objects::new(&self.room);
        let (mut limit, mut next) = (PAGE, String::new());
        loop {
            let limited = limit.to_string();
            let mut parameters = vec![("limit", limited.as_str())];
            if !next.is_empty() {
                parameters.push(("continue", &next));
            }
            let path = self.request(&parameters);
            let bytes = match self.server.read(&path, MOST_BYTES).await {
                Err(Failure::TooLarge(_)) if limit > 1 => {
                    limit = (limit / 8).max(1);
                    continue;
                }
                read => read?,
            };
            let metadata = self.take_page(&bytes, &mut objects)?;
            if metadata.next.is_empty() {
                return Ok((objects, metadata.resource_version));
            }
            next = metadata.next;
        }
    }

    fn take_page(&self, bytes: &[u8], objects: &mut Objects) -> Result<PageMetadata, Failure> {
        let page: Page<'_> =
            serde_json::from_slice(bytes).map_err(|_| Failure::NotWhatWasAsked("not a list".to_owned()))?;
        let Resource { api_version, kind, .. } = &self.resource;
        let is_of_kind = page.kind.strip_suffix("List") == Some(kind.as_str());
        // The list of a custom resource may have a name of its own (`listKind`); its items say their
        // kind. Groups without a dot are Kubernetes' own.
        let may_be_of_kind = api_version.contains('.') && page.kind.ends_with("List");
        if page.api_version != *api_version || !(is_of_kind || may_be_of_kind) {
            return Err(Failure::NotWhatWasAsked(format!(
                "{}/{}, not a list of {api_version}/{kind}",
                crate::shortened(&page.api_version, 80),
                crate::shortened(&page.kind, 80)
            )));
        }
        for item in page.items.unwrap_or_default() {
            objects.put(self.checked(item, !is_of_kind)?, &self.masks)?;
        }
        Ok(page.metadata)
    }

    /// Follows the changes since a version.
    async fn watch(&self, from: String, kept: &Weak<Listing>) -> Result<End, Failure> {
        let mut version = from;
        let path = self.request(&[
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("timeoutSeconds", WATCH_SECONDS),
            ("resourceVersion", &version),
        ]);
        let mut lines = match self.server.follow(&path).await {
            Err(Failure::Status { code: 410, .. }) => return Ok(End::Gone),
            lines => lines?,
        };
        while let Some(line) = lines.next(MOST_BYTES).await? {
            let Some(listing) = kept.upgrade() else { break };
            let event: Event<'_> = serde_json::from_slice(&line)
                .map_err(|_| Failure::NotWhatWasAsked("not an event of a watch".to_owned()))?;
            if event.name == "ERROR" {
                let status: Status = serde_json::from_str(event.object.get()).unwrap_or_default();
                return match status.code {
                    410 => Ok(End::Gone),
                    code => {
                        let message = crate::shortened(&status.message, 300);
                        Err(Failure::Status { code, message })
                    }
                };
            }
            let object = match event.name.as_str() {
                "BOOKMARK" => serde_json::from_str(event.object.get()).unwrap_or_default(),
                _ => self.checked(event.object, true)?,
            };
            if let Some(reached) = object["metadata"]["resourceVersion"].as_str() {
                version = reached.to_owned();
            }
            let mut state = listing.state();
            let has_changed = match event.name.as_str() {
                // Most changes are of fields that nobody asked for.
                "ADDED" | "MODIFIED" => state.objects.put(object, &self.masks)?,
                "DELETED" => state.objects.remove(&object),
                _ => false,
            };
            if has_changed {
                state.text = None;
            }
        }
        Ok(End::At(version))
    }

    /// A request's path and query.
    fn request(&self, parameters: &[(&str, &str)]) -> String {
        let mut query = form_urlencoded::Serializer::new(self.selectors.clone());
        query.extend_pairs(parameters);
        format!("{}?{}", self.path, query.finish())
    }

    fn checked(&self, object: &RawValue, says_its_kind: bool) -> Result<Value, Failure> {
        let identity = Identity { namespace: self.namespace.as_deref(), name: None };
        self.resource.checked(object.get().as_bytes(), &identity, says_its_kind)
    }
}

impl Objects {
    fn new(room: &Room) -> Self {
        Self { of_key: BTreeMap::new(), share: room.share() }
    }

    /// Whether that changes anything.
    fn put(&mut self, object: Value, masks: &FieldMasks) -> Result<bool, Failure> {
        let key = key(&object);
        let pruned = masks.prune(object).to_string().into_boxed_str();
        let before = self.of_key.get(&key);
        if before == Some(&pruned) {
            return Ok(false);
        }
        let cost = |text: &str| text.len() + AN_OBJECT;
        let bytes = self.share.bytes() + cost(&pruned) - before.map_or(0, |before| cost(before));
        if bytes > MOST_OF_A_LIST {
            return Err(Failure::TooLarge(MOST_OF_A_LIST));
        }
        self.share.resize(bytes)?;
        self.of_key.insert(key, pruned);
        Ok(true)
    }

    fn remove(&mut self, object: &Value) -> bool {
        let Some(removed) = self.of_key.remove(&key(object)) else { return false };
        // Less always fits.
        let _ = self.share.resize(self.share.bytes() - removed.len() - AN_OBJECT);
        true
    }

    fn text(&self, kind: &str) -> Vec<u8> {
        let mut text = Vec::with_capacity(self.share.bytes() + 100);
        text.extend_from_slice(br#"{"apiVersion":"v1","kind":"#);
        text.extend_from_slice(Value::from(format!("{kind}List")).to_string().as_bytes());
        text.extend_from_slice(br#","metadata":{},"items":["#);
        for (index, object) in self.of_key.values().enumerate() {
            if index > 0 {
                text.push(b',');
            }
            text.extend_from_slice(object.as_bytes());
        }
        text.extend_from_slice(b"]}");
        text
    }
}

fn key(object: &Value) -> (String, String) {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    (text("namespace"), text("name"))
}

//! One list, kept up to date by a watch.
//!
//! *Expected flow:* page by page until the list is complete, then the changes since; when the watch
//! ends it goes on where it was, and when the API server no longer knows that point, everything is
//! listed anew. *Guarantees:* the last complete list stays until a new one is complete; no page,
//! object or list is larger than its bound; nothing of another kind or namespace is kept.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tcr::backoff::Backoff;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::api_server::{ApiServer, Failure};
use super::resource::Resource;
use super::room::{Room, Share};
use crate::List;
use objects::Objects;
use source::{End, Source};

mod objects;
mod source;

/// A list that was not used for this long may be dropped for another one.
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

/// The progress of a list.
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

impl Listing {
    /// Starts listing and watching; ends when no caller holds the list any longer.
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

    /// Whether the list was not used for a while.
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

/// Lists and watches until no caller holds the list.
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

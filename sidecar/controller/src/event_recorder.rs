//! Publishes Events, one after the other, in a task of its own.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{self, EventType, Recorder, Reporter};
use tcr::names::{API_GROUP, API_VERSION, IMAGE_PULL_SECRET_KIND};
use tcr::shortened::shortened;
use tokio::sync::mpsc;

use super::tasks::Tasks;
use reconcile::effect::{Event, Regarding};

/// Events that may wait to be sent; further ones are dropped.
const MOST_WAITING: usize = 256;
/// The longest note that an Event may have.
const LONGEST_NOTE: usize = 1024;

#[derive(Clone, Debug)]
pub(super) struct EventRecorder {
    sender: mpsc::Sender<Event>,
}

impl EventRecorder {
    /// Starts the task that sends Events; it ends with the last recorder.
    pub(super) fn start(client: Client, tasks: &Tasks) -> Self {
        let (sender, mut waiting) = mpsc::channel::<Event>(MOST_WAITING);
        tasks.spawn_endless("the writer of Events", async move {
            let recorder = Recorder::new(client, Reporter::from("tcr-assistant"));
            while let Some(event) = waiting.recv().await {
                let (reference, event) = written(event);
                if let Err(error) = recorder.publish(&event, &reference).await {
                    let error = kubernetes::api_error::ApiError::from(error);
                    tracing::warn!(reason = event.reason.as_str(), %error, "cannot write an Event");
                }
            }
        });
        Self { sender }
    }

    /// Queues the Event.
    pub(super) fn publish(&self, event: Event) {
        let Event { warning, reason, message, .. } = &event;
        if *warning {
            let regarding = regarding(&event.regarding);
            tracing::warn!(regarding, reason = reason.as_str(), message, "an Event is published");
        }
        if self.sender.try_send(event).is_err() {
            tracing::warn!("too many Events at once; one is left out");
        }
    }
}

/// The object as a log names it.
fn regarding(regarding: &Regarding) -> String {
    match regarding {
        Regarding::ImagePullSecret { name, .. } => format!("{IMAGE_PULL_SECRET_KIND} {name}"),
        Regarding::Pod { namespace, name, .. } => format!("Pod {namespace}/{name}"),
    }
}

/// The Event as Kubernetes takes it.
fn written(event: Event) -> (ObjectReference, events::Event) {
    let Event { regarding, warning, reason, message } = event;
    let (reference, action) = match regarding {
        Regarding::ImagePullSecret { name, uid } => (
            ObjectReference {
                api_version: Some(format!("{API_GROUP}/{API_VERSION}")),
                kind: Some(IMAGE_PULL_SECRET_KIND.to_owned()),
                name: Some(name),
                uid: Some(uid),
                ..ObjectReference::default()
            },
            "Distribute",
        ),
        Regarding::Pod { namespace, name, uid } => (
            ObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Pod".to_owned()),
                namespace: Some(namespace.to_string()),
                name: Some(name.to_string()),
                uid: Some(uid.to_string()),
                ..ObjectReference::default()
            },
            "Pull",
        ),
    };
    let event = events::Event {
        type_: if warning { EventType::Warning } else { EventType::Normal },
        reason: reason.as_str().to_owned(),
        note: Some(shortened(message, LONGEST_NOTE)),
        action: action.to_owned(),
        secondary: None,
    };
    (reference, event)
}

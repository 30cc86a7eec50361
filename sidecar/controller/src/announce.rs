//! Events on ImagePullSecrets, sent one after the other so that nothing waits for them.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tcr::names::{API_GROUP, API_VERSION, IMAGE_PULL_SECRET_KIND};
use tcr::shortened::shortened;
use tokio::sync::mpsc;

use super::tasks::Tasks;

/// Events that may wait to be sent; more are not worth keeping.
const MOST_WAITING: usize = 256;
/// The longest note that an Event may have.
const LONGEST_NOTE: usize = 1024;

/// Something that a person may want to know.
#[derive(Clone, Debug)]
pub struct Announcement {
    /// Name of the ImagePullSecret.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Something is wrong.
    pub warning: bool,
    /// A word, such as `CredentialCreated`.
    pub reason: &'static str,
    /// A sentence.
    pub message: String,
}

/// Something about a Pod that its owner has to do.
#[derive(Clone, Debug)]
pub struct PodAnnouncement {
    /// The Pod.
    pub reference: ObjectReference,
    /// A sentence.
    pub message: String,
}

struct Waiting {
    reference: ObjectReference,
    event: Event,
}

/// Takes announcements.
#[derive(Clone, Debug)]
pub struct Announcer {
    sender: mpsc::Sender<Waiting>,
}

impl Announcer {
    /// Starts the task that sends them; it ends with the last announcer.
    pub fn start(client: Client, tasks: &Tasks) -> Self {
        let (sender, mut announcements) = mpsc::channel::<Waiting>(MOST_WAITING);
        tasks.spawn_endless("the writer of Events", async move {
            let recorder = Recorder::new(client, Reporter::from("tcr-assistant"));
            while let Some(Waiting { reference, event }) = announcements.recv().await {
                if let Err(error) = recorder.publish(&event, &reference).await {
                    let error = kubernetes::api_error::ApiError::from(error);
                    tracing::warn!(reason = event.reason, %error, "cannot write an Event");
                }
            }
        });
        Self { sender }
    }

    /// Sends it some time soon.
    pub fn say(&self, announcement: Announcement) {
        let Announcement { name, uid, warning, reason, message } = announcement;
        let reference = ObjectReference {
            api_version: Some(format!("{API_GROUP}/{API_VERSION}")),
            kind: Some(IMAGE_PULL_SECRET_KIND.to_owned()),
            name: Some(name),
            uid: Some(uid),
            ..ObjectReference::default()
        };
        let event = Event {
            type_: if warning { EventType::Warning } else { EventType::Normal },
            reason: reason.to_owned(),
            note: Some(shortened(message, LONGEST_NOTE)),
            action: "Distribute".to_owned(),
            secondary: None,
        };
        self.send(Waiting { reference, event });
    }

    /// The same, on a Pod that lacks our reference.
    pub fn say_of_pod(&self, announcement: PodAnnouncement) {
        let PodAnnouncement { reference, message } = announcement;
        let event = Event {
            type_: EventType::Warning,
            reason: "PullSecretMissing".to_owned(),
            note: Some(shortened(message, LONGEST_NOTE)),
            action: "Pull".to_owned(),
            secondary: None,
        };
        self.send(Waiting { reference, event });
    }

    fn send(&self, waiting: Waiting) {
        if self.sender.try_send(waiting).is_err() {
            tracing::warn!("too many Events at once; one is left out");
        }
    }
}

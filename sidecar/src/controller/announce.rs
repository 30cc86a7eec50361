//! Events on ImagePullSecrets, sent one after the other so that nothing waits for them.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tcr::names::{API_GROUP, API_VERSION, IMAGE_PULL_SECRET_KIND};
use tokio::sync::mpsc;

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

/// Takes announcements.
#[derive(Clone, Debug)]
pub struct Announcer {
    sender: mpsc::Sender<Announcement>,
}

impl Announcer {
    /// Starts the task that sends them; it ends with the last announcer.
    pub fn start(client: Client) -> Self {
        let (sender, mut announcements) = mpsc::channel::<Announcement>(MOST_WAITING);
        tokio::spawn(async move {
            let recorder = Recorder::new(client, Reporter::from("tcr-assistant"));
            while let Some(Announcement { name, uid, warning, reason, message }) = announcements.recv().await
            {
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
                    note: Some(shortened(message)),
                    action: "Distribute".to_owned(),
                    secondary: None,
                };
                if let Err(error) = recorder.publish(&event, &reference).await {
                    let error = super::api_error::ApiError::from(error);
                    tracing::warn!(reason, %error, "cannot write an Event");
                }
            }
        });
        Self { sender }
    }

    /// Sends it some time soon.
    pub fn say(&self, announcement: Announcement) {
        if self.sender.try_send(announcement).is_err() {
            tracing::warn!("too many Events at once; one is left out");
        }
    }
}

fn shortened(mut text: String) -> String {
    if text.len() > LONGEST_NOTE {
        let end = (0..=LONGEST_NOTE).rev().find(|index| text.is_char_boundary(*index)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

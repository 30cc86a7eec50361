//! Where a list comes from: page by page, and then the changes since.

use std::sync::Weak;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::MOST_BYTES;
use super::super::api_server::{ApiServer, Failure, Status, WATCH_SECONDS};
use super::super::resource::{Identity, Resource};
use super::super::room::Room;
use super::Listing;
use super::objects::Objects;
use crate::FieldMasks;

/// Objects in one page of a list; fewer where a page of so many is too large.
const PAGE: usize = 200;

/// How a list is read.
pub(super) struct Source {
    pub(super) server: ApiServer,
    pub(super) room: Room,
    pub(super) resource: Resource,
    pub(super) namespace: Option<String>,
    pub(super) masks: FieldMasks,
    pub(super) path: String,
    /// The selectors, as parameters of the request.
    pub(super) selectors: String,
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
pub(super) enum End {
    /// It goes on from this version.
    At(String),
    /// The list has to be read again from the start.
    Gone,
}

impl Source {
    /// The whole list, and the version it is of.
    pub(super) async fn list(&self) -> Result<(Objects, String), Failure> {
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
    pub(super) async fn watch(&self, from: String, kept: &Weak<Listing>) -> Result<End, Failure> {
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
                // Most changes are of fields outside the masks.
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

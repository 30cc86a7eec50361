//! `kubernetes/*`: a policy's reads of the cluster, from the API server.
//!
//! Lists come from a watch that begins with the first question and goes on: later questions cost the API
//! server nothing, and the kept objects are pruned to the fields that the policy asked for. Single objects
//! are read on demand and remembered for some seconds; a missing one is not remembered, so that an object
//! that was just created is found.
//!
//! *Guarantees:* a request's path is that of the asked kind, in the asked namespace, with at most one name
//! after it; an answer is of that kind, name and namespace, or it is an error; the fields that the policy
//! gets were pruned here; each answer is bounded before it is kept, all lists together too, and none is ever
//! logged.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::Client;
use serde_json::Value;
use tokio::runtime::Handle;

use crate::{CanI, ContextAwareResource, Get, HostCall, HostCapabilities, List, Question, Subject};

mod api_server;
mod listing;
mod remembered;
mod resource;
mod room;

use api_server::{ApiServer, Failure};
use listing::Listing;
use remembered::Remembered;
use resource::{Identity, Resource};
use room::Room;

/// Lists that are watched at most: each has a connection and memory of its own.
const MOST_LISTINGS: usize = 64;
/// The largest answer about one object, one event, or one page of a list: etcd takes objects of
/// 1.5 MiB, which are larger in JSON.
const MOST_BYTES: usize = 8 << 20;
/// The most bytes of JSON that all lists may take together.
const MOST_OF_ALL_LISTS: usize = 64 << 20;

/// The cluster behind a client.
pub struct Cluster {
    server: ApiServer,
    runtime: Handle,
    resources: Mutex<HashMap<ContextAwareResource, Resource>>,
    remembered: Mutex<Remembered>,
    listings: Mutex<HashMap<List, Arc<Listing>>>,
    room: Room,
}

impl Cluster {
    /// To be made inside the runtime that its calls and watches shall run on.
    pub fn new(client: Client) -> Self {
        Self {
            server: ApiServer::new(client),
            runtime: Handle::current(),
            resources: Mutex::default(),
            remembered: Mutex::default(),
            listings: Mutex::default(),
            room: Room::new(MOST_OF_ALL_LISTS),
        }
    }

    /// The same, with so many bytes for all lists that policies ask for.
    #[must_use]
    pub fn with_room_for_lists(self, bytes: usize) -> Self {
        Self { room: Room::new(bytes), ..self }
    }

    async fn answer(&self, call: &HostCall<'_>) -> Result<Vec<u8>, String> {
        match &call.question {
            Question::Get(get) => self.get(get).await,
            Question::List(list) => self.list(list).await,
            Question::CanI(can_i) => self.can_i(can_i).await,
            _ => Err(format!("{}/{} is no question to a cluster", call.namespace, call.operation)),
        }
    }

    async fn get(&self, get: &Get) -> Result<Vec<u8>, String> {
        if !get.disable_cache
            && let Some(known) = lock(&self.remembered).object(get, Instant::now())
        {
            return Ok(known.to_vec());
        }
        let Get { api_version, kind, name, namespace, field_masks, .. } = get;
        let resource = self.resource(api_version, kind).await?;
        let path = resource.object_path(namespace.as_deref(), name)?;
        let bytes = self.server.read(&path, MOST_BYTES).await.map_err(|failure| match failure {
            Failure::Status { code: 404, .. } => {
                let place =
                    namespace.as_ref().map(|it| format!(" inside of namespace '{it}'")).unwrap_or_default();
                format!("Cannot find {api_version}/{kind} named '{name}'{place}")
            }
            other => format!("cannot get {kind} {name}: {other}"),
        })?;
        let identity = Identity { namespace: namespace.as_deref(), name: Some(name) };
        let object = resource.checked(&bytes, &identity, true);
        let object = object.map_err(|failure| format!("cannot get {kind} {name}: {failure}"))?;
        let bytes = Arc::new(field_masks.prune(object).to_string().into_bytes());
        lock(&self.remembered).keep(get, &bytes, Instant::now());
        Ok(bytes.to_vec())
    }

    async fn list(&self, list: &List) -> Result<Vec<u8>, String> {
        let listing = lock(&self.listings).get(list).cloned();
        let listing = match listing {
            Some(listing) => listing,
            None => {
                let resource = self.resource(&list.api_version, &list.kind).await?;
                self.begin(list, resource)?
            }
        };
        listing.text().await
    }

    fn begin(&self, list: &List, resource: Resource) -> Result<Arc<Listing>, String> {
        let mut listings = lock(&self.listings);
        if let Some(listing) = listings.get(list) {
            return Ok(listing.clone());
        }
        if listings.len() >= MOST_LISTINGS || self.room.is_short() {
            // A guest that asks for ever new lists does not keep others from theirs.
            listings.retain(|_, listing| !listing.is_idle());
        }
        if listings.len() >= MOST_LISTINGS {
            return Err(format!("more than {MOST_LISTINGS} different lists are asked for"));
        }
        let listing = Listing::start(self.server.clone(), resource, list, &self.room)?;
        listings.insert(list.clone(), listing.clone());
        Ok(listing)
    }

    async fn can_i(&self, can_i: &CanI) -> Result<Vec<u8>, String> {
        let Subject { groups, resource_attributes: it, user } = can_i.subject_access_review.clone();
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                groups,
                user: Some(user),
                resource_attributes: Some(ResourceAttributes {
                    group: it.group,
                    name: it.name,
                    namespace: it.namespace,
                    resource: it.resource,
                    subresource: it.subresource,
                    verb: it.verb,
                    version: it.version,
                    ..ResourceAttributes::default()
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let failed = |failure: &dyn std::fmt::Display| format!("cannot ask who may do what: {failure}");
        let body = serde_json::to_vec(&review).map_err(|error| failed(&error))?;
        let answer =
            self.server.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", body, MOST_BYTES);
        let answer: Value =
            serde_json::from_slice(&answer.await.map_err(|failure| failed(&failure))?).unwrap_or_default();
        if answer["kind"] != "SubjectAccessReview" || !answer["status"].is_object() {
            return Err(failed(&"the API server's answer is not a SubjectAccessReview"));
        }
        Ok(answer["status"].to_string().into_bytes())
    }

    /// Where the objects of a kind are.
    async fn resource(&self, api_version: &str, kind: &str) -> Result<Resource, String> {
        let key = ContextAwareResource { api_version: api_version.to_owned(), kind: kind.to_owned() };
        if let Some(known) = lock(&self.resources).get(&key).cloned() {
            return Ok(known);
        }
        let failed =
            |failure: &dyn std::fmt::Display| format!("cannot find the kind {api_version}/{kind}: {failure}");
        let list = self.server.read(&resource::group_path(api_version), MOST_BYTES).await;
        let list = list.map_err(|failure| failed(&failure))?;
        let found = Resource::in_list(&list, api_version, kind).map_err(|failure| failed(&failure))?;
        lock(&self.resources).insert(key, found.clone());
        Ok(found)
    }
}

impl HostCapabilities for Cluster {
    /// Blocks the calling thread, which is a worker's, until there is an answer or the time is up.
    fn call(&self, call: &HostCall<'_>) -> Result<Vec<u8>, String> {
        let answer = async { tokio::time::timeout_at(call.deadline.into(), self.answer(call)).await };
        self.runtime
            .block_on(answer)
            .unwrap_or_else(|_| Err("the API server did not answer in time".to_owned()))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

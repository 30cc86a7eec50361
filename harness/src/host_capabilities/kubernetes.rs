//! `kubernetes/*`: what a policy may read of the cluster, from the API server.
//!
//! Lists come from a watch that begins with the first question and goes on: a question costs nothing
//! of the API server then, and what is kept is pruned to what the policy asked for. Single objects are
//! read when they are asked for, and remembered for [`REMEMBERED`]; one that was not there is not
//! remembered, so that what was made a moment ago is found.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, PostParams};
use kube::discovery::{self, Scope};
use kube::{Api, Client};
use serde::Deserialize;
use serde_json::Value;
use tokio::runtime::Handle;

use super::{HostCall, HostCapabilities};

mod field_masks;
mod listing;

pub(super) use field_masks::FieldMasks;
use listing::Listing;

/// How long a single object is remembered, as Kubewarden's hosts do.
const REMEMBERED: Duration = Duration::from_secs(5);
/// Objects that are remembered at most.
const MOST_REMEMBERED: usize = 2000;
/// Lists that are watched at most: each has a connection and memory of its own.
const MOST_LISTINGS: usize = 64;

/// The cluster behind a client.
pub struct Cluster {
    client: Client,
    runtime: Handle,
    kinds: Mutex<HashMap<(String, String), (ApiResource, Scope)>>,
    remembered: Mutex<HashMap<Get, Remembered>>,
    listings: Mutex<HashMap<List, Arc<Listing>>>,
}

/// What an object was, and when.
type Remembered = (Instant, Arc<Vec<u8>>);

/// The question `get_resource`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
pub(super) struct Get {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) name: String,
    #[serde(default)]
    pub(super) namespace: Option<String>,
    #[serde(default)]
    pub(super) disable_cache: bool,
    #[serde(default)]
    pub(super) field_masks: Option<Vec<String>>,
}

/// The questions `list_resources_all` and `list_resources_by_namespace`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
pub(super) struct List {
    pub(super) api_version: String,
    pub(super) kind: String,
    #[serde(default)]
    pub(super) namespace: Option<String>,
    #[serde(default)]
    pub(super) label_selector: Option<String>,
    #[serde(default)]
    pub(super) field_selector: Option<String>,
    #[serde(default)]
    pub(super) field_masks: Option<Vec<String>>,
}

/// The question `can_i`.
#[derive(Debug, Deserialize)]
struct CanI {
    subject_access_review: Subject,
}

#[derive(Debug, Deserialize)]
struct Subject {
    #[serde(default)]
    groups: Option<Vec<String>>,
    resource_attributes: Attributes,
    user: String,
}

#[derive(Debug, Deserialize)]
struct Attributes {
    group: Option<String>,
    name: Option<String>,
    namespace: Option<String>,
    resource: Option<String>,
    subresource: Option<String>,
    verb: Option<String>,
    version: Option<String>,
}

impl Cluster {
    /// To be made inside the runtime that its calls and watches shall run on.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            runtime: Handle::current(),
            kinds: Mutex::default(),
            remembered: Mutex::default(),
            listings: Mutex::default(),
        }
    }

    async fn answer(&self, call: &HostCall<'_>) -> Result<Vec<u8>, String> {
        match call.operation {
            "get_resource" => self.get(question(call)?).await,
            "list_resources_all" => self.list(List { namespace: None, ..question(call)? }).await,
            "list_resources_by_namespace" => {
                let list: List = question(call)?;
                if list.namespace.is_none() {
                    return Err(format!("{}: namespace is missing", call.operation));
                }
                self.list(list).await
            }
            "can_i" => self.can_i(question(call)?).await,
            other => Err(format!("unknown operation: {other}")),
        }
    }

    async fn get(&self, get: Get) -> Result<Vec<u8>, String> {
        if !get.disable_cache
            && let Some(known) = self.remember(&get)
        {
            return Ok(known.to_vec());
        }
        let Get { api_version, kind, name, namespace, .. } = &get;
        let api = self.api(api_version, kind, namespace.as_deref()).await?;
        let failed = |error: kube::Error| format!("cannot get {kind} {name}: {error}");
        let found = api.get_opt(name).await.map_err(failed)?;
        let place = namespace.as_ref().map(|it| format!(" inside of namespace '{it}'")).unwrap_or_default();
        let found = found.ok_or_else(|| format!("Cannot find {api_version}/{kind} named '{name}'{place}"))?;
        let object = FieldMasks::new(get.field_masks.as_deref()).prune(plain(found)?);
        let bytes = Arc::new(object.to_string().into_bytes());
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= MOST_REMEMBERED {
            remembered.retain(|_, (at, _)| at.elapsed() < REMEMBERED);
        }
        if remembered.len() < MOST_REMEMBERED {
            remembered.insert(Get { disable_cache: false, ..get }, (Instant::now(), bytes.clone()));
        }
        Ok(bytes.to_vec())
    }

    fn remember(&self, get: &Get) -> Option<Arc<Vec<u8>>> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, bytes) = remembered.get(get)?;
        (at.elapsed() < REMEMBERED).then(|| bytes.clone())
    }

    async fn list(&self, list: List) -> Result<Vec<u8>, String> {
        let listing = self.listings.lock().unwrap_or_else(PoisonError::into_inner).get(&list).cloned();
        let listing = match listing {
            Some(listing) => listing,
            None => {
                let api = self.api(&list.api_version, &list.kind, list.namespace.as_deref()).await?;
                self.begin(list.clone(), api)?
            }
        };
        listing.bytes().await
    }

    fn begin(&self, list: List, api: Api<DynamicObject>) -> Result<Arc<Listing>, String> {
        let mut listings = self.listings.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(listing) = listings.get(&list) {
            return Ok(listing.clone());
        }
        if listings.len() >= MOST_LISTINGS {
            return Err(format!("more than {MOST_LISTINGS} different lists are asked for"));
        }
        let masks = FieldMasks::new(list.field_masks.as_deref());
        let selectors = (list.label_selector.as_deref(), list.field_selector.as_deref());
        let listing = Listing::start(api, &list.kind, selectors, masks);
        listings.insert(list, listing.clone());
        Ok(listing)
    }

    async fn can_i(&self, question: CanI) -> Result<Vec<u8>, String> {
        let Subject { groups, resource_attributes: it, user } = question.subject_access_review;
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
        let reviews: Api<SubjectAccessReview> = Api::all(self.client.clone());
        let review = reviews.create(&PostParams::default(), &review).await;
        let status = review.map_err(|error| format!("cannot ask who may do what: {error}"))?.status;
        serde_json::to_vec(&status).map_err(|error| error.to_string())
    }

    /// The objects of a kind; of one namespace, where the kind has namespaces and one is given.
    async fn api(
        &self,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
    ) -> Result<Api<DynamicObject>, String> {
        let key = (api_version.to_owned(), kind.to_owned());
        let known = self.kinds.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        let (resource, scope) = match known {
            Some(known) => known,
            None => {
                let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
                let wanted = GroupVersionKind::gvk(group, version, kind);
                let found = discovery::pinned_kind(&self.client, &wanted).await;
                let (resource, capabilities) =
                    found.map_err(|error| format!("cannot find the kind {api_version}/{kind}: {error}"))?;
                let found = (resource, capabilities.scope);
                self.kinds.lock().unwrap_or_else(PoisonError::into_inner).insert(key, found.clone());
                found
            }
        };
        Ok(match (scope, namespace) {
            (Scope::Namespaced, Some(namespace)) => {
                Api::namespaced_with(self.client.clone(), namespace, &resource)
            }
            _ => Api::all_with(self.client.clone(), &resource),
        })
    }
}

impl HostCapabilities for Cluster {
    /// Blocks the calling thread, which is a worker's, until there is an answer or the time is up.
    fn call(&self, call: &HostCall<'_>) -> Result<Vec<u8>, String> {
        if call.namespace != "kubernetes" {
            return Err(format!("{}/{} is not available in this host", call.namespace, call.operation));
        }
        let answer = async { tokio::time::timeout_at(call.deadline.into(), self.answer(call)).await };
        self.runtime
            .block_on(answer)
            .unwrap_or_else(|_| Err("the API server did not answer in time".to_owned()))
    }
}

pub(super) fn question<T: for<'a> Deserialize<'a>>(call: &HostCall<'_>) -> Result<T, String> {
    serde_json::from_slice(call.payload).map_err(|error| format!("{}: {error}", call.operation))
}

/// The object as JSON, without what only writers of it need.
fn plain(mut object: DynamicObject) -> Result<Value, String> {
    object.metadata.managed_fields = None;
    serde_json::to_value(&object).map_err(|error| error.to_string())
}

//! The [`executor`]'s calls of the API server for one namespace.

use std::sync::Arc;
use std::time::Instant;

use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::Request;
use kube::{Api, Client, Resource as _};
use serde_json::{Value, json};
use tcr::names::{MANAGED_BY, MARK_ANNOTATION, derived_secret_name};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::observed;
use super::partial_objects::{AccountObject, SecretObject};
use super::settings::DEADLINE;
use distribution::job::{Job, Report};
use distribution::mark::InstallationKey;
use distribution::reference::Edit;
use distribution::secret;
use distribution::{Account, Content, Placed, SeenSecret, Uid};
use executor::{NamespaceApi, WholeSecret};
use kubernetes::api_error::{ApiError, within};

/// Carries out jobs, many at a time.
pub struct NamespaceWriter {
    client: Client,
    key: InstallationKey,
    /// Held while a Secret is in memory, one at a time: any user may have made it as large as a Secret may
    /// be.
    reading: Arc<Mutex<()>>,
}

impl NamespaceWriter {
    /// Writes with this client, and marks Secrets with this key.
    pub fn new(client: Client, key: InstallationKey) -> Self {
        Self { client, key, reading: Arc::default() }
    }
}

/// Carries out a job.
pub async fn carry_out(writer: Arc<NamespaceWriter>, job: Job) -> Report {
    let apis = Apis {
        secrets: Api::namespaced(writer.client.clone(), &job.namespace),
        accounts: Api::namespaced(writer.client.clone(), &job.namespace),
        namespace: job.namespace.clone(),
        writer,
    };
    executor::carry_out(&apis, job).await
}

struct Apis {
    secrets: Api<SecretObject>,
    accounts: Api<AccountObject>,
    writer: Arc<NamespaceWriter>,
    namespace: Arc<str>,
}

/// A Secret, and the lock for holding one in memory.
struct Held {
    secret: Secret,
    _one_at_a_time: OwnedMutexGuard<()>,
}

impl Apis {
    fn marked(&self, name: &str, content: &Content) -> Secret {
        secret::marked(name, &self.namespace, content, &self.writer.key)
    }

    fn ours(&self, made: &SecretObject) -> Result<SeenSecret, ApiError> {
        let ours = observed::ours(made, &self.writer.key);
        ours.ok_or_else(|| ApiError::Other("the API server answered with another Secret".to_owned()))
    }

    fn whole(&self) -> Api<Secret> {
        Api::namespaced(self.writer.client.clone(), &self.namespace)
    }
}

impl NamespaceApi for Apis {
    type Object = Held;

    fn now(&self) -> Instant {
        Instant::now()
    }

    async fn create(&self, name: &str, content: &Content, dry_run: bool) -> Result<SeenSecret, ApiError> {
        let secret = self.marked(name, content);
        let bytes = serde_json::to_vec(&secret).map_err(|error| ApiError::Other(error.to_string()))?;
        let request = Request::new(SecretObject::url_path(&(), Some(&self.namespace)));
        let request = request.create(&PostParams { dry_run, ..posted() }, bytes);
        let request = request.map_err(|error| ApiError::Other(error.to_string()))?;
        // Only the relevant fields of the answer are read.
        self.ours(&within(DEADLINE, self.writer.client.request(request)).await?)
    }

    async fn patch(&self, name: &str, uid: &Uid, content: &Content) -> Result<SeenSecret, ApiError> {
        let wanted = self.marked(name, content);
        let labels = wanted.metadata.labels.iter().flatten().map(|pair| ("labels", pair));
        let annotations = wanted.metadata.annotations.iter().flatten().map(|pair| ("annotations", pair));
        let mut operations = vec![
            json!({"op": "test", "path": "/metadata/uid", "value": uid.to_string()}),
            json!({"op": "add", "path": "/data", "value": wanted.data}),
        ];
        operations.extend(labels.chain(annotations).map(|(kind, (key, value))| {
            let path = format!("/metadata/{kind}/{}", key.replace('/', "~1"));
            json!({"op": "add", "path": path, "value": value})
        }));
        let (secret, patch) = (derived_secret_name(name), json_patch(operations)?);
        self.ours(&within(DEADLINE, self.secrets.patch(&secret, &patched(), &patch)).await?)
    }

    /// Writes the annotation alone: the rest is as desired.
    async fn mark(&self, name: &str, uid: &Uid, content: &Content) -> Result<SeenSecret, ApiError> {
        let secret = derived_secret_name(name);
        let mark = self.writer.key.mark(&self.namespace, &secret, content.digest());
        // The API server refuses a uid that differs, because a uid is immutable.
        let patch = json!({"metadata": {"uid": uid.to_string(), "annotations": {MARK_ANNOTATION: mark}}});
        self.ours(&within(DEADLINE, self.secrets.patch(&secret, &patched(), &Patch::Merge(patch))).await?)
    }

    async fn read(
        &self,
        secret: &str,
        known: Option<&Uid>,
        content: Option<&Content>,
    ) -> Result<Option<SeenSecret>, ApiError> {
        let _one_at_a_time = self.writer.reading.lock().await;
        let found = within(DEADLINE, self.secrets.get_opt(secret)).await?;
        Ok(found.map(|object| observed::in_the_way(&object, known, content, &self.writer.key)))
    }

    async fn read_whole(&self, secret: &str) -> Result<Option<WholeSecret<Held>>, ApiError> {
        // The whole object, because all of it is sent back.
        let one_at_a_time = self.writer.reading.clone().lock_owned().await;
        let found = within(DEADLINE, self.whole().get_opt(secret)).await?;
        Ok(found.map(|secret| WholeSecret {
            uid: Uid::of(secret.metadata.uid.as_deref().unwrap_or_default()),
            is_immutable: secret.immutable == Some(true),
            object: Held { secret, _one_at_a_time: one_at_a_time },
        }))
    }

    fn seen(&self, object: Held, known: Option<&Uid>, content: &Content) -> SeenSecret {
        observed::in_the_way(&object.secret.into(), known, Some(content), &self.writer.key)
    }

    async fn replace(&self, name: &str, object: Held, content: &Content) -> Result<SeenSecret, ApiError> {
        let Held { secret: mut object, _one_at_a_time } = object;
        let wanted = self.marked(name, content);
        object.data = wanted.data;
        object.metadata.labels.get_or_insert_default().extend(wanted.metadata.labels.unwrap_or_default());
        let annotations = wanted.metadata.annotations.unwrap_or_default();
        object.metadata.annotations.get_or_insert_default().extend(annotations);
        // Managed fields are the API server's to set.
        object.metadata.managed_fields = None;
        let secret = derived_secret_name(name);
        let made = within(DEADLINE, self.whole().replace(&secret, &posted(), &object)).await?;
        self.ours(&made.into())
    }

    async fn delete(&self, secret: &str, uid: &Uid) -> Result<(), ApiError> {
        let only_this = Preconditions { uid: Some(uid.to_string()), resource_version: None };
        let params = DeleteParams { preconditions: Some(only_this), ..DeleteParams::default() };
        within(DEADLINE, self.secrets.delete(secret, &params)).await.map(drop)
    }

    async fn edit(&self, account: &str, edit: &Edit) -> Result<Placed<Account>, ApiError> {
        let (params, patch) = (patched(), json_patch(edit.patch())?);
        within(DEADLINE, self.accounts.patch(account, &params, &patch)).await.map(observed::account)
    }
}

/// With our field manager, so that managed fields tell which changes are ours.
fn posted() -> PostParams {
    PostParams { field_manager: Some(MANAGED_BY.to_owned()), ..PostParams::default() }
}

fn patched() -> PatchParams {
    PatchParams { field_manager: Some(MANAGED_BY.to_owned()), ..PatchParams::default() }
}

/// The operations come from our own code: invalid ones are a bug, and an error says so.
pub(super) fn json_patch(operations: Vec<Value>) -> Result<Patch<()>, ApiError> {
    let patch = serde_json::from_value(Value::Array(operations));
    patch.map(Patch::Json).map_err(|error| ApiError::Other(format!("cannot write the patch: {error}")))
}

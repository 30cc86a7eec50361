//! Carries out the plan of one namespace, in order. A write that is refused stops what depends on it, and that only.

use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::Request;
use kube::{Api, Client, Resource as _};
use serde_json::{Value, json};
use tcr::names::{MANAGED_BY, MARK_ANNOTATION, SECRET_PREFIX, derived_secret_name};
use tcr::shortened::shortened;
use tokio::sync::Mutex;

use super::DEADLINE;
use super::observed;
use super::partial_objects::{AccountObject, SecretObject};
use distribution::job::{Ended, FailedWrite, Job, LONGEST_MESSAGE, Report, Written};
use distribution::mark::InstallationKey;
use distribution::order::Stopped;
use distribution::reference::Edit;
use distribution::secret;
use distribution::{Change, Content, SeenSecret, Stage, TargetKind, Uid};
use kubernetes::api_error::{ApiError, within};

/// After so long a job begins no further write of a stage: where each is refused after seconds, as by a webhook that
/// does not answer, a namespace with many ServiceAccounts would wait for hours until Secrets go and it is planned anew.
const TURN: Duration = Duration::from_secs(60);

/// What carries out jobs, many at a time.
pub struct Hand {
    client: Client,
    key: InstallationKey,
    /// A Secret that is read is held in memory, and any user may have made it as large as a Secret may be.
    reading: Mutex<()>,
}

impl Hand {
    /// Writes with this client, and marks with this key.
    pub fn new(client: Client, key: InstallationKey) -> Self {
        Self { client, key, reading: Mutex::new(()) }
    }
}

/// Carries out a job.
pub async fn carry_out(hand: Arc<Hand>, job: Job) -> Report {
    let started = Instant::now();
    let Job { namespace, look, changes } = job;
    let api = Apis {
        secrets: Api::namespaced(hand.client.clone(), &namespace),
        accounts: Api::namespaced(hand.client.clone(), &namespace),
        hand,
        namespace: namespace.clone(),
    };
    let mut work = Work::default();
    api.look_at_all(look, &mut work).await;
    api.all(changes, &mut work).await;
    let Work { looked, written, failed, ended, .. } = work;
    Report { namespace, looked, written, failed, ended, took: started.elapsed() }
}

/// What came of a job so far.
#[derive(Debug, Default)]
struct Work {
    looked: Vec<Written>,
    written: Vec<Written>,
    failed: Vec<FailedWrite>,
    stopped: Stopped,
    ended: Ended,
    /// Nothing more is tried.
    is_over: bool,
    /// The stage that is worked on, and until when.
    turn: Option<(Stage, Instant)>,
}

impl Work {
    /// As much of the write as is to be tried now.
    fn admit(&mut self, change: Change, now: Instant) -> Option<Change> {
        if self.is_over {
            return None;
        }
        let stage = change.stage();
        let until = match self.turn {
            Some((known, until)) if known == stage => until,
            _ => now + TURN,
        };
        self.turn = Some((stage, until));
        if now > until {
            self.ended = Ended::OutOfTime;
            self.stopped.stop(&change);
            return None;
        }
        self.stopped.admit(change)
    }

    fn end(&mut self, ended: Ended) {
        (self.ended, self.is_over) = (ended, true);
    }

    /// A write did not do what it should.
    fn fail(&mut self, change: &Change, error: &ApiError) {
        self.stopped.stop(change);
        let (kind, name) = change.target();
        let owners = change.image_pull_secrets().into_iter().map(str::to_owned).collect();
        self.take(error, kind, name.into_owned(), owners);
    }

    fn take(&mut self, error: &ApiError, kind: TargetKind, name: String, image_pull_secrets: Vec<String>) {
        if self.is_over {
            return;
        }
        if matches!(error, ApiError::Overtaken) || error.is_conflict() {
            if self.ended == Ended::Done {
                self.ended = Ended::Overtaken;
            }
            return;
        }
        if error.is_namespace_going() {
            self.failed.clear();
            return self.end(Ended::NamespaceGoing);
        }
        let is_quota = error.is_quota_exceeded();
        let message = shortened(error.to_string(), LONGEST_MESSAGE);
        self.failed.push(FailedWrite { kind, name, image_pull_secrets, message, is_quota });
        if !error.is_of_object() {
            self.end(Ended::Unanswered);
        }
    }
}

struct Apis {
    secrets: Api<SecretObject>,
    accounts: Api<AccountObject>,
    hand: Arc<Hand>,
    namespace: Arc<str>,
}

impl Apis {
    async fn look_at_all(&self, secrets: Vec<(String, Content)>, work: &mut Work) {
        for (secret, content) in secrets {
            if work.is_over {
                return;
            }
            match self.look(&secret, None, &content).await {
                Ok(seen) => work.looked.push(Written::Secret { name: secret, seen }),
                Err(error) => {
                    let owner = secret.strip_prefix(SECRET_PREFIX).map(str::to_owned);
                    work.take(&error, TargetKind::Secret, secret, owner.into_iter().collect());
                }
            }
        }
    }

    async fn all(&self, changes: Vec<(Change, Option<Uid>)>, work: &mut Work) {
        // Secrets come first in a plan; what refers to them waits for all.
        let is_secret = |(change, _): &&(Change, Option<Uid>)| change.stage() == Stage::Secrets;
        let first = if work.is_over { 0 } else { changes.iter().take_while(is_secret).count() };
        let mut changes = changes.into_iter();
        let secrets = changes.by_ref().take(first).map(async |(change, known)| {
            let (written, result) = self.one(&change, known).await;
            (change, written, result)
        });
        for (change, written, result) in futures::future::join_all(secrets).await {
            work.written.extend(written);
            if let Err(error) = result {
                work.fail(&change, &error);
            }
        }
        for (change, known) in changes {
            let Some(change) = work.admit(change, Instant::now()) else { continue };
            let (written, result) = self.one(&change, known).await;
            work.written.extend(written);
            if let Err(error) = result {
                work.fail(&change, &error);
            }
        }
    }

    /// Carries out one write; what there is then, as far as it became known.
    async fn one(&self, change: &Change, known: Option<Uid>) -> (Vec<Written>, Result<(), ApiError>) {
        let mut written = Vec::new();
        let target = change.target().1;
        let result = match change {
            Change::CreateSecret { name, content } => {
                self.create(name, known.as_ref(), content, &mut written).await
            }
            Change::UpdateSecret { name, uid, content, .. } => {
                self.update(name, uid, content, &mut written).await
            }
            Change::ReplaceSecret { name, uid, content } => {
                self.replace(name, uid, content, &mut written).await
            }
            Change::MarkSecret { uid, content, .. } => self.mark(&target, uid, content, &mut written).await,
            Change::DeleteSecret { secret, uid } => self.delete(secret, uid, &mut written).await,
            Change::EditReferences { account, edit } => self.edit(account, edit, &mut written).await,
        };
        (written, result)
    }

    async fn create(
        &self,
        ips: &str,
        known: Option<&Uid>,
        content: &Content,
        written: &mut Vec<Written>,
    ) -> Result<(), ApiError> {
        let secret = secret::marked(ips, &self.namespace, content, &self.hand.key);
        match within(DEADLINE, self.post(&secret, false)).await {
            Ok(made) => {
                self.push(&made, written);
                Ok(())
            }
            Err(error) if error.is_already_exists() => {
                let name = derived_secret_name(ips);
                let seen = self.look(&name, known, content).await?;
                Err(overtaken(&name, seen, written))
            }
            Err(error) => Err(error),
        }
    }

    /// Deletes and creates. What is there stays where another one would be refused: a credential that works is better
    /// than none.
    async fn replace(
        &self,
        ips: &str,
        uid: &Uid,
        content: &Content,
        written: &mut Vec<Written>,
    ) -> Result<(), ApiError> {
        let secret = secret::marked(ips, &self.namespace, content, &self.hand.key);
        match within(DEADLINE, self.post(&secret, true)).await {
            Ok(_) => {}
            // It was admitted, and is only met by the one that goes.
            Err(error) if error.is_already_exists() => {}
            // In which the one that goes is counted too.
            Err(error) if error.is_quota_exceeded() => {}
            Err(error) => return Err(error),
        }
        self.delete(&derived_secret_name(ips), uid, written).await?;
        self.create(ips, None, content, written).await
    }

    /// In place, so that the uid stays: kubelets then know that the credential may use the images
    /// that it pulled before (KEP-2535).
    async fn update(
        &self,
        ips: &str,
        uid: &Uid,
        content: &Content,
        written: &mut Vec<Written>,
    ) -> Result<(), ApiError> {
        let wanted = secret::marked(ips, &self.namespace, content, &self.hand.key);
        let name = derived_secret_name(ips);
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
        match within(DEADLINE, self.secrets.patch(&name, &patched(), &json_patch(operations)?)).await {
            Ok(made) => {
                self.push(&made, written);
                Ok(())
            }
            Err(error) if error.is_not_found() => Err(overtaken(&name, None, written)),
            // Another Secret, or one without any label or annotation: a patch cannot tell these apart.
            Err(error) if error.is_inapplicable_patch() => {
                self.put(&name, uid, wanted, content, written).await
            }
            Err(error) => Err(error),
        }
    }

    /// The annotation alone: the rest is as it shall be.
    async fn mark(
        &self,
        name: &str,
        uid: &Uid,
        content: &Content,
        written: &mut Vec<Written>,
    ) -> Result<(), ApiError> {
        let mark = self.hand.key.mark(&self.namespace, name, content.digest());
        // A uid that differs is refused, because nobody may change one.
        let patch = json!({"metadata": {"uid": uid.to_string(), "annotations": {MARK_ANNOTATION: mark}}});
        match within(DEADLINE, self.secrets.patch(name, &patched(), &Patch::Merge(patch))).await {
            Ok(made) => {
                self.push(&made, written);
                Ok(())
            }
            Err(error) if error.is_not_found() => Err(overtaken(name, None, written)),
            Err(error) => Err(error),
        }
    }

    async fn put(
        &self,
        name: &str,
        uid: &Uid,
        wanted: Secret,
        content: &Content,
        written: &mut Vec<Written>,
    ) -> Result<(), ApiError> {
        // All of it, because all of it is sent back.
        let _one_at_a_time = self.hand.reading.lock().await;
        let whole = Api::<Secret>::namespaced(self.hand.client.clone(), &self.namespace);
        let Some(mut object) = within(DEADLINE, whole.get_opt(name)).await? else {
            return Err(overtaken(name, None, written));
        };
        let is_same = object.metadata.uid.as_deref().map(Uid::of).as_ref() == Some(uid);
        // Another one, or one that no update mends and only another one can replace.
        if !is_same || object.immutable == Some(true) {
            let known = Some(uid).filter(|_| is_same);
            let seen = observed::in_the_way(&object.into(), known, content, &self.hand.key);
            return Err(overtaken(name, Some(seen), written));
        }
        object.data = wanted.data;
        object.metadata.labels.get_or_insert_default().extend(wanted.metadata.labels.unwrap_or_default());
        let annotations = wanted.metadata.annotations.unwrap_or_default();
        object.metadata.annotations.get_or_insert_default().extend(annotations);
        // The managed fields are not ours to send.
        object.metadata.managed_fields = None;
        let made = within(DEADLINE, whole.replace(name, &posted(), &object)).await?;
        self.push(&made.into(), written);
        Ok(())
    }

    async fn delete(&self, name: &str, uid: &Uid, written: &mut Vec<Written>) -> Result<(), ApiError> {
        let only_this = Preconditions { uid: Some(uid.to_string()), resource_version: None };
        let params = DeleteParams { preconditions: Some(only_this), ..DeleteParams::default() };
        match within(DEADLINE, self.secrets.delete(name, &params)).await {
            Ok(_) => {}
            // The one that was meant is gone, also when there is another one, of which no watch may tell.
            Err(error) if error.is_not_found() || error.is_conflict() => {}
            Err(error) => return Err(error),
        }
        written.push(Written::Secret { name: name.to_owned(), seen: None });
        Ok(())
    }

    async fn edit(&self, account: &str, edit: &Edit, written: &mut Vec<Written>) -> Result<(), ApiError> {
        let (params, patch) = (patched(), json_patch(edit.patch())?);
        match within(DEADLINE, self.accounts.patch(account, &params, &patch)).await {
            Ok(made) => {
                written.push(Written::Account(observed::account(made)));
                Ok(())
            }
            Err(error) if error.is_not_found() => {
                written.push(Written::AccountGone { name: account.to_owned() });
                Ok(())
            }
            // The test of the version failed.
            Err(error) if error.is_inapplicable_patch() => Err(ApiError::Overtaken),
            Err(error) => Err(error),
        }
    }

    /// Creates it; of the answer only what matters is read.
    async fn post(&self, secret: &Secret, dry_run: bool) -> kube::Result<SecretObject> {
        let bytes = serde_json::to_vec(secret).map_err(kube::Error::SerdeError)?;
        let request = Request::new(SecretObject::url_path(&(), Some(&self.namespace)));
        let request =
            request.create(&PostParams { dry_run, ..posted() }, bytes).map_err(kube::Error::BuildRequest)?;
        self.hand.client.request(request).await
    }

    async fn look(
        &self,
        name: &str,
        known: Option<&Uid>,
        content: &Content,
    ) -> Result<Option<SeenSecret>, ApiError> {
        let _one_at_a_time = self.hand.reading.lock().await;
        let found = within(DEADLINE, self.secrets.get_opt(name)).await?;
        Ok(found.map(|object| observed::in_the_way(&object, known, content, &self.hand.key)))
    }

    fn push(&self, made: &SecretObject, written: &mut Vec<Written>) {
        let name = made.metadata.name.clone().unwrap_or_default();
        written.push(Written::Secret { seen: observed::ours(made, &self.hand.key), name });
    }
}

/// Another one was faster: what there is instead is written down, and the plan made anew.
fn overtaken(name: &str, seen: Option<SeenSecret>, written: &mut Vec<Written>) -> ApiError {
    written.push(Written::Secret { name: name.to_owned(), seen });
    ApiError::Overtaken
}

/// Under our name, so that the managed fields tell whose a change was.
fn posted() -> PostParams {
    PostParams { field_manager: Some(MANAGED_BY.to_owned()), ..PostParams::default() }
}

fn patched() -> PatchParams {
    PatchParams { field_manager: Some(MANAGED_BY.to_owned()), ..PatchParams::default() }
}

/// The operations come from our own code: that they are none is a bug, and said instead of hidden.
pub(super) fn json_patch(operations: Vec<Value>) -> Result<Patch<()>, ApiError> {
    let patch = serde_json::from_value(Value::Array(operations));
    patch.map(Patch::Json).map_err(|error| ApiError::Other(format!("cannot write the patch: {error}")))
}

#[cfg(test)]
mod tests;

//! Carries out jobs as the product's executor does, against the simulated API server.

use std::time::Duration;

use distribution::job::{Ended, FailedWrite, Job, Report, Written};
use distribution::order::Stopped;
use distribution::reference::Edit;
use distribution::{Change, Content, TargetKind, Uid};
use kubernetes::api_error::ApiError;
use serde_json::Value;
use tcr::names::SECRET_PREFIX;

use crate::cluster::{ACCOUNTS, Account, NAMESPACES, REFERENCES, Secret};
use crate::refusal;
use crate::sight::SharedSights;
use crate::world::{Call, Caller, Reply};

/// After so long a job begins no further write.
const TURN: u64 = 60_000;

/// Carries out a job.
pub async fn carry_out(caller: Caller, sights: SharedSights, job: Job) -> Report {
    let Job { namespace, look, changes } = job;
    let place = NAMESPACES.iter().position(|it| **it == *namespace).unwrap_or_default();
    let until = caller.world.borrow().now + TURN;
    let writer = Writer { caller, sights, place, until };
    let mut work = Work::default();
    writer.look_at_all(look, &mut work).await;
    writer.all(changes, &mut work).await;
    let Work { looked, written, failed, ended, .. } = work;
    let ended = ended.unwrap_or(Ended::Done);
    Report { namespace, looked, written, failed, ended, took: Duration::ZERO }
}

/// What came of a job so far.
#[derive(Default)]
struct Work {
    looked: Vec<Written>,
    written: Vec<Written>,
    failed: Vec<FailedWrite>,
    stopped: Stopped,
    ended: Option<Ended>,
    is_over: bool,
}

impl Work {
    fn end(&mut self, ended: Ended) {
        (self.ended, self.is_over) = (Some(ended), true);
    }

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
            self.ended = Some(Ended::Overtaken);
            return;
        }
        if error.is_namespace_going() {
            self.failed.clear();
            return self.end(Ended::NamespaceGoing);
        }
        let (is_quota, message) = (error.is_quota_exceeded(), error.to_string());
        self.failed.push(FailedWrite { kind, name, image_pull_secrets, message, is_quota });
        if !error.is_of_object() {
            self.end(Ended::Unanswered);
        }
    }
}

struct Writer {
    caller: Caller,
    sights: SharedSights,
    place: usize,
    until: u64,
}

fn slot_of(secret: &str) -> usize {
    REFERENCES.iter().position(|it| *it == secret).unwrap_or_default()
}

impl Writer {
    async fn secret(&self, call: Call) -> Result<Option<Secret>, ApiError> {
        match self.caller.call(call).await {
            Reply::Secret(result) => result,
            _ => Err(refusal::broken()),
        }
    }

    fn goes_on(&self, work: &mut Work) -> bool {
        if !work.is_over && self.caller.world.borrow().now > self.until {
            work.end(Ended::OutOfTime);
        }
        !work.is_over
    }

    async fn look_at_all(&self, look: Vec<(String, Content)>, work: &mut Work) {
        for (name, content) in look {
            if !self.goes_on(work) {
                return;
            }
            match self.look(&name, None, &content).await {
                Ok(seen) => work.looked.push(seen),
                Err(error) => {
                    let owner = name.strip_prefix(SECRET_PREFIX).map(str::to_owned);
                    work.take(&error, TargetKind::Secret, name, owner.into_iter().collect());
                }
            }
        }
    }

    async fn look(&self, name: &str, known: Option<&Uid>, content: &Content) -> Result<Written, ApiError> {
        let found = self.secret(Call::GetSecret(self.place, slot_of(name))).await?;
        let seen = found.map(|secret| self.sights.in_the_way(&secret, known, content));
        Ok(Written::Secret { name: name.to_owned(), seen })
    }

    async fn all(&self, changes: Vec<(Change, Option<Uid>)>, work: &mut Work) {
        let is_secret = |change: &Change| {
            matches!(
                change,
                Change::CreateSecret { .. } | Change::UpdateSecret { .. } | Change::ReplaceSecret { .. }
            )
        };
        if !self.goes_on(work) {
            return;
        }
        // Secrets come first, and all of them are tried.
        let mut are_secrets = true;
        for (change, known) in changes {
            are_secrets &= is_secret(&change);
            if !are_secrets && !self.goes_on(work) {
                return;
            }
            let admitted = if are_secrets { Some(change) } else { work.stopped.admit(change) };
            let Some(change) = admitted else { continue };
            if let Err(error) = self.one(&change, known, &mut work.written).await {
                work.fail(&change, &error);
            }
        }
    }

    async fn one(
        &self,
        change: &Change,
        known: Option<Uid>,
        written: &mut Vec<Written>,
    ) -> Result<(), ApiError> {
        let secret = change.target().1;
        match change {
            Change::CreateSecret { content, .. } => {
                self.create(&secret, known.as_ref(), content, written).await
            }
            Change::UpdateSecret { uid, content, .. } => self.update(&secret, uid, content, written).await,
            Change::ReplaceSecret { uid, content, .. } => {
                self.delete(&secret, uid, true, written).await?;
                self.create(&secret, None, content, written).await
            }
            Change::MarkSecret { uid, content, .. } => {
                let call = Call::MarkSecret(self.place, slot_of(&secret), uid.clone(), content.digest());
                self.patch(&secret, call, written).await
            }
            Change::DeleteSecret { secret, uid } => self.delete(secret, uid, false, written).await,
            Change::EditReferences { account, edit } => self.edit(account, edit, written).await,
        }
    }

    async fn create(
        &self,
        secret: &str,
        known: Option<&Uid>,
        content: &Content,
        written: &mut Vec<Written>,
    ) -> Result<(), ApiError> {
        self.sights.password_in(content);
        let call = Call::CreateSecret(self.place, slot_of(secret), content.digest());
        match self.secret(call).await {
            Ok(made) => {
                self.push(secret, made, written);
                Ok(())
            }
            Err(error) if error.is_already_exists() => {
                written.push(self.look(secret, known, content).await?);
                Err(ApiError::Overtaken)
            }
            Err(error) => Err(error),
        }
    }

    async fn update(
        &self,
        secret: &str,
        uid: &Uid,
        content: &Content,
        written: &mut Vec<Written>,
    ) -> Result<(), ApiError> {
        self.sights.password_in(content);
        let call = Call::UpdateSecret(self.place, slot_of(secret), uid.clone(), content.digest());
        match self.secret(call).await {
            Ok(made) => {
                self.push(secret, made, written);
                Ok(())
            }
            Err(error) if error.is_not_found() => {
                written.push(Written::Secret { name: secret.to_owned(), seen: None });
                Err(ApiError::Overtaken)
            }
            Err(error) if error.is_inapplicable_patch() => self.put(secret, uid, content, written).await,
            Err(error) => Err(error),
        }
    }

    async fn put(
        &self,
        secret: &str,
        uid: &Uid,
        content: &Content,
        written: &mut Vec<Written>,
    ) -> Result<(), ApiError> {
        let Some(found) = self.secret(Call::GetSecret(self.place, slot_of(secret))).await? else {
            written.push(Written::Secret { name: secret.to_owned(), seen: None });
            return Err(ApiError::Overtaken);
        };
        // Another one, or one that only another one can replace.
        if found.uid != *uid || !found.mendable {
            let seen = Some(self.sights.in_the_way(&found, Some(uid), content));
            written.push(Written::Secret { name: secret.to_owned(), seen });
            return Err(ApiError::Overtaken);
        }
        let call = Call::PutSecret(self.place, slot_of(secret), found.version, content.digest());
        let made = self.secret(call).await?;
        self.push(secret, made, written);
        Ok(())
    }

    async fn patch(&self, secret: &str, call: Call, written: &mut Vec<Written>) -> Result<(), ApiError> {
        match self.secret(call).await {
            Ok(made) => {
                self.push(secret, made, written);
                Ok(())
            }
            Err(error) if error.is_not_found() => {
                written.push(Written::Secret { name: secret.to_owned(), seen: None });
                Err(ApiError::Overtaken)
            }
            Err(error) => Err(error),
        }
    }

    async fn delete(
        &self,
        secret: &str,
        uid: &Uid,
        replaces: bool,
        written: &mut Vec<Written>,
    ) -> Result<(), ApiError> {
        match self.secret(Call::DeleteSecret(self.place, slot_of(secret), uid.clone(), replaces)).await {
            Ok(_) => {}
            // The one that was meant is gone, also when there is another one.
            Err(error) if error.is_not_found() || error.is_conflict() => {}
            Err(error) => return Err(error),
        }
        written.push(Written::Secret { name: secret.to_owned(), seen: None });
        Ok(())
    }

    async fn edit(&self, account: &str, edit: &Edit, written: &mut Vec<Written>) -> Result<(), ApiError> {
        let index = ACCOUNTS.iter().position(|it| *it == account).unwrap_or_default();
        // What the list becomes is computed from the version that the patch tests.
        let current = self.caller.world.borrow().cluster.account(self.place, index).cloned();
        let (version, list) = edited(edit, current.as_ref());
        let reply = match self.caller.call(Call::EditAccount(self.place, index, version, list)).await {
            Reply::Account(result) => result,
            _ => Err(refusal::broken()),
        };
        match reply {
            Ok(made) => {
                written.push(Written::Account(self.sights.account(self.place, index, &made)));
                Ok(())
            }
            Err(error) if error.is_not_found() => {
                written.push(Written::AccountGone { name: account.to_owned() });
                Ok(())
            }
            Err(error) if error.is_inapplicable_patch() => Err(ApiError::Overtaken),
            Err(error) => Err(error),
        }
    }

    fn push(&self, name: &str, made: Option<Secret>, written: &mut Vec<Written>) {
        written.push(Written::Secret { seen: made.map(|it| self.sights.ours(&it)), name: name.to_owned() });
    }
}

/// The version that an edit tests, and the list that its patch (RFC 6902) makes of the ServiceAccount's.
fn edited(edit: &Edit, account: Option<&Account>) -> (u64, Vec<u8>) {
    let operations = edit.patch();
    let tested = operations.first().and_then(|it| it["value"].as_str()?.parse().ok()).unwrap_or_default();
    let mut list =
        account.filter(|it| it.version == tested).map(|it| it.references.to_vec()).unwrap_or_default();
    let number = |value: &Value| {
        let name = value["name"].as_str().unwrap_or_default();
        REFERENCES.iter().position(|it| *it == name).unwrap_or_default() as u8
    };
    for operation in operations.iter().skip(1) {
        let path = operation["path"].as_str().unwrap_or_default();
        let index = path.rsplit('/').next().and_then(|it| it.parse::<usize>().ok());
        match (operation["op"].as_str(), index) {
            (Some("remove"), Some(index)) if index < list.len() => drop(list.remove(index)),
            (Some("remove"), _) => {}
            _ if path.ends_with('-') => list.push(number(&operation["value"])),
            _ => list = operation["value"].as_array().into_iter().flatten().map(number).collect(),
        }
    }
    (tested, list)
}

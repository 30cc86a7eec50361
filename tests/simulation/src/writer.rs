//! The simulated API server, as the product's executor of jobs asks it.

use std::cell::Cell;
use std::time::{Duration, Instant};

use distribution::job::{Job, Report};
use distribution::reference::{Edit, Operation};
use distribution::{Account as SeenAccount, Content, Placed, SeenSecret, Uid};
use executor::{NamespaceApi, WholeSecret};
use kubernetes::api_error::ApiError;

use crate::call::{Call, Reply};
use crate::caller::Caller;
use crate::cluster::{ACCOUNTS, Account, NAMESPACES, OBJECTS, REFERENCES, Secret};
use crate::refusal;
use crate::view::SharedViews;

/// Carries out a job.
pub async fn carry_out(caller: Caller, views: SharedViews, job: Job) -> Report {
    let place = NAMESPACES.iter().position(|it| **it == *job.namespace).unwrap_or_default();
    let writer = Writer { caller, views, place, began: Instant::now(), replaced: Cell::default() };
    executor::carry_out(&writer, job).await
}

struct Writer {
    caller: Caller,
    views: SharedViews,
    place: usize,
    began: Instant,
    /// Secrets, as bits, whose successors were admitted: they are deleted to be replaced.
    replaced: Cell<u8>,
}

/// Of an ImagePullSecret.
fn slot(name: &str) -> usize {
    OBJECTS.iter().position(|it| *it == name).unwrap_or_default()
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

    async fn made(&self, call: Call) -> Result<SeenSecret, ApiError> {
        let made = self.secret(call).await?;
        made.map(|made| self.views.ours(&made)).ok_or_else(refusal::broken)
    }
}

impl NamespaceApi for Writer {
    type Object = Secret;

    fn now(&self) -> Instant {
        self.began + Duration::from_millis(self.caller.world.borrow().now)
    }

    async fn create(&self, name: &str, content: &Content, dry_run: bool) -> Result<SeenSecret, ApiError> {
        self.views.password_in(content);
        let slot = slot(name);
        if dry_run {
            self.replaced.set(self.replaced.get() | 1 << slot);
        }
        self.made(Call::CreateSecret(self.place, slot, content.digest(), dry_run)).await
    }

    async fn patch(&self, name: &str, uid: &Uid, content: &Content) -> Result<SeenSecret, ApiError> {
        self.views.password_in(content);
        self.made(Call::UpdateSecret(self.place, slot(name), uid.clone(), content.digest())).await
    }

    async fn mark(&self, name: &str, uid: &Uid, content: &Content) -> Result<SeenSecret, ApiError> {
        self.made(Call::MarkSecret(self.place, slot(name), uid.clone(), content.digest())).await
    }

    async fn read(
        &self,
        secret: &str,
        known: Option<&Uid>,
        content: Option<&Content>,
    ) -> Result<Option<SeenSecret>, ApiError> {
        let found = self.secret(Call::GetSecret(self.place, slot_of(secret))).await?;
        Ok(found.map(|secret| self.views.in_the_way(&secret, known, content)))
    }

    async fn read_whole(&self, secret: &str) -> Result<Option<WholeSecret<Secret>>, ApiError> {
        let found = self.secret(Call::GetSecret(self.place, slot_of(secret))).await?;
        Ok(found.map(|object| WholeSecret {
            uid: object.uid.clone(),
            is_immutable: !object.mendable,
            object,
        }))
    }

    fn seen(&self, object: Secret, known: Option<&Uid>, content: &Content) -> SeenSecret {
        self.views.in_the_way(&object, known, Some(content))
    }

    async fn replace(&self, name: &str, object: Secret, content: &Content) -> Result<SeenSecret, ApiError> {
        self.made(Call::PutSecret(self.place, slot(name), object.version, content.digest())).await
    }

    async fn delete(&self, secret: &str, uid: &Uid) -> Result<(), ApiError> {
        let slot = slot_of(secret);
        let is_replaced = self.replaced.get() >> slot & 1 == 1;
        self.replaced.set(self.replaced.get() & !(1 << slot));
        let call = Call::DeleteSecret(self.place, slot, uid.clone(), is_replaced);
        self.secret(call).await.map(drop)
    }

    async fn edit(&self, account: &str, edit: &Edit) -> Result<Placed<SeenAccount>, ApiError> {
        let index = ACCOUNTS.iter().position(|it| *it == account).unwrap_or_default();
        // What the list becomes is computed from the version that the patch tests.
        let current = self.caller.world.borrow().cluster.account(self.place, index).cloned();
        let (version, list) = edited(edit, current.as_ref());
        match self.caller.call(Call::EditAccount(self.place, index, version, list)).await {
            Reply::Account(result) => result.map(|made| self.views.account(self.place, index, &made)),
            _ => Err(refusal::broken()),
        }
    }
}

/// The version that an edit tests, and what it makes of the ServiceAccount's list.
fn edited(edit: &Edit, account: Option<&Account>) -> (u64, Vec<u8>) {
    let tested = edit.version().version().0;
    let mut list =
        account.filter(|it| it.version == tested).map(|it| it.references.to_vec()).unwrap_or_default();
    let number = |name: &str| REFERENCES.iter().position(|it| *it == name).unwrap_or_default() as u8;
    for operation in edit.operations() {
        match operation {
            Operation::Remove(index) if index < list.len() => drop(list.remove(index)),
            Operation::Remove(_) => {}
            Operation::Append(name) => list.push(number(name)),
            Operation::Create(names) => list = names.iter().map(|name| number(name)).collect(),
        }
    }
    (tested, list)
}

//! How each effect is carried out.

use std::future::Future;

use credential::keeper;
use credential_plan::{Key, Order};
use distribution::Content;
use reconcile::Effect;
use reconcile::input::{Input, LinkEvent, Refused, StoredCredential};
use tcr::names::FINALIZER;
use tcr::verdict::Verdict;
use tokio::sync::watch;

use super::{Process, Task};
use crate::call::{Call, Reply};
use crate::caller::Caller;
use crate::cluster::OBJECTS;
use crate::services::Simulated;
use crate::view::SharedViews;
use crate::writer;

impl Process {
    fn caller(&mut self) -> Caller {
        self.next_task += 1;
        Caller { world: self.world.clone(), process: self.id, task: self.next_task }
    }

    fn spawn(
        &mut self,
        id: u32,
        orders: Option<(Key, watch::Sender<Order>)>,
        future: impl Future<Output = ()> + 'static,
    ) {
        self.tasks.push(Task { id, future: Box::pin(future), orders });
        self.poll(id);
    }

    pub(super) fn carry_out(&mut self, effect: Effect) {
        let (inbox, views) = (self.inbox.clone(), self.views.clone());
        match effect {
            Effect::RunJob(job) => {
                let caller = self.caller();
                self.spawn(caller.task, None, async move {
                    let report = writer::carry_out(caller, views, job).await;
                    inbox.borrow_mut().push_back(Input::JobEnded(report));
                });
            }
            Effect::WriteStatus { name, status } => {
                let caller = self.caller();
                self.spawn(caller.task, None, async move {
                    let call = Call::Status(slot(&name), status.clone());
                    let result = done(caller.call(call).await);
                    inbox.borrow_mut().push_back(Input::StatusWritten { name, status, result });
                });
            }
            Effect::WriteFinalizers { name, resource_version, finalizers } => {
                let caller = self.caller();
                self.spawn(caller.task, None, async move {
                    let version = resource_version.parse().unwrap_or_default();
                    let on = finalizers.iter().any(|it| it == FINALIZER);
                    let result = done(caller.call(Call::Finalize(slot(&name), version, on)).await);
                    inbox.borrow_mut().push_back(Input::FinalizersWritten { name, resource_version, result });
                });
            }
            Effect::CheckLogin { name, digest, content } => {
                let caller = self.caller();
                self.spawn(caller.task, None, async move {
                    let verdict = check(&caller, &views, content).await;
                    inbox.borrow_mut().push_back(Input::LoginChecked { name, digest, verdict });
                });
            }
            Effect::FindRival(target) => {
                inbox.borrow_mut().push_back(Input::RivalFound { target, rival: None });
            }
            Effect::ListInstances { name, id, .. } => {
                inbox.borrow_mut().push_back(Input::InstancesListed { name, id, result: Ok(Vec::new()) });
            }
            Effect::ListStoredCredentials => {
                let caller = self.caller();
                self.spawn(caller.task, None, async move {
                    let stored = match caller.call(Call::ListStored).await {
                        Reply::AllStored(Ok(documents)) => Some(documents),
                        _ => None,
                    };
                    let stored = stored.map(|documents| {
                        let one = |document: credential::store::Document| StoredCredential {
                            key: document.key,
                            on_delete: document.on_delete,
                        };
                        documents.into_iter().map(one).collect()
                    });
                    inbox.borrow_mut().push_back(Input::StoredCredentials(stored));
                });
            }
            Effect::StartKeeper { key, order } => {
                let (orders, receiver) = watch::channel(order);
                let caller = self.caller();
                let task = caller.task;
                let services = Simulated { caller, inbox, allowed_roots: self.allowed_roots.clone() };
                self.spawn(task, Some((key.clone(), orders)), keeper::keep(key, services, receiver));
            }
            Effect::OrderKeeper { key, order } => {
                let told = self.tasks.iter().rev().find_map(|task| {
                    let (_, orders) = task.orders.as_ref().filter(|(it, _)| *it == key)?;
                    let is_news = |now: &mut Order| std::mem::replace(now, order.clone()) != order;
                    orders.send_if_modified(is_news).then_some(task.id)
                });
                if let Some(task) = told {
                    self.poll(task);
                }
            }
            Effect::ResolveLinks(requests) => {
                let (number, links) = (requests.number, Vec::new());
                let links = LinkEvent::Links { number, links, applied: Some(Default::default()) };
                inbox.borrow_mut().push_back(Input::Links(links));
            }
            Effect::BecomeReady { .. } => self.is_ready = true,
            // Without them somebody's own Secrets are looked at now and then.
            Effect::WatchOthers(_) | Effect::WatchPods | Effect::LogRefusal { .. } => {}
            Effect::PublishEvent(_) => self.events += 1,
        }
    }
}

fn slot(name: &str) -> usize {
    OBJECTS.iter().position(|it| *it == name).unwrap_or_default()
}

fn done(reply: Reply) -> Result<(), Refused> {
    match reply {
        Reply::Done(Ok(())) => Ok(()),
        Reply::Done(Err(error)) if error.is_not_found() => Err(Refused::NotFound),
        Reply::Done(Err(error)) if error.is_conflict() => Err(Refused::Conflict),
        _ => Err(Refused::Failed),
    }
}

async fn check(caller: &Caller, views: &SharedViews, content: Option<Content>) -> Verdict {
    let unknown = |reason: &str| Verdict::Unknown { reason: reason.to_owned() };
    let Some(content) = content else { return unknown("the login was replaced meanwhile") };
    match caller.call(Call::Check(views.password_in(&content))).await {
        Reply::Verdict(verdict) => verdict,
        _ => unknown("no answer"),
    }
}

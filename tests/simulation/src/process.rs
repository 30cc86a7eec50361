//! One controller process: the product's reconciler and keepers, with a runtime in which nothing happens but what the
//! history says.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use credential::keeper;
use credential_plan::Key;
use credential_plan::Order;
use distribution::Content;
use jiff::SignedDuration;
use reconcile::effect::Effect;
use reconcile::input::{Input, LinkEvent, Now, Refused, StoredCredential, WatchEvent, Watched};
use reconcile::{Config, Reconciler};
use tcr::names::FINALIZER;
use tcr::verdict::Verdict;
use tokio::sync::watch;

use crate::cluster::{KINDS, Kind, OBJECTS, Record};
use crate::services::Simulated;
use crate::sight::SharedSights;
use crate::world::{Call, Caller, Reply, Shared};
use crate::writer;

/// How long a changed login waits for its registry's verdict.
pub const VERDICT_TIMEOUT: SignedDuration = SignedDuration::from_mins(10);

/// What tasks tell, in the order in which they told it.
pub type Inbox = Rc<RefCell<VecDeque<Input>>>;

struct Task {
    id: u32,
    future: Pin<Box<dyn Future<Output = ()>>>,
    /// Of a keeper.
    orders: Option<(Key, watch::Sender<Order>)>,
}

/// Where one watch is.
#[derive(Debug, Default)]
struct Cursor {
    /// What of a list is still to come.
    listed: VecDeque<Option<Record>>,
    /// A list was begun.
    began: bool,
    /// Records of the log that were read.
    at: usize,
}

/// One controller process.
pub struct Process {
    /// Which one.
    pub id: u32,
    /// It lost its lease and does not know yet.
    pub is_stale: bool,
    /// Everything was listed.
    pub is_ready: bool,
    /// Inputs that were taken in.
    pub inputs: usize,
    /// Events that were published.
    pub events: usize,
    reconciler: Reconciler,
    cursors: [Cursor; KINDS],
    tasks: Vec<Task>,
    next_task: u32,
    inbox: Inbox,
    effects: Vec<Effect>,
    batch: Vec<Input>,
    wake_at: Option<u64>,
    began: Instant,
    world: Shared,
    sights: SharedSights,
    allowed_roots: Rc<[String]>,
}

impl std::fmt::Debug for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Process")
            .field("id", &self.id)
            .field("is_stale", &self.is_stale)
            .finish_non_exhaustive()
    }
}

impl Process {
    /// A process that has just begun to lead.
    pub fn new(id: u32, world: Shared, sights: SharedSights) -> Self {
        let roots = vec!["tencentcloudcr.com".to_owned()];
        let config = Config {
            region: Some("ap-guangzhou".to_owned()),
            allowed_roots: roots.clone(),
            verdict_timeout: Some(VERDICT_TIMEOUT),
        };
        Self {
            id,
            is_stale: false,
            is_ready: false,
            inputs: 0,
            events: 0,
            reconciler: Reconciler::new(config, sights.key().clone()),
            cursors: Default::default(),
            tasks: Vec::new(),
            next_task: 0,
            inbox: Rc::default(),
            effects: Vec::new(),
            batch: Vec::new(),
            wake_at: None,
            began: Instant::now(),
            world,
            sights,
            allowed_roots: roots.into(),
        }
    }

    /// The watch breaks off, and lists anew.
    pub fn relist(&mut self, kind: Kind) {
        self.cursors[kind as usize] = Cursor::default();
    }

    /// Whether the watch has something to tell.
    pub fn is_behind(&self, kind: Kind) -> bool {
        let cursor = &self.cursors[kind as usize];
        !cursor.began || !cursor.listed.is_empty() || cursor.at < self.world.borrow().cluster.log(kind).len()
    }

    /// Takes in at most so many events of one watch; how many there were.
    pub fn deliver(&mut self, kind: Kind, most: usize) -> usize {
        for _ in 0..most {
            let Some(event) = self.next_event(kind) else { break };
            self.batch.push(Input::Watch(event));
        }
        let count = self.batch.len();
        if count > 0 {
            self.step();
        }
        count
    }

    fn next_event(&mut self, kind: Kind) -> Option<WatchEvent> {
        let world = self.world.borrow();
        let cursor = &mut self.cursors[kind as usize];
        if !cursor.began {
            cursor.began = true;
            cursor.listed = world.cluster.list(kind).into_iter().map(Some).chain([None]).collect();
            cursor.at = world.cluster.log(kind).len();
            return Some(event(&self.sights, kind, Watched::ListBegan));
        }
        if let Some(record) = cursor.listed.pop_front() {
            return Some(match record {
                Some(record) => event(&self.sights, kind, Watched::Listed(&record)),
                None => event(&self.sights, kind, Watched::ListEnded),
            });
        }
        let record = world.cluster.log(kind).get(cursor.at)?;
        cursor.at += 1;
        let is_gone = matches!(
            record,
            Record::Namespace(_, None)
                | Record::Account(_, _, None)
                | Record::SecretGone(..)
                | Record::ObjectGone(_)
                | Record::Password(None)
        );
        Some(event(
            &self.sights,
            kind,
            if is_gone { Watched::Deleted(record) } else { Watched::Applied(record) },
        ))
    }

    /// When something is to be done without anybody telling anything.
    pub fn wakes_at(&self) -> Option<u64> {
        let world = self.world.borrow();
        let timers = world.timers.iter().filter(|(_, process, _)| *process == self.id).map(|(at, _, _)| *at);
        timers.chain(self.wake_at).min()
    }

    /// Does what it is time for; whether there was anything.
    pub fn wake(&mut self) -> bool {
        let now = self.world.borrow().now;
        let due: Vec<u32> = {
            let world = self.world.borrow();
            let due = world.timers.iter().filter(|(at, process, _)| *at <= now && *process == self.id);
            due.map(|(_, _, task)| *task).collect()
        };
        let is_due = self.wake_at.is_some_and(|at| at <= now);
        self.inputs += due.len() + usize::from(is_due);
        for task in &due {
            self.poll(*task);
        }
        if is_due || !self.inbox.borrow().is_empty() {
            self.step();
        }
        is_due || !due.is_empty()
    }

    /// A task of it has an answer.
    pub fn answered(&mut self, task: u32) {
        self.inputs += 1;
        self.poll(task);
        if !self.inbox.borrow().is_empty() {
            self.step();
        }
    }

    fn poll(&mut self, task: u32) {
        let Some(index) = self.tasks.iter().position(|it| it.id == task) else { return };
        let mut context = Context::from_waker(Waker::noop());
        if self.tasks[index].future.as_mut().poll(&mut context) == Poll::Ready(()) {
            drop(self.tasks.swap_remove(index));
        }
    }

    fn step(&mut self) {
        // What a step starts may tell something at once.
        for _ in 0..64 {
            self.batch.extend(self.inbox.borrow_mut().drain(..));
            self.inputs += self.batch.len();
            let (milliseconds, wall, random) = {
                let mut world = self.world.borrow_mut();
                (world.now, world.timestamp(), world.random.draw())
            };
            let now = Now { monotonic: self.began + Duration::from_millis(milliseconds), wall, random };
            let next = self.reconciler.step(self.batch.drain(..), now, &mut self.effects);
            // Rounded up: what is due within this millisecond is due at its end.
            self.wake_at = next.map(|at| {
                let until = at.saturating_duration_since(self.began);
                u64::try_from(until.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX).max(milliseconds)
            });
            for effect in std::mem::take(&mut self.effects) {
                self.carry_out(effect);
            }
            if self.inbox.borrow().is_empty() {
                return;
            }
        }
        self.world.borrow_mut().fail("a step leads to another one without end", String::new());
    }

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

    fn carry_out(&mut self, effect: Effect) {
        let (inbox, sights) = (self.inbox.clone(), self.sights.clone());
        match effect {
            Effect::RunJob(job) => {
                let caller = self.caller();
                self.spawn(caller.task, None, async move {
                    let report = writer::carry_out(caller, sights, job).await;
                    inbox.borrow_mut().push_back(Input::JobEnded(report));
                });
            }
            Effect::WriteStatus { name, status } => {
                let caller = self.caller();
                self.spawn(caller.task, None, async move {
                    let call = Call::Status(slot(&name), Rc::new((*status).clone()));
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
                    let verdict = check(&caller, &sights, content).await;
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
                    let order = order.clone();
                    let is_news = |now: &mut Order| {
                        *now != order && {
                            *now = order.clone();
                            true
                        }
                    };
                    orders.send_if_modified(is_news).then_some(task.id)
                });
                if let Some(task) = told {
                    self.poll(task);
                }
            }
            Effect::ResolveLinks(_) => {
                let links = LinkEvent::Links { links: Vec::new(), applied: Default::default() };
                inbox.borrow_mut().push_back(Input::Links(links));
            }
            Effect::BecomeReady { .. } => self.is_ready = true,
            Effect::WatchPods | Effect::LogRefusal { .. } => {}
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

async fn check(caller: &Caller, sights: &SharedSights, content: Option<Content>) -> Verdict {
    let unknown = |reason: &str| Verdict::Unknown { reason: reason.to_owned() };
    let Some(content) = content else { return unknown("the login was replaced meanwhile") };
    match caller.call(Call::Check(sights.password_in(&content))).await {
        Reply::Verdict(verdict) => verdict,
        _ => unknown("no answer"),
    }
}

fn event(sights: &SharedSights, kind: Kind, of: Watched<&Record>) -> WatchEvent {
    match kind {
        Kind::Object => WatchEvent::ImagePullSecret(of.map(|record| {
            Box::new(match record {
                Record::Object(slot, object) => sights.object(*slot, object),
                Record::ObjectGone(slot) => sights.gone(*slot),
                _ => sights.gone(0),
            })
        })),
        Kind::Namespace => WatchEvent::Namespace(of.map(|record| match record {
            Record::Namespace(place, Some((terminating, label))) => {
                sights.namespace(*place, *terminating, *label)
            }
            Record::Namespace(place, None) => sights.namespace(*place, true, false),
            _ => sights.namespace(0, true, false),
        })),
        Kind::Account => WatchEvent::Account(of.map(|record| match record {
            Record::Account(place, index, Some(account)) => sights.account(*place, *index, account),
            Record::Account(place, index, None) => sights.account_gone(*place, *index),
            _ => sights.account_gone(0, 0),
        })),
        Kind::Secret => WatchEvent::Secret(of.map(|record| match record {
            Record::Secret(place, slot, secret) | Record::SecretGone(place, slot, secret) => {
                Some(sights.watched(*place, *slot, secret))
            }
            _ => None,
        })),
        Kind::Password => WatchEvent::Password(of.map(|record| match record {
            Record::Password(Some((version, number))) => sights.password(*version, *number),
            _ => sights.password(0, 0),
        })),
    }
}

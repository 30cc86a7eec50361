//! One controller process: the product's reconciler and keepers, with a runtime in which nothing happens but what the
//! history says.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use credential_plan::{Key, Order};
use jiff::SignedDuration;
use reconcile::{Config, Effect, Input, Now, Reconciler};
use tokio::sync::watch;

use crate::cluster::{KINDS, Kind};
use crate::view::SharedViews;
use crate::world::Shared;
use watches::Cursor;

mod effects;
mod watches;

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
    views: SharedViews,
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
    pub fn new(id: u32, world: Shared, views: SharedViews) -> Self {
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
            reconciler: Reconciler::new(config, views.key().clone()),
            cursors: Default::default(),
            tasks: Vec::new(),
            next_task: 0,
            inbox: Rc::default(),
            effects: Vec::new(),
            batch: Vec::new(),
            wake_at: None,
            began: Instant::now(),
            world,
            views,
            allowed_roots: roots.into(),
        }
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
                (world.now, world.controllers_time(), world.random.draw())
            };
            let now = Now { monotonic: self.began + Duration::from_millis(milliseconds), wall, random };
            let next = self.reconciler.step(self.batch.drain(..), now, &mut self.effects);
            // Rounded up: what is due within this millisecond is due at its end.
            self.wake_at = next.map(|at| {
                let until = at.saturating_duration_since(self.began);
                u64::try_from(until.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX).max(milliseconds)
            });
            let mut effects = std::mem::take(&mut self.effects);
            effects.drain(..).for_each(|effect| self.carry_out(effect));
            self.effects = effects;
            if self.inbox.borrow().is_empty() {
                return;
            }
        }
        self.world.borrow_mut().fail("a step leads to another one without end", String::new());
    }
}

//! One history: its actions are carried out one by one, then everybody else stops, and all has to become right.

use std::cell::RefCell;
use std::rc::Rc;

use crate::action::Action;
use crate::call::{Fate, Service};
use crate::fault::{Fault, Faults};
use crate::in_flight::Served;
use crate::invariants::Broken;
use crate::process::Process;
use crate::view::SharedViews;
use crate::world::{Shared, World};

mod act;
mod settle;

/// What came of a history.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Inputs that controllers took in, before everybody else stopped.
    pub inputs: usize,
    /// Faults that it had.
    pub faults: Faults,
    /// The rule that was broken.
    pub broken: Option<Broken>,
    /// How many of its actions were carried out by then.
    pub at: usize,
    /// Writes of controllers, until all was right and quiet.
    pub writes: usize,
}

impl Outcome {
    /// What stands for the outcome of the history of this seed where only equality matters.
    pub fn digest(&self, seed: u64) -> u64 {
        tcr::checksum::fnv1a(format!("{seed} {self:?}").as_bytes())
    }
}

/// Carries out the actions of a history.
pub struct History {
    world: Shared,
    views: SharedViews,
    processes: Vec<Process>,
    started: u32,
    faults: Faults,
    inputs: usize,
    existed: u8,
    tell: Tell,
}

impl std::fmt::Debug for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("History").finish_non_exhaustive()
    }
}

/// Hears of what happens, where somebody listens.
pub type Tell = Option<fn(&str)>;

/// Carries out a history. `tell` hears of each action that did something.
pub fn run(seed: u64, actions: &[Action], views: &SharedViews, tell: Tell) -> Outcome {
    let mut history = History {
        world: Rc::new(RefCell::new(World::new(seed, views.clone()))),
        views: views.clone(),
        processes: Vec::new(),
        started: 0,
        faults: Faults::default(),
        inputs: 0,
        existed: 0,
        tell,
    };
    let mut at = 0;
    for action in actions {
        at += 1;
        let call = match action {
            Action::Serve(pick, _) if tell.is_some() => {
                let mut world = history.world.borrow_mut();
                world.drop_late();
                world.describe(usize::from(*pick))
            }
            _ => String::new(),
        };
        if history.act(*action) {
            history.say(|| format!("{action:?} {call}"));
        }
        if history.world.borrow().broken.is_some() {
            break;
        }
    }
    let inputs = history.inputs();
    if history.world.borrow().broken.is_none() {
        history.settle();
    }
    let broken = history.world.borrow_mut().broken.take();
    let (faults, writes) = (history.faults, history.world.borrow().all_writes());
    // Tasks hold the world, and the world outlives them.
    history.processes.clear();
    Outcome { inputs, faults, broken, at, writes }
}

impl History {
    fn inputs(&self) -> usize {
        self.inputs + self.processes.iter().map(|it| it.inputs).sum::<usize>()
    }

    fn say(&self, what: impl FnOnce() -> String) {
        if let Some(tell) = self.tell {
            tell(&format!("{:>9} {}", self.world.borrow().now, what()));
        }
    }

    fn process(&mut self, number: u8) -> Option<&mut Process> {
        let count = self.processes.len();
        if count == 0 { None } else { self.processes.get_mut(usize::from(number) % count) }
    }

    fn start(&mut self) {
        self.started += 1;
        self.processes.push(Process::new(self.started, self.world.clone(), self.views.clone()));
    }

    fn kill(&mut self, index: usize) {
        let process = self.processes.remove(index);
        self.inputs += process.inputs;
        let id = process.id;
        drop(process);
        self.world.borrow_mut().abandon(id);
    }

    fn leader(&self) -> Option<usize> {
        self.processes.iter().position(|it| !it.is_stale)
    }

    /// Carries out an action; whether it did anything.
    fn act(&mut self, action: Action) -> bool {
        // No two things happen at the same time.
        self.world.borrow_mut().now += 1;
        let did = self.act_now(action);
        if did {
            self.end_overdue_calls();
            // What is due by now is done by the process that runs.
            for index in 0..self.processes.len() {
                self.processes[index].wake();
            }
        }
        did
    }

    fn serve(&mut self, pick: usize, fate: Fate) -> bool {
        let Some(served) = self.world.borrow_mut().serve(pick, fate) else { return false };
        self.take_served(served, fate);
        true
    }

    /// Nobody waits for an answer for ever.
    fn end_overdue_calls(&mut self) {
        loop {
            let served = self.world.borrow_mut().serve_overdue();
            let Some((served, fate)) = served else { return };
            self.take_served(served, fate);
        }
    }

    fn take_served(&mut self, served: Served, fate: Fate) {
        let Served { process, task, service, is_awaited } = served;
        self.count_fate(service, fate);
        if is_awaited && let Some(process) = self.processes.iter_mut().find(|it| it.id == process) {
            process.answered(task);
        }
    }

    fn count_fate(&mut self, service: Service, fate: Fate) {
        let fault = match (service, fate) {
            (_, Fate::Well) => return,
            (Service::Cloud | Service::Creation, Fate::Refused(how)) => return self.faults.add_cloud(how),
            (Service::Cloud, Fate::Lost | Fate::GivenUp) => Fault::CloudLost,
            (Service::Cloud, Fate::AnswerLost(_)) => Fault::CloudAnswerLost,
            (Service::Creation, Fate::Lost) => Fault::CreationLost,
            (Service::Creation, Fate::AnswerLost(_)) => Fault::CreationAnswerLost,
            (Service::Creation, Fate::GivenUp) => Fault::CreationGivenUp,
            (Service::Registry, _) => Fault::RegistryUnanswered,
            (Service::Store, Fate::AnswerLost(_)) => Fault::StoreAnswerLost,
            (Service::Store, _) => Fault::StoreFails,
            (Service::Api, Fate::Refused(_)) => Fault::ApiRefused,
            (Service::Api, Fate::Lost) => Fault::ApiLost,
            (Service::Api, Fate::AnswerLost(_)) => Fault::ApiAnswerLost,
            (Service::Api, Fate::GivenUp) => Fault::ApiGivenUp,
        };
        self.faults.add(fault);
    }
}

//! One history: its actions are carried out one by one, then everybody else stops, and all has to become right.

use std::cell::RefCell;
use std::rc::Rc;

use crate::action::Action;
use crate::cloud::Mood;
use crate::cluster::{ALL_KINDS, Labels, NAMESPACES, OBJECTS, Secret, denied};
use crate::fault::{Fault, Faults};
use crate::invariants::Broken;
use crate::process::Process;
use crate::sight::SharedSights;
use crate::spec::{self, Login};
use crate::world::{Fate, Served, Service, Shared, World};
use distribution::{Digest, Uid};

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
}

/// How long everything may take to become right once everybody else has stopped: the longest pause after a refused
/// credential, and the grace of a replaced one.
const SETTLES_WITHIN: u64 = 8 * 3_600_000;
/// How long it has to be quiet then.
const SILENCE: u64 = 12 * 60_000;
/// Turns without time going by, after which it is called a loop.
const MOST_TURNS: usize = 400;

/// Carries out the actions of a history.
pub struct History {
    world: Shared,
    sights: SharedSights,
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
pub fn run(seed: u64, actions: &[Action], sights: &SharedSights, tell: Tell) -> Outcome {
    let mut history = History {
        world: Rc::new(RefCell::new(World::new(seed, sights.clone()))),
        sights: sights.clone(),
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
            Action::Serve(pick, _) if tell.is_some() => history.world.borrow().describe(usize::from(*pick)),
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
    let faults = history.faults;
    // Tasks hold the world, and the world outlives them.
    history.processes.clear();
    Outcome { inputs, faults, broken, at }
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
        self.processes.push(Process::new(self.started, self.world.clone(), self.sights.clone()));
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
            // What is due by now is done by whoever runs.
            for index in 0..self.processes.len() {
                self.processes[index].wake();
            }
        }
        did
    }

    fn act_now(&mut self, action: Action) -> bool {
        match action {
            Action::Deliver(process, kind, most) => {
                // Of the next kind that has something, so that few actions do nothing.
                let Some(process) = self.process(process) else { return false };
                let kinds = ALL_KINDS.iter().cycle().skip(kind as usize).take(ALL_KINDS.len());
                let kind = kinds.copied().find(|kind| process.is_behind(*kind));
                kind.is_some_and(|kind| process.deliver(kind, usize::from(most)) > 0)
            }
            Action::Relist(process, kind) => match self.process(process) {
                Some(process) => {
                    process.relist(kind);
                    self.world.borrow_mut().has_relisted = true;
                    self.faults.add(Fault::Relist);
                    true
                }
                None => false,
            },
            Action::Serve(pick, fate) => self.serve(usize::from(pick), fate),
            Action::Wake(process) => {
                let Some(at) = self.process(process).and_then(|it| it.wakes_at()) else { return false };
                let mut world = self.world.borrow_mut();
                world.now = world.now.max(at);
                true
            }
            Action::Pass(milliseconds) => {
                self.world.borrow_mut().now += u64::from(milliseconds);
                true
            }
            Action::Start => {
                let starts = self.leader().is_none();
                if starts {
                    self.start();
                }
                starts
            }
            Action::Crash => match self.leader() {
                Some(index) => {
                    self.kill(index);
                    self.faults.add(Fault::Crash);
                    true
                }
                None => false,
            },
            Action::Supersede => match self.leader() {
                Some(index) if self.processes.len() == 1 => {
                    self.processes[index].is_stale = true;
                    let mut world = self.world.borrow_mut();
                    (world.is_blurred, world.is_superseded) = (true, true);
                    drop(world);
                    self.start();
                    self.faults.add(Fault::Supersede);
                    true
                }
                _ => false,
            },
            Action::Retire => match self.processes.iter().position(|it| it.is_stale) {
                Some(index) => {
                    self.kill(index);
                    true
                }
                None => false,
            },
            Action::CreateToken => {
                let mut world = self.world.borrow_mut();
                let now = world.timestamp();
                world.cloud.create_foreign(now);
                true
            }
            Action::Registry(mood) => self.registry(mood),
            Action::Isolate(is_stopped) => {
                let mut world = self.world.borrow_mut();
                let did = std::mem::replace(&mut world.cloud.is_stopped, is_stopped) != is_stopped;
                if did && is_stopped {
                    self.faults.add(Fault::Isolated);
                }
                did
            }
            Action::KillToken(number) | Action::DisableToken(number) => self.harm_token(action, number),
            Action::CreateObject(slot, spec) => {
                self.world.borrow_mut().create_object(usize::from(slot), usize::from(spec))
            }
            Action::ChangeSpec(slot, spec) => {
                let did = self.world.borrow_mut().change_spec(usize::from(slot), usize::from(spec));
                self.count(did, Fault::SpecChanged)
            }
            Action::DeleteObject(slot) => {
                let did = self.world.borrow_mut().delete_object(usize::from(slot));
                self.count(did, Fault::ObjectDeleted)
            }
            Action::Rotate(slot) => {
                let did = self.world.borrow_mut().rotate(usize::from(slot));
                self.count(did, Fault::RotationAsked)
            }
            Action::SetPassword(number) => {
                let number = Some(usize::from(number)).filter(|it| *it < spec::PASSWORDS.len());
                self.world.borrow_mut().set_password(number);
                self.count(true, Fault::PasswordChanged)
            }
            _ => self.act_in_namespace(action),
        }
    }

    fn count(&mut self, did: bool, fault: Fault) -> bool {
        if did {
            self.faults.add(fault);
        }
        did
    }

    fn act_in_namespace(&mut self, action: Action) -> bool {
        let no_leader = self.processes.is_empty();
        let mut world = self.world.borrow_mut();
        let (did, fault) = match action {
            Action::CreateNamespace(place, label) => {
                let did = world.cluster.create_namespace(usize::from(place), label);
                let again = did && self.existed >> place & 1 == 1;
                self.existed |= 1 << place;
                (did, again.then_some(Fault::NamespaceRecreated))
            }
            Action::DeleteNamespace(place) => {
                let did = world.cluster.change_namespace(usize::from(place), |it| it.terminating = true);
                (did, Some(Fault::NamespaceDeleted))
            }
            Action::Relabel(place) => {
                let did = world.cluster.change_namespace(usize::from(place), |it| it.label = !it.label);
                (did, Some(Fault::Relabelled))
            }
            Action::Manage(place) => (world.manage(usize::from(place)), None),
            Action::ApplyAccount(place, index, list) => {
                (world.apply_account(usize::from(place), usize::from(index), list), Some(Fault::ListApplied))
            }
            Action::DeleteAccount(place, index) => {
                let did = world.cluster.delete_account(usize::from(place), usize::from(index));
                (did, Some(Fault::AccountDeleted))
            }
            Action::Deny(place, what) => {
                let (bit, fault) = [
                    (denied::SECRETS, Fault::SecretsDenied),
                    (denied::FIRST_ACCOUNT, Fault::AccountDenied),
                    (denied::DELETIONS, Fault::DeletionsDenied),
                    (0, Fault::DeletionsDenied),
                ][usize::from(what) % 4];
                match &mut world.cluster.namespaces[usize::from(place)] {
                    Some(namespace) if bit == 0 => {
                        namespace.denied = 0;
                        (true, None)
                    }
                    Some(namespace) => {
                        namespace.denied |= bit;
                        (true, Some(fault))
                    }
                    None => (false, None),
                }
            }
            Action::Quota(place, most) => match &mut world.cluster.namespaces[usize::from(place)] {
                Some(namespace) => {
                    namespace.quota = Some(most).filter(|it| *it < 3);
                    (true, (most < 3).then_some(Fault::Quota))
                }
                None => (false, None),
            },
            Action::CreateForeign(place, slot, same_registry) => {
                let (place, slot) = (usize::from(place), usize::from(slot));
                let (did, replaces) = world.create_foreign(place, slot, same_registry);
                (did || replaces, did.then_some(Fault::Foreign))
            }
            Action::DeleteSecret(place, slot) => {
                let did = world.others_delete(usize::from(place), usize::from(slot));
                (did, Some(Fault::SecretDeleted))
            }
            Action::EditBytes(place, slot) => {
                let bytes = Digest::of(b"edited");
                (world.edit(place, slot, |it| it.digest = Some(bytes)), Some(Fault::BytesEdited))
            }
            Action::TakeLabels(place, slot) => {
                (world.edit(place, slot, |it| it.labels = Labels::None), Some(Fault::LabelsTaken))
            }
            Action::WrongLabel(place, slot) => {
                // Whoever labels a Secret as ours gives it away.
                let give = |it: &mut Secret| (it.labels, it.given) = (Labels::Wrong, true);
                (world.edit(place, slot, give), Some(Fault::WrongLabel))
            }
            Action::TakeMark(place, slot) => {
                (world.edit(place, slot, |it| it.mark = None), Some(Fault::MarkTaken))
            }
            Action::Freeze(place, slot) => {
                (world.edit(place, slot, |it| it.mendable = false), Some(Fault::Frozen))
            }
            _ => (false, None),
        };
        drop(world);
        let edits = matches!(
            action,
            Action::EditBytes(..)
                | Action::TakeLabels(..)
                | Action::WrongLabel(..)
                | Action::TakeMark(..)
                | Action::Freeze(..)
        );
        if did && edits && no_leader {
            self.faults.add(Fault::EditedWithoutLeader);
        }
        if let Some(fault) = fault.filter(|_| did) {
            self.faults.add(fault);
        }
        did
    }

    fn registry(&mut self, mood: u8) -> bool {
        let mood = [Mood::Well, Mood::Well, Mood::Unreachable, Mood::Refusing][usize::from(mood) % 4];
        let mut world = self.world.borrow_mut();
        let did = std::mem::replace(&mut world.registry, mood) != mood;
        world.registry_failed |= mood != Mood::Well;
        drop(world);
        match mood {
            Mood::Well => did,
            Mood::Unreachable => self.count(did, Fault::RegistryUnreachable),
            Mood::Refusing => self.count(did, Fault::RegistryRefuses),
        }
    }

    fn harm_token(&mut self, action: Action, number: u8) -> bool {
        let mut world = self.world.borrow_mut();
        let count = world.cloud.tokens.len();
        if count == 0 {
            return false;
        }
        let index = usize::from(number) % count;
        let deletes = matches!(action, Action::KillToken(_));
        world.harm_token(index, deletes);
        drop(world);
        self.count(true, if deletes { Fault::TokenKilled } else { Fault::TokenDisabled })
    }

    fn serve(&mut self, pick: usize, fate: Fate) -> bool {
        let Some(Served { process, task, kind, awaited }) = self.world.borrow_mut().serve(pick, fate) else {
            return false;
        };
        self.count_fate(kind, fate);
        if awaited && let Some(process) = self.processes.iter_mut().find(|it| it.id == process) {
            process.answered(task);
        }
        true
    }

    fn count_fate(&mut self, kind: Service, fate: Fate) {
        let fault = match (kind, fate) {
            (_, Fate::Well) => return,
            (Service::Cloud | Service::Creation, Fate::Refused(how)) => return self.faults.add_cloud(how),
            (Service::Cloud, Fate::Lost | Fate::GivenUp) => Fault::CloudLost,
            (Service::Cloud, Fate::AnswerLost(_)) => Fault::CloudAnswerLost,
            (Service::Creation, Fate::Lost) => Fault::CreationLost,
            (Service::Creation, Fate::AnswerLost(_)) => Fault::CreationAnswerLost,
            (Service::Creation, Fate::GivenUp) => Fault::CreationGivenUp,
            (Service::Registry, _) => {
                self.world.borrow_mut().registry_failed = true;
                Fault::RegistryUnanswered
            }
            (Service::Store, Fate::AnswerLost(_)) => Fault::StoreAnswerLost,
            (Service::Store, _) => Fault::StoreFails,
            (Service::Api, Fate::Refused(_)) => Fault::ApiRefused,
            (Service::Api, Fate::Lost) => Fault::ApiLost,
            (Service::Api, Fate::AnswerLost(_)) => Fault::ApiAnswerLost,
            (Service::Api, Fate::GivenUp) => Fault::ApiGivenUp,
        };
        self.faults.add(fault);
    }

    /// Everybody else stops, faults end, and time goes on until all is right and quiet.
    fn settle(&mut self) {
        while let Some(index) = self.processes.iter().position(|it| it.is_stale) {
            self.kill(index);
        }
        if self.processes.is_empty() {
            self.start();
        }
        let began = {
            let mut world = self.world.borrow_mut();
            world.end_faults();
            world.now
        };
        self.say(|| "everybody else stops".to_owned());
        let (mut turns, mut quiet_since, mut written) = (0, began, usize::MAX);
        loop {
            turns += 1;
            if self.turn() {
                if turns > MOST_TURNS {
                    self.world
                        .borrow_mut()
                        .fail("it comes to rest in a bounded number of steps", String::new());
                }
                if self.world.borrow().broken.is_some() {
                    return;
                }
                continue;
            }
            turns = 0;
            let now = self.world.borrow().now;
            let writes = self.world.borrow().all_writes();
            if writes != written {
                (written, quiet_since) = (writes, now);
            }
            let next = self.processes[0].wakes_at().unwrap_or(u64::MAX);
            let wrong = self.world.borrow().what_is_wrong(now - began);
            match wrong {
                // Nothing happens before that.
                None if next - quiet_since >= SILENCE => return,
                Some(wrong) if wrong.is_final || now - began > SETTLES_WITHIN => {
                    self.world.borrow_mut().fail(wrong.rule, wrong.how);
                    return;
                }
                _ => {}
            }
            if now - began > SETTLES_WITHIN {
                self.world.borrow_mut().fail("once all is right nothing is written any more", String::new());
                return;
            }
            let mut world = self.world.borrow_mut();
            // Also without a timer time goes on.
            world.now = next.clamp(now + 1, now + SILENCE);
            drop(world);
            self.processes[0].wake();
        }
    }

    /// Everything that can be done without time going by; whether there was anything.
    fn turn(&mut self) -> bool {
        let mut did = false;
        for place in 0..NAMESPACES.len() {
            while self.world.borrow_mut().manage(place) {
                did = true;
            }
        }
        for kind in ALL_KINDS {
            did |= self.processes[0].deliver(kind, 64) > 0;
        }
        let under_way = self.world.borrow().under_way();
        for _ in 0..under_way {
            self.say(|| format!("    {}", self.world.borrow().describe(0)));
            did |= self.serve(0, Fate::Well);
        }
        did |= self.processes[0].wakes_at().is_some_and(|at| at <= self.world.borrow().now)
            && self.processes[0].wake();
        did
    }
}

/// Somebody else's Secret.
pub fn foreign(same_registry: bool) -> Secret {
    Secret {
        uid: Uid::of(""),
        version: 0,
        digest: Some(Digest::of(if same_registry { b"theirs".as_slice() } else { b"another's" })),
        labels: Labels::None,
        mark: None,
        mendable: true,
        made_by_us: false,
        given: false,
        same_registry,
    }
}

/// Whether a spec's login needs the Secret with the password.
pub fn needs_password(spec: usize) -> bool {
    spec::meaning(spec).login == Login::Reference
}

/// How many ImagePullSecrets there may be.
pub const MOST_OBJECTS: usize = OBJECTS.len();

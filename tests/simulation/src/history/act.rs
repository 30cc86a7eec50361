//! What each action does.

use distribution::Digest;

use super::History;
use crate::action::Action;
use crate::cloud::RegistryState;
use crate::cluster::{ALL_KINDS, Labels, Secret, denied};
use crate::fault::Fault;
use crate::spec;

impl History {
    pub(super) fn act_now(&mut self, action: Action) -> bool {
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
            Action::SetClock(minutes) => {
                let mut world = self.world.borrow_mut();
                let did = std::mem::replace(&mut world.clock_error, i64::from(minutes) * 60_000);
                let did = did != world.clock_error;
                world.has_set_clock |= did;
                drop(world);
                self.count(did, Fault::ClockSet)
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
                    world.blurred.fill(true);
                    (world.has_blurred_tokens, world.is_superseded) = (true, true);
                    world.has_former = true;
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
                    self.world.borrow_mut().has_former = false;
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
            Action::Registry(state) => self.registry(state),
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
                // A user who labels a Secret as ours gives it away.
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

    fn registry(&mut self, state: u8) -> bool {
        let state =
            [RegistryState::Well, RegistryState::Well, RegistryState::Unreachable, RegistryState::Refusing]
                [usize::from(state) % 4];
        let mut world = self.world.borrow_mut();
        let did = std::mem::replace(&mut world.registry, state) != state;
        world.registry_lied |= state == RegistryState::Refusing;
        drop(world);
        match state {
            RegistryState::Well => did,
            RegistryState::Unreachable => self.count(did, Fault::RegistryUnreachable),
            RegistryState::Refusing => self.count(did, Fault::RegistryRefuses),
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
}

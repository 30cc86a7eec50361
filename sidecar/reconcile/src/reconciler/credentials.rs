//! Events about credentials: from their keepers, and from registries at which the logins of ImagePullSecrets
//! are tried. [`credential_plan::rollout`] decides what a registry's answer leads to.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::Reconciler;
use crate::distributed;
use crate::effect::{Effect, Event};
use crate::input::Now;
use crate::item::Item;
use crate::object::NotReady;
use crate::status;
use credential_plan::CredentialEvent;
use credential_plan::Key;
use credential_plan::request::Answer;
use custom_resource::condition::{ConditionReason, EventReason};
use distribution::Digest;
use tcr::verdict::Verdict;

/// Login checks at the same time.
const MOST_CHECKS: usize = 32;
/// The longest sleep before the next look at what is due: the clock may have been set meanwhile.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

impl Reconciler {
    /// Starts the login checks that are due; returns when the next one is.
    pub(super) fn check_logins(&mut self, now: Now, effects: &mut Vec<Effect>) -> Option<Instant> {
        if self.config.verdict_timeout.is_none() || !self.listings.are_complete() {
            return None;
        }
        let has_waited = |item: &&Item| item.rollout.has_waited(now.wall) && !item.object.deleting;
        let waited: Vec<String> =
            self.items.values().filter(has_waited).map(|item| item.object.name.clone()).collect();
        waited.iter().for_each(|name| self.refresh(name, now, effects));
        let mut next: Option<Timestamp> = None;
        for (name, item) in self.items.iter_mut().filter(|(_, item)| !item.object.deleting) {
            for digest in item.rollout.due(now.wall) {
                if self.checks_in_flight >= MOST_CHECKS {
                    // The end of one of them starts the next.
                    return None;
                }
                self.checks_in_flight += 1;
                item.rollout.ask(digest);
                let content = item.content_of(digest).cloned();
                effects.push(Effect::CheckLogin { name: name.clone(), digest, content });
            }
            next = [next, item.rollout.next()].into_iter().flatten().min();
        }
        let pause = Duration::try_from(next?.duration_since(now.wall)).unwrap_or_default();
        Some(now.monotonic + pause.min(LONGEST_SLEEP))
    }

    pub(super) fn take_login_checked(
        &mut self,
        name: &str,
        digest: Digest,
        verdict: Verdict,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        self.checks_in_flight = self.checks_in_flight.saturating_sub(1);
        let Some(item) = self.items.get_mut(name) else { return };
        if let Some(reason) = item.rollout.answer(digest, verdict, now.wall) {
            let message = format!("{reason}: correct spec.docker, or make its credential valid again");
            effects.push(Event::warning(item, ConditionReason::CredentialRefused, message));
        }
        self.refresh(name, now, effects);
        let Some(item) = self.items.get_mut(name) else { return };
        if let Some(can_push) = item.rollout.can_push() {
            take_rights(item, can_push, effects);
        }
    }

    pub(super) fn take_credential(
        &mut self,
        key: &Key,
        event: CredentialEvent,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        match event {
            CredentialEvent::Available { held, why } => {
                self.keepers.take(key, held, why);
                let users = self.items.values().filter(|item| item.key() == Some(key));
                let users: Vec<String> = users.map(|item| item.object.name.clone()).collect();
                users.iter().for_each(|name| self.refresh(name, now, effects));
            }
            CredentialEvent::LetIn { can_push } => {
                self.users(key).for_each(|item| take_rights(item, can_push, effects));
            }
            CredentialEvent::Failing { reason, message } => {
                for item in self.users(key) {
                    let problem = NotReady { reason, message: message.clone() };
                    if item.problem.as_ref() != Some(&problem) {
                        effects.push(Event::warning(item, reason, message.clone()));
                    }
                    item.problem = Some(problem);
                    item.needs_report = true;
                }
            }
            CredentialEvent::Recovered => {
                for item in self.users(key) {
                    item.problem = None;
                    item.needs_report = true;
                }
            }
            CredentialEvent::Happened { reason, message } => {
                self.users(key).for_each(|item| effects.push(Event::normal(item, reason, message.clone())));
            }
            CredentialEvent::Answered(Answer { id, state, message }) => {
                for item in self.users(key) {
                    item.answer(id, state, message.clone());
                }
            }
            CredentialEvent::Ended => {
                self.keepers.remove(key);
                self.keepers.settle(&self.items, effects);
                self.report_all();
            }
        }
    }

    fn users(&mut self, key: &Key) -> impl Iterator<Item = &mut Item> {
        self.items.values_mut().filter(move |item| item.key() == Some(key))
    }

    /// Tells keepers which credentials have no older copy left in any namespace. Only then is the previous
    /// credential revoked.
    pub(super) fn look_for_old_copies(&mut self, effects: &mut Vec<Effect>) {
        let state = self.distributor.state();
        let rolling_out = self.keepers.rolling_out().filter(|(key, held)| {
            let mut items = self.items.values().filter(|item| !item.object.deleting);
            items.all(|item| match item.key() == Some(*key) {
                true => {
                    let content = item.content.as_ref().filter(|_| item.held.as_ref() == Some(*held));
                    content.is_some_and(|it| !distributed::has_another(state, &item.object.name, it))
                }
                // A spec that moved to another credential: what is distributed is of this one until the other is there.
                false => !item.uses(key) || !distributed::is_any(state, &item.object.name),
            })
        });
        let rolled_out: Vec<Key> = rolling_out.map(|(key, _)| key.clone()).collect();
        rolled_out.iter().for_each(|key| self.keepers.set_rolled_out(key, effects));
        let mut has_moved = false;
        for item in self.items.values_mut() {
            let name = item.object.name.as_str();
            let may_have_old_copies = item.has_unknown_copies || !item.moving_from.is_empty();
            let is_left = match &item.content {
                _ if !may_have_old_copies => continue,
                Some(content) => distributed::has_another(state, name, content),
                // Its desired content is not known yet.
                None if item.object.has_credential() => continue,
                None => distributed::is_anywhere(state, name),
            };
            if !is_left {
                item.moving_from.clear();
                item.has_unknown_copies = false;
                has_moved = true;
            }
        }
        if has_moved {
            self.keepers.settle(&self.items, effects);
        }
    }
}

/// The registry granted this login these rights.
fn take_rights(item: &mut Item, can_push: bool, effects: &mut Vec<Effect>) {
    if item.can_push.replace(can_push) == Some(can_push) {
        return;
    }
    item.needs_report = true;
    if can_push {
        effects.push(Event::warning(item, EventReason::CanPush, status::CAN_PUSH.to_owned()));
    }
}

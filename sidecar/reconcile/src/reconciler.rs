//! The controller's decisions as one value: inputs go into [`Reconciler::step`], and effects come out.
//!
//! It has no client, clock, channel, task, log or source of randomness: the same inputs at the same moments
//! give the same effects. The executor keeps the order that [`input`](crate::input) and
//! [`effect`](crate::effect) document.

use std::collections::BTreeMap;
use std::time::Instant;

use jiff::SignedDuration;

use crate::contested;
use crate::distributed;
use crate::distributor::Distributor;
use crate::effect::{Effect, Event};
use crate::input::{Input, Now, WatchEvent, Watched};
use crate::item::{InFlight, Item, Items};
use crate::keepers::Keepers;
use crate::links::Links;
use crate::metrics::{Gauges, ObjectGauges};
use crate::nodes::Nodes;
use crate::password::Passwords;
use crate::pods::StuckPods;
use crate::relist::Relist;
use custom_resource::condition::ConditionReason;
use distribution::Target;
use distribution::mark::InstallationKey;

mod credentials;
mod objects;
mod report;
mod requests;
#[cfg(test)]
mod tests;

/// Settings that differ between clusters.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The cluster's region.
    pub region: Option<String>,
    /// Root domains that registries may be under.
    pub allowed_roots: Vec<String>,
    /// How long a changed login waits for its registry's verdict; none where login checks are off.
    pub verdict_timeout: Option<SignedDuration>,
}

/// The controller's whole state.
#[derive(Debug)]
pub struct Reconciler {
    config: Config,
    distributor: Distributor,
    items: Items,
    /// Unanswered writes to ImagePullSecrets that are gone.
    writes_of_gone: BTreeMap<String, InFlight>,
    relist: Relist<String>,
    passwords: Passwords,
    keepers: Keepers,
    links: Links,
    pods: StuckPods,
    listings: Listings,
    /// The first lists are complete.
    is_ready: bool,
    remnants: report::Remnants,
    /// Login checks that are running.
    checks_in_flight: usize,
}

/// Which first lists are complete.
#[derive(Clone, Copy, Debug, Default)]
struct Listings {
    objects: bool,
    namespaces: bool,
    accounts: bool,
    secrets: bool,
    passwords: bool,
}

impl Listings {
    /// Until then an object that is missing may only not have been listed yet.
    fn are_complete(self) -> bool {
        self.objects && self.namespaces && self.accounts && self.secrets && self.passwords
    }
}

impl Reconciler {
    /// An empty one. Secrets of ours are marked with this key.
    pub fn new(config: Config, key: InstallationKey) -> Self {
        Self {
            config,
            distributor: Distributor::new(key),
            items: Items::new(),
            writes_of_gone: BTreeMap::new(),
            relist: Relist::default(),
            passwords: Passwords::default(),
            keepers: Keepers::default(),
            links: Links::default(),
            pods: StuckPods::default(),
            listings: Listings::default(),
            is_ready: false,
            remnants: report::Remnants::default(),
            checks_in_flight: 0,
        }
    }

    /// Takes in the inputs and adds what is to be done now to `effects`. Returns when the next step is due at
    /// the latest, also without an input; none when only an input can make one due.
    pub fn step(
        &mut self,
        inputs: impl IntoIterator<Item = Input>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Option<Instant> {
        for input in inputs {
            self.take(input, now, effects);
        }
        let contest_at = self.expire_contests(now.monotonic);
        let check_at = self.check_logins(now, effects);
        let job_at = match self.is_ready {
            true => self.distributor.start_jobs(now, effects),
            false => None,
        };
        let report_at = self.report(now, effects);
        [contest_at, check_at, job_at, report_at].into_iter().flatten().min()
    }

    /// The metrics in Prometheus' text format.
    pub fn metrics(&self, now: Instant) -> String {
        let objects = self.items.iter().map(|(name, item)| ObjectGauges {
            name,
            sum: self.distributor.state().sum(name),
            stuck: self.pods.count(name),
            contested: self.distributor.contested(name).map_or(0, |(count, _)| count),
            expires: item.held.as_ref().and_then(|held| held.expires_at).map(|at| at.as_second()),
            issued: item.held.as_ref().map(|held| held.issued_at.as_second()),
            status: &item.written,
        });
        let queue = self.distributor.queue();
        let gauges = Gauges {
            depth: queue.depth(),
            oldest: queue.oldest(now),
            backlog: self.distributor.backlog().len(),
            namespaces: self.distributor.state().observed().names().count(),
            objects: objects.collect(),
        };
        let nodes = self.links.nodes().map(Nodes::metrics).unwrap_or_default();
        self.distributor.counters().text(&gauges) + &nodes
    }

    fn take(&mut self, input: Input, now: Now, effects: &mut Vec<Effect>) {
        match input {
            Input::Watch(event) => self.take_watch_event(event, now, effects),
            Input::JobEnded(report) => {
                let failing = self.distributor.take_report(report, &self.items, now, effects);
                // The tallies tell what else the job changed. A deleted object may have waited for the end of
                // the job.
                for (name, item) in &mut self.items {
                    item.needs_report |= item.object.deleting || failing.contains(name);
                }
            }
            Input::StatusWritten { name, status, result } => match self.items.get_mut(&name) {
                Some(item) => item.end_writing_status(status, result, now.monotonic),
                None => self.end_write_of_gone(&name, |in_flight| in_flight.status = false),
            },
            Input::FinalizersWritten { name, resource_version, result } => match self.items.get_mut(&name) {
                Some(item) => item.end_finalizing(resource_version, result, now.monotonic),
                None => self.end_write_of_gone(&name, |in_flight| in_flight.finalizers = false),
            },
            Input::LoginChecked { name, digest, verdict } => {
                self.take_login_checked(&name, digest, verdict, now, effects);
            }
            Input::RivalFound { target, rival } => self.take_rival(&target, rival, effects),
            Input::InstancesListed { name, id, result } => self.take_instances(&name, id, result),
            Input::StoredCredentials(stored) => self.take_stored(stored, now.monotonic, effects),
            Input::Credential(key, event) => self.take_credential(&key, event, now, effects),
            Input::Links(event) => {
                for (name, link) in self.links.take(event) {
                    if let Some(item) = self.items.get_mut(&name) {
                        item.link = link;
                    }
                }
                self.report_all();
            }
        }
    }

    fn end_write_of_gone(&mut self, name: &str, end: impl FnOnce(&mut InFlight)) {
        let Some(in_flight) = self.writes_of_gone.get_mut(name) else { return };
        end(in_flight);
        if !in_flight.is_any() {
            self.writes_of_gone.remove(name);
        }
    }

    fn take_watch_event(&mut self, event: WatchEvent, now: Now, effects: &mut Vec<Effect>) {
        let Self { distributor, listings, .. } = self;
        let Now { monotonic, .. } = now;
        match event {
            WatchEvent::ImagePullSecret(event) => return self.take_object(event, now, effects),
            WatchEvent::Password(event) => return self.take_password(event, now, effects),
            WatchEvent::Other(name, event) => distributor.take_other(&name, event, monotonic),
            WatchEvent::Pod(event) => {
                return self.pods.take(event, self.distributor.state(), &self.items, effects);
            }
            WatchEvent::Namespace(event) => {
                listings.namespaces |= event.ends_a_list();
                distributor.take_namespace(event, monotonic);
            }
            WatchEvent::Account(event) => {
                listings.accounts |= event.ends_a_list();
                distributor.take_account(event, monotonic, effects);
            }
            WatchEvent::Secret(event) => {
                listings.secrets |= event.ends_a_list();
                distributor.take_secret(event, monotonic, effects);
            }
        }
        self.begin_if_all_is_listed(now, effects);
    }

    fn take_password(
        &mut self,
        event: Watched<crate::password::Password>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let changed = match event {
            Watched::Applied(password) | Watched::Listed(password) => {
                let name = password.name.clone();
                self.passwords.set(password);
                vec![name]
            }
            Watched::Deleted(password) => {
                self.passwords.remove(&password.name);
                vec![password.name]
            }
            Watched::ListBegan => return self.passwords.begin_listing(),
            Watched::ListEnded => {
                let gone = self.passwords.end_listing();
                self.listings.passwords = true;
                self.begin_if_all_is_listed(now, effects);
                gone
            }
        };
        if self.is_ready {
            self.refresh_users(&changed, now, effects);
        }
    }

    /// Refreshes ImagePullSecrets whose passwords are in one of these Secrets.
    fn refresh_users(&mut self, secrets: &[String], now: Now, effects: &mut Vec<Effect>) {
        let uses =
            |item: &&Item| item.object.password_reference().is_some_and(|it| secrets.contains(&it.name));
        let names: Vec<String> =
            self.items.values().filter(uses).map(|item| item.object.name.clone()).collect();
        names.iter().for_each(|name| self.refresh(name, now, effects));
    }

    fn begin_if_all_is_listed(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.is_ready || !self.listings.are_complete() {
            return;
        }
        let state = self.distributor.state();
        for (name, item) in &mut self.items {
            item.has_unknown_copies = distributed::is_any(state, name);
        }
        self.refresh_all(now, effects);
        self.settle_links(effects);
        self.is_ready = true;
        let namespaces = self.distributor.push_all(now.monotonic);
        // Only now can be decided which Pods are stuck.
        effects.push(Effect::WatchPods);
        effects.push(Effect::BecomeReady { namespaces, image_pull_secrets: self.items.len() });
    }

    fn refresh_all(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let names: Vec<String> = self.items.keys().cloned().collect();
        names.iter().for_each(|name| self.refresh(name, now, effects));
    }

    /// Not before the first lists are complete: entries that no ImagePullSecret asks for are removed from the
    /// nodes.
    fn settle_links(&mut self, effects: &mut Vec<Effect>) {
        if self.listings.are_complete() {
            self.links.settle(&self.items, effects);
        }
    }

    /// Every status may be out of date.
    fn report_all(&mut self) {
        self.items.values_mut().for_each(|item| item.needs_report = true);
    }

    /// Ends contests that were quiet long enough; returns when the next one ends.
    fn expire_contests(&mut self, now: Instant) -> Option<Instant> {
        let contests = self.distributor.contests();
        let has_expired = contests.next_end()? <= now && contests.expire(now);
        let next = contests.next_end();
        if has_expired {
            self.report_all();
        }
        next
    }

    fn take_rival(&mut self, target: &Target, rival: Option<String>, effects: &mut Vec<Effect>) {
        let contests = self.distributor.contests();
        let Some(contest) = contests.contested().find(|(it, _)| *it == target).map(|(_, it)| it) else {
            return;
        };
        if let Some(item) = self.items.get_mut(&contest.image_pull_secret) {
            item.needs_report = true;
            let message = contested::warning(target, rival.as_deref());
            effects.push(Event::warning(item, ConditionReason::Contested, message));
        }
        if let Some(rival) = rival {
            contests.name_rival(target, rival);
        }
    }
}

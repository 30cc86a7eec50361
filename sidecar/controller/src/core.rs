//! The one task that keeps the state: takes what watches and keepers tell, hands jobs to writers, and
//! reports how far each ImagePullSecret is.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use kube::Client;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::Settings;
use super::announce::{Announcement, Announcer};
use super::backlog::Backlog;
use super::execute::{Ended, FailedWrite, Hand, Job, Report, Written, carry_out};
use super::failures::{Failures, Remembered};
use super::item::{Checks, Item};
use super::keepers::Keepers;
use super::links::Links;
use super::login_checks::LoginChecked;
use super::numbers::Numbers;
use super::password::Passwords;
use super::pods::StuckPods;
use super::queue::{End, Lane, Queue};
use super::report::Reported;
use super::state::State;
use super::tasks::{TaskFailed, Tasks};
use super::unlisted::Unlisted;
use super::watch_streams::{self, Sighting};
use credential::Key;
use credential::keeper::News;
use distribution::mark::InstallationKey;
use distribution::order::hold_back;
use distribution::{
    Change, Content, Contests, Distribution, Namespace, SeenSecret, Target, TargetKind, plan,
};
use tcr::names::derived_secret_name;

mod sightings;

/// Writers at a time.
const WRITERS: usize = 32;
/// Of them, those that bulk work may take: somebody waits for the rest.
const BULK_WRITERS: usize = 28;
/// Sightings taken in before writers are looked at again.
const BATCH: usize = 512;
/// How often a Secret of somebody else that is in the way is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(300);

/// What the core takes in.
#[derive(Debug)]
pub(super) struct Inputs {
    /// From watches.
    pub(super) sightings: mpsc::Receiver<Sighting>,
    /// From keepers of credentials.
    pub(super) news: mpsc::Receiver<(Key, News)>,
    /// From the poller of private links.
    pub(super) links: mpsc::Receiver<super::links::LinkNews>,
    /// Requests for the numbers of `/metrics`.
    pub(super) asked: mpsc::Receiver<oneshot::Sender<String>>,
    /// Turns true when the process shall end.
    pub(super) stop: watch::Receiver<bool>,
}

/// Whom the core tells.
#[derive(Debug)]
pub(super) struct Outputs {
    /// Turns true when everything was listed.
    pub(super) ready: watch::Sender<bool>,
    /// For watches that start later.
    pub(super) see: mpsc::Sender<Sighting>,
    /// For tasks that start later.
    pub(super) tasks: Tasks,
}

/// The state and what works on it.
pub(super) struct Core {
    pub(super) client: Client,
    pub(super) settings: Arc<Settings>,
    hand: Arc<Hand>,
    pub(super) announcer: Announcer,
    pub(super) state: State,
    pub(super) items: BTreeMap<String, Item>,
    pub(super) keepers: Keepers,
    pub(super) links: Links,
    pub(super) passwords: Passwords,
    pub(super) failures: Failures,
    pub(super) reports: JoinSet<Reported>,
    pub(super) login_checks: JoinSet<LoginChecked>,
    pub(super) queue: Queue,
    pub(super) backlog: Backlog,
    pub(super) contests: Contests,
    pub(super) stuck: StuckPods,
    pub(super) numbers: Numbers,
    pub(super) swept: bool,
    pub(super) listings: Listings,
    writers: JoinSet<Report>,
    /// Secrets that somebody changes while they are watched, by namespace: they are read at once.
    changed: HashMap<Arc<str>, Vec<Arc<str>>>,
    /// When the Secrets of others in a namespace are looked at again.
    look_at: HashMap<Arc<str>, Instant>,
    unlisted_objects: Unlisted<String>,
    unlisted_namespaces: Unlisted<Arc<str>>,
    outputs: Outputs,
}

/// A Secret of ours that has to be read.
struct Unread {
    secret: String,
    /// What it shall hold.
    content: Content,
    /// As far as its metadata say.
    is_as_wanted: bool,
}

/// Which first lists are complete.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Listings {
    objects: bool,
    namespaces: bool,
    accounts: bool,
    secrets: bool,
    passwords: bool,
}

impl Listings {
    /// Before everything is known, what is missing might only not have been seen yet.
    pub(super) fn are_complete(self) -> bool {
        self.objects && self.namespaces && self.accounts && self.secrets && self.passwords
    }
}

impl Core {
    pub(super) fn new(
        client: Client,
        settings: Arc<Settings>,
        key: InstallationKey,
        keepers: Keepers,
        links: Links,
        outputs: Outputs,
    ) -> Self {
        Self {
            announcer: Announcer::start(client.clone(), &outputs.tasks),
            hand: Arc::new(Hand::new(client.clone(), key.clone())),
            client,
            settings,
            state: State::new(Arc::new(key)),
            items: BTreeMap::new(),
            keepers,
            links,
            passwords: Passwords::default(),
            failures: Failures::default(),
            reports: JoinSet::new(),
            login_checks: JoinSet::new(),
            queue: Queue::default(),
            backlog: Backlog::default(),
            contests: Contests::default(),
            stuck: StuckPods::default(),
            numbers: Numbers::default(),
            swept: false,
            listings: Listings::default(),
            writers: JoinSet::new(),
            changed: HashMap::new(),
            look_at: HashMap::new(),
            unlisted_objects: Unlisted::default(),
            unlisted_namespaces: Unlisted::default(),
            outputs,
        }
    }

    /// Works until told to stop; then lets the writers end.
    ///
    /// # Errors
    /// One of its tasks panicked: what that knew is lost, and a new process has to begin anew.
    pub(super) async fn run(mut self, mut inputs: Inputs) -> Result<(), TaskFailed> {
        loop {
            let backlog_at = self.let_in(Instant::now());
            self.start_writers();
            let report_at = self.report(Instant::now());
            let check_at = self.check_logins();
            let contest_end = self.expire_contests(Instant::now());
            let wake =
                [self.queue.next(), backlog_at, report_at, check_at, contest_end].into_iter().flatten().min();
            let wake = wake.unwrap_or_else(|| Instant::now() + Duration::from_secs(60));
            tokio::select! {
                _ = inputs.stop.wait_for(|stop| *stop) => break,
                Some(report) = self.writers.join_next() => self.take_report(TaskFailed::or("a writer", report)?),
                Some(reported) = self.reports.join_next() => self.take_reported(TaskFailed::or("a report", reported)?),
                Some(checked) = self.login_checks.join_next() => {
                    self.take_login_checked(TaskFailed::or("a question to a registry", checked)?);
                }
                Some((key, news)) = inputs.news.recv() => self.take_news(&key, news),
                Some(news) = inputs.links.recv() => self.take_link(news),
                Some(asked) = inputs.asked.recv() => drop(asked.send(self.metrics())),
                Some(sighting) = inputs.sightings.recv() => {
                    self.take(sighting);
                    for _ in 0..BATCH {
                        match inputs.sightings.try_recv() {
                            Ok(sighting) => self.take(sighting),
                            Err(_) => break,
                        }
                    }
                }
                () = tokio::time::sleep_until(wake.into()) => {}
            }
        }
        // Writes that were begun end; nothing new begins.
        while self.writers.join_next().await.is_some() {}
        while self.reports.join_next().await.is_some() {}
        Ok(())
    }

    /// Another region's instance costs traffic and time, and may not be reached privately at all.
    fn compare_regions(&self, name: &str) {
        let Some(item) = self.items.get(name).filter(|item| !item.object.deleting) else { return };
        let (Some(instance), Some(cluster)) = (item.object.region(), self.settings.region.as_deref()) else {
            return;
        };
        if instance != cluster {
            tracing::warn!(image_pull_secret = name, instance, cluster, "the instance is in another region");
            let message = format!(
                "spec.tcr.region is {instance} and the cluster is in {cluster}: pulls cross regions; use an instance of \
                 the cluster's region, or one that is replicated to it"
            );
            let (name, uid) = (name.to_owned(), item.object.uid.clone());
            self.announcer.say(Announcement { name, uid, warning: true, reason: "RegionDiffers", message });
        }
    }

    fn listing_done(&mut self) {
        if !self.listings.are_complete() || *self.outputs.ready.borrow() {
            return;
        }
        self.refresh_all();
        self.settle_links();
        let names: Vec<Arc<str>> = self.state.observed().names().cloned().collect();
        names.iter().for_each(|name| self.queue.push(name, Lane::Bulk));
        tracing::info!(
            namespaces = names.len(),
            image_pull_secrets = self.items.len(),
            "everything was listed"
        );
        // Only now can be told which of them are stuck.
        watch_streams::start_pods(&self.client, &self.outputs.see, &self.outputs.tasks);
        // Nobody listening means that nobody asks.
        let _ = self.outputs.ready.send(true);
    }

    /// Namespaces were listed anew: one may have gone, and come again, without a word, and somebody's own Secret
    /// with it.
    pub(super) fn look_at_others_now(&mut self) {
        let now = Instant::now();
        for (namespace, at) in &mut self.look_at {
            *at = now;
            self.queue.push(namespace, Lane::Bulk);
        }
    }

    /// Not before everything is known: what nobody wants is taken off the nodes.
    pub(super) fn settle_links(&self) {
        if self.listings.are_complete() {
            self.links.settle(&self.items);
        }
    }

    fn refresh_all(&mut self) {
        let names: Vec<String> = self.items.keys().cloned().collect();
        names.iter().for_each(|name| self.refresh(name));
    }

    /// Brings what an ImagePullSecret asks for up to date after its spec, a password or a credential
    /// changed.
    pub(super) fn refresh(&mut self, name: &str) {
        self.keepers.settle(&self.items, &self.settings, &self.client);
        self.settle_links();
        let Some(item) = self.items.get_mut(name) else { return };
        let key = item.object.key();
        let held = key.as_ref().and_then(|key| self.keepers.held(key));
        item.replaced = key.as_ref().and_then(|key| self.keepers.why(key)).map(str::to_owned);
        let checks = self.settings.registry.as_ref().map(|_| Checks {
            is_all_listed: self.listings.are_complete(),
            timeout: self.settings.verdict_timeout,
            now: Timestamp::now(),
        });
        item.fill(&self.passwords, held, &self.settings.allowed_roots, &mut self.state, checks.as_ref());
        let distribution = item.object.distribution(item.content.clone());
        item.dirty = true;
        if self.state.ask(name, distribution) && *self.outputs.ready.borrow() {
            let names: Vec<Arc<str>> = self.state.observed().names().cloned().collect();
            names.iter().for_each(|name| self.queue.push(name, Lane::Bulk));
            self.advise_all();
        }
    }

    /// Lets in some of what nobody waits for; when the next are.
    fn let_in(&mut self, now: Instant) -> Option<Instant> {
        if !*self.outputs.ready.borrow() {
            return None;
        }
        let namespaces = self.backlog.let_in(now);
        namespaces.iter().for_each(|namespace| self.queue.push(namespace, Lane::Bulk));
        self.backlog.next()
    }

    fn start_writers(&mut self) {
        if !*self.outputs.ready.borrow() {
            return;
        }
        let now = Instant::now();
        while self.writers.len() < WRITERS {
            let Some(namespace) = self.queue.pop(now, self.writers.len() < BULK_WRITERS) else { return };
            match self.job(&namespace, now) {
                Some(job) => drop(self.writers.spawn(carry_out(self.hand.clone(), job))),
                None => self.finish(&namespace, End::Done, now),
            }
        }
    }

    /// What is to be done in a namespace now, if anything.
    fn job(&mut self, namespace: &Arc<str>, now: Instant) -> Option<Job> {
        let seen = self.state.observed().get(namespace)?;
        let look_again = self.look_again(namespace, now);
        let was_let_in = self.backlog.enters(namespace);
        let changed = self.changed.remove(namespace).unwrap_or_default();
        let is_read_now =
            |it: &Unread| was_let_in || !it.is_as_wanted || changed.iter().any(|name| **name == *it.secret);
        let (unread, later): (Vec<_>, Vec<_>) =
            self.unread(namespace, seen, now).into_iter().partition(is_read_now);
        if !later.is_empty() {
            self.backlog.push(namespace);
        }
        if !look_again.is_empty() || !unread.is_empty() {
            if !look_again.is_empty() {
                self.look_at.insert(namespace.clone(), now + LOOK_AGAIN);
            }
            // What is planned comes after that, with what was found.
            let look = unread.into_iter().map(|it| (it.secret, it.content)).chain(look_again).collect();
            return Some(Job { namespace: namespace.clone(), look, changes: Vec::new() });
        }
        let changes = plan(namespace, seen, self.state.desired());
        if self.failures.is_any_in(namespace) {
            let planned: BTreeSet<_> = changes.iter().map(Change::target).collect();
            let is_to_be_read = |name: &str| {
                let wants = |(_, it): (_, &Distribution)| it.content.is_some() && it.wants(namespace, seen);
                seen.secrets.get(name).is_some_and(SeenSecret::is_unread)
                    && self.state.desired().of_secret(name).is_some_and(wants)
            };
            let is_wanted = |(kind, name): (TargetKind, &str)| {
                planned.contains(&(kind, name.into())) || (kind == TargetKind::Secret && is_to_be_read(name))
            };
            if self.failures.retain(namespace, is_wanted) {
                self.items.values_mut().for_each(|item| item.dirty = true);
            }
        }
        let mut changes = hold_back(changes, |kind, name| self.is_held(namespace, kind, name, now));
        if self.failures.is_any_in(namespace) {
            // What was not refused before comes first, then what has waited longest: there may not be time for all.
            changes.sort_by_cached_key(|change| {
                let (kind, name) = change.target();
                (change.stage(), self.failures.until(namespace, kind, &name))
            });
        }
        let changes: Vec<_> = changes
            .into_iter()
            .map(|change| {
                let known = match &change {
                    Change::CreateSecret { name, .. } => {
                        self.state.lost(namespace, &derived_secret_name(name))
                    }
                    _ => None,
                };
                let known = known.cloned();
                (change, known)
            })
            .collect();
        let may_wait = changes.iter().all(|(change, _)| matches!(change, Change::MarkSecret { .. }));
        if changes.is_empty() {
            return None;
        }
        if may_wait && !was_let_in {
            self.backlog.push(namespace);
            return None;
        }
        Some(Job { namespace: namespace.clone(), look: Vec::new(), changes })
    }

    /// Secrets of ours of which only the metadata was seen. Those that nobody wants need not be read, and those that
    /// somebody fights for wait as long as their repair.
    fn unread(&self, place: &Arc<str>, seen: &Namespace, now: Instant) -> Vec<Unread> {
        let unread = |(name, secret): (&str, &SeenSecret)| {
            let SeenSecret::Ours { digest, labelled, marked, unread: true, .. } = secret else { return None };
            let (_, distribution) = self.state.desired().of_secret(name)?;
            let content = distribution.content.clone().filter(|_| distribution.wants(place, seen))?;
            if self.is_held(place, TargetKind::Secret, name, now) {
                return None;
            }
            // A Secret without a mark is one of a release that made none: it may wait.
            let is_as_wanted = *labelled && (!marked || *digest == Some(content.digest()));
            Some(Unread { secret: name.to_owned(), content, is_as_wanted })
        };
        seen.secrets.iter().filter_map(unread).collect()
    }

    /// Whether the object is left as it is for now: somebody fights for it, or it was refused.
    fn is_held(&self, namespace: &Arc<str>, kind: TargetKind, name: &str, now: Instant) -> bool {
        let target = Target { namespace: namespace.clone(), kind, name: name.into() };
        self.contests.held_until(&target, now).is_some() || self.failures.holds(namespace, kind, name, now)
    }

    fn look_again(&self, namespace: &Arc<str>, now: Instant) -> Vec<(String, Content)> {
        if self.look_at.get(namespace).is_none_or(|at| *at > now) {
            return Vec::new();
        }
        let Some(seen) = self.state.observed().get(namespace) else { return Vec::new() };
        let foreign = seen.secrets.iter().filter(|(_, secret)| !secret.is_ours());
        let again = |(name, _): (&str, &SeenSecret)| {
            let (_, distribution) = self.state.desired().of_secret(name)?;
            Some((name.to_owned(), distribution.content.clone()?))
        };
        foreign.filter_map(again).collect()
    }

    fn take_report(&mut self, Report { namespace, looked, written, failed, ended, took }: Report) {
        let now = Instant::now();
        self.numbers.took(took);
        self.numbers.wrote(written.len());
        for one in looked.iter().chain(&written) {
            if let Written::Secret { name, seen: Some(SeenSecret::Foreign { .. }) } = one {
                self.look_at.insert(namespace.clone(), now + LOOK_AGAIN);
                self.announce_conflict(&namespace, name);
            }
        }
        written.iter().for_each(|one| self.failures.succeed(&namespace, one.kind(), one.name()));
        let has_deleted = written.iter().any(|one| matches!(one, Written::Secret { seen: None, .. }));
        let has_looked = !looked.is_empty();
        for (name, news) in self.state.looked(&namespace, looked) {
            self.take_drift(&namespace, TargetKind::Secret, &name.into(), news);
        }
        self.state.written(&namespace, written);
        let waits_alone = self.take_failed(&namespace, failed, now);
        if has_deleted {
            self.failures.make_room(&namespace, now);
        }
        if ended == Ended::Overtaken {
            self.numbers.overtaken();
        }
        let end = match ended {
            Ended::Unanswered => End::Failed,
            _ if !waits_alone => End::Failed,
            Ended::Overtaken => End::Overtaken,
            Ended::Done | Ended::NamespaceGoing | Ended::OutOfTime => End::Done,
        };
        self.finish(&namespace, end, now);
        if has_looked || ended == Ended::OutOfTime {
            self.queue.push(&namespace, Lane::Urgent);
        }
        self.items.values_mut().for_each(|item| item.dirty = true);
    }

    /// Remembers what was refused; whether each waits by itself.
    fn take_failed(&mut self, namespace: &Arc<str>, failed: Vec<FailedWrite>, now: Instant) -> bool {
        let mut told: BTreeMap<String, (String, usize)> = BTreeMap::new();
        let mut waits_alone = true;
        for one in failed {
            self.numbers.failed();
            let (kind, owners) = (one.kind.as_str(), one.image_pull_secrets.clone());
            let text = format!("{kind} {namespace}/{}: {}", one.name, one.message);
            let name = self.state.share(&one.name);
            let Remembered { is_remembered, new_for } =
                self.failures.fail(namespace, name, one, now, random());
            waits_alone &= is_remembered;
            match is_remembered && new_for.is_empty() {
                true => tracing::debug!(text, "a write failed again; trying again later"),
                false => tracing::warn!(text, "a write failed; trying again"),
            }
            for owner in owners {
                let Some(item) = self.items.get(&owner) else { continue };
                if self.failures.may_tell(&owner, new_for.contains(&owner), item.object.deleting) {
                    told.entry(owner).or_insert((text.clone(), 0)).1 += 1;
                }
            }
        }
        for (name, (text, count)) in told {
            let Some(item) = self.items.get(&name) else { continue };
            let more =
                if count > 1 { format!(" (and {} more in {namespace})", count - 1) } else { String::new() };
            self.announcer.say(Announcement {
                uid: item.object.uid.clone(),
                name,
                warning: true,
                reason: "WritesFailed",
                message: format!("cannot write {text}{more}; trying again, everything else goes on"),
            });
        }
        waits_alone
    }

    fn finish(&mut self, namespace: &Arc<str>, end: End, now: Instant) {
        self.queue.finish(namespace, end, now, random());
        let next = [self.contests.next_in(namespace, now), self.failures.next_in(namespace, now)];
        if let Some(at) = next.into_iter().flatten().min() {
            self.queue.push_at(namespace, at);
        }
        let Some(at) = self.look_at.get(namespace).copied() else { return };
        let seen = self.state.observed().get(namespace);
        match seen.is_some_and(|seen| seen.secrets.values().any(|secret| !secret.is_ours())) {
            true => self.queue.push_at(namespace, at),
            false => drop(self.look_at.remove(namespace)),
        }
    }

    fn announce_conflict(&self, namespace: &str, secret: &str) {
        let Some((name, _)) = self.state.desired().of_secret(secret) else { return };
        let Some(item) = self.items.get(name) else { return };
        // The first one is news; how many there are, the condition tells.
        if self.state.sum(name).conflicts > 0 {
            return;
        }
        self.announcer.say(Announcement {
            name: name.to_owned(),
            uid: item.object.uid.clone(),
            warning: true,
            reason: "Conflict",
            message: format!(
                "the Secret {namespace}/{secret} is somebody else's and is left alone; delete it, or set \
                 spec.conflictPolicy to adopt or overwrite"
            ),
        });
    }

    /// Whether nothing is left to write now.
    pub(super) fn is_settled(&self) -> bool {
        *self.outputs.ready.borrow() && self.queue.is_idle() && self.writers.is_empty()
    }
}

fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

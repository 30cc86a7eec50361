//! Which namespaces have work, and what it is. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tcr::names::derived_secret_name;

use crate::backlog::Backlog;
use crate::effect::{Effect, Event};
use crate::failures::{Failures, Remembered};
use crate::input::{Now, Watched};
use crate::item::Items;
use crate::numbers::Counters;
use crate::queue::{End, Lane, Queue};
use crate::state::{Kind, News, State};
use crate::unlisted::Unlisted;
use distribution::job::{Ended, FailedWrite, Job, Report, Written};
use distribution::mark::InstallationKey;
use distribution::order::hold_back;
use distribution::{
    Account, Change, Content, Contest, Contests, Distribution, Namespace, Placed, SeenNamespace, SeenSecret,
    Target, TargetKind, plan,
};

/// Jobs at a time.
const MOST_JOBS: usize = 32;
/// Of them, those that bulk work may take: somebody waits for the rest.
const MOST_BULK_JOBS: usize = 28;
/// How often a Secret of somebody else that is in the way is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(300);
/// The API server lets whoever creates something in a namespace that its own cache does not know yet wait for
/// 50 ms (`missingNamespaceWait` in k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle), and our watch may
/// be faster than that cache. The namespace's first ServiceAccount shows that it knows, and ends this wait.
const NEW_NAMESPACE_WAIT: Duration = Duration::from_millis(10);

/// What namespaces have and shall have, and what is written in them next.
#[derive(Debug)]
pub(crate) struct Distributor {
    state: State,
    queue: Queue,
    backlog: Backlog,
    contests: Contests,
    failures: Failures,
    /// Failures were forgotten since somebody asked.
    has_forgotten_failures: bool,
    /// Secrets that somebody changes while they are watched, by namespace: they are read at once.
    changed: BTreeMap<Arc<str>, Vec<Arc<str>>>,
    /// When the Secrets of others in a namespace are looked at again.
    look_at: BTreeMap<Arc<str>, Instant>,
    unlisted: Unlisted<Arc<str>>,
    /// Jobs that have not ended.
    running: usize,
    counters: Counters,
}

/// A Secret of ours that has to be read.
struct Unread {
    secret: String,
    /// What it shall hold.
    content: Content,
    /// As far as its metadata say.
    is_as_wanted: bool,
}

impl Distributor {
    /// Nothing yet; marks are made with this key.
    pub(crate) fn new(key: InstallationKey) -> Self {
        Self {
            state: State::new(Arc::new(key)),
            queue: Queue::default(),
            backlog: Backlog::default(),
            contests: Contests::default(),
            failures: Failures::default(),
            has_forgotten_failures: false,
            changed: BTreeMap::new(),
            look_at: BTreeMap::new(),
            unlisted: Unlisted::default(),
            running: 0,
            counters: Counters::default(),
        }
    }

    /// What namespaces have and shall have.
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// The same, to be told what shall be.
    pub(crate) fn state_mut(&mut self) -> &mut State {
        &mut self.state
    }

    /// Objects that somebody keeps changing back.
    pub(crate) fn contests(&mut self) -> &mut Contests {
        &mut self.contests
    }

    /// What was refused.
    pub(crate) fn failures(&self) -> &Failures {
        &self.failures
    }

    /// Whether failures were forgotten since this was last asked.
    pub(crate) fn take_forgotten_failures(&mut self) -> bool {
        std::mem::take(&mut self.has_forgotten_failures)
    }

    /// What was counted.
    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What has work now or later.
    pub(crate) fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Whether nothing is left to write now.
    pub(crate) fn is_settled(&self) -> bool {
        self.queue.is_idle() && self.running == 0
    }

    /// Takes in what the watch of namespaces tells.
    pub(crate) fn take_namespace(&mut self, event: Watched<SeenNamespace>, now: Instant) {
        match event {
            Watched::Applied(seen) => {
                let name: Arc<str> = (*seen.name).into();
                let is_new = !self.state.observed().get(&name).is_some_and(|namespace| namespace.exists);
                match self.state.see_namespace(seen) {
                    true if is_new => self.queue.push_at(&name, now + NEW_NAMESPACE_WAIT),
                    true => self.queue.push(&name, Lane::Urgent, now),
                    false => {}
                }
            }
            Watched::Listed(seen) => {
                let name: Arc<str> = (*seen.name).into();
                self.unlisted.saw(&name);
                if self.state.see_namespace(seen) {
                    self.queue.push(&name, Lane::Urgent, now);
                }
            }
            Watched::Deleted(seen) => self.lose_namespace(&seen.name),
            Watched::ListBegan => {
                // Others are known by what is in them: their turn comes.
                let seen = self.state.observed().iter().filter(|(_, it)| it.exists);
                self.unlisted.begin(seen.map(|(name, _)| name.clone()));
            }
            Watched::ListEnded => {
                self.unlisted.end().for_each(|name| self.lose_namespace(&name));
                self.look_at_others(now);
            }
        }
    }

    /// Takes in what the watch of ServiceAccounts tells.
    pub(crate) fn take_account(
        &mut self,
        event: Watched<Placed<Account>>,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        match event {
            Watched::Applied(placed) | Watched::Listed(placed) => {
                let namespace: Arc<str> = (*placed.namespace).into();
                let name = placed.name.clone();
                let news = self.state.see_account(placed);
                if self.take_drift(&namespace, TargetKind::ServiceAccount, &name, news, now, effects) {
                    self.queue.push(&namespace, Lane::Urgent, now);
                }
            }
            Watched::Deleted(placed) => self.state.lose_account(&placed.namespace, &placed.name),
            Watched::ListBegan => self.state.begin_listing(Kind::Accounts),
            Watched::ListEnded => drop(self.state.end_listing(Kind::Accounts)),
        }
    }

    /// Takes in what the watch of Secrets tells.
    pub(crate) fn take_secret(
        &mut self,
        event: Watched<Option<Placed<SeenSecret>>>,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        match event {
            Watched::Applied(Some(placed)) => {
                let (namespace, name): (Arc<str>, _) = ((*placed.namespace).into(), placed.name.clone());
                if self.see_secret(&namespace, placed, now, effects) {
                    let changed = self.changed.entry(namespace).or_default();
                    if !changed.contains(&name) {
                        changed.push(name);
                    }
                }
            }
            Watched::Listed(Some(placed)) => {
                let namespace: Arc<str> = (*placed.namespace).into();
                self.see_secret(&namespace, placed, now, effects);
            }
            Watched::Deleted(Some(placed)) => {
                let SeenSecret::Ours { uid, .. } = &placed.seen else { return };
                let news = self.state.lose_secret(&placed.namespace, &placed.name, uid);
                let namespace: Arc<str> = (*placed.namespace).into();
                if self.take_drift(&namespace, TargetKind::Secret, &placed.name, news, now, effects) {
                    self.queue.push(&namespace, Lane::Urgent, now);
                }
            }
            Watched::Applied(None) | Watched::Listed(None) | Watched::Deleted(None) => {}
            Watched::ListBegan => self.state.begin_listing(Kind::Secrets),
            Watched::ListEnded => {
                let news = self.state.end_listing(Kind::Secrets);
                news.iter().for_each(|name| self.queue.push(name, Lane::Urgent, now));
            }
        }
    }

    /// Every namespace is to be planned anew, when there is time for it; how many there are.
    pub(crate) fn push_all(&mut self, now: Instant) -> usize {
        let names = self.state.observed().names();
        names.map(|name| self.queue.push(name, Lane::Bulk, now)).count()
    }

    /// Namespaces that still have something of an ImagePullSecret that is gone are to be planned anew.
    pub(crate) fn push_holding(&mut self, image_pull_secret: &str, now: Instant) {
        let holding = self.state.observed().holding(&derived_secret_name(image_pull_secret));
        holding.into_iter().for_each(|name| self.queue.push(&name.into(), Lane::Bulk, now));
    }

    /// Starts jobs for what is due; when more is.
    pub(crate) fn start_jobs(&mut self, now: Now, effects: &mut Vec<Effect>) -> Option<Instant> {
        let Now { monotonic, .. } = now;
        loop {
            self.start_queued_jobs(now, effects);
            // Afterwards: what has work that may wait is known only then.
            let let_in = self.backlog.let_in(monotonic);
            if let_in.is_empty() {
                break;
            }
            let_in.iter().for_each(|namespace| self.queue.push(namespace, Lane::Bulk, monotonic));
        }
        [self.queue.next(), self.backlog.next()].into_iter().flatten().min()
    }

    fn start_queued_jobs(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let Now { monotonic, .. } = now;
        while self.running < MOST_JOBS {
            let Some(namespace) = self.queue.pop(monotonic, self.running < MOST_BULK_JOBS) else { return };
            match self.job(&namespace, monotonic) {
                Some(job) => {
                    self.running += 1;
                    effects.push(Effect::RunJob(job));
                }
                None => self.finish(&namespace, End::Done, now),
            }
        }
    }

    /// Takes in how a job ended.
    pub(crate) fn take_report(&mut self, report: Report, items: &Items, now: Now, effects: &mut Vec<Effect>) {
        let Report { namespace, looked, written, failed, ended, took } = report;
        let Now { monotonic, .. } = now;
        self.running = self.running.saturating_sub(1);
        self.counters.took(took);
        self.counters.wrote(written.len());
        for one in looked.iter().chain(&written) {
            if let Written::Secret { name, seen: Some(SeenSecret::Foreign { .. }) } = one {
                self.look_at.insert(namespace.clone(), monotonic + LOOK_AGAIN);
                effects.extend(self.first_conflict(&namespace, name, items));
            }
        }
        written.iter().for_each(|one| self.failures.succeed(&namespace, one.kind(), one.name()));
        let has_deleted = written.iter().any(|one| matches!(one, Written::Secret { seen: None, .. }));
        let has_looked = !looked.is_empty();
        for (name, news) in self.state.looked(&namespace, looked) {
            self.take_drift(&namespace, TargetKind::Secret, &name.into(), news, monotonic, effects);
        }
        self.state.written(&namespace, written);
        let waits_alone = self.take_failed(&namespace, failed, items, now, effects);
        if has_deleted {
            self.failures.make_room(&namespace, monotonic);
        }
        if ended == Ended::Overtaken {
            self.counters.overtaken();
        }
        let end = match ended {
            Ended::Unanswered => End::Failed,
            _ if !waits_alone => End::Failed,
            Ended::Overtaken => End::Overtaken,
            Ended::Done | Ended::NamespaceGoing | Ended::OutOfTime => End::Done,
        };
        self.finish(&namespace, end, now);
        if has_looked || ended == Ended::OutOfTime {
            self.queue.push(&namespace, Lane::Urgent, monotonic);
        }
    }

    /// Remembers what was refused; whether each waits by itself.
    fn take_failed(
        &mut self,
        namespace: &Arc<str>,
        failed: Vec<FailedWrite>,
        items: &Items,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let mut told: BTreeMap<String, (String, usize)> = BTreeMap::new();
        let mut waits_alone = true;
        for one in failed {
            self.counters.failed();
            let (kind, owners) = (one.kind.as_str(), one.image_pull_secrets.clone());
            let text = format!("{kind} {namespace}/{}: {}", one.name, one.message);
            let name = self.state.share(&one.name);
            let Remembered { is_remembered, new_for } =
                self.failures.fail(namespace, name, one, now.monotonic, now.random);
            waits_alone &= is_remembered;
            let is_new = !is_remembered || !new_for.is_empty();
            effects.push(Effect::LogRefusal { text: text.clone(), is_new });
            for owner in owners {
                let Some(item) = items.get(&owner) else { continue };
                if self.failures.may_tell(&owner, new_for.contains(&owner), item.object.deleting) {
                    told.entry(owner).or_insert((text.clone(), 0)).1 += 1;
                }
            }
        }
        for (name, (text, count)) in told {
            let Some(item) = items.get(&name) else { continue };
            let more =
                if count > 1 { format!(" (and {} more in {namespace})", count - 1) } else { String::new() };
            let message = format!("cannot write {text}{more}; trying again, everything else goes on");
            effects.push(Event::warning(item, "WritesFailed", message));
        }
        waits_alone
    }

    /// How many objects of the ImagePullSecret are contested, with an example.
    pub(crate) fn contested(&self, image_pull_secret: &str) -> Option<(usize, String)> {
        let mut all: Vec<(&Target, &Contest)> = self
            .contests
            .contested()
            .filter(|(_, contest)| contest.image_pull_secret == image_pull_secret)
            .collect();
        all.sort_by_key(|(target, _)| *target);
        let (target, contest) = all.first()?;
        let who = contest.rival.as_deref().unwrap_or("somebody");
        let kind = target.kind.as_str();
        Some((all.len(), format!("{kind} {}/{} by {who}", target.namespace, target.name)))
    }

    /// Something was seen; whether there is work.
    fn take_drift(
        &mut self,
        namespace: &Arc<str>,
        kind: TargetKind,
        name: &Arc<str>,
        news: News,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) -> bool {
        if let Some(image_pull_secret) = news.undone {
            self.counters.undone();
            let target = Target { namespace: namespace.clone(), kind, name: name.clone() };
            if self.contests.undone(target.clone(), &image_pull_secret, now) {
                effects.push(Effect::FindRival(target));
            }
        }
        news.is_news
    }

    /// Whether it is news.
    fn see_secret(
        &mut self,
        namespace: &Arc<str>,
        placed: Placed<SeenSecret>,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let name = placed.name.clone();
        let news = self.state.see_secret(placed);
        let is_news = self.take_drift(namespace, TargetKind::Secret, &name, news, now, effects);
        if is_news {
            self.queue.push(namespace, Lane::Urgent, now);
        }
        is_news
    }

    /// What is to be done in a namespace now, if anything.
    fn job(&mut self, namespace: &Arc<str>, now: Instant) -> Option<Job> {
        let Some(seen) = self.state.observed().get(namespace) else {
            // Its last job ended after it was gone.
            self.failures.forget(namespace);
            return None;
        };
        let look_again = match self.look_at.get_mut(namespace) {
            Some(at) if *at <= now => {
                // Whether or not there is anything to look at now: what stays due would never let the queue go on.
                *at = now + LOOK_AGAIN;
                self.foreign(seen)
            }
            _ => Vec::new(),
        };
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
            self.has_forgotten_failures |= self.failures.retain(namespace, is_wanted);
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

    /// Secrets of others in the way, and what ours would hold.
    fn foreign(&self, seen: &Namespace) -> Vec<(String, Content)> {
        let foreign = seen.secrets.iter().filter(|(_, secret)| !secret.is_ours());
        let wanted = |(name, _): (&str, &SeenSecret)| {
            let (_, distribution) = self.state.desired().of_secret(name)?;
            Some((name.to_owned(), distribution.content.clone()?))
        };
        foreign.filter_map(wanted).collect()
    }

    /// Namespaces were listed anew: one may have gone, and come again, without a word, and somebody's own Secret
    /// with it.
    fn look_at_others(&mut self, now: Instant) {
        for (namespace, at) in &mut self.look_at {
            *at = now;
            self.queue.push(namespace, Lane::Bulk, now);
        }
    }

    /// An Event for the first Secret of somebody else in the way; how many there are, the condition tells.
    fn first_conflict(&self, namespace: &str, secret: &str, items: &Items) -> Option<Effect> {
        let (name, _) = self.state.desired().of_secret(secret)?;
        let item = items.get(name).filter(|_| self.state.sum(name).conflicts == 0)?;
        let message = format!(
            "the Secret {namespace}/{secret} is somebody else's and is left alone; delete it, or set \
             spec.conflictPolicy to adopt or overwrite"
        );
        Some(Event::warning(item, "Conflict", message))
    }

    fn finish(&mut self, namespace: &Arc<str>, end: End, now: Now) {
        let Now { monotonic, random, .. } = now;
        self.queue.finish(namespace, end, monotonic, random);
        let next = [self.contests.next_in(namespace, monotonic), self.failures.next_in(namespace, monotonic)];
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

    fn lose_namespace(&mut self, name: &str) {
        self.state.lose_namespace(name);
        self.queue.forget(name);
        self.backlog.forget(name);
        self.failures.forget(name);
        self.changed.remove(name);
        self.look_at.remove(name);
        self.contests.forget(name);
    }
}

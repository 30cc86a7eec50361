//! Objects that another client keeps changing back. Pure: time is an argument.
//!
//! The first few changes are repaired at once. After that the other client evidently writes on purpose, such
//! as a deployment tool that applies a ServiceAccount with its whole list. Each further repair that does not
//! last waits twice as long, so that two programs never write in turns, and a warning is published. A repair
//! that lasts a while is repeated at once, however often.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tcr::backoff::Backoff;

/// Changes that are repaired at once.
const AT_ONCE: u32 = 3;
/// The waits after that.
const WAITS: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(300));
/// A repair that lasted this long resets the back-off.
const LASTS: Duration = Duration::from_secs(60);
/// A contest without a change for this long is over.
const QUIET: Duration = Duration::from_secs(600);
/// Objects that are remembered. Beyond this number an object is repaired without a back-off.
const MOST: usize = 10_000;

/// An object that another client changes back.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    /// The namespace of the object.
    pub namespace: Arc<str>,
    /// The kind of the object.
    pub kind: TargetKind,
    /// The name of the object.
    pub name: Arc<str>,
}

/// The kind of a [`Target`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TargetKind {
    /// A Secret of ours.
    Secret,
    /// The imagePullSecrets of a ServiceAccount.
    ServiceAccount,
}

/// The history of one object.
#[derive(Clone, Debug)]
pub struct Contest {
    /// The ImagePullSecret that the object belongs to.
    pub image_pull_secret: String,
    /// The client that changes it, once known.
    pub rival: Option<String>,
    undone: u32,
    /// Changes in a row that came before a repair had lasted.
    hasty: u32,
    last: Instant,
    until: Instant,
}

/// All contests.
#[derive(Debug, Default)]
pub struct Contests {
    by_target: BTreeMap<Target, Contest>,
}

impl TargetKind {
    /// The kind as Kubernetes writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "Secret",
            Self::ServiceAccount => "ServiceAccount",
        }
    }
}

impl Contest {
    /// Whether another client keeps changing the object back.
    pub fn is_contested(&self) -> bool {
        self.undone > AT_ONCE
    }

    fn end(&self) -> Instant {
        self.last.max(self.until) + QUIET
    }
}

impl Contests {
    /// The object was changed back. Returns whether a warning is due because this makes it contested.
    pub fn undone(&mut self, target: Target, image_pull_secret: &str, now: Instant) -> bool {
        if self.by_target.len() >= MOST && !self.by_target.contains_key(&target) {
            self.expire(now);
            if self.by_target.len() >= MOST {
                return false;
            }
        }
        let contest = self.by_target.entry(target).or_insert_with(|| Contest {
            image_pull_secret: image_pull_secret.to_owned(),
            rival: None,
            undone: 0,
            hasty: 0,
            last: now,
            until: now,
        });
        if contest.end() < now {
            (contest.undone, contest.hasty) = (0, 0);
        }
        // While the object waits there is no repair that could be undone.
        if now < contest.until {
            return false;
        }
        let lasted = now.saturating_duration_since(contest.last.max(contest.until)) >= LASTS;
        contest.hasty = if lasted { 0 } else { contest.hasty.saturating_add(1) };
        contest.undone = contest.undone.saturating_add(1);
        contest.last = now;
        contest.until = now + wait(contest.hasty);
        contest.undone == AT_ONCE + 1
    }

    /// Remembers which client changes the object.
    pub fn name_rival(&mut self, target: &Target, rival: String) {
        if let Some(contest) = self.by_target.get_mut(target) {
            contest.rival = Some(rival);
        }
    }

    /// Whether no object is remembered.
    pub fn is_empty(&self) -> bool {
        self.by_target.is_empty()
    }

    /// Until when the object is left as it is; none when it may be written now.
    pub fn held_until(&self, target: &Target, now: Instant) -> Option<Instant> {
        self.by_target.get(target).map(|contest| contest.until).filter(|until| *until > now)
    }

    /// When the next waiting object of the namespace may be written.
    pub fn next_in(&self, namespace: &Arc<str>, now: Instant) -> Option<Instant> {
        if self.is_empty() {
            return None;
        }
        let first = Target { namespace: namespace.clone(), kind: TargetKind::Secret, name: "".into() };
        let here = self.by_target.range(first..).take_while(|(target, _)| target.namespace == *namespace);
        here.map(|(_, contest)| contest.until).filter(|until| *until > now).min()
    }

    /// The contested objects.
    pub fn contested(&self) -> impl Iterator<Item = (&Target, &Contest)> {
        self.by_target.iter().filter(|(_, contest)| contest.is_contested())
    }

    /// When the next contest ends.
    pub fn next_end(&self) -> Option<Instant> {
        self.by_target.values().map(Contest::end).min()
    }

    /// Forgets contests that are over; returns whether one of their objects was contested.
    pub fn expire(&mut self, now: Instant) -> bool {
        let before = self.contested().count();
        self.by_target.retain(|_, contest| contest.end() > now);
        self.contested().count() != before
    }

    /// Forgets a namespace that is gone.
    pub fn forget(&mut self, namespace: &str) {
        if !self.by_target.is_empty() {
            self.by_target.retain(|target, _| &*target.namespace != namespace);
        }
    }
}

fn wait(hasty: u32) -> Duration {
    match hasty.checked_sub(AT_ONCE + 1) {
        None => Duration::ZERO,
        Some(before) => WAITS.wait(before),
    }
}

#[cfg(test)]
mod tests;

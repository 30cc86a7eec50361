//! What is to be done in one namespace.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use tcr::names::derived_secret_name;

use super::{Distributor, RECHECK_INTERVAL};
use distribution::job::{Job, Unmet};
use distribution::order::hold_back;
use distribution::{Change, Content, Distribution, Namespace, SeenSecret, Target, TargetKind, plan};

/// A Secret of ours that has to be read.
struct Unread {
    secret: String,
    /// The desired content.
    content: Content,
    /// Whether its metadata say that it holds this content.
    is_as_wanted: bool,
}

impl Distributor {
    /// The job for a namespace; none when there is nothing to do now.
    pub(super) fn job(&mut self, namespace: &Arc<str>, now: Instant) -> Option<Job> {
        let Some(seen) = self.state.observed().get(namespace) else {
            // A job's last report may arrive after its namespace is gone.
            self.failures.forget(namespace);
            return None;
        };
        let look_again = match self.look_at.get_mut(namespace) {
            Some(at) if *at <= now => {
                // In every case, because a time that stays in the past would keep the queue busy.
                *at = now + RECHECK_INTERVAL;
                self.foreign(seen)
            }
            _ => Vec::new(),
        };
        if !seen.is_live() {
            // Its objects are deleted with it.
            self.failures.forget(namespace);
            return None;
        }
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
            // The writes are planned after these reads, with what they find.
            let look = unread.into_iter().map(|it| (it.secret, Some(it.content))).chain(look_again).collect();
            return Some(Job { namespace: namespace.clone(), look, unmet: Vec::new(), changes: Vec::new() });
        }
        let changes = plan(namespace, seen, self.state.desired());
        if self.failures.is_any_in(namespace) {
            let targets: Vec<_> = changes.iter().map(|change| (change.target(), change)).collect();
            let is_planned = |(kind, name): (TargetKind, &str), owner: &str| {
                let is_it = |((its_kind, its_name), _): &&((_, Cow<'_, str>), _)| {
                    *its_kind == kind && its_name == name
                };
                targets.iter().filter(is_it).any(|(_, change)| change.image_pull_secrets().contains(owner))
            };
            let is_to_be_read = |name: &str| {
                let wants = |(_, it): (_, &Distribution)| it.content.is_some() && it.wants(namespace, seen);
                seen.secrets.get(name).is_some_and(SeenSecret::is_unread)
                    && self.state.desired().of_secret(name).is_some_and(wants)
            };
            self.failures.retain(namespace, |it, owner| {
                let (kind, name) = it;
                (kind == TargetKind::Secret && is_to_be_read(name)) || is_planned(it, owner)
            });
        }
        let mut changes = hold_back(changes, |kind, name| self.is_held(namespace, kind, name, now));
        if self.failures.is_any_in(namespace) {
            // Writes that were not refused before come first, then those that have waited longest: a job may
            // run out of time.
            changes.sort_by_cached_key(|change| {
                let (kind, name) = change.target();
                (change.stage(), self.failures.until(namespace, kind, &name))
            });
        }
        let unmet = self.unmet(namespace, seen, &changes);
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
        Some(Job { namespace: namespace.clone(), look: Vec::new(), unmet, changes })
    }

    /// Secrets that were never seen and to which the changes remove references.
    fn unmet(&self, namespace: &Arc<str>, seen: &Namespace, changes: &[Change]) -> Vec<Unmet> {
        let removed = |change: &'_ Change| match change {
            Change::EditReferences { edit, .. } => edit.removed().map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        let secrets: BTreeSet<String> = changes.iter().flat_map(removed).collect();
        let unmet = secrets.into_iter().filter(|secret| !seen.secrets.contains_key(secret));
        let unmet = unmet.map(|secret| Unmet {
            known: self.state.lost(namespace, &secret).cloned(),
            content: self.state.desired().of_secret(&secret).and_then(|(_, it)| it.content.clone()),
            secret,
        });
        unmet.collect()
    }

    /// Secrets of ours of which only the metadata are known. Unwanted ones need not be read, and contested
    /// ones are read when their repair is due.
    fn unread(&self, place: &Arc<str>, seen: &Namespace, now: Instant) -> Vec<Unread> {
        let unread = |(name, secret): (&str, &SeenSecret)| {
            let SeenSecret::Ours { digest, labelled, marked, unread: true, .. } = secret else { return None };
            let (_, distribution) = self.state.desired().of_secret(name)?;
            let content = distribution.content.clone().filter(|_| distribution.wants(place, seen))?;
            if self.is_held(place, TargetKind::Secret, name, now) {
                return None;
            }
            // An unmarked Secret was written by a release without marks: it is not urgent.
            let is_as_wanted = *labelled && (!marked || *digest == Some(content.digest()));
            Some(Unread { secret: name.to_owned(), content, is_as_wanted })
        };
        seen.secrets.iter().filter_map(unread).collect()
    }

    /// Whether the object is left as it is for now, because it is contested or its last write was refused.
    fn is_held(&self, namespace: &Arc<str>, kind: TargetKind, name: &str, now: Instant) -> bool {
        let target = || Target { namespace: namespace.clone(), kind, name: name.into() };
        (!self.contests.is_empty() && self.contests.held_until(&target(), now).is_some())
            || self.failures.holds(namespace, kind, name, now)
    }

    /// Blocking Secrets of other owners, and the content that ours would hold.
    fn foreign(&self, seen: &Namespace) -> Vec<(String, Option<Content>)> {
        let foreign = seen.secrets.iter().filter(|(_, secret)| !secret.is_ours());
        let wanted = |(name, _): (&str, &SeenSecret)| {
            let (_, distribution) = self.state.desired().of_secret(name)?;
            Some((name.to_owned(), distribution.content.clone()))
        };
        foreign.filter_map(wanted).collect()
    }
}

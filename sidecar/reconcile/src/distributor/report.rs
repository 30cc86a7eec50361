//! What a job's report changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Distributor, RECHECK_INTERVAL};
use crate::effect::{Effect, Event};
use crate::failures::Remembered;
use crate::input::Now;
use crate::item::Items;
use crate::queue::{End, Lane};
use custom_resource::condition::{ConditionReason, EventReason};
use distribution::job::{Ended, FailedWrite, Report, Written};
use distribution::{SeenSecret, TargetKind};

impl Distributor {
    /// Takes in a job's report; returns the ImagePullSecrets that had a write refused.
    pub(crate) fn take_report(
        &mut self,
        report: Report,
        items: &Items,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> BTreeSet<String> {
        let Report { namespace, mut looked, mut written, failed, ended, took } = report;
        let Now { monotonic, .. } = now;
        self.counters.took(took);
        self.counters.wrote(written.len());
        for one in looked.iter().chain(&written) {
            if let Written::Secret { name, seen: Some(SeenSecret::Foreign { .. }) } = one {
                self.look_at.insert(namespace.clone(), monotonic + RECHECK_INTERVAL);
                effects.extend(self.first_conflict(&namespace, name, items));
            }
        }
        written.iter().for_each(|one| self.failures.succeed(&namespace, one.kind(), one.name()));
        let has_deleted = written.iter().any(|one| matches!(one, Written::Secret { seen: None, .. }));
        if let Some(job) = self.running.end(&namespace) {
            let seen = self.state.observed().get(&namespace);
            let before = looked.len() + written.len();
            looked.retain(|one| !job.is_outdated(one, seen));
            written.retain(|one| !job.is_outdated(one, seen));
            if looked.len() + written.len() < before {
                self.queue.push(&namespace, Lane::Urgent, monotonic);
            }
        }
        let has_looked = !looked.is_empty();
        for (name, observation) in self.state.looked(&namespace, looked) {
            self.take_drift(&namespace, TargetKind::Secret, &name.into(), observation, monotonic, effects);
        }
        self.state.written(&namespace, written);
        let failing = failed.iter().flat_map(|one| one.image_pull_secrets.iter().cloned()).collect();
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
        failing
    }

    /// Remembers refused writes. Returns whether each has its own back-off.
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
            for owner in owners {
                let Some(item) = items.get(&owner) else { continue };
                if self.failures.may_tell(&owner, new_for.contains(&owner), item.object.deleting) {
                    told.entry(owner).or_insert_with(|| (text.clone(), 0)).1 += 1;
                }
            }
            effects.push(Effect::LogRefusal { text, is_new });
        }
        for (name, (text, count)) in told {
            let Some(item) = items.get(&name) else { continue };
            let more =
                if count > 1 { format!(" (and {} more in {namespace})", count - 1) } else { String::new() };
            let message = format!("cannot write {text}{more}; trying again, everything else goes on");
            effects.push(Event::warning(item, ConditionReason::WritesFailed, message));
        }
        waits_alone
    }

    /// An Event for the first Secret of another owner that blocks ours; the condition tells how many there
    /// are.
    fn first_conflict(&self, namespace: &str, secret: &str, items: &Items) -> Option<Effect> {
        let (name, distribution) = self.state.desired().of_secret(secret)?;
        self.state.observed().get(namespace).filter(|seen| distribution.wants(namespace, seen))?;
        let item = items.get(name).filter(|_| self.state.sum(name).conflicts == 0)?;
        let message = format!(
            "the Secret {namespace}/{secret} is somebody else's and is left alone; delete it, or set \
             spec.conflictPolicy to adopt or overwrite"
        );
        Some(Event::warning(item, EventReason::Conflict, message))
    }
}

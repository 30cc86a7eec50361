//! Secrets of other owners that block ours. No label selects them: they are found when ours are to be
//! created, watched by name, and read again at an interval.

use std::sync::Arc;
use std::time::Instant;

use super::Distributor;
use crate::effect::Effect;
use crate::input::Watched;
use crate::queue::Lane;
use distribution::{Placed, TargetKind, Uid};
use tcr::names::derived_secret_name;

/// Names that are watched at most, because each is a watch of its own. Secrets of other names are only read
/// again at the interval.
const MOST_WATCHED: usize = 32;

impl Distributor {
    /// Asks for watches of the names that are blocked now.
    pub(crate) fn watch_others<'a>(
        &mut self,
        image_pull_secrets: impl Iterator<Item = &'a String>,
        effects: &mut Vec<Effect>,
    ) {
        let in_the_way = image_pull_secrets.filter(|name| self.state.sum(name).conflicts > 0);
        let names = in_the_way.map(|name| derived_secret_name(name)).take(MOST_WATCHED).collect();
        if self.watched_others != names {
            self.missing_others.retain(|name, _| names.contains(name));
            self.watched_others.clone_from(&names);
            effects.push(Effect::WatchOthers(names));
        }
    }

    /// Takes in an event from the watch of all Secrets of this name.
    pub(crate) fn take_other(&mut self, name: &str, event: Watched<Placed<Uid>>, now: Instant) {
        match event {
            Watched::ListBegan => {
                let known = self.state.others(name).map(|(namespace, uid)| (namespace.clone(), uid.clone()));
                let known = known.collect();
                self.missing_others.insert(name.to_owned(), known);
            }
            Watched::Listed(Placed { namespace, seen, .. }) => {
                let Some(missing) = self.missing_others.get_mut(name) else { return };
                if missing.get(&*namespace) == Some(&seen) {
                    missing.remove(&*namespace);
                }
            }
            Watched::ListEnded => {
                self.running.listed_secrets(&name.into());
                for (namespace, uid) in self.missing_others.remove(name).unwrap_or_default() {
                    self.lose_other(&namespace, name, &uid, now);
                }
            }
            Watched::Deleted(Placed { namespace, seen, .. }) => {
                let namespace = self.state.name_of(&namespace);
                self.running.lost(&namespace, TargetKind::Secret, &name.into());
                self.lose_other(&namespace, name, &seen, now);
            }
            Watched::Applied(_) => {}
        }
    }

    fn lose_other(&mut self, namespace: &Arc<str>, name: &str, uid: &Uid, now: Instant) {
        if self.state.lose_other(namespace, name, uid) {
            self.queue.push(namespace, Lane::Urgent, now);
        }
    }
}

//! Pods that wait for an image that our Secret would let them pull: each is reported once, and counted.

use std::collections::BTreeMap;

use crate::effect::{Effect, Event, Regarding};
use crate::input::{SeenPod, Watched};
use crate::item::Items;
use crate::relist::Relist;
use crate::state::State;
use custom_resource::condition::EventReason;
use distribution::Uid;
use distribution::stuck::{AskedFor, WaitingPod, advice};
use tcr::image_pull_secret::ImagePullSecretSpec;

/// Pods that are remembered; more than a person could look at.
const MOST: usize = 1000;

/// Pods that wait for an image.
#[derive(Debug, Default)]
pub(crate) struct StuckPods {
    by_uid: BTreeMap<Uid, Stuck>,
    relist: Relist<Uid>,
}

#[derive(Debug)]
struct Stuck {
    pod: WaitingPod,
    /// The ImagePullSecret whose Secret it lacks, once that was reported.
    told: Option<String>,
}

impl StuckPods {
    /// How many lack the Secret of this ImagePullSecret.
    pub(crate) fn count(&self, image_pull_secret: &str) -> usize {
        self.by_uid.values().filter(|it| it.told.as_deref() == Some(image_pull_secret)).count()
    }

    /// Takes in an event from the watch of Pods.
    pub(crate) fn take(
        &mut self,
        event: Watched<SeenPod>,
        state: &State,
        items: &Items,
        effects: &mut Vec<Effect>,
    ) {
        match event {
            Watched::Applied(pod) | Watched::Listed(pod) => self.see(pod, state, items, effects),
            // Deleted, or no longer Pending.
            Watched::Deleted(pod) => drop(self.by_uid.remove(&pod.uid)),
            Watched::ListBegan => self.relist.begin(self.by_uid.keys().cloned()),
            Watched::ListEnded => {
                for uid in self.relist.end() {
                    self.by_uid.remove(&uid);
                }
            }
        }
    }

    fn see(&mut self, pod: SeenPod, state: &State, items: &Items, effects: &mut Vec<Effect>) {
        let SeenPod { uid, waiting } = pod;
        self.relist.saw(&uid);
        let Some(pod) = waiting else { return };
        if self.by_uid.contains_key(&uid) || self.by_uid.len() >= MOST {
            return;
        }
        self.by_uid.entry(uid).or_insert(Stuck { pod, told: None }).advise(state, items, effects);
    }

    /// ImagePullSecrets changed: one of them may be what a Pod lacks.
    pub(crate) fn advise_all(&mut self, state: &State, items: &Items, effects: &mut Vec<Effect>) {
        let untold = self.by_uid.values_mut().filter(|it| it.told.is_none());
        untold.for_each(|stuck| stuck.advise(state, items, effects));
    }
}

impl Stuck {
    fn advise(&mut self, state: &State, items: &Items, effects: &mut Vec<Effect>) {
        let Some(namespace) = state.observed().get(&self.pod.namespace) else { return };
        let asked = items.values().filter_map(|item| {
            let name = item.object.name.as_str();
            let spec = item.object.spec.as_ref().ok();
            Some(AskedFor {
                name,
                hosts: &item.hosts,
                registry_namespaces: spec.map_or(&[], ImagePullSecretSpec::registry_namespaces),
                distribution: state.desired().get(name)?,
            })
        });
        let Some(advice) = advice(&self.pod, namespace, asked) else { return };
        let WaitingPod { namespace, name, uid, .. } = self.pod.clone();
        effects.push(Effect::PublishEvent(Event {
            regarding: Regarding::Pod { namespace, name, uid },
            warning: true,
            reason: EventReason::PullSecretMissing.into(),
            message: advice.message,
        }));
        self.told = Some(advice.image_pull_secret);
    }
}

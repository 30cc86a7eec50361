//! Pods that wait for an image which our Secret would let them pull: told once each, and counted.

use std::collections::BTreeMap;

use super::effect::{Effect, Event, Regarding};
use super::input::Watched;
use super::item::Items;
use super::lean::PodObject;
use super::state::State;
use super::unlisted::Unlisted;
use distribution::Uid;
use distribution::stuck::{WaitingPod, advice};
use tcr::names::INJECT_ANNOTATION;

/// Pods that are remembered; more than a person could look at.
const MOST: usize = 1000;

/// Images that are remembered of one: a Pod may have as many as it likes.
const MOST_IMAGES: usize = 16;

/// What is seen of a Pending Pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenPod {
    /// Its uid.
    pub uid: Uid,
    /// Set while it waits for an image.
    pub waiting: Option<WaitingPod>,
}

/// Pods that wait for an image.
#[derive(Debug, Default)]
pub(super) struct StuckPods {
    by_uid: BTreeMap<Uid, Stuck>,
    unlisted: Unlisted<Uid>,
}

#[derive(Debug)]
struct Stuck {
    pod: WaitingPod,
    /// The ImagePullSecret whose Secret it lacks, once that was told.
    told: Option<String>,
}

impl StuckPods {
    /// How many lack the Secret of this ImagePullSecret.
    pub(super) fn count(&self, image_pull_secret: &str) -> usize {
        self.by_uid.values().filter(|it| it.told.as_deref() == Some(image_pull_secret)).count()
    }

    /// Takes in what the watch of Pods tells.
    pub(super) fn take(
        &mut self,
        event: Watched<SeenPod>,
        state: &State,
        items: &Items,
        effects: &mut Vec<Effect>,
    ) {
        match event {
            Watched::Applied(pod) | Watched::Listed(pod) => self.see(pod, state, items, effects),
            // It is gone, or no longer Pending.
            Watched::Deleted(pod) => drop(self.by_uid.remove(&pod.uid)),
            Watched::ListBegan => self.unlisted.begin(self.by_uid.keys().cloned()),
            Watched::ListEnded => {
                for uid in self.unlisted.end() {
                    self.by_uid.remove(&uid);
                }
            }
        }
    }

    fn see(&mut self, pod: SeenPod, state: &State, items: &Items, effects: &mut Vec<Effect>) {
        let SeenPod { uid, waiting } = pod;
        self.unlisted.saw(&uid);
        let Some(pod) = waiting else { return };
        if self.by_uid.contains_key(&uid) || self.by_uid.len() >= MOST {
            return;
        }
        self.by_uid.entry(uid).or_insert(Stuck { pod, told: None }).advise(state, items, effects);
    }

    /// What ImagePullSecrets ask for changed: perhaps one of them is what a Pod waits for.
    pub(super) fn advise_all(&mut self, state: &State, items: &Items, effects: &mut Vec<Effect>) {
        let untold = self.by_uid.values_mut().filter(|it| it.told.is_none());
        untold.for_each(|stuck| stuck.advise(state, items, effects));
    }
}

impl Stuck {
    fn advise(&mut self, state: &State, items: &Items, effects: &mut Vec<Effect>) {
        let Some(namespace) = state.observed().get(&self.pod.namespace) else { return };
        let asked = items.values().filter_map(|item| {
            let name = item.object.name.as_str();
            Some((name, item.hosts.as_slice(), state.desired().get(name)?))
        });
        let Some(advice) = advice(&self.pod, namespace, asked) else { return };
        let WaitingPod { namespace, name, uid, .. } = self.pod.clone();
        effects.push(Effect::PublishEvent(Event {
            regarding: Regarding::Pod { namespace, name, uid },
            warning: true,
            reason: "PullSecretMissing",
            message: advice.message,
        }));
        self.told = Some(advice.image_pull_secret);
    }
}

impl SeenPod {
    /// What matters of a Pod.
    pub fn of(pod: PodObject) -> Self {
        let PodObject { metadata, spec, status } = pod;
        let uid = Uid::of(metadata.uid.as_deref().unwrap_or_default());
        let refused = metadata
            .annotations
            .as_ref()
            .and_then(|annotations| annotations.get(INJECT_ANNOTATION))
            .is_some_and(|value| value == "false");
        let containers = spec.init_containers.into_iter().flatten().chain(spec.containers);
        let containers: Vec<(String, String)> =
            containers.map(|it| (it.name, it.image.unwrap_or_default())).collect();
        let statuses = status
            .init_container_statuses
            .into_iter()
            .flatten()
            .chain(status.container_statuses.into_iter().flatten());
        let images: Vec<Box<str>> = statuses
            .filter(|it| {
                let reason =
                    it.state.as_ref().and_then(|it| it.waiting.as_ref()).and_then(|it| it.reason.as_deref());
                matches!(reason, Some("ImagePullBackOff" | "ErrImagePull"))
            })
            // As it was written: the status may have another form of it.
            .filter_map(|it| containers.iter().find(|(name, _)| *name == it.name))
            .map(|(_, image)| image.as_str().into())
            .take(MOST_IMAGES)
            .collect();
        let waits = !images.is_empty() && !refused && metadata.deletion_timestamp.is_none();
        let waiting = waits.then(|| WaitingPod {
            uid: uid.clone(),
            namespace: metadata.namespace.unwrap_or_default().into(),
            name: metadata.name.unwrap_or_default().into(),
            account: spec.service_account_name.unwrap_or_default().into(),
            references: spec.image_pull_secrets.into_iter().flatten().map(|it| it.name.into()).collect(),
            images,
        });
        Self { uid, waiting }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn seen(annotations: Value, reason: &str) -> Option<WaitingPod> {
        let pod = serde_json::from_value(json!({
            "metadata": {"name": "web", "namespace": "shop", "uid": "u1", "annotations": annotations},
            "spec": {
                "serviceAccountName": "default", "imagePullSecrets": [{"name": "other"}],
                "containers": [{"name": "a", "image": "demo.tencentcloudcr.com/a:1"}, {"name": "b", "image": "b"}],
            },
            "status": {"containerStatuses": [
                {"name": "b", "image": "b", "state": {"waiting": {"reason": "PodInitializing"}}},
                {"name": "a", "image": "sha256:1", "state": {"waiting": {"reason": reason}}},
            ]},
        }));
        SeenPod::of(pod.unwrap()).waiting
    }

    #[test]
    fn of_a_pod_with_very_many_images_some_are_remembered() {
        let names = (0..1000).map(|index| format!("c{index}"));
        let containers: Vec<Value> =
            names.clone().map(|name| json!({"name": name, "image": format!("a/{name}")})).collect();
        let state = json!({"waiting": {"reason": "ErrImagePull"}});
        let statuses: Vec<Value> = names.map(|name| json!({"name": name, "state": state})).collect();
        let pod = json!({
            "metadata": {"uid": "u1"}, "spec": {"containers": containers},
            "status": {"containerStatuses": statuses},
        });
        let waiting = SeenPod::of(serde_json::from_value(pod).unwrap()).waiting.unwrap();
        assert_eq!(waiting.images.len(), MOST_IMAGES);
    }

    #[test]
    fn only_images_that_cannot_be_pulled_count() {
        let waiting = seen(json!({}), "ImagePullBackOff").unwrap();
        assert_eq!(waiting.images, ["demo.tencentcloudcr.com/a:1".into()]);
        assert_eq!((&*waiting.account, waiting.references), ("default", vec!["other".into()]));
        assert_eq!(seen(json!({}), "ContainerCreating"), None);
        assert_eq!(seen(json!({INJECT_ANNOTATION: "false"}), "ErrImagePull"), None, "its author wants none");
    }
}

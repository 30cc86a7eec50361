//! Reduces Pods.

use distribution::Uid;
use distribution::stuck::WaitingPod;
use reconcile::input::SeenPod;
use tcr::names::INJECT_ANNOTATION;

use crate::partial_objects::PodObject;

/// Images that are remembered of a Pod, which may have any number.
const MOST_IMAGES: usize = 16;

/// The relevant part of a Pod.
pub fn pod(pod: PodObject) -> SeenPod {
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
        // The image as the spec has it: the status may have another form of it.
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
    SeenPod { uid, waiting }
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
        super::pod(pod.unwrap()).waiting
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
        let waiting = super::pod(serde_json::from_value(pod).unwrap()).waiting.unwrap();
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

//! Requests that a person makes once, by an annotation on an ImagePullSecret: which object's request is
//! carried out, and its answer.

use super::Reconciler;
use crate::effect::Effect;
use crate::input::Now;
use custom_resource::condition::RequestState;
use custom_resource::request::{Request, RequestId, VisibleInstance};

impl Reconciler {
    /// Reads the request on an object. The keeper of its credential receives it with the next order.
    pub(super) fn take_request(&mut self, name: &str, now: Now, effects: &mut Vec<Effect>) {
        let Some(item) = self.items.get_mut(name) else { return };
        item.take_request(now.wall);
        let Some(asked) = &item.asked else { return };
        match &asked.request {
            Request::Instances { region } if item.listing != Some(asked.id) => {
                item.listing = Some(asked.id);
                let (name, id, region) = (name.to_owned(), asked.id, region.clone());
                effects.push(Effect::ListInstances { name, id, region });
            }
            Request::Instances { .. } => {}
            Request::Rotate | Request::Revoke { .. } => self.give_way(name),
        }
    }

    /// Of several requests about one credential the newest is carried out.
    fn give_way(&mut self, name: &str) {
        let Some(key) = self.items.get(name).and_then(|item| item.key()).cloned() else { return };
        let about_it = |item: &crate::item::Item| {
            let asked = item.asked.as_ref().filter(|it| it.request.is_of_a_credential())?;
            (item.key() == Some(&key)).then_some(asked.id)
        };
        let newest = self.items.values().filter_map(|item| Some((about_it(item)?, &item.object.name))).max();
        let Some((newest, of)) = newest.map(|(id, of)| (id, of.clone())) else { return };
        for item in self.items.values_mut() {
            if let Some(older) = about_it(item).filter(|id| *id < newest) {
                let message =
                    format!("a newer request about the same credential, on {of}, has taken its place");
                item.answer(older, RequestState::Failed, message);
            }
        }
    }

    pub(super) fn take_instances(
        &mut self,
        name: &str,
        id: RequestId,
        result: Result<Vec<VisibleInstance>, String>,
    ) {
        let Some(item) = self.items.get_mut(name) else { return };
        match result {
            Ok(instances) => {
                let message = format!("the API credential can see {} instances", instances.len());
                if let Some(answer) = item.answer(id, RequestState::Done, message) {
                    *answer = std::mem::take(answer).with_instances(instances);
                }
            }
            Err(problem) => {
                item.answer(id, RequestState::Failed, problem);
            }
        }
    }
}

//! Events about ImagePullSecrets, and what each asks for now.

use super::Reconciler;
use crate::distributed;
use crate::effect::{Effect, Event};
use crate::input::{Now, Watched};
use crate::item::{Checks, Item, overlapping};
use crate::object::Object;
use crate::overlap::Claim;
use custom_resource::condition::EventReason;

impl Reconciler {
    pub(super) fn take_object(&mut self, event: Watched<Box<Object>>, now: Now, effects: &mut Vec<Effect>) {
        match event {
            Watched::Applied(object) | Watched::Listed(object) => {
                let name = object.name.clone();
                self.relist.saw(&name);
                let mut others = Vec::new();
                let is_elsewhere = match self.items.get_mut(&name) {
                    Some(item) if item.object.uid == object.uid => {
                        let region = item.object.region().map(str::to_owned);
                        if !item.see(*object) {
                            return;
                        }
                        item.object.region() != region.as_deref()
                    }
                    replaced => {
                        let before = replaced.map(|it| it.in_flight()).or(self.writes_of_gone.remove(&name));
                        others = overlapping::recount(&name, None, &mut self.items);
                        let mut item = Item::new(*object);
                        item.wait_for(before.unwrap_or_default());
                        // From an earlier object of this name.
                        item.has_unknown_copies = distributed::is_any(self.distributor.state(), &name);
                        self.items.insert(name.clone(), item);
                        true
                    }
                };
                if is_elsewhere {
                    self.compare_regions(&name, effects);
                }
                let claim = self.items.get(&name).and_then(|item| Claim::of(&item.object));
                others.extend(overlapping::recount(&name, claim, &mut self.items));
                self.refresh(&name, now, effects);
                others.iter().for_each(|other| self.refresh(other, now, effects));
            }
            Watched::Deleted(object) => self.lose_object(&object.name, now, effects),
            Watched::ListBegan => self.relist.begin(self.items.keys().cloned()),
            Watched::ListEnded => {
                self.relist.end().for_each(|name| self.lose_object(&name, now, effects));
                self.listings.objects = true;
                self.begin_if_all_is_listed(now, effects);
            }
        }
    }

    fn lose_object(&mut self, name: &str, now: Now, effects: &mut Vec<Effect>) {
        let others = overlapping::recount(name, None, &mut self.items);
        let in_flight = self.items.remove(name).map(|item| item.in_flight());
        if let Some(in_flight) = in_flight.filter(|it| it.is_any()) {
            self.writes_of_gone.insert(name.to_owned(), in_flight);
        }
        self.distributor.state_mut().forget(name);
        self.keepers.settle(&self.items, effects);
        self.settle_links(effects);
        // It had our finalizer, so nothing is left, unless another client removed the finalizer.
        self.distributor.push_holding(name, now.monotonic);
        others.iter().for_each(|other| self.refresh(other, now, effects));
    }

    /// Computes again what an ImagePullSecret asks for, after its spec, a password or a credential changed.
    pub(super) fn refresh(&mut self, name: &str, now: Now, effects: &mut Vec<Effect>) {
        self.take_request(name, now, effects);
        let Some(item) = self.items.get_mut(name) else { return };
        let secret = item.asks_for.as_ref().map(|it| it.secret.clone());
        let held = secret.as_ref().and_then(|secret| self.keepers.held(secret));
        item.replaced = secret.as_ref().and_then(|secret| self.keepers.why(secret)).map(str::to_owned);
        let is_all_listed = self.listings.are_complete();
        let checks =
            self.config.verdict_timeout.map(|timeout| Checks { is_all_listed, timeout, now: now.wall });
        let state = self.distributor.state_mut();
        item.fill(&self.passwords, held, &self.config.allowed_roots, state, checks.as_ref());
        let distribution = item.object.distribution(item.content.clone());
        item.needs_report = true;
        let is_news = state.ask(name, distribution);
        // Last, because the content decides whether the previous credential is still needed, and where its
        // instance is.
        self.keepers.settle(&self.items, effects);
        self.settle_links(effects);
        if is_news && self.is_ready {
            self.distributor.push_all(now.monotonic);
            self.pods.advise_all(self.distributor.state(), &self.items, effects);
        }
    }

    /// An instance in another region costs traffic and time, and may not be reachable by a private link at
    /// all.
    fn compare_regions(&self, name: &str, effects: &mut Vec<Effect>) {
        let Some(item) = self.items.get(name) else { return };
        let region = self.config.region.as_deref();
        if let Some(message) = region.and_then(|region| item.object.crosses_regions(region)) {
            effects.push(Event::warning(item, EventReason::RegionDiffers, message));
        }
    }
}

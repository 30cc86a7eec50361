//! Which credentials are kept, and for whom.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::Client as Kube;
use tcr::image_pull_secret::OnDelete;
use tokio::sync::{mpsc, watch};

use super::Settings;
use super::item::Item;
use super::tasks::Tasks;
use credential::Key;
use credential::keeper::{self, News, Order, Tools};
use credential::plan::Held;
use credential::store::Document;

/// Keepers by the names of their Secrets.
#[derive(Debug)]
pub(super) struct Keepers {
    by_name: BTreeMap<String, Keeping>,
    news: mpsc::Sender<(Key, News)>,
    tasks: Tasks,
}

#[derive(Debug)]
struct Keeping {
    orders: watch::Sender<Order>,
    held: Option<Held>,
    /// Why the one before it was replaced.
    why: Option<String>,
    /// No copy of the one before it is left.
    spread: bool,
    /// The last order with a user.
    last: Order,
    /// Taken up only to be ended.
    is_remnant: bool,
}

impl Keepers {
    pub(super) fn new(news: mpsc::Sender<(Key, News)>, tasks: Tasks) -> Self {
        Self { by_name: BTreeMap::new(), news, tasks }
    }

    /// The credential of this key.
    pub(super) fn held(&self, key: &Key) -> Option<&Held> {
        self.by_name.get(&key.secret_name())?.held.as_ref()
    }

    /// Why the credential before this one was replaced.
    pub(super) fn why(&self, key: &Key) -> Option<&str> {
        self.by_name.get(&key.secret_name())?.why.as_deref()
    }

    /// Credentials of which copies of the one before may be left, and what is held now.
    pub(super) fn spreading(&self) -> Vec<(String, Held)> {
        let spreading = self.by_name.iter().filter(|(_, keeping)| !keeping.spread);
        spreading.filter_map(|(name, keeping)| Some((name.clone(), keeping.held.clone()?))).collect()
    }

    /// No copy of a credential before this one is left.
    pub(super) fn is_spread(&mut self, secret_name: &str) {
        let Some(keeping) = self.by_name.get_mut(secret_name) else { return };
        keeping.spread = true;
        keeping.last.spread = true;
        keeping.orders.send_modify(|order| order.spread = true);
    }

    /// Whether the credential of this key is still kept.
    pub(super) fn is_kept(&self, key: &Key) -> bool {
        self.by_name.contains_key(&key.secret_name())
    }

    /// A credential was told of.
    pub(super) fn have(&mut self, key: &Key, held: Held, why: Option<String>) {
        if let Some(keeping) = self.by_name.get_mut(&key.secret_name()) {
            keeping.held = Some(held);
            keeping.why = why;
            keeping.spread = false;
        }
    }

    /// A keeper has ended.
    pub(super) fn over(&mut self, key: &Key) {
        self.by_name.remove(&key.secret_name());
    }

    /// Begins, changes and ends keepers, so that they fit the ImagePullSecrets.
    pub(super) fn settle(&mut self, items: &BTreeMap<String, Item>, settings: &Arc<Settings>, kube: &Kube) {
        let mut wanted: BTreeMap<String, (Key, Order)> = BTreeMap::new();
        for item in items.values() {
            let Some(key) = item.object.key() else { continue };
            // One that is deleted before it ever had something needs nothing now.
            let idle = item.object.deleting && (item.released || !item.object.is_secured());
            if idle {
                continue;
            }
            let order = Order {
                rotate_after: item.object.rotate_after(),
                on_delete: item.object.on_delete(),
                spread: self.by_name.get(&key.secret_name()).is_some_and(|keeping| keeping.spread),
                is_over: false,
            };
            let entry = wanted.entry(key.secret_name()).or_insert((key, order));
            entry.1.rotate_after = [entry.1.rotate_after, order.rotate_after].into_iter().flatten().min();
            // Whoever wants it kept may have its reasons.
            if order.on_delete == OnDelete::Retain {
                entry.1.on_delete = OnDelete::Retain;
            }
        }
        // A spec that moved to another credential needs the old one until the new one is distributed.
        let moving = items
            .values()
            .any(|item| item.object.spec.is_err() || (item.held.is_some() && item.lack.is_some()));
        for (name, keeping) in &mut self.by_name {
            let order = match wanted.get(name) {
                Some((_, order)) => *order,
                None if moving && !keeping.is_remnant => continue,
                None => Order { is_over: true, spread: keeping.spread, ..keeping.last },
            };
            if !order.is_over {
                keeping.last = order;
                keeping.is_remnant = false;
            }
            keeping.orders.send_if_modified(|now| std::mem::replace(now, order) != order);
        }
        for (name, (key, order)) in wanted {
            if !self.by_name.contains_key(&name) {
                self.begin(key, order, false, settings, kube);
            }
        }
    }

    /// Takes up a stored credential that nobody uses, to end it as its last user wanted.
    pub(super) fn part_with(&mut self, document: Document, settings: &Arc<Settings>, kube: &Kube) {
        if !self.is_kept(&document.key) {
            let on_delete = document.on_delete;
            let order = Order { rotate_after: None, on_delete, spread: false, is_over: true };
            self.begin(document.key, order, true, settings, kube);
        }
    }

    fn begin(&mut self, key: Key, order: Order, is_remnant: bool, settings: &Arc<Settings>, kube: &Kube) {
        let (orders, receiver) = watch::channel(order);
        let tools = Tools {
            cloud: settings.cloud.clone(),
            kube: kube.clone(),
            cluster_id: settings.cluster_id.clone(),
            registry: settings.registry.clone(),
            allowed_roots: settings.allowed_roots.clone(),
            news: self.news.clone(),
        };
        self.by_name.insert(
            key.secret_name(),
            Keeping { orders, held: None, why: None, spread: false, last: order, is_remnant },
        );
        self.tasks.spawn(format!("the keeper of {key}"), keeper::keep(key, tools, receiver));
    }
}

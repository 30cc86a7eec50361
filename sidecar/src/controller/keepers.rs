//! Which credentials are kept, and for whom.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::Client as Kube;
use tcr::image_pull_secret::OnDelete;
use tokio::sync::{mpsc, watch};

use super::Settings;
use super::item::Item;
use crate::credential::Key;
use crate::credential::keeper::{self, News, Order, Tools};
use crate::credential::plan::Held;
use crate::credential::store::Document;

/// Keepers by the names of their Secrets.
#[derive(Debug)]
pub(super) struct Keepers {
    by_name: BTreeMap<String, Keeping>,
    news: mpsc::Sender<(Key, News)>,
}

#[derive(Debug)]
struct Keeping {
    orders: watch::Sender<Order>,
    held: Option<Held>,
    /// The last order with a user.
    last: Order,
    /// Taken up only to be ended.
    is_remnant: bool,
}

impl Keepers {
    pub(super) fn new(news: mpsc::Sender<(Key, News)>) -> Self {
        Self { by_name: BTreeMap::new(), news }
    }

    /// The credential of this key.
    pub(super) fn held(&self, key: &Key) -> Option<&Held> {
        self.by_name.get(&key.secret_name())?.held.as_ref()
    }

    /// Whether the credential of this key is still kept.
    pub(super) fn is_kept(&self, key: &Key) -> bool {
        self.by_name.contains_key(&key.secret_name())
    }

    /// A credential was told of.
    pub(super) fn have(&mut self, key: &Key, held: Held) {
        if let Some(keeping) = self.by_name.get_mut(&key.secret_name()) {
            keeping.held = Some(held);
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
                is_over: false,
            };
            let entry = wanted.entry(key.secret_name()).or_insert((key, order));
            entry.1.rotate_after = [entry.1.rotate_after, order.rotate_after].into_iter().flatten().min();
            // Whoever wants it kept may have its reasons.
            if order.on_delete == OnDelete::Retain {
                entry.1.on_delete = OnDelete::Retain;
            }
        }
        // A spec that moved to another credential needs the old one until the new one is there.
        let moving = items.values().any(|item| {
            item.object.spec.is_err()
                || (item.object.key().is_some() && item.held.is_some() && item.lack.is_some())
        });
        for (name, keeping) in &mut self.by_name {
            let order = match wanted.get(name) {
                Some((_, order)) => *order,
                None if moving && !keeping.is_remnant => continue,
                None => Order { is_over: true, ..keeping.last },
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
            let order = Order { rotate_after: None, on_delete: document.on_delete, is_over: true };
            self.begin(document.key, order, true, settings, kube);
        }
    }

    fn begin(&mut self, key: Key, order: Order, is_remnant: bool, settings: &Arc<Settings>, kube: &Kube) {
        let (orders, receiver) = watch::channel(order);
        let tools = Tools {
            cloud: settings.cloud.clone(),
            kube: kube.clone(),
            cluster_id: settings.cluster_id.clone(),
            news: self.news.clone(),
        };
        self.by_name.insert(key.secret_name(), Keeping { orders, held: None, last: order, is_remnant });
        tokio::spawn(keeper::keep(key, tools, receiver));
    }
}

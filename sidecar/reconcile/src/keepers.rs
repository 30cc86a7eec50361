//! Which credentials have a keeper, and for which ImagePullSecrets. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use tcr::image_pull_secret::OnDelete;

use crate::effect::Effect;
use crate::input::StoredCredential;
use crate::item::{CredentialName, Items};
use credential_plan::Key;
use credential_plan::Order;
use credential_plan::plan::Held;

/// Keepers by the names of their credentials' Secrets.
#[derive(Debug, Default)]
pub(crate) struct Keepers {
    by_name: BTreeMap<Arc<str>, Keeping>,
}

#[derive(Debug)]
struct Keeping {
    key: Key,
    /// The order that was sent last.
    order: Order,
    held: Option<Held>,
    /// Why the previous credential was replaced.
    why: Option<String>,
    /// No copy of the previous credential is left.
    is_rolled_out: bool,
    /// The last order while an ImagePullSecret used the credential.
    last: Order,
    /// Started only to remove a credential that no ImagePullSecret uses.
    is_remnant: bool,
}

impl Keepers {
    /// The credential in this Secret.
    pub(crate) fn held(&self, secret_name: &str) -> Option<&Held> {
        self.by_name.get(secret_name)?.held.as_ref()
    }

    /// Why the credential before this one was replaced.
    pub(crate) fn why(&self, secret_name: &str) -> Option<&str> {
        self.by_name.get(secret_name)?.why.as_deref()
    }

    /// Credentials of which copies of the previous one may be left, with the one that is held now.
    pub(crate) fn rolling_out(&self) -> impl Iterator<Item = (&Key, &Held)> {
        let rolling_out = self.by_name.values().filter(|keeping| !keeping.is_rolled_out);
        rolling_out.filter_map(|keeping| Some((&keeping.key, keeping.held.as_ref()?)))
    }

    /// No copy of the previous credential is left.
    pub(crate) fn set_rolled_out(&mut self, key: &Key, effects: &mut Vec<Effect>) {
        let Some(keeping) = self.by_name.get_mut(&*key.secret_name()) else { return };
        keeping.is_rolled_out = true;
        let rolled_out = keeping.rolled_out();
        keeping.last.rolled_out.clone_from(&rolled_out);
        keeping.tell(Order { rolled_out, ..keeping.order.clone() }, effects);
    }

    /// Whether the credential of this Secret has a keeper.
    pub(crate) fn is_kept(&self, secret_name: &str) -> bool {
        self.by_name.contains_key(secret_name)
    }

    /// A keeper holds this credential now.
    pub(crate) fn take(&mut self, key: &Key, held: Held, why: Option<String>) {
        if let Some(keeping) = self.by_name.get_mut(&*key.secret_name()) {
            keeping.held = Some(held);
            keeping.why = why;
            keeping.is_rolled_out = false;
        }
    }

    /// A keeper has ended.
    pub(crate) fn remove(&mut self, key: &Key) {
        self.by_name.remove(&*key.secret_name());
    }

    /// Starts, orders and ends keepers as the ImagePullSecrets ask for.
    pub(crate) fn settle(&mut self, items: &Items, effects: &mut Vec<Effect>) {
        let wanted = self.wanted(items);
        // A spec that moved to another credential needs the old one until the new one is distributed.
        let is_used = |key: &Key| items.values().any(|item| !item.released && item.uses(key));
        // Until then the old one is renewed: the new one may never come.
        let is_in_place =
            |key: &Key| items.values().any(|item| !item.object.deleting && item.distributes(key));
        for (name, keeping) in &mut self.by_name {
            let mut order = match wanted.get(name) {
                Some((_, order)) => order.clone(),
                None if !keeping.is_remnant && is_used(&keeping.key) => {
                    Order { is_needed: is_in_place(&keeping.key), ..keeping.order.clone() }
                }
                None if keeping.order.is_over => keeping.order.clone(),
                None => Order {
                    is_over: true,
                    is_needed: false,
                    rolled_out: keeping.rolled_out(),
                    ..keeping.last.clone()
                },
            };
            order.taken_back = keeping.order.taken_back + u32::from(keeping.order.is_over && !order.is_over);
            if order.is_over {
                // It may be deleted from now on: an ImagePullSecret that asks for it waits until its keeper has seen it.
                keeping.held = None;
                keeping.is_rolled_out = false;
            } else {
                keeping.last = order.clone();
                keeping.is_remnant = false;
            }
            keeping.tell(order, effects);
        }
        for (name, (key, order)) in wanted {
            if !self.by_name.contains_key(name) {
                self.start(name.clone(), key.clone(), order, false, effects);
            }
        }
    }

    /// Starts a keeper for a stored credential that no ImagePullSecret uses, to end it by its last
    /// `onDelete`.
    pub(crate) fn retire(&mut self, stored: StoredCredential, effects: &mut Vec<Effect>) {
        let StoredCredential { key, on_delete } = stored;
        let secret_name = key.secret_name();
        if !self.is_kept(&secret_name) {
            let order = Order { on_delete, is_over: true, ..Order::default() };
            self.start(secret_name.into(), key, order, true, effects);
        }
    }

    fn wanted<'a>(&self, items: &'a Items) -> BTreeMap<&'a Arc<str>, (&'a Key, Order)> {
        let mut wanted: BTreeMap<&Arc<str>, (&Key, Order)> = BTreeMap::new();
        for item in items.values() {
            let Some(CredentialName { key, secret }) = &item.asks_for else { continue };
            // An object that is deleted before it had a credential needs none.
            let idle = item.object.deleting && (item.released || !item.object.is_secured());
            if idle {
                continue;
            }
            let order = Order {
                rotate_after: item.object.rotate_after(),
                validity: item.object.validity(),
                on_delete: item.object.on_delete(),
                rolled_out: self.by_name.get(secret).and_then(Keeping::rolled_out),
                request: item.asked.clone().filter(|it| it.request.is_of_a_credential()),
                is_needed: !item.object.deleting,
                is_over: false,
                taken_back: 0,
            };
            let entry = wanted.entry(secret).or_insert_with(|| (key, order.clone()));
            entry.1.rotate_after = [entry.1.rotate_after, order.rotate_after].into_iter().flatten().min();
            entry.1.is_needed |= order.is_needed;
            entry.1.validity = [entry.1.validity, order.validity].into_iter().flatten().min();
            // The newest request is carried out.
            let requests = [entry.1.request.take(), order.request].into_iter().flatten();
            entry.1.request = requests.max_by_key(|it| it.id);
            // One ImagePullSecret with onDelete Retain is enough to keep the credential.
            if order.on_delete == OnDelete::Retain {
                entry.1.on_delete = OnDelete::Retain;
            }
        }
        wanted
    }

    fn start(
        &mut self,
        secret_name: Arc<str>,
        key: Key,
        order: Order,
        is_remnant: bool,
        effects: &mut Vec<Effect>,
    ) {
        effects.push(Effect::StartKeeper { key: key.clone(), order: order.clone() });
        let last = order.clone();
        let keeping = Keeping { key, order, held: None, why: None, is_rolled_out: false, last, is_remnant };
        self.by_name.insert(secret_name, keeping);
    }
}

impl Keeping {
    /// The version of the held credential, once no copy of an earlier one is left.
    fn rolled_out(&self) -> Option<String> {
        self.held.as_ref().filter(|_| self.is_rolled_out).map(Held::version)
    }

    fn tell(&mut self, order: Order, effects: &mut Vec<Effect>) {
        if self.order != order {
            self.order = order.clone();
            effects.push(Effect::OrderKeeper { key: self.key.clone(), order });
        }
    }
}

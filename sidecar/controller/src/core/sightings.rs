//! What each kind of sighting changes in the state, and whose turn it makes it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::runtime::watcher::Event;
use tcr::names::derived_secret_name;

use super::super::item::Item;
use super::super::object::Object;
use super::super::password::Password;
use super::super::pods::SeenPod;
use super::super::queue::Lane;
use super::super::seen::{Placed, SeenNamespace};
use super::super::state::Kind;
use super::super::watch_streams::Sighting;
use super::Core;
use distribution::{Account, SeenSecret, TargetKind};

/// The API server lets whoever creates something in a namespace that its own cache does not know yet wait for
/// 50 ms (`missingNamespaceWait` in k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle), and our watch may
/// be faster than that cache. The namespace's first ServiceAccount shows that it knows, and ends this wait.
const BREATH: Duration = Duration::from_millis(10);

impl Core {
    /// Takes in what a watch saw.
    pub(super) fn take(&mut self, sighting: Sighting) {
        match sighting {
            Sighting::ImagePullSecret(event) => self.take_object(event),
            Sighting::Namespace(event) => self.take_namespace(event),
            Sighting::Account(event) => self.take_account(event),
            Sighting::Secret(event) => self.take_secret(event),
            Sighting::Pod(event) => self.take_pod_event(event),
            Sighting::Password(event) => self.take_password(event),
        }
    }

    fn take_namespace(&mut self, event: Event<SeenNamespace>) {
        match event {
            Event::Apply(seen) => {
                let name: Arc<str> = (*seen.name).into();
                let is_new = !self.state.observed().get(&name).is_some_and(|namespace| namespace.exists);
                match self.state.see_namespace(seen) {
                    true if is_new => self.queue.push_at(&name, Instant::now() + BREATH),
                    true => self.queue.push(&name, Lane::Urgent),
                    false => {}
                }
            }
            Event::InitApply(seen) => {
                let name: Arc<str> = (*seen.name).into();
                self.unlisted_namespaces.saw(&name);
                if self.state.see_namespace(seen) {
                    self.queue.push(&name, Lane::Urgent);
                }
            }
            Event::Delete(seen) => self.lose_namespace(&seen.name),
            Event::Init => {
                // Others are known by what is in them: their turn comes.
                let seen = self.state.observed().iter().filter(|(_, it)| it.exists);
                self.unlisted_namespaces.begin(seen.map(|(name, _)| name.clone()));
            }
            Event::InitDone => {
                self.unlisted_namespaces.end().for_each(|name| self.lose_namespace(&name));
                self.look_at_others_now();
                self.listings.namespaces = true;
                self.listing_done();
            }
        }
    }

    fn take_account(&mut self, event: Event<Placed<Account>>) {
        match event {
            Event::Apply(placed) | Event::InitApply(placed) => {
                let namespace: Arc<str> = (*placed.namespace).into();
                let name = placed.name.clone();
                let news = self.state.see_account(placed);
                if self.take_drift(&namespace, TargetKind::ServiceAccount, &name, news) {
                    self.queue.push(&namespace, Lane::Urgent);
                }
            }
            Event::Delete(placed) => self.state.lose_account(&placed.namespace, &placed.name),
            Event::Init => self.state.begin_listing(Kind::Accounts),
            Event::InitDone => {
                self.state.end_listing(Kind::Accounts);
                self.listings.accounts = true;
                self.listing_done();
            }
        }
    }

    fn take_secret(&mut self, event: Event<Option<Placed<SeenSecret>>>) {
        match event {
            Event::Apply(Some(placed)) => {
                let (namespace, name): (Arc<str>, _) = ((*placed.namespace).into(), placed.name.clone());
                if self.see_secret(&namespace, placed) {
                    let changed = self.changed.entry(namespace).or_default();
                    if !changed.contains(&name) {
                        changed.push(name);
                    }
                }
            }
            Event::InitApply(Some(placed)) => {
                let namespace: Arc<str> = (*placed.namespace).into();
                self.see_secret(&namespace, placed);
            }
            Event::Delete(Some(placed)) => {
                let SeenSecret::Ours { uid, .. } = &placed.seen else { return };
                let news = self.state.lose_secret(&placed.namespace, &placed.name, uid);
                let namespace: Arc<str> = (*placed.namespace).into();
                if self.take_drift(&namespace, TargetKind::Secret, &placed.name, news) {
                    self.queue.push(&namespace, Lane::Urgent);
                }
            }
            Event::Apply(None) | Event::InitApply(None) | Event::Delete(None) => {}
            Event::Init => self.state.begin_listing(Kind::Secrets),
            Event::InitDone => {
                let news = self.state.end_listing(Kind::Secrets);
                news.iter().for_each(|name| self.queue.push(name, Lane::Urgent));
                self.listings.secrets = true;
                self.listing_done();
            }
        }
    }

    /// Whether it is news.
    fn see_secret(&mut self, namespace: &Arc<str>, placed: Placed<SeenSecret>) -> bool {
        let name = placed.name.clone();
        let news = self.state.see_secret(placed);
        let is_news = self.take_drift(namespace, TargetKind::Secret, &name, news);
        if is_news {
            self.queue.push(namespace, Lane::Urgent);
        }
        is_news
    }

    fn take_pod_event(&mut self, event: Event<SeenPod>) {
        match event {
            Event::Apply(pod) | Event::InitApply(pod) => self.take_pod(pod),
            Event::Delete(pod) => self.stuck.lose(&pod.uid),
            Event::Init => self.stuck.begin_listing(),
            Event::InitDone => self.stuck.end_listing(),
        }
    }

    fn take_password(&mut self, event: Event<Password>) {
        match event {
            Event::Apply(password) | Event::InitApply(password) => self.passwords.set(password),
            Event::Delete(password) => self.passwords.remove(&password.name),
            Event::Init => return self.passwords.begin_listing(),
            Event::InitDone => {
                self.passwords.end_listing();
                self.listings.passwords = true;
                self.listing_done();
            }
        }
        if self.listings.passwords {
            self.refresh_all();
        }
    }

    fn take_object(&mut self, event: Event<Box<kube::api::DynamicObject>>) {
        match event {
            Event::Apply(object) | Event::InitApply(object) => {
                let object = Object::read(*object, &self.settings.rules());
                let name = object.name.clone();
                self.unlisted_objects.saw(&name);
                let is_new = match self.items.get_mut(&name) {
                    Some(item) if item.object.uid == object.uid => {
                        let region = item.object.region().map(str::to_owned);
                        item.see(object);
                        item.object.region() != region.as_deref()
                    }
                    _ => {
                        self.items.insert(name.clone(), Item::new(object));
                        true
                    }
                };
                if is_new {
                    self.compare_regions(&name);
                }
                self.refresh(&name);
            }
            Event::Delete(object) => self.lose_object(&object.metadata.name.unwrap_or_default()),
            Event::Init => self.unlisted_objects.begin(self.items.keys().cloned()),
            Event::InitDone => {
                self.unlisted_objects.end().for_each(|name| self.lose_object(&name));
                self.listings.objects = true;
                self.listing_done();
            }
        }
    }

    fn lose_object(&mut self, name: &str) {
        self.items.remove(name);
        self.state.forget(name);
        self.keepers.settle(&self.items, &self.settings, &self.client);
        self.settle_links();
        // It had our finalizer, so nothing is left, unless somebody took that off.
        let left: Vec<Arc<str>> =
            self.state.observed().holding(&derived_secret_name(name)).into_iter().map(Arc::from).collect();
        left.iter().for_each(|namespace| self.queue.push(namespace, Lane::Bulk));
    }

    fn lose_namespace(&mut self, name: &str) {
        self.state.lose_namespace(name);
        self.queue.forget(name);
        self.backlog.forget(name);
        self.failures.forget(name);
        self.changed.remove(name);
        self.look_at.remove(name);
        self.contests.forget(name);
    }
}

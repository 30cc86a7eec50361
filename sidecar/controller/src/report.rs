//! What the core tells about each ImagePullSecret: its status, its finalizer, Events.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::ApiResource;
use serde_json::json;
use tcr::names::{FINALIZER, derived_secret_name};

use super::announce::Announcement;
use super::core::Core;
use super::item::Item;
use super::links::LinkNews;
use super::nodes::Nodes;
use super::numbers::Line;
use super::object::Lack;
use super::status::{self, Facts};
use credential::Key;
use credential::keeper::News;
use credential::store::{Document, Store};
use custom_resource::{ImagePullSecret, ImagePullSecretStatus};
use distribution::Target;
use kubernetes::api_error::{ApiError, within};

/// The time between two statuses of one object while there is still work.
const PAUSE: Duration = Duration::from_secs(1);
/// The time after which a status that could not be written is tried again.
const AGAIN: Duration = Duration::from_secs(5);
const DEADLINE: Duration = Duration::from_secs(30);

/// A report was sent, or not.
#[derive(Debug)]
pub(super) enum Reported {
    Status { name: String, status: Box<ImagePullSecretStatus>, result: Result<(), ApiError> },
    Finalizers { name: String, version: String, result: Result<(), ApiError> },
    Remnants(Result<Vec<Document>, ApiError>),
    Again { name: String },
    Rival { target: Target, rival: Option<String> },
}

impl Core {
    /// Sends what is due; when the next is.
    pub(super) fn report(&mut self, now: Instant) -> Option<Instant> {
        if !self.listings.are_complete() {
            return None;
        }
        for name in self.state.moved() {
            if let Some(item) = self.items.get_mut(&name) {
                item.dirty = true;
            }
        }
        let settled = self.is_settled();
        if settled {
            self.look_for_remnants();
            self.look_for_old_copies();
        }
        let names: Vec<String> =
            self.items.values().filter(|item| item.dirty).map(|item| item.object.name.clone()).collect();
        names.iter().filter_map(|name| self.report_one(name, settled, now)).min()
    }

    fn report_one(&mut self, name: &str, settled: bool, now: Instant) -> Option<Instant> {
        self.finalize(name);
        let item = self.items.get(name)?;
        if item.writing {
            // Looked at again when that one is through.
            return None;
        }
        let pause = item.written_at.map(|at| at + PAUSE).filter(|_| !settled);
        let due = [pause, item.not_before].into_iter().flatten().max().filter(|due| *due > now);
        if due.is_some() {
            return due;
        }
        let status = self.status_of(name)?;
        let item = self.items.get_mut(name)?;
        if status == item.written {
            item.dirty = false;
            return None;
        }
        item.dirty = false;
        item.writing = true;
        item.written_at = Some(now);
        let api = self.api();
        let name = name.to_owned();
        self.reports.spawn(async move {
            let result = match status::merge_patch(&status) {
                Ok(patch) => {
                    let params = PatchParams::default();
                    within(DEADLINE, api.patch_status(&name, &params, &Patch::Merge(patch))).await.map(|_| ())
                }
                Err(error) => Err(ApiError::Other(error.to_string())),
            };
            Reported::Status { name, status: Box::new(status), result }
        });
        None
    }

    fn status_of(&self, name: &str) -> Option<ImagePullSecretStatus> {
        let item = self.items.get(name)?;
        let secret = derived_secret_name(name);
        let sum = self.state.sum(name);
        let conflict = match sum.conflicts {
            0 => None,
            _ => {
                let foreign = self.state.observed().iter().filter(|(_, seen)| {
                    seen.is_live() && seen.secrets.get(&secret).is_some_and(|found| !found.is_ours())
                });
                foreign.map(|(namespace, _)| &**namespace).min()
            }
        };
        let standing = item.standing();
        Some(status::status(&Facts {
            name,
            generation: item.object.generation,
            deleting: item.object.deleting,
            invalid: item.object.spec.as_ref().err().map(String::as_str),
            sum,
            hosts: &item.hosts,
            has_content: item.content.is_some(),
            can_push: item.can_push,
            replaced: item.replaced.as_deref(),
            lack: item.problem.as_ref().or(item.lack.as_ref()),
            standing,
            pending: item.rollout.pending(),
            token_id: item.held.as_ref().and_then(|held| held.token_id.as_deref()),
            expires_at: item.held.as_ref().and_then(|held| held.expires_at),
            conflict,
            contested: self.contested(name),
            link: item.link.as_ref(),
            nodes: self.links.nodes(),
            failures: self.failures.of(name),
            before: &item.written,
            now: Timestamp::now(),
        }))
    }

    /// Puts our finalizer on, or takes it off when nothing is left.
    fn finalize(&mut self, name: &str) {
        let Some(item) = self.items.get_mut(name) else { return };
        let mut finalizers = item.object.finalizers.clone();
        match (item.object.deleting, item.object.is_secured()) {
            (false, false) => finalizers.push(FINALIZER.to_owned()),
            (true, true) => {
                if !self.is_cleaned(name) {
                    return;
                }
                finalizers.retain(|finalizer| finalizer != FINALIZER);
            }
            _ => return,
        }
        let Some(item) = self.items.get_mut(name) else { return };
        if !item.begin_finalizing() {
            return;
        }
        let version = item.object.resource_version.clone();
        let patch = json!({"metadata": {"resourceVersion": version, "finalizers": finalizers}});
        let (api, name) = (self.api(), name.to_owned());
        self.reports.spawn(async move {
            let params = PatchParams::default();
            let result = within(DEADLINE, api.patch(&name, &params, &Patch::Merge(patch))).await.map(|_| ());
            Reported::Finalizers { name, version, result }
        });
    }

    /// Whether a deleted object has left nothing: references and Secrets first, then its part in the
    /// credential, then its hosts entries.
    fn is_cleaned(&mut self, name: &str) -> bool {
        if self.state.sum(name).leftovers > 0
            || !self.state.observed().holding(&derived_secret_name(name)).is_empty()
        {
            return false;
        }
        let Some(item) = self.items.get_mut(name) else { return false };
        let key = item.object.key();
        item.released = true;
        self.keepers.settle(&self.items, &self.settings, &self.client);
        self.settle_links();
        let shared = |key: &Key| {
            let others = self.items.values().filter(|other| other.object.name != name && !other.released);
            others.into_iter().any(|other| other.object.key().is_some_and(|it| it == *key))
        };
        let released = key.is_none_or(|key| shared(&key) || !self.keepers.is_kept(&key));
        released && self.links.is_withdrawn(name)
    }

    /// Credentials whose last user went away while no controller ran. Once, when everything is
    /// settled: until then one of them may still be in use somewhere.
    fn look_for_remnants(&mut self) {
        let sure = self
            .items
            .values()
            .all(|item| item.object.spec.is_ok() && (item.lack.is_none() || item.object.deleting));
        if self.swept || !sure {
            return;
        }
        self.swept = true;
        let store = Store::new(self.client.clone());
        self.reports.spawn(async move { Reported::Remnants(store.all().await) });
    }

    pub(super) fn take_reported(&mut self, reported: Reported) {
        match reported {
            Reported::Status { name, status, result } => {
                let Some(item) = self.items.get_mut(&name) else { return };
                item.writing = false;
                item.dirty = true;
                match result {
                    Ok(()) => {
                        item.written = *status;
                        item.not_before = None;
                    }
                    Err(error) if error.is_not_found() => {}
                    Err(error) => {
                        item.not_before = Some(Instant::now() + AGAIN);
                        tracing::warn!(image_pull_secret = name, %error, "cannot write the status; trying again");
                    }
                }
            }
            Reported::Finalizers { name, version, result } => {
                let Some(item) = self.items.get_mut(&name) else { return };
                match result {
                    Err(error) if !error.is_conflict() && !error.is_not_found() => {
                        tracing::warn!(image_pull_secret = name, %error, "cannot write the finalizers; trying again");
                        self.reports.spawn(async move {
                            tokio::time::sleep(AGAIN).await;
                            Reported::Again { name }
                        });
                    }
                    _ => item.end_finalizing(Some(version)),
                }
            }
            Reported::Again { name } => {
                if let Some(item) = self.items.get_mut(&name) {
                    item.end_finalizing(None);
                }
            }
            Reported::Rival { target, rival } => self.take_rival(&target, rival),
            Reported::Remnants(Ok(documents)) => {
                for document in documents {
                    self.keepers.part_with(document, &self.settings, &self.client);
                }
                // Those that are in use after all are taken back.
                self.keepers.settle(&self.items, &self.settings, &self.client);
            }
            Reported::Remnants(Err(error)) => {
                self.swept = false;
                tracing::warn!(%error, "cannot list the stored credentials");
            }
        }
    }

    pub(super) fn take_news(&mut self, key: &Key, news: News) {
        let users: Vec<String> = self
            .items
            .values()
            .filter(|item| item.object.key().is_some_and(|it| it == *key))
            .map(|item| item.object.name.clone())
            .collect();
        match news {
            News::Have(held, why) => {
                self.keepers.have(key, held, why);
                users.iter().for_each(|name| self.refresh(name));
            }
            News::Tried { can_push } => {
                for name in users {
                    self.take_rights(&name, can_push);
                }
            }
            News::Problem { reason, message } => {
                for name in users {
                    let Some(item) = self.items.get_mut(&name) else { continue };
                    let lack = Lack { reason, message: message.clone() };
                    if item.problem.as_ref() != Some(&lack) {
                        let uid = item.object.uid.clone();
                        self.announcer.say(Announcement {
                            name,
                            uid,
                            warning: true,
                            reason,
                            message: message.clone(),
                        });
                    }
                    item.problem = Some(lack);
                    item.dirty = true;
                }
            }
            News::Well => {
                for name in users {
                    if let Some(item) = self.items.get_mut(&name) {
                        item.problem = None;
                        item.dirty = true;
                    }
                }
            }
            News::Happened { reason, message } => {
                tracing::info!(credential = %key, reason, message, "news of a credential");
                for name in users {
                    let Some(item) = self.items.get(&name) else { continue };
                    let uid = item.object.uid.clone();
                    self.announcer.say(Announcement {
                        name,
                        uid,
                        warning: false,
                        reason,
                        message: message.clone(),
                    });
                }
            }
            News::Over => {
                self.keepers.over(key);
                self.keepers.settle(&self.items, &self.settings, &self.client);
                self.items.values_mut().for_each(|item| item.dirty = true);
            }
        }
    }

    pub(super) fn take_link(&mut self, news: LinkNews) {
        for (name, link) in self.links.take(news) {
            if let Some(item) = self.items.get_mut(&name) {
                item.link = link;
            }
        }
        self.items.values_mut().for_each(|item| item.dirty = true);
    }

    pub(super) fn metrics(&self) -> String {
        let line = |item: &Item| -> (String, Option<i64>) {
            let expires = item.held.as_ref().and_then(|held| held.expires_at);
            (item.object.name.clone(), expires.map(Timestamp::as_second))
        };
        let known: Vec<(String, Option<i64>)> = self.items.values().map(line).collect();
        let lines: Vec<Line<'_>> = known
            .iter()
            .map(|(name, expires)| Line {
                name,
                sum: self.state.sum(name),
                stuck: self.stuck.count(name),
                contested: self.contested(name).map_or(0, |(count, _)| count),
                expires: *expires,
            })
            .collect();
        let oldest = self.queue.oldest(Instant::now());
        let nodes = self.links.nodes().map(Nodes::metrics).unwrap_or_default();
        self.numbers.text(self.queue.depth(), oldest, self.state.observed().names().count(), &lines) + &nodes
    }

    fn api(&self) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &ApiResource::erase::<ImagePullSecret>(&()))
    }
}

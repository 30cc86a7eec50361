//! One ImagePullSecret as the core keeps it.

use std::time::Instant;

use super::object::{Filled, Lack, Object};
use super::password::Passwords;
use super::status::Link;
use super::trials::Trial;
use crate::crd::ImagePullSecretStatus;
use crate::credential::plan::Held;
use crate::distribution::Content;

/// An ImagePullSecret, what it holds, and what was told about it.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) object: Object,
    /// The last good content: a failed or empty refresh never replaces it.
    pub(super) content: Option<Content>,
    pub(super) hosts: Vec<String>,
    /// The credential that the content is from.
    pub(super) held: Option<Held>,
    /// Why there is no content for the spec as it is now.
    pub(super) lack: Option<Lack>,
    /// What the registry said to the password that the spec gives.
    pub(super) trial: Option<Trial>,
    /// Whether the credential may also push, once the registry said so.
    pub(super) can_push: Option<bool>,
    /// Why the credential before this one was replaced.
    pub(super) replaced: Option<String>,
    /// What the keeper of its credential complains about.
    pub(super) problem: Option<Lack>,
    pub(super) link: Option<Link>,
    /// The status may no longer be true.
    pub(super) dirty: bool,
    pub(super) written: ImagePullSecretStatus,
    pub(super) written_at: Option<Instant>,
    pub(super) writing: bool,
    /// The status is not written again before, because it could not be.
    pub(super) not_before: Option<Instant>,
    /// Its part in the credential is over, after it was deleted.
    pub(super) released: bool,
    finalizing: bool,
    /// The version at which the API server refused our finalizers, because there is a newer one.
    overtaken: Option<String>,
}

impl Item {
    pub(super) fn new(object: Object) -> Self {
        Self {
            content: None,
            hosts: Vec::new(),
            held: None,
            lack: None,
            trial: None,
            can_push: None,
            replaced: None,
            problem: None,
            link: None,
            dirty: true,
            written: object.status.clone(),
            written_at: None,
            writing: false,
            not_before: None,
            released: false,
            finalizing: false,
            overtaken: None,
            object,
        }
    }

    /// The object as it is now.
    pub(super) fn see(&mut self, object: Object) {
        // An answer of ours may have arrived before an older event.
        if object.generation >= self.object.generation {
            self.object = object;
        }
        self.dirty = true;
    }

    /// Takes the content that there is now. What the spec itself gives waits for its trial where `replaces` says
    /// that it would take the place of another one.
    pub(super) fn fill(
        &mut self,
        passwords: &Passwords,
        held: Option<&Held>,
        allowed_roots: &[String],
        replaces: impl FnOnce(&Content) -> bool,
    ) {
        match self.object.fill(passwords, held, allowed_roots) {
            Ok(Filled { bytes, hosts }) => {
                let content = Content::new(bytes);
                if let Some(lack) = self.waits_for_trial(&content, replaces) {
                    self.lack = Some(lack);
                    return;
                }
                if self.content.as_ref().map(Content::digest) != Some(content.digest()) {
                    self.content = Some(content);
                }
                self.hosts = hosts;
                self.held = held.cloned();
                self.lack = None;
            }
            Err(lack) => self.lack = Some(lack),
        }
    }

    /// Begins to write the finalizers, unless that is under way, or has to wait for the object as it is
    /// now.
    pub(super) fn begin_finalizing(&mut self) -> bool {
        let begins =
            !self.finalizing && self.overtaken.as_deref() != Some(self.object.resource_version.as_str());
        self.finalizing |= begins;
        begins
    }

    /// The finalizers were written, or not; `overtaken` names the version that was no longer the newest.
    /// The newest may have been seen before this answer came, so the object is looked at again.
    pub(super) fn end_finalizing(&mut self, overtaken: Option<String>) {
        self.finalizing = false;
        self.overtaken = overtaken;
        self.dirty = true;
    }
}

#[cfg(test)]
mod tests {
    use kube::api::DynamicObject;
    use tcr::rules::RuleContext;

    use super::{Item, Object};

    fn at(version: &str) -> Object {
        let object: DynamicObject = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "demo", "resourceVersion": version, "generation": 1},
        }))
        .unwrap();
        Object::read(
            object,
            &RuleContext { allowed_roots: &[], cluster_id: None, description_required: true },
        )
    }

    #[test]
    fn finalizers_are_written_by_one_at_a_time() {
        let mut item = Item::new(at("1"));
        assert!(item.begin_finalizing());
        assert!(!item.begin_finalizing());
        item.end_finalizing(None);
        assert!(item.begin_finalizing());
    }

    #[test]
    fn refused_finalizers_wait_for_a_newer_version() {
        let mut item = Item::new(at("1"));
        assert!(item.begin_finalizing());
        item.end_finalizing(Some("1".to_owned()));
        assert!(!item.begin_finalizing(), "it would be refused again");
        item.see(at("2"));
        assert!(item.begin_finalizing());
    }

    #[test]
    fn a_newer_version_that_was_seen_before_the_refusal_is_not_forgotten() {
        let mut item = Item::new(at("1"));
        assert!(item.begin_finalizing());
        item.see(at("2"));
        item.dirty = false;
        item.end_finalizing(Some("1".to_owned()));
        assert!(item.dirty, "nobody would look at it again");
        assert!(item.begin_finalizing());
    }
}

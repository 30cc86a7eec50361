//! One ImagePullSecret as the core keeps it.

use std::time::Instant;

use super::object::{Filled, Lack, Object};
use super::password::Passwords;
use super::status::Link;
use crate::crd::ImagePullSecretStatus;
use crate::credential::plan::Held;
use crate::distribution::Content;

/// An ImagePullSecret, what it holds, and what was told about it.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) object: Object,
    /// Seen in the list that is being read.
    pub(super) listed: bool,
    /// The last good content: a failed or empty refresh never replaces it.
    pub(super) content: Option<Content>,
    pub(super) hosts: Vec<String>,
    /// The credential that the content is from.
    pub(super) held: Option<Held>,
    /// Why there is no content for the spec as it is now.
    pub(super) lack: Option<Lack>,
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
}

impl Item {
    pub(super) fn new(object: Object) -> Self {
        Self {
            listed: true,
            content: None,
            hosts: Vec::new(),
            held: None,
            lack: None,
            problem: None,
            link: None,
            dirty: true,
            written: object.status.clone(),
            written_at: None,
            writing: false,
            not_before: None,
            released: false,
            finalizing: false,
            object,
        }
    }

    /// The object as it is now.
    pub(super) fn see(&mut self, object: Object) {
        // An answer of ours may have arrived before an older event.
        if object.generation >= self.object.generation {
            self.object = object;
        }
        self.listed = true;
        self.dirty = true;
    }

    /// Takes the content that there is now.
    pub(super) fn fill(&mut self, passwords: &Passwords, held: Option<&Held>, allowed_roots: &[String]) {
        match self.object.fill(passwords, held, allowed_roots) {
            Ok(Filled { bytes, hosts }) => {
                let content = Content::new(bytes);
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

    /// Whether the finalizers are being written; `set` says that they are, or no longer are.
    pub(super) fn finalizing(&mut self, set: bool) -> bool {
        std::mem::replace(&mut self.finalizing, set)
    }
}

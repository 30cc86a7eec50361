//! One ImagePullSecret as the reconciler keeps it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

use crate::distributed::in_place;
use crate::link_request::LastLink;
use crate::object::{Filled, LoginSource, NotReady, Object};
use crate::overlap::Claim;
use crate::password::Passwords;
use crate::request;
use crate::state::State;
use credential_plan::Key;
use credential_plan::plan::Held;
use credential_plan::rollout::{Given, Recorded, Rollout, Standing};
use custom_resource::condition::{ConditionReason, RequestState};
use custom_resource::link::Link;
use custom_resource::request::{Asked, RequestId};
use custom_resource::{IdentityStatus, ImagePullSecretStatus, RequestStatus};
use distribution::{Content, Digest};
pub(crate) use writes::InFlight;
use writes::{Finalizing, StatusWrite};

pub(crate) mod overlapping;
mod writes;

/// All of them, by name.
pub(crate) type Items = BTreeMap<String, Item>;

/// What a login is checked against before it is distributed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checks {
    /// All that namespaces have is known.
    pub(crate) is_all_listed: bool,
    /// How long a login waits for a verdict.
    pub(crate) timeout: SignedDuration,
    pub(crate) now: Timestamp,
}

/// A login as a Secret holds it, and what it was made from: making it again costs a digest.
#[derive(Debug)]
struct MadeLogin {
    source: LoginSource,
    content: Content,
    hosts: Vec<String>,
}

/// The credential that an ImagePullSecret asks for, with the name of the Secret that keeps it: making that costs a digest.
#[derive(Clone, Debug)]
pub(crate) struct CredentialName {
    pub(crate) key: Key,
    pub(crate) secret: Arc<str>,
}

impl CredentialName {
    fn of(object: &Object) -> Option<Self> {
        let key = object.key()?;
        Some(Self { secret: key.secret_name().into(), key })
    }
}

/// An ImagePullSecret, what it holds, and what was told about it.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) object: Object,
    /// The credential of an instance that it asks for, where it does.
    pub(crate) asks_for: Option<CredentialName>,
    /// The last good content: a failed or empty refresh never replaces it.
    pub(crate) content: Option<Content>,
    pub(crate) hosts: Vec<String>,
    /// The credential that the content is from.
    pub(crate) held: Option<Held>,
    /// Why there is no content for the spec as it is now.
    pub(crate) not_ready: Option<NotReady>,
    /// When a login that the spec gives takes the place of the content, and what the registry said to both.
    pub(crate) rollout: Rollout,
    /// The content that waits for that.
    waiting: Option<Content>,
    /// The login that the spec gives, as it was made last.
    made: Option<MadeLogin>,
    /// The instance whose credential the content is; none where the spec itself gives it.
    content_key: Option<Key>,
    /// Credentials whose content namespaces may still have: they have to be good until then.
    pub(crate) moving_from: Vec<Key>,
    /// Namespaces have Secrets of it from before this process: of which credential, nobody remembers.
    pub(crate) has_unknown_copies: bool,
    /// Whether the credential may also push, once the registry said so.
    pub(crate) can_push: Option<bool>,
    /// Why the credential before this one was replaced.
    pub(crate) replaced: Option<String>,
    /// What the keeper of its credential complains about.
    pub(crate) problem: Option<NotReady>,
    pub(crate) link: Option<Link>,
    /// What the status told of the links when the object was seen first.
    pub(crate) last_links: Vec<LastLink>,
    /// What is said about the request on it.
    pub(crate) answer: Option<RequestStatus>,
    /// The request on it, while it is being carried out.
    pub(crate) asked: Option<Asked>,
    /// The request for which instances are being listed.
    pub(crate) listing: Option<RequestId>,
    /// The status may no longer be true.
    pub(crate) needs_report: bool,
    /// The status that there is.
    pub(crate) written: Arc<ImagePullSecretStatus>,
    /// When the last one was sent.
    written_at: Option<Instant>,
    status_write: StatusWrite,
    /// The status is not written again before, because it could not be.
    not_before: Option<Instant>,
    /// What its Secret is for, as far as the others were compared with it.
    pub(crate) claim: Option<Claim>,
    /// With how many others it overlaps.
    pub(crate) overlapping: usize,
    /// Its part in the credential is over, after it was deleted.
    pub(crate) released: bool,
    finalizing: Finalizing,
    /// The version at which the API server refused our finalizers, because there is a newer one.
    overtaken: Option<String>,
}

impl Item {
    pub(crate) fn new(object: Object) -> Self {
        Self {
            asks_for: CredentialName::of(&object),
            content: None,
            // Discovery reads them there: they stay until others are known.
            hosts: object.status.hosts.clone(),
            held: None,
            not_ready: None,
            rollout: Rollout::restored(Recorded::of(&object.status)),
            waiting: None,
            made: None,
            content_key: None,
            moving_from: Vec::new(),
            has_unknown_copies: false,
            can_push: None,
            replaced: None,
            problem: None,
            link: None,
            last_links: LastLink::of(&object.status, object.generation),
            answer: object.status.request.clone(),
            asked: None,
            listing: None,
            needs_report: true,
            written: object.status.clone(),
            written_at: None,
            status_write: StatusWrite::No,
            not_before: None,
            claim: None,
            overlapping: 0,
            released: false,
            finalizing: Finalizing::No,
            overtaken: None,
            object,
        }
    }

    /// The object as it is now. Whether it asks for anything else than before: most events are the echo of a status.
    pub(crate) fn see(&mut self, mut object: Object) -> bool {
        // An answer of ours may have arrived before an older event.
        if object.generation < self.object.generation {
            return false;
        }
        let is_change = !object.asks_like(&self.object);
        if is_change {
            self.made = None;
            let before = std::mem::replace(&mut self.asks_for, CredentialName::of(&object));
            if before.as_ref().map(|it| &it.key) != self.key() {
                // The keeper that complained is no longer asked.
                self.problem = None;
            }
        }
        let is_written = object.status == self.written;
        if is_written {
            // One copy in memory instead of two.
            object.status = self.written.clone();
        } else if self.status_write != StatusWrite::InFlight {
            // Another process wrote after us, or a write of ours was carried out late.
            self.written = object.status.clone();
        }
        // The echo of a status makes no other one. Finalizers wait for each new version.
        self.needs_report |= is_change || !is_written || object.is_secured() == object.deleting;
        self.object = object;
        is_change
    }

    /// Looks at the request on the object.
    pub(crate) fn take_request(&mut self, now: Timestamp) {
        (self.answer, self.asked) = request::judge(&self.object, self.answer.as_ref(), now);
    }

    /// What is said about the request from now on; nothing where another one has taken its place.
    pub(crate) fn answer(
        &mut self,
        id: RequestId,
        state: RequestState,
        message: String,
    ) -> Option<&mut RequestStatus> {
        let asked = self.asked.take_if(|asked| asked.id == id && state.is_final());
        let asked = asked.as_ref().or(self.asked.as_ref()).filter(|asked| asked.id == id)?;
        self.needs_report = true;
        Some(self.answer.insert(asked.status(state, message)))
    }

    /// Takes the content that there is now. What the spec itself gives, and the first credential of another instance,
    /// goes by [`Rollout`] where registries are asked.
    pub(crate) fn fill(
        &mut self,
        passwords: &Passwords,
        held: Option<&Held>,
        allowed_roots: &[String],
        state: &mut State,
        checks: Option<&Checks>,
    ) {
        if !self.object.has_credential() {
            self.give_up_content();
            return;
        }
        let content = match self.make(passwords, held, allowed_roots) {
            Ok(made) => made.content.clone(),
            Err(not_ready) => {
                self.rollout.give_none();
                self.not_ready = Some(not_ready);
                return;
            }
        };
        state.know(&content);
        if self.key().is_none() {
            // What a keeper complained about is no longer asked for.
            self.problem = None;
        }
        match checks {
            None => self.rollout = Rollout::default(),
            Some(checks) if !checks.is_all_listed => {
                let message = "what is distributed is being listed".to_owned();
                self.not_ready = Some(NotReady { reason: ConditionReason::Pending, message });
                return;
            }
            Some(checks) if self.is_checked() => {
                let version = self.object.login_version(passwords, held);
                let given = Given { digest: content.digest(), version: &version };
                let in_place = in_place(state, &self.object.name, self.content.as_ref(), &content);
                if !self.rollout.give(given, in_place, checks.timeout, checks.now) {
                    let standing = self.rollout.standing();
                    self.not_ready = standing.map(|it| NotReady { reason: it.reason, message: it.message });
                    self.waiting = Some(content);
                    return;
                }
            }
            Some(_) => {}
        }
        if self.key().is_some() {
            // Its keeper asks about it from now on.
            self.rollout = Rollout::default();
        }
        if self.content.as_ref().map(Content::digest) != Some(content.digest())
            && self.content.replace(content).is_some()
        {
            self.can_push = None;
        }
        self.waiting = None;
        if self.content_key.as_ref() != self.key() {
            self.moving_from.extend(self.content_key.take());
            self.content_key = self.key().cloned();
        }
        if let Some(made) = self.made.as_ref().filter(|made| made.hosts != self.hosts) {
            self.hosts.clone_from(&made.hosts);
        }
        if self.held.as_ref() != held {
            self.held = held.cloned();
        }
        self.not_ready = None;
    }

    /// The login that the spec gives.
    fn make(
        &mut self,
        passwords: &Passwords,
        held: Option<&Held>,
        allowed_roots: &[String],
    ) -> Result<&MadeLogin, NotReady> {
        let is_beside_others = self.overlapping > 0;
        let is_it = |made: &MadeLogin| made.source.is_of(&self.object, passwords, held, is_beside_others);
        match self.made.take().filter(is_it) {
            Some(made) => Ok(self.made.insert(made)),
            None => {
                let Filled { bytes, hosts } =
                    self.object.fill(passwords, held, allowed_roots, is_beside_others)?;
                let source = LoginSource::of(&self.object, passwords, held, is_beside_others);
                Ok(self.made.insert(MadeLogin { source, content: Content::new(bytes), hosts }))
            }
        }
    }

    /// It asks for no credential any more. What namespaces still have has to be good until it is gone.
    fn give_up_content(&mut self) {
        self.moving_from.extend(self.content_key.take());
        self.rollout = Rollout::default();
        self.content = None;
        self.waiting = None;
        self.made = None;
        self.held = None;
        self.hosts.clear();
        self.can_push = None;
        self.problem = None;
        self.not_ready = None;
    }

    /// Whether the login has to be let in before it takes the place of the content. A keeper has seen to that for
    /// each but the first credential of its instance.
    fn is_checked(&self) -> bool {
        let key = self.key();
        key.is_none() || (self.content.is_some() && self.content_key.as_ref() != key) || self.rollout.waits()
    }

    /// The credential of an instance that it asks for.
    pub(crate) fn key(&self) -> Option<&Key> {
        self.asks_for.as_ref().map(|it| &it.key)
    }

    /// Whether it asks for the credential, or its content may still be in namespaces.
    pub(crate) fn uses(&self, key: &Key) -> bool {
        // What an object that says something impossible led to before a restart, nobody knows.
        let may_use = self.has_unknown_copies || (self.object.spec.is_err() && self.content.is_none());
        let mut has = self.content_key.iter().chain(&self.moving_from);
        may_use || self.key() == Some(key) || has.any(|it| it == key)
    }

    /// Whether what it distributes is of this credential.
    pub(crate) fn distributes(&self, key: &Key) -> bool {
        self.content_key.as_ref() == Some(key)
    }

    /// The content, or the one that waits.
    pub(crate) fn content_of(&self, digest: Digest) -> Option<&Content> {
        [&self.content, &self.waiting].into_iter().flatten().find(|content| content.digest() == digest)
    }

    /// How it stands with a credential that is checked here; none where there is none, or where something else stands in
    /// the way.
    pub(crate) fn standing(&self) -> Option<Standing> {
        let standing = self.rollout.standing()?;
        let other = self.problem.as_ref().or(self.not_ready.as_ref());
        other.is_none_or(|not_ready| not_ready.reason == standing.reason).then_some(standing)
    }

    /// Who pulls with the credential of an instance that is distributed.
    pub(crate) fn identity(&self) -> Option<IdentityStatus> {
        let (held, key) = (self.held.as_ref()?, self.content_key.as_ref()?);
        Some(IdentityStatus {
            username: held.username.clone(),
            registry_namespaces: key.registry_namespaces.clone(),
            role_arn: key.role_arn.clone(),
        })
    }
}

#[cfg(test)]
mod tests;

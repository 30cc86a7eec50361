//! Passwords that an ImagePullSecret itself gives, tried at their registry; and copies of credentials that were
//! replaced.
//!
//! What was distributed stays until the registry has let its successor in. One that replaces nothing is distributed
//! at once: nobody is worse off by it.

use std::time::{Duration, Instant};

use tcr::docker_config::DockerConfig;
use tcr::names::derived_secret_name;
use tcr::registry_host::RegistryHost;

use super::announce::Announcement;
use super::core::Core;
use super::item::Item;
use super::object::Lack;
use super::state::State;
use super::status;
use crate::distribution::{Content, Digest, SeenSecret};
use crate::registry::Verdict;

/// How often a registry is asked again about a password that it let in.
const ASK_EVERY: Duration = Duration::from_secs(600);
/// How often it is asked again about one that it refused, or when it could not be asked.
const ASK_AGAIN: Duration = Duration::from_secs(60);

/// The password of an ImagePullSecret at its registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trial {
    /// What it is about.
    digest: Digest,
    /// What the registry said last; none while it is asked for the first time.
    verdict: Option<Verdict>,
    /// When it is to be asked next; none while it is being asked.
    ask_at: Option<Instant>,
}

/// A registry was asked.
#[derive(Debug)]
pub(super) struct Tried {
    name: String,
    digest: Digest,
    verdict: Verdict,
}

/// Whether namespaces have this ImagePullSecret's Secret with other content.
pub(super) fn has_another(state: &State, name: &str, content: &Content) -> bool {
    let secret = derived_secret_name(name);
    let is_another = |found: &SeenSecret| match found {
        SeenSecret::Ours { digest, .. } => *digest != Some(content.digest()),
        SeenSecret::Foreign { .. } => false,
    };
    let mut live = state.observed().iter().filter(|(_, namespace)| namespace.is_live());
    live.any(|(_, namespace)| namespace.secrets.get(&secret).is_some_and(is_another))
}

impl Item {
    /// Why the content, of the spec's own password, is not taken yet or not at all. `replaces` says whether it
    /// would take the place of another one.
    pub(super) fn waits_for_trial(
        &mut self,
        content: &Content,
        replaces: impl FnOnce(&Content) -> bool,
    ) -> Option<Lack> {
        if self.object.spec.as_ref().is_ok_and(|spec| spec.docker.is_none()) {
            self.trial = None;
            return None;
        }
        let digest = content.digest();
        if self.trial.as_ref().is_none_or(|trial| trial.digest != digest) {
            self.trial = Some(Trial { digest, verdict: None, ask_at: Some(Instant::now()) });
            self.can_push = None;
            self.problem = None;
        }
        let is_there = self.content.as_ref().is_some_and(|it| it.digest() == digest);
        let takes_a_place = !is_there && replaces(content);
        match self.trial.as_ref().and_then(|trial| trial.verdict.as_ref()) {
            None if takes_a_place => Some(Lack {
                reason: "Trying",
                message: "the registry is asked about the new password; the one before stays until then"
                    .to_owned(),
            }),
            Some(Verdict::Refused { reason }) if takes_a_place => Some(Lack {
                reason: "SuccessorRefused",
                message: format!("{reason}; the password before stays: correct spec.docker"),
            }),
            _ => None,
        }
    }
}

impl Core {
    /// Asks registries about the passwords for which it is time; when the next one is.
    pub(super) fn run_trials(&mut self, now: Instant) -> Option<Instant> {
        let registry = self.settings.registry.clone()?;
        if !self.listings.are_complete() {
            return None;
        }
        let mut next: Option<Instant> = None;
        for item in self.items.values_mut().filter(|item| !item.object.deleting) {
            let Some(trial) = &mut item.trial else { continue };
            let Some(at) = trial.ask_at else { continue };
            if at > now {
                next = Some(next.map_or(at, |next| next.min(at)));
                continue;
            }
            trial.ask_at = None;
            let (name, digest, registry) = (item.object.name.clone(), trial.digest, registry.clone());
            let filled = item.object.fill(&self.passwords, None, &self.settings.allowed_roots);
            let logins = filled.ok().and_then(|filled| DockerConfig::logins(&filled.bytes).ok());
            let Some((host, login)) = logins.and_then(|mut logins| logins.pop_first()) else { continue };
            let Ok(host) = host.parse::<RegistryHost>() else { continue };
            self.trials.spawn(async move {
                let verdict = registry.check(&[host], &login.username, &login.password).await;
                Tried { name, digest, verdict }
            });
        }
        next
    }

    pub(super) fn take_trial(&mut self, tried: Tried) {
        let Tried { name, digest, verdict } = tried;
        let Some(item) = self.items.get_mut(&name) else { return };
        let Some(trial) = item.trial.as_mut().filter(|trial| trial.digest == digest) else { return };
        let pause = if matches!(verdict, Verdict::Accepted { .. }) { ASK_EVERY } else { ASK_AGAIN };
        trial.ask_at = Some(Instant::now() + pause);
        tracing::debug!(image_pull_secret = name, ?verdict, "asked the registry");
        let was_refused = matches!(trial.verdict, Some(Verdict::Refused { .. }));
        // Not being able to ask takes nothing back that was said.
        if !matches!(verdict, Verdict::Unknown { .. }) || trial.verdict.is_none() {
            trial.verdict = Some(verdict.clone());
        }
        match verdict {
            Verdict::Unknown { .. } => {}
            Verdict::Accepted { can_push } => {
                self.take_rights(&name, can_push);
                self.take_refusal(&name, digest, None);
            }
            Verdict::Refused { reason } => {
                if !was_refused {
                    self.warn_of_refusal(&name, &reason);
                }
                self.take_refusal(&name, digest, Some(reason));
            }
        }
        self.refresh(&name);
    }

    /// The registry refuses what is distributed, or no longer does.
    fn take_refusal(&mut self, name: &str, digest: Digest, reason: Option<String>) {
        let Some(item) = self.items.get_mut(name) else { return };
        let is_distributed = item.content.as_ref().is_some_and(|content| content.digest() == digest);
        item.problem = reason.filter(|_| is_distributed).map(|reason| Lack {
            reason: "CredentialRefused",
            message: format!("{reason}: correct spec.docker, or make its credential valid again"),
        });
    }

    fn warn_of_refusal(&self, name: &str, reason: &str) {
        let Some(item) = self.items.get(name) else { return };
        self.announcer.say(Announcement {
            name: name.to_owned(),
            uid: item.object.uid.clone(),
            warning: true,
            reason: "CredentialRefused",
            message: format!("{reason}: correct spec.docker, or make its credential valid again"),
        });
    }

    /// The registry granted these rights.
    pub(super) fn take_rights(&mut self, name: &str, can_push: bool) {
        let Some(item) = self.items.get_mut(name) else { return };
        if item.can_push == Some(can_push) {
            return;
        }
        item.can_push = Some(can_push);
        item.dirty = true;
        if can_push {
            let (name, uid) = (name.to_owned(), item.object.uid.clone());
            let message = status::CAN_PUSH.to_owned();
            self.announcer.say(Announcement { name, uid, warning: true, reason: "CanPush", message });
        }
    }

    /// Tells keepers of which credentials every copy is the one in use. What there was before is revoked only then.
    pub(super) fn look_for_old_copies(&mut self) {
        for (secret_name, held) in self.keepers.spreading() {
            let mut users = self.items.values().filter(|item| {
                item.object.key().is_some_and(|key| key.secret_name() == secret_name) && !item.object.deleting
            });
            let is_spread = users.all(|item| {
                let content = item.content.as_ref().filter(|_| item.held.as_ref() == Some(&held));
                content.is_some_and(|content| !has_another(&self.state, &item.object.name, content))
            });
            if is_spread {
                self.keepers.is_spread(&secret_name);
            }
        }
    }
}

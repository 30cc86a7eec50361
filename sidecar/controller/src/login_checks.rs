//! Registries are asked about the logins that ImagePullSecrets themselves give; and copies of credentials that were
//! replaced. What to make of the answers, [`credential::rollout`] decides.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tcr::docker_config::DockerConfig;
use tcr::names::derived_secret_name;
use tcr::registry_host::RegistryHost;

use super::announce::Announcement;
use super::core::Core;
use super::item::Item;
use super::state::State;
use super::status;
use credential::rollout::InPlace;
use distribution::{Content, Digest, SeenSecret};
use registry_client::{Checker, Verdict};

/// Questions to registries at a time.
const MOST_AT_A_TIME: usize = 32;
/// The longest time until what is due is looked for again: the clock may have been set.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// A registry was asked about a login.
#[derive(Debug)]
pub(super) struct LoginChecked {
    name: String,
    digest: Digest,
    verdict: Verdict,
}

/// What stands where the content shall stand. After a restart that is what namespaces have: nobody but a controller
/// writes the content there, so that one that is found somewhere was to be distributed already.
pub(super) fn in_place(state: &State, name: &str, held: Option<&Content>, content: &Content) -> InPlace {
    if let Some(held) = held {
        return if held.digest() == content.digest() { InPlace::Same } else { InPlace::Other };
    }
    let digests = distributed(state, name);
    digests.fold(InPlace::Nothing, |so_far, digest| match so_far {
        _ if digest == content.digest() => InPlace::Same,
        InPlace::Nothing => InPlace::Other,
        InPlace::Same | InPlace::Other => so_far,
    })
}

/// What the Secrets of an ImagePullSecret hold. One that somebody broke holds nothing.
fn distributed<'a>(state: &'a State, name: &str) -> impl Iterator<Item = Digest> + use<'a> {
    let secret = derived_secret_name(name);
    let live = state.observed().iter().filter(|(_, namespace)| namespace.is_live());
    live.filter_map(move |(_, namespace)| match namespace.secrets.get(secret.as_str())? {
        SeenSecret::Ours { digest, .. } => *digest,
        SeenSecret::Foreign { .. } => None,
    })
}

/// Whether namespaces have this ImagePullSecret's Secret with other content.
fn has_another(state: &State, name: &str, content: &Content) -> bool {
    let secret = derived_secret_name(name);
    let is_another = |found: &SeenSecret| match found {
        SeenSecret::Ours { digest, .. } => *digest != Some(content.digest()),
        SeenSecret::Foreign { .. } => false,
    };
    let mut live = state.observed().iter().filter(|(_, namespace)| namespace.is_live());
    live.any(|(_, namespace)| namespace.secrets.get(&secret).is_some_and(is_another))
}

impl Core {
    /// Asks registries about the logins for which it is time; when the next one is.
    pub(super) fn check_logins(&mut self) -> Option<Instant> {
        let registry = self.settings.registry.clone()?;
        if !self.listings.are_complete() {
            return None;
        }
        let now = Timestamp::now();
        let has_waited = |item: &&Item| item.rollout.has_waited(now) && !item.object.deleting;
        let waited: Vec<String> =
            self.items.values().filter(has_waited).map(|item| item.object.name.clone()).collect();
        waited.iter().for_each(|name| self.refresh(name));
        let mut next: Option<Timestamp> = None;
        for item in self.items.values_mut().filter(|item| !item.object.deleting) {
            for digest in item.rollout.due(now) {
                if self.login_checks.len() >= MOST_AT_A_TIME {
                    // The end of one of them is when the next begins.
                    return None;
                }
                item.rollout.ask(digest);
                let content = item.content_of(digest).cloned();
                let (name, registry) = (item.object.name.clone(), registry.clone());
                self.login_checks.spawn(async move {
                    let verdict = check(&registry, content.as_ref()).await;
                    LoginChecked { name, digest, verdict }
                });
            }
            next = [next, item.rollout.next()].into_iter().flatten().min();
        }
        let pause = Duration::try_from(next?.duration_since(now)).unwrap_or_default();
        Some(Instant::now() + pause.min(LOOK_AGAIN))
    }

    pub(super) fn take_login_checked(&mut self, checked: LoginChecked) {
        let LoginChecked { name, digest, verdict } = checked;
        let Some(item) = self.items.get_mut(&name) else { return };
        tracing::debug!(image_pull_secret = name, ?verdict, "asked the registry");
        let refused = item.rollout.answer(digest, verdict, Timestamp::now());
        if let Some(reason) = refused {
            self.warn_of_refusal(&name, &reason);
        }
        self.refresh(&name);
        let can_push = self.items.get(&name).and_then(|item| item.rollout.can_push());
        if let Some(can_push) = can_push {
            self.take_rights(&name, can_push);
        }
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

/// What the registry says to the login that a Secret's bytes hold.
async fn check(registry: &Checker, content: Option<&Content>) -> Verdict {
    let unknown = |reason: &str| Verdict::Unknown { reason: reason.to_owned() };
    let Some(content) = content else { return unknown("the login was replaced meanwhile") };
    let Ok(logins) = DockerConfig::logins(content.bytes()) else {
        return unknown("the docker configuration cannot be read");
    };
    let hosts: Vec<RegistryHost> = logins.keys().filter_map(|host| host.parse().ok()).collect();
    // All hosts are of one registry, and have the same login.
    match logins.into_values().next() {
        Some(login) => registry.check(&hosts, &login.username, &login.password).await,
        None => unknown("the docker configuration names no host"),
    }
}

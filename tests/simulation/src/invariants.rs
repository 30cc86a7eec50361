//! The rules: some for every write at its moment, some for what there is once everybody else has stopped.

use credential_plan::plan::Stored;
use distribution::Digest;

use crate::cluster::{ACCOUNTS, Labels, NAMESPACES, Namespace, OBJECTS, Object};
use crate::spec::{self, Login, Meaning, PASSWORDS};
use crate::world::World;
use tcr::image_pull_secret::ConflictPolicy;

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The rule.
    pub rule: &'static str,
    /// By what.
    pub how: String,
}

/// What is not right yet.
#[derive(Clone, Debug)]
pub struct Wrong {
    /// The rule.
    pub rule: &'static str,
    /// What there is.
    pub how: String,
    /// Its time is over.
    pub is_final: bool,
}

/// How long a token that was being made when its maker was lost may live, while a leader works undisturbed.
const ORPHANS_LIVE: u64 = 25 * 60_000;

/// Nobody else's bytes are changed.
const FOREIGN: &str = "nobody else's Secret is changed without leave";
/// Only references of ours are changed.
const REFERENCES: &str = "of a ServiceAccount's list only references of ours are changed";
/// A reference comes after its Secret, and goes before it.
const ORDER: &str = "a reference is never without its Secret by our own doing";
/// A working credential is not replaced by a worse one.
const BETTER: &str = "a working credential is replaced by a better one only";
/// Tokens.
const ONE_TOKEN: &str = "one token at most is made beside those that are stored";
const FOREIGN_TOKEN: &str = "nobody else's token is deleted";
const TOKEN_IN_USE: &str = "no token is deleted that a Secret in use holds";
const TOKEN_LOST: &str = "every token that lives is stored, or was left behind on purpose";
const RELEASED: &str = "an ImagePullSecret is let go only when nothing of it is left";
const DISTRIBUTED: &str = "what is asked for is distributed";
const REMOVED: &str = "what nobody asks for is removed";
const STATUS: &str = "the status is true";

impl World {
    /// A token was made for this Secret.
    pub fn check_creation(&mut self, owner: &str, maker: u32) {
        let stored = self.cluster.stored.get(owner).map(|it| &it.document.stored);
        let unknown = self.cloud.tokens.iter().filter(|token| {
            token.owner.as_deref() == Some(owner)
                && token.maker == maker
                && token.is_listed
                && !token.abandoned
                && !token.retained
                && !stored.is_some_and(|it| knows(it, &token.id))
        });
        let ids: Vec<&str> = unknown.map(|it| it.id.as_str()).collect();
        if ids.len() > 1 {
            let how = format!("{ids:?} live and are not stored in {owner}");
            self.fail(ONE_TOKEN, how);
        }
    }

    /// A token is deleted by a controller.
    pub fn check_token_deletion(&mut self, id: &str) {
        let Some(token) = self.cloud.token(id) else { return };
        if token.owner.is_none() {
            let how = format!("{id} was not made by us");
            return self.fail(FOREIGN_TOKEN, how);
        }
        let mut users = Vec::new();
        for (place, namespace) in self.cluster.places().filter(|(_, it)| !it.terminating) {
            for (slot, secret) in namespace.secrets.iter().enumerate() {
                let Some(secret) = secret else { continue };
                let holds = secret.labels == Labels::Ours
                    && secret.mark == secret.digest
                    && secret.digest.and_then(|digest| self.sights.password_of(digest)).as_deref()
                        == Some(id);
                let object = self.cluster.objects[slot].as_ref().filter(|it| !it.deleting);
                let wanted = object.map(|it| spec::meaning(it.spec));
                if holds && wanted.is_some_and(|it| it.selects(place, namespace.label) && it.is_of_instance())
                {
                    users.push((place, slot));
                }
            }
        }
        // What somebody put back just now, a controller cannot know.
        let users: Vec<String> = users
            .into_iter()
            .filter(|(_, slot)| self.now - self.changed_at[*slot] > 600_000)
            .filter(|(place, slot)| self.cluster.secret(*place, *slot).is_some_and(|it| it.made_by_us))
            .map(|(place, slot)| format!("{}/{}", NAMESPACES[place], OBJECTS[slot]))
            .collect();
        // Two leaders know nothing of each other's last write.
        if !users.is_empty() && !self.is_superseded && !self.killed.iter().any(|it| it == id) {
            let how = format!("{id} is in {}", users.join(", "));
            self.fail(TOKEN_IN_USE, how);
        }
    }

    /// A stored credential is deleted: what it leaves behind on purpose.
    pub fn check_parting(&mut self, owner: &str) {
        let Some(stored) = self.cluster.stored.get(owner) else { return };
        let current = stored.document.stored.current.as_ref().and_then(|it| it.token_id.clone());
        if self.may_retain {
            let retained = self.cloud.tokens.iter_mut().filter(|it| Some(&it.id) == current.as_ref());
            retained.for_each(|token| token.retained = true);
        }
    }

    /// A Secret is written with these bytes, or deleted, by a controller.
    pub fn check_secret_write(&mut self, place: usize, slot: usize, digest: Option<Digest>) {
        let Some(found) = self.cluster.secret(place, slot).cloned() else { return };
        let what = || format!("{}/tcr.ips{}", NAMESPACES[place], OBJECTS[slot]);
        if Self::is_foreign(&found) {
            let adopts = self.policies[slot] & 1 != 0 && found.same_registry;
            let overwrites = self.policies[slot] & 2 != 0;
            let same = digest.is_some() && found.digest == digest;
            if !(adopts || overwrites || same) {
                let how = what();
                return self.fail(FOREIGN, how);
            }
        }
        let Some(digest) = digest else { return };
        let (Some(before), Some(after)) =
            (found.digest.and_then(|it| self.sights.password_of(it)), self.sights.password_of(digest))
        else {
            return;
        };
        let now = self.timestamp();
        let worse = self.cloud.lets_in(&before, now) && !self.cloud.lets_in(&after, now);
        let is_known_good = self.cluster.objects[slot].as_ref().is_some_and(says_valid);
        let is_fresh = self.now - self.changed_at[slot] < 590_000;
        let is_excused = self.registry_failed || self.killed.contains(&after) || !after.starts_with("bad");
        if worse && is_known_good && is_fresh && found.mark == found.digest && !is_excused {
            let how = format!("{}: {before} works and {after} does not", what());
            self.fail(BETTER, how);
        }
    }

    /// A Secret is deleted by a controller, for good.
    pub fn check_secret_deletion(&mut self, place: usize, slot: usize) {
        let Some(namespace) = &self.cluster.namespaces[place] else { return };
        if namespace.terminating {
            return;
        }
        let left = namespace.accounts.iter().flatten().position(|it| it.by_us >> slot & 1 == 1);
        if let Some(index) = left.filter(|_| !self.is_blurred) {
            let how = format!(
                "{}/tcr.ips{} is deleted while {} refers to it",
                NAMESPACES[place], OBJECTS[slot], ACCOUNTS[index]
            );
            self.fail(ORDER, how);
        }
    }

    /// A controller writes this list; which references are a controller's then.
    pub fn check_account_write(&mut self, place: usize, index: usize, list: &[u8]) -> u8 {
        let Some(found) = self.cluster.account(place, index).cloned() else { return 0 };
        let partner = OBJECTS.len() as u8;
        let what =
            || format!("{}/{}: {:?} becomes {list:?}", NAMESPACES[place], ACCOUNTS[index], found.references);
        let own = |list: &[u8]| list.iter().filter(|it| **it == partner).count();
        if own(&found.references) != own(list) {
            let how = what();
            self.fail(REFERENCES, how);
        }
        let mut by_us = found.by_us;
        for slot in 0..OBJECTS.len() {
            let (had, has) = (found.references.contains(&(slot as u8)), list.contains(&(slot as u8)));
            let secret = self.cluster.secret(place, slot).cloned();
            if had && !has {
                by_us &= !(1 << slot);
                let theirs = secret.as_ref().is_some_and(Self::is_foreign) && found.by_us >> slot & 1 == 0;
                if theirs && self.policies[slot] == 0 && !self.gone_by_others[place][slot] {
                    let how = what();
                    self.fail(REFERENCES, how);
                }
            }
            if has && !had {
                by_us |= 1 << slot;
                let is_there = secret.is_some() || self.gone_by_others[place][slot];
                if !is_there {
                    let how = what();
                    self.fail(ORDER, how);
                }
            }
        }
        by_us
    }

    /// The finalizer is taken off.
    pub fn check_release(&mut self, slot: usize) {
        let left = self.cluster.places().find_map(|(place, namespace)| {
            let secret =
                namespace.secrets[slot].as_ref().filter(|it| it.made_by_us && it.labels == Labels::Ours);
            // A reference to somebody else's Secret may be theirs.
            let is_theirs = namespace.secrets[slot].as_ref().is_some_and(Self::is_foreign);
            let account =
                !is_theirs && namespace.accounts.iter().flatten().any(|it| it.by_us >> slot & 1 == 1);
            (!namespace.terminating && (secret.is_some() || account)).then_some(place)
        });
        if let Some(place) = left.filter(|_| !self.is_blurred && !self.has_relisted) {
            let how = format!("{} is let go and {} still has something", OBJECTS[slot], NAMESPACES[place]);
            self.fail(RELEASED, how);
        }
    }

    /// What is not right once everybody else has stopped, so many milliseconds ago.
    pub fn what_is_wrong(&self, elapsed: u64) -> Option<Wrong> {
        let wrong = |rule, how| Some(Wrong { rule, how, is_final: false });
        // While a login is refused nobody knows what else is in use.
        let are_good = self.cluster.objects.iter().flatten().all(|it| self.is_good(&spec::meaning(it.spec)));
        if let Some(how) = self.wrong_tokens().filter(|_| are_good) {
            return Some(Wrong { rule: TOKEN_LOST, how, is_final: elapsed > ORPHANS_LIVE });
        }
        for (slot, object_name) in OBJECTS.iter().enumerate() {
            match &self.cluster.objects[slot] {
                Some(object) if object.deleting => {
                    return wrong(REMOVED, format!("{} is still being deleted", object_name));
                }
                Some(object) if !object.secured => {
                    return wrong(DISTRIBUTED, format!("{} has no finalizer", object_name));
                }
                object => {
                    for (place, namespace) in self.cluster.places() {
                        let found = match object {
                            Some(object) => self.wrong_in(place, namespace, slot, object),
                            // What was under way beside it may have been carried out after it was let go.
                            None if self.is_blurred => None,
                            None => nothing_left(namespace, slot).map(|how| (REMOVED, how)),
                        };
                        if let Some((rule, how)) = found {
                            let how = format!("{}/tcr.ips{}: {how}", NAMESPACES[place], object_name);
                            return wrong(rule, how);
                        }
                    }
                    if let Some(how) = object.as_ref().and_then(|it| self.wrong_status(slot, it)) {
                        return wrong(STATUS, format!("{}: {how}", object_name));
                    }
                }
            }
        }
        // Replaced ones still have their grace.
        let graced = self.cluster.stored.values().find(|it| !it.document.stored.previous.is_empty());
        if let Some(stored) = graced.filter(|it| are_good && it.document.stored.current.is_some()) {
            let owner = stored.document.key.secret_name();
            let renewed = self.cluster.objects.iter().flatten().any(|object| {
                spec::meaning(object.spec).login == Login::Instance { renewed: true, revoked: true }
            });
            if !renewed {
                return wrong(TOKEN_LOST, format!("{owner} has tokens that were replaced"));
            }
        }
        None
    }

    fn wrong_tokens(&self) -> Option<String> {
        for token in self.cloud.tokens.iter().filter(|it| it.is_listed && !it.retained) {
            let Some(owner) = &token.owner else { continue };
            match self.cluster.stored.get(owner) {
                // That a creation had no answer is known to the process alone that sent it.
                None if token.abandoned && self.is_blurred => {}
                None => return Some(format!("{} lives and {owner} is gone", token.id)),
                Some(stored) if !knows(&stored.document.stored, &token.id) => {
                    return Some(format!("{} lives and is not in {owner}", token.id));
                }
                Some(_) => {}
            }
        }
        None
    }

    fn wrong_in(
        &self,
        place: usize,
        namespace: &Namespace,
        slot: usize,
        object: &Object,
    ) -> Option<(&'static str, String)> {
        let meaning = spec::meaning(object.spec);
        if !meaning.selects(place, namespace.label) {
            return nothing_left(namespace, slot).map(|how| (REMOVED, how));
        }
        if !self.is_good(&meaning) {
            // What was distributed before stays, and who does not know it cannot mend it.
            return None;
        }
        let secret = match &namespace.secrets[slot] {
            None => return Some((DISTRIBUTED, "there is no Secret".to_owned())),
            Some(secret) if Self::is_doubtful(secret) => return None,
            Some(secret) if Self::is_foreign(secret) => {
                let taken = match meaning.policy {
                    ConflictPolicy::Never => false,
                    ConflictPolicy::Adopt => secret.same_registry,
                    ConflictPolicy::Overwrite => true,
                };
                return taken.then(|| (DISTRIBUTED, "somebody else's Secret is not taken over".to_owned()));
            }
            Some(secret) => secret,
        };
        if secret.labels != Labels::Ours || !secret.mendable || secret.mark != secret.digest {
            return Some((DISTRIBUTED, format!("the Secret is not whole: {secret:?}")));
        }
        let password = secret.digest.and_then(|digest| self.sights.password_of(digest));
        if !password.as_deref().is_some_and(|password| self.is_right(&meaning, password)) {
            return Some((
                DISTRIBUTED,
                format!("it holds {password:?}, and {:?} is asked for", meaning.login),
            ));
        }
        for (index, account) in namespace.accounts.iter().enumerate() {
            let Some(account) = account else { continue };
            let refers = account.references.contains(&(slot as u8));
            if refers != meaning.selects_account(index) {
                return Some((DISTRIBUTED, format!("{} has {:?}", ACCOUNTS[index], account.references)));
            }
        }
        None
    }

    /// Whether a password is what the spec asks for.
    fn is_right(&self, meaning: &Meaning, password: &str) -> bool {
        let given = match meaning.login {
            Login::Password(number) => Some(PASSWORDS[number]),
            Login::Reference => self.cluster.password.map(|(_, number)| PASSWORDS[number]),
            _ => None,
        };
        match given {
            Some(given) if given.starts_with("good") => given == password,
            // One that is refused takes the place of nothing that was let in.
            Some(_) => true,
            None => self.cloud.token(password).is_some_and(|it| it.enabled && it.ends > self.timestamp()),
        }
    }

    fn is_good(&self, meaning: &Meaning) -> bool {
        match meaning.login {
            Login::Password(number) => PASSWORDS[number].starts_with("good"),
            Login::Reference => {
                self.cluster.password.is_some_and(|(_, it)| PASSWORDS[it].starts_with("good"))
            }
            _ => true,
        }
    }

    fn wrong_status(&self, slot: usize, object: &Object) -> Option<String> {
        let meaning = spec::meaning(object.spec);
        let live = self.cluster.places().filter(|(_, it)| !it.terminating);
        let selected: Vec<_> = live.filter(|(place, it)| meaning.selects(*place, it.label)).collect();
        let accounts = |namespace: &Namespace| {
            let wanted = namespace
                .accounts
                .iter()
                .enumerate()
                .filter(|(index, it)| it.is_some() && meaning.selects_account(*index));
            wanted.count() as i64
        };
        let secrets = selected.len() as i64;
        let conflicts =
            selected.iter().filter(|(_, it)| it.secrets[slot].as_ref().is_some_and(Self::is_foreign));
        let conflicts = conflicts.count() as i64;
        let wanted: i64 = selected.iter().map(|(_, it)| accounts(it)).sum();
        let status = &object.status;
        if !self.is_good(&meaning) {
            // Whether another one than the one that is asked for stays, is told by the condition alone.
            return None;
        }
        if selected.iter().any(|(_, it)| it.secrets[slot].as_ref().is_some_and(Self::is_doubtful)) {
            return None;
        }
        let told = (status.secrets_desired, status.secrets_success, status.s_as_desired);
        if told != (Some(secrets), Some(secrets - conflicts), Some(wanted)) {
            return Some(format!("it says {told:?}, and {secrets} less {conflicts} and {wanted} are true"));
        }
        if status.observed_generation != Some(object.generation) {
            return Some(format!(
                "it is of generation {:?} of {}",
                status.observed_generation, object.generation
            ));
        }
        let ready = status.conditions.iter().find(|it| it.type_ == "Ready").map(|it| it.status.as_str());
        let expected = if conflicts == 0 { "True" } else { "False" };
        (ready != Some(expected)).then(|| format!("Ready is {ready:?}"))
    }
}

impl Meaning {
    /// Whether the credential is one that a keeper keeps.
    pub fn is_of_instance(&self) -> bool {
        matches!(self.login, Login::Instance { .. } | Login::Temporary)
    }
}

fn says_valid(object: &Object) -> bool {
    object.status.conditions.iter().any(|it| it.type_ == "CredentialValid" && it.status == "True")
}

fn nothing_left(namespace: &Namespace, slot: usize) -> Option<String> {
    let secret = namespace.secrets[slot].as_ref();
    if secret.is_some_and(|it| it.labels == Labels::Ours && it.made_by_us) {
        return Some("the Secret is still there".to_owned());
    }
    let has = namespace.accounts.iter().flatten().any(|it| it.by_us >> slot & 1 == 1);
    (has && !secret.is_some_and(World::is_foreign)).then(|| "a reference of ours is still there".to_owned())
}

/// Whether the stored credential knows the token.
fn knows(stored: &Stored, id: &str) -> bool {
    let held = [&stored.current, &stored.candidate];
    held.into_iter().flatten().any(|it| it.token_id.as_deref() == Some(id))
        || stored.previous.iter().any(|old| old.token_id == id)
}

//! Rules for what there is once everybody else has stopped.

use tcr::image_pull_secret::ConflictPolicy;

use super::{DISTRIBUTED, ORPHANS_LIVE, REMOVED, STATUS, TOKEN_LOST, Wrong, knows};
use crate::cluster::{ACCOUNTS, Labels, NAMESPACES, Namespace, OBJECTS, Object};
use crate::spec::{self, Login, PASSWORDS, SpecChoice};
use crate::world::World;

impl World {
    /// What is not right once everybody else has stopped, so many milliseconds ago.
    pub fn what_is_wrong(&self, elapsed: u64) -> Option<Wrong> {
        let wrong = |rule, how| Some(Wrong { rule, how, is_final: false });
        // While a login is refused nobody knows what else is in use.
        let are_good = self.cluster.objects.iter().flatten().all(|it| self.is_good(&spec::choice(it.spec)));
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
                            None if self.blurred[place] || self.gone_by_others[place][slot] => None,
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
                spec::choice(object.spec).login == Login::Instance { renewed: true, revoked: true }
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
                None if token.abandoned && self.has_blurred_tokens => {}
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
        let choice = spec::choice(object.spec);
        if !choice.selects(place, namespace.label) {
            return nothing_left(namespace, slot).map(|how| (REMOVED, how));
        }
        if !self.is_good(&choice) {
            // What was distributed before stays, and who does not know it cannot mend it.
            return None;
        }
        let secret = match &namespace.secrets[slot] {
            None => return Some((DISTRIBUTED, "there is no Secret".to_owned())),
            Some(secret) if Self::is_doubtful(secret) => return None,
            Some(secret) if Self::is_foreign(secret) => {
                let taken = match choice.policy {
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
        let password = secret.digest.and_then(|digest| self.views.password_of(digest));
        if !password.as_deref().is_some_and(|password| self.is_right(&choice, password)) {
            return Some((
                DISTRIBUTED,
                format!("it holds {password:?}, and {:?} is asked for", choice.login),
            ));
        }
        for (index, account) in namespace.accounts.iter().enumerate() {
            let Some(account) = account else { continue };
            let refers = account.references.contains(&(slot as u8));
            if refers != choice.selects_account(index) {
                return Some((DISTRIBUTED, format!("{} has {:?}", ACCOUNTS[index], account.references)));
            }
        }
        None
    }

    /// Whether a password is what the spec asks for.
    fn is_right(&self, choice: &SpecChoice, password: &str) -> bool {
        let given = match choice.login {
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

    pub(super) fn is_good(&self, choice: &SpecChoice) -> bool {
        match choice.login {
            Login::Password(number) => PASSWORDS[number].starts_with("good"),
            Login::Reference => {
                self.cluster.password.is_some_and(|(_, it)| PASSWORDS[it].starts_with("good"))
            }
            _ => true,
        }
    }

    fn wrong_status(&self, slot: usize, object: &Object) -> Option<String> {
        let choice = spec::choice(object.spec);
        let live = self.cluster.places().filter(|(_, it)| !it.terminating);
        let selected: Vec<_> = live.filter(|(place, it)| choice.selects(*place, it.label)).collect();
        let accounts = |namespace: &Namespace| {
            let wanted = namespace
                .accounts
                .iter()
                .enumerate()
                .filter(|(index, it)| it.is_some() && choice.selects_account(*index));
            wanted.count() as i64
        };
        let secrets = selected.len() as i64;
        let conflicts =
            selected.iter().filter(|(_, it)| it.secrets[slot].as_ref().is_some_and(Self::is_foreign));
        let conflicts = conflicts.count() as i64;
        let wanted: i64 = selected.iter().map(|(_, it)| accounts(it)).sum();
        let status = &object.status;
        if let Some(failure) = status.failures.first() {
            return Some(format!("{} is called refused, and nothing is", failure.namespaced_name));
        }
        if !self.is_good(&choice) {
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

fn nothing_left(namespace: &Namespace, slot: usize) -> Option<String> {
    let secret = namespace.secrets[slot].as_ref();
    if secret.is_some_and(|it| it.labels == Labels::Ours && it.made_by_us) {
        return Some("the Secret is still there".to_owned());
    }
    let has = namespace.accounts.iter().flatten().any(|it| it.by_us >> slot & 1 == 1);
    // What nothing says was ours, is taken for somebody's own, and the reference for theirs.
    let is_theirs = secret.is_some_and(|it| World::is_foreign(it) || World::is_doubtful(it));
    (has && !is_theirs).then(|| "a reference of ours is still there".to_owned())
}

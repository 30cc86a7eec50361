//! Rules for each write, at its moment.

use distribution::Digest;

use super::{
    BETTER, FOREIGN, FOREIGN_TOKEN, ONE_TOKEN, ORDER, REFERENCES, RELEASED, TOKEN_IN_USE, knows, says_valid,
};
use crate::cluster::{ACCOUNTS, Labels, NAMESPACES, OBJECTS};
use crate::spec;
use crate::world::World;

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
        // Of two leaders one may delete what the other has just stored.
        if ids.len() > 1 && !self.is_superseded {
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
                    && secret.digest.and_then(|digest| self.views.password_of(digest)).as_deref() == Some(id);
                let object = self.cluster.objects[slot].as_ref().filter(|it| !it.deleting);
                let wanted = object.map(|it| spec::choice(it.spec));
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
            // A write that was carried out late, when its controller was gone, is nobody's knowledge yet.
            .filter(|(place, _)| !self.blurred[*place])
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
            (found.digest.and_then(|it| self.views.password_of(it)), self.views.password_of(digest))
        else {
            return;
        };
        let now = self.timestamp();
        let worse = self.cloud.lets_in(&before, now) && !self.cloud.lets_in(&after, now);
        let is_known_good =
            self.cluster.objects[slot].as_ref().is_some_and(says_valid) && !self.is_said_by_former[slot];
        // After ten minutes it is distributed without a verdict, which a later change does not take back at once.
        let is_fresh =
            self.bad_since[slot].is_some_and(|since| self.now - since < 590_000) && !self.has_set_clock;
        let is_excused = self.registry_lied || self.killed.contains(&after) || !after.starts_with("bad");
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
        if let Some(index) = left.filter(|_| !self.blurred[place]) {
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
        let clear = self.cluster.places().filter(|(place, _)| !self.blurred[*place]);
        let left = clear.filter(|_| !self.has_relisted).find_map(|(place, namespace)| {
            let secret =
                namespace.secrets[slot].as_ref().filter(|it| it.made_by_us && it.labels == Labels::Ours);
            // A reference to somebody else's Secret may be theirs, and to one of which nothing says that it was ours.
            let is_theirs = namespace.secrets[slot]
                .as_ref()
                .is_some_and(|it| Self::is_foreign(it) || Self::is_doubtful(it));
            let account =
                !is_theirs && namespace.accounts.iter().flatten().any(|it| it.by_us >> slot & 1 == 1);
            (!namespace.terminating && (secret.is_some() || account)).then_some(place)
        });
        if let Some(place) = left {
            let how = format!("{} is let go and {} still has something", OBJECTS[slot], NAMESPACES[place]);
            self.fail(RELEASED, how);
        }
    }
}

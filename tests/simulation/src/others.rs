//! What everybody else does: users, deployment tools, the cloud's console, kube-controller-manager.

use crate::cloud::RegistryState;
use crate::cluster::{Labels, OBJECTS, Secret};
use crate::spec::{self, Login};
use crate::world::World;
use custom_resource::request::{Asked, Request, RequestId};
use distribution::{Digest, Uid};
use tcr::image_pull_secret::ConflictPolicy;

impl World {
    /// kube-controller-manager does its next thing in the namespace.
    pub fn manage(&mut self, place: usize) -> bool {
        let goes = self.cluster.namespaces[place].as_ref().is_some_and(|it| it.terminating);
        let did = self.cluster.manage(place);
        if did && goes {
            self.gone_by_others[place] = [true; OBJECTS.len()];
        }
        did
    }

    /// Somebody applies a ServiceAccount: a list that has none of ours, keeps ours, or begins with its own.
    pub fn apply_account(&mut self, place: usize, index: usize, list: u8) -> bool {
        let Some(namespace) = &self.cluster.namespaces[place] else { return false };
        if namespace.terminating && namespace.accounts[index].is_none() {
            return false;
        }
        let partner = OBJECTS.len() as u8;
        let references: Vec<u8> = match list {
            0..=3 => vec![],
            4..=7 => vec![partner],
            8..=10 => vec![0, partner],
            11..=13 => {
                namespace.accounts[index].iter().flat_map(|it| it.references.iter().copied()).collect()
            }
            _ => vec![1, 2],
        };
        self.cluster.set_account(place, index, &references, list != 0, 0)
    }

    /// Somebody edits a Secret.
    pub fn edit(&mut self, place: u8, slot: u8, change: impl FnOnce(&mut Secret)) -> bool {
        let (place, slot) = (usize::from(place), usize::from(slot));
        let before = self.cluster.secret(place, slot).map(|it| it.version);
        let after = self.cluster.change_secret(place, slot, |secret| {
            // Only its type and bytes are what nobody may change any more.
            let frozen = (!secret.mendable).then_some(secret.digest);
            change(secret);
            if let Some(digest) = frozen {
                (secret.digest, secret.mendable) = (digest, false);
            }
        });
        after.is_some_and(|it| Some(it.version) != before)
    }

    /// Somebody deletes a Secret.
    pub fn others_delete(&mut self, place: usize, slot: usize) -> bool {
        let did = self.cluster.delete_secret(place, slot);
        self.gone_by_others[place][slot] |= did;
        did
    }

    /// Somebody makes a Secret of our name, in the place of what is there; whether it was made, and whether something
    /// was deleted for it.
    pub fn create_foreign(&mut self, place: usize, slot: usize, same_registry: bool) -> (bool, bool) {
        let replaces = self.others_delete(place, slot);
        if self.cluster.admit_secret(place, true).is_err() {
            return (false, replaces);
        }
        let made = self.cluster.create_secret(place, slot, foreign(same_registry)).is_some();
        self.gone_by_others[place][slot] |= made;
        (made, replaces)
    }

    /// Somebody creates an ImagePullSecret.
    pub fn create_object(&mut self, slot: usize, spec: usize) -> bool {
        let did = self.cluster.create_object(slot, spec);
        if did {
            self.spec_changed(slot, spec);
        }
        did
    }

    /// Somebody changes its spec.
    pub fn change_spec(&mut self, slot: usize, spec: usize) -> bool {
        let differs = self.cluster.objects[slot].as_ref().is_some_and(|it| it.spec != spec);
        if differs {
            self.spec_changed(slot, spec);
            self.cluster.change_object(slot, |object| object.spec = spec);
        }
        differs
    }

    fn spec_changed(&mut self, slot: usize, spec: usize) {
        self.login_changed(slot, spec);
        self.may_retain |= matches!(spec::choice(spec).login, Login::Instance { revoked: false, .. });
        self.policies[slot] |= match spec::choice(spec).policy {
            ConflictPolicy::Never => 0,
            ConflictPolicy::Adopt => 1,
            ConflictPolicy::Overwrite => 2,
        };
    }

    /// Somebody asks for another credential of its instance.
    pub fn rotate(&mut self, slot: usize) -> bool {
        let id = RequestId::new(self.timestamp(), self.random.draw());
        self.cluster.change_object(slot, |it| it.request = Some(Asked { id, request: Request::Rotate }))
    }

    /// Somebody deletes it.
    pub fn delete_object(&mut self, slot: usize) -> bool {
        let deletes = self.cluster.objects[slot].as_ref().is_some_and(|it| !it.deleting);
        if deletes {
            self.cluster.change_object(slot, |object| object.deleting = true);
        }
        deletes
    }

    /// Somebody changes the Secret with the password.
    pub fn set_password(&mut self, number: Option<usize>) {
        self.cluster.set_password(number);
        for slot in 0..OBJECTS.len() {
            let Some(spec) = self.cluster.objects[slot].as_ref().map(|it| it.spec) else { continue };
            if spec::choice(spec).login == Login::Reference {
                self.login_changed(slot, spec);
            }
        }
    }

    fn login_changed(&mut self, slot: usize, spec: usize) {
        self.changed_at[slot] = self.now;
        let number = match spec::choice(spec).login {
            Login::Password(number) => Some(number),
            Login::Reference => self.cluster.password.map(|(_, number)| number),
            _ => None,
        };
        if number.is_some_and(|number| !spec::PASSWORDS[number].starts_with("good")) {
            self.bad_since[slot].get_or_insert(self.now);
        }
    }

    /// Somebody deletes a token at the cloud, or switches it off.
    pub fn harm_token(&mut self, index: usize, deletes: bool) {
        let token = &mut self.cloud.tokens[index];
        token.enabled = false;
        let id = token.id.clone();
        if deletes {
            self.cloud.delete(&id);
        }
        self.killed.push(id);
    }

    /// Everything is let in again.
    pub fn end_refusals(&mut self) {
        for namespace in self.cluster.namespaces.iter_mut().flatten() {
            namespace.denied = 0;
            namespace.quota = None;
        }
    }

    /// Everybody else stops: the cloud and the registry are well again, and what is invalid is corrected.
    pub fn end_faults(&mut self) {
        self.registry = RegistryState::Well;
        self.cloud.is_stopped = false;
        self.clock_error = 0;
        for slot in 0..OBJECTS.len() {
            let Some(object) = &self.cluster.objects[slot] else { continue };
            let spec = object.spec;
            if spec::choice(spec).login == Login::Invalid && !object.deleting {
                self.change_spec(slot, spec - 4);
            }
        }
        if self.cluster.password.is_none() {
            self.set_password(Some(0));
        }
    }

    /// All that controllers wrote so far, of any kind but the Lease.
    pub fn all_writes(&self) -> usize {
        self.cluster.writes + self.statuses + self.stores
    }

    /// Whether nothing but our memory says that a Secret is ours, or nothing but somebody's passing label.
    pub fn is_doubtful(secret: &Secret) -> bool {
        secret.labels == Labels::None && secret.mark.is_none() && (secret.made_by_us || secret.given)
    }

    /// Whether a Secret is somebody else's.
    pub fn is_foreign(secret: &Secret) -> bool {
        !secret.made_by_us && !secret.given && secret.labels == Labels::None && secret.mark.is_none()
    }
}

/// Somebody else's Secret.
fn foreign(same_registry: bool) -> Secret {
    Secret {
        uid: Uid::of(""),
        version: 0,
        digest: Some(Digest::of(if same_registry { b"theirs".as_slice() } else { b"another's" })),
        labels: Labels::None,
        mark: None,
        mendable: true,
        made_by_us: false,
        given: false,
        same_registry,
    }
}

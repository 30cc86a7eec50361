//! Derived Secrets, and others of their names.

use kubernetes::api_error::ApiError;

use super::{Cluster, Kind, Labels, Record, Secret, denied};
use crate::refusal;

impl Cluster {
    /// The Secret.
    pub fn secret(&self, place: usize, slot: usize) -> Option<&Secret> {
        self.namespaces[place].as_ref()?.secrets[slot].as_ref()
    }

    /// Makes a Secret, past admission.
    pub fn create_secret(&mut self, place: usize, slot: usize, mut secret: Secret) -> Option<&Secret> {
        if self.namespaces[place].as_ref()?.secrets[slot].is_some() {
            return None;
        }
        secret.uid = self.uid();
        secret.version = self.tick();
        if secret.labels != Labels::None {
            self.tell(Kind::Secret, Record::Secret(place, slot, secret.clone()));
        }
        let namespace = self.namespaces[place].as_mut()?;
        namespace.counted = namespace.counted.saturating_add(1);
        Some(namespace.secrets[slot].insert(secret))
    }

    /// Changes a Secret, past admission.
    pub fn change_secret(
        &mut self,
        place: usize,
        slot: usize,
        change: impl FnOnce(&mut Secret),
    ) -> Option<Secret> {
        let version = self.revision + 1;
        let secret = self.namespaces[place].as_mut()?.secrets[slot].as_mut()?;
        let before = secret.clone();
        change(secret);
        if *secret == before {
            // The API server writes nothing that changes nothing.
            return Some(before);
        }
        self.revision = version;
        secret.version = version;
        let after = secret.clone();
        match (before.labels != Labels::None, after.labels != Labels::None) {
            (_, true) => self.tell(Kind::Secret, Record::Secret(place, slot, after.clone())),
            // Out of the selection: as it was, with the version of what happened.
            (true, false) => {
                self.tell(Kind::Secret, Record::SecretGone(place, slot, Secret { version, ..before }));
            }
            (false, false) => {}
        }
        Some(after)
    }

    /// Deletes a Secret. The quota notices later.
    pub fn delete_secret(&mut self, place: usize, slot: usize) -> bool {
        let version = self.tick();
        let Some(namespace) = &mut self.namespaces[place] else { return false };
        let Some(secret) = namespace.secrets[slot].take() else { return false };
        if secret.labels != Labels::None {
            self.tell(Kind::Secret, Record::SecretGone(place, slot, Secret { version, ..secret }));
        }
        true
    }

    /// Whether a write of a Secret is let in.
    ///
    /// # Errors
    /// It is refused.
    pub fn admit_secret(&self, place: usize, creates: bool) -> Result<(), ApiError> {
        let Some(namespace) = &self.namespaces[place] else { return Err(refusal::no_namespace()) };
        if creates && namespace.terminating {
            return Err(refusal::terminating());
        }
        if namespace.denied & denied::SECRETS != 0 {
            return Err(refusal::forbidden("admission webhook \"guard\" denied the request"));
        }
        if creates && namespace.quota.is_some_and(|most| namespace.counted >= most) {
            return Err(refusal::forbidden("exceeded quota: secrets, requested: count/secrets=1"));
        }
        Ok(())
    }
}

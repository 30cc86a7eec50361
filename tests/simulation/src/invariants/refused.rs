//! What there is while writes are still refused, once everybody else has stopped: all that depends on none of them, and
//! statuses that name each.

use custom_resource::MOST_FAILURES;
use tcr::image_pull_secret::ConflictPolicy;

use super::{Wrong, says_valid};
use crate::cluster::{ACCOUNTS, Labels, NAMESPACES, Namespace, OBJECTS, Object, REFERENCES, denied};
use crate::spec::{self, SpecChoice};
use crate::world::World;

/// A write that is refused stops what depends on it, and that only.
const ALONE: &str = "a refused write stops what depends on it, and that only";
/// Statuses name what is refused.
const TOLD: &str = "a status names what is refused, and nothing else";

impl Namespace {
    /// Whether anything is refused in it.
    pub fn refuses(&self) -> bool {
        self.denied != 0 || self.quota.is_some()
    }

    fn denies(&self, what: u8) -> bool {
        self.denied & what != 0
    }

    /// Whether the quota has no room for one more Secret, once it has counted them.
    fn is_full(&self) -> bool {
        self.quota.is_some_and(|most| self.secrets.iter().flatten().count() >= usize::from(most))
    }
}

impl World {
    /// What is not right although nothing that is refused stands in its way.
    pub fn what_is_wrong_beside_refusals(&self) -> Option<Wrong> {
        for (slot, object) in self.cluster.objects.iter().enumerate() {
            let Some(object) = object.as_ref().filter(|it| is_told_of(it)) else { continue };
            // Of a login that is refused a new process has nothing to distribute.
            if !object.deleting && !self.is_good(&spec::choice(object.spec)) {
                continue;
            }
            let mut refused = Vec::new();
            let mut is_certain = true;
            for (place, namespace) in self.cluster.places().filter(|(_, it)| !it.terminating) {
                match self.beside_refusals(place, namespace, slot, object, &mut refused) {
                    Ok(certain) => is_certain &= certain,
                    Err(how) => {
                        let how = format!("{}/tcr.ips{}: {how}", NAMESPACES[place], OBJECTS[slot]);
                        return Some(Wrong { rule: ALONE, how, is_final: false });
                    }
                }
            }
            let told: Vec<String> =
                object.status.failures.iter().map(|it| it.namespaced_name.clone()).collect();
            let is_complete = refused.iter().take(MOST_FAILURES).all(|it| told.contains(it));
            if !is_complete || (is_certain && told.iter().any(|it| !refused.contains(it))) {
                let how = format!("{} says {told:?}, and refused are {refused:?}", OBJECTS[slot]);
                return Some(Wrong { rule: TOLD, how, is_final: false });
            }
        }
        None
    }

    /// Adds what is refused of the ImagePullSecret in the namespace; whether that is all, or what is wrong there.
    fn beside_refusals(
        &self,
        place: usize,
        namespace: &Namespace,
        slot: usize,
        object: &Object,
        refused: &mut Vec<String>,
    ) -> Result<bool, String> {
        let named = |name: &str| format!("{}/{name}", NAMESPACES[place]);
        let secret = namespace.secrets[slot].as_ref();
        if secret.is_some_and(Self::is_doubtful) {
            return Ok(false);
        }
        let choice = spec::choice(object.spec);
        let is_wanted = !object.deleting && choice.selects(place, namespace.label);
        if !is_wanted {
            return Self::beside_refused_removals(namespace, slot, refused, named);
        }
        let is_foreign = secret.is_some_and(Self::is_foreign);
        if is_foreign && !takes_over(&choice, secret.is_some_and(|it| it.same_registry)) {
            return Ok(true);
        }
        let is_whole = secret.is_some_and(|it| {
            it.labels == Labels::Ours && it.mark == it.digest && it.mendable && !is_foreign
        });
        let is_replaced = secret.is_some_and(|it| !it.mendable);
        if !is_whole {
            let is_refused = namespace.denies(denied::SECRETS)
                || (secret.is_none() && namespace.is_full())
                || (is_replaced && namespace.denies(denied::DELETIONS));
            if !is_refused {
                return Err(format!("nothing refuses it, and there is {secret:?}"));
            }
            refused.push(named(REFERENCES[slot]));
        }
        // Where it is somebody else's, or another one is to come, nothing new refers to it: what was refused of a
        // ServiceAccount before, waits for it and is still told.
        if secret.is_none() || is_foreign || is_replaced {
            return Ok(false);
        }
        for (index, account) in namespace.accounts.iter().enumerate() {
            let Some(account) = account else { continue };
            let refers = account.references.contains(&(slot as u8));
            if refers == choice.selects_account(index) {
                continue;
            }
            if index != 0 || !namespace.denies(denied::FIRST_ACCOUNT) {
                return Err(format!("{} has {:?}", ACCOUNTS[index], account.references));
            }
            refused.push(named(ACCOUNTS[index]));
        }
        // What it should hold by now, other rules say.
        Ok(!(is_whole && namespace.denies(denied::SECRETS)))
    }

    /// The same where nothing of it is wanted.
    fn beside_refused_removals(
        namespace: &Namespace,
        slot: usize,
        refused: &mut Vec<String>,
        named: impl Fn(&str) -> String,
    ) -> Result<bool, String> {
        let secret = namespace.secrets[slot].as_ref();
        let is_ours = secret.is_some_and(|it| !Self::is_foreign(it) && it.labels != Labels::None);
        let refers = |index: usize| {
            namespace.accounts[index].as_ref().is_some_and(|it| it.references.contains(&(slot as u8)))
        };
        if secret.is_none() || !is_ours {
            // References to what is not seen, or to nothing, may be left, or be somebody else's.
            return Ok(secret.is_none() && !(0..ACCOUNTS.len()).any(refers));
        }
        if let Some(index) = (1..ACCOUNTS.len()).find(|index| refers(*index)) {
            return Err(format!("{} still refers to it", ACCOUNTS[index]));
        }
        match (refers(0), namespace.denies(denied::FIRST_ACCOUNT), namespace.denies(denied::DELETIONS)) {
            (true, true, _) => {
                refused.push(named(ACCOUNTS[0]));
                // The Secret's end, refused before, waits for that.
                return Ok(false);
            }
            (true, false, _) => return Err(format!("{} still refers to it", ACCOUNTS[0])),
            (false, _, true) => refused.push(named(REFERENCES[slot])),
            (false, _, false) => return Err("nobody wants it, and nothing refuses its deletion".to_owned()),
        }
        Ok(true)
    }
}

/// Whether a status tells of it as it is now.
fn is_told_of(object: &Object) -> bool {
    let is_contested = object.status.conditions.iter().any(|it| it.reason == "Contested");
    object.secured
        && object.status.observed_generation == Some(object.generation)
        && (object.deleting || says_valid(object))
        && !is_contested
}

fn takes_over(choice: &SpecChoice, same_registry: bool) -> bool {
    match choice.policy {
        ConflictPolicy::Never => false,
        ConflictPolicy::Adopt => same_registry,
        ConflictPolicy::Overwrite => true,
    }
}

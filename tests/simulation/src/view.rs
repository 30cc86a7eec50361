//! Objects as the controller's watches and reads show them.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use distribution::mark::InstallationKey;
use distribution::{
    Account as SeenAccount, Content, Digest, Labels as NamespaceLabels, ResourceVersion, SeenSecret, Uid,
    Version,
};
use distribution::{Placed, SeenNamespace};
use reconcile::object::Object as SeenObject;
use reconcile::password::Password;
use tcr::image_pull_secret::ImagePullSecretSpec;
use tcr::names::FINALIZER;
use tcr::sensitive::Sensitive;

use crate::cluster::{ACCOUNTS, Account, Labels, NAMESPACES, OBJECTS, Object, REFERENCES, Secret};
use crate::spec;

/// What is made once and shared by all histories of a run: names, specs, and the words of marks.
#[derive(Debug)]
pub struct Views {
    key: InstallationKey,
    accounts: Vec<Arc<str>>,
    references: Vec<Arc<str>>,
    specs: Vec<Result<ImagePullSecretSpec, String>>,
    /// What marks call contents.
    words: RefCell<HashMap<Digest, Digest>>,
    /// The passwords in contents.
    passwords: RefCell<HashMap<Digest, String>>,
}

/// As everybody holds it.
pub type SharedViews = Rc<Views>;

impl Views {
    /// All of it.
    pub fn new() -> Self {
        let key = InstallationKey::parse("a".repeat(64).as_bytes());
        Self {
            key: key.unwrap_or_else(|_| unreachable!("a key's form")),
            accounts: crate::cluster::shared(&ACCOUNTS),
            references: crate::cluster::shared(&REFERENCES),
            specs: (0..spec::SPECS).map(spec::spec).collect(),
            words: RefCell::default(),
            passwords: RefCell::default(),
        }
    }

    /// The key of the installation.
    pub fn key(&self) -> &InstallationKey {
        &self.key
    }

    /// A namespace, as its watch tells of it.
    pub fn namespace(&self, place: usize, terminating: bool, label: bool) -> SeenNamespace {
        let name = NAMESPACES[place];
        let labels = label.then(|| (spec::LABEL.0.to_owned(), spec::LABEL.1.to_owned()));
        SeenNamespace { name: name.into(), terminating, labels: NamespaceLabels::of(name, labels) }
    }

    /// A ServiceAccount.
    pub fn account(&self, place: usize, index: usize, account: &Account) -> Placed<SeenAccount> {
        let references = account.references.iter().map(|it| self.references[usize::from(*it)].clone());
        let seen = SeenAccount {
            resource_version: ResourceVersion::of(&account.version.to_string()),
            references: references.collect(),
            has_list: account.has_list,
        };
        Placed { namespace: NAMESPACES[place].into(), name: self.accounts[index].clone(), seen }
    }

    /// A ServiceAccount that is gone.
    pub fn account_gone(&self, place: usize, index: usize) -> Placed<SeenAccount> {
        Placed {
            namespace: NAMESPACES[place].into(),
            name: self.accounts[index].clone(),
            seen: SeenAccount::default(),
        }
    }

    /// A Secret, as the watch of metadata tells of it.
    pub fn watched(&self, place: usize, slot: usize, secret: &Secret) -> Placed<SeenSecret> {
        let seen = SeenSecret::Ours {
            uid: secret.uid.clone(),
            version: Version(secret.version),
            digest: secret.mark.map(|digest| self.word(digest)),
            labelled: secret.labels == Labels::Ours,
            mendable: true,
            marked: secret.mark.is_some(),
            unread: true,
        };
        Placed { namespace: NAMESPACES[place].into(), name: self.references[slot].clone(), seen }
    }

    /// A Secret that was read as one of ours.
    pub fn ours(&self, secret: &Secret) -> SeenSecret {
        SeenSecret::Ours {
            uid: secret.uid.clone(),
            version: Version(secret.version),
            digest: secret.digest,
            labelled: secret.labels == Labels::Ours,
            mendable: secret.mendable,
            marked: secret.mark.is_some() && secret.mark == secret.digest,
            unread: false,
        }
    }

    /// A Secret that was read where ours shall be, as `observed::in_the_way` judges it.
    pub fn in_the_way(&self, secret: &Secret, known: Option<&Uid>, content: Option<&Content>) -> SeenSecret {
        let same_bytes = content.is_some_and(|content| secret.digest == Some(content.digest()));
        let is_ours = secret.labels != Labels::None
            || secret.mark.is_some()
            || known == Some(&secret.uid)
            || same_bytes;
        match is_ours {
            true => self.ours(secret),
            false => SeenSecret::Foreign {
                uid: secret.uid.clone(),
                same_registry: content.is_some() && secret.same_registry,
                mendable: secret.mendable,
            },
        }
    }

    /// An ImagePullSecret.
    pub fn object(&self, slot: usize, object: &Object) -> SeenObject {
        SeenObject {
            name: OBJECTS[slot].to_owned(),
            uid: object.uid.to_string(),
            generation: object.generation,
            resource_version: object.version.to_string(),
            finalizers: if object.secured { vec![FINALIZER.to_owned()] } else { Vec::new() },
            deleting: object.deleting,
            spec: self.specs[object.spec].clone(),
            status: object.status.clone(),
            request: object.request.clone().map(Ok),
        }
    }

    /// One that is gone, of which only the name matters.
    pub fn gone(&self, slot: usize) -> SeenObject {
        SeenObject {
            name: OBJECTS[slot].to_owned(),
            uid: String::new(),
            generation: 0,
            resource_version: String::new(),
            finalizers: Vec::new(),
            deleting: true,
            spec: Err(String::new()),
            status: Default::default(),
            request: None,
        }
    }

    /// The Secret with the password.
    pub fn password(&self, version: u64, number: usize) -> Password {
        let value = Sensitive::new(spec::PASSWORDS[number]);
        Password {
            name: spec::PASSWORD_SECRET.to_owned(),
            version: version.to_string(),
            values: BTreeMap::from([(spec::PASSWORD_KEY.to_owned(), value)]),
        }
    }

    fn word(&self, digest: Digest) -> Digest {
        *self.words.borrow_mut().entry(digest).or_insert_with(|| self.key.tag(digest).unknown())
    }

    /// The password in a content.
    pub fn password_in(&self, content: &Content) -> String {
        let read = || {
            let logins = tcr::docker_config::DockerConfig::logins(content.bytes()).unwrap_or_default();
            logins.into_values().next().map(|login| login.password.expose().to_owned()).unwrap_or_default()
        };
        self.passwords.borrow_mut().entry(content.digest()).or_insert_with(read).clone()
    }

    /// The password in bytes of this digest, where a controller had them.
    pub fn password_of(&self, digest: Digest) -> Option<String> {
        self.passwords.borrow().get(&digest).cloned()
    }
}

impl Default for Views {
    fn default() -> Self {
        Self::new()
    }
}

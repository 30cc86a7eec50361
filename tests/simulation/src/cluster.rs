//! The API server: objects with uids, versions and generations, what admission says to a write, and for each kind the
//! log that its watches read.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use credential::store::Document;
use custom_resource::ImagePullSecretStatus;
use custom_resource::request::Asked;
use distribution::{Digest, Uid};

mod namespaces;
mod secrets;

/// Namespaces that there may be.
pub const NAMESPACES: [&str; 5] = ["shop", "team", "infra", "edge", "data"];
/// ServiceAccounts that a namespace may have.
pub const ACCOUNTS: [&str; 2] = ["default", "robot"];
/// ImagePullSecrets that there may be.
pub const OBJECTS: [&str; 3] = ["demo", "twin", "plain"];
/// What a ServiceAccount may refer to: the derived Secrets, by the number of their ImagePullSecret, and somebody's own.
pub const REFERENCES: [&str; 4] = ["tcr.ipsdemo", "tcr.ipstwin", "tcr.ipsplain", "partner"];

/// The kinds that are watched.
pub const KINDS: usize = 5;

/// A kind that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// ImagePullSecrets.
    Object,
    /// Namespaces.
    Namespace,
    /// ServiceAccounts.
    Account,
    /// Our Secrets' metadata.
    Secret,
    /// Passwords in tcr-assistant-system.
    Password,
}

/// All of them.
pub const ALL_KINDS: [Kind; KINDS] =
    [Kind::Object, Kind::Namespace, Kind::Account, Kind::Secret, Kind::Password];

/// What labels a Secret has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Labels {
    /// Ours, as they shall be.
    Ours,
    /// Ours, with another ImagePullSecret's name.
    Wrong,
    /// None of ours.
    None,
}

/// A Secret of the name of a derived one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// Kept by updates.
    pub uid: Uid,
    /// Its resourceVersion.
    pub version: u64,
    /// Its bytes; none when it has other keys.
    pub digest: Option<Digest>,
    /// Its labels.
    pub labels: Labels,
    /// The content that its mark names, where that mark is ours and of this place.
    pub mark: Option<Digest>,
    /// It is of the right type and not immutable.
    pub mendable: bool,
    /// A controller created it. What the controller believes is no part of this.
    pub made_by_us: bool,
    /// Somebody labelled it as ours, and so gave it away.
    pub given: bool,
    /// It holds a login for a host of ours.
    pub same_registry: bool,
}

/// A ServiceAccount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its resourceVersion.
    pub version: u64,
    /// Its list.
    pub references: Rc<[u8]>,
    /// It has the list at all.
    pub has_list: bool,
    /// References, as bits, that a controller added and nobody else has written since.
    pub by_us: u8,
}

/// A Namespace and what is in it.
#[derive(Clone, Debug)]
pub struct Namespace {
    /// It is being deleted.
    pub terminating: bool,
    /// It has the label that selectors ask for.
    pub label: bool,
    /// Derived Secrets, or what has their names.
    pub secrets: [Option<Secret>; OBJECTS.len()],
    /// ServiceAccounts.
    pub accounts: [Option<Account>; ACCOUNTS.len()],
    /// Most Secrets that there may be.
    pub quota: Option<u8>,
    /// Secrets as the quota has counted them.
    pub counted: u8,
    /// What admission refuses, as bits of [`Denied`].
    pub denied: u8,
    /// The default ServiceAccount was made once.
    pub had_default: bool,
}

/// Bits of what admission refuses.
pub mod denied {
    /// Every write of Secrets, but deletions.
    pub const SECRETS: u8 = 1;
    /// Patches of the ServiceAccount `default`.
    pub const FIRST_ACCOUNT: u8 = 2;
    /// Deletions of Secrets.
    pub const DELETIONS: u8 = 8;
}

/// An ImagePullSecret.
#[derive(Clone, Debug)]
pub struct Object {
    /// Its uid.
    pub uid: u64,
    /// Its resourceVersion.
    pub version: u64,
    /// Changes of the spec.
    pub generation: i64,
    /// Our finalizer is on it.
    pub secured: bool,
    /// It is being deleted.
    pub deleting: bool,
    /// The number of its spec, see [`crate::spec`].
    pub spec: usize,
    /// The status that was written last.
    pub status: Arc<ImagePullSecretStatus>,
    /// What somebody asks for once.
    pub request: Option<Asked>,
}

/// A Secret of tcr-assistant-system that keeps a credential.
#[derive(Clone, Debug)]
pub struct Stored {
    /// What is in it.
    pub document: Document,
    /// Its resourceVersion.
    pub version: u64,
    /// Its uid.
    pub uid: u64,
}

/// One line of a log.
#[derive(Clone, Debug)]
pub enum Record {
    /// A Namespace as it is, or that it is gone.
    Namespace(usize, Option<(bool, bool)>),
    /// A ServiceAccount as it is, or that it is gone.
    Account(usize, usize, Option<Account>),
    /// A Secret as it is.
    Secret(usize, usize, Secret),
    /// A Secret that is gone, or out of the watch's selection, as it was.
    SecretGone(usize, usize, Secret),
    /// An ImagePullSecret as it is.
    Object(usize, Box<Object>),
    /// An ImagePullSecret that is gone.
    ObjectGone(usize),
    /// The password's version and number, or that the Secret is gone.
    Password(Option<(u64, usize)>),
}

/// The API server.
#[derive(Debug, Default)]
pub struct Cluster {
    revision: u64,
    /// Namespaces.
    pub namespaces: [Option<Box<Namespace>>; NAMESPACES.len()],
    /// ImagePullSecrets.
    pub objects: [Option<Object>; OBJECTS.len()],
    /// The Secret for `passwordSecretRef`: its version and the number of the password.
    pub password: Option<(u64, usize)>,
    /// Stored credentials by the names of their Secrets.
    pub stored: BTreeMap<String, Stored>,
    logs: [Vec<Record>; KINDS],
    /// Writes that were carried out for controllers, but for status and stored credentials.
    pub writes: usize,
}

impl Cluster {
    /// The next version or uid.
    pub fn tick(&mut self) -> u64 {
        self.revision += 1;
        self.revision
    }

    fn uid(&mut self) -> Uid {
        let number = self.tick();
        Uid::of(&format!("{number:08x}-0000-4000-8000-000000000000"))
    }

    /// What happened to the kind, from the beginning.
    pub fn log(&self, kind: Kind) -> &[Record] {
        &self.logs[kind as usize]
    }

    fn tell(&mut self, kind: Kind, record: Record) {
        self.logs[kind as usize].push(record);
    }

    /// A list of all that there is of a kind.
    pub fn list(&self, kind: Kind) -> Vec<Record> {
        let mut list = Vec::new();
        match kind {
            Kind::Object => {
                for (slot, object) in self.objects.iter().enumerate() {
                    list.extend(object.clone().map(|object| Record::Object(slot, Box::new(object))));
                }
            }
            Kind::Password => list.extend(self.password.map(|it| Record::Password(Some(it)))),
            Kind::Namespace | Kind::Account | Kind::Secret => {
                for (place, namespace) in self.namespaces.iter().enumerate() {
                    let Some(namespace) = namespace else { continue };
                    match kind {
                        Kind::Namespace => list
                            .push(Record::Namespace(place, Some((namespace.terminating, namespace.label)))),
                        Kind::Account => {
                            for (index, account) in namespace.accounts.iter().enumerate() {
                                if let Some(account) = account {
                                    list.push(Record::Account(place, index, Some(account.clone())));
                                }
                            }
                        }
                        _ => {
                            for (slot, secret) in namespace.secrets.iter().enumerate() {
                                if let Some(secret) = secret.as_ref().filter(|it| it.labels != Labels::None) {
                                    list.push(Record::Secret(place, slot, secret.clone()));
                                }
                            }
                        }
                    }
                }
            }
        }
        list
    }

    /// Makes an ImagePullSecret.
    pub fn create_object(&mut self, slot: usize, spec: usize) -> bool {
        if self.objects[slot].is_some() {
            return false;
        }
        let (uid, version) = (self.tick(), self.tick());
        let status = Arc::default();
        let object = Object {
            uid,
            version,
            generation: 1,
            secured: false,
            deleting: false,
            spec,
            status,
            request: None,
        };
        self.objects[slot] = Some(object.clone());
        self.tell(Kind::Object, Record::Object(slot, Box::new(object)));
        true
    }

    /// Changes an ImagePullSecret; one that is deleted and has no finalizer is gone.
    pub fn change_object(&mut self, slot: usize, change: impl FnOnce(&mut Object)) -> bool {
        let version = self.tick();
        let Some(object) = &mut self.objects[slot] else { return false };
        let (spec, deleting) = (object.spec, object.deleting);
        change(object);
        object.version = version;
        object.generation += i64::from(object.spec != spec) + i64::from(object.deleting != deleting);
        if object.deleting && !object.secured {
            self.objects[slot] = None;
            self.tell(Kind::Object, Record::ObjectGone(slot));
        } else {
            let record = Record::Object(slot, Box::new(object.clone()));
            self.tell(Kind::Object, record);
        }
        true
    }

    /// Sets the Secret with the password.
    pub fn set_password(&mut self, number: Option<usize>) {
        let version = self.tick();
        self.password = number.map(|number| (version, number));
        self.tell(Kind::Password, Record::Password(self.password));
    }

    /// Every namespace that there is.
    pub fn places(&self) -> impl Iterator<Item = (usize, &Namespace)> {
        self.namespaces.iter().enumerate().filter_map(|(place, it)| Some((place, it.as_deref()?)))
    }
}

/// The name of a namespace, shared.
pub fn shared(names: &[&'static str]) -> Vec<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

//! The observed state of the cluster, reduced to what distribution needs and kept up to date from watch
//! events.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::desired::Digest;
use super::identity::{ResourceVersion, Uid, Version};
use super::name_map::NameMap;

/// Every namespace that was seen.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    namespaces: BTreeMap<Arc<str>, Namespace>,
}

/// The observed state of one namespace.
#[derive(Clone, Debug, Default)]
pub struct Namespace {
    /// Whether the Namespace object itself was seen. Its Secrets and ServiceAccounts may be seen first,
    /// because each kind has a watch of its own.
    pub exists: bool,
    /// It is being deleted, and all objects in it with it: nothing is written.
    pub terminating: bool,
    /// Labels of the Namespace.
    pub labels: Labels,
    /// Secrets of ours, and Secrets of other owners that block ours, by name.
    pub secrets: NameMap<SeenSecret>,
    /// The ServiceAccounts, by their names.
    pub accounts: NameMap<Account>,
}

/// A namespace as its watch reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenNamespace {
    /// The name of the namespace.
    pub name: Box<str>,
    /// It is being deleted.
    pub terminating: bool,
    /// The labels of the namespace.
    pub labels: Labels,
}

/// A ServiceAccount or a Secret in its namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed<T> {
    /// The namespace that the object is in.
    pub namespace: Box<str>,
    /// The name of the object.
    pub name: Arc<str>,
    /// The observed part of the object.
    pub seen: T,
}

/// Labels of a Namespace, but for the one that repeats its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(Box<[(Box<str>, Box<str>)]>);

/// A Secret of ours, or another owner's that blocks ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeenSecret {
    /// It carries our label, or our mark.
    Ours {
        /// Its uid, which an update keeps.
        uid: Uid,
        /// The version that was observed.
        version: Version,
        /// The digest of its one key's bytes; none where it has other keys, or not this one.
        digest: Option<Digest>,
        /// Its labels are as desired.
        labelled: bool,
        /// It has the right type and is not immutable: an update can repair it.
        mendable: bool,
        /// Its mark is authentic and names these bytes.
        marked: bool,
        /// Only its metadata were observed: until it is read, bytes, type and immutability are assumed to be
        /// as its mark says.
        unread: bool,
    },
    /// Not ours; found when we tried to write ours.
    Foreign {
        /// The uid of the Secret.
        uid: Uid,
        /// It holds a credential for one of the registry's hosts.
        same_registry: bool,
        /// It has the right type and is not immutable.
        mendable: bool,
    },
}

/// Names in a list of `imagePullSecrets`. Shared: most ServiceAccounts of a cluster have the same list.
pub type References = Arc<[Arc<str>]>;

/// A ServiceAccount and its list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// The version that the list was read from: a patch tests it, because the list is atomic.
    pub resource_version: ResourceVersion,
    /// Names in `imagePullSecrets`, in order. An entry without a name is an empty string.
    pub references: References,
    /// Whether the object has the list at all, be it empty.
    pub has_list: bool,
}

impl Labels {
    /// The labels of the namespace `name`. `kubernetes.io/metadata.name` is left out: the API server ensures
    /// that it equals the name, and 10,000 copies would take a megabyte.
    pub fn of(name: &str, labels: impl IntoIterator<Item = (String, String)>) -> Self {
        let others = labels.into_iter().filter(|(key, value)| !(key == NAME_LABEL && value == name));
        Self(others.map(|(key, value)| (key.into(), value.into())).collect())
    }

    /// The value of a label of the namespace `name`.
    pub fn get<'a>(&'a self, name: &'a str, key: &str) -> Option<&'a str> {
        let stated = self.0.iter().find(|(stated, _)| **stated == *key).map(|(_, value)| &**value);
        stated.or_else(|| (key == NAME_LABEL).then_some(name))
    }
}

const NAME_LABEL: &str = "kubernetes.io/metadata.name";

impl SeenSecret {
    /// Whether it is ours.
    pub fn is_ours(&self) -> bool {
        matches!(self, Self::Ours { .. })
    }

    /// Whether it is ours and has our label, so that the watch reports it.
    pub fn is_labelled(&self) -> bool {
        matches!(self, Self::Ours { labelled: true, .. })
    }

    /// Whether it has to be read before anything is planned for it.
    pub fn is_unread(&self) -> bool {
        matches!(self, Self::Ours { unread: true, .. })
    }

    /// The uid of the Secret.
    pub fn uid(&self) -> &Uid {
        match self {
            Self::Ours { uid, .. } | Self::Foreign { uid, .. } => uid,
        }
    }

    /// The version that was observed; none for a Secret that is not watched.
    pub fn version(&self) -> Version {
        match self {
            Self::Ours { version, .. } => *version,
            Self::Foreign { .. } => Version(0),
        }
    }
}

impl Account {
    /// Whether its list names the Secret.
    pub fn refers_to(&self, secret: &str) -> bool {
        self.references.iter().any(|name| &**name == secret)
    }

    /// The version that was observed.
    pub fn version(&self) -> Version {
        self.resource_version.version()
    }
}

impl Namespace {
    /// Whether the namespace exists and is not being deleted.
    pub fn is_live(&self) -> bool {
        self.exists && !self.terminating
    }
}

impl Observed {
    /// The state of the namespace, if anything in it was observed.
    pub fn get(&self, namespace: &str) -> Option<&Namespace> {
        self.namespaces.get(namespace)
    }

    /// The state of the namespace, to be changed, if anything in it was observed.
    pub fn get_mut(&mut self, namespace: &str) -> Option<&mut Namespace> {
        self.namespaces.get_mut(namespace)
    }

    /// Adds the namespace if it is new; returns its shared name.
    pub fn add(&mut self, namespace: &str) -> Arc<str> {
        if let Some((name, _)) = self.namespaces.get_key_value(namespace) {
            return name.clone();
        }
        let name: Arc<str> = namespace.into();
        self.namespaces.insert(name.clone(), Namespace::default());
        name
    }

    /// The shared name of a namespace of which anything was observed.
    pub fn name(&self, namespace: &str) -> Option<&Arc<str>> {
        self.namespaces.get_key_value(namespace).map(|(name, _)| name)
    }

    /// The namespace's entry, made where it is new.
    pub fn entry(&mut self, namespace: &str) -> &mut Namespace {
        self.namespaces.entry(namespace.into()).or_default()
    }

    /// Forgets a namespace that is gone.
    pub fn remove(&mut self, namespace: &str) {
        self.namespaces.remove(namespace);
    }

    /// Names of every namespace that was seen, sorted.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.namespaces.keys()
    }

    /// Every namespace that was seen, in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Namespace)> {
        self.namespaces.iter()
    }

    /// Every namespace that was seen, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&Arc<str>, &mut Namespace)> {
        self.namespaces.iter_mut()
    }

    /// Namespaces in which something of the Secret `name` is left: the Secret, or a reference that does not
    /// belong to another owner's Secret. Namespaces that are being deleted are left out.
    pub fn holding(&self, name: &str) -> BTreeSet<&str> {
        let holds = |namespace: &Namespace| {
            namespace.is_live()
                && match namespace.secrets.get(name) {
                    Some(SeenSecret::Ours { .. }) => true,
                    Some(SeenSecret::Foreign { .. }) => false,
                    None => namespace.accounts.values().any(|account| account.refers_to(name)),
                }
        };
        self.namespaces.iter().filter(|(_, namespace)| holds(namespace)).map(|(name, _)| &**name).collect()
    }
}

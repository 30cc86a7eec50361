//! The content of a Secret of type `kubernetes.io/dockerconfigjson`.

mod key;
pub mod keyring;
mod read;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::registry_host::RegistryHost;
use crate::sensitive::{Sensitive, SensitiveBytes};
use read::Shape;

/// One credential for several hosts of the same registry instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DockerConfig {
    hosts: BTreeSet<RegistryHost>,
    /// The namespaces of the registry that it is for; none for all.
    namespaces: BTreeSet<String>,
    username: String,
    password: Sensitive,
}

/// The credential of an existing configuration for one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Login {
    /// The user name of the login.
    pub username: String,
    /// The password of the login.
    pub password: Sensitive,
    /// An identity token is there too, which kubelets know nothing of.
    pub has_identity_token: bool,
    /// User name or password is not UTF-8, and has U+FFFD here where it is not. A kubelet has the bytes, and cannot
    /// hand them to a container runtime, whose protocol takes UTF-8 only.
    pub is_not_utf8: bool,
}

/// Why bytes are no docker configuration. Never repeats the bytes, which hold passwords.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DockerConfigError {
    /// Not JSON, or JSON of another shape.
    #[error("cannot read the docker configuration: not the expected JSON at line {line}, column {column}")]
    Json {
        /// Line of the mistake, from 1.
        line: usize,
        /// Column of the mistake, from 1.
        column: usize,
    },
    /// The `auth` of a host is not base64 of a user name, a colon and a password.
    #[error("cannot read the docker configuration: auth of {host:?} is not base64 of username:password")]
    Auth {
        /// The host as the configuration names it.
        host: String,
    },
}

#[derive(Serialize)]
struct Written<'a> {
    auths: BTreeMap<Cow<'a, str>, &'a WrittenLogin<'a>>,
}

#[derive(Serialize)]
struct WrittenLogin<'a> {
    username: &'a str,
    password: &'a str,
    auth: &'a str,
}

impl DockerConfig {
    /// A configuration that gives every one of `hosts` the same credential. Order and repetition
    /// of the hosts do not matter.
    pub fn new(hosts: impl IntoIterator<Item = RegistryHost>, username: &str, password: &Sensitive) -> Self {
        Self {
            hosts: hosts.into_iter().collect(),
            namespaces: BTreeSet::new(),
            username: username.to_owned(),
            password: password.clone(),
        }
    }

    /// The configuration for the images of these namespaces of the registry only; without any, for all
    /// images. Kubelets support such keys; many other readers of docker configurations do not.
    pub fn for_namespaces<N: Into<String>>(self, namespaces: impl IntoIterator<Item = N>) -> Self {
        Self { namespaces: namespaces.into_iter().map(Into::into).collect(), ..self }
    }

    /// The JSON: the same bytes for the same values, always. Hosts are sorted, there is no blank.
    pub fn to_bytes(&self) -> SensitiveBytes {
        let password = self.password.expose();
        let mut pair = SensitiveBytes::from(self.username.as_bytes());
        pair.extend_from_slice(b":");
        pair.extend_from_slice(password.as_bytes());
        let auth = Sensitive::new(STANDARD.encode(pair.expose()));
        let login = WrittenLogin { username: &self.username, password, auth: auth.expose() };
        let auths = self.keys().into_iter().map(|key| (key, &login)).collect();
        // Strings in a map: nothing here can fail to serialise.
        SensitiveBytes::json(&Written { auths }).unwrap_or_default()
    }

    /// A kubelet compares paths letter by letter: only with the slash behind it `team` is not `teamwork` too.
    fn keys(&self) -> BTreeSet<Cow<'_, str>> {
        let mut keys = BTreeSet::new();
        for host in self.hosts.iter().map(RegistryHost::as_str) {
            if self.namespaces.is_empty() {
                keys.insert(Cow::Borrowed(host));
            }
            keys.extend(self.namespaces.iter().map(|namespace| Cow::Owned(format!("{host}/{namespace}/"))));
        }
        keys
    }

    /// The hosts that an existing configuration has credentials for, sorted: its keys without
    /// scheme and path (`https://index.docker.io/v1/` is `index.docker.io`).
    pub fn hosts(bytes: &[u8]) -> Result<Vec<String>, DockerConfigError> {
        let hosts: BTreeSet<_> =
            read::entries(bytes, Shape::Json)?.keys().filter_map(|key| key::host(key)).collect();
        Ok(hosts.into_iter().collect())
    }

    /// The credentials of an existing configuration by its keys, as they are written and as a kubelet reads
    /// them. `auth` takes precedence over `username` and `password`, and an entry may have neither.
    pub fn logins(bytes: &[u8]) -> Result<BTreeMap<String, Login>, DockerConfigError> {
        read::logins(bytes, Shape::Json)
    }

    /// The credentials of the older `.dockercfg`, whose keys are not in an object `auths`.
    pub fn legacy_logins(bytes: &[u8]) -> Result<BTreeMap<String, Login>, DockerConfigError> {
        read::logins(bytes, Shape::Legacy)
    }
}

#[cfg(test)]
mod tests;

//! Passwords for `spec.docker.passwordSecretRef`, from Secrets of tcr-assistant-system that are
//! labelled for it.
//!
//! The label keeps an author of ImagePullSecrets from having the controller distribute any other
//! Secret of that namespace, such as the key that signs API calls.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use tcr::image_pull_secret::SecretKeyRef;
use tcr::names::{PASSWORD_LABEL, SYSTEM_NAMESPACE};
use tcr::sensitive::{Sensitive, SensitiveBytes};

use crate::relist::Relist;

/// A Secret that holds passwords.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Password {
    /// Its name.
    pub name: String,
    /// Its resourceVersion.
    pub version: String,
    /// The values that are text, by key. One line end after a value is not part of it: files have it.
    pub values: BTreeMap<String, Sensitive>,
}

impl Password {
    /// Reads the passwords from a Secret.
    pub fn of(secret: Secret) -> Self {
        let text = |(key, value): (String, k8s_openapi::ByteString)| {
            Some((key, SensitiveBytes::from(value.0).into_text()?.without_line_end()))
        };
        Self {
            name: secret.metadata.name.unwrap_or_default(),
            version: secret.metadata.resource_version.unwrap_or_default(),
            values: secret.data.unwrap_or_default().into_iter().filter_map(text).collect(),
        }
    }
}

/// All Secrets with passwords.
#[derive(Clone, Debug, Default)]
pub struct Passwords {
    by_name: BTreeMap<String, Password>,
    relist: Relist<String>,
}

/// Why there is no password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPassword {
    /// The Secret is not there, or without the label.
    #[error(
        "spec.docker.passwordSecretRef: there is no Secret {name:?} with the label {PASSWORD_LABEL}=true in {SYSTEM_NAMESPACE}"
    )]
    NoSecret {
        /// The Secret's name.
        name: String,
    },
    /// The Secret has no such key, or its value is not text.
    #[error("spec.docker.passwordSecretRef: the Secret {name:?} has no text under the key {key:?}")]
    NoKey {
        /// The Secret's name.
        name: String,
        /// The key.
        key: String,
    },
}

impl Passwords {
    /// Adds or replaces a Secret.
    pub fn set(&mut self, password: Password) {
        self.relist.saw(&password.name);
        self.by_name.insert(password.name.clone(), password);
    }

    /// Forgets a deleted Secret.
    pub fn remove(&mut self, name: &str) {
        self.by_name.remove(name);
    }

    /// A list of all Secrets begins.
    pub fn begin_listing(&mut self) {
        self.relist.begin(self.by_name.keys().cloned());
    }

    /// The list is complete: Secrets that it did not contain are gone. Returns their names.
    pub fn end_listing(&mut self) -> Vec<String> {
        let gone: Vec<String> = self.relist.end().collect();
        gone.iter().for_each(|name| drop(self.by_name.remove(name)));
        gone
    }

    /// The resourceVersion of the Secret that the reference leads to.
    pub fn version(&self, reference: &SecretKeyRef) -> Option<&str> {
        self.by_name.get(&reference.name).map(|password| &*password.version)
    }

    /// The password that the reference leads to.
    pub fn get(&self, reference: &SecretKeyRef) -> Result<&Sensitive, NoPassword> {
        let SecretKeyRef { name, key } = reference;
        let found = self.by_name.get(name).ok_or_else(|| NoPassword::NoSecret { name: name.clone() })?;
        let value = found.values.get(key).filter(|value| !value.is_empty());
        value.ok_or_else(|| NoPassword::NoKey { name: name.clone(), key: key.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_takes_away_only_what_it_does_not_have_and_only_at_its_end() {
        let password = |name: &str, text: &str| Password {
            name: name.to_owned(),
            version: "1".to_owned(),
            values: BTreeMap::from([("password".to_owned(), Sensitive::new(text))]),
        };
        let mut passwords = Passwords::default();
        passwords.set(password("kept", "old"));
        passwords.set(password("gone", "old"));
        let reference = |name: &str| SecretKeyRef { name: name.to_owned(), key: "password".to_owned() };
        passwords.begin_listing();
        passwords.set(password("kept", "new"));
        assert_eq!(passwords.get(&reference("gone")).unwrap().expose(), "old");
        passwords.end_listing();
        assert_eq!(passwords.get(&reference("kept")).unwrap().expose(), "new");
        assert!(passwords.get(&reference("gone")).is_err());
    }
}

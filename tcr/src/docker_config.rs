//! The content of a Secret of type `kubernetes.io/dockerconfigjson`.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use serde::{Deserialize, Serialize};

use crate::registry_host::{RegistryHost, split_scheme};
use crate::sensitive::{Sensitive, SensitiveBytes};

/// Kubernetes reads `auth` with and without padding.
const AUTH: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// One credential for several hosts of the same registry instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DockerConfig {
    hosts: BTreeSet<RegistryHost>,
    username: String,
    password: Sensitive,
}

/// What an existing configuration holds for one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The user name.
    pub username: String,
    /// The password.
    pub password: Sensitive,
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
    auths: BTreeMap<&'a str, &'a WrittenLogin<'a>>,
}

#[derive(Serialize)]
struct WrittenLogin<'a> {
    username: &'a str,
    password: &'a str,
    auth: &'a str,
}

#[derive(Deserialize)]
struct Existing {
    #[serde(default)]
    auths: BTreeMap<String, ExistingLogin>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ExistingLogin {
    username: String,
    password: Sensitive,
    auth: Sensitive,
}

impl DockerConfig {
    /// A configuration that gives every one of `hosts` the same credential. Order and repetition
    /// of the hosts do not matter.
    pub fn new(hosts: impl IntoIterator<Item = RegistryHost>, username: &str, password: &Sensitive) -> Self {
        Self { hosts: hosts.into_iter().collect(), username: username.to_owned(), password: password.clone() }
    }

    /// The JSON: the same bytes for the same values, always. Hosts are sorted, there is no blank.
    pub fn to_bytes(&self) -> SensitiveBytes {
        let password = self.password.expose();
        let mut pair = SensitiveBytes::from(self.username.as_bytes());
        pair.extend_from_slice(b":");
        pair.extend_from_slice(password.as_bytes());
        let auth = Sensitive::new(STANDARD.encode(pair.expose()));
        let login = WrittenLogin { username: &self.username, password, auth: auth.expose() };
        let auths = self.hosts.iter().map(|host| (host.as_str(), &login)).collect();
        // Strings in a map: nothing here can fail to serialise.
        SensitiveBytes::json(&Written { auths }).unwrap_or_default()
    }

    /// The hosts that an existing configuration has credentials for, sorted: its keys without
    /// scheme and path (`https://index.docker.io/v1/` is `index.docker.io`).
    pub fn hosts(bytes: &[u8]) -> Result<Vec<String>, DockerConfigError> {
        let hosts: BTreeSet<_> = existing(bytes)?.auths.keys().map(|key| host_of_key(key)).collect();
        Ok(hosts.into_iter().collect())
    }

    /// What an existing configuration holds for each of its keys, as they are written. `auth`
    /// wins over `username` and `password`, as in Kubernetes and Docker.
    pub fn logins(bytes: &[u8]) -> Result<BTreeMap<String, Login>, DockerConfigError> {
        let login = |(host, login): (String, ExistingLogin)| match login.decoded() {
            Some(login) => Ok((host, login)),
            None => Err(DockerConfigError::Auth { host }),
        };
        existing(bytes)?.auths.into_iter().map(login).collect()
    }
}

impl ExistingLogin {
    fn decoded(self) -> Option<Login> {
        if self.auth.is_empty() {
            return Some(Login { username: self.username, password: self.password });
        }
        let decoded = SensitiveBytes::from(AUTH.decode(self.auth.expose().trim()).ok()?);
        let text = decoded.into_text()?;
        let (username, password) = text.expose().split_once(':')?;
        Some(Login { username: username.to_owned(), password: Sensitive::new(password) })
    }
}

fn existing(bytes: &[u8]) -> Result<Existing, DockerConfigError> {
    // serde_json's own message repeats values, and a value here may be a password.
    serde_json::from_slice(bytes)
        .map_err(|error| DockerConfigError::Json { line: error.line(), column: error.column() })
}

fn host_of_key(key: &str) -> String {
    let rest = split_scheme(key).map_or(key, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest).to_ascii_lowercase()
}

#[cfg(test)]
mod tests;

//! Registry credentials as `docker login` leaves them: `config.json`, and the helpers it names.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use oci_client::secrets::RegistryAuth;
use serde::Deserialize;
use tcr::docker_config::{DockerConfig, Login};

#[cfg(test)]
mod tests;

/// Where credentials come from. Nothing secret is kept here before it is asked for, and nothing of
/// it is ever printed.
#[derive(Default)]
pub struct Credentials {
    path: PathBuf,
    config: Config,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({})", self.path.display())
    }
}

/// Why the credentials for a registry cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The file cannot be read.
    #[error("cannot read credentials {}: {reason}", path.display())]
    Unreadable {
        /// The path of the file.
        path: PathBuf,
        /// Why; never the content.
        reason: String,
    },
    /// The entry for the registry.
    #[error("credentials for \"{host}\" in {}: {reason}", path.display())]
    Entry {
        /// The host of the registry.
        host: String,
        /// The path of the file.
        path: PathBuf,
        /// The fault; never the content.
        reason: String,
    },
    /// A credential helper failed, or answered something else.
    #[error("credentials for \"{host}\": docker-credential-{helper}: {reason}")]
    Helper {
        /// The host of the registry.
        host: String,
        /// The helper's name behind `docker-credential-`.
        helper: String,
        /// How the helper failed.
        reason: String,
    },
}

/// `auths` is read as kubelets read it; the programs that the rest names, Docker alone asks.
#[derive(Default)]
struct Config {
    logins: BTreeMap<String, Login>,
    helpers: Helpers,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Helpers {
    cred_helpers: Option<BTreeMap<String, String>>,
    creds_store: Option<String>,
}

impl Credentials {
    /// Reads `config.json`: at `path` (the file or its folder), else in `$DOCKER_CONFIG`, else in
    /// `~/.docker`. Without one there are no credentials.
    ///
    /// # Errors
    /// When a file that was named, or is there, cannot be read.
    pub fn find(path: Option<&Path>) -> Result<Self, CredentialsError> {
        let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let named = path.map(Path::to_owned);
        let must_exist = named.is_some();
        let found =
            named.or_else(|| folder("DOCKER_CONFIG")).or_else(|| Some(folder("HOME")?.join(".docker")));
        let Some(mut path) = found else { return Ok(Self::default()) };
        if path.is_dir() || !must_exist {
            path = path.join("config.json");
        }
        let unreadable = |reason: String| CredentialsError::Unreadable { path: path.clone(), reason };
        match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must_exist => Ok(Self::default()),
            Err(error) => Err(unreadable(error.to_string())),
            Ok(bytes) => {
                let logins = DockerConfig::logins(&bytes).map_err(|error| unreadable(error.to_string()))?;
                let helpers: Option<Helpers> = serde_json::from_slice(&bytes).map_err(|error| {
                    unreadable(format!("credHelpers or credsStore at line {}", error.line()))
                })?;
                Ok(Self { path, config: Config { logins, helpers: helpers.unwrap_or_default() } })
            }
        }
    }

    /// The credential for the registry `host` (with its port).
    pub(super) fn of(&self, host: &str) -> Result<RegistryAuth, CredentialsError> {
        let Helpers { cred_helpers, creds_store } = &self.config.helpers;
        if let Some(helper) = cred_helpers.as_ref().and_then(|it| it.get(host)) {
            return ask_helper(helper, host);
        }
        let login = self.config.logins.iter().find(|(name, _)| host_of(name) == host);
        if let Some((_, login)) = login
            && let Some(auth) = self.auth(host, login)?
        {
            return Ok(auth);
        }
        match creds_store {
            Some(helper) => ask_helper(helper, host),
            None => Ok(RegistryAuth::Anonymous),
        }
    }

    /// The credentials that an entry holds; an empty one only says that a helper has them.
    fn auth(&self, host: &str, login: &Login) -> Result<Option<RegistryAuth>, CredentialsError> {
        let bad = |reason: &str| CredentialsError::Entry {
            host: host.into(),
            path: self.path.clone(),
            reason: reason.into(),
        };
        if login.has_identity_token {
            return Err(bad("an identity token is not supported; log in with a user name and password"));
        }
        if login.is_not_utf8 {
            return Err(bad("user name or password is not UTF-8, and registries take nothing else"));
        }
        // Docker pads some passwords with NUL bytes.
        let password = login.password.expose().trim_end_matches('\0');
        let is_empty = login.username.is_empty() && password.is_empty();
        Ok((!is_empty).then(|| RegistryAuth::Basic(login.username.clone(), password.into())))
    }
}

/// The host of an entry's name, which may be a URL: `https://registry.example.com/v1/`.
fn host_of(name: &str) -> &str {
    let rest = name.split_once("://").map_or(name, |(_, rest)| rest);
    let host = rest.split('/').next().unwrap_or(rest);
    // Docker Hub's name there, and in references.
    if host == "index.docker.io" { "docker.io" } else { host }
}

fn ask_helper(helper: &str, host: &str) -> Result<RegistryAuth, CredentialsError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        username: String,
        secret: String,
    }
    let failed =
        |reason: String| CredentialsError::Helper { host: host.into(), helper: helper.into(), reason };
    if helper.is_empty() || helper.contains('/') {
        return Err(failed("not the name of a helper".into()));
    }
    let mut child = Command::new(format!("docker-credential-{helper}"))
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(host.as_bytes()).map_err(|error| failed(error.to_string()))?;
    }
    let output = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        // By the protocol, a helper without a credential reports that on its standard output.
        return match String::from_utf8_lossy(&output.stdout).contains("credentials not found") {
            true => Ok(RegistryAuth::Anonymous),
            false => Err(failed(output.status.to_string())),
        };
    }
    let answer: Answer =
        serde_json::from_slice(&output.stdout).map_err(|_| failed("its answer is not understood".into()))?;
    match answer.username.as_str() {
        "<token>" => Err(failed("an identity token is not supported".into())),
        _ => Ok(RegistryAuth::Basic(answer.username, answer.secret)),
    }
}

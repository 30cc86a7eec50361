//! A real private registry: Debian's docker-registry behind TLS, with the rights that a token server gives.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tcr_cloud::TokenService;

use crate::control_plane::write_secret;
use crate::{Image, Output, Process, Run, cache, certificate, eventually};

#[cfg(test)]
mod tests;

const INSTALL: &str = "apt-get install docker-registry skopeo";
/// Longer than any push or pull of a test.
const TIMEOUT: Duration = Duration::from_secs(120);

/// What differs from the ordinary.
#[derive(Clone, Debug)]
pub struct Options {
    /// The domains in its certificate, besides the address it listens on.
    pub domains: Vec<String>,
    /// Where it listens; port 0 takes a free one. Port 443 of a bridge's address when nodes are to reach it by a domain.
    pub listen: SocketAddr,
    /// The token server that says who may do what.
    pub auth: TokenService,
    /// Where layers come from, `https://HOST`, instead of the registry itself: it redirects to there. Served from
    /// [`Registry::storage`].
    pub storage: Option<String>,
    /// How long it may take until it listens.
    pub timeout: Duration,
}

/// A user name and password.
#[derive(Clone)]
pub struct Credential {
    pub username: String,
    /// The password; it never stands in a command line or in Debug output.
    pub password: String,
}

/// A registry of its own; it ends when this is dropped, or with its run.
///
/// # Guarantees
/// Every request needs a token of its token server, but for the challenge itself. What is pushed lies in the run's
/// folder and goes with it.
#[derive(Debug)]
pub struct Registry {
    process: Process,
    address: SocketAddr,
    folder: PathBuf,
    ca: String,
}

impl Options {
    /// On loopback at a free port, for these domains.
    pub fn new(domains: &[&str], auth: TokenService) -> Self {
        Self {
            domains: domains.iter().map(|&domain| domain.to_owned()).collect(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            auth,
            storage: None,
            timeout: Duration::from_secs(60),
        }
    }
}

impl Registry {
    /// Starts one in `run` and waits until it listens.
    ///
    /// # Errors
    /// docker-registry or skopeo is not installed, the address is taken, or it ended early (with the end of its log).
    pub async fn start(run: &Run, options: Options) -> Result<Self> {
        let Options { domains, listen, auth, storage, timeout } = options;
        let (program, _) = (program("docker-registry")?, program("skopeo")?);
        let folder = tempfile::Builder::new()
            .prefix("registry-")
            .tempdir_in(run.folder())
            .context("cannot make the registry's folder")?
            .keep();
        let ca = write_files(&folder, &domains, listen, &auth, storage.as_deref())
            .context("cannot set up docker-registry")?;
        let mut command = run.command(program);
        command.arg("serve").arg(folder.join("config.yml")).current_dir(&folder);
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let process = run.start(&name, command)?;
        let listening = eventually("docker-registry to listen", timeout, async || {
            // A process that ended is an answer too, and no reason to wait on.
            if let Err(ended) = process.check() {
                return Ok(Err(ended));
            }
            process.address_behind("listening on ").map(Ok)
        });
        let address = listening.await??;
        Ok(Self { process, address, folder, ca })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate authority, in PEM, that signed its certificate, and others to trust: a node's
    /// `certs.d/DOMAIN/ca.crt`.
    pub fn ca(&self) -> &str {
        &self.ca
    }

    /// The folder that its storage is in: a URL's path below [`Options::storage`] is a file below this.
    pub fn storage(&self) -> PathBuf {
        self.folder.join("storage")
    }

    /// Adds a certificate authority, in PEM, that its clients have to trust too: that of a token server elsewhere.
    pub fn also_trust(&mut self, ca: &str) {
        self.ca.push_str(ca);
    }

    /// The process itself: its log, which has every request, and whether it runs.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Pushes an image as `name`, `team/app:v1`.
    ///
    /// # Errors
    /// The archive cannot be read, or the credential may not push there: with skopeo's words.
    pub async fn push_image(
        &self,
        run: &Run,
        name: &str,
        image: &Image,
        credential: &Credential,
    ) -> Result<()> {
        let name = format!("docker://{}/{name}", self.address);
        let client = Client::new(self, Some(credential))?;
        let args =
            ["copy", "--all", "--dest-authfile", &client.authfile, "--dest-cert-dir", &client.certificates];
        client.skopeo(run, &args, &[&image.reference(), &name]).await?.checked()?;
        Ok(())
    }

    /// Pulls an image into an OCI archive, with no credential or one. That it is refused is an [`Output`].
    ///
    /// # Errors
    /// skopeo cannot be run, or does not end within two minutes.
    pub async fn pull_image(
        &self,
        run: &Run,
        name: &str,
        archive: &Path,
        credential: Option<&Credential>,
    ) -> Result<Output> {
        let name = format!("docker://{}/{name}", self.address);
        let client = Client::new(self, credential)?;
        let args = ["copy", "--src-authfile", &client.authfile, "--src-cert-dir", &client.certificates];
        client.skopeo(run, &args, &[&name, &format!("oci-archive:{}", archive.display())]).await
    }

    /// Reads an image's description, with no credential or one: JSON. That it is refused is an [`Output`].
    ///
    /// # Errors
    /// As [`Registry::pull_image`].
    pub async fn inspect_image(
        &self,
        run: &Run,
        name: &str,
        credential: Option<&Credential>,
    ) -> Result<Output> {
        let name = format!("docker://{}/{name}", self.address);
        let client = Client::new(self, credential)?;
        let args =
            ["inspect", "--no-tags", "--authfile", &client.authfile, "--cert-dir", &client.certificates];
        client.skopeo(run, &args, &[&name]).await
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential").field("username", &self.username).finish_non_exhaustive()
    }
}

/// The files of one use of skopeo, which knows nothing of the user's own.
struct Client {
    folder: tempfile::TempDir,
    authfile: String,
    certificates: String,
}

impl Client {
    fn new(registry: &Registry, credential: Option<&Credential>) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("client-")
            .tempdir_in(&registry.folder)
            .context("cannot make a folder for skopeo")?;
        let path = |name: &str| folder.path().join(name).display().to_string();
        let (authfile, certificates) = (path("auth.json"), path("certificates"));
        write_secret(Path::new(&authfile), &docker_config(registry.address, credential).to_string())?;
        cache::make(Path::new(&certificates))?;
        write_secret(&Path::new(&certificates).join("ca.crt"), &registry.ca)?;
        Ok(Self { folder, authfile, certificates })
    }

    async fn skopeo(&self, run: &Run, args: &[&str], images: &[&str]) -> Result<Output> {
        let mut command = run.command(program("skopeo")?);
        command
            // There is no policy.json where only skopeo itself is installed.
            .args(["--insecure-policy", "--tmpdir"])
            .arg(self.folder.path())
            .args(args)
            .args(images)
            .env("HOME", self.folder.path())
            .env("XDG_CONFIG_HOME", self.folder.path())
            .env("XDG_RUNTIME_DIR", self.folder.path())
            .env_remove("DOCKER_CONFIG")
            .env_remove("REGISTRY_AUTH_FILE")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let name = format!("skopeo {} {}", args[0], images.join(" "));
        let output = tokio::process::Command::from(command).kill_on_drop(true).output();
        let output = tokio::time::timeout(TIMEOUT, output)
            .await
            .with_context(|| format!("`{name}` did not end within {TIMEOUT:?}"))?
            .with_context(|| format!("cannot run `{name}`"))?;
        Ok(Output {
            command: name,
            success: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

/// The path of a program of Debian's.
fn program(name: &str) -> Result<PathBuf> {
    program_in(&std::env::var_os("PATH").unwrap_or_default(), name)
}

fn program_in(path: &std::ffi::OsStr, name: &str) -> Result<PathBuf> {
    let found = std::env::split_paths(path).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| anyhow!("cannot run a registry: {name} is not installed: {INSTALL}"))
}

/// Writes what docker-registry reads; returns its certificate authority.
fn write_files(
    folder: &Path,
    domains: &[String],
    listen: SocketAddr,
    auth: &TokenService,
    storage: Option<&str>,
) -> Result<String> {
    let path = |name: &str| folder.join(name);
    let (ca, ca_key) = certificate::authority("tcr-assistant test registry")?;
    let hosts = domains.iter().cloned().chain([listen.ip().to_string()]);
    let (server, key) = certificate::server(&ca_key, "docker-registry", hosts)?;
    fs::create_dir(path("storage"))?;
    write_secret(&path("server.crt"), &server)?;
    write_secret(&path("server.key"), &key)?;
    write_secret(&path("token.crt"), &auth.certificate)?;
    // JSON is YAML, and quotes whatever a path has in it.
    write_secret(&path("config.yml"), &format!("{:#}\n", config(folder, listen, auth, storage)))?;
    Ok(ca)
}

fn config(folder: &Path, listen: SocketAddr, auth: &TokenService, storage: Option<&str>) -> Value {
    let path = |name: &str| folder.join(name).display().to_string();
    let TokenService { realm, service, issuer, certificate: _ } = auth;
    let mut config = json!({
        "version": "0.1",
        "log": {"level": "info", "formatter": "text"},
        "storage": {"filesystem": {"rootdirectory": path("storage")}},
        "http": {
            "addr": listen.to_string(),
            "tls": {"certificate": path("server.crt"), "key": path("server.key")},
        },
        "auth": {"token": {
            "realm": realm, "service": service, "issuer": issuer, "rootcertbundle": path("token.crt"),
        }},
    });
    if let Some(url) = storage {
        config["middleware"] = json!({"storage": [{"name": "redirect", "options": {"baseurl": url}}]});
    }
    config
}

/// What `docker login` writes.
fn docker_config(address: SocketAddr, credential: Option<&Credential>) -> Value {
    let Some(Credential { username, password }) = credential else { return json!({"auths": {}}) };
    let auth = BASE64_STANDARD.encode(format!("{username}:{password}"));
    json!({"auths": {address.to_string(): {"auth": auth}}})
}

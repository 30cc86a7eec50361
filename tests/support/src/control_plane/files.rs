//! The files that a control plane reads: certificates, keys, tokens, kubeconfigs.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use rcgen::{Issuer, KeyPair};
use serde_json::{Value, json};

use crate::certificate;

/// The first address of the Service network, which the API server's certificate has to name too.
pub(crate) const SERVICE_NETWORK: &str = "10.96.0.0/16";
const SERVICE_ADDRESS: &str = "10.96.0.1";

const AUDIT_POLICY: &str =
    "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]\n";

/// What was written, and where.
#[derive(Debug)]
pub(crate) struct Files {
    folder: PathBuf,
    /// The authority of every certificate, in PEM.
    pub(crate) ca: String,
    pub(crate) server: String,
    pub(crate) admin_token: String,
    pub(crate) admin_kubeconfig: PathBuf,
}

impl Files {
    /// Writes everything under `folder`, for an API server at `address`.
    pub(super) fn write(folder: &Path, address: SocketAddr) -> Result<Self> {
        let path = |name: &str| folder.join(name);
        let (ca, ca_key) = certificate::authority("tcr-assistant test cluster")
            .context("cannot make a certificate authority")?;
        let (server, server_key) =
            server_certificate(&ca_key, address).context("cannot make the API server's certificate")?;
        let tokens = KeyPair::generate().context("cannot make a key for ServiceAccount tokens")?;
        let admin_token = random()?;
        let url = format!("https://{address}");
        let admin = json!({ "token": admin_token });
        let files = Self {
            admin_kubeconfig: path("kubeconfig"),
            folder: folder.to_owned(),
            server: url,
            ca,
            admin_token,
        };
        // etcd's socket is in there; the kernel allows a path of 107 bytes.
        ensure!(
            files.etcd_socket().as_os_str().len() < 108,
            "the path {} is too long for a socket: set TMPDIR to a shorter one",
            files.etcd_socket().display()
        );
        write_secret(&path("ca.crt"), &files.ca)?;
        write_secret(&path("ca.key"), &ca_key.key().serialize_pem())?;
        write_secret(&path("apiserver.crt"), &server)?;
        write_secret(&path("apiserver.key"), &server_key)?;
        write_secret(&path("service-accounts.key"), &tokens.serialize_pem())?;
        write_secret(&path("service-accounts.pub"), &tokens.public_key_pem())?;
        write_secret(&path("tokens.csv"), &format!("{},admin,admin,system:masters\n", files.admin_token))?;
        write_secret(&path("audit-policy.yaml"), AUDIT_POLICY)?;
        write_secret(&files.admin_kubeconfig, &files.kubeconfig("admin", &admin, None))?;
        Ok(files)
    }

    /// A kubeconfig with these credentials (the fields of a kubeconfig's `user`).
    pub(crate) fn kubeconfig(&self, name: &str, credentials: &Value, namespace: Option<&str>) -> String {
        let cluster = json!({
            "server": self.server,
            "certificate-authority-data": BASE64_STANDARD.encode(&self.ca),
        });
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": "test", "cluster": cluster }],
            "users": [{ "name": name, "user": credentials }],
            "contexts": [{
                "name": "test",
                "context": { "cluster": "test", "user": name, "namespace": namespace.unwrap_or("default") },
            }],
            "current-context": "test",
        });
        // JSON is YAML, and quotes whatever a name has in it.
        format!("{kubeconfig:#}\n")
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    pub(super) fn etcd_socket(&self) -> PathBuf {
        self.folder.join("etcd.sock")
    }

    pub(crate) fn audit_log(&self) -> PathBuf {
        self.folder.join("audit.jsonl")
    }
}

/// Writes a file that only we may read.
pub(crate) fn write_secret(path: &Path, text: &str) -> Result<()> {
    let write = || {
        fs::OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(path)?
            .write_all(text.as_bytes())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

fn server_certificate(ca: &Issuer<'_, KeyPair>, address: SocketAddr) -> Result<(String, String)> {
    let names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", SERVICE_ADDRESS];
    let address = address.ip().to_string();
    certificate::server(ca, "kube-apiserver", names.into_iter().chain([&*address]).map(str::to_owned))
}

fn random() -> Result<String> {
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes).context("cannot make a random token")?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

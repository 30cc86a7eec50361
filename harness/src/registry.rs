//! Policies in OCI registries, in Kubewarden's layout: a config of `{}` and one layer, the module.

use std::collections::BTreeMap;
use std::time::Duration;

use oci_client::client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError;
use oci_client::manifest::{OciDescriptor, OciImageManifest, OciManifest};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference, RegistryOperation};
use sha2::{Digest as _, Sha256};
use tcr::hex;
use tcr::sensitive::Sensitive;

use crate::metadata::SOURCE_ANNOTATION;

mod credentials;
pub mod download;
mod images;
mod sources;

pub use credentials::{Credentials, CredentialsError};
pub use sources::{Sources, SourcesError};

/// Media type of the config, whose content is `{}`.
pub const CONFIG_MEDIA_TYPE: &str = "application/vnd.wasm.config.v1+json";
/// Media type of the layer that is the module.
pub const LAYER_MEDIA_TYPE: &str = "application/vnd.wasm.content.layer.v1+wasm";
const MANIFEST_MEDIA_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const IMAGE_SOURCE_ANNOTATION: &str = "org.opencontainers.image.source";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// No policy comes near it, and a registry decides how much it sends.
const LARGEST_MODULE: i64 = 256 << 20;

/// Why a policy cannot be pushed or pulled.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The address has another form.
    #[error("\"{uri}\" is not registry://HOST/REPOSITORY:TAG or @sha256:DIGEST: {reason}")]
    Uri {
        /// The address as given.
        uri: String,
        /// The fault.
        reason: String,
    },
    /// The credentials for the registry cannot be had.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The registry cannot be reached or does not let us in.
    #[error("cannot connect to {host}: {reason}")]
    Connect {
        /// The host of the registry.
        host: String,
        /// The attempt and how it failed.
        reason: String,
    },
    /// The registry answered with an error.
    #[error("cannot {operation} {reference}: {reason}")]
    Operation {
        /// The operation: `push` or `pull`.
        operation: &'static str,
        /// The reference of the policy.
        reference: String,
        /// The registry's answer.
        reason: String,
    },
}

/// A policy as it lies in a registry.
#[derive(Debug)]
pub struct Pulled {
    /// The bytes of the module.
    pub wasm: Vec<u8>,
    /// Its reference by digest, `host/repository@sha256:…`.
    pub reference: String,
}

/// A client that pushes and pulls policies.
#[derive(Debug)]
pub struct Registry {
    sources: Sources,
    credentials: Credentials,
}

impl Registry {
    /// Registries as `sources` says, with these credentials.
    pub fn new(sources: Sources, credentials: Credentials) -> Self {
        Self { sources, credentials }
    }

    /// Pushes a module; its reference by digest. One-line annotations go into the manifest.
    ///
    /// # Errors
    /// When the registry cannot be reached or refuses.
    pub async fn push(
        &self,
        uri: &str,
        wasm: Vec<u8>,
        annotations: BTreeMap<String, String>,
    ) -> Result<String, RegistryError> {
        let reference = parse(uri)?;
        if reference.digest().is_some() {
            return Err(RegistryError::Uri {
                uri: uri.into(),
                reason: "a push needs a tag, not a digest".into(),
            });
        }
        let (client, _) = self.connect(&reference, RegistryOperation::Push).await?;
        let config = b"{}".to_vec();
        let manifest = OciImageManifest {
            config: descriptor(CONFIG_MEDIA_TYPE, &config),
            layers: vec![descriptor(LAYER_MEDIA_TYPE, &wasm)],
            annotations: Some(manifest_annotations(annotations))
                .filter(|annotations| !annotations.is_empty()),
            ..OciImageManifest::default()
        };
        let failed = |error: OciDistributionError| operation("push", &reference, &error);
        client.push_blob(&reference, wasm, &manifest.layers[0].digest).await.map_err(failed)?;
        client.push_blob(&reference, config, &manifest.config.digest).await.map_err(failed)?;
        let body = serde_json::to_vec(&manifest).map_err(|error| failed(error.into()))?;
        let digest = sha256(&body);
        let media_type = MANIFEST_MEDIA_TYPE.parse().map_err(|_| {
            failed(OciDistributionError::UnsupportedMediaTypeError(MANIFEST_MEDIA_TYPE.into()))
        })?;
        client.push_manifest_raw(&reference, body, media_type).await.map_err(failed)?;
        Ok(format!("{}/{}@{digest}", reference.registry(), reference.repository()))
    }

    /// Pulls a module. What arrives is checked against the digests that name it.
    ///
    /// # Errors
    /// When the registry cannot be reached, has no such policy, or sends something else.
    pub async fn pull(&self, uri: &str) -> Result<Pulled, RegistryError> {
        let reference = parse(uri)?;
        let (client, auth) = self.connect(&reference, RegistryOperation::Pull).await?;
        let failed = |error: OciDistributionError| operation("pull", &reference, &error);
        let refuse = |reason: String| RegistryError::Operation {
            operation: "pull",
            reference: reference.to_string(),
            reason,
        };
        let (body, digest) =
            client.pull_manifest_raw(&reference, &auth, &[MANIFEST_MEDIA_TYPE]).await.map_err(failed)?;
        if let Some(wanted) = reference.digest().filter(|wanted| *wanted != sha256(&body)) {
            return Err(refuse(format!("the registry sent another manifest than {wanted}")));
        }
        let manifest: OciManifest = serde_json::from_slice(&body).map_err(|error| failed(error.into()))?;
        let layer = match manifest {
            OciManifest::Image(image) => {
                image.layers.into_iter().find(|layer| layer.media_type == LAYER_MEDIA_TYPE)
            }
            OciManifest::ImageIndex(_) => None,
        };
        let layer = layer.ok_or_else(|| {
            refuse(format!("it is not a policy: it has no layer of type {LAYER_MEDIA_TYPE}"))
        })?;
        if !(0..=LARGEST_MODULE).contains(&layer.size) {
            return Err(refuse(format!("its module has {} bytes, more than {LARGEST_MODULE}", layer.size)));
        }
        let mut wasm = Vec::new();
        client.pull_blob(&reference, &layer, &mut wasm).await.map_err(failed)?;
        if sha256(&wasm) != layer.digest {
            return Err(refuse(format!("the registry sent another module than {}", layer.digest)));
        }
        let reference = format!("{}/{}@{digest}", reference.registry(), reference.repository());
        Ok(Pulled { wasm, reference })
    }

    /// The digest of the manifest that a tag names now.
    ///
    /// # Errors
    /// When the registry cannot be reached, or has nothing of that name.
    pub async fn digest(&self, uri: &str) -> Result<String, RegistryError> {
        let reference = parse(uri)?;
        if let Some(digest) = reference.digest() {
            return Ok(digest.to_owned());
        }
        let (client, auth) = self.connect(&reference, RegistryOperation::Pull).await?;
        let failed = |error: OciDistributionError| operation("find", &reference, &error);
        client.fetch_manifest_digest(&reference, &auth).await.map_err(failed)
    }

    /// Finds the first way to the registry that works: TLS, and where the registry is on this machine
    /// or listed as insecure, TLS with any certificate (listed only) and plain HTTP.
    async fn connect(
        &self,
        reference: &Reference,
        operation: RegistryOperation,
    ) -> Result<(Client, RegistryAuth), RegistryError> {
        let host = reference.registry();
        let auth = self.credentials.of(host)?;
        // The client ignores certificates that it cannot parse.
        download::certificates(&self.sources, host)
            .map_err(|error| RegistryError::Connect { host: host.into(), reason: error.to_string() })?;
        let listed = self.sources.is_insecure(host);
        let mut ways = vec![("https", ClientProtocol::Https, false)];
        if listed {
            ways.push(("https without checking certificates", ClientProtocol::Https, true));
        }
        if listed || is_loopback(host) {
            ways.push(("http", ClientProtocol::Http, false));
        }
        let mut failures = Vec::new();
        for (name, protocol, accept_invalid_certificates) in ways {
            let extra = self.sources.authorities(host).into_iter();
            let proxies = &self.sources.proxies;
            let address = |proxy: &Option<Sensitive>| proxy.as_ref().map(|proxy| proxy.expose().to_owned());
            let client = Client::try_from(ClientConfig {
                protocol,
                accept_invalid_certificates,
                extra_root_certificates: extra
                    .map(|data| Certificate { encoding: CertificateEncoding::Pem, data })
                    .collect(),
                connect_timeout: Some(CONNECT_TIMEOUT),
                read_timeout: Some(READ_TIMEOUT),
                https_proxy: address(&proxies.https_proxy),
                http_proxy: address(&proxies.http_proxy),
                no_proxy: proxies.no_proxy.clone(),
                user_agent: concat!("tcr-assistant-harness/", env!("CARGO_PKG_VERSION")),
                ..ClientConfig::default()
            });
            // Never one that is made of something else than what was asked for.
            let client = client.map_err(|error| RegistryError::Connect {
                host: host.into(),
                reason: format!("what the sources say of it cannot be used: {}", chain(&error)),
            })?;
            match client.auth(reference, &auth, operation).await {
                Ok(_) => return Ok((client, auth)),
                Err(error @ OciDistributionError::RequestError(_)) => {
                    failures.push(format!("{name}: {}", chain(&error)));
                }
                // The registry is there and says no: another way would only send credentials again.
                Err(error) => {
                    return Err(RegistryError::Connect { host: host.into(), reason: chain(&error) });
                }
            }
        }
        let mut reason = failures.join("; ");
        if !listed && !is_loopback(host) {
            reason += " (plain http is only used for hosts in insecure_sources of --sources-path)";
        }
        Err(RegistryError::Connect { host: host.into(), reason })
    }
}

fn parse(uri: &str) -> Result<Reference, RegistryError> {
    let bad = |reason: String| RegistryError::Uri { uri: uri.into(), reason };
    let rest =
        uri.strip_prefix("registry://").ok_or_else(|| bad("it does not begin with registry://".into()))?;
    if !rest.contains('/') {
        return Err(bad("it names no repository".into()));
    }
    rest.parse().map_err(|error: oci_client::ParseError| bad(error.to_string()))
}

fn descriptor(media_type: &str, bytes: &[u8]) -> OciDescriptor {
    OciDescriptor {
        media_type: media_type.into(),
        digest: sha256(bytes),
        size: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
        ..OciDescriptor::default()
    }
}

/// The policy's annotations that fit into a manifest: those of one line.
fn manifest_annotations(annotations: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let source = annotations.get(SOURCE_ANNOTATION).cloned();
    let mut kept: BTreeMap<String, String> = annotations
        .into_iter()
        .map(|(key, value)| (key, value.trim().to_owned()))
        .filter(|(_, value)| !value.contains('\n'))
        .collect();
    if let Some(source) = source {
        kept.entry(IMAGE_SOURCE_ANNOTATION.into()).or_insert(source.trim().to_owned());
    }
    kept
}

fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(&Sha256::digest(bytes)))
}

/// Whether a registry is on this machine.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn operation(operation: &'static str, reference: &Reference, error: &OciDistributionError) -> RegistryError {
    RegistryError::Operation { operation, reference: reference.to_string(), reason: chain(error) }
}

/// An error and its causes on one line: the HTTP client keeps the reason in the innermost.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let reason = error.to_string();
        if !text.contains(&reason) {
            text = format!("{text}: {reason}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine() {
        for host in ["localhost", "localhost:5000", "127.0.0.1:5000", "127.9.9.9", "[::1]:5000"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.example.com", "registry.example.com:5000", "10.0.0.1", "127.0.0.1.nip.io"] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn annotations_of_several_lines_stay_in_the_module() {
        let annotations = [
            ("io.kubewarden.policy.usage", "# Usage\nmore"),
            (SOURCE_ANNOTATION, " https://example.com/policy\n"),
        ];
        let annotations = annotations.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let kept: Vec<(String, String)> = manifest_annotations(annotations).into_iter().collect();
        let source = "https://example.com/policy".to_owned();
        assert_eq!(
            kept,
            [(SOURCE_ANNOTATION.to_owned(), source.clone()), (IMAGE_SOURCE_ANNOTATION.to_owned(), source)]
        );
    }

    #[test]
    fn addresses_of_another_form_are_refused() {
        let reason = |uri| parse(uri).unwrap_err().to_string();
        assert!(reason("host/repo:tag").contains("does not begin with registry://"));
        assert!(reason("registry://policy").contains("names no repository"));
        assert!(reason("registry://host/REPO:tag").contains("REPO"));
        assert_eq!(parse("registry://host:5000/a/b:v1").unwrap().registry(), "host:5000");
    }
}

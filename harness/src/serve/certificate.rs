//! The certificate that is served, and where the next one comes from. A connection keeps the one that
//! it began with; the next connection gets the newest.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::Context as _;
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::runtime::{WatchStreamExt as _, watcher};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tcr::exposition::Metric;

use super::health::Health;

/// When the certificate that is served ends.
pub const EXPIRY: Metric = Metric::gauge(
    "harness_certificate_expiry_seconds",
    "When the certificate that is served ends, in seconds since 1970.",
);

/// How often files are looked at. By content: a mounted Secret is swapped by renaming a link to its
/// folder, which a watch of the file itself does not see.
pub(super) const LOOK: Duration = Duration::from_secs(2);

/// Where the certificate comes from.
#[derive(Clone)]
pub enum Source {
    /// PEM files.
    Files {
        /// The certificate, then those that lead to its CA.
        certificate: PathBuf,
        key: PathBuf,
    },
    /// A Secret of type kubernetes.io/tls.
    Secret {
        /// The API server's client.
        client: kube::Client,
        namespace: String,
        name: String,
    },
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Files { certificate, .. } => write!(f, "{}", certificate.display()),
            Self::Secret { namespace, name, .. } => write!(f, "Secret {namespace}/{name}"),
        }
    }
}

/// The certificate that is served now.
#[derive(Debug, Default)]
pub struct Certificate(RwLock<Option<Arc<CertifiedKey>>>);

/// Why PEM texts are not a certificate with its key. Never shows any of them.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// Neither text is empty of what it should hold.
    #[error("there is no {0} in it")]
    Missing(&'static str),
    /// PEM that cannot be read.
    #[error("the {0} is not PEM")]
    NotPem(&'static str),
    /// They do not belong together, or the key is of a kind that is not known.
    #[error("certificate and key do not go together: {0}")]
    Mismatch(String),
}

impl Certificate {
    /// Serves this one from now on.
    ///
    /// # Errors
    /// It cannot be served; the one before stays.
    pub fn replace(&self, certificate: &[u8], key: &[u8]) -> Result<(), CertificateError> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificate)
            .collect::<Result<_, _>>()
            .map_err(|_| CertificateError::NotPem("certificate"))?;
        if chain.is_empty() {
            return Err(CertificateError::Missing("certificate"));
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| CertificateError::NotPem("key"))?;
        let provider = rustls::crypto::ring::default_provider();
        let certified = CertifiedKey::from_der(chain, key, &provider)
            .map_err(|error| CertificateError::Mismatch(error.to_string()))?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(certified));
        Ok(())
    }

    /// When it ends, in seconds since 1970; none while there is none.
    pub(super) fn expiry(&self) -> Option<i64> {
        let served = self.0.read().unwrap_or_else(PoisonError::into_inner).clone()?;
        let (_, certificate) = x509_parser::parse_x509_certificate(served.cert.first()?).ok()?;
        Some(certificate.validity().not_after.timestamp())
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Serves what the source has, and gives the task that keeps `served` up to date with it.
///
/// # Errors
/// A file cannot be read or holds no certificate. A Secret that is not there yet is waited for.
pub(super) fn keep(
    source: Source,
    served: Arc<Certificate>,
    health: Health,
) -> anyhow::Result<BoxFuture<'static, ()>> {
    match source {
        Source::Files { certificate, key } => {
            let read = {
                let files = (certificate.clone(), key.clone());
                move || -> std::io::Result<(Vec<u8>, Vec<u8>)> {
                    Ok((std::fs::read(&files.0)?, std::fs::read(&files.1)?))
                }
            };
            let failed = || format!("cannot serve with {} and {}", certificate.display(), key.display());
            let first = read().with_context(failed)?;
            served.replace(&first.0, &first.1).with_context(failed)?;
            health.certificate(true);
            Ok(follow_files(read, first, served).boxed())
        }
        Source::Secret { client, namespace, name } => {
            Ok(follow_secret(Api::namespaced(client, &namespace), name, served, health).boxed())
        }
    }
}

async fn follow_files(
    read: impl Fn() -> std::io::Result<(Vec<u8>, Vec<u8>)>,
    mut seen: (Vec<u8>, Vec<u8>),
    served: Arc<Certificate>,
) {
    loop {
        tokio::time::sleep(LOOK).await;
        let now = match read() {
            Ok(now) if now == seen => continue,
            Ok(now) => now,
            Err(error) => {
                tracing::warn!(%error, "cannot read the certificate's files; the one before is served on");
                continue;
            }
        };
        // Between two writes the files may not go together: the next look decides.
        match served.replace(&now.0, &now.1) {
            Ok(()) => tracing::info!("a new certificate is served"),
            Err(error) => {
                tracing::warn!(%error, "cannot serve the new certificate; the one before is served on")
            }
        }
        seen = now;
    }
}

async fn follow_secret(secrets: Api<Secret>, name: String, served: Arc<Certificate>, health: Health) {
    let mut seen: Option<(Vec<u8>, Vec<u8>)> = None;
    let mut events = Box::pin(watcher::watch_object(secrets, &name).default_backoff());
    while let Some(event) = events.next().await {
        let secret = match event {
            Ok(secret) => secret,
            Err(error) => {
                tracing::warn!(secret = name, %error, "cannot watch the certificate's Secret; trying again");
                continue;
            }
        };
        let data = secret.and_then(|secret| secret.data).unwrap_or_default();
        let text = |key: &str| data.get(key).map(|bytes| bytes.0.clone());
        let Some(now) = text("tls.crt").zip(text("tls.key")) else {
            // Deleted: its issuer makes another one; until then the one that is served is good.
            tracing::info!(secret = name, "there is no certificate in the Secret");
            continue;
        };
        if seen.as_ref() == Some(&now) {
            continue;
        }
        match served.replace(&now.0, &now.1) {
            Ok(()) => {
                tracing::info!(secret = name, "a new certificate is served");
                health.certificate(true);
            }
            Err(error) => tracing::warn!(secret = name, %error, "cannot serve the certificate of the Secret"),
        }
        seen = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> (String, String) {
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (pair.cert.pem(), pair.signing_key.serialize_pem())
    }

    #[test]
    fn when_it_ends_is_known_once_there_is_one() {
        let certificate = Certificate::default();
        assert_eq!(certificate.expiry(), None);
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2030, 1, 2);
        let key = rcgen::KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        certificate.replace(pem.as_bytes(), key.serialize_pem().as_bytes()).unwrap();
        assert_eq!(certificate.expiry(), Some(1_893_542_400));
    }

    #[test]
    fn what_cannot_be_served_leaves_what_is() {
        let certificate = Certificate::default();
        let (one, other) = (made(), made());
        certificate.replace(one.0.as_bytes(), one.1.as_bytes()).unwrap();
        let error = |certificate_pem: &str, key: &str| {
            certificate.replace(certificate_pem.as_bytes(), key.as_bytes()).unwrap_err().to_string()
        };
        assert_eq!(error("", &one.1), "there is no certificate in it");
        assert_eq!(error(&one.0, "x"), "the key is not PEM");
        assert!(error(&one.0, &other.1).starts_with("certificate and key do not go together"));
        assert!(certificate.0.read().unwrap().is_some());
    }
}

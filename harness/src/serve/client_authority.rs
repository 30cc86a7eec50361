//! Who may call: clients with a certificate of an authority that the operator names. A connection keeps what it was
//! let in by; the next one is judged by the newest authorities.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Context as _;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};

use super::certificate::LOOK;

/// The authorities as they are now.
#[derive(Debug)]
pub(super) struct ClientAuthority {
    provider: Arc<CryptoProvider>,
    now: RwLock<Arc<dyn ClientCertVerifier>>,
}

impl ClientAuthority {
    /// Reads the files, each with one certificate or more.
    ///
    /// # Errors
    /// A file cannot be read or has no certificate.
    pub(super) fn read(
        files: &[PathBuf],
        provider: Arc<CryptoProvider>,
    ) -> anyhow::Result<(Arc<Self>, Texts)> {
        let texts = texts(files)?;
        let now = RwLock::new(verifier(files, &texts, &provider)?);
        Ok((Arc::new(Self { provider, now }), texts))
    }

    fn now(&self) -> Arc<dyn ClientCertVerifier> {
        self.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps them up to date until the process ends; what cannot be read changes nothing.
    pub(super) async fn follow(self: Arc<Self>, files: Vec<PathBuf>, mut seen: Texts) {
        loop {
            tokio::time::sleep(LOOK).await;
            let replaced = texts(&files).and_then(|texts| {
                if texts == seen {
                    return Ok(false);
                }
                let new = verifier(&files, &texts, &self.provider);
                seen = texts;
                *self.now.write().unwrap_or_else(PoisonError::into_inner) = new?;
                Ok(true)
            });
            match replaced {
                Ok(false) => {}
                Ok(true) => tracing::info!("clients of other authorities are let in from now on"),
                Err(error) => {
                    tracing::warn!("cannot read the clients' authorities; those before count on: {error:#}")
                }
            }
        }
    }
}

type Texts = Vec<Vec<u8>>;

fn texts(files: &[PathBuf]) -> anyhow::Result<Texts> {
    let read =
        |file: &PathBuf| std::fs::read(file).with_context(|| format!("cannot read {}", file.display()));
    files.iter().map(read).collect()
}

fn verifier(
    files: &[PathBuf],
    texts: &Texts,
    provider: &Arc<CryptoProvider>,
) -> anyhow::Result<Arc<dyn ClientCertVerifier>> {
    let mut roots = RootCertStore::empty();
    for (file, text) in files.iter().zip(texts) {
        let failed = || format!("cannot use {} as the authority of clients", file.display());
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(text) {
            roots.add(certificate.with_context(failed)?).with_context(failed)?;
        }
        if roots.len() == before {
            return Err(anyhow::anyhow!("there is no certificate in it").context(failed()));
        }
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
    verifier.map(|verifier| verifier as _).context("cannot verify clients by these authorities")
}

impl ClientCertVerifier for ClientAuthority {
    /// None: what is told here cannot change, and a client with one certificate needs no hint.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.now().verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.now().verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.now().verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.now().supported_verify_schemes()
    }
}

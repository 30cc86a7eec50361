//! Certificates of an authority of the benchmark's own, and who trusts it.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio_rustls::TlsConnector;

/// Makes certificates for localhost.
pub(super) struct Authority(rcgen::CertifiedIssuer<'static, rcgen::KeyPair>);

impl Authority {
    pub(super) fn new() -> anyhow::Result<Self> {
        let mut parameters = rcgen::CertificateParams::default();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        Ok(Self(rcgen::CertifiedIssuer::self_signed(parameters, rcgen::KeyPair::generate()?)?))
    }

    /// Puts a new certificate and its key, as `tls.crt` and `tls.key`, in the place of those before; gives the
    /// certificate.
    pub(super) fn issue(&self, folder: &Path) -> anyhow::Result<CertificateDer<'static>> {
        let key = rcgen::KeyPair::generate()?;
        let certificate =
            rcgen::CertificateParams::new(["localhost".to_owned()])?.signed_by(&key, &self.0)?;
        for (name, text) in [("tls.crt", certificate.pem()), ("tls.key", key.serialize_pem())] {
            let beside = folder.join(format!("{name}.new"));
            std::fs::write(&beside, text)?;
            std::fs::rename(&beside, folder.join(name))?;
        }
        Ok(certificate.der().clone())
    }

    /// Trusts this authority, and speaks HTTP/1.1.
    pub(super) fn connector(&self) -> anyhow::Result<TlsConnector> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.0.pem().as_bytes()).context("no certificate")?)?;
        let mut config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

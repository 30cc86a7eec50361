//! TLS in front of a server that speaks plain TCP.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::certificate;

/// Passes on what it decrypts, until it is dropped.
#[derive(Debug)]
pub struct TlsFront {
    address: SocketAddr,
    ca: String,
    task: JoinHandle<()>,
}

impl TlsFront {
    /// Listens at `listen` (port 0: a free one), with a certificate for that address, in front of `server`.
    ///
    /// # Errors
    /// The address is taken or not ours.
    pub async fn start(listen: SocketAddr, server: SocketAddr) -> Result<Self> {
        let listener =
            TcpListener::bind(listen).await.with_context(|| format!("cannot listen at {listen}"))?;
        let address = listener.local_addr()?;
        let (ca, ca_key) = certificate::authority("tcr-assistant test cloud")?;
        let (pem, key) = certificate::server(&ca_key, "cloud", [address.ip().to_string()])?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from_pem_slice(pem.as_bytes())?],
                PrivateKeyDer::from_pem_slice(key.as_bytes())?,
            )?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let task = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let acceptor = acceptor.clone();
                // An error is the client's or the server's to tell.
                tokio::spawn(async move {
                    let mut client = acceptor.accept(stream).await?;
                    let mut server = TcpStream::connect(server).await?;
                    tokio::io::copy_bidirectional(&mut client, &mut server).await
                });
            }
        });
        Ok(Self { address, ca, task })
    }

    /// `https://ADDRESS:PORT`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The certificate authority, in PEM, that signed its certificate.
    pub fn ca(&self) -> &str {
        &self.ca
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.task.abort();
    }
}

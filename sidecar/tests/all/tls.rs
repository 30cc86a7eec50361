//! HTTPS: which certificates are trusted.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tencent_cloud::client::{Client, SettingsError};
use tencent_cloud::error::Failure;

use crate::server::http;
use crate::setup::*;

/// Answers "no instances" over TLS; gives its URL and its certificate as PEM.
fn https_server() -> (String, String) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der()));
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let config = Arc::new(config);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut stream = StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream);
            // A client that does not trust the certificate hangs up here.
            if stream.read(&mut [0; 4096]).is_ok() {
                let _ = stream.write_all(&http("200 OK", "", r#"{"Response":{"Registries":[]}}"#));
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        }
    });
    (url, certified.cert.pem())
}

#[tokio::test]
async fn a_named_certificate_is_trusted() {
    let (url, pem) = https_server();
    let mut settings = settings(&url);
    settings.ca = Some(pem.into_bytes());
    assert_eq!(client_with(settings, demo_chain()).instance(REGION, INSTANCE).await.unwrap(), None);
}

#[tokio::test]
async fn other_certificates_are_not() {
    let (url, _) = https_server();
    let (_, other) = https_server();
    let mut settings = settings(&url);
    settings.ca = Some(other.into_bytes());
    let error = client_with(settings, demo_chain()).instance(REGION, INSTANCE).await.unwrap_err();
    let Failure::Unreachable { reason } = &error.failure else { panic!("{error}") };
    assert!(reason.contains("certificate"), "{reason}");
    assert!(error.to_string().contains("check the CA certificates"), "{error}");
}

#[test]
fn a_file_without_certificates_is_refused() {
    let mut settings = settings("https://localhost:1");
    settings.ca = Some(b"not a certificate".to_vec());
    let _ = rustls::crypto::ring::default_provider().install_default();
    let error = Client::new(settings, demo_chain()).unwrap_err();
    assert!(matches!(error, SettingsError::Ca(_)), "{error}");
}

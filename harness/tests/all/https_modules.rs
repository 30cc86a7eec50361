//! Modules from web servers, on loopback.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::server::{Server, workspace};
use crate::support::{REVIEW, Workspace, guest};

/// A web server with a certificate of its own, and what it gives for a path.
struct Web {
    port: u16,
    certificate: String,
}

impl Web {
    fn start(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> Self {
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let connection = ServerConnection::new(config.clone())
                    .map(|tls| StreamOwned::new(tls, connection.unwrap()));
                let mut stream = connection.unwrap();
                let mut request = Vec::new();
                let mut byte = [0];
                while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                    request.push(byte[0]);
                }
                let request = String::from_utf8_lossy(&request).into_owned();
                let path = request.split(' ').nth(1).unwrap_or_default();
                // A client that does not trust us has closed the connection.
                let _ = stream.write_all(&answer(path)).and_then(|()| stream.flush());
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        });
        Self { port, certificate: cert.pem() }
    }

    fn of_policy() -> Self {
        Self::start(|path| match path {
            "/policy.wasm" => found(&guest("")),
            "/moved.wasm" => {
                b"HTTP/1.1 302 Found\r\nlocation: /policy.wasm\r\ncontent-length: 0\r\n\r\n".to_vec()
            }
            "/unsafe.wasm" => {
                b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/policy.wasm\r\ncontent-length: 0\r\n\r\n"
                    .to_vec()
            }
            _ => b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec(),
        })
    }

    fn uri(&self, path: &str) -> String {
        format!("https://localhost:{}/{path}", self.port)
    }

    /// A `sources.yml` that trusts it.
    fn sources(&self) -> String {
        let pem: String = self.certificate.lines().map(|line| format!("      {line}\n")).collect();
        format!("source_authorities:\n  'localhost:{}':\n  - type: Data\n    data: |\n{pem}", self.port)
    }
}

fn found(body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

fn of(web: &Web) -> Workspace {
    let workspace = Workspace::new();
    workspace.file("sources.yml", web.sources()).file("review.json", REVIEW);
    workspace
}

#[test]
fn a_module_comes_from_a_web_server_that_the_sources_trust() {
    let web = Web::of_policy();
    let workspace = of(&web);
    for path in ["policy.wasm", "moved.wasm"] {
        let line = workspace
            .harness(&["run", &web.uri(path), "-r", "review.json", "--sources-path", "sources.yml"])
            .done();
        assert!(line.contains(r#""allowed":true"#), "{line}");
    }
    let pulled = workspace
        .harness(&["pull", &web.uri("policy.wasm"), "-o", "pulled.wasm", "--sources-path", "sources.yml"])
        .done();
    assert_eq!(pulled, web.uri("policy.wasm") + "\n");
    assert!(std::fs::read(workspace.path("pulled.wasm")).unwrap() == guest(""));
}

#[test]
fn what_is_not_safe_or_not_there_is_refused_with_the_reason() {
    let web = Web::of_policy();
    let workspace = of(&web);
    let refused = |uri: &str, flags: &[&str]| {
        let error = workspace.harness(&[&["pull", uri, "-o", "pulled.wasm"], flags].concat()).failed();
        assert!(!workspace.path("pulled.wasm").exists());
        error
    };
    let trusting = ["--sources-path", "sources.yml"];
    let unknown = refused(&web.uri("policy.wasm"), &[]);
    assert!(unknown.contains("UnknownIssuer") || unknown.contains("certificate"), "{unknown}");
    let gone = refused(&web.uri("none.wasm"), &trusting);
    assert!(gone.ends_with("none.wasm: the server answered 404 Not Found\n"), "{gone}");
    let downgraded = refused(&web.uri("unsafe.wasm"), &trusting);
    assert!(downgraded.contains("leads to http://127.0.0.1:1, which is not safe"), "{downgraded}");
    let plain = refused("http://192.0.2.1/policy.wasm", &[]);
    assert!(plain.contains("plain http is only used for hosts in insecure_sources"), "{plain}");
    let secret = refused("https://user:geheim@localhost/policy.wasm", &[]);
    assert!(secret.contains("must not be in it") && !secret.contains("geheim"), "{secret}");
    workspace.file(
        "sources.yml",
        format!("source_authorities: {{'localhost:{}': [{{type: Data, data: text}}]}}", web.port),
    );
    let text = refused(&web.uri("policy.wasm"), &trusting);
    assert!(text.contains("source_authorities: \"localhost:"), "{text}");
}

#[test]
fn a_host_that_is_listed_as_insecure_needs_no_authority() {
    let web = Web::of_policy();
    let workspace = of(&web);
    workspace.file("sources.yml", format!("insecure_sources: ['localhost:{}']", web.port));
    let arguments = ["pull", &web.uri("policy.wasm"), "-o", "pulled.wasm", "--sources-path", "sources.yml"];
    workspace.harness(&arguments).done();
    assert!(workspace.path("pulled.wasm").exists());
}

/// A proxy that leads every tunnel to this port, or refuses all; and the first line of each request.
fn proxy(leads_to: Option<u16>) -> (u16, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (say, asked) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let (mut request, mut byte) = (Vec::new(), [0]);
            while !request.ends_with(b"\r\n\r\n") && client.read(&mut byte).unwrap_or(0) == 1 {
                request.push(byte[0]);
            }
            let request = String::from_utf8_lossy(&request).into_owned();
            // A test that ended does not listen.
            let _ = say.send(request.lines().next().unwrap_or_default().to_owned());
            let Some(port) = leads_to else {
                let _ = client.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
                continue;
            };
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            let server = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
            let (mut there, mut back) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut there, &mut &server));
            std::thread::spawn(move || std::io::copy(&mut back, &mut &client));
        }
    });
    (port, asked)
}

#[test]
fn servers_and_registries_are_reached_through_the_proxies_of_the_sources() {
    let web = Web::of_policy();
    let workspace = of(&web);
    let pull = |uri: &str, proxies: &str| {
        workspace.file("sources.yml", format!("{}proxies: {proxies}\n", web.sources()));
        workspace.harness(&["pull", uri, "-o", "pulled.wasm", "--sources-path", "sources.yml"])
    };
    let uri = web.uri("policy.wasm");
    let (port, asked) = proxy(Some(web.port));
    pull(&uri, &format!("{{https_proxy: 'http://127.0.0.1:{port}'}}")).done();
    assert_eq!(asked.recv().unwrap(), format!("CONNECT localhost:{} HTTP/1.1", web.port));
    pull(&uri, &format!("{{https_proxy: 'http://127.0.0.1:{port}', no_proxy: localhost}}")).done();
    assert!(asked.try_recv().is_err(), "it was asked for what is reached without it");
    let (port, asked) = proxy(None);
    let proxies = format!("{{https_proxy: 'http://bob:geheim@127.0.0.1:{port}'}}");
    for uri in [&uri, "registry://registry.example.com/policies/a:v1"] {
        let error = pull(uri, &proxies).failed();
        assert!(asked.recv().unwrap().starts_with("CONNECT "), "{error}");
        assert!(!error.contains("geheim"), "{error}");
    }
    let error = pull(&uri, "{https_proxy: 'http://bob:geheim@127.0.0.1:port'}").failed();
    assert!(error.contains("cannot read sources sources.yml: proxies.https_proxy: "), "{error}");
    assert!(!error.contains("geheim"), "{error}");
    // What cannot be used is not left out.
    workspace.file("sources.yml", "source_authorities: {'registry.example.com': [{type: Data, data: text}]}");
    let registry =
        ["pull", "registry://registry.example.com/a:v1", "-o", "p.wasm", "--sources-path", "sources.yml"];
    let error = workspace.harness(&registry).failed();
    assert!(error.contains("source_authorities: \"registry.example.com\": no PEM certificate"), "{error}");
}

#[tokio::test]
async fn a_server_serves_them() {
    let metadata = std::fs::read(workspace().path("label.wasm")).unwrap();
    let web = Web::start(move |_| found(&metadata));
    let workspace = of(&web);
    let policies = format!("label: {{module: '{}', settings: {{label: owner}}}}\n", web.uri("p.wasm"));
    let server = Server::ready(&workspace, &policies, &["--sources-path=sources.yml"]);
    let (_, text) = server.post("/validate/label", REVIEW).await;
    assert!(text.contains(r#"label \"owner\" is missing"#), "{text}");
}

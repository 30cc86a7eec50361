//! What is sent to registries that do not behave.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use registry_client::{Checker, PullAnswer, Settings, Verdict};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tcr::docker_config::Login;
use tcr::sensitive::Sensitive;

use crate::server::http;

const HOST: &str = "demo.tencentcloudcr.com";
const PASSWORD: &str = "tcr.jwt.token";
/// `100:tcr.jwt.token`.
const BASIC: &str = "Basic MTAwOnRjci5qd3QudG9rZW4=";

/// A registry on loopback that answers by the request's path, and what it was asked.
struct Registry {
    address: SocketAddr,
    certificate: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Registry {
    fn start(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let names = [HOST.to_owned(), "elsewhere.example.com".to_owned()];
        let certified = rcgen::generate_simple_self_signed(names).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der()));
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key)
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let record = requests.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut stream = StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream);
                let mut head = String::new();
                let mut lines = BufReader::new(&mut stream);
                while !head.ends_with("\r\n\r\n") {
                    // A client that does not trust the certificate hangs up here.
                    if !matches!(lines.read_line(&mut head), Ok(1..)) {
                        break;
                    }
                }
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                record.lock().unwrap().push(head);
                let _ = stream.write_all(&answer(&path));
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        });
        Self { address, certificate: certified.cert.pem(), requests }
    }

    fn checker(&self) -> Checker {
        let hosts = [HOST, "elsewhere.example.com"];
        let addresses = hosts.map(|host| (host.parse().unwrap(), self.address)).into();
        let ca = Some(self.certificate.clone().into_bytes());
        Checker::new(Settings { ca, addresses, realms: Vec::new() }).unwrap()
    }

    async fn check(&self) -> Verdict {
        self.checker().check(&[HOST.parse().unwrap()], "100", &Sensitive::new(PASSWORD)).await
    }

    /// What it says to somebody who wants an image, with the credential or with none.
    async fn pull(&self, has_credential: bool) -> PullAnswer {
        let image = format!("{HOST}/team/app:v1").parse().unwrap();
        let login =
            Login { username: "100".to_owned(), password: Sensitive::new(PASSWORD), ..Login::default() };
        self.checker().pull(&image, has_credential.then_some(&login)).await
    }

    /// The reason for which it could not be judged, after which nothing that was sent holds the password.
    async fn check_unknown(&self) -> String {
        let Verdict::Unknown { reason } = self.check().await else { panic!("it was judged") };
        self.expect_no_password();
        reason
    }

    fn expect_no_basic(&self) {
        assert!(!self.requests.lock().unwrap().join("\n").contains("Basic "), "a credential was shown");
    }

    fn expect_no_password(&self) {
        let requests = self.requests.lock().unwrap().join("\n").to_lowercase();
        assert!(!requests.contains("authorization"), "{requests}");
    }
}

fn challenge(value: &str) -> Vec<u8> {
    http("401 Unauthorized", &format!("WWW-Authenticate: {value}\r\n"), "{}")
}

fn here(path: &str) -> Vec<u8> {
    challenge(&format!(r#"Bearer realm="https://{HOST}{path}",service="harbor-registry""#))
}

#[tokio::test]
async fn the_token_service_on_the_registrys_own_host_is_asked() {
    let registry = Registry::start(|path| match path {
        "/v2/" => here("/service/token"),
        _ => http("200 OK", "", r#"{"token":"e30.eyJhY2Nlc3MiOltdfQ.c2ln"}"#),
    });
    assert_eq!(registry.check().await, Verdict::Accepted { can_push: false });
    let requests = registry.requests.lock().unwrap();
    assert!(!requests[0].to_lowercase().contains("authorization"), "asked before it was challenged");
    assert!(
        requests[1].starts_with("GET /service/token?service=harbor-registry&scope=repository"),
        "{requests:?}"
    );
    assert!(requests[1].contains(BASIC), "{requests:?}");
}

#[tokio::test]
async fn a_registry_with_basic_authentication_is_asked_by_it() {
    let registry = Registry::start(|_| challenge(r#"Basic realm="registry""#));
    let Verdict::Refused { reason } = registry.check().await else { panic!("it was let in") };
    assert_eq!(reason, format!("{HOST} refuses it with HTTP 401"));
    assert!(registry.requests.lock().unwrap()[1].contains(BASIC));
}

#[tokio::test]
async fn a_service_that_refuses_the_scope_and_not_the_credential_lets_it_in() {
    let registry = Registry::start(|path| match path {
        "/v2/" => here("/token"),
        path if path.contains("scope=") => http("403 Forbidden", "", "{}"),
        _ => http("200 OK", "", r#"{"access_token":"opaque"}"#),
    });
    assert_eq!(registry.check().await, Verdict::Accepted { can_push: false });
}

#[tokio::test]
async fn no_password_leaves_for_a_token_service_elsewhere() {
    for realm in ["https://elsewhere.example.com/token", "http://demo.tencentcloudcr.com/token"] {
        let registry = Registry::start(move |_| challenge(&format!(r#"Bearer realm="{realm}""#)));
        let reason = registry.check_unknown().await;
        assert!(reason.contains(realm) && reason.contains("--registry-realm"), "{reason}");
        assert_eq!(registry.requests.lock().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let registry = Registry::start(|_| {
        http("307 Temporary Redirect", "Location: https://elsewhere.example.com/v2/\r\n", "")
    });
    let reason = registry.check_unknown().await;
    assert!(reason.contains("HTTP 307"), "{reason}");
    assert_eq!(registry.requests.lock().unwrap().len(), 1);

    let registry = Registry::start(|path| match path {
        "/v2/" => here("/token"),
        _ => http("302 Found", "Location: https://elsewhere.example.com/token\r\n", ""),
    });
    let Verdict::Unknown { reason } = registry.check().await else { panic!("it was judged") };
    assert!(reason.contains("no redirect is followed"), "{reason}");
    assert_eq!(registry.requests.lock().unwrap().len(), 2, "the password went to the host only");
}

#[tokio::test]
async fn answers_that_say_nothing_about_the_credential_do_not_judge_it() {
    for answer in [
        http("200 OK", "", "{}"),
        http("404 Not Found", "", ""),
        http("503 Service Unavailable", "", ""),
        http("401 Unauthorized", "", ""),
        challenge("Negotiate"),
        b"garbage".to_vec(),
        Vec::new(),
    ] {
        Registry::start(move |_| answer.clone()).check_unknown().await;
    }
    for answer in
        [http("500 Internal Server Error", "", ""), http("200 OK", "", "{}"), http("200 OK", "", "<html>")]
    {
        let registry =
            Registry::start(move |path| if path == "/v2/" { here("/token") } else { answer.clone() });
        let verdict = registry.check().await;
        assert!(matches!(verdict, Verdict::Unknown { .. }), "{verdict:?}");
        assert!(!format!("{verdict:?}").contains(PASSWORD));
    }
}

#[tokio::test]
async fn a_registry_that_is_not_trusted_gets_nothing() {
    let registry = Registry::start(|_| here("/token"));
    let other = Registry::start(|_| here("/token"));
    let untrusted = Registry { certificate: other.certificate.clone(), ..registry };
    let reason = untrusted.check_unknown().await;
    assert!(reason.contains("certificate"), "{reason}");
}

#[tokio::test]
async fn an_image_is_asked_for_as_a_container_runtime_does_and_not_pulled() {
    let registry = Registry::start(|path| match path {
        "/v2/" => here("/token"),
        "/v2/team/app/manifests/v1" => http("200 OK", "", ""),
        _ => http("200 OK", "", r#"{"token":"t-1"}"#),
    });
    assert_eq!(registry.pull(true).await, PullAnswer::Pulls);
    let requests = registry.requests.lock().unwrap();
    assert_eq!(requests.len(), 3, "{requests:?}");
    let scope = "GET /token?service=harbor-registry&scope=repository%3Ateam%2Fapp%3Apull ";
    assert!(requests[1].starts_with(scope) && requests[1].contains(BASIC), "{requests:?}");
    let last = requests[2].to_lowercase();
    assert!(
        last.starts_with("head /v2/team/app/manifests/v1") && last.contains("bearer t-1"),
        "{requests:?}"
    );
}

#[tokio::test]
async fn what_a_registry_says_to_a_pull_is_told_apart() {
    let answers = |manifest: &'static str, scoped: &'static str, plain: &'static str| {
        Registry::start(move |path| match path {
            "/v2/" => here("/token"),
            path if path.starts_with("/v2/") => {
                http(manifest, "Location: https://elsewhere.example.com/\r\n", "")
            }
            path if path.contains("scope=") => http(scoped, "", r#"{"token":"t-1"}"#),
            _ => http(plain, "", r#"{"token":"t-2"}"#),
        })
    };
    let (ok, no, never) = ("200 OK", "401 Unauthorized", "403 Forbidden");
    for (registry, has_credential, expected) in [
        (answers(ok, ok, ok), true, "pulls"),
        (answers(ok, ok, ok), false, "pulls"),
        (answers("404 Not Found", ok, ok), true, "notFound"),
        (answers(never, ok, ok), true, "notAllowed"),
        (answers(ok, never, ok), true, "notAllowed"),
        (answers(ok, no, no), true, "refused"),
        (answers(ok, no, no), false, "notAllowed"),
        (answers("307 Temporary Redirect", ok, ok), true, "unknown"),
        (answers("503 Service Unavailable", ok, ok), true, "unknown"),
        (answers(ok, "500 Internal Server Error", ok), true, "unknown"),
        (Registry::start(|_| http(ok, "", "")), false, "pulls"),
        (Registry::start(|_| challenge(r#"Basic realm="registry""#)), true, "refused"),
        (Registry::start(|_| challenge(r#"Basic realm="registry""#)), false, "notAllowed"),
    ] {
        let answer = registry.pull(has_credential).await;
        let told = serde_json::to_value(&answer).unwrap();
        assert_eq!(told["answer"], expected, "{answer:?}");
        assert!(!told.to_string().contains(PASSWORD), "a password is shown");
        if !has_credential {
            registry.expect_no_basic();
        }
    }
    // No password leaves for a token service elsewhere, also when an image is asked for.
    let registry = Registry::start(|_| challenge(r#"Bearer realm="https://elsewhere.example.com/token""#));
    assert!(matches!(registry.pull(true).await, PullAnswer::Unknown(_)));
    registry.expect_no_password();
}

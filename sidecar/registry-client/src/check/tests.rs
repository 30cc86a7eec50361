use serde_json::json;

use super::*;

fn checker(realms: &[&str]) -> Checker {
    // Every test of the process installs the same one; the first wins.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let realms = realms.iter().map(|realm| realm.parse().unwrap()).collect();
    Checker::new(Settings { realms, ..Settings::default() }).unwrap()
}

#[test]
fn a_password_goes_to_a_token_service_on_the_registrys_own_host_or_an_allowed_one() {
    let registry = Url::parse("https://demo.tencentcloudcr.com/v2/").unwrap();
    let checker = checker(&["https://auth.example.com", "http://127.0.0.1:8080"]);
    let goes = |realm: &str| checker.realm(&registry, realm, true).is_ok();
    for allowed in [
        "https://demo.tencentcloudcr.com/service/token",
        "https://demo.tencentcloudcr.com:443/t?x=1",
        "https://auth.example.com/token",
        "http://127.0.0.1:8080/service/token/tcr-demo0001",
    ] {
        assert!(goes(allowed), "{allowed}");
    }
    for refused in [
        "http://demo.tencentcloudcr.com/service/token",
        "https://demo.tencentcloudcr.com:8443/service/token",
        "https://demo.tencentcloudcr.com.evil.example/",
        "https://demo.tencentcloudcr.com@evil.example/",
        "https://user@demo.tencentcloudcr.com/",
        "http://auth.example.com/token",
        "http://127.0.0.1:8081/",
        "//demo.tencentcloudcr.com/",
        "/service/token",
        "file:///etc/passwd",
    ] {
        assert!(!goes(refused), "{refused}");
    }
}

fn url(registry: &str) -> Url {
    base(&registry.parse().unwrap()).map_err(|Unknown(reason)| reason).unwrap()
}

#[test]
fn without_a_password_any_token_service_is_asked_over_https() {
    let registry = url("demo.tencentcloudcr.com");
    let asked = |realm: &str| checker(&[]).realm(&registry, realm, false).is_ok();
    assert!(asked("https://auth.example.com/token"));
    assert!(!asked("http://auth.example.com/token") && !asked("https://user@auth.example.com/token"));
}

#[test]
fn docker_hub_is_where_it_is_with_the_token_service_that_it_has() {
    let hub = url("docker.io");
    assert_eq!(hub.as_str(), "https://registry-1.docker.io/v2/");
    let other = url("demo.tencentcloudcr.com");
    let goes = |registry: &Url, realm: &str| checker(&[]).realm(registry, realm, true).is_ok();
    assert!(goes(&hub, "https://auth.docker.io/token"));
    assert!(
        !goes(&hub, "http://auth.docker.io/token") && !goes(&hub, "https://auth.docker.io.evil.example/")
    );
    assert!(!goes(&other, "https://auth.docker.io/token"));
}

#[tokio::test]
async fn nothing_is_sent_to_this_machine_unless_it_was_named() {
    let checker = checker(&[]);
    for host in ["127.0.0.1:1", "[::1]:1", "169.254.0.23", "localhost:1"] {
        let verdict = checker.check(&[host.parse().unwrap()], "100", &Sensitive::new("p-1")).await;
        let Verdict::Unknown { reason } = verdict else { panic!("{host}: {verdict:?}") };
        assert!(reason.contains("no password is sent to"), "{host}: {reason}");
    }
}

#[test]
fn what_a_token_grants_is_read_from_its_claims() {
    let token =
        |claims: Value| Sensitive::new(format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string())));
    let access =
        |actions: Value| json!({"access": [{"type": "repository", "name": "a/b", "actions": actions}]});
    assert!(can_push(&token(access(json!(["pull", "push"])))));
    assert!(can_push(&token(access(json!(["*"])))));
    for other in [access(json!(["pull"])), access(json!([])), json!({"access": null}), json!({}), json!([1])]
    {
        assert!(!can_push(&token(other.clone())), "{other}");
    }
    assert!(!can_push(&Sensitive::new("opaque")));
}

#[tokio::test]
async fn a_host_is_looked_for_at_its_private_link_first_and_never_at_a_forbidden_address() {
    let host: RegistryHost = "demo.invalid".parse().unwrap();
    let guard = |link: Option<&str>, named: Option<SocketAddr>| {
        let links = link.map(|link| (host.clone(), link.parse().unwrap())).into_iter().collect();
        let addresses = named.map(|named| (host.clone(), named)).into_iter().collect();
        let settings = Settings { addresses, ..Settings::default() };
        Guard { settings: Arc::new(settings), links: Arc::new(Mutex::new(links)) }
    };
    let resolve = async |guard: Guard| {
        let found = guard.resolve("demo.invalid".parse().unwrap()).await;
        found.map(|found| found.collect::<Vec<_>>()).map_err(|error| error.to_string())
    };
    let at = |text: &str| Ok(vec![text.parse::<SocketAddr>().unwrap()]);
    assert_eq!(resolve(guard(Some("10.0.0.2"), None)).await, at("10.0.0.2:0"));
    let error = resolve(guard(Some("169.254.0.23"), None)).await.unwrap_err();
    assert!(error.contains("no password is sent to 169.254.0.23"), "{error}");
    let named = "127.0.0.1:5000";
    assert_eq!(resolve(guard(Some("10.0.0.2"), named.parse().ok())).await, at(named));
    assert!(resolve(guard(None, None)).await.is_err());
}

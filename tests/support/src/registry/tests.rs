//! What the registry reads and says; the registry itself is tested with a token server, in `integration`.

use expect_test::expect;

use super::*;

fn auth() -> TokenService {
    TokenService {
        realm: "http://127.0.0.1:1/token".to_owned(),
        service: "harbor-registry".to_owned(),
        issuer: "issuer".to_owned(),
        certificate: "PEM".to_owned(),
    }
}

#[test]
fn the_configuration_is_that_of_docker_registry() {
    expect![[r#"
        {
          "auth": {
            "token": {
              "issuer": "issuer",
              "realm": "http://127.0.0.1:1/token",
              "rootcertbundle": "/run/r/token.crt",
              "service": "harbor-registry"
            }
          },
          "http": {
            "addr": "10.0.0.2:443",
            "tls": {
              "certificate": "/run/r/server.crt",
              "key": "/run/r/server.key"
            }
          },
          "log": {
            "formatter": "text",
            "level": "info"
          },
          "storage": {
            "filesystem": {
              "rootdirectory": "/run/r/storage"
            }
          },
          "version": "0.1"
        }"#]]
    .assert_eq(&format!("{:#}", config(Path::new("/run/r"), ([10, 0, 0, 2], 443).into(), &auth(), None)));
}

#[test]
fn a_missing_program_is_named_with_its_package() {
    let error = program_in("/nowhere".as_ref(), "docker-registry").unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot run a registry: docker-registry is not installed: apt-get install docker-registry skopeo"
    );
}

#[test]
fn passwords_are_not_for_debug() {
    let credential = Credential { username: "bob".to_owned(), password: "hunter2".to_owned() };
    assert_eq!(format!("{credential:?}"), r#"Credential { username: "bob", .. }"#);
}

#[tokio::test]
async fn a_registry_that_cannot_start_shows_its_log() {
    let run = Run::new().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (certificate, _) = certificate::authority("token service").unwrap();
    let auth = TokenService { certificate, ..auth() };
    let options = Options { listen: taken.local_addr().unwrap(), ..Options::new(&[], auth) };
    let error = Registry::start(&run, options).await.unwrap_err().to_string();
    assert!(error.contains(" ended with ") && error.contains("address already in use"), "{error}");
}

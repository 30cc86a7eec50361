use std::fs;

use super::*;

fn of(config: &str, host: &str) -> Result<RegistryAuth, String> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.json"), config).unwrap();
    let told =
        |error: CredentialsError| error.to_string().replace(&folder.path().display().to_string(), "DIR");
    Credentials::find(Some(folder.path())).map_err(told)?.of(host).map_err(told)
}

fn basic(username: &str, password: &str) -> Result<RegistryAuth, String> {
    Ok(RegistryAuth::Basic(username.into(), password.into()))
}

#[test]
fn entries_are_found_in_every_spelling() {
    let config = r#"{"auths":{
        "a.example:5000":{"auth":"Ym9iOnA6dw=="},
        "https://b.example/v1/":{"username":"eve","password":"x"},
        "https://index.docker.io/v1/":{"auth":"Ym9iOnA6dw=="}}}"#;
    assert_eq!(of(config, "a.example:5000"), basic("bob", "p:w"));
    assert_eq!(of(config, "b.example"), basic("eve", "x"));
    assert_eq!(of(config, "docker.io"), basic("bob", "p:w"));
    assert_eq!(of(config, "a.example"), Ok(RegistryAuth::Anonymous));
    assert_eq!(of("{}", "a.example"), Ok(RegistryAuth::Anonymous));
}

#[test]
fn what_cannot_be_used_is_said_without_the_secret() {
    let token = r#"{"auths":{"a.example":{"auth":"Ym9iOng=","identitytoken":"SECRET"}}}"#;
    assert_eq!(
        of(token, "a.example").unwrap_err(),
        "credentials for \"a.example\" in DIR/config.json: an identity token is not supported; log in with a user name and password"
    );
    let error = of(r#"{"auths":{"a.example":{"auth":"SECRET"}}}"#, "a.example").unwrap_err();
    assert_eq!(
        error,
        "cannot read credentials DIR/config.json: cannot read the docker configuration: auth of \"a.example\" is not base64 of username:password"
    );
    let error = of(r#"{"auths":{"a.example":"SECRET"}}"#, "a.example").unwrap_err();
    assert!(error.contains("not the expected JSON at line 1") && !error.contains("SECRET"), "{error}");
}

#[test]
fn an_entry_is_read_as_kubelets_read_it() {
    let bob = basic("bob", "p:w");
    for config in [
        "{\"auths\":{\"a.example\":{\"auth\":\"Ym9i\\nOnA6dw==\\n\"}}}",
        "{\"Auths\":{\"a.example\":{\"Username\":\"bob\",\"Password\":\"p:w\",\"auth\":null}}}",
        "{\"auths\":{\"a.example\":{\"auth\":\"Ym9iOnA6dw\",\"username\":\"eve\",\"password\":\"x\"},\"b.example\":null}}",
        "{\"auths\":{\"a.example\":{\"auth\":\"Ym9iOnA6dw==\"}},\"credHelpers\":null,\"credsStore\":null}",
    ] {
        assert_eq!(of(config, "a.example"), bob, "{config}");
    }
    assert_eq!(of(r#"{"auths":null}"#, "a.example"), Ok(RegistryAuth::Anonymous));
    assert_eq!(of("null", "a.example"), Ok(RegistryAuth::Anonymous));
    let error = of(r#"{"auths":{"a.example":{"auth":" Ym9iOnA6dw== "}}}"#, "a.example").unwrap_err();
    assert!(error.contains("is not base64 of username:password"), "{error}");
    let error = of(r#"{"auths":{"a.example":{"auth":"Ym9iOv8="}}}"#, "a.example").unwrap_err();
    assert!(error.contains("is not UTF-8"), "{error}");
}

#[test]
fn a_named_file_must_be_there() {
    let error = Credentials::find(Some(Path::new("/nowhere/config.json"))).unwrap_err().to_string();
    assert!(error.starts_with("cannot read credentials /nowhere/config.json: "), "{error}");
}

#[test]
fn a_helper_that_is_missing_is_named() {
    let error = of(r#"{"credHelpers":{"a.example":"none-such"}}"#, "a.example").unwrap_err();
    assert!(error.starts_with("credentials for \"a.example\": docker-credential-none-such: "), "{error}");
}

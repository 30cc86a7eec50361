use expect_test::expect;
use proptest::prelude::*;

use super::*;

mod kubelet;

fn host(text: &str) -> RegistryHost {
    text.parse().unwrap()
}

#[test]
fn hosts_are_sorted_and_each_has_the_credential() {
    let hosts =
        ["demo.tencentcloudcr.com", "demo-vpc.tencentcloudcr.com", "demo.tencentcloudcr.com"].map(host);
    let config = DockerConfig::new(hosts, "100012345678", &Sensitive::new("a\"b"));
    expect![[r#"{"auths":{"demo-vpc.tencentcloudcr.com":{"username":"100012345678","password":"a\"b","auth":"MTAwMDEyMzQ1Njc4OmEiYg=="},"demo.tencentcloudcr.com":{"username":"100012345678","password":"a\"b","auth":"MTAwMDEyMzQ1Njc4OmEiYg=="}}}"#]].assert_eq(config.to_bytes().into_text().unwrap().expose());
    assert!(!format!("{config:?}").contains("a\\\"b"));
}

#[test]
fn a_credential_of_some_namespaces_is_for_their_images_alone() {
    let hosts = ["demo.tencentcloudcr.com", "demo-vpc.tencentcloudcr.com:5000"].map(host);
    let config = DockerConfig::new(hosts, "tcr$a", &Sensitive::new("p")).for_namespaces(["team", "base"]);
    let bytes = config.to_bytes();
    let logins = DockerConfig::logins(bytes.expose()).unwrap();
    expect![[r#"
        [
            "demo-vpc.tencentcloudcr.com:5000/base/",
            "demo-vpc.tencentcloudcr.com:5000/team/",
            "demo.tencentcloudcr.com/base/",
            "demo.tencentcloudcr.com/team/",
        ]
    "#]]
    .assert_debug_eq(&logins.keys().collect::<Vec<_>>());
    assert_eq!(
        DockerConfig::hosts(bytes.expose()).unwrap(),
        ["demo-vpc.tencentcloudcr.com:5000", "demo.tencentcloudcr.com"]
    );
    let none: [&str; 0] = [];
    let all = DockerConfig::new([host("demo.tencentcloudcr.com")], "u", &Sensitive::new("p"));
    assert_eq!(all.clone().for_namespaces(none), all);
}

#[test]
fn an_existing_configuration_names_its_hosts_and_logins() {
    let existing = br#"{"auths":{
        "https://index.docker.io/v1/": {"auth": "dTpwOnE="},
        "unpadded.example.com": {"auth": "dTpwOnE"},
        "Demo.tencentcloudcr.com": {"username": "u", "password": "p", "email": "x@y"},
        "http://someone@demo.tencentcloudcr.com/": {}
    }, "credHelpers": {"a": "b"}}"#;
    assert_eq!(
        DockerConfig::hosts(existing).unwrap(),
        ["demo.tencentcloudcr.com", "index.docker.io", "unpadded.example.com"]
    );
    let logins = DockerConfig::logins(existing).unwrap();
    let login = |key: &str| (logins[key].username.as_str(), logins[key].password.expose());
    assert_eq!(login("https://index.docker.io/v1/"), ("u", "p:q"));
    assert_eq!(login("unpadded.example.com"), ("u", "p:q"));
    assert_eq!(login("Demo.tencentcloudcr.com"), ("u", "p"));
    assert_eq!(DockerConfig::hosts(b"{}").unwrap(), Vec::<String>::new());
}

#[test]
fn what_cannot_be_read_is_not_repeated() {
    let error = |bytes: &[u8]| DockerConfig::logins(bytes).unwrap_err().to_string();
    expect!["cannot read the docker configuration: not the expected JSON at line 1, column 1"]
        .assert_eq(&error(b"hunter2"));
    expect!["cannot read the docker configuration: not the expected JSON at line 1, column 25"]
        .assert_eq(&error(br#"{"auths": {"h": "hunter2"}}"#));
    expect![[r#"cannot read the docker configuration: auth of "h" is not base64 of username:password"#]]
        .assert_eq(&error(br#"{"auths": {"h": {"auth": "hunter2"}}}"#));
    expect!["cannot read the docker configuration: not the expected JSON at line 1, column 0"]
        .assert_eq(&error(b""));
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        hosts in prop::collection::btree_set("[a-z]{1,4}\\.com(:[1-9][0-9]{0,3})?", 0..4),
        username in "[^:]{0,8}",
        password in any::<String>(),
    ) {
        let parsed: Vec<_> = hosts.iter().map(|text| host(text)).collect();
        let password = Sensitive::new(password);
        let bytes = DockerConfig::new(parsed.clone(), &username, &password).to_bytes();
        let reversed = DockerConfig::new(parsed.into_iter().rev(), &username, &password).to_bytes();
        prop_assert_eq!(&bytes, &reversed);
        let logins = DockerConfig::logins(bytes.expose()).unwrap();
        prop_assert_eq!(logins.keys().cloned().collect::<Vec<_>>(), hosts.into_iter().collect::<Vec<_>>());
        for login in logins.into_values() {
            let written = Login { username: username.clone(), password: password.clone(), ..Login::default() };
            prop_assert_eq!(login, written);
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_configuration_or_an_error_that_repeats_none(bytes in any::<Vec<u8>>()) {
        let _ = DockerConfig::logins(&bytes).map_err(|error| error.to_string());
        let _ = DockerConfig::legacy_logins(&bytes);
    }

    #[test]
    fn any_texts_are_a_key_and_an_image_or_an_error(key in any::<String>(), image in any::<String>()) {
        let logins = [(key.clone(), Login::default())].into();
        if let Ok(image) = image.parse() {
            let _ = keyring::credentials([("own", &logins)], &image);
        }
        let app = "demo.tencentcloudcr.com/team/app".parse().unwrap();
        let _ = keyring::credentials([("own", &logins)], &app);
        let _ = key::host(&key);
    }
}

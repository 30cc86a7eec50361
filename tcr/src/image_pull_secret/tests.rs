use expect_test::expect;
use serde_json::json;

use super::*;

#[test]
fn domains_default_to_both_standard_ones_wherever_the_parent_stops() {
    let both = ["default", "vpc"];
    assert_eq!(Tcr::default().domains, both);
    assert_eq!(Tcr::default().private_network.domains, both);
    for json in [json!({}), json!({ "privateNetwork": {} }), json!({ "privateNetwork": { "resolve": true } })]
    {
        let tcr: Tcr = serde_json::from_value(json).unwrap();
        assert_eq!(tcr.domains, both);
        assert_eq!(tcr.private_network.domains, both);
    }
    let none: Tcr = serde_json::from_value(json!({ "domains": [] })).unwrap();
    assert_eq!(none.domains, Vec::<String>::new());
}

#[test]
fn an_object_of_the_original_reads_and_keeps_its_bytes() {
    let original = json!({
        "namespaces": "*",
        "serviceAccounts": "*",
        "docker": {
            "username": "100012345678",
            "password": "tcr.jwt.token",
            "server": "fanjiankong-bj.tencentcloudcr.com",
        },
    });
    let spec: ImagePullSecretSpec = serde_json::from_value(original.clone()).unwrap();
    assert_eq!(serde_json::to_value(&spec).unwrap(), original);
    assert!(!format!("{spec:?}").contains("tcr.jwt.token"));
}

#[test]
fn the_hosts_that_an_object_names_are_its_server_its_custom_domains_and_its_aliases() {
    let hosts = |json| {
        let spec: ImagePullSecretSpec = serde_json::from_value(json).unwrap();
        spec.hosts().iter().map(RegistryHost::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        hosts(json!({ "docker": { "server": "Demo.tencentcloudcr.com" } })),
        ["demo.tencentcloudcr.com"]
    );
    assert_eq!(
        hosts(json!({ "tcr": { "domains": ["default", "images.tencentcloudcr.com", "vpc", "not a host"] } })),
        ["images.tencentcloudcr.com"]
    );
    assert_eq!(
        hosts(json!({ "tcr": { "aliases": ["Cache.example.com:5000", "not a host"] } })),
        ["cache.example.com:5000"]
    );
    let without = json!({ "tcr": { "aliases": ["cache.example.com"], "credential": { "type": "none" } } });
    assert!(hosts(without).is_empty());
}

#[test]
fn the_default_description_names_the_cluster() {
    let own = CredentialSpec { description: Some("mine".to_owned()), ..CredentialSpec::default() };
    let blank = CredentialSpec { description: Some(" ".to_owned()), ..CredentialSpec::default() };
    assert_eq!(own.description_in(Some("cls-12345678")).as_deref(), Some("mine"));
    expect![[r#"Some("TKE cluster (cls-12345678) dedicated access credential")"#]]
        .assert_eq(&format!("{:?}", blank.description_in(Some("cls-12345678"))));
    assert_eq!(CredentialSpec::default().description_in(None), None);
}

#[test]
fn a_service_account_is_revoked_with_its_last_user_unless_the_object_says_otherwise() {
    let credential = |json| serde_json::from_value::<CredentialSpec>(json).unwrap();
    let account = json!({ "type": "serviceAccount", "registryNamespaces": ["team-a"] });
    assert_eq!(credential(account.clone()).on_delete(), OnDelete::Revoke);
    assert_eq!(credential(json!({})).on_delete(), OnDelete::Retain);
    assert_eq!(
        credential(json!({ "type": "serviceAccount", "onDelete": "Retain" })).on_delete(),
        OnDelete::Retain
    );
    assert_eq!(credential(account.clone()).validity(), Some(DEFAULT_VALIDITY));
    assert_eq!(credential(json!({})).validity(), None);
    assert!(credential(account).is_shared());
    assert!(!credential(json!({ "type": "serviceAccount", "shared": false })).is_shared());
}

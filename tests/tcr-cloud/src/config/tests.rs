//! What a configuration file may say.

use expect_test::{Expect, expect};

use super::*;

#[test]
fn the_demo_survives_yaml() {
    let yaml = serde_saphyr::to_string(&Config::demo()).unwrap();
    let read = Config::from_yaml(&yaml).unwrap();
    assert_eq!(serde_json::to_value(read).unwrap(), serde_json::to_value(Config::demo()).unwrap());
}

#[test]
fn little_needs_to_be_said() {
    let config = Config::from_yaml(
        "
accounts: [{secretId: AKID1, secretKey: k, uin: '1'}]
instances: [{id: tcr-a, name: a, region: ap-nanjing}]
faults: [{kind: {status: 502}, times: 1}, {kind: drop}]
",
    )
    .unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:0");
    assert!(config.accounts[0].may("tcr:CreateInstanceToken"));
    assert_eq!(config.instances[0].domain(), "a.tencentcloudcr.com");
    assert!(config.instances[0].links.is_none());
    assert_eq!(config.faults, [Fault::status(502).times(1), Fault::dropped()]);
}

#[track_caller]
fn refused(yaml: &str, expected: Expect) {
    expected.assert_eq(&Config::from_yaml(yaml).unwrap_err().to_string());
}

#[test]
fn what_cannot_work_is_named() {
    let account = "accounts: [{secretId: AKID1, secretKey: k, uin: '1'}]";
    refused("accounts: []", expect![[r#"accounts: "" must name at least one account"#]]);
    refused(
        "accounts: [{secretId: A, secretKey: k, uin: '1'}, {secretId: A, secretKey: k, uin: '2'}]",
        expect![[r#"accounts[1].secretId: "A" is empty or repeated"#]],
    );
    refused(
        "accounts: [{secretId: A, secretKey: '', uin: '1'}]",
        expect![[r#"accounts[0].secretKey: "" is empty"#]],
    );
    refused(
        &format!("{account}\ninstances: [{{id: tcr-a, name: a, region: mars}}]"),
        expect![[r#"instances[0].region: "mars" is not a region of TCR"#]],
    );
    refused(
        &format!("{account}\ninstances: [{{id: tcr-a, name: a, region: ap-nanjing, status: running}}]"),
        expect![[r#"instances[0].status: "running" is not a state of an instance"#]],
    );
    refused(
        &format!("{account}\nrateLimits: {{CreateToken: 1}}"),
        expect![[r#"rateLimits: "CreateToken" is not an action this cloud has"#]],
    );
    refused(
        &format!("{account}\nfaults: [{{kind: drop, action: CreateToken}}]"),
        expect![[r#"faults[0].action: "CreateToken" is not an action this cloud has"#]],
    );
}

#[test]
fn unknown_fields_are_refused_without_showing_secrets() {
    let error =
        Config::from_yaml("accounts: [{secretId: A, secretKey: hunter2, uin: '1', extra: 1}]").unwrap_err();
    let text = error.to_string();
    assert!(text.contains("extra"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
    assert!(!format!("{:?}", Config::demo()).contains("demoSecretKey"));
}

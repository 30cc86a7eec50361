//! What needs no browser. The page's answers are compared with the harness's in `artifacts/web`.

use expect_test::expect;
use serde_json::json;

use super::*;

#[test]
fn findings_are_admissions_own_sentences_by_field() {
    let object =
        json!({"metadata": {"name": "demo"}, "spec": {"tcr": {"instanceId": "demo", "region": "gz"}}});
    let roots = vec!["tencentcloudcr.com".to_owned()];
    expect![[r#"{"errors":[{"field":"spec.tcr.instanceId","message":"\"demo\" is not an instance id: tcr- and lower-case letters or digits, such as tcr-dg284imq"},{"field":"spec.tcr.region","message":"\"gz\" is not a region such as ap-guangzhou or ap-shanghai-fsi"},{"field":"spec.tcr.credential.description","message":"is not set, and the default needs the cluster's id, which is unknown; set a description, or the chart's global.cluster.id"}],"warnings":[]}"#]]
        .assert_eq(&findings(&object.to_string(), roots.clone(), vec![], vec![], Some(String::new()), None));
    assert!(
        !findings(&object.to_string(), roots.clone(), vec![], vec![], None, None).contains("description")
    );
    assert!(
        !findings(
            &object.to_string(),
            roots,
            vec![],
            vec![],
            Some("cls-1".to_owned()),
            Some("ap-nanjing".to_owned())
        )
        .contains("description")
    );
    expect![[r#"{"errors":[{"field":"object","message":"malformed JSON at byte 0: expected a value"}],"warnings":[]}"#]]
        .assert_eq(&findings("?", vec![], vec![], vec![], None, None));
}

#[test]
fn mistakes_of_settings_come_one_by_one() {
    expect![[r#"
        [
            "discovery: unknown field; did you mean \"discover\"?",
            "declared: \"wran\" is not one of ignore, warn, reject",
        ]
    "#]]
    .assert_debug_eq(&settings_mistakes(r#"{"discovery": true, "declared": "wran"}"#));
    assert!(settings_mistakes("{}").is_empty());
}

#[test]
fn names_and_defaults_are_those_of_the_cluster() {
    assert_eq!(secret_name("demo"), "tcr.ipsdemo");
    assert_eq!(default_description("cls-12345678"), "TKE cluster (cls-12345678) dedicated access credential");
    assert_eq!(hosts_entry_problem("demo-vpc.tencentcloudcr.com", "10.0.2.7"), None);
    expect![[r#"ip: "127.0.0.1" is a loopback address"#]]
        .assert_eq(&hosts_entry_problem("demo.tencentcloudcr.com", "127.0.0.1").unwrap());
}

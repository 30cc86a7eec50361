use expect_test::{Expect, expect};

use super::*;

const YAML: &str = r#"
rules:
- apiGroups: [""]
  apiVersions: ["v1"]
  resources: ["pods"]
  operations: ["CREATE"]
mutating: true
contextAware: false
annotations:
  io.kubewarden.policy.title: example
"#;

fn metadata() -> Metadata {
    Metadata { protocol_version: Some("v1".into()), ..Metadata::parse(YAML).unwrap() }
}

#[track_caller]
fn refused(change: impl FnOnce(&mut Metadata), expected: Expect) {
    let mut metadata = metadata();
    change(&mut metadata);
    expected.assert_eq(&metadata.check().map_or_else(|error| error.to_string(), |()| "accepted".into()));
}

#[track_caller]
fn resources(names: &[&str], expected: Expect) {
    refused(
        |metadata| metadata.rules[0].resources = names.iter().map(|name| name.to_string()).collect(),
        expected,
    );
}

#[test]
fn the_section_is_kubewardens_json() {
    expect![[r#"{"protocolVersion":"v1","rules":[{"apiGroups":[""],"apiVersions":["v1"],"resources":["pods"],"operations":["CREATE"]}],"annotations":{"io.kubewarden.policy.title":"example"},"mutating":true,"backgroundAudit":true,"contextAwareResources":[],"executionMode":"kubewarden-wapc","policyType":"kubernetes"}"#]]
        .assert_eq(&serde_json::to_string(&metadata()).unwrap());
}

#[test]
fn a_list_with_nothing_behind_its_name_is_empty() {
    let metadata =
        Metadata::parse("rules:\ncontextAwareResources:\nhostCapabilities:\nannotations:\nmutating: false\n");
    let metadata = metadata.unwrap();
    assert_eq!((metadata.rules, metadata.context_aware_resources), (Vec::new(), Vec::new()));
    assert_eq!((metadata.host_capabilities, metadata.annotations), (None, None));
    let rule = "rules: [{apiGroups: , apiVersions: [v1], resources: [pods], operations: [CREATE]}]\nmutating: false\n";
    let metadata = Metadata { protocol_version: Some("v1".into()), ..Metadata::parse(rule).unwrap() };
    expect!["rules[0].apiGroups: it must not be empty"].assert_eq(&metadata.check().unwrap_err().to_string());
}

#[test]
fn what_is_written_into_a_module_is_read_again() {
    let wasm = metadata().write_into(b"\0asm\x01\0\0\0").unwrap();
    assert_eq!(Metadata::of_module(&wasm).unwrap(), Some(metadata()));
    assert_eq!(Metadata::of_module(b"\0asm\x01\0\0\0"), Ok(None));
    assert_eq!(metadata().write_into(&wasm).unwrap(), wasm);
}

#[test]
fn rules_are_those_of_webhook_configurations() {
    refused(|_| {}, expect!["accepted"]);
    refused(
        |metadata| metadata.rules[0].api_groups.clear(),
        expect!["rules[0].apiGroups: it must not be empty"],
    );
    refused(
        |metadata| metadata.rules[0].api_versions.push("*".into()),
        expect![[r#"rules[0].apiVersions: "*" must be alone"#]],
    );
    refused(
        |metadata| metadata.rules[0].operations.push(Operation::All),
        expect![[r#"rules[0].operations: "*" must be alone"#]],
    );
    refused(
        |metadata| metadata.rules[0].operations.clear(),
        expect!["rules[0].operations: it must not be empty"],
    );
    resources(&[], expect!["rules[0].resources: it must not be empty"]);
    resources(&[""], expect![[r#"rules[0].resources: "" is no resource"#]]);
    resources(&["*", "a/b", "a/*", "*/b"], expect!["accepted"]);
    resources(&["*", "a"], expect![[r#"rules[0].resources: "*" covers "a" already"#]]);
    resources(&["a/*", "a/x"], expect![[r#"rules[0].resources: "a/*" covers "a/x" already"#]]);
    resources(&["a/*", "a"], expect!["accepted"]);
    resources(&["*/a", "x/a"], expect![[r#"rules[0].resources: "*/a" covers "x/a" already"#]]);
    resources(&["*/*", "a"], expect![[r#"rules[0].resources: "*/*" must be alone"#]]);
}

#[test]
fn the_other_fields_are_checked_by_name() {
    refused(|metadata| metadata.protocol_version = None, expect!["protocolVersion: it is missing"]);
    refused(
        |metadata| metadata.protocol_version = Some("Unknown".into()),
        expect![[r#"protocolVersion: "Unknown" is not v1"#]],
    );
    refused(
        |metadata| metadata.execution_mode = "opa".into(),
        expect![[r#"executionMode: "opa" is not kubewarden-wapc or wasi, which is all that this host runs"#]],
    );
    refused(
        |metadata| metadata.host_capabilities = Some(vec!["net/x".into()]),
        expect![[
            r#"hostCapabilities[0]: "net/x" is no host capability; there are: *, kubernetes/list_resources_by_namespace, kubernetes/list_resources_all, kubernetes/get_resource, kubernetes/can_i, oci/v1/verify, oci/v2/verify, oci/v1/manifest_digest, oci/v1/oci_manifest, oci/v1/oci_manifest_config, net/v1/dns_lookup_host, crypto/v1/is_certificate_trusted"#
        ]],
    );
    let needs = |version: &str, expected: Expect| {
        refused(|metadata| metadata.minimum_kubewarden_version = Some(version.into()), expected);
    };
    needs(
        "1.37.0-rc1",
        expect![
            "minimumKubewardenVersion: Policy required Kubewarden version 1.37.0 but is running on 1.36.0"
        ],
    );
    needs(
        "2.0.0",
        expect![
            "minimumKubewardenVersion: Policy required Kubewarden version 2.0.0 but is running on 1.36.0"
        ],
    );
    needs("1.36", expect![[r#"minimumKubewardenVersion: "1.36" is no version such as 1.36.0"#]]);
    needs("01.2.3", expect![[r#"minimumKubewardenVersion: "01.2.3" is no version such as 1.36.0"#]]);
    for version in ["1.36.9", "1.9.0", "0.0.0", "1.36.0-beta.1+build"] {
        let metadata = Metadata { minimum_kubewarden_version: Some(version.into()), ..Metadata::default() };
        assert_eq!(metadata.check_version(), Ok(()), "{version}");
    }
    assert!(
        Metadata::parse("mutating: perhaps")
            .unwrap_err()
            .to_string()
            .starts_with("not a policy's metadata: ")
    );
    assert!(Metadata::parse("rules: []").unwrap_err().to_string().contains("mutating"));
}

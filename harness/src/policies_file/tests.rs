use expect_test::{Expect, expect};

use super::*;

fn check(text: &str, expected: Expect) {
    let read = match parse(text) {
        Ok(policies) => format!("{policies:#?}\n"),
        Err(error) => format!("error: {error}\n"),
    };
    expected.assert_eq(&read);
}

#[test]
fn an_entry_has_policy_servers_fields_and_defaults() {
    check(
        "\
tcr:
  module: file:///policy.wasm
  policyMode: monitor
  allowedToMutate: true
  settings: {limit: 5, list: [a]}
  message: ask us
  timeoutEvalSeconds: 3
  hostCapabilities: ['kubernetes/*']
  contextAwareResources:
    - {apiVersion: v1, kind: Namespace}
    - {apiVersion: v1, kind: Node, fields: [metadata.name]}
other:
  module: registry.example.com/policies/other:v1
",
        expect![[r#"
            {
                "other": Served {
                    what: Policy(
                        PolicySource {
                            module: "registry://registry.example.com/policies/other:v1",
                            settings: Settings(
                                "{}",
                            ),
                            grants: Grants {
                                operations: [],
                                kinds: {},
                            },
                        },
                    ),
                    mode: Protect,
                    allowed_to_mutate: false,
                    message: None,
                    timeout: None,
                    ignored: [],
                },
                "tcr": Served {
                    what: Policy(
                        PolicySource {
                            module: "file:///policy.wasm",
                            settings: Settings(
                                "{\"limit\":5,\"list\":[\"a\"]}",
                            ),
                            grants: Grants {
                                operations: [
                                    GrantPattern(
                                        "kubernetes/*",
                                    ),
                                ],
                                kinds: {
                                    ContextAwareResource {
                                        api_version: "v1",
                                        kind: "Namespace",
                                    }: FieldMasks(
                                        None,
                                    ),
                                    ContextAwareResource {
                                        api_version: "v1",
                                        kind: "Node",
                                    }: FieldMasks(
                                        Some(
                                            Mask {
                                                whole: false,
                                                fields: {
                                                    "metadata": Mask {
                                                        whole: false,
                                                        fields: {
                                                            "name": Mask {
                                                                whole: true,
                                                                fields: {},
                                                            },
                                                        },
                                                    },
                                                },
                                            },
                                        ),
                                    ),
                                },
                            },
                        },
                    ),
                    mode: Monitor,
                    allowed_to_mutate: true,
                    message: Some(
                        "ask us",
                    ),
                    timeout: Some(
                        3s,
                    ),
                    ignored: [],
                },
            }
        "#]],
    );
}

#[test]
fn fields_that_mean_nothing_are_named() {
    let text =
        "a: {module: 'file:///x', allowedToMutat: true, namespacedName: {Name: a}, policyMode: protect}";
    let served = &parse(text).unwrap()["a"];
    assert_eq!(served.ignored, ["allowedToMutat", "namespacedName"]);
    assert!(!served.allowed_to_mutate);
}

#[test]
fn what_is_wrong_is_told_with_its_entry_and_field() {
    check(
        "",
        expect![[r#"
        error: 0 documents where one was expected
    "#]],
    );
    check(
        "- a",
        expect![[r#"
        error: a map of policy ids to policies was expected
    "#]],
    );
    check(
        "{}",
        expect![[r#"
        error: there is no policy in it
    "#]],
    );
    check(
        "a/b: {module: 'file:///x'}",
        expect![[r#"
        error: a/b: an id is one part of a path: neither empty nor with a slash or a blank
    "#]],
    );
    check(
        "a: {policyMode: protect}",
        expect![[r#"
        error: a: missing field `module`
    "#]],
    );
    check(
        "a: {module: 'file:///x', policyMode: watch}",
        expect![[r#"
        error: a: unknown variant `watch`, expected `protect` or `monitor`
    "#]],
    );
    check(
        "a: {module: 'file:///x', settings: [1]}",
        expect![[r#"
        error: a: settings: settings must be a map of names to values, not a list
    "#]],
    );
    check(
        "a: {module: 'file:///x', timeoutEvalSeconds: 0}",
        expect![[r#"
        error: a: timeoutEvalSeconds: 0 leaves no time
    "#]],
    );
    check(
        "a: {module: 'file:///x', hostCapabilities: [kubernets]}",
        expect![[r#"
        error: a: hostCapabilities: "kubernets" is no host capability; there are: *, kubernetes/list_resources_by_namespace, kubernetes/list_resources_all, kubernetes/get_resource, kubernetes/can_i, oci/v1/verify, oci/v2/verify, oci/v1/manifest_digest, oci/v1/oci_manifest, oci/v1/oci_manifest_config, net/v1/dns_lookup_host, crypto/v1/is_certificate_trusted
    "#]],
    );
    check(
        "g: {policies: {a: {module: 'file:///x'}}, expression: 'a()'}",
        expect![[r#"
        error: g: missing field `message`
    "#]],
    );
    check(
        "g: {policies: {a: {module: 'file:///x'}}, expression: 'a() &&', message: m}",
        expect![[r#"
        error: g: expression: at character 7: a call of a policy, true, false, ! or ( was expected, not the end
    "#]],
    );
    check(
        "g: {policies: {a: {module: 'file:///x'}}, expression: 'a() || b()', message: m}",
        expect![[r#"
        error: g: expression: no policy of the group has the name b
    "#]],
    );
    check(
        "g: {policies: {a: {module: 'file:///x', settings: [1]}}, expression: 'a()', message: m}",
        expect![[r#"
        error: g: policies.a: settings: settings must be a map of names to values, not a list
    "#]],
    );
    check(
        "g: {policies: {a: {module: 'file:///x'}}, expression: 'a()', message: m, allowedToMutate: true}",
        expect![[r#"
        error: g: unknown field `allowedToMutate`, expected one of `policyMode`, `policies`, `expression`, `message`, `timeoutEvalSeconds`, `namespacedName`
    "#]],
    );
}

#[test]
fn a_mask_that_cannot_be_meant_is_told_before_anything_is_granted() {
    let granting =
        |resources: &str| format!("a: {{module: 'file:///x', contextAwareResources: [{resources}]}}");
    check(
        &granting("{apiVersion: v1, kind: Secret, field: [a]}"),
        expect![[r#"
        error: a: unknown field `field`, expected one of `apiVersion`, `kind`, `fields`
    "#]],
    );
    check(
        &granting("{apiVersion: v1, kind: Secret, fields: []}"),
        expect![[r#"
        error: a: contextAwareResources[0].fields: it names none: leave it out to grant whole objects, or the entry to grant nothing
    "#]],
    );
    check(
        &granting("{apiVersion: v1, kind: Secret, fields: [metadata.name, 'spec..x']}"),
        expect![[r#"
        error: a: contextAwareResources[0].fields: "spec..x" is not a path of fields: a part between dots is empty
    "#]],
    );
    check(
        &granting("{apiVersion: v1, kind: Secret, fields: metadata}"),
        expect![[r#"
            error: a: contextAwareResources[0].fields: a list of paths was expected, such as [metadata.labels]
        "#]],
    );
    check(
        &granting("{apiVersion: v1, kind: Secret, fields: }"),
        expect![[r#"
        error: a: contextAwareResources[0].fields: a list of paths was expected, such as [metadata.labels]
    "#]],
    );
    check(
        &granting("{apiVersion: v1, kind: Secret, fields: [{a: b}]}"),
        expect![[r#"
            error: a: contextAwareResources[0].fields: a list of paths was expected, such as [metadata.labels]
        "#]],
    );
    check(
        &granting("{apiVersion: v1, kind: Secret, fields: [a]}, {apiVersion: v1, kind: Secret}"),
        expect![[r#"
            error: a: contextAwareResources[1].fields: v1/Secret is granted twice, with other fields
        "#]],
    );
    check(
        &granting("{apiVersion: v1, kind: 'secrets/x'}"),
        expect![[r#"
        error: a: contextAwareResources[0].kind: "secrets/x" is not a kind
    "#]],
    );
    check(
        &granting("{apiVersion: '../v1', kind: Secret}"),
        expect![[r#"
        error: a: contextAwareResources[0].apiVersion: "../v1" is neither VERSION nor GROUP/VERSION
    "#]],
    );
    check(
        &granting("{kind: Secret}"),
        expect![[r#"
        error: a: missing field `apiVersion`
    "#]],
    );
    assert!(parse(&granting("{apiVersion: v1, kind: Secret}, {apiVersion: v1, kind: Secret}")).is_ok());
}

#[test]
fn a_group_has_policies_an_expression_and_a_message() {
    let text = "\
group:
  policyMode: monitor
  timeoutEvalSeconds: 1
  expression: a() || !b()
  message: neither
  policies:
    a: {module: 'file:///a.wasm', settings: {x: 1}, contextAwareResources: , hostCapabilities: }
    b: {module: registry.example.com/b:v1, hostCapabilities: ['net/*']}
";
    let policies = parse(text).unwrap();
    let served = &policies["group"];
    assert_eq!((served.mode, served.timeout), (Mode::Monitor, Some(Duration::from_secs(1))));
    let PolicyOrGroup::Group { policies, expression, message } = &served.what else { panic!("{served:?}") };
    assert_eq!((expression.to_string().as_str(), message.as_str()), ("(a() || !b())", "neither"));
    assert_eq!((policies["a"].settings.json(), policies["a"].grants.operations.len()), (r#"{"x":1}"#, 0));
    assert_eq!(policies["b"].module, "registry://registry.example.com/b:v1");
    assert_eq!(served.sources().len(), 2);
}

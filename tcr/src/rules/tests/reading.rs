use super::*;

/// What is found when the object is read.
fn check_read(object: Value, expect: Expect) {
    let text = match read(&object) {
        Ok((name, spec)) => format!("{name} {}\n", serde_json::to_string(&spec).unwrap()),
        Err(findings) => findings.errors.iter().map(|finding| format!("{finding}\n")).collect(),
    };
    expect.assert_eq(&text);
}

fn check_read_spec(spec: Value, expect: Expect) {
    check_read(json!({ "metadata": { "name": "demo" }, "spec": spec }), expect);
}

#[test]
fn a_whole_object_reads() {
    check_read(
        json!({
            "apiVersion": "tcr.tencentcloudcr.com/v1",
            "kind": "ImagePullSecret",
            "metadata": { "name": "demo", "labels": { "any": "thing" } },
            "spec": { "namespaces": "*", "docker": { "server": "demo.tencentcloudcr.com" }, "tcr": null },
            "status": { "any": "thing" },
        }),
        expect![[r#"
            demo {"namespaces":"*","serviceAccounts":"","docker":{"server":"demo.tencentcloudcr.com","username":""}}
        "#]],
    );
    check_read(
        json!({ "metadata": { "generateName": "demo-" }, "spec": {} }),
        expect![[r#"
        demo-xxxxx {"namespaces":"","serviceAccounts":""}
    "#]],
    );
}

#[test]
fn an_object_of_another_kind_is_refused() {
    check_read(
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "demo" }, "spec": {} }),
        expect![[r#"
            apiVersion: expected tcr.tencentcloudcr.com/v1, found the string "v1"
            kind: expected ImagePullSecret, found the string "Secret"
        "#]],
    );
    check_read(
        json!({}),
        expect![[r#"
        metadata.name: is missing; the Secret is named after it
        spec: is missing; set spec.tcr or spec.docker
    "#]],
    );
    check_read(
        json!([]),
        expect![[r#"
        object: expected an ImagePullSecret, found a list
    "#]],
    );
    check_read(
        json!({ "metadata": "demo", "spec": "*" }),
        expect![[r#"
        metadata: expected an object, found a string
        spec: expected an object, found a string
    "#]],
    );
    check_read(
        json!({ "metadata": { "name": 3 }, "spec": [] }),
        expect![[r#"
        metadata.name: expected a string, found the number 3
        spec: expected an object, found a list
    "#]],
    );
}

#[test]
fn type_errors_are_found_by_path() {
    check_read_spec(
        json!({
            "namespaces": ["a"],
            "serviceAccounts": true,
            "namespaceSelector": { "matchLabels": { "team": 3 }, "matchExpressions": [{ "key": "a", "values": "b" }, 4] },
            "conflictPolicy": 5,
            "tcr": {
                "instanceId": 6,
                "domains": ["default", 3, null],
                "credential": [],
                "privateNetwork": { "resolve": "yes", "domains": "default" },
            },
        }),
        expect![[r#"
            spec.namespaces: expected a string, found a list
            spec.serviceAccounts: expected a string, found the boolean true
            spec.namespaceSelector.matchLabels["team"]: expected a string, found the number 3
            spec.namespaceSelector.matchExpressions[0].values: expected a list, found the string "b"
            spec.namespaceSelector.matchExpressions[1]: expected an object, found a number
            spec.conflictPolicy: expected one of never, adopt, overwrite, found the number 5
            spec.tcr.instanceId: expected a string, found the number 6
            spec.tcr.credential: expected an object, found a list
            spec.tcr.domains[1]: expected a string, found the number 3
            spec.tcr.domains[2]: expected a string, found null
            spec.tcr.privateNetwork.resolve: expected true or false, found the string "yes"
            spec.tcr.privateNetwork.domains: expected a list, found the string "default"
        "#]],
    );
}

#[test]
fn unknown_fields_and_choices_are_named_with_the_nearest() {
    check_read_spec(
        json!({
            "namespace": "*",
            "conflictPolicy": "Adopt",
            "docker": { "host": "demo.tencentcloudcr.com", "user name": "a" },
            "tcr": {
                "instanceID": "tcr-x",
                "credential": { "type": "long-term", "onDelete": "delete" },
                "privateNetwork": { "whenLinkDown": "keep" },
            },
        }),
        expect![[r#"
            spec.conflictPolicy: "Adopt" is not one of never, adopt, overwrite; did you mean adopt?
            spec.docker.host: unknown field; known are server, username, password, passwordSecretRef
            spec.docker."user name": unknown field, did you mean username?
            spec.tcr.credential.type: "long-term" is not one of longterm, temp, serviceAccount, none; did you mean longterm?
            spec.tcr.credential.onDelete: "delete" is not one of Retain, Revoke
            spec.tcr.privateNetwork.whenLinkDown: "keep" is not one of Keep, Remove; did you mean Keep?
            spec.tcr.instanceID: unknown field, did you mean instanceId?
            spec.namespace: unknown field, did you mean namespaces?
        "#]],
    );
    check_read(
        json!({ "metadata": { "name": "demo" }, "spec": {}, "Spec": {}, "data": {} }),
        expect![[r#"
        Spec: unknown field, did you mean spec?
        data: unknown field; known are apiVersion, kind, metadata, spec, status
    "#]],
    );
}

#[test]
fn nothing_of_a_credential_is_repeated() {
    check_read_spec(
        json!({ "docker": { "server": 1, "username": true, "password": 20061, "pasword": "hunter2", "passwordSecretRef": "hunter2" } }),
        expect![[r#"
            spec.docker.server: expected a string, found a number
            spec.docker.username: expected a string, found a boolean
            spec.docker.password: expected a string, found a number
            spec.docker.passwordSecretRef: expected an object, found a string
            spec.docker.pasword: unknown field, did you mean password?
        "#]],
    );
    check_read_spec(
        json!({ "docker": "hunter2" }),
        expect![[r#"
        spec.docker: expected an object, found a string
    "#]],
    );
    check_read_spec(
        json!("hunter2"),
        expect![[r#"
        spec: expected an object, found a string
    "#]],
    );
}

/// Any JSON, with the names of the real fields sprinkled in.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop::sample::select(vec!["*", "longterm", "temp", "In", "tcr-x", "1h", "default"])
            .prop_map(Value::from),
    ];
    let name = prop_oneof![
        4 => prop::sample::select(vec![
            "metadata", "name", "spec", "namespaces", "serviceAccounts", "namespaceSelector", "matchLabels",
            "matchExpressions", "key", "operator", "values", "conflictPolicy", "docker", "server", "username",
            "passwordSecretRef", "tcr", "instanceId", "region", "credential", "type", "rotateAfter", "description",
            "registryNamespaces", "validity", "shared",
            "onDelete", "domains", "privateNetwork", "resolve", "vpcId", "vpcIds", "address",
            "whenLinkDown",
        ]).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    leaf.prop_recursive(6, 48, 6, move |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            3 => prop::collection::btree_map(name.clone(), inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn shown(findings: &Findings) -> String {
    format!("{findings:?}{findings}")
}

fn examine(object: &Value) -> Findings {
    let roots = ["tencentcloudcr.com".to_owned()];
    let context = RuleContext { allowed_roots: &roots, description_required: true, ..RuleContext::default() };
    match read(object) {
        Ok((name, spec)) => super::check(&name, &spec, &context),
        Err(findings) => findings,
    }
}

proptest! {
    #[test]
    fn any_json_is_examined(object in any_json(), spec in any_json(), tcr in any_json()) {
        examine(&object);
        examine(&json!({ "metadata": { "name": "demo" }, "spec": spec }));
        examine(&json!({ "metadata": { "name": "demo" }, "spec": { "tcr": tcr } }));
        examine(&json!({ "metadata": { "name": "demo" }, "spec": { "docker": tcr } }));
    }

    #[test]
    fn no_password_is_ever_in_a_finding(
        mistakes in any_json(),
        reference in any_json(),
        digits in 100_000_000_000_000_u64..,
        wrap in 0..5,
    ) {
        let secret = format!("hunter{digits}");
        let password = match wrap {
            0 => json!(secret),
            1 => json!(digits),
            2 => json!([secret]),
            3 => json!({ "value": secret }),
            _ => json!(format!(" {secret}\n")),
        };
        let object = json!({
            "metadata": { "name": "demo" },
            "spec": {
                "namespaces": mistakes,
                "docker": {
                    "server": format!("https://robot:{secret}@demo.tencentcloudcr.com/"),
                    "username": format!("robot:{secret}"),
                    "password": password,
                    "pasword": secret,
                    "passwordSecretRef": reference,
                },
                "tcr": mistakes,
            },
        });
        let findings = examine(&object);
        prop_assert!(!findings.is_ok());
        prop_assert!(!shown(&findings).contains(&digits.to_string()));
        // Without the misspelt field the object reads, and the rules speak.
        let mut read = object;
        read["spec"]["docker"].as_object_mut().unwrap().remove("pasword");
        read["spec"]["docker"].as_object_mut().unwrap().remove("passwordSecretRef");
        read["spec"]["namespaces"] = Value::Null;
        read["spec"]["tcr"] = Value::Null;
        let findings = examine(&read);
        prop_assert!(!shown(&findings).contains(&digits.to_string()));
    }
}

#[test]
fn of_more_than_twenty_mistakes_no_more_are_looked_for() {
    let many = |value: Value| -> serde_json::Map<String, Value> {
        (0..10_000).map(|number| (format!("namespacex{number:05}"), value.clone())).collect()
    };
    let items = |item: Value| vec![item; 10_000];
    for (spec, last) in [
        (Value::Object(many(json!(1))), "spec"),
        (
            json!({ "namespaceSelector": { "matchLabels": many(json!(1)) } }),
            "spec.namespaceSelector.matchLabels",
        ),
        (json!({ "namespaceSelector": many(json!(1)) }), "spec.namespaceSelector"),
        (
            json!({ "namespaceSelector": { "matchExpressions": items(json!(1)) } }),
            "spec.namespaceSelector.matchExpressions",
        ),
        (json!({ "tcr": { "domains": items(json!({})) } }), "spec.tcr.domains"),
    ] {
        let found = read(&json!({ "metadata": { "name": "demo" }, "spec": spec })).unwrap_err().errors;
        assert_eq!(found.len(), MOST_ERRORS + 1);
        let told = found.last().unwrap().to_string();
        assert_eq!(told, format!("{last}: more than 20 mistakes in all; correct the others first"));
    }
}

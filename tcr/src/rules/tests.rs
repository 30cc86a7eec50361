use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

mod reading;

/// Everything that is found in the ImagePullSecret `demo` with this spec.
fn check_spec(spec: Value, expect: Expect) {
    expect.assert_eq(&findings("demo", spec));
}

fn findings(name: &str, spec: Value) -> String {
    let roots = ["tencentcloudcr.com".to_owned()];
    let context = RuleContext { allowed_roots: &roots, description_required: true, ..RuleContext::default() };
    let spec = serde_json::from_value(spec).unwrap();
    let found = super::check(name, &spec, &context);
    let errors = found.errors.iter().map(|finding| format!("error {finding}\n"));
    let warnings = found.warnings.iter().map(|finding| format!("warning {finding}\n"));
    errors.chain(warnings).collect()
}

/// A spec.tcr without mistakes, changed by `changes` (a JSON merge patch of one level).
fn tcr(changes: Value) -> Value {
    let mut tcr = json!({
        "instanceId": "tcr-dg284imq",
        "region": "ap-guangzhou",
        "credential": { "description": "of a test" },
    });
    for (name, value) in changes.as_object().unwrap() {
        tcr[name] = value.clone();
    }
    json!({ "tcr": tcr })
}

fn docker(changes: Value) -> Value {
    let mut docker = json!({
        "server": "demo.tencentcloudcr.com",
        "username": "100012345678",
        "passwordSecretRef": { "name": "demo-password", "key": "password" },
    });
    for (name, value) in changes.as_object().unwrap() {
        docker[name] = value.clone();
    }
    json!({ "docker": docker })
}

#[test]
fn specs_without_mistakes_have_no_findings() {
    for spec in [
        tcr(json!({})),
        docker(json!({})),
        tcr(json!({ "instanceId": "tcr-x", "region": "ap-shanghai-fsi" })),
        tcr(json!({ "instanceId": "tcr-06d62e1r-5", "region": "ap-hongkong" })),
        tcr(json!({ "instanceId": "tcr-dg284imq-5-os5gcu", "region": "ap-hongkong" })),
        tcr(json!({ "credential": { "type": "temp" } })),
        tcr(json!({ "credential": { "description": "d", "rotateAfter": "1h", "onDelete": "Revoke" } })),
        tcr(
            json!({ "domains": ["vpc", "images.tencentcloudcr.com"], "privateNetwork": { "vpcId": "vpc-a1b2c3d4" } }),
        ),
        tcr(json!({ "privateNetwork": { "vpcIds": ["vpc-a1b2c3d4", "vpc-b1b2c3d4"] } })),
        tcr(json!({ "privateNetwork": { "vpcId": "vpc-a1b2c3d4", "vpcIds": [] } })),
        docker(
            json!({ "server": "demo.tencentcloudcr.com:5000", "passwordSecretRef": { "name": "a.b", "key": ".c_D-1" } }),
        ),
    ] {
        assert_eq!(findings("demo", spec.clone()), "", "{spec}");
    }
}

#[test]
fn an_object_of_the_original_is_accepted_with_a_warning() {
    let found = |lists: Value| {
        let mut spec = docker(json!({ "password": "tcr.jwt.token", "passwordSecretRef": null }));
        spec.as_object_mut().unwrap().extend(lists.as_object().unwrap().clone());
        findings("demo", spec)
    };
    let all = found(json!({ "namespaces": "*", "serviceAccounts": "*" }));
    expect![[r#"
        warning spec.docker.password: is readable by everyone who may read the object; put it into a Secret of tcr-assistant-system and name that in passwordSecretRef
    "#]].assert_eq(&all);
    assert_eq!(found(json!({ "namespaces": "", "serviceAccounts": "" })), all);
    assert_eq!(found(json!({ "namespaces": "default,kube-system" })), all);
    assert_eq!(found(json!({})), all);
}

#[test]
fn exactly_one_source_is_named() {
    check_spec(
        json!({}),
        expect![[r#"
        error spec: neither docker nor tcr is set; set tcr for an instance whose credential is obtained, or docker for a credential of your own
    "#]],
    );
    let mut both = tcr(json!({}));
    both["docker"] = docker(json!({}))["docker"].clone();
    check_spec(
        both,
        expect![[r#"
        error spec: both docker and tcr are set; keep one of them
    "#]],
    );
}

#[test]
fn the_name_leaves_room_for_the_secrets_prefix() {
    assert_eq!(findings(&"a".repeat(246), tcr(json!({}))), "");
    expect![[r#"
        error metadata.name: has 247 characters, and 246 are allowed, because the Secret's name begins with tcr.ips
    "#]].assert_eq(&findings(&"a".repeat(247), tcr(json!({}))));
    expect![[r#"
        error metadata.name: "Demo" must be lower-case letters, digits, hyphens and dots, each part between dots beginning and ending with a letter or digit
    "#]].assert_eq(&findings("Demo", tcr(json!({}))));
    expect![[r#"
        error metadata.name: ".demo" must be lower-case letters, digits, hyphens and dots, each part between dots beginning and ending with a letter or digit
    "#]].assert_eq(&findings(".demo", tcr(json!({}))));
    expect![[r#"
        error metadata.name: is empty; the Secret is named after it
    "#]]
    .assert_eq(&findings("", tcr(json!({}))));
}

#[test]
fn lists_and_selectors_name_the_bad_element() {
    let mut spec = tcr(json!({}));
    spec["namespaces"] = json!("default,Team");
    spec["serviceAccounts"] = json!("a b");
    spec["namespaceSelector"] = json!({ "matchExpressions": [{ "key": "env", "operator": "in" }] });
    check_spec(
        spec,
        expect![[r#"
        error spec.namespaces: "Team" is not a name, a glob or an exclusion: names are lower case
        error spec.serviceAccounts: "a b" is not a name, a glob or an exclusion: it contains a blank; separate names with commas
        error spec.namespaceSelector.matchExpressions[0].operator: "in" is not one of In, NotIn, Exists, DoesNotExist
    "#]],
    );
}

#[test]
fn lists_that_work_but_surprise_are_warned_of() {
    let mut spec = tcr(json!({}));
    spec["namespaces"] = json!(format!("a.b,{},!*", "n".repeat(64)));
    spec["serviceAccounts"] = json!("_");
    check_spec(
        spec,
        expect![[r#"
        warning spec.namespaces: "a.b,nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn,!*" excludes everything, so nothing is selected
        warning spec.namespaces: "a.b" matches no namespace, because their names have no dots
        warning spec.namespaces: "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn" matches no namespace, because their names have at most 63 characters
        warning spec.serviceAccounts: "_" is read as "*", which means all; write "*"
    "#]],
    );
}

#[test]
fn a_server_with_the_usual_port_is_for_images_that_name_it() {
    check_spec(
        docker(json!({ "server": "demo.tencentcloudcr.com:443" })),
        expect![[r#"
        warning spec.docker.server: is for images with :443 only, for kubelets compare ports as they are written; write "demo.tencentcloudcr.com"
    "#]],
    );
    check_spec(docker(json!({ "server": "demo.tencentcloudcr.com:5000" })), expect![""]);
}

#[test]
fn the_server_is_a_bare_host_under_an_allowed_root() {
    for (server, expect) in [
        (
            "",
            expect![[r#"
            error spec.docker.server: is empty; name the registry's host, such as demo.tencentcloudcr.com
        "#]],
        ),
        (
            "https://demo.tencentcloudcr.com",
            expect![[r#"
            error spec.docker.server: "https://demo.tencentcloudcr.com" is not a registry host: leave out the scheme and its ://
        "#]],
        ),
        (
            "demo.tencentcloudcr.com/team",
            expect![[r#"
            error spec.docker.server: "demo.tencentcloudcr.com/team" is not a registry host: leave out the / and what follows
        "#]],
        ),
        (
            "demo.tencentcloudcr.com ",
            expect![[r#"
            error spec.docker.server: "demo.tencentcloudcr.com " is not a registry host: it contains a blank
        "#]],
        ),
        (
            "eviltencentcloudcr.com",
            expect![[r#"
            error spec.docker.server: "eviltencentcloudcr.com" is not under tencentcloudcr.com; correct it, or allow its root domain (allowedRoots)
        "#]],
        ),
        (
            "demo.tencentcloudcr.com.evil.org",
            expect![[r#"
            error spec.docker.server: "demo.tencentcloudcr.com.evil.org" is not under tencentcloudcr.com; correct it, or allow its root domain (allowedRoots)
        "#]],
        ),
    ] {
        check_spec(docker(json!({ "server": server })), expect);
    }
}

#[test]
fn the_personal_edition_has_a_value_of_its_own_and_is_warned_of() {
    let spec = docker(json!({ "server": "hkccr.ccs.tencentyun.com" }));
    check_spec(
        spec.clone(),
        expect![[r#"
            error spec.docker.server: "hkccr.ccs.tencentyun.com" is not under tencentcloudcr.com; correct it, or allow its root domain (personalEdition)
            warning spec.docker.server: has TKE's own system images too: with a wrong password a node cannot pull them either, for kubelets do not fall back to anonymous; leave kube-system out of spec.namespaces
        "#]],
    );
    let roots = ["ccs.tencentyun.com".to_owned()];
    let context = RuleContext { allowed_roots: &roots, ..RuleContext::default() };
    let found = super::check("demo", &serde_json::from_value(spec).unwrap(), &context);
    assert!(found.is_ok() && found.warnings.len() == 1, "{found:?}");
}

#[test]
fn no_allowed_root_allows_nothing() {
    let context = RuleContext::default();
    let spec = serde_json::from_value(docker(json!({}))).unwrap();
    expect![[r#"spec.docker.server: "demo.tencentcloudcr.com" is not allowed, because no root domain is (allowedRoots)"#]].assert_eq(&super::check("demo", &spec, &context).to_string());
}

#[test]
fn the_username_stands_alone() {
    for (username, expect) in [
        (
            "",
            expect![[r#"
            error spec.docker.username: is empty; name the user that the password belongs to
        "#]],
        ),
        (
            " ",
            expect![[r#"
            error spec.docker.username: is empty; name the user that the password belongs to
        "#]],
        ),
        (
            "user:hunter2",
            expect![[r#"
            error spec.docker.username: contains a colon, which separates it from the password; give the user name alone
        "#]],
        ),
        (
            "user\n",
            expect![[r#"
            error spec.docker.username: "user\n" contains a control character
        "#]],
        ),
        (
            "user ",
            expect![[r#"
            warning spec.docker.username: "user " begins or ends with a blank
        "#]],
        ),
    ] {
        check_spec(docker(json!({ "username": username })), expect);
    }
}

#[test]
fn exactly_one_password_is_named() {
    check_spec(
        docker(json!({ "passwordSecretRef": null })),
        expect![[r#"
        error spec.docker: neither password nor passwordSecretRef is set; set passwordSecretRef to a Secret that holds the password
    "#]],
    );
    check_spec(
        docker(json!({ "password": "hunter2" })),
        expect![[r#"
        error spec.docker: both password and passwordSecretRef are set; keep passwordSecretRef
    "#]],
    );
    check_spec(
        docker(json!({ "password": "hunter2\n", "passwordSecretRef": null })),
        expect![[r#"
        warning spec.docker.password: is readable by everyone who may read the object; put it into a Secret of tcr-assistant-system and name that in passwordSecretRef
        warning spec.docker.password: begins or ends with a blank or a line break
    "#]],
    );
}

#[test]
fn the_password_reference_has_a_name_and_a_key() {
    check_spec(
        docker(json!({ "passwordSecretRef": {} })),
        expect![[r#"
        error spec.docker.passwordSecretRef.name: is empty
        error spec.docker.passwordSecretRef.key: is empty
    "#]],
    );
    check_spec(
        docker(json!({ "passwordSecretRef": { "name": "Demo", "key": "a/b" } })),
        expect![[r#"
        error spec.docker.passwordSecretRef.name: "Demo" must be lower-case letters, digits, hyphens and dots, each part between dots beginning and ending with a letter or digit
        error spec.docker.passwordSecretRef.key: "a/b" must be letters, digits, hyphens, underscores and dots
    "#]],
    );
    check_spec(
        docker(json!({ "passwordSecretRef": { "name": "a_b", "key": "..a" } })),
        expect![[r#"
        error spec.docker.passwordSecretRef.name: "a_b" must be lower-case letters, digits, hyphens and dots, each part between dots beginning and ending with a letter or digit
        error spec.docker.passwordSecretRef.key: "..a" must not be "." or begin with ".."
    "#]],
    );
}

#[test]
fn the_instance_id_has_its_form() {
    for (id, expect) in [
        (
            "",
            expect![[r#"
            error spec.tcr.instanceId: is empty; set an instance id such as tcr-dg284imq
        "#]],
        ),
        (
            "tcr_x",
            expect![[r#"
            error spec.tcr.instanceId: "tcr_x" is not an instance id: tcr- and lower-case letters or digits, such as tcr-dg284imq
        "#]],
        ),
        (
            "tcr-",
            expect![[r#"
            error spec.tcr.instanceId: "tcr-" is not an instance id: tcr- and lower-case letters or digits, such as tcr-dg284imq
        "#]],
        ),
        (
            "tcr-DG284IMQ",
            expect![[r#"
            error spec.tcr.instanceId: "tcr-DG284IMQ" is not an instance id: tcr- and lower-case letters or digits, such as tcr-dg284imq
        "#]],
        ),
        (
            "dg284imq",
            expect![[r#"
            error spec.tcr.instanceId: "dg284imq" is not an instance id: tcr- and lower-case letters or digits, such as tcr-dg284imq
        "#]],
        ),
    ] {
        check_spec(tcr(json!({ "instanceId": id })), expect);
    }
    let beyond_a_label = format!("tcr-{}-5-{}", "a".repeat(32), "b".repeat(25));
    for id in [
        "tcr--5",
        "tcr-a-",
        "tcr-a-b",
        "tcr-a-12345",
        "tcr-a-5-",
        "tcr-a-5-B",
        "tcr-a-5-b-c",
        &beyond_a_label,
    ] {
        assert!(findings("demo", tcr(json!({ "instanceId": id }))).contains("is not an instance id"), "{id}");
    }
}

#[test]
fn the_region_has_its_form() {
    for (region, expect) in [
        (
            "",
            expect![[r#"
            error spec.tcr.region: is empty; set the instance's region, such as ap-guangzhou
        "#]],
        ),
        (
            "guangzhou",
            expect![[r#"
            error spec.tcr.region: "guangzhou" is not a region such as ap-guangzhou or ap-shanghai-fsi
        "#]],
        ),
        (
            "gz",
            expect![[r#"
            error spec.tcr.region: "gz" is not a region such as ap-guangzhou or ap-shanghai-fsi
        "#]],
        ),
        (
            "ap-guangzhou-3",
            expect![[r#"
            error spec.tcr.region: "ap-guangzhou-3" is an availability zone; its region is ap-guangzhou
        "#]],
        ),
        (
            "AP-guangzhou",
            expect![[r#"
            error spec.tcr.region: "AP-guangzhou" is not a region such as ap-guangzhou or ap-shanghai-fsi
        "#]],
        ),
        (
            "ap-",
            expect![[r#"
            error spec.tcr.region: "ap-" is not a region such as ap-guangzhou or ap-shanghai-fsi
        "#]],
        ),
    ] {
        check_spec(tcr(json!({ "region": region })), expect);
    }
}

#[test]
fn a_role_is_one_that_the_operator_allows_and_makes_no_longterm_credential() {
    let arn = "qcs::cam::uin/100000000002:roleName/reader";
    check_spec(
        tcr(json!({ "roleArn": arn, "credential": {} })),
        expect![[r#"
            error spec.tcr.roleArn: "qcs::cam::uin/100000000002:roleName/reader" is no allowed role (allowedRoles)
            error spec.tcr.roleArn: is not for longterm credentials; set spec.tcr.credential.type to serviceAccount or temp
            error spec.tcr.credential.description: is not set, and the default needs the cluster's id, which is unknown; set a description, or the chart's global.cluster.id
        "#]],
    );
    let found = |kind: &str, allowed: &str| {
        let spec =
            tcr(json!({ "roleArn": arn, "credential": { "type": kind, "registryNamespaces": ["team"] } }));
        let (roots, roles) = (["tencentcloudcr.com".to_owned()], [allowed.to_owned()]);
        let context = RuleContext {
            allowed_roots: &roots,
            allowed_roles: &roles,
            cluster_id: Some("cls-12345678"),
            ..RuleContext::default()
        };
        let found = super::check("demo", &serde_json::from_value(spec).unwrap(), &context);
        found.errors.iter().filter(|finding| finding.field == "spec.tcr.roleArn").count()
    };
    assert_eq!([found("longterm", arn), found("temp", arn), found("serviceAccount", arn)], [1, 0, 0]);
    assert_eq!(
        [found("longterm", "reader"), found("temp", &arn.to_uppercase()), found("none", "*")],
        [2, 1, 1]
    );
}

#[test]
fn a_rotation_is_a_duration_for_longterm_credentials() {
    for (rotation, expect) in [
        (
            "90d",
            expect![[r#"
            error spec.tcr.credential.rotateAfter: "90d" is not a duration: it has no days or longer units; write 2160h
        "#]],
        ),
        (
            "59m",
            expect![[r#"
            error spec.tcr.credential.rotateAfter: "59m" is too short; the shortest is 1h
        "#]],
        ),
        (
            "87600h",
            expect![[r#"
            warning spec.tcr.credential.rotateAfter: "87600h" is not shorter than the credential's own life of 87600h
        "#]],
        ),
        (
            "soon",
            expect![[r#"
            error spec.tcr.credential.rotateAfter: "soon" is not a duration: write numbers with units, such as 2160h or 1h30m
        "#]],
        ),
    ] {
        check_spec(tcr(json!({ "credential": { "description": "d", "rotateAfter": rotation } })), expect);
    }
}

#[test]
fn without_a_credential_nothing_is_said_about_one_and_the_network_stays() {
    let none = json!({ "type": "none", "rotateAfter": "2160h", "description": "d", "onDelete": "Revoke" });
    check_spec(
        tcr(json!({ "credential": none })),
        expect![[r#"
        error spec.tcr.credential.rotateAfter: "2160h" is for longterm credentials only, and type is none; leave it out
        warning spec.tcr.credential.description: has no effect: type is none
        warning spec.tcr.credential.onDelete: Revoke has no effect: type is none. What becomes of a credential that was made before, onDelete says while type is another one
        warning spec.tcr.credential.type: is none, and privateNetwork.resolve is false: this only tells the state of the private link
    "#]],
    );
    check_spec(
        tcr(json!({ "credential": { "type": "none" }, "privateNetwork": { "resolve": true } })),
        expect![[r#"
        warning spec.tcr.privateNetwork.resolve: while true, the domains lead to the private address on every node and cannot be reached publicly from there
    "#]],
    );
}

#[test]
fn a_temp_credential_has_no_longterm_settings() {
    let credential =
        json!({ "type": "temp", "rotateAfter": "2160h", "description": "d", "onDelete": "Revoke" });
    check_spec(
        tcr(json!({ "credential": credential })),
        expect![[r#"
        error spec.tcr.credential.rotateAfter: "2160h" is for longterm credentials only, a temp one is renewed at half its life; leave it out, or set type to longterm
        warning spec.tcr.credential.description: has no effect: TCR keeps none for a temp credential
        warning spec.tcr.credential.onDelete: Revoke has no effect: a temp credential cannot be revoked and expires within the hour
    "#]],
    );
}

#[test]
fn a_service_account_names_what_it_may_pull_and_lives_for_a_day_at_least() {
    let account = |changes: Value| {
        let mut credential =
            json!({ "type": "serviceAccount", "registryNamespaces": ["team-a", "base"], "description": "d" });
        for (name, value) in changes.as_object().unwrap() {
            credential[name] = value.clone();
        }
        tcr(json!({ "credential": credential }))
    };
    assert_eq!(findings("demo", account(json!({}))), "");
    let all = json!({ "validity": "24h", "shared": false, "onDelete": "Retain" });
    assert_eq!(findings("demo", account(all)), "");
    for (changes, expect) in [
        (
            json!({ "registryNamespaces": [] }),
            expect![[r#"
                error spec.tcr.credential.registryNamespaces: is empty; name the registry namespaces that the service account may pull from, such as team-a
            "#]],
        ),
        (
            json!({ "registryNamespaces": ["*", "team-*", "team-a:push", "team-a/app", "a", "Team", "a--b", "-ab", "base", "base"] }),
            expect![[r#"
                error spec.tcr.credential.registryNamespaces[0]: "*" is a wildcard; name each registry namespace that may be pulled from
                error spec.tcr.credential.registryNamespaces[1]: "team-*" is a wildcard; name each registry namespace that may be pulled from
                error spec.tcr.credential.registryNamespaces[2]: "team-a:push" names an action, and a service account made here may pull and nothing else; write the registry namespace alone
                error spec.tcr.credential.registryNamespaces[3]: "team-a/app" names a repository, and rights are by registry namespace; write "team-a"
                error spec.tcr.credential.registryNamespaces[4]: "a" has 1 characters, and a registry namespace has 2 to 30
                error spec.tcr.credential.registryNamespaces[5]: "Team" is not a registry namespace: lower-case letters, digits, and single . _ - between them
                error spec.tcr.credential.registryNamespaces[6]: "a--b" is not a registry namespace: lower-case letters, digits, and single . _ - between them
                error spec.tcr.credential.registryNamespaces[7]: "-ab" is not a registry namespace: lower-case letters, digits, and single . _ - between them
                error spec.tcr.credential.registryNamespaces[9]: "base" is there twice; keep one
            "#]],
        ),
        (
            json!({ "registryNamespaces": ["a".repeat(31)] }),
            expect![[r#"
                error spec.tcr.credential.registryNamespaces[0]: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" has 31 characters, and a registry namespace has 2 to 30
            "#]],
        ),
        (
            json!({ "registryNamespaces": (0..33).map(|number| format!("team-{number}")).collect::<Vec<_>>() }),
            expect![[r#"
                error spec.tcr.credential.registryNamespaces: has 33 names, and at most 32 are allowed; use an ImagePullSecret for each group of them
            "#]],
        ),
        (
            json!({ "validity": "23h59m", "rotateAfter": "2160h" }),
            expect![[r#"
                error spec.tcr.credential.validity: "23h59m" is too short; the shortest is 24h
                error spec.tcr.credential.rotateAfter: "2160h" is for longterm credentials only, a service account is renewed at half its validity; set validity instead
            "#]],
        ),
        (
            json!({ "validity": "90d", "description": null }),
            expect![[r#"
                error spec.tcr.credential.validity: "90d" is not a duration: it has no days or longer units; write 2160h
                error spec.tcr.credential.description: is not set, and the default needs the cluster's id, which is unknown; set a description, or the chart's global.cluster.id
            "#]],
        ),
        (
            json!({ "type": "longterm", "validity": "24h", "shared": true }),
            expect![[r#"
                error spec.tcr.credential.registryNamespaces: is for serviceAccount credentials only; set type to serviceAccount, or leave it out
                error spec.tcr.credential.validity: is for serviceAccount credentials only; set type to serviceAccount, or leave it out
                error spec.tcr.credential.shared: is for serviceAccount credentials only; set type to serviceAccount, or leave it out
            "#]],
        ),
    ] {
        check_spec(account(changes), expect);
    }
}

#[test]
fn a_description_is_required_when_the_default_has_no_cluster_id() {
    check_spec(
        tcr(json!({ "credential": {} })),
        expect![[r#"
        error spec.tcr.credential.description: is not set, and the default needs the cluster's id, which is unknown; set a description, or the chart's global.cluster.id
    "#]],
    );
    let spec = serde_json::from_value(tcr(json!({ "credential": {} }))).unwrap();
    let found = |cluster_id, description_required| {
        super::check(
            "demo",
            &spec,
            &RuleContext { cluster_id, description_required, ..RuleContext::default() },
        )
    };
    assert!(found(Some("cls-12345678"), true).is_ok());
    assert!(found(None, false).is_ok());
}

#[test]
fn domains_are_standard_or_hosts_under_an_allowed_root() {
    let domains = json!([
        "default",
        "vpc",
        "public",
        "https://a.tencentcloudcr.com",
        "a.tencentcloudcr.com",
        "A.tencentcloudcr.com",
        "a.example.com",
        "",
        "vpc",
    ]);
    check_spec(
        tcr(json!({ "domains": domains })),
        expect![[r#"
        error spec.tcr.domains[2]: "public" is not under tencentcloudcr.com; correct it, or allow its root domain (allowedRoots)
        error spec.tcr.domains[3]: "https://a.tencentcloudcr.com" is not a registry host: leave out the scheme and its ://
        error spec.tcr.domains[5]: "A.tencentcloudcr.com" is there twice; keep one
        error spec.tcr.domains[6]: "a.example.com" is not under tencentcloudcr.com; correct it, or allow its root domain (allowedRoots)
        error spec.tcr.domains[7]: "" is not a registry host: it is empty
        error spec.tcr.domains[8]: "vpc" is there twice; keep one
    "#]],
    );
    check_spec(
        tcr(json!({ "domains": vec!["x"; 33] })),
        expect![[r#"
        error spec.tcr.domains: has 33 domains, and at most 32 are allowed
    "#]],
    );
    check_spec(
        tcr(json!({ "domains": [] })),
        expect![[r#"
        error spec.tcr.domains: is empty; name a domain, or leave the field out for default and vpc
    "#]],
    );
}

#[test]
fn aliases_are_hosts_that_the_operator_allows_and_are_warned_of() {
    let aliases =
        json!(["default", "cache.tencentcloudcr.com", "mirror.example.com:5000", "mirror.example.org"]);
    let spec = tcr(json!({ "aliases": aliases, "domains": ["default", "mirror.example.com"] }));
    let found = |allowed: &[&str]| {
        let roots = ["tencentcloudcr.com".to_owned()];
        let allowed: Vec<String> = allowed.iter().map(|&root| root.to_owned()).collect();
        let context = RuleContext {
            allowed_roots: &roots,
            allowed_aliases: &allowed,
            description_required: true,
            ..RuleContext::default()
        };
        let found = super::check("demo", &serde_json::from_value(spec.clone()).unwrap(), &context);
        let told = found.errors.iter().chain(&found.warnings).map(|finding| format!("{finding}\n"));
        told.collect::<String>()
    };
    expect![[r#"
        spec.tcr.domains[1]: "mirror.example.com" is not under tencentcloudcr.com; correct it, or allow its root domain (allowedRoots)
        spec.tcr.aliases[0]: "default" is not under tencentcloudcr.com; correct it, or allow its root domain (allowedAliases)
        spec.tcr.aliases[2]: "mirror.example.com:5000" is not under tencentcloudcr.com; correct it, or allow its root domain (allowedAliases)
        spec.tcr.aliases[3]: "mirror.example.org" is not under tencentcloudcr.com; correct it, or allow its root domain (allowedAliases)
        spec.tcr.aliases: the instance's credential is sent to them too, and who runs one can pull with it; name none that you would not give a password
    "#]].assert_eq(&found(&[]));
    expect![[r#"
        spec.tcr.domains[1]: "mirror.example.com" is not under tencentcloudcr.com; correct it, or allow its root domain (allowedRoots)
        spec.tcr.aliases[0]: "default" is not under tencentcloudcr.com or example.com; correct it, or allow its root domain (allowedAliases)
        spec.tcr.aliases[3]: "mirror.example.org" is not under tencentcloudcr.com or example.com; correct it, or allow its root domain (allowedAliases)
        spec.tcr.aliases: the instance's credential is sent to them too, and who runs one can pull with it; name none that you would not give a password
    "#]].assert_eq(&found(&["example.com"]));
    check_spec(tcr(json!({ "aliases": [] })), expect![""]);
    check_spec(
        tcr(
            json!({ "aliases": ["a.tencentcloudcr.com"], "credential": { "type": "none" }, "privateNetwork": { "resolve": true } }),
        ),
        expect![[r#"
            warning spec.tcr.aliases: has no effect: type is none
            warning spec.tcr.privateNetwork.resolve: while true, the domains lead to the private address on every node and cannot be reached publicly from there
        "#]],
    );
}

#[test]
fn a_private_network_has_domains_without_ports_and_a_vpc() {
    check_spec(
        tcr(json!({ "privateNetwork": {
            "resolve": true, "vpcId": "subnet-1", "domains": ["default", "a.tencentcloudcr.com:443", "a.example.com"],
        } })),
        expect![[r#"
            error spec.tcr.privateNetwork.vpcId: "subnet-1" is not a VPC's id: vpc- and lower-case letters or digits, such as vpc-dg284imq
            error spec.tcr.privateNetwork.domains[1]: "a.tencentcloudcr.com:443" has a port, and name resolution knows none; leave it out
            error spec.tcr.privateNetwork.domains[2]: "a.example.com" is not under tencentcloudcr.com; correct it, or allow its root domain (allowedRoots)
            warning spec.tcr.privateNetwork.resolve: while true, the domains lead to the private address on every node and cannot be reached publicly from there
        "#]],
    );
}

#[test]
fn an_instance_of_another_region_than_the_cluster_is_warned_of() {
    let warned = |cluster_region| {
        let roots = ["tencentcloudcr.com".to_owned()];
        let context = RuleContext { allowed_roots: &roots, cluster_region, ..RuleContext::default() };
        let spec = serde_json::from_value(tcr(json!({}))).unwrap();
        super::check("demo", &spec, &context).warnings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(warned(None), Vec::<String>::new());
    assert_eq!(warned(Some("ap-guangzhou")), Vec::<String>::new());
    expect![[
        r#"spec.tcr.region: is "ap-guangzhou" and the cluster is in ap-nanjing: pulls cross regions; use an instance of the cluster's region, or one that is replicated to it"#
    ]]
    .assert_eq(&warned(Some("ap-nanjing")).join("\n"));
}

#[test]
fn several_vpcs_are_refused_by_item() {
    check_spec(
        tcr(json!({ "privateNetwork": { "vpcId": "vpc-a", "vpcIds": ["vpc-a", "subnet-1", "vpc-a", ""] } })),
        expect![[r#"
            error spec.tcr.privateNetwork.vpcIds: is set together with vpcId; name all VPCs here, and leave vpcId out
            error spec.tcr.privateNetwork.vpcIds[1]: "subnet-1" is not a VPC's id: vpc- and lower-case letters or digits, such as vpc-dg284imq
            error spec.tcr.privateNetwork.vpcIds[2]: "vpc-a" is there twice; keep one
            error spec.tcr.privateNetwork.vpcIds[3]: is empty; set a VPC's id such as vpc-dg284imq
        "#]],
    );
    let vpc_ids: Vec<String> = (0..17).map(|number| format!("vpc-{number}")).collect();
    check_spec(
        tcr(json!({ "privateNetwork": { "vpcIds": vpc_ids } })),
        expect![[r#"
        error spec.tcr.privateNetwork.vpcIds: has 17 VPCs, and at most 16 are allowed
    "#]],
    );
}

#[test]
fn an_address_is_a_private_one_or_the_link_of_a_vpc() {
    let errors = |address: &str| {
        let spec =
            tcr(json!({ "privateNetwork": { "resolve": true, "vpcIds": ["vpc-a"], "address": address } }));
        let found = findings("demo", spec);
        let errors = found.lines().filter(|line| line.starts_with("error"));
        errors.map(|line| format!("{line}\n")).collect::<String>()
    };
    for good in ["10.0.0.2", "192.168.1.1", "100.64.0.2", "fd00::2", "vpc-a1b2c3d4"] {
        assert_eq!(errors(good), "", "{good}");
    }
    let refused = [
        "8.8.8.8",
        "2400::1",
        "127.0.0.1",
        "169.254.0.23",
        "100.100.100.200",
        "::ffff:10.0.0.2",
        "10.0.0.2:443",
        "010.0.0.2",
        "demo.tencentcloudcr.com",
        "vpc-",
        "",
    ];
    let said: Vec<String> = refused.iter().map(|address| errors(address)).collect();
    assert!(said.iter().all(|it| !it.is_empty()), "{said:?}");
    expect![[r#"
        error spec.tcr.privateNetwork.address: "8.8.8.8" is a public address; a private link has one of RFC 1918, 100.64.0.0/10 or fc00::/7
        error spec.tcr.privateNetwork.address: "2400::1" is a public address; a private link has one of RFC 1918, 100.64.0.0/10 or fc00::/7
        error spec.tcr.privateNetwork.address: "127.0.0.1" is a loopback address
        error spec.tcr.privateNetwork.address: "169.254.0.23" is a link-local address
        error spec.tcr.privateNetwork.address: "100.100.100.200" is instance metadata of a cloud
        error spec.tcr.privateNetwork.address: "::ffff:10.0.0.2" is an IPv4 address in IPv6 form: write it as IPv4
        error spec.tcr.privateNetwork.address: "10.0.0.2:443" is not a literal address such as 10.0.0.2 or fd00::2, nor a VPC's id such as vpc-dg284imq
        error spec.tcr.privateNetwork.address: "010.0.0.2" is not a literal address such as 10.0.0.2 or fd00::2, nor a VPC's id such as vpc-dg284imq
        error spec.tcr.privateNetwork.address: "demo.tencentcloudcr.com" is not a literal address such as 10.0.0.2 or fd00::2, nor a VPC's id such as vpc-dg284imq
        error spec.tcr.privateNetwork.address: "vpc-" is not a literal address such as 10.0.0.2 or fd00::2, nor a VPC's id such as vpc-dg284imq
        error spec.tcr.privateNetwork.address: "" is not a literal address such as 10.0.0.2 or fd00::2, nor a VPC's id such as vpc-dg284imq
    "#]].assert_eq(&said.concat());
    check_spec(
        tcr(json!({ "privateNetwork": { "vpcId": "vpc-a", "address": "10.0.0.2" } })),
        expect![[r#"
            error spec.tcr.privateNetwork.address: is set together with vpcId, whose link it takes the place of; name the nodes' VPCs in vpcIds, or none
            warning spec.tcr.privateNetwork.address: has no effect while resolve is false
        "#]],
    );
}

#[test]
fn every_mistake_is_found_at_once_in_the_order_of_the_fields() {
    let spec = json!({
        "namespaces": "A",
        "serviceAccounts": "B",
        "namespaceSelector": { "matchLabels": { "a b": "" } },
        "docker": { "password": "hunter2" },
        "tcr": { "domains": ["x"], "privateNetwork": { "vpcId": "x" } },
    });
    expect![[r#"
        error metadata.name: "Demo" must be lower-case letters, digits, hyphens and dots, each part between dots beginning and ending with a letter or digit
        error spec.namespaces: "A" is not a name, a glob or an exclusion: names are lower case
        error spec.serviceAccounts: "B" is not a name, a glob or an exclusion: names are lower case
        error spec.namespaceSelector.matchLabels: the key "a b" must be letters, digits, hyphens, underscores and dots, beginning and ending with a letter or digit
        error spec: both docker and tcr are set; keep one of them
        error spec.docker.server: is empty; name the registry's host, such as demo.tencentcloudcr.com
        error spec.docker.username: is empty; name the user that the password belongs to
        error spec.tcr.instanceId: is empty; set an instance id such as tcr-dg284imq
        error spec.tcr.region: is empty; set the instance's region, such as ap-guangzhou
        error spec.tcr.credential.description: is not set, and the default needs the cluster's id, which is unknown; set a description, or the chart's global.cluster.id
        error spec.tcr.domains[0]: "x" is not under tencentcloudcr.com; correct it, or allow its root domain (allowedRoots)
        error spec.tcr.privateNetwork.vpcId: "x" is not a VPC's id: vpc- and lower-case letters or digits, such as vpc-dg284imq
        warning spec.docker.password: is readable by everyone who may read the object; put it into a Secret of tcr-assistant-system and name that in passwordSecretRef
    "#]].assert_eq(&findings("Demo", spec));
}

#[test]
fn the_nearest_name_is_one_that_could_be_meant() {
    let known = ["namespaces", "serviceAccounts", "namespaceSelector", "docker", "tcr"];
    let cases = [
        ("namespace", Some("namespaces")),
        ("serviceaccounts", Some("serviceAccounts")),
        ("service_accounts", Some("serviceAccounts")),
        ("dokcer", Some("docker")),
        ("tcr ", Some("tcr")),
        ("trc", Some("tcr")),
        ("registry", None),
        ("", None),
    ];
    for (unknown, expected) in cases {
        assert_eq!(nearest(unknown, &known), expected, "{unknown}");
    }
    assert_eq!(nearest(&"n".repeat(1_000_000), &known), None);
    for known in [["b.com", "a.com"], ["a.com", "b.com"]] {
        assert_eq!(nearest("x.com", &known), Some("a.com"), "whatever the order");
    }
}

#[test]
fn mistakes_of_selectors_and_warnings_of_lists_are_bounded() {
    let labels: serde_json::Map<String, Value> =
        (0..1000).map(|number| (format!("-{number}"), "v".into())).collect();
    let mut spec = tcr(json!({}));
    spec["namespaceSelector"] = json!({ "matchLabels": labels });
    spec["namespaces"] = (0..1000).map(|number| format!("a.{number}")).collect::<Vec<_>>().join(",").into();
    let told = findings("demo", spec);
    assert_eq!(told.lines().filter(|line| line.starts_with("error ")).count(), MOST_ERRORS + 1, "{told}");
    assert_eq!(told.lines().filter(|line| line.starts_with("warning ")).count(), MOST_ERRORS + 1, "{told}");
    assert!(told.contains("error spec.namespaceSelector: more than 20 mistakes in all"), "{told}");
}

#[test]
fn lists_and_selectors_that_are_too_large_are_refused_without_being_read() {
    let mut spec = tcr(json!({}));
    spec["namespaces"] = "A,".repeat(32_769).into();
    spec["serviceAccounts"] = "a,".repeat(32_768).into();
    spec["namespaceSelector"] = json!({
        "matchLabels": { "a": "b" },
        "matchExpressions": [{ "key": "k", "operator": "In", "values": vec!["-"; 1023] }],
    });
    check_spec(
        spec,
        expect![[r#"
            error spec.namespaces: has 65538 bytes, and at most 65536 are allowed; select by a glob or by namespaceSelector
            error spec.namespaceSelector: has 1025 labels and values, and at most 1024 are allowed; give the namespaces one label that says the same
        "#]],
    );
}

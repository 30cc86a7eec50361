use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::*;
use crate::validate_settings;

#[track_caller]
fn check(settings: Value, expected: Expect) {
    let response: Value =
        serde_json::from_slice(&validate_settings(settings.to_string().as_bytes())).expect("JSON");
    let lines = match (response["valid"].as_bool(), response["message"].as_str()) {
        (Some(true), None) => "valid".to_owned(),
        (Some(false), Some(message)) => message.replace("; ", "\n") + "\n",
        _ => panic!("neither valid nor a message: {response}"),
    };
    expected.assert_eq(&lines);
}

#[test]
fn good_settings_are_valid() {
    check(json!({}), expect!["valid"]);
    check(Value::Null, expect!["valid"]);
    check(json!({"registries": null, "discover": null, "declared": null}), expect!["valid"]);
    check(
        json!({
            "registries": [
                {"name": "demo", "hosts": ["demo.tencentcloudcr.com", "demo-vpc.tencentcloudcr.com"], "namespaces": "*",
                 "serviceAccounts": "a,!b*", "namespaceSelector": {}},
                {"name": "again", "hosts": ["demo.tencentcloudcr.com:443"], "namespaces": "_",
                 "namespaceSelector": {"matchLabels": {"team": "x"}, "matchExpressions": [{"key": "tier", "operator": "Exists"}]}},
            ],
            "discover": true, "onDiscoveryFailure": "reject", "declared": "ignore", "protect": "off",
            "allowedRoots": ["tencentcloudcr.com", "registry.example.com"],
            "controllerUsernames": ["system:serviceaccount:other:manager"], "clusterId": "cls-1a2b3c4d",
            "clusterRegion": "ap-nanjing",
        }),
        expect!["valid"],
    );
}

#[test]
fn every_mistake_is_found_at_once() {
    check(
        json!({
            "registry": [],
            "registries": [
                {"name": "demo", "hosts": ["https://demo.tencentcloudcr.com", 7], "namespace": "*"},
                {"name": "demo", "hosts": [], "namespaces": "a b", "serviceAccounts": 1},
                {"name": "Demo_1", "hosts": "demo.tencentcloudcr.com"},
                {"hosts": ["demo.tencentcloudcr.com"], "namespaceSelector": {"matchExpressions": [{"key": "k", "operator": "Is"}]}},
                "demo",
                {"name": "x", "hosts": ["x.tencentcloudcr.com"], "namespaceSelector": {"matchLabels": 1}},
            ],
            "discover": "yes", "onDiscoveryFailure": "deny", "declared": "wran", "protect": 1,
            "allowedRoots": ["*.tencentcloudcr.com", "a.example.com:1", 2], "controllerUsernames": [""], "clusterId": "tke",
            "clusterRegion": "nj",
        }),
        expect![[r#"
            registry: unknown field
            did you mean "registries"?
            registries[0].namespace: unknown field
            did you mean "namespaces"?
            registries[0].hosts[0]: "https://demo.tencentcloudcr.com" is not a registry host: leave out the scheme and its ://
            registries[0].hosts[1]: 7 is not a string
            registries[1].name: "demo" is already the name of registries[0]
            registries[1].hosts: names no host
            list the registry's hosts, such as demo.tencentcloudcr.com
            registries[1].serviceAccounts: 1 is not a string
            registries[1].namespaces: "a b" is not a name, a glob or an exclusion: it contains a blank
            separate names with commas
            registries[2].hosts: "demo.tencentcloudcr.com" is not a list
            registries[2].name: "Demo_1" must be lower-case letters, digits, hyphens and dots, each part between dots beginning and ending with a letter or digit
            registries[3].name: is empty
            the Secret is named after it
            registries[3].namespaceSelector.matchExpressions[0].operator: "Is" is not one of In, NotIn, Exists, DoesNotExist
            registries[4]: "demo" is not an object
            registries[5].namespaceSelector.matchLabels: is not an object
            discover: "yes" is not true or false
            onDiscoveryFailure: "deny" is not one of allow, reject
            declared: "wran" is not one of ignore, warn, reject
            protect: 1 is not one of off, warn, reject
            allowedRoots[2]: 2 is not a string
            allowedRoots[0]: "*.tencentcloudcr.com" is not a domain: '*' is not allowed in a host
            use letters, digits, hyphens and dots
            allowedRoots[1]: "a.example.com:1" has a port, and a root domain has none
            controllerUsernames[0]: "" is not a user name
            clusterId: "tke" is not a cluster's id, such as "cls-1a2b3c4d"
            clusterRegion: "nj" is not a region, such as "ap-guangzhou"
        "#]],
    );
    check(
        json!({"registries": {"name": "demo"}, "allowedRoots": "tencentcloudcr.com"}),
        expect![[r#"
        registries: an object is not a list
        allowedRoots: "tencentcloudcr.com" is not a list
    "#]],
    );
}

#[test]
fn unknown_fields_are_refused_with_the_nearest_name() {
    check(
        json!({"Registries": []}),
        expect![[r#"
        Registries: unknown field
        did you mean "registries"?
    "#]],
    );
    check(
        json!({"protekt": "off"}),
        expect![[r#"
        protekt: unknown field
        did you mean "protect"?
    "#]],
    );
    check(
        json!({"somethingElse": 1}),
        expect![[r#"
        somethingElse: unknown field
        the fields are registries, discover, onDiscoveryFailure, declared, protect, allowedRoots, allowedAliases, allowedRoles, controllerUsernames, clusterId, clusterRegion, tenants
    "#]],
    );
    check(
        json!({"registries": [{"name": "demo", "hosts": ["a.example.com"], "serviceAccount": "x"}]}),
        expect![[r#"
            registries[0].serviceAccount: unknown field
            did you mean "serviceAccounts"?
        "#]],
    );
}

#[test]
fn a_tenant_says_who_and_what_and_nothing_that_only_looks_like_it() {
    check(
        json!({"tenants": [
            {"name": "platform", "groups": ["platform"], "namespaces": ["*"], "registryNamespaces": ["*"], "conflictPolicies": ["*"]},
            {"name": "team-a", "users": ["jane", "system:serviceaccount:team-a:deployer"], "namespaces": ["team-a", "team-a-*"],
             "namespaceLabels": {"tenant": "a"}, "registryNamespaces": ["team-a", "base"], "instanceIds": ["tcr-1a2b3c4d"],
             "conflictPolicies": ["adopt"]},
        ]}),
        expect!["valid"],
    );
    check(json!({"tenants": []}), expect!["valid"]);
    check(
        json!({"tenants": {"name": "a"}}),
        expect![[r#"
        tenants: an object is not a list
    "#]],
    );
    check(
        json!({"tenants": [
            {},
            "team-a",
            {"name": 1, "user": "jane", "users": "jane", "groups": [""], "namespaces": ["team-?", "*-a", "a,b", "!c", ""],
             "namespaceLabels": {"tenant": 1}, "registryNamespaces": ["team-a", 2], "instanceIds": "any", "conflictPolicies": ["take", "adopt"]},
        ]}),
        expect![[r#"
            tenants[0].name: is empty
            tenants[0].users: is empty
            tenants[0].namespaces: is empty
            tenants[0].registryNamespaces: is empty
            tenants[1]: "team-a" is not an object
            tenants[2].user: unknown field
            did you mean "users"?
            tenants[2].name: 1 is not a string
            tenants[2].users: "jane" is not a list
            tenants[2].groups[0]: "" is not a user name
            tenants[2].namespaces[0]: "team-?" is not a name, nor the beginning of names before a *
            tenants[2].namespaces[1]: "*-a" is not a name, nor the beginning of names before a *
            tenants[2].namespaces[2]: "a,b" is not a name, nor the beginning of names before a *
            tenants[2].namespaces[3]: "!c" is not a name, nor the beginning of names before a *
            tenants[2].namespaces[4]: "" is not a name, nor the beginning of names before a *
            tenants[2].namespaceLabels: an object is not a map of labels to their values
            tenants[2].registryNamespaces[1]: 2 is not a string
            tenants[2].instanceIds: "any" is not a list
            tenants[2].conflictPolicies: "take" is not one of never, adopt, overwrite, *
        "#]],
    );
}

#[test]
fn what_is_no_object_is_refused() {
    check(
        json!([]),
        expect![[r#"
        settings: a list is not an object
    "#]],
    );
    let response = validate_settings(b"{\"registries\":");
    expect![[
        r#"{"valid":false,"message":"cannot read the settings: malformed JSON at byte 14: expected a value"}"#
    ]]
    .assert_eq(&String::from_utf8_lossy(&response));
}

#[test]
fn the_readmes_table_has_every_setting() {
    let readme = include_str!("../../README.md");
    let rows: Vec<&str> =
        readme.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let mut fields = Vec::new();
    for field in declared::NAMES {
        fields.push((*field).to_owned());
        if *field == "registries" {
            fields.extend(declared::REGISTRY_NAMES.iter().map(|field| format!("registries[].{field}")));
        }
        if *field == "tenants" {
            fields.extend(declared::TENANT_NAMES.iter().map(|field| format!("tenants[].{field}")));
        }
    }
    assert_eq!(rows, fields);
}

#[test]
fn the_readmes_defaults_and_words_are_the_codes() {
    let used = |settings: &str| {
        let wanted = Wanted::default();
        Settings::read(settings.as_bytes(), Some(0), &wanted).map(|mut settings| {
            // Which setting stands before which one says nothing.
            settings.texts.sort_by_key(|(setting, _)| *setting as usize);
            format!("{settings:?}")
        })
    };
    let nothing = used("{}").expect("{} is valid");
    let readme = include_str!("../../README.md");
    let (mut defaults, mut words) = (0, 0);
    for row in readme.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [field, default, meaning] = cells[..] else { continue };
        let field = field.trim_matches('`');
        if let Some(default) = default.strip_prefix('`').and_then(|it| it.strip_suffix('`')) {
            let value = match default.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
                Some(items) => json!(items.split(", ").collect::<Vec<_>>()),
                None => default.parse::<bool>().map_or_else(|_| json!(default), Value::from),
            };
            let written = used(&json!({field: value}).to_string());
            assert_eq!(written.ok().as_ref(), Some(&nothing), "{field}: {default}");
            defaults += 1;
        }
        if ["onDiscoveryFailure", "declared", "protect"].contains(&field) {
            for word in meaning.split('`').skip(1).step_by(2) {
                assert!(used(&json!({field: word}).to_string()).is_ok(), "{field}: {word}");
                words += 1;
            }
        }
    }
    assert_eq!((defaults, words), (6, 8));
}

#[test]
fn prepared_settings_say_the_same() {
    let settings = json!({
        "registries": [
            {"name": "b", "hosts": ["B.example.com", "both.example.com"], "namespaces": "x,!y*"},
            {"name": "a", "hosts": ["a.example.com", "both.example.com", "both.example.com"], "namespaceSelector": {"matchLabels": {"k": "v"}}},
            {"name": "c", "hosts": ["c.example.com:5000"], "serviceAccounts": "builder"},
        ],
        "discover": true, "onDiscoveryFailure": "reject", "declared": "ignore", "protect": "off",
        "allowedRoots": ["example.com"], "controllerUsernames": ["me"], "clusterId": "",
    })
    .to_string();
    let prepared = Prepared::read(settings.as_bytes()).expect("they are valid");
    let sources = [Source::Payload(settings.as_bytes(), Some(0)), Source::Prepared(&prepared)];
    let wants = [
        Wanted::default(),
        Wanted { hosts: &["b.example.com", "docker.io"], ..Wanted::default() },
        Wanted { hosts: &["C.example.com:5000", "both.example.com"], ..Wanted::default() },
        Wanted { names: &["a", "mine", "z"], ..Wanted::default() },
        Wanted { hosts: &["a.example.com"], names: &["b"], ..Wanted::default() },
        Wanted { all: true, ..Wanted::default() },
    ];
    for wanted in wants {
        let [written, read_before] = sources.map(|source| {
            let mut settings = source.settings(&wanted).expect("they are valid");
            settings.registries.iter_mut().for_each(|registry| registry.hosts.dedup());
            format!("{settings:#?}")
        });
        assert_eq!(written, read_before, "{wanted:?}");
    }
    for source in sources {
        let mut hosts = Vec::new();
        source.each_host(&mut |host| hosts.push(host.to_ascii_lowercase())).expect("they are valid");
        hosts.sort();
        hosts.dedup();
        assert_eq!(hosts, ["a.example.com", "b.example.com", "both.example.com", "c.example.com:5000"]);
        let wanted = Wanted { all: true, ..Wanted::default() };
        let mut registries = source.settings(&wanted).expect("they are valid").registries;
        registries.iter_mut().for_each(|registry| registry.name.insert(0, 'z'));
        registries[1].name = "a".to_owned();
        registries[0].name = "a".to_owned();
        let before = registries.len();
        source.without_own(&mut registries, 1).expect("they are valid");
        assert_eq!(registries.len(), before - 1);
        assert!(registries[0].name == "a" && registries[1..].iter().all(|it| it.name.starts_with('z')));
    }
}

#[test]
fn only_wanted_registries_are_read() {
    // The second one could not be read; nobody asks for it.
    let payload = json!({"registries": [
        {"name": "a", "hosts": ["a.example.com"]},
        {"name": "b", "hosts": ["b.example.com"], "namespaces": "??!"},
    ]})
    .to_string();
    let names = |hosts: &[&str], names: &[&str], all| {
        let wanted = Wanted { hosts, names, all, ..Wanted::default() };
        let settings = Settings::read(payload.as_bytes(), Some(0), &wanted);
        settings.map(|settings| {
            settings.registries.iter().map(|registry| registry.secret.clone()).collect::<Vec<_>>()
        })
    };
    assert_eq!(names(&["a.example.com", "docker.io"], &[], false).ok(), Some(vec!["tcr.ipsa".to_owned()]));
    assert_eq!(names(&[], &["a", "mine"], false).ok(), Some(vec!["tcr.ipsa".to_owned()]));
    assert_eq!(names(&["docker.io"], &[], false).ok(), Some(vec![]));
    assert!(names(&["B.example.com"], &[], false).is_err());
    assert!(names(&[], &[], true).is_err());
}

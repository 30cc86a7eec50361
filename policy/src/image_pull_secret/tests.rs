use expect_test::{Expect, expect};
use serde_json::{Value, json};

use crate::cluster::tests::{Objects, Unreachable};
use crate::tests::{check, check_with, demo, request};

fn object(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "tcr.tencentcloudcr.com/v1", "kind": "ImagePullSecret", "metadata": {"name": name}, "spec": spec})
}

fn create(name: &str, spec: Value) -> Value {
    request("CREATE", object(name, spec))
}

fn update(old: Value, new: Value) -> Value {
    let mut request = request("UPDATE", object("demo", new));
    request["oldObject"] = object("demo", old);
    request
}

fn instance() -> Value {
    json!({"tcr": {"instanceId": "tcr-1a2b3c4d", "region": "ap-guangzhou"}})
}

fn docker(server: &str) -> Value {
    json!({"docker": {"server": server, "username": "u", "passwordSecretRef": {"name": "p", "key": "password"}}})
}

fn by(mut request: Value, username: &str, groups: &[&str]) -> Value {
    request["userInfo"] = json!({"username": username, "groups": groups});
    request
}

fn tenants() -> Value {
    json!({"tenants": [
        {"name": "platform", "groups": ["platform"], "namespaces": ["*"], "registryNamespaces": ["*"], "conflictPolicies": ["*"]},
        {"name": "team-a", "users": ["jane"], "namespaces": ["team-a"], "registryNamespaces": ["team-a"]},
    ]})
}

fn of_team_a() -> Value {
    json!({"namespaces": "team-a", "tcr": {"instanceId": "tcr-1a2b3c4d", "region": "ap-guangzhou",
        "credential": {"type": "serviceAccount", "registryNamespaces": ["team-a"]}}})
}

#[test]
fn who_is_no_tenant_writes_nothing_and_a_tenant_what_is_its_own() {
    let is = |request: Value, expected: Expect| check(request, tenants(), expected);
    is(
        by(create("demo", of_team_a()), "jane", &[]),
        expect![[r#"
        accepted
    "#]],
    );
    is(
        by(create("demo", instance()), "jane", &["platform"]),
        expect![[r#"
        accepted
    "#]],
    );
    is(
        by(create("demo", instance()), "jane", &["developers"]),
        expect![[r#"
        rejected 403: ImagePullSecret "demo": spec.namespaces goes beyond the namespaces of the tenant "team-a": team-a
    "#]],
    );
    is(
        by(create("demo", of_team_a()), "john", &["developers"]),
        expect![[r#"
        rejected 403: ImagePullSecret "demo": "john" is no user of the setting tenants, nor any of their groups; ask the cluster's administrators
    "#]],
    );
    is(
        create("demo", of_team_a()),
        expect![[r#"
        rejected 403: ImagePullSecret "demo": "kubernetes-admin" is no user of the setting tenants, nor any of their groups; ask the cluster's administrators
    "#]],
    );
    // Nor over, nor away, what is not its own.
    is(
        by(update(instance(), of_team_a()), "jane", &[]),
        expect![[r#"
        rejected 403: ImagePullSecret "demo", as it is: spec.namespaces goes beyond the namespaces of the tenant "team-a": team-a
    "#]],
    );
    is(
        by(update(of_team_a(), instance()), "jane", &[]),
        expect![[r#"
        rejected 403: ImagePullSecret "demo": spec.namespaces goes beyond the namespaces of the tenant "team-a": team-a
    "#]],
    );
    is(
        by(request("DELETE", object("demo", instance())), "jane", &[]),
        expect![[r#"
        rejected 403: ImagePullSecret "demo", as it is: spec.namespaces goes beyond the namespaces of the tenant "team-a": team-a
    "#]],
    );
    is(
        by(request("DELETE", object("demo", of_team_a())), "jane", &[]),
        expect![[r#"
        accepted
    "#]],
    );
    // A finalizer is not looked at, but whoever deletes may not widen meanwhile.
    let mut deleting = by(update(of_team_a(), instance()), "jane", &[]);
    deleting["object"]["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    is(
        deleting,
        expect![[r#"
        rejected 403: ImagePullSecret "demo": spec.namespaces goes beyond the namespaces of the tenant "team-a": team-a
    "#]],
    );
    // What nobody can read is nobody's.
    let unreadable = json!({"namespaces": 7});
    let mut update = update(unreadable.clone(), unreadable);
    update["object"]["metadata"]["labels"] = json!({"a": "b"});
    is(
        by(update, "jane", &[]),
        expect![[r#"
        rejected 403: ImagePullSecret "demo", as it is: cannot be read
    "#]],
    );
}

#[test]
fn the_add_on_kubernetes_and_whoever_changes_nothing_are_no_tenants() {
    let settings = tenants();
    let users = [
        ("system:serviceaccount:tcr-assistant-system:tcr-assistant-manager", [""]),
        ("system:serviceaccount:kube-system:generic-garbage-collector", [""]),
        ("system:kube-controller-manager", [""]),
        ("kubernetes-admin", ["system:masters"]),
    ];
    for (username, groups) in users {
        let mut update = update(instance(), instance());
        update["object"]["metadata"]["finalizers"] = json!(["tcr.tencentcloudcr.com/cleanup"]);
        check(
            by(update, username, &groups),
            settings.clone(),
            expect![[r#"
                accepted
            "#]],
        );
    }
    check(
        by(update(instance(), instance()), "storage-version-migrator", &[]),
        settings,
        expect![[r#"
            accepted
        "#]],
    );
    let mut settings = tenants();
    settings["controllerUsernames"] = json!(["me"]);
    check(
        by(create("demo", instance()), "me", &[]),
        settings,
        expect![[r#"
        accepted
    "#]],
    );
}

#[test]
fn settings_of_tenants_that_are_not_valid_let_nobody_in() {
    for tenants in [
        json!("all"),
        json!({}),
        json!([7]),
        json!([{"users": "jane", "namespaces": "*", "registryNamespaces": "*"}]),
    ] {
        let request = by(create("demo", of_team_a()), "jane", &[]);
        check(
            request,
            json!({"tenants": tenants}),
            expect![[r#"
                rejected 403: ImagePullSecret "demo": "jane" is no user of the setting tenants, nor any of their groups; ask the cluster's administrators
            "#]],
        );
    }
}

#[test]
fn good_ones_are_accepted() {
    check(
        create("demo", instance()),
        demo(),
        expect![[r#"
        accepted
    "#]],
    );
    check(
        create("demo", docker("demo.tencentcloudcr.com")),
        demo(),
        expect![[r#"
        accepted
    "#]],
    );
    check(
        create("demo", docker("registry.example.com")),
        json!({"allowedRoots": ["example.com"]}),
        expect![[r#"
            accepted
        "#]],
    );
}

#[test]
fn every_reason_is_told_at_once() {
    let spec = json!({"namespaces": "a b", "docker": {"server": "https://eviltencentcloudcr.com", "username": ""},
        "tcr": {"instanceId": "tcr_1", "region": "guangzhou"}});
    check(
        create("Demo", spec),
        demo(),
        expect![[r#"
        rejected 422: ImagePullSecret "Demo": metadata.name: "Demo" must be lower-case letters, digits, hyphens and dots, each part between dots beginning and ending with a letter or digit; spec.namespaces: "a b" is not a name, a glob or an exclusion: it contains a blank; separate names with commas; spec: both docker and tcr are set; keep one of them; spec.docker.server: "https://eviltencentcloudcr.com" is not a registry host: leave out the scheme and its ://; spec.docker.username: is empty; name the user that the password belongs to; spec.docker: neither password nor passwordSecretRef is set; set passwordSecretRef to a Secret that holds the password; spec.tcr.instanceId: "tcr_1" is not an instance id: tcr- and lower-case letters or digits, such as tcr-dg284imq; spec.tcr.region: "guangzhou" is not a region such as ap-guangzhou or ap-shanghai-fsi
    "#]],
    );
    check(
        create("demo", docker("demo.eviltencentcloudcr.com")),
        demo(),
        expect![[r#"
        rejected 422: ImagePullSecret "demo": spec.docker.server: "demo.eviltencentcloudcr.com" is not under tencentcloudcr.com; correct it, or allow its root domain (allowedRoots)
    "#]],
    );
    check(
        create("demo", json!({"tcr": {"instanceID": "tcr-1a2b3c4d"}, "namespaces": 7})),
        demo(),
        expect![[r#"
            rejected 422: ImagePullSecret "demo": spec.namespaces: expected a string, found the number 7; spec.tcr.instanceID: unknown field, did you mean instanceId?
        "#]],
    );
}

#[test]
fn a_plain_password_is_warned_of_and_not_repeated() {
    let spec = json!({"docker": {"server": "demo.tencentcloudcr.com", "username": "u", "password": "hunter2hunter2"}});
    check(
        create("demo", spec),
        demo(),
        expect![[r#"
        accepted
          warning: spec.docker.password: is readable by everyone who may read the object; put it into a Secret of tcr-assistant-system and name that in passwordSecretRef
    "#]],
    );
}

#[test]
fn a_description_is_needed_where_nobody_knows_the_cluster() {
    check(
        create("demo", instance()),
        json!({"clusterId": ""}),
        expect![[r#"
        rejected 422: ImagePullSecret "demo": spec.tcr.credential.description: is not set, and the default needs the cluster's id, which is unknown; set a description, or the chart's global.cluster.id
    "#]],
    );
    check(
        create("demo", instance()),
        json!({"clusterId": "cls-1a2b3c4d"}),
        expect![[r#"
        accepted
    "#]],
    );
    let mut described = instance();
    described["tcr"]["credential"] = json!({"description": "pulls of the test cluster"});
    check(
        create("demo", described),
        json!({"clusterId": ""}),
        expect![[r#"
        accepted
    "#]],
    );
}

#[test]
fn what_was_admitted_before_is_only_warned_of_while_it_stays() {
    let broken = docker("https://demo.tencentcloudcr.com");
    check(
        update(broken.clone(), broken.clone()),
        demo(),
        expect![[r#"
        accepted
          warning: spec.docker.server: "https://demo.tencentcloudcr.com" is not a registry host: leave out the scheme and its ://
    "#]],
    );
    check(
        update(docker("demo.tencentcloudcr.com"), broken.clone()),
        demo(),
        expect![[r#"
        rejected 422: ImagePullSecret "demo": spec.docker.server: "https://demo.tencentcloudcr.com" is not a registry host: leave out the scheme and its ://
    "#]],
    );
    let mut deleting = update(docker("demo.tencentcloudcr.com"), broken);
    deleting["object"]["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    check(
        deleting,
        demo(),
        expect![[r#"
        accepted
    "#]],
    );
}

#[test]
fn a_switched_instance_leaves_its_credential_behind() {
    let mut other = instance();
    other["tcr"]["instanceId"] = json!("tcr-99999999");
    check(
        update(instance(), other.clone()),
        demo(),
        expect![[r#"
        accepted
          warning: spec.tcr.instanceId: changes from "tcr-1a2b3c4d" to "tcr-99999999", and the long-term credential of "tcr-1a2b3c4d" stays valid; delete it in the TCR console when no Pod uses it any more
    "#]],
    );
    check(
        update(instance(), docker("demo.tencentcloudcr.com")),
        json!({}),
        expect![[r#"
        accepted
          warning: spec.tcr.instanceId: changes from "tcr-1a2b3c4d" to a static credential, and the long-term credential of "tcr-1a2b3c4d" stays valid; delete it in the TCR console when no Pod uses it any more
    "#]],
    );
    let mut temporary = instance();
    temporary["tcr"]["credential"] = json!({"type": "temp"});
    check(
        update(temporary, other),
        demo(),
        expect![[r#"
        accepted
    "#]],
    );
}

#[test]
fn deletion_tells_what_stays() {
    let delete = |spec: Value| {
        let mut object = object("demo", spec);
        object["status"] = json!({"tokenId": "token-7"});
        request("DELETE", object)
    };
    check(
        delete(instance()),
        demo(),
        expect![[r#"
        accepted
          warning: the ImagePullSecret "demo" is deleted, and its credential "token-7" stays valid in "tcr-1a2b3c4d"; delete it in the TCR console, or next time set spec.tcr.credential.onDelete to Revoke first
    "#]],
    );
    let mut revoked = instance();
    revoked["tcr"]["credential"] = json!({"onDelete": "Revoke"});
    check(
        delete(revoked),
        demo(),
        expect![[r#"
        accepted
    "#]],
    );
    check(
        delete(docker("demo.tencentcloudcr.com")),
        demo(),
        expect![[r#"
        accepted
    "#]],
    );
}

#[test]
fn service_accounts_of_one_registry_may_stand_beside_each_other_and_anything_else() {
    let accepted = |spec: Value, other: Value| {
        check_with(
            create("second", spec),
            json!({"discover": true}),
            &Objects::new([object("first", other)]),
            expect![[r#"
                accepted
            "#]],
        );
    };
    let mut of_team_b = of_team_a();
    of_team_b["tcr"]["credential"]["registryNamespaces"] = json!(["team-b"]);
    accepted(of_team_a(), of_team_b);
    accepted(of_team_a(), instance());
    accepted(instance(), of_team_a());
}

#[test]
fn a_second_one_for_the_same_registry_is_refused_by_name() {
    let settings = json!({"discover": true});
    let in_namespaces = |mut spec: Value, namespaces: &str| {
        spec["namespaces"] = json!(namespaces);
        spec
    };
    let cluster = Objects::new([
        object("first", in_namespaces(docker("demo.tencentcloudcr.com"), "a,b")),
        object("second", instance()),
    ]);
    let again = docker("demo.tencentcloudcr.com");
    check_with(
        create("third", again.clone()),
        settings.clone(),
        &cluster,
        expect![[r#"
        rejected 422: ImagePullSecret "third": spec: the registry host "demo.tencentcloudcr.com" already belongs to the ImagePullSecret "first"; change that one, or give both namespaces by name, without overlap
    "#]],
    );
    check_with(
        create("third", in_namespaces(again.clone(), "c,d")),
        settings.clone(),
        &cluster,
        expect![[r#"
            accepted
        "#]],
    );
    check_with(
        create("third", in_namespaces(again.clone(), "b,c")),
        settings.clone(),
        &cluster,
        expect![[r#"
            rejected 422: ImagePullSecret "third": spec: the registry host "demo.tencentcloudcr.com" already belongs to the ImagePullSecret "first"; change that one, or give both namespaces by name, without overlap
        "#]],
    );
    check_with(
        create("first", again.clone()),
        settings.clone(),
        &cluster,
        expect![[r#"
        accepted
    "#]],
    );
    check_with(
        create("third", instance()),
        settings.clone(),
        &cluster,
        expect![[r#"
        rejected 422: ImagePullSecret "third": spec: the instance "tcr-1a2b3c4d" already belongs to the ImagePullSecret "second"; change that one, or give both namespaces by name, without overlap
    "#]],
    );
    check_with(
        create("third", again.clone()),
        settings,
        &Unreachable,
        expect![[r#"
        accepted
          warning: cannot list the ImagePullSecrets: connection refused; what they say is not applied to this request
          undecided: cannot list the ImagePullSecrets: connection refused
    "#]],
    );
    let settings = json!({"discover": true, "onDiscoveryFailure": "reject"});
    check_with(
        create("third", again.clone()),
        settings,
        &Unreachable,
        expect![[r#"
        rejected 503: cannot list the ImagePullSecrets: connection refused; try again, or ask the cluster's administrator
    "#]],
    );
    check(
        create("third", again),
        demo(),
        expect![[r#"
        accepted
          warning: spec: the registry host "demo.tencentcloudcr.com" also belongs to the policy's registry "demo"
    "#]],
    );
}

#[test]
fn status_writes_are_not_judged() {
    let mut status = create("demo", json!({}));
    status["subResource"] = json!("status");
    check(
        status,
        demo(),
        expect![[r#"
        accepted
    "#]],
    );
}

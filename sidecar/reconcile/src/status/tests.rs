use expect_test::{Expect, expect};

use super::*;
use crate::link_requests::LastLink;
use crate::nodes::{Affected, Fault};

fn facts(before: &ImagePullSecretStatus) -> Facts<'_> {
    Facts {
        name: "demo",
        generation: 3,
        deleting: false,
        invalid: None,
        sum: Tally {
            secrets_desired: 2,
            secrets_success: 2,
            accounts_desired: 3,
            accounts_success: 3,
            ..Tally::default()
        },
        hosts: &[],
        has_credential: true,
        has_content: true,
        can_push: None,
        replaced: None,
        not_ready: None,
        namespaces: Vec::new(),
        standing: None,
        pending: None,
        token_id: None,
        expires_at: None,
        identity: None,
        conflict: None,
        contested: None,
        resolves: None,
        link: None,
        nodes: None,
        request: None,
        failures: Vec::new(),
        before,
        now: Timestamp::from_second(1_800_000_000).unwrap(),
    }
}

#[track_caller]
fn check(facts: &Facts<'_>, expected: Expect) {
    let lines: Vec<String> = status(facts)
        .conditions
        .iter()
        .map(|it| format!("{} {} {}: {}", it.type_, it.status, it.reason, it.message))
        .collect();
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn everything_is_there() {
    check(
        &facts(&ImagePullSecretStatus::default()),
        expect![[r#"
        Ready True Ready: 2 of 2 namespaces have the Secret tcr.ipsdemo, 3 of 3 ServiceAccounts refer to it
        CredentialValid True Valid: there is a credential
        Distributed True Complete: 2 of 2 namespaces have the Secret tcr.ipsdemo, 3 of 3 ServiceAccounts refer to it
        Conflicts False None: no Secret of somebody else is in the way"#]],
    );
}

#[test]
fn the_first_thing_that_is_missing_is_why_it_is_not_ready() {
    let before = ImagePullSecretStatus::default();
    let sum = Tally {
        secrets_desired: 2,
        secrets_success: 1,
        accounts_desired: 3,
        conflicts: 1,
        ..Tally::default()
    };
    check(
        &Facts { sum, conflict: Some("shop"), ..facts(&before) },
        expect![[r#"
        Ready False Conflicts: 1 of 2 namespaces have the Secret tcr.ipsdemo, 0 of 3 ServiceAccounts refer to it
        CredentialValid True Valid: there is a credential
        Distributed False Conflicts: 1 of 2 namespaces have the Secret tcr.ipsdemo, 0 of 3 ServiceAccounts refer to it
        Conflicts True ForeignSecret: 1 namespaces, such as shop, have a Secret tcr.ipsdemo of somebody else: it is left alone; delete it, or set spec.conflictPolicy to adopt or overwrite"#]],
    );
    let not_ready = NotReady { reason: ConditionReason::NoPassword, message: "there is none".to_owned() };
    check(
        &Facts { sum, not_ready: Some(&not_ready), has_content: false, ..facts(&before) },
        expect![[r#"
        Ready False NoPassword: there is none
        CredentialValid False NoPassword: there is none
        Distributed False NoCredential: 1 of 2 namespaces have the Secret tcr.ipsdemo, 0 of 3 ServiceAccounts refer to it
        Conflicts True ForeignSecret: 1 namespaces, have a Secret tcr.ipsdemo of somebody else: it is left alone; delete it, or set spec.conflictPolicy to adopt or overwrite"#]],
    );
    let sum = Tally { leftovers: 4, ..Tally::default() };
    check(
        &Facts { sum, deleting: true, ..facts(&before) },
        expect![[r#"
        Ready False Deleting: 4 Secrets and references are left to remove
        CredentialValid True Valid: there is a credential
        Distributed False Deleting: 4 Secrets and references are left to remove
        Conflicts False None: no Secret of somebody else is in the way"#]],
    );
}

#[test]
fn what_was_refused_is_named_also_while_it_keeps_a_deletion() {
    let before = ImagePullSecretStatus::default();
    let failure = WriteFailure {
        kind: "ServiceAccount".to_owned(),
        namespaced_name: "shop/argocd-manager".to_owned(),
        message: "it is protected".to_owned(),
    };
    let sum = Tally { accounts_success: 2, ..facts(&before).sum };
    check(
        &Facts { sum, failures: vec![failure.clone()], ..facts(&before) },
        expect![[r#"
        Ready False WritesFailed: 2 of 2 namespaces have the Secret tcr.ipsdemo, 2 of 3 ServiceAccounts refer to it; some writes failed, such as ServiceAccount shop/argocd-manager: see status.failures
        CredentialValid True Valid: there is a credential
        Distributed False WritesFailed: 2 of 2 namespaces have the Secret tcr.ipsdemo, 2 of 3 ServiceAccounts refer to it; some writes failed, such as ServiceAccount shop/argocd-manager: see status.failures
        Conflicts False None: no Secret of somebody else is in the way"#]],
    );
    let sum = Tally { leftovers: 2, ..Tally::default() };
    check(
        &Facts { sum, failures: vec![failure], deleting: true, ..facts(&before) },
        expect![[r#"
        Ready False Deleting: 2 Secrets and references are left to remove; some writes failed, such as ServiceAccount shop/argocd-manager: see status.failures
        CredentialValid True Valid: there is a credential
        Distributed False Deleting: 2 Secrets and references are left to remove; some writes failed, such as ServiceAccount shop/argocd-manager: see status.failures
        Conflicts False None: no Secret of somebody else is in the way"#]],
    );
}

#[test]
fn a_credential_without_a_verdict_is_unknown_and_keeps_nobody_waiting() {
    let before = ImagePullSecretStatus::default();
    let standing = |is_valid| {
        Some(Standing {
            is_valid,
            reason: ConditionReason::Unverified,
            message: "there is no verdict".to_owned(),
        })
    };
    check(
        &Facts { standing: standing(None), ..facts(&before) },
        expect![[r#"
        Ready True Ready: 2 of 2 namespaces have the Secret tcr.ipsdemo, 3 of 3 ServiceAccounts refer to it
        CredentialValid Unknown Unverified: there is no verdict
        Distributed True Complete: 2 of 2 namespaces have the Secret tcr.ipsdemo, 3 of 3 ServiceAccounts refer to it
        Conflicts False None: no Secret of somebody else is in the way"#]],
    );
    check(
        &Facts { standing: standing(Some(false)), ..facts(&before) },
        expect![[r#"
        Ready False Unverified: there is no verdict
        CredentialValid False Unverified: there is no verdict
        Distributed True Complete: 2 of 2 namespaces have the Secret tcr.ipsdemo, 3 of 3 ServiceAccounts refer to it
        Conflicts False None: no Secret of somebody else is in the way"#]],
    );
}

#[test]
fn a_condition_that_stays_keeps_its_time() {
    let before = status(&facts(&ImagePullSecretStatus::default()));
    let later = Timestamp::from_second(1_800_000_900).unwrap();
    let same = status(&Facts { now: later, ..facts(&before) });
    assert_eq!(same, before);
    let sum = Tally { secrets_desired: 3, ..facts(&before).sum };
    let other = status(&Facts { now: later, sum, ..facts(&before) });
    let time = |status: &ImagePullSecretStatus, kind: &str| {
        status.conditions.iter().find(|it| it.type_ == kind).unwrap().last_transition_time.0.as_second()
    };
    assert_eq!(time(&other, "Ready"), 1_800_000_900);
    assert_eq!(time(&other, "CredentialValid"), 1_800_000_000);
}

fn link(resolves: bool, is_up: Option<bool>, reason: ConditionReason) -> Link {
    let message = "it is so".to_owned();
    Link {
        resolves,
        is_up,
        reason,
        message,
        vpc_id: None,
        address: None,
        hosts: Vec::new(),
        links: Vec::new(),
    }
}

/// The conditions Ready and PrivateLink, and what is told for machines.
#[track_caller]
fn check_link(facts: &Facts<'_>, expected: Expect) -> ImagePullSecretStatus {
    let status = status(facts);
    let shown = status.conditions.iter().filter(|it| ["Ready", "PrivateLink"].contains(&it.type_.as_str()));
    let shown: Vec<String> = shown.map(|it| format!("{} {} {}", it.type_, it.status, it.reason)).collect();
    let told = status.private_link.as_ref().map(|it| format!("{it:?}"));
    expected.assert_eq(&format!("{}; {}", shown.join(", "), told.unwrap_or_default()));
    status
}

#[test]
fn the_link_is_told_of_and_ready_waits_for_it_only_where_nodes_resolve_to_it() {
    let before = ImagePullSecretStatus::default();
    for (resolves, link, expected) in [
        (true, None, expect!["Ready False Pending, PrivateLink False Pending; "]),
        (false, None, expect!["Ready True Ready, PrivateLink Unknown Pending; "]),
        (
            true,
            Some(link(true, Some(false), ConditionReason::NoLink)),
            expect![[
                r#"Ready False NoLink, PrivateLink False NoLink; PrivateLinkStatus { summary: "NoLink", vpc_id: None, address: None, hosts: [], links: [] }"#
            ]],
        ),
        (
            false,
            Some(link(false, Some(false), ConditionReason::NoLink)),
            expect![[
                r#"Ready True Ready, PrivateLink False NoLink; PrivateLinkStatus { summary: "NoLink", vpc_id: None, address: None, hosts: [], links: [] }"#
            ]],
        ),
        (
            false,
            Some(link(false, None, ConditionReason::VpcUnknown)),
            expect![[
                r#"Ready True Ready, PrivateLink Unknown VpcUnknown; PrivateLinkStatus { summary: "VpcUnknown", vpc_id: None, address: None, hosts: [], links: [] }"#
            ]],
        ),
        (
            false,
            Some(Link {
                vpc_id: Some("vpc-a".to_owned()),
                address: Some([10, 0, 0, 2].into()),
                hosts: vec!["demo.tencentcloudcr.com".parse().unwrap()],
                ..link(false, Some(true), ConditionReason::Running)
            }),
            expect![[
                r#"Ready True Ready, PrivateLink True Running; PrivateLinkStatus { summary: "Running 10.0.0.2", vpc_id: Some("vpc-a"), address: Some("10.0.0.2"), hosts: ["demo.tencentcloudcr.com"], links: [] }"#
            ]],
        ),
    ] {
        check_link(&Facts { resolves: Some(resolves), link: link.as_ref(), ..facts(&before) }, expected);
    }
}

#[test]
fn of_several_links_a_person_reads_how_many_there_are_and_machines_read_each() {
    let of_vpc = |vpc_id: &str, reason, address: Option<[u8; 4]>| VpcLink {
        vpc_id: vpc_id.to_owned(),
        reason,
        address: address.map(Into::into),
    };
    let links = vec![
        of_vpc("vpc-a", ConditionReason::Running, Some([10, 1, 0, 2])),
        of_vpc("vpc-b", ConditionReason::NoLink, None),
    ];
    let several = Link { links, ..link(true, Some(false), ConditionReason::NoLink) };
    let nothing = ImagePullSecretStatus::default();
    let status = check_link(
        &Facts { resolves: Some(true), link: Some(&several), ..facts(&nothing) },
        expect![[
            r#"Ready False NoLink, PrivateLink False NoLink; PrivateLinkStatus { summary: "NoLink 1/2", vpc_id: None, address: None, hosts: [], links: [VpcLinkStatus { vpc_id: "vpc-a", reason: "Running", address: Some("10.1.0.2") }, VpcLinkStatus { vpc_id: "vpc-b", reason: "NoLink", address: None }] }"#
        ]],
    );
    let generation = status.observed_generation.unwrap();
    let last = LastLink::of(&status, generation);
    assert_eq!(last, [LastLink { vpc_id: "vpc-a".to_owned(), address: [10, 1, 0, 2].into() }]);
    assert_eq!(LastLink::of(&status, generation + 1), []);
}

#[test]
fn without_a_credential_only_the_link_is_waited_for() {
    let before = ImagePullSecretStatus::default();
    let none = Facts {
        has_credential: false,
        has_content: false,
        sum: Tally::default(),
        resolves: Some(true),
        ..facts(&before)
    };
    check(
        &none,
        expect![[r#"
        Ready False Pending: it has not been looked at yet
        Distributed True NotRequested: spec.tcr.credential.type is none: there is no credential and no Secret
        PrivateLink False Pending: it has not been looked at yet
        Conflicts False None: no Secret of somebody else is in the way"#]],
    );
    let up = link(true, Some(true), ConditionReason::Running);
    check(
        &Facts { link: Some(&up), ..none.clone() },
        expect![[r#"
        Ready True Ready: spec.tcr.credential.type is none: there is no credential and no Secret
        Distributed True NotRequested: spec.tcr.credential.type is none: there is no credential and no Secret
        PrivateLink True Running: it is so
        Conflicts False None: no Secret of somebody else is in the way"#]],
    );
    let sum = Tally { leftovers: 2, ..Tally::default() };
    check(
        &Facts { link: Some(&up), sum, ..none },
        expect![[r#"
        Ready False Removing: 0 of 0 namespaces have the Secret tcr.ipsdemo, 0 of 0 ServiceAccounts refer to it; 2 are left to remove
        Distributed False Removing: 0 of 0 namespaces have the Secret tcr.ipsdemo, 0 of 0 ServiceAccounts refer to it; 2 are left to remove
        PrivateLink True Running: it is so
        Conflicts False None: no Secret of somebody else is in the way"#]],
    );
}

#[test]
fn what_a_process_before_said_of_the_link_stays_until_it_was_looked_at_again() {
    let nothing = ImagePullSecretStatus::default();
    let up = Link { address: Some([10, 0, 0, 2].into()), ..link(true, Some(true), ConditionReason::Running) };
    let of_link = Facts { resolves: Some(true), link: Some(&up), ..facts(&nothing) };
    let before = status(&of_link);
    let expected = || {
        expect![[
            r#"Ready True Ready, PrivateLink True Running; PrivateLinkStatus { summary: "Running 10.0.0.2", vpc_id: None, address: Some("10.0.0.2"), hosts: [], links: [] }"#
        ]]
    };
    let restarted = Facts { link: None, before: &before, ..of_link.clone() };
    assert_eq!(check_link(&restarted, expected()), before);
    // Another spec is another question.
    check_link(
        &Facts { generation: 4, ..restarted.clone() },
        expect!["Ready False Pending, PrivateLink False Pending; "],
    );
    // An answer to the spec before is none.
    check_link(
        &Facts { generation: 4, resolves: Some(false), link: Some(&up), ..restarted },
        expect!["Ready True Ready, PrivateLink Unknown Pending; "],
    );
}

#[test]
fn the_failures_are_few_whatever_happens() {
    let before = ImagePullSecretStatus::default();
    let failure =
        |index| WriteFailure { namespaced_name: format!("ns-{index:03}/x"), ..WriteFailure::default() };
    let many = status(&Facts { failures: (0..500).rev().map(failure).collect(), ..facts(&before) });
    assert_eq!(many.failures.len(), MOST_FAILURES);
    assert_eq!(many.failures[0].namespaced_name, "ns-000/x");
}

#[test]
fn what_is_gone_is_null_in_the_patch() {
    let patch = merge_patch(&status(&facts(&ImagePullSecretStatus::default()))).unwrap();
    for gone in ["tokenId", "pendingCredential", "privateLink", "failures", "request"] {
        assert_eq!(patch["status"].get(gone), Some(&Value::Null), "{gone}");
    }
    let answer = RequestStatus::default();
    let identity = Some(IdentityStatus::default());
    let patch =
        merge_patch(&status(&Facts { identity, ..facts(&ImagePullSecretStatus::default()) })).unwrap();
    assert_eq!(
        patch["status"]["identity"].get("registryNamespaces"),
        Some(&Value::Null),
        "it pulled as another"
    );
    let patch =
        merge_patch(&status(&Facts { request: Some(&answer), ..facts(&ImagePullSecretStatus::default()) }))
            .unwrap();
    for gone in ["instances", "moreInstances"] {
        assert_eq!(patch["status"]["request"].get(gone), Some(&Value::Null), "{gone}");
    }
    let away = link(false, None, ConditionReason::CloudFailed);
    let before = ImagePullSecretStatus::default();
    let of_link = Facts { resolves: Some(false), link: Some(&away), ..facts(&before) };
    let patch = merge_patch(&status(&of_link)).unwrap();
    for gone in ["vpcId", "address", "hosts", "links"] {
        assert_eq!(patch["status"]["privateLink"].get(gone), Some(&Value::Null), "{gone}");
    }
    assert_eq!(patch["status"]["secretsDesired"], 2);
}

#[test]
fn nodes_that_do_not_use_their_entries_are_named_and_delay_nobody() {
    let before = ImagePullSecretStatus::default();
    let link = Link {
        resolves: true,
        is_up: Some(true),
        reason: ConditionReason::Running,
        message: "nodes resolve it".to_owned(),
        vpc_id: None,
        address: None,
        hosts: Vec::new(),
        links: Vec::new(),
    };
    let said = |nodes: &Nodes| {
        let status =
            status(&Facts { resolves: Some(true), link: Some(&link), nodes: Some(nodes), ..facts(&before) });
        let said =
            status.conditions.iter().find(|it| it.type_ == ConditionType::NodesResolve.as_str()).unwrap();
        assert_eq!(status.conditions[0].status, "True", "Ready");
        format!("{} {}: {}", said.status, said.reason, said.message)
    };
    let mut nodes = Nodes { desired: 3, current: 3, ..Nodes::default() };
    let all = said(&nodes);
    nodes.current = 2;
    nodes.silent = 1;
    let behind = said(&nodes);
    let affected =
        |count, named: &[&str]| Affected { count, named: named.iter().map(|it| (*it).to_owned()).collect() };
    nodes.faults =
        [(Fault::NotAsked, affected(2, &["a", "b"])), (Fault::Shadowed, affected(1, &["c"]))].into();
    expect![[r#"
        True NodesResolve: 3 of 3 nodes carry the entries, and use them as far as their agents see
        Unknown NodesBehind: 2 of 3 nodes carry the newest entries, 2 agents answer
        False HostsFileNotAsked: 2 of 3 nodes, such as a, b: Nodes ask something else before their hosts file, or never ask it. Put `files` first in the line `hosts:` of their /etc/nsswitch.conf; 1 more reasons: see status.nodes"#]]
    .assert_eq(&[all, behind, said(&nodes)].join("\n"));
    let unresolved = Link { resolves: false, ..link.clone() };
    let looked_at =
        Facts { resolves: Some(false), link: Some(&unresolved), nodes: Some(&nodes), ..facts(&before) };
    let is_about_nodes = |it: &Condition| it.type_ == ConditionType::NodesResolve.as_str();
    assert!(!status(&looked_at).conditions.iter().any(is_about_nodes), "no entries are asked for");
    let without_link = status(&Facts { nodes: Some(&nodes), ..facts(&before) });
    assert!(without_link.conditions.iter().all(|it| it.type_ != ConditionType::NodesResolve.as_str()));
}

#[test]
fn where_a_user_may_be_gone_the_namespaces_that_pull_are_named() {
    let before = ImagePullSecretStatus::default();
    let said = |reason, count: usize| {
        let names: Vec<String> = (0..count).map(|number| format!("team-{number}")).collect();
        let not_ready = NotReady { reason, message: "it is said".to_owned() };
        let namespaces = names.iter().map(String::as_str).collect();
        let status = status(&Facts { not_ready: Some(&not_ready), namespaces, ..facts(&before) });
        let valid = status.conditions.iter().find(|it| it.type_ == "CredentialValid").unwrap();
        format!("{} {}: {}", valid.status, valid.reason, valid.message)
    };
    expect!["False CamUserGone: it is said. It pulls for the namespaces team-0, team-1"]
        .assert_eq(&said(ConditionReason::CamUserGone, 2));
    expect!["True ApiKeyUnknown: it is said. It pulls for the namespaces team-0, team-1, team-2, team-3, team-4, team-5, team-6, team-7, team-8, team-9 and 2 more"]
        .assert_eq(&said(ConditionReason::ApiKeyUnknown, 12));
    expect!["True ApiKeyUnknown: it is said"].assert_eq(&said(ConditionReason::ApiKeyUnknown, 0));
    expect!["True CloudFailed: it is said"].assert_eq(&said(ConditionReason::CloudFailed, 2));
}

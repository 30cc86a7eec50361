use expect_test::{Expect, expect};

use super::*;

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
        has_content: true,
        can_push: None,
        replaced: None,
        lack: None,
        standing: None,
        pending: None,
        token_id: None,
        expires_at: None,
        identity: None,
        conflict: None,
        contested: None,
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
    let lack = Lack { reason: ConditionReason::NoPassword, message: "there is none".to_owned() };
    check(
        &Facts { sum, lack: Some(&lack), has_content: false, ..facts(&before) },
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
    for gone in ["tokenId", "pendingCredential", "failures", "request"] {
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
    assert_eq!(patch["status"]["secretsDesired"], 2);
}

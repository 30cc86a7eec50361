//! Answers to CreateServiceAccount and DescribeServiceAccounts, true and false.

use expect_test::{Expect, expect};

use super::super::envelope;
use super::*;

fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn account() -> ServiceAccountSpec {
    ServiceAccountSpec {
        name: "tcr-assistant-1a2b3c4d-0123456789ab".to_owned(),
        description: "a cluster's [m1]".to_owned(),
        registry_namespaces: vec!["team-a".to_owned()],
        expires_at: "2026-04-01T00:00:00Z".parse().unwrap(),
    }
}

/// A good answer with some fields replaced.
#[track_caller]
fn check(changes: Value, expected: Expect) {
    let mut response = json!({
        "Name": "tcr$tcr-assistant-1a2b3c4d-0123456789ab",
        "Password": "0123456789abcdefghijklmnopqrstuv",
        "ExpiresAt": 1_775_001_600_000_i64,
        "CreateTime": "2026-01-01T08:00:00+08:00",
        "RequestId": "r-1",
    });
    response.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let body = json!({ "Response": response }).to_string();
    let reply = envelope::parse(200, body.as_bytes()).unwrap();
    expected.assert_eq(&match read_issued(&reply, &account(), now()) {
        Ok(issued) => {
            assert_eq!(issued.token_id.as_ref(), Some(&issued.username));
            format!("{} until {:?}", issued.username, issued.expires_at)
        }
        Err(failure) => {
            let made = match &failure {
                Failure::Implausible { token_id, .. } => token_id.clone(),
                _ => None,
            };
            let text = failure.to_string();
            assert!(!text.contains("0123456789abcdefghijklmnopqrstuv"), "{text}");
            format!("{text}, made {made:?}")
        }
    });
}

#[test]
fn an_account_is_what_was_asked_for_or_its_answer_is_a_lie() {
    check(json!({}), expect!["tcr$tcr-assistant-1a2b3c4d-0123456789ab until Some(2026-04-01T00:00:00Z)"]);
    check(
        json!({ "ExpiresAt": null }),
        expect!["tcr$tcr-assistant-1a2b3c4d-0123456789ab until Some(2026-04-01T00:00:00Z)"],
    );
    check(
        json!({ "Password": "" }),
        expect![[
            r#"the answer cannot be true: the password is empty (request id r-1), made Some("tcr$tcr-assistant-1a2b3c4d-0123456789ab")"#
        ]],
    );
    check(
        json!({ "Password": ["0123456789abcdefghijklmnopqrstuv"] }),
        expect![[
            r#"the answer cannot be true: Password is not a string but a list (request id r-1), made Some("tcr$tcr-assistant-1a2b3c4d-0123456789ab")"#
        ]],
    );
    check(
        json!({ "Name": "tcr$other" }),
        expect![
            "the answer cannot be true: asked for tcr-assistant-1a2b3c4d-0123456789ab, it names another account or none (request id r-1), made None"
        ],
    );
    check(
        json!({ "Name": null }),
        expect![
            "the answer cannot be true: asked for tcr-assistant-1a2b3c4d-0123456789ab, it names another account or none (request id r-1), made None"
        ],
    );
    check(
        json!({ "ExpiresAt": 1_000 }),
        expect![[
            r#"the answer cannot be true: it expired at 1970-01-01T00:00:01Z, before it was made (request id r-1), made Some("tcr$tcr-assistant-1a2b3c4d-0123456789ab")"#
        ]],
    );
}

#[test]
fn a_page_is_read_whole_or_not_at_all() {
    let read = |accounts: Value| {
        let body = json!({"Response": {"ServiceAccounts": accounts, "TotalCount": 7, "RequestId": "r-1"}});
        read_page(&envelope::parse(200, body.to_string().as_bytes()).unwrap())
    };
    let (accounts, total) = read(json!([
        {"Name": "tcr$a", "Description": null, "Disable": true, "ExpiresAt": 1_775_001_600_000_i64, "Permissions": [
            {"Resource": "team-a", "Actions": ["tcr:PullRepository"]}, {"Resource": "base", "Actions": null}]},
        {"Name": "tcr$b", "ExpiresAt": -1},
    ]))
    .unwrap();
    assert_eq!(total, 7);
    expect![[r#"
        [
            ServiceAccount {
                name: "tcr$a",
                description: "",
                enabled: false,
                expires_at: Some(
                    2026-04-01T00:00:00Z,
                ),
                permissions: [
                    Permission {
                        resource: "team-a",
                        actions: [
                            "tcr:PullRepository",
                        ],
                    },
                    Permission {
                        resource: "base",
                        actions: [],
                    },
                ],
            },
            ServiceAccount {
                name: "tcr$b",
                description: "",
                enabled: true,
                expires_at: None,
                permissions: [],
            },
        ]
    "#]]
    .assert_debug_eq(&accounts);
    assert!(read(json!([{"Name": ""}])).is_err());
    assert!(
        read(json!([{"Name": "tcr$a", "Permissions": [{"Resource": "team-a", "Actions": [1, {}]}]}]))
            .is_err()
    );
    assert!(read(json!(null)).unwrap().0.is_empty());
}

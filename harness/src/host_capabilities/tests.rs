use std::sync::Arc;
use std::time::{Duration, Instant};

use expect_test::{Expect, expect};

use super::*;
use crate::host::{Host, HostOptions};

/// Answers with what it was asked.
struct Echo;

impl HostCapabilities for Echo {
    fn call(&self, call: &HostCall<'_>) -> Result<Vec<u8>, String> {
        match call.operation {
            "can_i" => Err("no cluster".into()),
            _ => Ok(call.payload.to_vec()),
        }
    }
}

#[track_caller]
fn check(grants: &[&str], question: (&str, &str, &str), payload: &str, expected: Expect) {
    let context = Context {
        host: Host::new(HostOptions::default()).unwrap(),
        name: "test".into(),
        grants: Grants {
            operations: grants.iter().map(|grant| grant.parse().unwrap()).collect(),
            kinds: [ContextAwareResource { api_version: "v1".into(), kind: "Secret".into() }].into(),
        },
        capabilities: Arc::new(Echo),
    };
    let deadline = Instant::now() + Duration::from_secs(1);
    let (binding, namespace, operation) = question;
    let answer = answer(&context, deadline, binding, namespace, operation, payload.as_bytes());
    expected.assert_eq(&answer.map_or_else(|error| error, |bytes| String::from_utf8(bytes).unwrap()));
}

const GET: (&str, &str, &str) = ("kubewarden", "kubernetes", "get_resource");
const SECRET: &str = r#"{"api_version":"v1","kind":"Secret","name":"s"}"#;

#[test]
fn what_is_unknown_is_named() {
    check(&["*"], ("other", "kubernetes", "can_i"), "", expect!["unknown binding: other"]);
    check(&["*"], ("kubewarden", "files", "read"), "", expect!["unknown namespace: files"]);
    check(&["*"], ("kubewarden", "oci", "v9/verify"), "", expect!["unknown operation: v9/verify"]);
}

#[test]
fn logging_needs_no_grant() {
    check(&[], ("kubewarden", "tracing", "log"), r#"{"level":"info","message":"x"}"#, expect![""]);
    check(&[], ("kubewarden", "tracing", "log"), "garbage", expect![""]);
}

#[test]
fn an_operation_must_be_granted() {
    let denied = || {
        expect![
            "Policy has not been granted access to the 'kubernetes/get_resource' host capability. The violation has been reported."
        ]
    };
    check(&[], GET, SECRET, denied());
    check(&["oci/*", "kubernetes/can_i"], GET, SECRET, denied());
    for grant in ["*", "kubernetes/*", "kubernetes/get_resource"] {
        check(&[grant], GET, SECRET, expect![[r#"{"api_version":"v1","kind":"Secret","name":"s"}"#]]);
    }
}

#[test]
fn a_kind_must_be_granted_too() {
    check(
        &["*"],
        GET,
        r#"{"api_version":"apps/v1","kind":"Deployment","name":"d"}"#,
        expect![
            "Policy has not been granted access to Kubernetes apps/v1/Deployment resources. The violation has been reported."
        ],
    );
    check(
        &["*"],
        GET,
        "{}",
        expect!["Callback evaluation failure: get_resource: missing field `api_version` at line 1 column 2"],
    );
}

#[test]
fn a_failure_is_passed_on_with_its_reason() {
    check(
        &["*"],
        ("kubewarden", "kubernetes", "can_i"),
        "{}",
        expect!["Callback evaluation failure: no cluster"],
    );
}

#[test]
fn a_grant_of_nothing_is_a_mistake() {
    for bad in ["", "oci", "oci/", "kubernetes/list", "k*", "oci/v3/*"] {
        assert!(bad.parse::<GrantPattern>().is_err(), "{bad:?}");
    }
    for good in ["*", "oci/*", "oci/v1/*", "net/v1/dns_lookup_host"] {
        assert!(good.parse::<GrantPattern>().is_ok(), "{good:?}");
    }
}

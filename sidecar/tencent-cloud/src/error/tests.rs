//! Classes by code, and the sentences that people read.

use expect_test::{Expect, expect};

use super::*;

fn refused(code: &str) -> Failure {
    Failure::Refused { code: code.to_owned(), message: "no.".to_owned(), request_id: Some("r-1".to_owned()) }
}

fn error(action: Action, failure: Failure) -> CloudError {
    CloudError {
        action,
        instance: "tcr-demo0001".to_owned(),
        region: "ap-guangzhou".to_owned(),
        endpoint: "https://tcr.tencentcloudapi.com".to_owned(),
        identity: Some("secret id AKIDexample from the environment".to_owned()),
        failure,
    }
}

#[test]
fn codes_have_the_class_of_the_retry_table() {
    for (class, codes) in [
        (
            Class::Retryable,
            &[
                "RequestLimitExceeded",
                "RequestLimitExceeded.UinLimitExceeded",
                "InternalError",
                "InternalError.DbError",
                "ServiceUnavailable",
                "FailedOperation.DbError",
                "FailedOperation.DependenceError",
                "ResourceInsufficient.ErrorInstanceNotRunning",
            ][..],
        ),
        (
            Class::RefreshCredential,
            &["AuthFailure.TokenFailure", "AuthFailure.SecretIdNotFound", "AuthFailure.SignatureExpire"],
        ),
        (
            Class::Terminal,
            &[
                "AuthFailure.SignatureFailure",
                "AuthFailure.InvalidSecretId",
                "UnauthorizedOperation",
                "InvalidParameter",
                "MissingParameter",
                "ResourceNotFound.TcrResourceNotFound",
                "UnsupportedOperation",
                "OperationDenied",
                "FailedOperation",
                "RequestLimitExceededNot",
                "SomethingNew",
            ],
        ),
    ] {
        for code in codes {
            assert_eq!(refused(code).class(), class, "{code}");
        }
    }
}

#[test]
fn transport_failures_have_a_class_too() {
    let status = |status| Failure::Status { status, message: None }.class();
    assert_eq!([status(429), status(500), status(503)], [Class::Retryable; 3]);
    assert_eq!([status(301), status(403), status(404)], [Class::Terminal; 3]);
    assert_eq!(Failure::Deadline { after: Duration::from_secs(1) }.class(), Class::Retryable);
    assert_eq!(
        Failure::Implausible { reason: String::new(), request_id: None, token_id: None }.class(),
        Class::Terminal
    );
}

#[test]
fn only_what_certainly_did_nothing_may_be_sent_again_blindly() {
    for (failure, not_done) in [
        (refused("RequestLimitExceeded.IPLimitExceeded"), true),
        (refused("AuthFailure.SignatureExpire"), true),
        (refused("InternalError"), false),
        (refused("ServiceUnavailable"), false),
        (Failure::Unreachable { reason: String::new() }, true),
        (Failure::Interrupted { reason: String::new() }, false),
        (Failure::Deadline { after: Duration::ZERO }, false),
        (Failure::Status { status: 502, message: None }, false),
    ] {
        assert_eq!(failure.certainly_not_done(), not_done, "{failure}");
    }
}

#[track_caller]
fn check(action: Action, failure: Failure, expected: Expect) {
    expected.assert_eq(&error(action, failure).to_string());
}

#[test]
fn missing_permission_names_the_action_to_allow() {
    check(
        Action::CreateInstanceToken,
        refused("UnauthorizedOperation"),
        expect![
            "CreateInstanceToken of tcr-demo0001 in ap-guangzhou: UnauthorizedOperation: no. (request id r-1); allow the CAM action tcr:CreateInstanceToken on qcs::tcr:::instance/tcr-demo0001 for secret id AKIDexample from the environment"
        ],
    );
    check(
        Action::DescribeInternalEndpoints,
        refused("UnauthorizedOperation.ErrorTcrUnauthorized"),
        expect![
            "DescribeInternalEndpoints of tcr-demo0001 in ap-guangzhou: UnauthorizedOperation.ErrorTcrUnauthorized: no. (request id r-1); allow the CAM action tcr:DescribeInternalEndpoints on * for secret id AKIDexample from the environment"
        ],
    );
}

#[test]
fn wrong_credentials_name_their_source() {
    check(
        Action::DescribeInstances,
        refused("AuthFailure.SecretIdNotFound"),
        expect![
            "DescribeInstances of tcr-demo0001 in ap-guangzhou: AuthFailure.SecretIdNotFound: no. (request id r-1); check secret id AKIDexample from the environment: it does not exist, is disabled, or belongs to another site"
        ],
    );
    check(
        Action::DescribeInstances,
        refused("AuthFailure.SignatureFailure"),
        expect![
            "DescribeInstances of tcr-demo0001 in ap-guangzhou: AuthFailure.SignatureFailure: no. (request id r-1); check that the secret key belongs to secret id AKIDexample from the environment"
        ],
    );
}

#[test]
fn an_unknown_outcome_says_that_a_credential_may_exist() {
    check(
        Action::CreateInstanceToken,
        Failure::Deadline { after: Duration::from_millis(1500) },
        expect![
            "CreateInstanceToken of tcr-demo0001 in ap-guangzhou: no answer within 1.5 s; a credential may have been created nevertheless: look for it in the instance's list of access credentials"
        ],
    );
    check(
        Action::DescribeInstances,
        Failure::Deadline { after: Duration::from_secs(30) },
        expect!["DescribeInstances of tcr-demo0001 in ap-guangzhou: no answer within 30 s"],
    );
}

#[test]
fn a_useless_credential_is_named_for_removal() {
    let failure = Failure::Implausible {
        reason: "the token is empty".to_owned(),
        request_id: Some("r-1".to_owned()),
        token_id: Some("ctrm3g86h7cp1kb7el2g".to_owned()),
    };
    check(
        Action::CreateInstanceToken,
        failure,
        expect![
            "CreateInstanceToken of tcr-demo0001 in ap-guangzhou: the answer cannot be true: the token is empty (request id r-1); it made credential ctrm3g86h7cp1kb7el2g, which is of no use: delete it"
        ],
    );
}

#[test]
fn an_unreachable_endpoint_is_named() {
    check(
        Action::DescribeInstances,
        Failure::Unreachable { reason: "Connection refused (os error 111)".to_owned() },
        expect![
            "DescribeInstances of tcr-demo0001 in ap-guangzhou: cannot connect: Connection refused (os error 111); check that https://tcr.tencentcloudapi.com can be reached from here"
        ],
    );
}

#[test]
fn what_service_accounts_lack_says_what_to_ask_for() {
    let refused = |action, code| {
        let it = error(action, refused(code));
        (it.refusal(), it.to_string())
    };
    let (refusal, text) = refused(Action::CreateServiceAccount, "OperationDenied.QuotaOverLimit");
    assert_eq!(refusal, Some(Refusal::NoRoom));
    expect!["CreateServiceAccount of tcr-demo0001 in ap-guangzhou: OperationDenied.QuotaOverLimit: no. (request id r-1); delete service accounts that are no longer used from instance tcr-demo0001, or ask Tencent Cloud for a larger quota"].assert_eq(&text);
    let (refusal, text) = refused(Action::DescribeServiceAccounts, "UnsupportedOperation");
    assert_eq!(refusal, Some(Refusal::NotSwitchedOn));
    expect!["DescribeServiceAccounts of tcr-demo0001 in ap-guangzhou: UnsupportedOperation: no. (request id r-1); ask Tencent Cloud by a ticket to switch service accounts on for instance tcr-demo0001, or use credentials of type longterm"].assert_eq(&text);
    assert_eq!(refused(Action::CreateInstanceToken, "UnsupportedOperation").0, None);
    assert_eq!(refused(Action::CreateServiceAccount, "OperationDenied").0, None);
}

//! Changes a policy's answer by the policy's entry in `policies.yml`. Pure; the texts and the order are
//! policy-server's.

use crate::policies_file::Mode;
use crate::{AdmissionResponse, StatusCause, StatusDetails};

/// The namespace in which everything is admitted: the webhook's own, so that nothing keeps it from
/// being repaired.
pub fn is_exempt(always_accept: Option<&str>, namespace: &str) -> bool {
    always_accept.is_some_and(|exempt| exempt == namespace)
}

/// The answer that Kubernetes gets, of the one that the policy `id` gave.
pub fn constrain(
    id: &str,
    mode: Mode,
    allowed_to_mutate: bool,
    message: Option<&str>,
    answer: AdmissionResponse,
) -> AdmissionResponse {
    if mode == Mode::Monitor {
        let AdmissionResponse { uid, audit_annotations, warnings, .. } = answer;
        return AdmissionResponse { uid, allowed: true, audit_annotations, warnings, ..Default::default() };
    }
    let mut answer = answer;
    if answer.patch.is_some() && !allowed_to_mutate {
        let reason = format!(
            "Request rejected by policy {id}. The policy attempted to mutate the request, but it is \
             currently configured to not allow mutations."
        );
        let AdmissionResponse { uid, audit_annotations, warnings, .. } = answer;
        answer = AdmissionResponse {
            audit_annotations,
            warnings,
            ..AdmissionResponse::refusal(&uid, reason, None)
        };
    }
    if let (false, Some(message)) = (answer.allowed, message) {
        let status = answer.status.get_or_insert_default();
        let own = status.message.replace(message.to_owned());
        if let Some(message) = own {
            status.details =
                Some(StatusDetails { causes: vec![StatusCause { field: None, message: Some(message) }] });
        }
    }
    answer
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn patched() -> AdmissionResponse {
        AdmissionResponse {
            uid: "u".to_owned(),
            allowed: true,
            patch_type: Some("JSONPatch".to_owned()),
            patch: Some("W10=".to_owned()),
            warnings: Some(vec!["mind".to_owned()]),
            ..Default::default()
        }
    }

    fn refused() -> AdmissionResponse {
        AdmissionResponse::refusal("u", "its own reason", Some(418))
    }

    fn check(mode: Mode, mutate: bool, message: Option<&str>, answer: AdmissionResponse, expected: Expect) {
        let answer = constrain("p", mode, mutate, message, answer);
        expected.assert_eq(&serde_json::to_string(&answer).unwrap());
    }

    #[test]
    fn a_protecting_policy_is_obeyed() {
        check(
            Mode::Protect,
            true,
            None,
            patched(),
            expect![[
                r#"{"uid":"u","allowed":true,"patchType":"JSONPatch","patch":"W10=","auditAnnotations":null,"warnings":["mind"]}"#
            ]],
        );
        check(
            Mode::Protect,
            false,
            None,
            refused(),
            expect![[
                r#"{"uid":"u","allowed":false,"status":{"message":"its own reason","code":418},"auditAnnotations":null,"warnings":null}"#
            ]],
        );
    }

    #[test]
    fn a_change_that_is_not_allowed_is_a_refusal() {
        check(
            Mode::Protect,
            false,
            None,
            patched(),
            expect![[
                r#"{"uid":"u","allowed":false,"status":{"message":"Request rejected by policy p. The policy attempted to mutate the request, but it is currently configured to not allow mutations."},"auditAnnotations":null,"warnings":["mind"]}"#
            ]],
        );
    }

    #[test]
    fn a_monitoring_policy_admits_and_still_warns() {
        check(
            Mode::Monitor,
            true,
            None,
            patched(),
            expect![[r#"{"uid":"u","allowed":true,"auditAnnotations":null,"warnings":["mind"]}"#]],
        );
        check(
            Mode::Monitor,
            false,
            Some("no"),
            refused(),
            expect![[r#"{"uid":"u","allowed":true,"auditAnnotations":null,"warnings":null}"#]],
        );
    }

    #[test]
    fn a_message_of_the_operator_stands_before_the_policys_own() {
        check(
            Mode::Protect,
            true,
            Some("ask the platform team"),
            refused(),
            expect![[
                r#"{"uid":"u","allowed":false,"status":{"message":"ask the platform team","code":418,"details":{"causes":[{"message":"its own reason"}]}},"auditAnnotations":null,"warnings":null}"#
            ]],
        );
        check(
            Mode::Protect,
            true,
            Some("ask"),
            patched(),
            expect![[
                r#"{"uid":"u","allowed":true,"patchType":"JSONPatch","patch":"W10=","auditAnnotations":null,"warnings":["mind"]}"#
            ]],
        );
    }
}

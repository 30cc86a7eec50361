//! The result of a request whose guest was asked: its verdict, or why there is none.

use admission_review::{Evaluation, Request};

use crate::call::Outcome;

/// The evaluation of an outcome of the guest's `validate`.
pub(crate) fn evaluation(request: &Request<'_>, outcome: Outcome) -> Evaluation {
    let failure = match outcome {
        Outcome::Answer(answer) => return Evaluation::of_answer(request, &answer),
        Outcome::DeadlineExceeded => return Evaluation::too_late(request.uid()),
        Outcome::GuestError(message) | Outcome::Trap(message) => message,
        Outcome::MemoryLimit { limit } => {
            format!("the policy asked for more than its limit of {} MiB of memory", limit >> 20)
        }
    };
    Evaluation::failed(request.uid(), format!("internal server error: Guest call failure: {failure}"))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(outcome: Outcome, expected: Expect) {
        let request = Request::raw(br#"{"uid":"u"}"#).unwrap();
        let evaluation = evaluation(&request, outcome);
        assert!(evaluation.failed);
        expected.assert_eq(&serde_json::to_string(&evaluation.response).unwrap());
    }

    #[test]
    fn failures_are_refusals_with_code_500() {
        check(
            Outcome::GuestError("boom".into()),
            expect![[
                r#"{"uid":"u","allowed":false,"status":{"message":"internal server error: Guest call failure: boom","code":500},"auditAnnotations":null,"warnings":null}"#
            ]],
        );
        check(
            Outcome::DeadlineExceeded,
            expect![[
                r#"{"uid":"u","allowed":false,"status":{"message":"Policy execution interrupted because it exceeded the allowed execution time","code":500},"auditAnnotations":null,"warnings":null}"#
            ]],
        );
        check(
            Outcome::MemoryLimit { limit: 64 << 20 },
            expect![[
                r#"{"uid":"u","allowed":false,"status":{"message":"internal server error: Guest call failure: the policy asked for more than its limit of 64 MiB of memory","code":500},"auditAnnotations":null,"warnings":null}"#
            ]],
        );
        check(
            Outcome::Answer(b"{}".to_vec()),
            expect![[
                r#"{"uid":"u","allowed":false,"status":{"message":"internal server error: cannot understand the policy's answer: \"accepted\" is missing","code":500},"auditAnnotations":null,"warnings":null}"#
            ]],
        );
    }
}

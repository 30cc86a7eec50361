use std::collections::BTreeMap;

use expect_test::{Expect, expect};

use super::*;
use crate::Status;
use crate::manifest::{self, Manifested};
use crate::patch;

const POD: &str =
    r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"shop"},"spec":{"containers":[]}}"#;

#[track_caller]
fn check(object: &str, colour: bool, answer: impl FnOnce(&mut Evaluation), expected: Expect) {
    let request =
        manifest::requests(object, &Manifested { username: "u", ..Manifested::default() }).unwrap().remove(0);
    let request = Request::from_request(request.as_bytes()).unwrap();
    let mut evaluation = Evaluation {
        response: AdmissionResponse { allowed: true, ..Default::default() },
        mutated_object: None,
        failed: false,
    };
    answer(&mut evaluation);
    let mut report = Report::new(colour);
    let entry = report.entry(&request, &evaluation, true);
    expected.assert_eq(&(entry + &report.summary()));
}

fn mutate(evaluation: &mut Evaluation) {
    use base64::Engine as _;
    let mutated = POD.replace(r#""containers":[]"#, r#""containers":[],"imagePullSecrets":[{"name":"s"}]"#);
    let patch = patch::diff(POD, &mutated).unwrap().unwrap();
    evaluation.response.patch = Some(base64::engine::general_purpose::STANDARD.encode(patch));
    evaluation.mutated_object = Some(mutated);
}

#[test]
fn an_object_that_needs_nothing() {
    check(
        POD,
        false,
        |_| {},
        expect![[r#"
        admitted  Pod shop/p: nothing to change
        1 admitted, 0 patched, 0 warned, 0 refused
    "#]],
    );
}

#[test]
fn a_patched_object_is_shown_as_a_diff() {
    check(
        POD,
        false,
        mutate,
        expect![[r#"
        patched   Pod shop/p: add /spec/imagePullSecrets
          @@ -5,3 +5,5 @@
             namespace: shop
           spec:
             containers: []
          +  imagePullSecrets:
          +  - name: s
        0 admitted, 1 patched, 0 warned, 0 refused
    "#]],
    );
}

#[test]
fn audit_annotations_are_the_reason() {
    let annotate = |evaluation: &mut Evaluation| {
        evaluation.response.audit_annotations = Some(BTreeMap::from([
            ("tcr.example/injected".to_owned(), "s".to_owned()),
            ("reason".to_owned(), "a TCR image".to_owned()),
        ]));
        evaluation.response.warnings = Some(vec!["mind\x1b[31m this".into()]);
    };
    check(
        POD,
        false,
        annotate,
        expect![[r#"
        admitted  Pod shop/p: a TCR image; injected=s
          warning: mind [31m this
        1 admitted, 0 patched, 1 warned, 0 refused
    "#]],
    );
}

#[test]
fn a_refusal_has_its_message_in_colour_on_a_terminal() {
    let generated = r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"generateName":"n-"}}"#;
    let refuse = |evaluation: &mut Evaluation| {
        evaluation.response.allowed = false;
        evaluation.response.status =
            Some(Status { message: Some("no\nway".into()), code: Some(403), details: None });
    };
    check(
        generated,
        true,
        refuse,
        expect![
            "\x1b[31mrefused \x1b[0m  Namespace n-*: no way\n0 admitted, 0 patched, 0 warned, 1 refused\n"
        ],
    );
}

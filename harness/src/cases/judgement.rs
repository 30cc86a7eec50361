//! Compares an answer with the expected one.

use serde::Serialize;
use serde_json::Value;

use super::{Expected, Text};
use crate::AdmissionResponse;

/// One thing that is not as it was expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Where in the answer, such as `warnings[0]`.
    pub field: String,
    /// The expected value; `nothing` where the answer should not have it.
    pub expected: String,
    /// The value that there is.
    pub found: String,
}

const NOTHING: &str = "nothing";

pub(super) fn of_answer(expected: &Expected, response: &AdmissionResponse) -> Vec<Difference> {
    let mut differences = Vec::new();
    let status = response.status.as_ref();
    let mut compare = |field: &str, expected: String, found: String| {
        if expected != found {
            differences.push(Difference { field: field.to_owned(), expected, found });
        }
    };
    compare("allowed", expected.allowed.to_string(), response.allowed.to_string());
    let code = |code: Option<u16>| code.map_or_else(|| NOTHING.to_owned(), |code| code.to_string());
    compare("code", code(expected.code), code(status.and_then(|status| status.code)));
    compare("patch", patch(&expected.patch), patch(&operations(response)));
    text(
        &mut differences,
        "message",
        expected.message.as_ref(),
        status.and_then(|status| status.message.as_deref()),
    );
    let warnings = response.warnings.as_deref().unwrap_or_default();
    for index in 0..expected.warnings.len().max(warnings.len()) {
        let found = warnings.get(index).map(String::as_str);
        text(&mut differences, &format!("warnings[{index}]"), expected.warnings.get(index), found);
    }
    if let Some(annotations) = &expected.audit_annotations {
        let found = response.audit_annotations.clone().unwrap_or_default();
        let names: std::collections::BTreeSet<&String> = annotations.keys().chain(found.keys()).collect();
        for name in names {
            let (expected, found) = (annotations.get(name), found.get(name).map(String::as_str));
            text(&mut differences, &format!("auditAnnotations.{name}"), expected, found);
        }
    }
    differences
}

/// An answer in the form of an expectation.
pub(super) fn expectation(response: &AdmissionResponse, with_annotations: bool) -> Value {
    let status = response.status.as_ref();
    let warnings = response.warnings.as_deref().unwrap_or_default();
    let annotations = response.audit_annotations.as_ref().filter(|_| with_annotations);
    let patch = operations(response);
    let members = [
        ("allowed", (!response.allowed).then(|| false.into())),
        ("code", status.and_then(|status| status.code).map(Value::from)),
        ("message", status.and_then(|status| status.message.as_deref()).map(Value::from)),
        ("patch", (!patch.is_empty()).then(|| patch.into())),
        ("warnings", (!warnings.is_empty()).then(|| warnings.into())),
        (
            "auditAnnotations",
            annotations
                .map(|it| it.iter().map(|(name, text)| (name.clone(), Value::from(text.as_str()))).collect()),
        ),
    ];
    members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

pub(super) fn of_settings(expected: &Expected, refused: Option<&str>) -> Vec<Difference> {
    let mut differences = Vec::new();
    text(&mut differences, "settingsRefused", expected.settings_refused.as_ref(), refused);
    differences
}

fn text(differences: &mut Vec<Difference>, field: &str, expected: Option<&Text>, found: Option<&str>) {
    let fits = match (expected, found) {
        (None, None) => true,
        (Some(Text::Whole(expected)), Some(found)) => expected == found,
        (Some(Text::Part(expected)), Some(found)) => found.contains(expected),
        _ => false,
    };
    if !fits {
        let expected = match expected {
            None => NOTHING.to_owned(),
            Some(Text::Whole(text)) => format!("{text:?}"),
            Some(Text::Part(text)) => format!("something with {text:?}"),
        };
        let found = found.map_or_else(|| NOTHING.to_owned(), |text| format!("{text:?}"));
        differences.push(Difference { field: field.to_owned(), expected, found });
    }
}

fn operations(response: &AdmissionResponse) -> Vec<Value> {
    let patch = response.patch_json().unwrap_or_else(|| "[]".to_owned());
    // A value that no tree holds (1e400) is shown as the text that it is in.
    serde_json::from_str(&patch).unwrap_or_else(|_| vec![Value::from(patch)])
}

/// An operation a line, its members in the order of their names.
fn patch(operations: &[Value]) -> String {
    match operations {
        [] => NOTHING.to_owned(),
        operations => operations.iter().map(Value::to_string).collect::<Vec<_>>().join("\n"),
    }
}

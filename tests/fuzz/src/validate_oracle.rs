//! What holds for every input. The fuzzer looks for one for which it does not; the policy's tests put
//! the committed corpus to it.
//!
//! An input is a payload, and after a byte 0, which no JSON has, what the cluster answers.

use std::collections::BTreeMap;

use policy::{Cluster, Prepared, validate, validate_prepared, validate_settings};
use serde_json::Value;
use serde_json::value::RawValue;

struct Answers<'a>(Option<&'a [u8]>);

impl Cluster for Answers<'_> {
    fn ask(&self, _operation: &str, _request: &[u8]) -> Result<Vec<u8>, String> {
        self.0.map(<[u8]>::to_vec).ok_or_else(|| "there is no cluster".to_owned())
    }
}

type Members<'a> = BTreeMap<String, &'a RawValue>;

/// Panics where a rule does not hold.
pub(crate) fn check(input: &[u8]) {
    let (payload, cluster) = match input.iter().position(|byte| *byte == 0) {
        Some(end) => (&input[..end], Answers(Some(&input[end + 1..]))),
        None => (input, Answers(None)),
    };
    let _ = validate(payload, &cluster);
    let _ = validate_settings(payload);
    // The policy follows JSON and does not validate it: the host has. More can be said of what is JSON.
    let Ok(members) = serde_json::from_slice::<Members<'_>>(payload) else { return };
    // As a host writes it, each member once.
    let Ok(answer) = validate(written(&members, "", "").as_bytes(), &cluster) else { return };
    let answer: Members<'_> = serde_json::from_slice(&answer).expect("the answer is a JSON object");
    let is = |member: &str, value: &str| answer.get(member).is_none_or(|found| found.get() == value);
    assert!(is("accepted", "true") || !is("message", "null"), "a refusal has a reason");
    assert!(is("accepted", "false") || is("code", "null"), "who is admitted gets no code");

    let request =
        members.get("request").and_then(|request| serde_json::from_str::<Members<'_>>(request.get()).ok());
    let Some(request) = request else { return };
    if !is("mutated_object", "null") {
        let object = request.get("object").expect("only an object that is there can be changed").get();
        let mutated = answer["mutated_object"].get();
        assert_one_span(object, mutated);
        assert_nothing_more(&members, &request, mutated, &cluster);
    }
    assert_the_same_when_prepared(&members, &answer, &cluster);
}

/// The new object is the old one with one inserted span, or with `null` replaced by a list.
fn assert_one_span(old: &str, new: &str) {
    let (old, new) = (old.as_bytes(), new.as_bytes());
    let head = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let tail =
        old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(|(old, new)| old == new).count();
    let gone = &old[head..old.len() - tail];
    assert!(gone.is_empty() || gone == b"null", "{:?} went", String::from_utf8_lossy(gone));
    assert!(new.len() > old.len(), "nothing was added");
}

/// An object with one member replaced.
fn written(members: &Members<'_>, name: &str, instead: &str) -> String {
    let member = |(key, value): (&String, &&RawValue)| {
        let value = if key == name { instead } else { value.get() };
        format!("{}:{value}", Value::from(key.as_str()))
    };
    format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(","))
}

/// What was changed needs no further change.
fn assert_nothing_more(members: &Members<'_>, request: &Members<'_>, mutated: &str, cluster: &Answers<'_>) {
    let again = written(members, "request", &written(request, "object", mutated));
    let answer = validate(again.as_bytes(), cluster).expect("it was answered a moment ago");
    let answer: Members<'_> = serde_json::from_slice(&answer).expect("the answer is a JSON object");
    assert_eq!(answer["mutated_object"].get(), "null", "something is added twice");
}

/// Settings that were read before lead to the same answer.
fn assert_the_same_when_prepared(members: &Members<'_>, answer: &Members<'_>, cluster: &Answers<'_>) {
    let Some(settings) = members.get("settings").map(|settings| settings.get()) else { return };
    if !validate_settings(settings.as_bytes()).starts_with(b"{\"valid\":true") {
        return;
    }
    let prepared = Prepared::read(settings.as_bytes()).expect("valid settings can be used");
    let payload =
        format!("{{\"request\":{}}}", members.get("request").map_or("null", |request| request.get()));
    let other =
        validate_prepared(payload.as_bytes(), cluster, Some(&prepared)).expect("the other way answers");
    let other: Members<'_> = serde_json::from_slice(&other).expect("the answer is a JSON object");
    let text = |answer: &Members<'_>| {
        answer.iter().map(|(key, value)| format!("{key}: {value}\n")).collect::<Vec<_>>().concat()
    };
    assert_eq!(text(answer), text(&other));
}

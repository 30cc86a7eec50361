//! What holds for every answer of a guest to a review: it is a verdict only where it is one for policy-server too, and the
//! same; its patch makes the object that the guest gave; and without a verdict nothing is admitted. The fuzzer looks for an
//! answer for which it does not; the tests of admission-review put the committed corpus to it.
//!
//! An input is a line with the object of the request (where it is none that an API server sends, who names no key twice, a
//! Pod; of an empty line, no object), and the guest's answer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use admission_review::{Evaluation, Origin, Request};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

const POD: &str = r#"{"kind":"Pod","metadata":{"name":"p","labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"d"}]}}"#;

/// What policy-server reads an answer to; of the object no more than that it is JSON.
#[derive(Debug, serde::Deserialize)]
struct Theirs<'a> {
    accepted: bool,
    message: Option<String>,
    code: Option<u16>,
    #[serde(borrow)]
    mutated_object: Option<&'a RawValue>,
    audit_annotations: Option<BTreeMap<String, String>>,
    warnings: Option<Vec<String>>,
}

/// A value in which no object names a key twice.
struct Distinct;

impl<'de> Deserialize<'de> for Distinct {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Distinct {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut keys = BTreeSet::new();
        while let Some((key, Self)) = map.next_entry::<String, Self>()? {
            if !keys.insert(key) {
                return Err(A::Error::custom("a key twice"));
            }
        }
        Ok(self)
    }
}

/// Panics where a rule does not hold.
pub(crate) fn check(input: &[u8]) {
    let at = input.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (line, answer) = (&input[..at], input.get(at + 1..).unwrap_or_default());
    let object = match serde_json::from_slice::<Value>(line) {
        Ok(_) if serde_json::from_slice::<Distinct>(line).is_err() => POD,
        Ok(_) => std::str::from_utf8(line).expect("JSON is text"),
        Err(_) if line.is_empty() => "null",
        Err(_) => POD,
    };
    let text = format!(
        r#"{{"uid":"u","kind":{{"group":"","version":"v1","kind":"Pod"}},"resource":{{"group":"","version":"v1","resource":"pods"}},"operation":"CREATE","userInfo":{{}},"object":{object}}}"#
    );
    // Deeper than a review may be, in one container more.
    let Ok(request) = Request::from_request(text.as_bytes()) else { return };
    let evaluation = Evaluation::of_answer(&request, answer);
    assert_eq!(evaluation.response.uid, "u");
    assert_is_encoded(&evaluation);
    if evaluation.failed {
        assert!(!evaluation.response.allowed && evaluation.response.patch.is_none());
        assert_eq!(evaluation.response.status.as_ref().and_then(|status| status.code), Some(500));
        return;
    }
    let theirs: Theirs<'_> = serde_json::from_slice(answer).expect("policy-server understands it too");
    if theirs.mutated_object.is_some() && request.object().is_none() {
        assert!(!evaluation.response.allowed && evaluation.response.patch.is_none());
        return;
    }
    assert_is_the_same(&evaluation, &theirs);
    let before: Value = serde_json::from_str(object).expect("it was read");
    match evaluation.response.patch_json() {
        Some(patch) => assert_makes(&patch, before, &theirs, &evaluation),
        // What has no patch may be spelled as policy-server does not read it; then the last of two spellings counts.
        None => {
            let after = theirs.mutated_object.and_then(|after| serde_json::from_str(after.get()).ok());
            assert!(after.is_none_or(|after: Value| after == before), "a change is lost");
        }
    }
}

fn assert_is_the_same(evaluation: &Evaluation, theirs: &Theirs<'_>) {
    let ours = &evaluation.response;
    assert_eq!(ours.allowed, theirs.accepted);
    let status = ours.status.as_ref();
    assert_eq!(status.and_then(|status| status.message.as_ref()), theirs.message.as_ref());
    assert_eq!(status.and_then(|status| status.code), theirs.code);
    assert_eq!((&ours.audit_annotations, &ours.warnings), (&theirs.audit_annotations, &theirs.warnings));
}

/// The patch makes of the object before what the guest says.
fn assert_makes(patch: &str, mut object: Value, theirs: &Theirs<'_>, evaluation: &Evaluation) {
    let after = theirs.mutated_object.expect("a patch is of a mutated object");
    assert_eq!(evaluation.mutated_object.as_deref(), Some(after.get()));
    let patch: json_patch::Patch = serde_json::from_str(patch).expect("a JSON patch");
    json_patch::patch(&mut object, &patch).expect("the patch fits the object");
    let after: Value = serde_json::from_str(after.get()).expect("policy-server can hold what changes");
    assert_eq!(object, after);
}

fn assert_is_encoded(evaluation: &Evaluation) {
    let answer: Value = serde_json::from_slice(&Origin::Validate.encode(&evaluation.response)).expect("JSON");
    assert_eq!(answer["response"]["allowed"], evaluation.response.allowed);
    assert_eq!(answer["response"]["patch"].as_str(), evaluation.response.patch.as_deref());
}

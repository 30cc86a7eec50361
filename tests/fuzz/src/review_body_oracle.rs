//! What holds for every body that a caller sends to the webhook: what policy-server refuses is refused, whatever is read of
//! it is what the body says, the guest is asked about that and nothing else, and whoever is refused is told why in a few
//! words. The fuzzer looks for a body for which it does not; the tests of admission-review put the committed corpus to it.
//!
//! An input is a body, which is put to each endpoint.

use std::collections::BTreeMap;

use admission_review::{Evaluation, Origin, Rejection, Request, Subject, namespace_of_beginning};
use serde_json::value::RawValue;

/// How much of a body the webhook looks at before it reads all of it.
const BEGINNING: usize = 16 << 10;
/// The longest text that is told back, with what says how long it was.
const LONGEST_MESSAGE: usize = (1 << 10) + 64;

type Members<'a> = BTreeMap<String, &'a RawValue>;

/// Panics where a rule does not hold.
pub(crate) fn check(body: &[u8]) {
    let (subject, namespace) = (Subject::of_beginning(body), namespace_of_beginning(body));
    for text in [&subject.uid, &subject.kind, &subject.name, &subject.namespace, &subject.operation] {
        assert!(text.len() <= 253, "{} bytes are repeated of what nobody has read", text.len());
    }
    for origin in [Origin::Validate, Origin::Raw] {
        match origin.read(body) {
            Err(error) => {
                let Rejection { status, message } = Rejection::of_body(body, origin, &error);
                assert!([400, 422].contains(&status.as_u16()), "{status}: {message}");
                assert!(!message.is_empty() && message.len() <= LONGEST_MESSAGE, "{} bytes", message.len());
                assert!(!message.contains(char::is_control), "{message:?}");
            }
            Ok(request) => {
                let theirs = Rejection::by_policy_server(body, origin);
                assert!(theirs.is_none(), "policy-server refuses it: {theirs:?}");
                assert_is_what_the_body_says(&request, body, origin);
                assert_the_guest_is_asked_about_it(&request);
                assert_is_answered(&request, origin);
                if origin == Origin::Validate && body.len() <= BEGINNING {
                    let of_beginning = [&subject.uid, &subject.name, &subject.operation, &subject.kind];
                    let read = [request.uid(), request.name(), request.operation(), request.kind()];
                    assert_eq!(of_beginning.map(|text| &**text), read);
                    assert_eq!(namespace.as_deref().unwrap_or_default(), request.namespace());
                }
            }
        }
    }
}

fn members(text: &str) -> Members<'_> {
    serde_json::from_str(text).expect("an object")
}

/// A member's text; empty where there is none.
fn text(members: &Members<'_>, name: &str) -> String {
    let text = members.get(name).filter(|value| value.get() != "null");
    text.map(|value| serde_json::from_str(value.get()).expect("a text")).unwrap_or_default()
}

fn assert_is_what_the_body_says(request: &Request<'_>, body: &[u8], origin: Origin) {
    let review = members(std::str::from_utf8(body).expect("a review is text"));
    let said = review["request"].get();
    assert_eq!(request.text(), said);
    if origin == Origin::Raw {
        assert_eq!(request.object(), Some(said));
        return;
    }
    let said = members(said);
    let kind = members(said["kind"].get());
    assert_eq!(request.uid(), text(&said, "uid"));
    assert_eq!(request.operation(), text(&said, "operation"));
    assert_eq!(request.name(), text(&said, "name"));
    assert_eq!(request.namespace(), text(&said, "namespace"));
    assert_eq!(request.kind(), text(&kind, "kind"));
    assert_eq!(
        request.object(),
        said.get("object").map(|object| object.get()).filter(|text| *text != "null")
    );
}

/// Nothing that a caller writes ends the request early, or is taken for settings.
fn assert_the_guest_is_asked_about_it(request: &Request<'_>) {
    let settings = r#"{"of":"the operator"}"#;
    let payload = String::from_utf8(request.payload(Some(settings))).expect("a payload is text");
    let read = members(&payload);
    assert_eq!(read.keys().collect::<Vec<_>>(), ["request", "settings"]);
    assert_eq!((read["request"].get(), read["settings"].get()), (request.text(), settings));
    let payload = String::from_utf8(request.payload(None)).expect("a payload is text");
    assert_eq!(members(&payload).into_keys().collect::<Vec<_>>(), ["request"]);
}

fn assert_is_answered(request: &Request<'_>, origin: Origin) {
    let unchanged = format!(r#"{{"accepted":true,"mutated_object":{}}}"#, request.object().unwrap_or("null"));
    let Evaluation { response, failed, .. } = Evaluation::of_answer(request, unchanged.as_bytes());
    assert!(response.allowed && !failed, "{response:?}");
    assert_eq!(response.patch, None);
    let answer: serde_json::Value = serde_json::from_slice(&origin.encode(&response)).expect("JSON");
    assert_eq!(answer["response"]["uid"], request.uid());
    assert_eq!(answer["response"]["allowed"], response.allowed);
}
